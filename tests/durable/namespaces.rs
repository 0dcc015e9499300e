//! Namespaces in one store are what they would be in stores of their own, live and read again, however commands of several come together.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use kith::domain::{Change, Error, MemberAttrs, NamespaceName, Precondition, Scope, TimeMs};
use kith::engine::{Engine, EngineOptions, ImportStream, Namespaces, Report, SetTime, State, WriterEnd, export_stored};
use kith::store::{BackupReader, Commit, Log, MemoryStore, NotAppended};

use crate::commands::some_change;
use crate::erasures::{BEGUN, DAY_MS, close, holds, open};
use crate::over::{Hears, over};
use crate::support::*;
use crate::verify::{Findings, assert_sound};

fn name(text: &str) -> NamespaceName {
    NamespaceName::parse("name", text).unwrap()
}

/// A namespace, and a store of its own that is given the same.
struct Both {
    name: NamespaceName,
    alone: (Engine, WriterEnd),
}

impl Both {
    fn begin(name: NamespaceName, time: &Arc<SetTime>) -> Both {
        let store = MemoryStore::new(STORE_ID).open();
        Both { name, alone: Engine::open_at(store, EngineOptions::default(), time.clone()).unwrap() }
    }

    /// Gives both the same commands, which are made for the state that both have.
    async fn change(&self, shared: &Engine, random: &mut Rng) {
        let (shared, alone) = (shared.within(&self.name), &self.alone.0);
        for _ in 0..random.usize(1..20) {
            let state = alone.state().unwrap();
            let changes: Vec<Change> = (0..random.usize(1..12)).map(|_| some_change(random, &state, &[])).collect();
            if random.bool() {
                alone.import(changes.clone()).await.unwrap();
                shared.import(changes).await.unwrap();
            } else {
                let asked = random.bool().then(|| request(random.u128(..), 0));
                let [one, other] = [alone, &shared].map(|engine| engine.write(changes.clone(), asked, Report::Results));
                assert_eq!(one.await.is_ok(), other.await.is_ok());
            }
        }
    }

    fn assert_alike(&self, shared: &Namespaces, when: &str) {
        let (own, alone) = (shared.get(&self.name).unwrap(), self.alone.0.state().unwrap());
        assert_eq!(own.digest(), alone.digest(), "{} {when}", self.name);
        let all = |state: &State| state.records().map(|record| format!("{record:?}")).collect::<BTreeSet<_>>();
        let is_erased = |record: &String| record.starts_with("Erased");
        let [own_records, alone_records] =
            [own, &alone].map(|state| all(state).into_iter().filter(|record| !is_erased(record)).collect::<Vec<_>>());
        assert_eq!(own_records, alone_records, "{} {when}", self.name);
        assert_eq!(own.request_count(), alone.request_count(), "{} {when}", self.name);
        assert_sound(own);
    }
}

#[test]
fn each_is_what_it_is_in_a_store_of_its_own() {
    let worlds = setting("KITH_WORLDS", 60);
    block_on(async {
        for seed in 0..worlds {
            let random = &mut Rng::with_seed(seed);
            let (memory, time) = (MemoryStore::new(STORE_ID), SetTime::at(BEGUN));
            let checkpoint_log_bytes_min = if random.bool() { 300 } else { u64::MAX };
            let options = EngineOptions { checkpoint_log_bytes_min, ..EngineOptions::default() };
            let (mut engine, mut end) = Engine::open_at(memory.open(), options, time.clone()).unwrap();
            let mut all = vec![Both::begin(NamespaceName::default(), &time)];
            for round in 0..random.usize(2..12) {
                match random.u8(..6) {
                    0 if all.len() < 5 => {
                        let made = name(["a", "b", "c", "d", "zz"][all.len() - 1]);
                        engine.within(&made).create_namespace(Scope::SHARED).await.unwrap();
                        all.push(Both::begin(made, &time));
                    }
                    1 if all.len() > 1 => {
                        let gone = engine.within(&all.pop().unwrap().name);
                        gone.delete_namespace().await.unwrap();
                        let refused = gone.write(vec![put_bare("late")], None, Report::Revision).await;
                        assert!(matches!(refused.map_err(whole), Err(Error::NotFound { .. })));
                        assert!(matches!(gone.import(vec![put_bare("late")]).await, Err(Error::NotFound { .. })));
                    }
                    2 => {
                        let live = engine.namespaces();
                        drop(engine);
                        end.join();
                        (engine, end) = Engine::open_at(memory.open(), options, time.clone()).unwrap();
                        let read = engine.namespaces();
                        assert_eq!(
                            (read.sequence(), read.namespace_count()),
                            (live.sequence(), live.namespace_count()),
                            "seed {seed}"
                        );
                        for both in &all {
                            let [live, read] = [&live, &read].map(|all| all.get(&both.name).unwrap().state_digest());
                            assert_eq!(live, read, "seed {seed}, {}", both.name);
                        }
                    }
                    _ => random.choice(&all).unwrap().change(&engine, random).await,
                }
                let namespaces = engine.namespaces();
                all.iter().for_each(|both| both.assert_alike(&namespaces, &format!("seed {seed}, round {round}")));
                assert_eq!(namespaces.verify(&mut Findings::default()).unwrap().findings, 0, "seed {seed}");
            }
            let namespaces = engine.namespaces();
            drop(engine);
            end.join();
            for both in all {
                one_is_backed_up_and_exported(&memory, &namespaces, &both.name);
                let (engine, end) = both.alone;
                drop(engine);
                end.join();
            }
        }
    });
}

fn one_is_backed_up_and_exported(memory: &MemoryStore, all: &Namespaces, only: &NamespaceName) {
    let mut bytes = Vec::new();
    let Ok(()) = all.backup(Some(only), |piece, _| {
        bytes.extend(piece);
        Ok::<_, Infallible>(())
    });
    let read = Namespaces::from_backup(&mut BackupReader::open(&bytes[..]).unwrap()).unwrap();
    let [kept, read] = [all, &read].map(|all| all.get(only).unwrap().state_digest());
    assert_eq!(kept, read, "{only}");
    let totals = export_stored(|| Ok(memory.open()), only, |_| Ok::<_, Infallible>(())).unwrap();
    let state = all.get(only).unwrap();
    assert_eq!((totals.digest, totals.members), (state.digest(), state.member_count()), "{only}");
}

#[test]
fn a_stream_of_imports_does_not_go_on_in_another_namespace_of_its_name() {
    let (engine, end) = Engine::open(MemoryStore::new(STORE_ID).open(), EngineOptions::default()).unwrap();
    block_on(async {
        let (own, stream) = (engine.within(&name("a")), ImportStream::default());
        own.create_namespace(Scope::SHARED).await.unwrap();
        own.begin_import(vec![put_bare("one")], &stream).await.unwrap().end().await.unwrap();
        own.delete_namespace().await.unwrap();
        own.create_namespace(Scope::SHARED).await.unwrap();
        let late = own.begin_import(vec![put_bare("two")], &stream).await.unwrap().end().await;
        assert!(matches!(late, Err(Error::NotFound { .. })), "{late:?}");
        assert_eq!(own.state().unwrap().member_count(), 0);
        own.import(vec![put_bare("three")]).await.unwrap();
    });
    drop(engine);
    end.join();
}

#[test]
fn a_long_import_does_not_go_on_in_another_namespace_of_its_name() {
    let options = EngineOptions { long_change_edges: 100, ..EngineOptions::default() };
    let (engine, end) = Engine::open(MemoryStore::new(STORE_ID).open(), options).unwrap();
    block_on(async {
        let (own, stream) = (engine.within(&name("a")), ImportStream::default());
        own.create_namespace(Scope::SHARED).await.unwrap();
        own.begin_import(vec![put_bare("one")], &stream).await.unwrap().end().await.unwrap();
        own.delete_namespace().await.unwrap();
        own.create_namespace(Scope::SHARED).await.unwrap();
        own.import((0..200).map(|n| put_edge("hub", "friend", &format!("fan-{n}"))).collect()).await.unwrap();
        let hide = |attrs: &mut MemberAttrs| attrs.processing_restricted = true;
        let (id, patch, precondition) = (member_id("hub"), patch(hide), Precondition::None);
        let hide = vec![Change::MergeMember { id, patch, precondition }];
        let late = own.begin_import(hide.clone(), &stream).await.unwrap().end().await;
        assert!(matches!(late, Err(Error::NotFound { .. })), "{late:?}");
        assert_eq!(own.import(hide).await.unwrap().results.iter().filter(|result| result.is_ok()).count(), 1);
        assert_eq!(engine.metrics().prepared.get(), 1, "it is one that is prepared");
    });
    drop(engine);
    end.join();
}

/// Holds up the first append after it is closed, until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn set(&self, closed: bool) {
        *self.0.0.lock().unwrap() = closed;
        self.0.1.notify_all();
    }
}

impl Hears for Gate {
    fn append(&mut self, log: &mut dyn Log, commits: &[Commit]) -> Result<(), NotAppended> {
        drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |closed| *closed).unwrap());
        log.append(commits)
    }
}

#[test]
fn imports_that_wait_together_are_grouped_by_their_namespace() {
    let gate = Gate::default();
    let (engine, end) = Engine::open(over(MemoryStore::new(STORE_ID).open(), &gate), EngineOptions::default()).unwrap();
    block_on(async {
        let all = ["a", "b", "c"].map(|text| engine.within(&name(text)));
        for engine in &all {
            engine.create_namespace(Scope::SHARED).await.unwrap();
        }
        gate.set(true);
        let (before, streams) = (engine.clone(), [(); 3].map(|()| ImportStream::default()));
        let before = tokio::spawn(async move { before.import(vec![put_bare("before")]).await.unwrap() });
        wait_until(|| engine.orders_waiting() == 0).await;
        let mut begun = Vec::new();
        for n in 0..300 {
            let edges = (0..30).map(|m| put_edge(&format!("m{n}"), "friend", &format!("n{m}"))).collect();
            begun.push((n % 3, all[n % 3].begin_import(edges, &streams[n % 3]).await.unwrap()));
        }
        let begun_at = Instant::now();
        gate.set(false);
        before.await.unwrap();
        let mut sequences = Vec::new();
        for (namespace, mut import) in begun {
            sequences.push((import.end().await.unwrap().revision.sequence(), namespace));
        }
        println!("300 imports of 30 edges, alternately into 3 namespaces: {:.1?}", begun_at.elapsed());
        for own in 0..3 {
            let own: Vec<u64> = sequences.iter().filter(|(_, n)| *n == own).map(|(sequence, _)| *sequence).collect();
            assert!(own.len() == 100 && own.is_sorted(), "those of a stream stay in order");
        }
        sequences.sort_unstable();
        let changes = sequences.chunk_by(|one, next| one.1 == next.1).count();
        assert!(changes <= 6, "{changes} groups of 3 namespaces, in two batches at most");
    });
    drop(engine);
    end.join();
}

#[test]
fn what_has_expired_in_many_namespaces_is_erased_together() {
    let time = SetTime::at(BEGUN);
    let options = EngineOptions { status_retention: Duration::from_secs(1), ..EngineOptions::default() };
    let (engine, end) = Engine::open_at(MemoryStore::new(STORE_ID).open(), options, time.clone()).unwrap();
    block_on(async {
        for n in 0..100 {
            let own = engine.within(&name(&format!("n{n}")));
            own.create_namespace(Scope::SHARED).await.unwrap();
            let mut status = sample_status("s", "ann");
            status.attrs.expire_time = Some(TimeMs(BEGUN.0 + 1_000));
            own.write(vec![put_bare("ann"), Change::PostStatus { status }], None, Report::Revision).await.unwrap();
        }
        assert_eq!(engine.namespaces().totals().rows.statuses, 100);
        time.pass_ms(2_000);
        let (begun, mut writes) = (Instant::now(), 0);
        while engine.namespaces().totals().rows.statuses > 0 {
            assert!(begun.elapsed() < Duration::from_secs(30), "those of all namespaces are soon erased");
            engine.write(vec![put_bare(&format!("m{writes}"))], None, Report::Revision).await.unwrap();
            writes += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(engine.namespaces().verify(&mut Findings::default()).unwrap().findings, 0);
    });
    drop(engine);
    end.join();
}

#[test]
fn a_feed_of_a_quiet_namespace_passes_over_what_is_done_in_others() {
    let (engine, end) = Engine::open(MemoryStore::new(STORE_ID).open(), EngineOptions::default()).unwrap();
    block_on(async {
        let quiet = engine.within(&name("quiet"));
        quiet.create_namespace(Scope::SHARED).await.unwrap();
        let mut feed = quiet.feed("from", "", "".into()).await.unwrap();
        let mut seen = Vec::new();
        // In the second round nothing is done in the quiet one.
        for n in 0..60 {
            let own = if n % 30 == 7 && n < 30 { &quiet } else { &engine };
            own.write(vec![put_bare(&format!("m{n}"))], None, Report::Revision).await.unwrap();
            while n % 30 == 29 && feed.position() < engine.namespaces().sequence() {
                let next = feed.next(|_, changes| changes.namespace);
                let next = tokio::time::timeout(Duration::from_secs(30), next).await;
                seen.extend(next.expect("how far it has come is known, whatever is wanted").unwrap());
            }
        }
        assert_eq!(feed.position(), engine.namespaces().sequence());
        assert_eq!(seen, [name("quiet")]);
    });
    drop(engine);
    end.join();
}

#[test]
fn commands_of_many_that_come_together_are_each_of_its_own() {
    on_every_store(|open| {
        let (engine, end) = Engine::open(open(), EngineOptions::default()).unwrap();
        let live = block_on(async {
            let all: Vec<Engine> = (0..40).map(|n| engine.within(&name(&format!("n{n}")))).collect();
            for namespace in &all {
                namespace.create_namespace(Scope::SHARED).await.unwrap();
            }
            // Many wait for the writer at once, so that batches are of many namespaces.
            let mut writes = Vec::new();
            for n in 0..2_000_usize {
                let engine = all[n % all.len()].clone();
                writes.push(tokio::spawn(async move {
                    match n % 3 {
                        0 => drop(engine.import(vec![put_bare("same"), put_bare(&format!("i{n}"))]).await.unwrap()),
                        _ => drop(
                            engine
                                .write(vec![put_edge("same", "friend", &format!("w{n}"))], None, Report::Revision)
                                .await
                                .unwrap(),
                        ),
                    }
                }));
            }
            for write in writes {
                write.await.unwrap();
            }
            engine.namespaces()
        });
        for (at, namespace) in (0..40).map(|n| (n, live.get(&name(&format!("n{n}"))).unwrap())) {
            assert_eq!(namespace.member_count(), 51, "{at}");
            let of_others =
                |id: &str| (0..2_000).any(|n| n % 40 != at && (id == format!("i{n}") || id == format!("w{n}")));
            assert!(namespace.graph().iter_members().all(|ix| !of_others(namespace.graph().id(ix).as_str())));
        }
        drop(engine);
        end.join();
        let read = Namespaces::load(&mut open()).unwrap();
        for (name, state) in live.iter() {
            assert_eq!(read.get(name).unwrap().state_digest(), state.state_digest(), "{name}");
        }
        assert_eq!(read.totals(), live.totals());
    });
}

#[test]
fn no_byte_of_a_deleted_namespace_stays_and_a_restored_one_is_deleted_again() {
    let (folder, time) = (tempfile::tempdir().unwrap(), SetTime::at(BEGUN));
    let (engine, end) = open(folder.path(), &time, EngineOptions::default());
    let acme = name("acme-customer");
    block_on(async {
        let own = engine.within(&acme);
        own.create_namespace(Scope::SHARED).await.unwrap();
        own.write(vec![put_bare("ghostly"), put_edge("ghostly", "friend", "phantom")], None, Report::Revision)
            .await
            .unwrap();
        engine.write(vec![put_bare("ghostly-too")], None, Report::Revision).await.unwrap();
        let mut backup = Vec::new();
        let Ok(()) = engine.namespaces().backup(None, |piece, _| {
            backup.extend(piece);
            Ok::<_, Infallible>(())
        });
        std::fs::write(folder.path().join("backup"), backup).unwrap();
        own.delete_namespace().await.unwrap();
        assert!(holds(folder.path(), "acme-customer"));
        // Its bytes have as long as those of an erased member.
        time.pass_ms(DAY_MS);
        let gone = || !["acme-customer", "phantom"].iter().any(|text| holds(folder.path(), text));
        wait_until(gone).await;
        let journal = std::fs::read(folder.path().join("journal")).unwrap();
        assert!(!journal.windows(4).any(|bytes| bytes == b"acme"));
        assert!(engine.state().unwrap().member("ghostly-too").is_some());
    });
    close((engine, end));
    let bytes = std::fs::read(folder.path().join("backup")).unwrap();
    std::fs::remove_dir_all(folder.path().join("store")).unwrap();
    kith::store::restore(&folder.path().join("store"), STORE_ID, &mut BackupReader::open(&bytes[..]).unwrap()).unwrap();
    let (engine, end) = open(folder.path(), &time, EngineOptions::default());
    assert!(engine.namespaces().get(&acme).is_none(), "it was deleted since");
    assert!(engine.state().unwrap().member("ghostly-too").is_some());
    // One that is made anew under its name is another: the journal does not know it.
    block_on(engine.within(&acme).create_namespace(Scope::SHARED)).unwrap();
    close((engine, end));
    let (engine, end) = open(folder.path(), &time, EngineOptions::default());
    assert!(engine.namespaces().get(&acme).is_some());
    close((engine, end));
}

#[test]
fn an_erasure_of_one_namespace_is_none_of_another() {
    let (folder, time) = (tempfile::tempdir().unwrap(), SetTime::at(BEGUN));
    let options = EngineOptions { status_retention: Duration::MAX, ..EngineOptions::default() };
    let (engine, end) = open(folder.path(), &time, options);
    let (a, b) = (name("a"), name("b"));
    let backup = block_on(async {
        for namespace in [&a, &b] {
            engine.within(namespace).create_namespace(Scope::SHARED).await.unwrap();
            engine.within(namespace).write(vec![put_bare("ann")], None, Report::Revision).await.unwrap();
        }
        let mut backup = Vec::new();
        let Ok(()) = engine.namespaces().backup(None, |piece, _| {
            backup.extend(piece);
            Ok::<_, Infallible>(())
        });
        time.pass_ms(1_000);
        let precondition = kith::domain::Precondition::None;
        let delete = Change::DeleteMember { id: member_id("ann"), precondition, allow_missing: false };
        engine.within(&a).write(vec![delete], None, Report::Revision).await.unwrap();
        let imported = engine.within(&b).import(vec![put_bare("ann")]).await.unwrap();
        assert!(imported.results[0].is_ok());
        assert!(engine.within(&a).import(vec![put_bare("ann")]).await.unwrap().results[0].is_err());
        backup
    });
    close((engine, end));
    std::fs::remove_dir_all(folder.path().join("store")).unwrap();
    kith::store::restore(&folder.path().join("store"), STORE_ID, &mut BackupReader::open(&backup[..]).unwrap())
        .unwrap();
    let (engine, end) = open(folder.path(), &time, options);
    let is_there = |namespace| engine.within(namespace).state().unwrap().member("ann").is_some();
    assert_eq!([&a, &b].map(is_there), [false, true]);
    close((engine, end));
}
