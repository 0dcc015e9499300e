//! A bound on memory: what is refused when it is met, what goes on, and what a restart finds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kith::domain::{Change, Error, MemberPatch, Precondition, Reason, Visibility};
use kith::engine::{BatchBytes, Engine, EngineOptions, ImportStream, MemoryLimit, Report};
use kith::store::MemoryStore;

use crate::support::*;
use crate::watched::Watch;

/// A store of some thousand members is at this bound: the process itself counts for nothing here.
const BYTES_MAX: u64 = 2_000_000;

fn options() -> EngineOptions {
    let memory = MemoryLimit { bytes_max: Some(BYTES_MAX), taken: || 0 };
    EngineOptions { checkpoint_log_bytes_min: 20_000, memory, ..EngineOptions::default() }
}

fn is_full(refused: &Error) -> bool {
    matches!(refused, Error::Exhausted { reason: Reason::MemoryFull, .. })
}

fn patch(id: &str, patch: MemberPatch) -> Change {
    Change::UpdateMember { id: member_id(id), patch, precondition: Precondition::None }
}

fn delete(id: &str) -> Change {
    Change::DeleteMember { id: member_id(id), precondition: Precondition::None, allow_missing: false }
}

async fn write(engine: &Engine, change: Change) -> Result<(), Error> {
    engine.write(vec![change], None, Report::Revision).await.map(|_| ()).map_err(whole)
}

/// Imports members with edges until it is refused; gives how many imports went through.
async fn fill(engine: &Engine) -> u32 {
    for round in 0..2_000 {
        let changes = (0..20).map(|n| put_edge(&format!("m{}", round * 20 + n), "friend", "m0x")).collect();
        match engine.import(changes).await {
            Ok(imported) => assert!(imported.results.iter().all(Result::is_ok)),
            Err(refused) => {
                assert!(is_full(&refused), "{refused:?}");
                return round;
            }
        }
    }
    panic!("it is never full");
}

#[test]
fn what_grows_is_refused_in_time_for_a_restart_and_all_else_goes_on() {
    let memory = MemoryStore::new(STORE_ID);
    let open = || Engine::open(memory.open(), options()).unwrap();
    let (engine, end) = open();
    let (members, digest) = block_on(async {
        write(&engine, put_bare("author")).await.unwrap();
        let post = || vec![Change::PostStatus { status: sample_status("s", "author") }];
        let asked = Some(request(1, 1));
        let first = engine.write(post(), asked, Report::Resource).await.unwrap();
        assert!(fill(&engine).await > 10);
        let again = engine.write(post(), asked, Report::Resource).await.unwrap();
        assert_eq!(again, first, "a retry has its answer, whatever there is room for");
        let metrics = engine.memory_metrics();
        assert!(engine.state().unwrap().member_count() < BYTES_MAX / 240, "it is noticed in time");
        assert!(metrics.is_full && metrics.bytes_max == BYTES_MAX && metrics.start_bytes > BYTES_MAX, "{metrics:?}");
        let renamed = |name: &str| crate::support::patch(|attrs| attrs.display_name = name.to_owned());
        for grows in [put_bare("new"), put_edge("m1", "client", "m2"), patch("m1", renamed("One"))] {
            assert!(is_full(&write(&engine, grows).await.unwrap_err()));
        }
        let hide = crate::support::patch(|attrs| attrs.edges_visibility = Visibility::Parties);
        for goes_on in [put_bare("m1"), put_edge("m1", "friend", "m0x"), patch("m1", hide), delete("m2")] {
            write(&engine, goes_on).await.unwrap();
        }
        (engine.state().unwrap().member_count(), engine.state().unwrap().digest())
    });
    drop(engine);
    end.join();
    let (engine, end) = open();
    assert_eq!((engine.state().unwrap().member_count(), engine.state().unwrap().digest()), (members, digest));
    block_on(async {
        for n in 3..members / 2 {
            write(&engine, delete(&format!("m{n}"))).await.unwrap();
        }
        // The checkpoint without them says that there is room again.
        wait_until(|| !engine.memory_metrics().is_full).await;
        write(&engine, put_bare("new")).await.unwrap();
    });
    drop(engine);
    end.join();
}

#[test]
fn what_the_process_takes_counts_as_well() {
    let memory = MemoryLimit { bytes_max: Some(1_000), taken: || 1_001 };
    let options = EngineOptions { memory, ..EngineOptions::default() };
    let (engine, end) = Engine::open(MemoryStore::new(STORE_ID).open(), options).unwrap();
    assert!(is_full(&block_on(write(&engine, put_bare("new"))).unwrap_err()));
    drop(engine);
    end.join();
    let (engine, end) = Engine::open(MemoryStore::new(STORE_ID).open(), EngineOptions::default()).unwrap();
    block_on(write(&engine, put_bare("new"))).unwrap();
    drop(engine);
    end.join();
}

/// However much is to be imported, what is under way is a part of the bound: neither the largest batch nor all that was accepted and not
/// answered is more.
#[test]
fn imports_under_way_are_a_part_of_the_bound() {
    const CHANGES: usize = 100;
    let memory = MemoryLimit { bytes_max: Some(64_000_000), taken: || 0 };
    let options = EngineOptions { memory, ..EngineOptions::default() };
    let watch = Watch::default();
    let (engine, end) = Engine::open(watch.on(MemoryStore::new(STORE_ID).open()), options).unwrap();
    // A change takes two thousand bytes at least.
    let changes_max = BatchBytes::of(memory).0 as usize / 2_000;
    let (imports, begun) = (10 * changes_max / CHANGES, Arc::new(AtomicUsize::new(0)));
    block_on(async {
        let hold = watch.hold();
        let import = |round: usize| {
            let (engine, begun) = (engine.clone(), begun.clone());
            tokio::spawn(async move {
                let edge = |n: usize| put_edge(&format!("m{round}"), "friend", &format!("n{n}"));
                let changes = (0..CHANGES).map(edge).collect();
                // Two callers, because one alone gets less than all of the room.
                let stream = ImportStream::of(["ana", "ben"][round % 2].into());
                let mut import = engine.begin_import(changes, &stream).await.unwrap();
                begun.fetch_add(1, Ordering::SeqCst);
                import.end().await.unwrap()
            })
        };
        let importing: Vec<_> = (0..imports).map(import).collect();
        wait_until(|| begun.load(Ordering::SeqCst) * CHANGES >= 2 * changes_max && watch.appending()).await;
        // Nobody is answered while appends wait, so whoever is to begin has begun or waits for room.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        let under_way = begun.load(Ordering::SeqCst) * CHANGES;
        assert!(under_way <= 3 * changes_max, "{under_way} changes are under way");
        drop(hold);
        for import in importing {
            assert!(import.await.unwrap().results.iter().all(Result::is_ok));
        }
    });
    let together = watch.changes_together();
    assert!((CHANGES + 1..=changes_max + CHANGES).contains(&together), "{together} changes went together");
    assert_eq!(engine.state().unwrap().edge_count(), (imports * CHANGES) as u64);
    drop(engine);
    end.join();
}
