//! The engine against the naive model: random commands, after each one its result and all there is are compared.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt::Debug;

use fastrand::Rng;
use kith::domain::{
    Change, ChangeError, Edge, EdgeKey, EdgePut, History, Kind, Member, NamespaceName, Precondition, Sphere, StatusId,
    TimeMs,
};
use kith::engine::{
    Applied, Engine, EngineOptions, Hashed, ImportStream, Record, Refusal, Report, State, Stored, WriterEnd,
    export_stored,
};
use kith::store::MemoryStore;

use crate::commands::{some_change, some_puts};
use crate::naive::{Dated, Done, Naive, Refused, version};
use crate::support::*;
use crate::verify::assert_sound;
use crate::watched::Watch;

fn done(applied: &Applied) -> Done {
    let effect = match applied.effect {
        kith::engine::Effect::Created => "Created",
        kith::engine::Effect::Updated => "Updated",
        kith::engine::Effect::Unchanged => "Unchanged",
        kith::engine::Effect::Deleted => "Deleted",
    };
    (effect, applied.edges_deleted, applied.statuses_deleted, applied.members_created)
}

fn refused(error: &ChangeError) -> Refused {
    match error {
        ChangeError::Invalid(violations) => format!("Invalid {:?} {:?}", violations[0].reason, violations[0].field),
        ChangeError::NotFound { resource, .. } => format!("NotFound {resource:?}"),
        ChangeError::AlreadyExists { resource, .. } => format!("AlreadyExists {resource:?}"),
        ChangeError::Precondition(violation) => format!("Precondition {:?} {:?}", violation.reason, violation.field),
        ChangeError::EtagMismatch => "EtagMismatch".to_owned(),
    }
}

/// An engine beside its model.
struct Pair<'a> {
    open: Opener<'a>,
    options: EngineOptions,
    watch: Watch,
    engine: Option<(Engine, WriterEnd)>,
    naive: Naive,
    sequence: u64,
    etags: Vec<String>,
    random: Rng,
}

impl<'a> Pair<'a> {
    fn new(open: Opener<'a>, seed: u64) -> Pair<'a> {
        // Every other engine prepares whatever removes or moves an edge.
        let long_change_edges = if seed.is_multiple_of(2) { 1 } else { u64::MAX };
        let options = EngineOptions { checkpoint_log_bytes_min: 400, long_change_edges, ..EngineOptions::default() };
        let (watch, random) = (Watch::default(), Rng::with_seed(seed));
        let engine = Some(Engine::open(watch.on(open()), options).unwrap());
        watch.take_commits();
        Pair { open, options, watch, engine, naive: Naive::new(), sequence: 1, etags: Vec::new(), random }
    }

    fn engine(&self) -> &Engine {
        &self.engine.as_ref().unwrap().0
    }

    /// The time of the command just carried out; none if nothing was.
    fn committed(&mut self) -> Option<TimeMs> {
        let commits = self.watch.take_commits();
        assert!(commits.len() <= 1, "one command is one commit");
        let commit = commits.first()?;
        self.sequence += 1;
        assert_eq!(commit.sequence, self.sequence);
        Some(commit.command.time)
    }

    async fn step(&mut self) {
        let state = self.engine().state().unwrap();
        let count = if self.random.u8(0..3) == 0 { self.random.usize(2..7) } else { 1 };
        let changes: Vec<Change> = (0..count).map(|_| some_change(&mut self.random, &state, &self.etags)).collect();
        let imported: Vec<Change> =
            changes.iter().filter(|change| !matches!(change, Change::DeleteMember { .. })).cloned().collect();
        match self.random.u8(0..8) {
            // Imports delete nobody.
            0 | 1 if imported.is_empty() => self.write(changes).await,
            0 => self.import(vec![imported]).await,
            1 => {
                let mut imports = vec![imported];
                for _ in 0..self.random.usize(1..4) {
                    imports.push(some_puts(&mut self.random, state.time()));
                }
                self.random.shuffle(&mut imports);
                self.import(imports).await
            }
            _ => self.write(changes).await,
        }
        assert_eq!(self.engine().state().unwrap().sequence(), self.sequence);
    }

    async fn write(&mut self, changes: Vec<Change>) {
        // Under an id a command is kept even if it changes nothing.
        let request = self.random.bool().then(|| request(self.random.u128(..), 7));
        let written = self.engine().write(changes.clone(), request, Report::Results).await;
        let now = self.committed();
        let before = self.naive.clone();
        // A refusal or a command without effect leaves no time behind, and needs none.
        let expected: Vec<_> = changes.iter().map(|change| self.naive.apply(now.unwrap_or_default(), change)).collect();
        let expected = match expected.iter().position(Result::is_err) {
            Some(i) => {
                assert_eq!(now, None, "a refused command is not kept");
                self.naive = before;
                Err((i, expected[i].clone().unwrap_err()))
            }
            None => {
                let effects: Vec<Done> = expected.into_iter().map(Result::unwrap).collect();
                let has_effect = effects.iter().any(|effect| effect.0 != "Unchanged");
                assert_eq!(now.is_some(), has_effect || request.is_some());
                Ok(effects)
            }
        };
        let written = written.map(|outcome| outcome.results.iter().map(|result| done(&result.applied)).collect());
        assert_eq!(
            written.map_err(|refusal| match refusal {
                Refusal::Change { index, error } => (index, self::refused(&error)),
                Refusal::Command(error) => panic!("{error}"),
            }),
            expected,
            "{changes:#?}"
        );
    }

    /// Imports that are begun before the first has ended.
    async fn import(&mut self, imports: Vec<Vec<Change>>) {
        let (stream, mut begun) = (ImportStream::default(), Vec::new());
        for changes in &imports {
            begun.push(self.engine().begin_import(changes.clone(), &stream).await.unwrap());
        }
        let mut ended = Vec::new();
        for import in &mut begun {
            ended.push(import.end().await.unwrap());
        }
        let mut commits = self.watch.take_commits().into_iter();
        for (changes, imported) in imports.iter().zip(ended) {
            let kept = imported.revision.sequence() > self.sequence;
            let commit = kept.then(|| commits.next().unwrap());
            self.sequence += u64::from(kept);
            assert!(commit.as_ref().is_none_or(|commit| commit.sequence == self.sequence));
            assert_eq!(imported.revision.sequence(), self.sequence);
            let now = commit.map_or(TimeMs::default(), |commit| commit.command.time);
            let expected: Vec<Result<Done, Refused>> = changes.iter().map(|c| self.naive.import(now, c)).collect();
            let found: Vec<_> = imported.results.iter().map(|r| r.as_ref().map(done).map_err(refused)).collect();
            assert_eq!(found, expected, "{changes:#?}");
            assert_eq!(kept, expected.iter().flatten().any(|effect| effect.0 != "Unchanged"));
        }
        assert!(commits.next().is_none());
    }

    /// Compares everything, and notes the etags.
    fn compare(&mut self) {
        let state = self.engine().state().unwrap();
        assert_sound(&state);
        let naive = &self.naive;
        let mut etags = Vec::new();
        assert_eq!(state.kinds().len(), naive.kinds.len());
        for (name, kind) in &naive.kinds {
            etags.push(same(state.kind(name.as_str()), kind));
        }
        let ids: Vec<_> = state.graph().members_after(None).map(|ix| state.graph().id(ix).clone()).collect();
        assert_eq!(ids, naive.members.keys().cloned().collect::<Vec<_>>());
        assert_eq!(state.member_count(), ids.len() as u64);
        for (id, member) in &naive.members {
            etags.push(same(state.member(id.as_str()), member));
            let ix = state.graph().find(id.as_str()).unwrap();
            let of = |edge: &&Dated<Edge>| edge.value.key.from == *id || edge.value.key.to == *id;
            let stands = |edge: &&Dated<Edge>| edge.value.attrs.asked_by.is_none();
            let ends = naive.edges.values().filter(of).filter(stands).count();
            assert_eq!(state.graph().half_edges(ix).len(), ends);
            let mut own: Vec<_> = naive.statuses.values().map(|s| &s.value).filter(|s| s.author == *id).collect();
            own.sort_by(|a, b| b.attrs.post_time.cmp(&a.attrs.post_time).then(a.id.cmp(&b.id)));
            let own: Vec<&StatusId> = own.into_iter().map(|status| &status.id).collect();
            assert_eq!(state.statuses_of(ix, None).collect::<Vec<_>>(), own);
        }
        let pending = naive.edges.values().filter(|edge| edge.value.attrs.asked_by.is_some()).count() as u64;
        assert_eq!(state.pending_count(), pending);
        assert_eq!(state.edge_count(), naive.edges.len() as u64 - pending);
        for (key, edge) in &naive.edges {
            etags.push(same(state.edge(key), edge));
            let back = EdgeKey { from: key.to.clone(), kind: key.kind.clone(), to: key.from.clone() };
            if naive.kinds[&key.kind].value.attrs.symmetric {
                assert_eq!(state.edge(&back).unwrap().value, edge.value);
            } else {
                assert_eq!(state.edge(&back).is_some(), naive.edges.contains_key(&back));
            }
        }
        assert_eq!(state.status_count(), naive.statuses.len() as u64);
        for (id, status) in &naive.statuses {
            etags.push(same(state.status(id.as_str()), status));
            let came_of =
                |edge: &Edge| edge.attrs.origin.as_ref().is_some_and(|origin| origin.status.as_ref() == Some(id));
            let outcomes: Vec<_> = naive.edges.values().filter(|e| came_of(&e.value)).map(|e| &e.value.key).collect();
            assert_eq!(state.outcomes_of(id, None).collect::<Vec<_>>(), outcomes);
        }
        let blocks = state.graph().members_after(None).flat_map(|ix| state.blocks_by(ix));
        assert!(blocks.eq(naive.blocks.iter().cloned()));
        assert_eq!(state.block_count(), naive.blocks.len() as u64);
        let tallies = state
            .graph()
            .members_after(None)
            .filter_map(|ix| Some((state.graph().id(ix).clone(), state.introducer_tally(ix)?.clone())));
        assert!(tallies.eq(naive.asked.iter().map(|(id, asked)| (id.clone(), asked.tally()))));
        assert_eq!(state.tally_count(), naive.asked.len() as u64);
        for (etag, version) in etags {
            let known = self.naive.etags.entry(etag.clone()).or_insert_with(|| version.clone());
            assert_eq!(*known, version, "an etag stands for one version");
            self.etags.push(etag);
        }
    }

    /// Closes the store and opens it again: what comes back is what was there.
    fn reopen(&mut self) {
        let before = self.engine().state().unwrap();
        let (engine, end) = self.engine.take().unwrap();
        drop(engine);
        end.join();
        self.exported_as(&before);
        self.engine = Some(Engine::open(self.watch.on((self.open)()), self.options).unwrap());
        let after = self.engine().state().unwrap();
        assert_eq!((after.digest(), after.revision()), (before.digest(), before.revision()));
        assert_eq!(
            after.state_digest(),
            before.state_digest(),
            "what is live and what is replayed are the same in all"
        );
        self.compare();
    }
}

impl Pair<'_> {
    /// What is exported of the closed store, without its state, is what the state held: all of it, and nothing before what it names.
    fn exported_as(&self, state: &State) {
        let (mut exported, mut named) = (Vec::new(), BTreeSet::new());
        let take = |record: Record| -> Result<(), Infallible> {
            let (name, names) = match &record {
                Record::AbsentKind(name) => (format!("no kind {name}"), vec![]),
                Record::Kind(kind) => (format!("kind {}", kind.name), vec![]),
                Record::Member(Stored { value, .. }) => (format!("member {}", value.id), vec![]),
                Record::Status(Stored { value, .. }) => {
                    (format!("status {}", value.id), vec![format!("member {}", value.author)])
                }
                Record::Edge(Stored { value, .. }) => {
                    let EdgeKey { from, kind, to } = &value.key;
                    let status = value.attrs.origin.as_ref().and_then(|origin| origin.status.as_ref());
                    let ends = [format!("member {from}"), format!("member {to}"), format!("kind {kind}")];
                    let status = status.map(|status| format!("status {status}"));
                    (format!("edge {from} {kind} {to}"), ends.into_iter().chain(status).collect())
                }
                Record::Block(block) => {
                    let ends = vec![format!("member {}", block.by), format!("member {}", block.of)];
                    (format!("block {} {}", block.by, block.of), ends)
                }
                Record::IntroducerTally(introducer, _) => {
                    (format!("tally {introducer}"), vec![format!("member {introducer}")])
                }
                Record::Erased(_, erased) => (format!("{erased:?}"), vec![]),
            };
            assert!(names.iter().all(|name| named.contains(name)), "{record:?} comes before what it names");
            assert!(named.insert(name), "{record:?} comes twice");
            exported.push(format!("{record:?}"));
            Ok(())
        };
        let totals = export_stored(|| Ok((self.open)()), &NamespaceName::default(), take).unwrap();
        let mut held: Vec<String> = state.records().map(|record| format!("{record:?}")).collect();
        exported.sort();
        held.sort();
        assert_eq!(exported, held);
        assert_eq!((totals.digest, totals.revision), (state.digest(), state.revision().to_string()));
        let edges = state.edge_count() + state.pending_count();
        assert_eq!((totals.members, totals.edges), (state.member_count(), edges));
    }
}

/// Compares a resource; gives its etag and what that stands for.
fn same<T: PartialEq + Debug + Clone + Hashed>(found: Option<Stored<T>>, expected: &Dated<T>) -> (String, String) {
    let found = found.unwrap_or_else(|| panic!("{expected:?} is missing"));
    let etag = found.etag();
    let dated = Dated { value: found.value, create: found.create_time, update: found.update_time };
    assert_eq!(dated, *expected);
    (etag, version(&expected.value, expected.update))
}

fn run(open: Opener, seed: u64, steps: u32) {
    block_on(async {
        let mut pair = Pair::new(open, seed);
        pair.compare();
        for step in 1..=steps {
            pair.step().await;
            pair.compare();
            if step % 60 == 0 {
                pair.reopen();
            }
        }
        assert!(pair.sequence > u64::from(steps) / 4, "most commands are refused: {}", pair.sequence);
        wait_until(|| pair.watch.installed() > 0).await;
        pair.reopen();
    });
}

#[test]
fn the_engine_agrees_with_the_naive_model_in_memory() {
    for seed in 0..40 {
        let memory = MemoryStore::new(STORE_ID);
        run(&|| memory.open(), seed, 250);
    }
}

#[test]
fn the_engine_agrees_with_the_naive_model_on_disk() {
    for seed in 100..104 {
        let folder = tempfile::tempdir().unwrap();
        run(&|| open_store(&folder.path().join("store")).unwrap(), seed, 200);
    }
}

#[test]
fn the_order_of_insertion_leaves_no_trace_in_the_digest() {
    let digest_of = |seed: u64| {
        let mut random = Rng::with_seed(seed);
        let mut members: Vec<Change> = (0..200)
            .map(|n| {
                let mut member = Member::bare(member_id(&format!("m{n}")));
                member.attrs.headline = format!("headline {}", n % 7);
                put_member(member)
            })
            .collect();
        let mut statuses: Vec<Change> =
            (0..50).map(|n| Change::PostStatus { status: sample_status(&format!("s{n}"), &format!("m{n}")) }).collect();
        let mut edges: Vec<Change> = (0..600).map(|n| numbered_edge(n, random.bool())).collect();
        // What is deleted again leaves none either.
        let passing = (0..100).map(|n| put_edge(&format!("m{n}"), "client", "passing"));
        edges.extend(passing);
        [&mut members, &mut statuses, &mut edges].into_iter().for_each(|changes| random.shuffle(changes));
        let allow_missing = false;
        let delete = Change::DeleteMember { id: member_id("passing"), precondition: Precondition::None, allow_missing };
        block_on(async {
            let (engine, _end) = Engine::open(MemoryStore::new(STORE_ID).open(), EngineOptions::default()).unwrap();
            for changes in [members, statuses, edges, vec![delete]] {
                for batch in changes.chunks(random.usize(1..100)) {
                    let imported = engine.import(batch.to_vec()).await.unwrap();
                    assert!(imported.results.iter().all(Result::is_ok));
                }
            }
            engine.state().unwrap().digest()
        })
    };
    let first = digest_of(1);
    assert!((2..6).all(|seed| digest_of(seed) == first));
}

/// The edge of a number; of a symmetric kind its ends may be given in either order.
fn numbered_edge(n: u32, swap: bool) -> Change {
    let (from, to) = (format!("m{}", n % 200), format!("m{}", (n + 1 + n / 200) % 200));
    let symmetric = !n.is_multiple_of(3);
    let (from, to) = if swap && symmetric { (to, from) } else { (from, to) };
    let mut put = EdgePut::bare(edge_key(&from, if symmetric { "friend" } else { "follows" }, &to));
    put.attrs.note = (n % 5).to_string();
    if n.is_multiple_of(4) {
        put = put.with_history(History { count: n.into(), faded: n as f32 / 2.0, last_s: n });
    }
    Change::PutEdge { put, precondition: Precondition::None, allow_missing_members: false }
}

#[test]
fn the_65th_kind_is_refused_and_a_freed_place_is_taken() {
    block_on(async {
        let memory = MemoryStore::new(STORE_ID);
        let (engine, _end) = Engine::open(memory.open(), EngineOptions::default()).unwrap();
        let put = |n: u32| {
            let kind = Kind::new(kind_name(&format!("kind-{n}")), Sphere::Public, true, 1.0, 60_000).unwrap();
            Change::PutKind { kind, precondition: Precondition::None }
        };
        let imported = engine.import((0..58).map(put).collect()).await.unwrap();
        let results: Vec<_> = imported.results.iter().map(|r| r.as_ref().map(done).map_err(refused)).collect();
        assert!(results[..57].iter().all(Result::is_ok));
        assert_eq!(results[57], Err("Precondition KindLimit KindName".to_owned()));
        let (name, precondition) = (kind_name("kind-20"), Precondition::None);
        let delete = Change::DeleteKind { name, precondition, allow_missing: false };
        engine.write(vec![delete, put(57)], None, Report::Revision).await.unwrap();
        assert_eq!(engine.state().unwrap().kinds().len(), 64);
    });
}
