//! Queries within a budget: the small ones at once, the others on threads of their own, off the async threads.
//!
//! What a query will take is not known before it has run: two members may be neighbors or six hops apart. So each is tried on its caller's
//! thread within a small budget, which is enough for point reads and most paths. Where that is not enough the query begins again in the
//! lanes, which callers share fairly (`lanes/`). What is done twice is less than what comes after it.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use super::handle::Engine;
use super::lanes::Permit;
use super::metrics::{LaneMetrics, Metrics};
use super::state::State;
use crate::domain::Error;
use crate::graph::{Budget, Stop, StopReason};

/// How many edges a query may visit on the thread that also serves other callers: about a tenth of a millisecond.
const AT_ONCE_EDGES_MAX: u64 = 8_192;
/// How many edges make a query a long one, before which its caller's short ones go: some milliseconds.
const SHORT_EDGES_MAX: u64 = 1_000_000;
/// How much a query may look at for each edge that it may visit, because most of it may be what its viewer may not see.
const WORK_PER_EDGE_MAX: u64 = 4;

/// How a query is to be answered.
#[derive(Debug, Clone, Default)]
pub struct QueryOptions {
    /// A revision's token, or empty.
    pub min_revision: String,
    /// The most edges to visit; the server's own bound when none, or when greater.
    pub edges_visited_max: Option<u64>,
    /// When to stop and return what there is.
    pub deadline: Option<Instant>,
    /// Whose share of the lanes the query takes.
    pub caller: Arc<str>,
}

impl Engine {
    /// Runs a query against the newest state. It stops early at its deadline, and when the future is dropped. The query may be begun twice,
    /// on the same state.
    pub async fn query<T: Send + 'static>(
        &self,
        options: QueryOptions,
        query: impl Fn(&State, &mut Budget<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let state = self.state_at(&options.min_revision).await?;
        let edges_max = options.edges_visited_max.unwrap_or(u64::MAX).min(self.options.edges_visited_max);
        let work_max = self.options.edges_visited_max.saturating_mul(WORK_PER_EDGE_MAX);
        let signal = Signal { deadline: options.deadline, said: Cell::new(None), permit: None };
        let mut attempt = Attempt { query, state, signal, edges_max, work_max, metrics: self.metrics.clone() };
        if let Some(done) = attempt.within(AT_ONCE_EDGES_MAX, |metrics| &metrics.at_once) {
            return done;
        }
        let begun = self.pools.queries.begin(&options.caller, move |permit| {
            attempt.signal.permit = Some(permit);
            attempt.within(SHORT_EDGES_MAX, |metrics| &metrics.short)
        });
        let running = begun.inspect_err(|_| {
            self.metrics.short.refused.inc();
        })?;
        let unbounded = || Err(Error::Internal("a query without a bound met it".to_owned()));
        running.await?.unwrap_or_else(unbounded)
    }
}

/// A query that can be begun again.
struct Attempt<Q> {
    query: Q,
    state: Arc<State>,
    signal: Signal,
    /// The most edges that it may visit.
    edges_max: u64,
    /// The most work, which includes what its viewer may not see.
    work_max: u64,
    metrics: Arc<Metrics>,
}

impl<Q> Attempt<Q> {
    /// Returns what comes of the query within so many edges; none if they were not enough and it may have more.
    fn within<T>(&self, edges: u64, counted: fn(&Metrics) -> &LaneMetrics) -> Option<Result<T, Error>>
    where
        Q: Fn(&State, &mut Budget<'_>) -> Result<T, Error>,
    {
        let mut budget = Budget::new(self.edges_max, &self.signal).with_work_max(self.work_max).with_share(edges);
        let had_a_share = budget.is_provisional();
        let done = (self.query)(&self.state, &mut budget);
        let mut lane = counted(&self.metrics);
        lane.queries.inc();
        if had_a_share && !budget.is_provisional() {
            lane = &self.metrics.long;
            lane.queries.inc();
        }
        lane.edges_visited.inc_by(budget.visited());
        if budget.is_provisional() && budget.is_exhausted() {
            return None;
        }
        self.metrics.ended(&budget, self.signal.said.get());
        Some(done)
    }
}

/// What a running query polls.
struct Signal {
    deadline: Option<Instant>,
    /// The reason to stop that the query was given, which the metrics count.
    said: Cell<Option<StopReason>>,
    /// The permit that the query runs on, in a lane.
    permit: Option<Permit>,
}

impl Stop for Signal {
    /// A query in a lane may go on as a long one.
    fn may_go_on(&self) -> bool {
        self.permit.as_ref().inspect(|permit| permit.grow()).is_some()
    }

    fn worked(&self, work: u64) {
        if let Some(permit) = &self.permit {
            permit.has_done(work);
        }
    }

    /// In a lane this is where others get the permit.
    fn stop(&self) -> Option<StopReason> {
        if self.permit.is_none() && self.deadline.is_none() {
            return None;
        }
        let mut now = Instant::now();
        if let Some(permit) = &self.permit
            && permit.poll(now, self.deadline)
        {
            now = Instant::now();
        }
        let is_cancelled = self.permit.as_ref().is_some_and(Permit::is_cancelled);
        let is_late = self.deadline.is_some_and(|deadline| now >= deadline);
        let deadline = is_late.then_some(StopReason::Deadline);
        let stop = if is_cancelled { Some(StopReason::Cancelled) } else { deadline };
        self.said.set(stop);
        stop
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use tokio::task::JoinHandle;

    use super::*;
    use crate::engine::pools::lane_bounds;
    use crate::engine::{EngineOptions, LaneLoad, WriterEnd};
    use crate::store::{MemoryStore, StoreId};

    const NOTHING: LaneLoad = LaneLoad { running: 0, waiting: 0 };

    fn engine(query_threads: usize) -> (Engine, WriterEnd) {
        let options = EngineOptions { query_threads, edges_visited_max: u64::MAX, ..EngineOptions::default() };
        Engine::open(MemoryStore::new(StoreId(1)).open(), options).unwrap()
    }

    /// Visits so many edges one by one, and returns how many were allowed, attempt by attempt.
    async fn visits(engine: &Engine, wanted: u64, edges_visited_max: Option<u64>) -> (u64, Vec<u64>) {
        let attempts = Arc::new(Mutex::new(Vec::new()));
        let recorded = attempts.clone();
        let options = QueryOptions { edges_visited_max, ..QueryOptions::default() };
        let query = move |_: &State, budget: &mut Budget<'_>| {
            let visited = (0..wanted).take_while(|_| budget.visit(1).is_ok()).count() as u64;
            recorded.lock().unwrap().push(visited);
            Ok(visited)
        };
        let answer = engine.query(options, query).await.unwrap();
        let attempts = attempts.lock().unwrap().clone();
        (answer, attempts)
    }

    #[tokio::test]
    async fn a_query_begins_again_with_more_until_it_is_done_or_has_had_all() {
        let (engine, end) = engine(1);
        let (once, short) = (AT_ONCE_EDGES_MAX, SHORT_EDGES_MAX);
        assert_eq!(visits(&engine, once, None).await, (once, vec![once]));
        assert_eq!(visits(&engine, once + 1, None).await, (once + 1, vec![once, once + 1]));
        // A long query goes on where it is.
        assert_eq!(visits(&engine, short + 1, None).await, (short + 1, vec![once, short + 1]));
        assert_eq!((engine.short_lane(), engine.long_lane()), (NOTHING, NOTHING));
        // A query's own bound is no reason to begin again.
        assert_eq!(visits(&engine, 100, Some(7)).await, (7, vec![7]));
        assert_eq!(visits(&engine, 1 << 20, Some(once)).await, (once, vec![once]));
        assert_eq!(visits(&engine, 1 << 20, Some(once + 5)).await, (once + 5, vec![once, once + 5]));
        drop(engine);
        end.join();
    }

    /// Returns how long a query goes on, from when it should have ended to when it has.
    async fn goes_on(engine: &Engine, deadline: Option<Instant>, patience: Duration) -> Duration {
        let (send, stopped) = tokio::sync::oneshot::channel();
        let send = Mutex::new(Some(send));
        let begun = Instant::now();
        let query = move |_: &State, budget: &mut Budget<'_>| {
            // A query that is not ended ends all the same, so that the test can say so.
            while budget.visit(1).is_ok() && begun.elapsed() < Duration::from_secs(10) {}
            if !budget.is_exhausted() {
                let _ = send.lock().unwrap().take().unwrap().send(Instant::now());
            }
            Ok(())
        };
        let options = QueryOptions { deadline, ..QueryOptions::default() };
        let over = deadline.unwrap_or(begun + patience);
        let answer = tokio::time::timeout(patience, engine.query(options, query)).await;
        assert_eq!(answer.is_ok(), deadline.is_some());
        let ended = tokio::time::timeout(Duration::from_secs(20), stopped).await.expect("the query ends").unwrap();
        ended.saturating_duration_since(over)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_ends_with_its_deadline_and_with_its_caller() {
        let (engine, end) = engine(1);
        let (soon, long) = (Duration::from_millis(30), Duration::from_secs(20));
        let (mut late, mut left) = (Vec::new(), Vec::new());
        for _ in 0..9 {
            late.push(goes_on(&engine, Some(Instant::now() + soon), long).await);
            left.push(goes_on(&engine, None, soon).await);
        }
        for (what, mut took) in [("its deadline", late), ("its caller", left)] {
            took.sort();
            println!("a query goes on after {what} for {:?} (median of 9; at most {:?})", took[4], took[8]);
            // This compares times alone, because other tests run beside this one.
            assert!(
                std::env::var_os("KITH_TIMES").is_none() || took[4] <= Duration::from_millis(10),
                "{what}: {took:?}"
            );
        }
        drop(engine);
        end.join();
    }

    fn of(caller: &str) -> QueryOptions {
        QueryOptions { caller: caller.into(), ..QueryOptions::default() }
    }

    /// Starts a query of a caller that goes on until `go` is set, by polls alone.
    fn endless(engine: &Engine, caller: &str, go: &Arc<AtomicBool>) -> JoinHandle<Result<(), Error>> {
        let (engine, options, go) = (engine.clone(), of(caller), go.clone());
        tokio::spawn(async move {
            let query = move |_: &State, budget: &mut Budget<'_>| {
                while budget.visit(1_000).is_ok() && !go.load(Ordering::Relaxed) {}
                Ok(())
            };
            engine.query(options, query).await
        })
    }

    async fn until(what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_callers_queries_neither_refuse_nor_hold_up_anothers() {
        let (engine, end) = engine(1);
        let go = Arc::new(AtomicBool::new(false));
        // As many queries are started as may have begun and may wait, and one too many; each of them goes on without an end.
        let bounds = lane_bounds(1);
        let too_many = bounds.begun_per_caller + bounds.waiting_per_caller + 1;
        let mut asked: Vec<_> = (0..too_many).map(|_| endless(&engine, "many", &go)).collect();
        until("one is refused", || asked.iter().any(JoinHandle::is_finished)).await;
        let at = asked.iter().position(JoinHandle::is_finished).unwrap();
        let refused = asked.swap_remove(at).await.unwrap();
        assert!(matches!(refused, Err(Error::Overloaded { .. })), "{refused:?}");
        // A small query needs no lane, and another caller's is answered in one, however long it is.
        assert_eq!(visits(&engine, 10, None).await, (10, vec![10]));
        for edges in [AT_ONCE_EDGES_MAX + 1, SHORT_EDGES_MAX * 3] {
            let query = move |_: &State, budget: &mut Budget<'_>| Ok((0..edges).all(|_| budget.visit(1).is_ok()));
            let answer = tokio::time::timeout(Duration::from_secs(20), engine.query(of("few"), query)).await;
            assert_eq!(answer.expect("the permit is shared"), Ok(true));
        }
        let load = engine.long_lane();
        assert!(load.running + load.waiting >= 1 && engine.metrics().yields.get() > 0);
        go.store(true, Ordering::Relaxed);
        for task in asked {
            // One more was refused if it came before the second had begun.
            let ended = task.await.unwrap();
            assert!(matches!(ended, Ok(()) | Err(Error::Overloaded { .. })), "{ended:?}");
        }
        drop(engine);
        end.join();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_parked_query_ends_with_its_deadline_and_with_its_caller() {
        let (engine, end) = engine(1);
        let go = Arc::new(AtomicBool::new(false));
        // With so many callers each is parked most of the time.
        let asked: Vec<_> = (0..6).map(|caller| endless(&engine, &format!("caller{caller}"), &go)).collect();
        until("all but one are parked", || engine.short_lane().waiting + engine.long_lane().waiting == 5).await;
        let options = QueryOptions { deadline: Some(Instant::now() + Duration::from_millis(30)), ..of("late") };
        let query = move |_: &State, budget: &mut Budget<'_>| loop {
            if let Err(limit) = budget.visit(1_000) {
                return Ok(limit);
            }
        };
        let answer = tokio::time::timeout(Duration::from_secs(20), engine.query(options, query)).await;
        assert_eq!(answer.expect("it ends"), Ok(crate::graph::Limit::Deadline));
        asked.iter().for_each(JoinHandle::abort);
        until("nothing is left", || (engine.short_lane(), engine.long_lane()) == (NOTHING, NOTHING)).await;
        drop((engine, asked));
        end.join();
    }

    #[tokio::test]
    async fn a_query_that_panics_gives_its_permit_back() {
        let (engine, end) = engine(1);
        for _ in 0..3 {
            let query = |_: &State, budget: &mut Budget<'_>| -> Result<(), Error> {
                if budget.visit(AT_ONCE_EDGES_MAX + 1).is_ok() {
                    panic!("for the test");
                }
                Ok(())
            };
            assert!(matches!(engine.query(of("a"), query).await, Err(Error::Internal(_))));
        }
        assert_eq!(visits(&engine, AT_ONCE_EDGES_MAX + 1, None).await.0, AT_ONCE_EDGES_MAX + 1);
        drop(engine);
        end.join();
    }
}
