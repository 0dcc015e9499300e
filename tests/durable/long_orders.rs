//! Long commands, prepared beside others: what comes of them is what a server gives that does everything at once.

use std::sync::{Arc, Mutex};

use fastrand::Rng;
use kith::domain::{
    Change, EdgeAttrs, EdgePut, Member, MemberAttrs, MemberPatch, Origin, Precondition, Request, TimeMs, Visibility,
};
use kith::engine::{Effect, Engine, EngineOptions, ImportStream, Refusal, Report, SetTime, State, WriterEnd};
use kith::graph::View;
use kith::store::{Commit, MemoryStore, Store, StoreError};

use crate::commands::{some_change, some_puts};
use crate::support::*;
use crate::verify::assert_sound;
use crate::watched::Watch;

const BEGUN: TimeMs = TimeMs(1_800_000_000_000);
/// Members of `some_change` that are hubs now and then.
const HUBS: [&str; 3] = ["a", "b", "aa"];
const KINDS: [&str; 3] = ["friend", "follows", "client"];

/// Something that was asked for, with its answer and the sequence that it got.
#[derive(Debug, Clone)]
struct Told {
    sequence: u64,
    changes: Vec<Change>,
    request: Option<Request>,
    imported: bool,
    answer: String,
}

async fn write(engine: &Engine, changes: Vec<Change>, request: Option<Request>) -> Option<Told> {
    let outcome = engine.write(changes.clone(), request, Report::Results).await.ok()?;
    let has_effect = outcome.results.iter().any(|result| result.applied.effect != Effect::Unchanged);
    let (sequence, answer) = (outcome.revision.sequence(), format!("{outcome:?}"));
    (has_effect || request.is_some()).then_some(Told { sequence, changes, request, imported: false, answer })
}

/// Imports that are begun one after the other, of one stream.
async fn import(engine: &Engine, imports: Vec<Vec<Change>>) -> Vec<Told> {
    let (stream, mut begun, mut told) = (ImportStream::default(), Vec::new(), Vec::new());
    for changes in imports {
        let begins = engine.begin_import(changes.clone(), &stream).await.unwrap();
        begun.push((changes, begins));
    }
    for (changes, mut import) in begun {
        let Ok(imported) = import.end().await else { continue };
        let sequence = imported.revision.sequence();
        if imported.results.iter().flatten().any(|applied| applied.effect != Effect::Unchanged) {
            let answer = format!("{sequence} {:?}", imported.results);
            told.push(Told { sequence, changes, request: None, imported: true, answer });
        }
    }
    assert!(told.is_sorted_by_key(|told| told.sequence), "a stream's order stays");
    told
}

fn some_hub(random: &mut Rng) -> &'static str {
    HUBS[random.usize(..HUBS.len())]
}

/// Edges of a hub with many, in both directions, some of them hidden or only asked for.
fn fans(random: &mut Rng, hub: &str, count: usize) -> Vec<Change> {
    let mut fan = |n: usize| {
        let (fan, kind) = (format!("fan-{n}"), KINDS[random.usize(..KINDS.len())]);
        let key = if random.bool() { edge_key(&fan, kind, hub) } else { edge_key(hub, kind, &fan) };
        let asked_by = (random.u8(..8) == 0).then(|| key.from.clone());
        let visibility = Visibility::ALL[[0, 0, 0, 1, 2][random.usize(..5)]];
        let introducers = if random.u8(..16) == 0 { vec![member_id("z")] } else { Vec::new() };
        let origin = Some(Origin { introducers, ..Origin::default() });
        let attrs = EdgeAttrs { asked_by, visibility, origin, ..EdgeAttrs::default() };
        let put = EdgePut { attrs, ..EdgePut::bare(key) };
        Change::PutEdge { put, precondition: Precondition::None, allow_missing_members: true }
    };
    (0..count).map(&mut fan).collect()
}

fn shown(random: &mut Rng, hub: &str) -> Change {
    let (edges_visibility, processing_restricted) = (Visibility::ALL[random.usize(..3)], random.u8(..3) == 0);
    let (id, precondition) = (member_id(hub), Precondition::None);
    let attrs = MemberAttrs { edges_visibility, processing_restricted, ..MemberAttrs::default() };
    let some_fields = [MemberAttrs::EDGES_SHOWN, MemberAttrs::EDGES_VISIBILITY, MemberAttrs::PROCESSING_RESTRICTED];
    let patch = MemberPatch { set: some_fields[random.usize(..3)], attrs: attrs.clone(), ..MemberPatch::default() };
    match random.u8(..3) {
        0 => Change::UpdateMember { id, patch, precondition },
        1 => Change::MergeMember { id, patch, precondition },
        _ => {
            let declines_introducing = random.bool();
            put_member(Member { id, attrs: MemberAttrs { declines_introducing, ..attrs } })
        }
    }
}

/// A long command, alone or among others, and now and then the same again under its request id, or another change of the same member.
async fn long(engine: &Engine, random: &mut Rng) -> Vec<Told> {
    let hub = some_hub(random);
    let changes = fans(random, hub, 1_500);
    let mut told = import(engine, changes.chunks(500).map(<[Change]>::to_vec).collect()).await;
    let erase = Change::DeleteMember { id: member_id(hub), precondition: Precondition::None, allow_missing: true };
    let change = if random.bool() { erase } else { shown(random, hub) };
    let state = engine.state().unwrap();
    let mut changes = vec![change.clone()];
    for _ in 0..random.usize(..3) {
        changes.insert(random.usize(..=changes.len()), some_change(random, &state, &[]));
    }
    if random.u8(..3) == 0 {
        // Whoever introduced some of them is erased before, which tells of their edges.
        let (id, precondition) = (member_id("z"), Precondition::None);
        changes.insert(0, Change::DeleteMember { id, precondition, allow_missing: true });
    }
    let asked = random.bool().then(|| request(random.u128(..), 3));
    if !matches!(change, Change::DeleteMember { .. }) && random.bool() {
        let other = some_hub(random);
        // Imports delete nobody.
        changes.retain(|change| !matches!(change, Change::DeleteMember { .. }));
        changes.push(shown(random, other));
        told.extend(import(engine, vec![changes, some_puts(random, state.time()), vec![shown(random, hub)]]).await);
        return told;
    }
    let after = vec![shown(random, hub)];
    let (first, retried, after) = tokio::join!(
        write(engine, changes.clone(), asked),
        async { if asked.is_some() { write(engine, changes.clone(), asked).await } else { None } },
        write(engine, after, None)
    );
    if let (Some(first), Some(retried)) = (&first, &retried) {
        assert_eq!(first.answer, retried.answer);
    }
    // The first may be refused, by what stands in its way or by the disk, and the other not.
    told.extend(first.or(retried).into_iter().chain(after));
    told
}

/// What others do meanwhile: anything, the hubs and their fans among whom they name.
async fn short(engine: &Engine, random: &mut Rng) -> Vec<Told> {
    let state = engine.state().unwrap();
    let hub = state.member(some_hub(random)).map(|hub| hub.etag()).into_iter().collect::<Vec<_>>();
    let some = |random: &mut Rng| match random.u8(..4) {
        0 => {
            let (hub, count) = (some_hub(random), random.usize(1..1_500));
            fans(random, hub, count).pop().unwrap()
        }
        // An edge of a hub brings about its other end, which stays when the hub goes.
        1 if random.bool() => {
            let (hub, other) = (some_hub(random), format!("new-{}", random.u32(..)));
            if random.bool() { put_edge(hub, "friend", &other) } else { put_edge(&other, "follows", hub) }
        }
        1 => {
            let id = member_id(&format!("fan-{}", random.u32(..1_500)));
            Change::DeleteMember { id, precondition: Precondition::None, allow_missing: true }
        }
        _ => some_change(random, &state, &hub),
    };
    let changes: Vec<Change> = (0..random.usize(1..4)).map(|_| some(random)).collect();
    if random.u8(..4) == 0 {
        let changes = changes.into_iter().filter(|change| !matches!(change, Change::DeleteMember { .. })).collect();
        return import(engine, vec![changes, some_puts(random, state.time())]).await;
    }
    let asked = random.bool().then(|| request(random.u128(..), 3));
    write(engine, changes, asked).await.into_iter().collect()
}

fn open(store: Store, clock: Arc<SetTime>, long_change_edges: u64) -> (Engine, WriterEnd) {
    let options = EngineOptions { long_change_edges, ..EngineOptions::default() };
    Engine::open_at(store, options, clock).unwrap()
}

/// What comes of many tasks at once: what each was told, and what is in the log.
async fn together(engine: &Engine, clock: &Arc<SetTime>, seed: u64) -> Vec<Told> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..6)
        .map(|task| {
            let (engine, told, clock) = (engine.clone(), told.clone(), clock.clone());
            let mut random = Rng::with_seed(seed * 100 + task);
            tokio::spawn(async move {
                for _ in 0..if task < 2 { 4 } else { 120 } {
                    let more = match task {
                        0 | 1 => long(&engine, &mut random).await,
                        _ => short(&engine, &mut random).await,
                    };
                    told.lock().unwrap().extend(more);
                    clock.pass_ms(random.i64(0..3));
                    if random.u8(..8) == 0 {
                        tokio::time::sleep(std::time::Duration::from_micros(random.u64(..2_000))).await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut told = std::mem::take(&mut *told.lock().unwrap());
    told.sort_by_key(|told| told.sequence);
    told
}

/// Has an engine that does everything at once do the same in the same order: it gives the same answers, and the same log.
async fn at_once(begun: &[Commit], told: &[Told], commits: &[Commit]) -> u128 {
    let (store, watch, clock) = (MemoryStore::new(STORE_ID), Watch::default(), SetTime::at(BEGUN));
    let mut store = store.open();
    store.log.append(begun).unwrap();
    let (engine, _end) = open(watch.on(store), clock.clone(), u64::MAX);
    let (mut time, mut commits) = (BEGUN, commits.iter());
    for Told { sequence, changes, request, imported, answer } in told {
        let commit = commits.next().unwrap();
        assert_eq!(commit.sequence, *sequence);
        clock.pass_ms(commit.command.time.0 - time.0);
        time = commit.command.time;
        let again = if *imported {
            import(&engine, vec![changes.clone()]).await.pop()
        } else {
            write(&engine, changes.clone(), *request).await
        };
        assert_eq!(again.unwrap().answer, *answer, "{changes:#?}");
        assert_eq!(watch.take_commits(), std::slice::from_ref(commit));
    }
    assert!(commits.next().is_none());
    engine.state().unwrap().state_digest()
}

#[test]
fn prepared_beside_others_they_are_what_they_are_at_once() {
    let first = setting("KITH_SEED", 0);
    let mut prepared = 0;
    for seed in first..first + setting("KITH_LONG_ORDERS", 12) {
        block_on(async {
            let (store, watch, clock) = (MemoryStore::new(STORE_ID), Watch::default(), SetTime::at(BEGUN));
            let (engine, end) = open(watch.on(store.open()), clock.clone(), 200);
            let begun = watch.take_commits();
            if seed % 3 == 2 {
                watch.fail_one_in(17);
            }
            let told = together(&engine, &clock, seed).await;
            let (state, commits) = (engine.state().unwrap(), watch.take_commits());
            assert_sound(&state);
            prepared += engine.metrics().prepared.get();
            drop(engine);
            end.join();
            assert_eq!(at_once(&begun, &told, &commits).await, state.state_digest(), "seed {seed}");
            let (engine, _end) = open(store.open(), clock, 200);
            assert_eq!(engine.state().unwrap().state_digest(), state.state_digest(), "seed {seed}");
        });
    }
    assert!(prepared > 0);
    println!("{prepared} commands were prepared");
}

/// An engine with a hub of some thousand edges, the store it watches, and the sequence by then.
async fn with_hub(store: Store, watch: &Watch) -> (Engine, WriterEnd, u64) {
    let (engine, end) = open(watch.on(store), SetTime::at(BEGUN), 1_000);
    import(&engine, vec![fans(&mut Rng::with_seed(1), "a", 4_000)]).await;
    let sequence = engine.state().unwrap().sequence();
    (engine, end, sequence)
}

fn erase(hub: &str) -> Vec<Change> {
    vec![Change::DeleteMember { id: member_id(hub), precondition: Precondition::None, allow_missing: false }]
}

#[test]
fn the_restriction_of_a_hub_and_its_end_are_prepared() {
    block_on(async {
        let watch = Watch::default();
        let (engine, _end, _) = with_hub(MemoryStore::new(STORE_ID).open(), &watch).await;
        let before = engine.state().unwrap();
        for (restricted, prepared) in [(true, 1), (false, 2)] {
            let patch = patch(|attrs| attrs.processing_restricted = restricted);
            let patch = MemberPatch { set: MemberAttrs::PROCESSING_RESTRICTED, ..patch };
            let change = Change::UpdateMember { id: member_id("a"), patch, precondition: Precondition::None };
            write(&engine, vec![change], None).await.unwrap();
            let state = engine.state().unwrap();
            assert_eq!(engine.metrics().prepared.get(), prepared);
            assert_sound(&state);
            let shown = |state: &State| {
                let graph = state.graph();
                View::unfiltered(graph, BEGUN).half_edges(graph.find("a").unwrap()).len()
            };
            assert_eq!(shown(&state), if restricted { 0 } else { shown(&before) });
            assert_eq!(state.digest() == before.digest(), !restricted);
        }
    });
}

#[test]
fn a_store_that_refuses_a_prepared_command_leaves_nothing_of_it() {
    block_on(async {
        let (memory, watch) = (MemoryStore::new(STORE_ID), Watch::default());
        let (engine, end, sequence) = with_hub(memory.open(), &watch).await;
        let before = engine.state().unwrap().state_digest();
        watch.fail(StoreError::Full);
        for _ in 0..2 {
            assert!(engine.write(erase("a"), None, Report::Revision).await.is_err());
            assert_eq!(
                (engine.state().unwrap().sequence(), engine.state().unwrap().state_digest()),
                (sequence, before)
            );
            assert_sound(&engine.state().unwrap());
        }
        watch.recover();
        let told = write(&engine, erase("a"), None).await.unwrap();
        assert!(told.answer.contains("edges_deleted: 4000"), "{}", told.answer);
        assert_eq!((told.sequence, engine.state().unwrap().member("a")), (sequence + 1, None));
        assert_eq!(engine.metrics().prepared.get(), 3);
        let state = engine.state().unwrap();
        assert_sound(&state);
        drop(engine);
        end.join();
        let (engine, _end) = open(memory.open(), SetTime::at(BEGUN), 1_000);
        assert_eq!(engine.state().unwrap().state_digest(), state.state_digest());
    });
}

#[test]
fn a_command_that_is_refused_after_its_preparation_publishes_nothing() {
    block_on(async {
        let watch = Watch::default();
        let (engine, _end, sequence) = with_hub(MemoryStore::new(STORE_ID).open(), &watch).await;
        let before = engine.state().unwrap().state_digest();
        // The second change is refused, whatever comes of the first.
        let changes = [erase("a"), erase("nobody")].concat();
        let refusal = engine.write(changes, None, Report::Revision).await.unwrap_err();
        assert!(matches!(refusal, Refusal::Change { index: 1, .. }), "{refusal:?}");
        assert_eq!((engine.state().unwrap().sequence(), engine.state().unwrap().state_digest()), (sequence, before));
        assert_eq!(engine.metrics().prepared.get(), 0);
        write(&engine, vec![put_bare("z")], None).await.unwrap();
        assert_eq!(
            engine.state().unwrap().graph().half_edges(engine.state().unwrap().graph().find("a").unwrap()).len() as u64
                + engine.state().unwrap().pending_count(),
            4_000
        );
        assert_sound(&engine.state().unwrap());
    });
}

#[test]
fn an_engine_that_ends_carries_out_what_it_took() {
    let (memory, watch) = (MemoryStore::new(STORE_ID), Watch::default());
    let (engine, end, hide) = block_on(async {
        let (engine, end, _) = with_hub(memory.open(), &watch).await;
        let stream = ImportStream::default();
        let mut random = Rng::with_seed(2);
        let attrs = MemberAttrs { edges_visibility: Visibility::Parties, ..MemberAttrs::default() };
        let hide = Member { id: member_id("a"), attrs };
        // Nobody waits for the ends of these: the second waits behind the first.
        for changes in [vec![put_member(hide.clone())], vec![shown(&mut random, "z"), put_bare("later")]] {
            drop(engine.begin_import(changes, &stream).await.unwrap());
        }
        (engine, end, hide)
    });
    drop(engine);
    end.join();
    let (engine, _end) = open(memory.open(), SetTime::at(BEGUN), 1_000);
    assert_eq!(engine.state().unwrap().member("a").unwrap().value, hide);
    assert!(engine.state().unwrap().member("later").is_some());
}
