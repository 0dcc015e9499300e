//! Whose threads do what: every thread of the lanes, on which queries that are not small and streams run, is made here, when the engine starts.

use super::lanes::{Bounds, Lanes, Priority};
use super::metrics::Count;
use super::threads::Threads;
use crate::store::StoreError;

/// Answers of everything there is: each holds on to a state and to a thread as long as its caller takes it, so none waits for another.
const STREAMS: Bounds = Bounds { permits: 16, threads: 16, begun_per_caller: 4, waiting_per_caller: 0 };
/// A piece of an import each, which its caller waits for before it sends the next.
const REHEARSALS: Bounds = Bounds { permits: 2, threads: 2, begun_per_caller: 2, waiting_per_caller: 1_024 };
/// Reads of a piece of the log each, of as many watchers as one caller may have.
const READERS: Bounds = Bounds { permits: 4, threads: 4, begun_per_caller: 2, waiting_per_caller: 1_024 };
const FOLLOWER: Bounds = Bounds { permits: 1, threads: 1, begun_per_caller: 1, waiting_per_caller: 1 };

/// What queries may have at once that are not small.
pub fn lane_bounds(permits: usize) -> Bounds {
    let permits = permits.max(1);
    Bounds {
        permits,
        threads: permits.saturating_mul(8).max(16),
        // As many as run when it is alone, parked or long, and as many short ones that go before them.
        begun_per_caller: permits.saturating_mul(2),
        waiting_per_caller: permits.saturating_mul(64).max(128),
    }
}

/// The threads of an engine.
#[derive(Clone)]
pub struct Pools {
    pub queries: Lanes,
    pub streams: Lanes,
    /// Imports that are only to be checked.
    pub rehearsals: Lanes,
    /// Reads the log for those who watch changes and are behind.
    pub readers: Lanes,
    /// Reads it once for all who are not.
    pub follower: Lanes,
}

impl Pools {
    /// Makes all threads, with so many permits for queries.
    pub fn start(threads: &Threads, query_threads: usize, yields: Count) -> Result<Pools, StoreError> {
        let start =
            |name, what, bounds, priority| Lanes::start(threads, name, what, bounds, priority, Count::default());
        let bounds = lane_bounds(query_threads);
        Ok(Pools {
            queries: Lanes::start(threads, "kith-query", "queries", bounds, Priority::Query, yields)?,
            streams: start("kith-stream", "exports, backups and checks", STREAMS, Priority::Stream)?,
            rehearsals: start("kith-rehearsal", "rehearsed imports", REHEARSALS, Priority::Stream)?,
            readers: start("kith-log-reader", "reads of the log", READERS, Priority::Stream)?,
            follower: start("kith-changes", "reads of the log", FOLLOWER, Priority::Query)?,
        })
    }
}
