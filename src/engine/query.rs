//! Queries within a budget: the small ones at once, the others in a lane of their size, off the async threads.
//!
//! What a query will take is not known before it has run: two members may be neighbors or six hops apart. So each is
//! tried on its caller's thread within a small budget, which is enough for point reads and most paths. One that it is not
//! enough for begins again in the short lane with more, as in feedback scheduling. One that is long after all goes on in the
//! long lane if there is a turn to be had at once, and begins again when there is one otherwise: those who wait hold no memory.
//! What is done twice is less than what comes after it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::figures::{Figures, LaneFigures, LaneLoad};
use super::state::State;
use super::{Engine, EngineOptions};
use crate::domain::Error;
use crate::graph::{Budget, Stop, StopReason};

/// Edges that a query may visit on the thread that also serves other callers: about a tenth of a millisecond.
const AT_ONCE_EDGES_MAX: u64 = 8_192;
/// Edges that a query may visit in the short lane: some milliseconds.
const SHORT_EDGES_MAX: u64 = 1_000_000;
/// What a query may look at for each edge that it may visit: most of it may be what its viewer may not see.
const WORK_PER_EDGE_MAX: u64 = 4;
/// What lanes' threads have of the processor beside one of niceness 0, when there is too little for both: a third.
const LANE_NICENESS: i32 = 5;
/// Queries waiting for a turn in a lane, for each that runs there; more are refused at once.
const WAITING_PER_TURN: usize = 64;
/// When to ask again after such a refusal.
const RETRY_AFTER_MS: u64 = 100;

/// How a query is to be answered.
#[derive(Debug, Clone, Default)]
pub struct QueryOptions {
    /// A revision's token, or empty.
    pub min_revision: String,
    /// The server's own bound when none, or when greater.
    pub edges_visited_max: Option<u64>,
    /// When to stop and give what there is.
    pub deadline: Option<Instant>,
}

impl Engine {
    /// Runs a query against the newest state. It stops early at its deadline, and when the future is dropped. It may be begun
    /// up to three times, on the same state.
    pub async fn query<T: Send + 'static>(
        &self,
        options: QueryOptions,
        query: impl Fn(&State, &mut Budget<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let state = self.state_at(&options.min_revision).await?;
        let edges_max = options.edges_visited_max.unwrap_or(u64::MAX).min(self.options.edges_visited_max);
        let work_max = self.options.edges_visited_max.saturating_mul(WORK_PER_EDGE_MAX);
        let cancelled = Arc::new(AtomicBool::new(false));
        let _cancel_when_dropped = CancelWhenDropped(cancelled.clone());
        let (turn, next) = (Cell::new(None), Cell::new(None));
        let signal = Signal { cancelled, deadline: options.deadline, said: Cell::new(None), turn, next };
        let mut attempt = Attempt { query, state, signal, edges_max, work_max, figures: self.figures.clone() };
        if let Some(done) = attempt.within(AT_ONCE_EDGES_MAX, |figures| &figures.at_once) {
            return done;
        }
        let Lanes { short, long } = &self.lanes;
        let counted: [fn(&Figures) -> &LaneFigures; 2] = [|figures| &figures.short, |figures| &figures.long];
        let lanes = [(short, Some(long), SHORT_EDGES_MAX, counted[0]), (long, None, u64::MAX, counted[1])];
        for (lane, next, edges, counted) in lanes {
            let turn = lane.turn().await.inspect_err(|_| {
                counted(&self.figures).refused.inc();
            })?;
            attempt.signal.turn.set(Some(turn));
            attempt.signal.next.set(next.cloned());
            let run = tokio::task::spawn_blocking(move || {
                give_way();
                let done = attempt.within(edges, counted);
                attempt.signal.turn.take();
                (attempt, done)
            });
            let ended = run.await.map_err(|error| Error::Internal(format!("a query ended badly: {error}")))?;
            attempt = match ended {
                (_, Some(done)) => return done,
                (attempt, None) => attempt,
            };
        }
        Err(Error::Internal("a query without a bound met it".to_owned()))
    }
}

/// Makes its thread the lesser one when there are more than processors. Without it, the threads that answer point reads, refusals and
/// health wait until a traversal has had its slice, which is some milliseconds.
fn give_way() {
    thread_local!(static GIVES_WAY: Cell<bool> = const { Cell::new(false) });
    if !GIVES_WAY.replace(true)
        && let Err(error) = rustix::process::setpriority_process(None, LANE_NICENESS)
    {
        tracing::debug!("a thread's priority cannot be set: {error}");
    }
}

/// A query that can be begun again.
struct Attempt<Q> {
    query: Q,
    state: Arc<State>,
    signal: Signal,
    /// All it may visit.
    edges_max: u64,
    /// And look at, what its viewer may not see included.
    work_max: u64,
    figures: Arc<Figures>,
}

impl<Q> Attempt<Q> {
    /// What comes of it within so many edges; none if they were not enough and it may have more.
    fn within<T>(&self, edges: u64, counted: fn(&Figures) -> &LaneFigures) -> Option<Result<T, Error>>
    where
        Q: Fn(&State, &mut Budget<'_>) -> Result<T, Error>,
    {
        let mut budget = Budget::new(self.edges_max, &self.signal).with_work_max(self.work_max).with_share(edges);
        let had_a_share = budget.is_provisional();
        let done = (self.query)(&self.state, &mut budget);
        let mut lane = counted(&self.figures);
        lane.queries.inc();
        if had_a_share && !budget.is_provisional() {
            lane = &self.figures.long;
            lane.queries.inc();
        }
        lane.edges_visited.inc_by(budget.visited());
        if budget.is_provisional() && budget.is_exhausted() {
            return None;
        }
        self.figures.ended(&budget, self.signal.said.get());
        Some(done)
    }
}

/// Turns for queries that are not small.
#[derive(Debug, Clone)]
pub(super) struct Lanes {
    pub short: Lane,
    pub long: Lane,
}

impl Lanes {
    pub fn new(options: &EngineOptions) -> Lanes {
        // Long ones leave the processors to the short ones, turn by turn.
        Lanes { short: Lane::new(options.queries_max), long: Lane::new(options.queries_max.div_ceil(2)) }
    }
}

/// So many at once; as many as are worth it wait.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    turns: Arc<Semaphore>,
    turns_max: usize,
    waiting: Arc<AtomicUsize>,
    waiting_max: usize,
}

impl Lane {
    fn new(turns: usize) -> Lane {
        let turns = turns.max(1);
        let waiting_max = turns * WAITING_PER_TURN;
        Lane { turns: Arc::new(Semaphore::new(turns)), turns_max: turns, waiting: Arc::default(), waiting_max }
    }

    pub fn load(&self) -> LaneLoad {
        let running = self.turns_max - self.turns.available_permits();
        LaneLoad { running, waiting: self.waiting.load(Ordering::Relaxed) }
    }

    /// None if all are taken; those who wait come first.
    fn turn_at_once(&self) -> Option<OwnedSemaphorePermit> {
        self.turns.clone().try_acquire_owned().ok()
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, Error> {
        let _place = Place::take(self)?;
        let turn = self.turns.clone().acquire_owned().await;
        turn.map_err(|_| Error::Internal("a lane of queries is closed".to_owned()))
    }
}

/// A place among those who wait.
struct Place<'a>(&'a AtomicUsize);

impl Place<'_> {
    fn take(lane: &Lane) -> Result<Place<'_>, Error> {
        let place = Place(&lane.waiting);
        if lane.waiting.fetch_add(1, Ordering::Relaxed) < lane.waiting_max {
            return Ok(place);
        }
        let message = "too many queries of this size are waiting".to_owned();
        Err(Error::Overloaded { message, retry_after_ms: RETRY_AFTER_MS })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct CancelWhenDropped(Arc<AtomicBool>);

impl Drop for CancelWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a running query polls.
struct Signal {
    cancelled: Arc<AtomicBool>,
    deadline: Option<Instant>,
    /// What it has told the query, for the count of those that were ended.
    said: Cell<Option<StopReason>>,
    /// The one that it runs on, in a lane.
    turn: Cell<Option<OwnedSemaphorePermit>>,
    /// Where it may go on when it is longer than its lane is for.
    next: Cell<Option<Lane>>,
}

impl Stop for Signal {
    /// It takes a turn of the next lane for that, and gives its own back.
    fn may_go_on(&self) -> bool {
        let turn = self.next.take().and_then(|lane| lane.turn_at_once());
        let goes_on = turn.is_some();
        if goes_on {
            self.turn.set(turn);
        }
        goes_on
    }

    fn stop(&self) -> Option<StopReason> {
        let stop = if self.cancelled.load(Ordering::Relaxed) {
            Some(StopReason::Cancelled)
        } else {
            self.deadline.filter(|deadline| Instant::now() >= *deadline).map(|_| StopReason::Deadline)
        };
        self.said.set(stop);
        stop
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::engine::WriterEnd;
    use crate::store::{MemoryStore, StoreId};

    fn engine(queries_max: usize) -> (Engine, WriterEnd) {
        let options = EngineOptions { queries_max, ..EngineOptions::default() };
        Engine::open(Box::new(MemoryStore::new(StoreId(1))), options).unwrap()
    }

    /// Visits so many edges one by one, and tells how many were allowed, attempt by attempt.
    async fn visits(engine: &Engine, wanted: u64, edges_visited_max: Option<u64>) -> (u64, Vec<u64>) {
        let attempts = Arc::new(Mutex::new(Vec::new()));
        let told = attempts.clone();
        let options = QueryOptions { edges_visited_max, ..QueryOptions::default() };
        let query = move |_: &State, budget: &mut Budget<'_>| {
            let visited = (0..wanted).take_while(|_| budget.visit(1).is_ok()).count() as u64;
            told.lock().unwrap().push(visited);
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
        // One that is long goes on if there is a turn, and begins again when there is one if not.
        assert_eq!(visits(&engine, short + 1, None).await, (short + 1, vec![once, short + 1]));
        let long = engine.lanes.long.clone();
        let taken = long.turn().await.unwrap();
        let free_it_when_it_is_waited_for = async {
            while long.load().waiting == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            drop(taken);
        };
        let both = async { tokio::join!(visits(&engine, short + 1, None), free_it_when_it_is_waited_for) };
        let (visited, ()) = tokio::time::timeout(Duration::from_secs(20), both).await.expect("it is waited for");
        assert_eq!(visited, (short + 1, vec![once, short, short + 1]));
        assert_eq!((long.load(), engine.lanes.short.load()), (LaneLoad { running: 0, waiting: 0 }, long.load()));
        // Its own bound is no reason to begin again.
        assert_eq!(visits(&engine, 100, Some(7)).await, (7, vec![7]));
        assert_eq!(visits(&engine, 1 << 20, Some(once)).await, (once, vec![once]));
        assert_eq!(visits(&engine, 1 << 20, Some(once + 5)).await, (once + 5, vec![once, once + 5]));
        drop(engine);
        end.join();
    }

    /// How long a query goes on, from when it should have ended to when it has.
    async fn goes_on(engine: &Engine, deadline: Option<Instant>, patience: Duration) -> Duration {
        let (tell, told) = tokio::sync::oneshot::channel();
        let tell = Mutex::new(Some(tell));
        let begun = Instant::now();
        let query = move |_: &State, budget: &mut Budget<'_>| {
            // One that is not ended ends all the same, that the test can say so.
            while budget.visit(1).is_ok() && begun.elapsed() < Duration::from_secs(10) {}
            if !budget.is_exhausted() {
                let _ = tell.lock().unwrap().take().unwrap().send(Instant::now());
            }
            Ok(())
        };
        let options = QueryOptions { deadline, ..QueryOptions::default() };
        let over = deadline.unwrap_or(begun + patience);
        let answer = tokio::time::timeout(patience, engine.query(options, query)).await;
        assert_eq!(answer.is_ok(), deadline.is_some());
        let ended = tokio::time::timeout(Duration::from_secs(20), told).await.expect("the query ends").unwrap();
        ended.saturating_duration_since(over)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn work_ends_with_its_deadline_and_with_its_caller() {
        let options = EngineOptions { queries_max: 1, edges_visited_max: u64::MAX, ..EngineOptions::default() };
        let (engine, end) = Engine::open(Box::new(MemoryStore::new(StoreId(1))), options).unwrap();
        let (soon, long) = (Duration::from_millis(30), Duration::from_secs(20));
        let (mut late, mut left) = (Vec::new(), Vec::new());
        for _ in 0..9 {
            late.push(goes_on(&engine, Some(Instant::now() + soon), long).await);
            left.push(goes_on(&engine, None, soon).await);
        }
        for (what, mut took) in [("its deadline", late), ("its caller", left)] {
            took.sort();
            println!("a query goes on after {what} for {:?} (median of 9; at most {:?})", took[4], took[8]);
            // Of times alone: other tests run beside this one.
            assert!(
                std::env::var_os("KITH_TIMES").is_none() || took[4] <= Duration::from_millis(10),
                "{what}: {took:?}"
            );
        }
        drop(engine);
        end.join();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn small_queries_pass_those_that_fill_the_lanes_and_no_more_wait_than_are_worth_it() {
        let (engine, end) = engine(1);
        let (go, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let held = || {
            let (engine, gate) = (engine.clone(), gate.clone());
            tokio::spawn(async move {
                let query = move |_: &State, budget: &mut Budget<'_>| {
                    if budget.visit(AT_ONCE_EDGES_MAX + 1).is_ok() {
                        let _ = gate.lock().unwrap().recv_timeout(Duration::from_secs(20));
                    }
                    Ok(())
                };
                engine.query(QueryOptions::default(), query).await
            })
        };
        // One that runs, as many as may wait, one too many.
        let mut asked: Vec<_> = (0..WAITING_PER_TURN + 2).map(|_| held()).collect();
        let refused = loop {
            if let Some(at) = asked.iter().position(|task| task.is_finished()) {
                break asked.swap_remove(at).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        assert!(matches!(refused, Err(Error::Overloaded { .. })), "{refused:?}");
        assert_eq!(visits(&engine, 10, None).await, (10, vec![10]));
        asked.iter().for_each(|_| go.send(()).unwrap());
        for task in asked {
            assert_eq!(task.await.unwrap(), Ok(()));
        }
        drop(engine);
        end.join();
    }
}
