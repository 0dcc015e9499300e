//! Histories of concurrent writers and readers: linearizable for each member, with revisions that never go back.
//!
//! A member is a register. Every write's revision is its place in the order of all writes, so a history is linearizable if that
//! order agrees with real time: what began after another had ended comes after it, and a read gives the latest of the writes that
//! come before it (Herlihy and Wing, Linearizability, 1990). `KITH_HISTORIES` sets how many, `KITH_SEED` from which seed on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;
use kith::domain::{Member, MemberId};
use kith::engine::{Engine, EngineOptions, Report, State};
use kith::store::{MemoryStore, Store};

use crate::support::*;

/// What one call did to one member, and when: ticks of a clock that all share.
#[derive(Debug, Clone)]
struct Op {
    begun: u64,
    ended: u64,
    member: usize,
    write: bool,
    /// Of the write, or of the state that was read.
    revision: u64,
    /// Of what was written or read: each write has a value of its own; 0 is none.
    value: u64,
}

/// Why a history is not linearizable.
fn fault(history: &[Op]) -> Option<String> {
    for later in history {
        for earlier in history.iter().filter(|earlier| earlier.ended < later.begun) {
            let in_order =
                if later.write { earlier.revision < later.revision } else { earlier.revision <= later.revision };
            if !in_order {
                return Some(format!("{later:?} began after {earlier:?} had ended, and comes before it"));
            }
        }
    }
    let mut written: BTreeMap<(usize, u64), u64> = BTreeMap::new();
    for op in history.iter().filter(|op| op.write) {
        if written.insert((op.member, op.revision), op.value).is_some() {
            return Some(format!("two writes have the revision of {op:?}"));
        }
    }
    history.iter().filter(|op| !op.write).find_map(|read| {
        let last = written.range((read.member, 0)..=(read.member, read.revision)).next_back();
        let expected = last.map_or(0, |(_, value)| *value);
        (read.value != expected).then(|| format!("{read:?} should have given {expected}"))
    })
}

struct Shared {
    engine: Engine,
    clock: AtomicU64,
    values: AtomicU64,
    /// What a reader takes who does not look for the newest state: the seeded bug.
    stale: Option<Arc<State>>,
}

impl Shared {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    async fn write(&self, member: usize) -> Op {
        let value = self.values.fetch_add(1, Ordering::SeqCst) + 1;
        let mut put = Member::bare(id(member));
        put.attrs.headline = value.to_string();
        let begun = self.tick();
        let outcome = self.engine.write(vec![put_member(put)], None, Report::Revision).await.unwrap();
        let revision = outcome.revision.sequence();
        Op { begun, ended: self.tick(), member, write: true, revision, value }
    }

    /// Reads the newest state there is, or one no older than what this task knows of.
    async fn read(&self, member: usize, at_least: Option<String>) -> Op {
        let begun = self.tick();
        let state = match (&self.stale, at_least) {
            (Some(stale), _) => stale.clone(),
            (None, Some(revision)) => self.engine.state_at(&revision).await.unwrap(),
            (None, None) => self.engine.state().unwrap(),
        };
        let value = state.member(id(member).as_str()).map_or(0, |stored| stored.value.attrs.headline.parse().unwrap());
        Op { begun, ended: self.tick(), member, write: false, revision: state.sequence(), value }
    }
}

fn id(member: usize) -> MemberId {
    member_id(&format!("m{member}"))
}

/// A history of some tasks that write and read few members.
async fn history(store: Store, seed: u64, stale: bool) -> Vec<Op> {
    let options = EngineOptions { checkpoint_log_bytes_min: 200, ..EngineOptions::default() };
    let (engine, end) = Engine::open(store, options).unwrap();
    let stale = stale.then(|| engine.state().unwrap());
    let shared = Arc::new(Shared { engine, clock: AtomicU64::new(1), values: AtomicU64::new(0), stale });
    let tasks = (0..6).map(|task| {
        let (shared, mut random) = (shared.clone(), Rng::with_seed(seed << 8 | task));
        tokio::spawn(async move {
            let mut ops = Vec::new();
            for _ in 0..12 {
                let member = random.usize(0..3);
                ops.push(match random.u8(0..4) {
                    0..2 => shared.write(member).await,
                    2 => shared.read(member, None).await,
                    _ => {
                        let known = shared.engine.state().unwrap().revision().to_string();
                        shared.read(member, Some(known)).await
                    }
                });
            }
            ops
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut history = Vec::new();
    for task in tasks {
        history.extend(task.await.unwrap());
    }
    drop(shared);
    tokio::task::spawn_blocking(move || end.join()).await.unwrap();
    history
}

#[test]
fn concurrent_histories_are_linearizable() {
    let (histories, seed) = (setting("KITH_HISTORIES", 1_000), setting("KITH_SEED", 1));
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        for seed in seed..seed + histories {
            // Most in memory; every tenth on disk.
            let on_disk = seed.is_multiple_of(10);
            let store = match on_disk {
                true => open_store(&folder.path().join(seed.to_string())).unwrap(),
                false => MemoryStore::new(STORE_ID).open(),
            };
            let history = history(store, seed, false).await;
            assert_eq!(fault(&history), None, "seed {seed}");
        }
    });
}

#[test]
fn a_reader_that_lags_behind_is_caught() {
    block_on(async {
        for seed in 0..20 {
            let history = history(MemoryStore::new(STORE_ID).open(), seed, true).await;
            assert!(fault(&history).is_some(), "seed {seed}");
        }
    });
}
