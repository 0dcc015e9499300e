//! A member with a million edges: put, counted, erased, read back.

use std::time::Instant;

use kith::domain::{Change, Precondition};
use kith::engine::{Engine, EngineOptions};
use kith::store::MemoryStore;

use crate::support::*;

const EDGES: u64 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };

#[test]
fn a_million_edges_of_one_member_are_imported_and_erased() {
    let memory = MemoryStore::new(STORE_ID);
    let reopen = || Engine::open(Box::new(memory.clone()), EngineOptions::default()).unwrap();
    let start = Instant::now();
    let (engine, end) = reopen();
    let before = block_on(async {
        for batch in 0..EDGES / 1_000 {
            let numbers = batch * 1_000..(batch + 1) * 1_000;
            let changes = numbers.map(|n| put_edge(&format!("member-{n}"), "follows", "hub")).collect();
            let imported = engine.import(changes).await.unwrap();
            assert!(imported.results.iter().all(Result::is_ok));
        }
        let state = engine.state();
        let hub = state.graph().find("hub").unwrap();
        assert_eq!((state.graph().half_edges(hub).len() as u64, state.edge_count()), (EDGES, EDGES));
        state.digest()
    });
    drop(engine);
    end.join();
    let (engine, end) = reopen();
    assert_eq!((engine.state().digest(), engine.state().edge_count()), (before, EDGES));
    let (id, precondition) = (member_id("hub"), Precondition::None);
    let erase = vec![Change::DeleteMember { id, precondition, allow_missing: false }];
    let deleted = block_on(engine.write(erase, None, |_, applied| applied[0].edges_deleted.to_le_bytes().to_vec()));
    assert_eq!(deleted.unwrap(), EDGES.to_le_bytes());
    let state = engine.state();
    assert_eq!((state.edge_count(), state.member_count()), (0, EDGES));
    assert_eq!(state.graph().half_edges(state.graph().find("member-7").unwrap()).len(), 0);
    drop(engine);
    end.join();
    // Far above what it takes, far below what anything quadratic would.
    assert!(start.elapsed().as_secs() < 600, "{:?}", start.elapsed());
}
