//! A member with a million edges: put, counted, erased, read back.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kith::domain::{Change, Precondition, Visibility};
use kith::engine::{Engine, EngineOptions, Report, State, WriterEnd};
use kith::store::MemoryStore;

use crate::support::*;
use crate::verify::assert_sound;

const EDGES: u64 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };

#[test]
fn a_million_edges_of_one_member_are_imported_and_erased() {
    let memory = MemoryStore::new(STORE_ID);
    let reopen = || Engine::open(memory.open(), EngineOptions::default()).unwrap();
    let start = Instant::now();
    let (engine, end) = reopen();
    let before = block_on(async {
        for batch in 0..EDGES / 1_000 {
            let numbers = batch * 1_000..(batch + 1) * 1_000;
            let changes = numbers.map(|n| put_edge(&format!("member-{n}"), "follows", "hub")).collect();
            let imported = engine.import(changes).await.unwrap();
            assert!(imported.results.iter().all(Result::is_ok));
        }
        let state = engine.state().unwrap();
        let hub = state.graph().find("hub").unwrap();
        assert_eq!((state.graph().half_edges(hub).len() as u64, state.edge_count()), (EDGES, EDGES));
        state.digest()
    });
    drop(engine);
    end.join();
    let (engine, end) = reopen();
    assert_eq!((engine.state().unwrap().digest(), engine.state().unwrap().edge_count()), (before, EDGES));
    let (id, precondition) = (member_id("hub"), Precondition::None);
    let erase = vec![Change::DeleteMember { id, precondition, allow_missing: false }];
    let deleted = block_on(engine.write(erase, None, Report::Results));
    assert_eq!(deleted.unwrap().results[0].applied.edges_deleted, EDGES);
    let state = engine.state().unwrap();
    assert_eq!((state.edge_count(), state.member_count()), (0, EDGES));
    assert_eq!(state.graph().half_edges(state.graph().find("member-7").unwrap()).len(), 0);
    drop(engine);
    end.join();
    // Far above what it takes, far below what anything quadratic would.
    assert!(start.elapsed().as_secs() < 600, "{:?}", start.elapsed());
}

/// Edges of the hub that is changed while others write.
const FANS: u64 = 200_000;
/// How long another write may take beside it, and where the machine is not this test's alone.
const WRITE_MAX: Duration = Duration::from_millis(50);
const WRITE_MAX_ANYWHERE: Duration = Duration::from_millis(700);

/// A store on disk with a hub, in which edges that nobody hides lead both ways.
async fn with_hub(folder: &Path) -> (Engine, WriterEnd) {
    let (engine, end) = open_engine(folder, EngineOptions::default()).unwrap();
    for batch in 0..FANS / 1_000 {
        let edge = |n: u64| match n % 2 {
            0 => put_edge(&format!("fan-{n}"), "follows", "hub"),
            _ => put_edge("hub", "friend", &format!("fan-{n}")),
        };
        engine.import((batch * 1_000..(batch + 1) * 1_000).map(edge).collect()).await.unwrap();
    }
    (engine, end)
}

/// Carries out a change while another task writes and looks at every state: gives the longest of its writes, how many there were, and
/// what the change took.
async fn beside(engine: &Engine, change: Change, look: fn(&State)) -> (Duration, u32, Duration) {
    let over = Arc::new(AtomicBool::new(false));
    let (other, stop) = (engine.clone(), over.clone());
    let writes = tokio::spawn(async move {
        let (mut longest, mut count) = (Duration::ZERO, 0);
        while !stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let change = put_edge("ann", "follows", &format!("other-{count}"));
            other.write(vec![change], None, Report::Revision).await.unwrap();
            longest = longest.max(begun.elapsed());
            look(&other.state().unwrap());
            count += 1;
        }
        (longest, count)
    });
    let begun = Instant::now();
    engine.write(vec![change], None, Report::Revision).await.unwrap();
    let took = begun.elapsed();
    over.store(true, Ordering::Relaxed);
    let (longest, count) = writes.await.unwrap();
    (longest, count, took)
}

#[test]
fn others_write_while_a_hub_is_hidden_and_erased() {
    let folder = tempfile::tempdir().unwrap();
    let longest_of = |what: &str, (longest, count, took): (Duration, u32, Duration)| {
        println!("a hub of {FANS} edges is {what} in {took:?}; beside it {count} writes, the longest {longest:?}");
        let max = if std::env::var_os("KITH_TIMES").is_some() { WRITE_MAX } else { WRITE_MAX_ANYWHERE };
        assert!(longest <= max, "{longest:?}");
        assert!(count > 20, "{count}");
    };
    let before = block_on(async {
        let (engine, end) = with_hub(&folder.path().join("store")).await;
        let patch = patch(|attrs| attrs.edges_visibility = Visibility::Connections);
        let hide = Change::UpdateMember { id: member_id("hub"), patch, precondition: Precondition::None };
        longest_of("hidden", beside(&engine, hide, |_| ()).await);
        assert_sound(&engine.state().unwrap());
        let precondition = Precondition::None;
        let erase = Change::DeleteMember { id: member_id("hub"), precondition, allow_missing: false };
        let all_or_nothing = |state: &State| match state.graph().find("hub") {
            Some(hub) => assert_eq!(state.graph().half_edges(hub).len() as u64, FANS),
            None => assert!(state.edge_count() < FANS / 2),
        };
        longest_of("erased", beside(&engine, erase, all_or_nothing).await);
        assert_eq!(engine.metrics().prepared.get(), 2);
        let state = engine.state().unwrap();
        assert_sound(&state);
        drop(engine);
        end.join();
        state.state_digest()
    });
    let (engine, _end) = open_engine(&folder.path().join("store"), EngineOptions::default()).unwrap();
    assert_eq!(engine.state().unwrap().state_digest(), before);
}
