//! Threads for work that is not small, shared fairly by the callers it is done for ([ADR 13](../../../docs/adr)).
//!
//! A job runs on one of a fixed set of threads, made at the start, while it has one of fewer permits. Where others wait it gives its permit
//! up at a poll, parks, and goes on where it was when its caller gets a permit again. So a caller that asks for much takes from others
//! neither permits nor room to wait.

mod fair;

use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::thread::Thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::metrics::{Count, LaneLoad};
use super::threads::Threads;
use crate::domain::Error;
use crate::store::StoreError;
pub use fair::{Bounds, Length};
use fair::{EDGES_PER_MICROSECOND, Fair, Granted};

/// How long a job runs before it makes room for whoever is behind.
const PERMIT_TIME: Duration = Duration::from_millis(2);
/// How often a job looks who waits while somebody does; a caller that is far behind waits no longer than this.
const LOOK_EVERY: Duration = Duration::from_micros(50);
/// How often a job offers its processor to another thread that is ready to run. Kernels with lazy preemption let a thread that has become
/// ready wait for the next tick, up to 4 ms, where queries keep every processor busy; those threads serve the connections.
const OFFER_EVERY: Duration = Duration::from_micros(100);
/// A thread that took the processor for long is no short task of a connection. It is offered the processor again after so many times what
/// it took, so that the job keeps two thirds of the time.
const OFFER_AGAIN_AFTER: u32 = 2;
/// When a caller that was refused is to ask again.
const RETRY_AFTER_MS: u64 = 100;

/// How far threads stand back when there are more of them than processors.
#[derive(Debug, Clone, Copy)]
pub enum Priority {
    /// Threads that compute an answer somebody waits for. Those that refuse calls, read a member or answer health checks run three times as
    /// much where there is too little for both.
    Query,
    /// Threads that go through everything there is: a query has nine times as much.
    Stream,
}

/// The most that a thread can stand back.
const NICENESS_MAX: i32 = 19;

impl Priority {
    pub fn set(self) {
        let more = match self {
            Priority::Query => 5,
            Priority::Stream => 15,
        };
        // Whoever serves with a niceness of its own means all of its threads.
        let set = rustix::process::getpriority_process(None)
            .and_then(|niceness| rustix::process::setpriority_process(None, (niceness + more).min(NICENESS_MAX)));
        if let Err(error) = set {
            tracing::debug!("a thread's priority cannot be set: {error}");
        }
    }
}

type Work = Box<dyn FnOnce(Permit) + Send>;

/// Work that has not begun.
struct Job {
    work: Work,
    cancelled: Arc<AtomicBool>,
}

/// How a parked job is woken.
struct Parked {
    thread: Thread,
    granted: Arc<AtomicBool>,
}

/// A job with a permit, that a thread is about to take.
struct Ready {
    caller: Arc<str>,
    id: u64,
    job: Job,
}

struct Queue {
    fair: Fair<Job, Parked>,
    ready: VecDeque<Ready>,
    next_id: u64,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    /// How many jobs have no permit, so that a poll need not take the lock to know that there are none.
    contended: AtomicUsize,
    /// What callers wait for, in the words of a refusal.
    what: &'static str,
    yields: Count,
}

/// A handle on the threads. They end with the last handle, when nothing is under way.
#[derive(Clone)]
pub struct Lanes {
    shared: Arc<Shared>,
    _close: Arc<CloseWhenDropped>,
}

struct CloseWhenDropped(Arc<Shared>);

impl Drop for CloseWhenDropped {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.work.notify_all();
    }
}

impl Lanes {
    /// Starts the threads. `what` is what callers wait for, in the plural.
    pub fn start(
        threads: &Threads,
        name: &'static str,
        what: &'static str,
        bounds: Bounds,
        priority: Priority,
        yields: Count,
    ) -> Result<Lanes, StoreError> {
        let queue = Queue { fair: Fair::new(bounds), ready: VecDeque::new(), next_id: 0, closed: false };
        let (queue, contended) = (Mutex::new(queue), AtomicUsize::new(0));
        let shared = Arc::new(Shared { queue, work: Condvar::new(), contended, what, yields });
        // If one thread cannot be started, the others end when this is dropped.
        let close = Arc::new(CloseWhenDropped(shared.clone()));
        for _ in 0..bounds.threads.max(1) {
            let (shared, guard) = (shared.clone(), threads.clone());
            let made = threads.essential(name, move || {
                priority.set();
                shared.serve(name, &guard);
                Ok(())
            });
            made.map_err(|error| StoreError::Io(format!("the thread {name} cannot be made: {error}")))?;
        }
        Ok(Lanes { shared, _close: close })
    }

    /// Takes work on for a caller, unless too much of the caller's waits already. When the answer is dropped, the work is not begun, or is
    /// asked to stop.
    pub fn begin<T: Send + 'static>(
        &self,
        caller: &Arc<str>,
        work: impl FnOnce(Permit) -> T + Send + 'static,
    ) -> Result<Running<T>, Error> {
        let (send, answer) = oneshot::channel();
        let work: Work = Box::new(move |permit| {
            // Nobody may wait for the answer any more.
            let _ = send.send(work(permit));
        });
        let cancelled = Arc::new(AtomicBool::new(false));
        let job = Job { work, cancelled: cancelled.clone() };
        let mut queue = self.shared.lock();
        let id = queue.next_id;
        queue.next_id += 1;
        queue.fair.join(caller, id, job);
        self.shared.dispatch(&mut queue);
        if queue.fair.is_overfull(caller) {
            let refused = queue.fair.withdraw(caller, id);
            self.shared.dispatch(&mut queue);
            drop(queue);
            drop(refused);
            let message = format!("too many {} of this caller wait or are under way", self.shared.what);
            return Err(Error::Overloaded { message, retry_after_ms: RETRY_AFTER_MS });
        }
        let shared = self.shared.clone();
        Ok(Running { answer, cancel: Some(Cancel { shared, caller: caller.clone(), id, cancelled }) })
    }

    pub fn load(&self, length: Length) -> LaneLoad {
        let fair = &self.shared.lock().fair;
        LaneLoad { running: fair.running(length), waiting: fair.waiting(length) }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives all permits that there are.
    fn dispatch(&self, queue: &mut Queue) {
        while let Some(granted) = queue.fair.grant() {
            match granted {
                Granted::Begin { caller, id, job } => {
                    queue.ready.push_back(Ready { caller, id, job });
                    self.work.notify_one();
                }
                Granted::Resume(parked) => {
                    parked.granted.store(true, Ordering::Release);
                    parked.thread.unpark();
                }
            }
        }
        let waiting = queue.fair.waiting(Length::Short) + queue.fair.waiting(Length::Long);
        self.contended.store(waiting, Ordering::Relaxed);
        if queue.closed && queue.fair.is_idle() {
            self.work.notify_all();
        }
    }

    /// Runs jobs on a thread until there is nothing left to do.
    fn serve(self: Arc<Shared>, name: &str, threads: &Threads) {
        while let Some(Ready { caller, id, job }) = self.next() {
            let permit = Permit::new(self.clone(), caller, id, job.cancelled);
            // A panic is counted and logged; whoever waits gets an error.
            let _ = threads.guarded(name, || (job.work)(permit));
        }
    }

    fn next(&self) -> Option<Ready> {
        let mut queue = self.lock();
        loop {
            if let Some(ready) = queue.ready.pop_front() {
                return Some(ready);
            }
            if queue.closed && queue.fair.is_idle() {
                return None;
            }
            queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The answer of work that was taken on.
pub struct Running<T> {
    answer: oneshot::Receiver<T>,
    cancel: Option<Cancel>,
}

impl<T> Future for Running<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(context));
        if let Some(mut cancel) = self.cancel.take() {
            cancel.id = u64::MAX;
        }
        Poll::Ready(answer.map_err(|_| Error::Internal("a thread's work ended badly".to_owned())))
    }
}

/// Takes work back, or stops it, when it is dropped.
struct Cancel {
    shared: Arc<Shared>,
    caller: Arc<str>,
    /// The job's number; the greatest one once the work is done, which no job has.
    id: u64,
    cancelled: Arc<AtomicBool>,
}

impl Drop for Cancel {
    fn drop(&mut self) {
        if self.id == u64::MAX {
            return;
        }
        self.cancelled.store(true, Ordering::Release);
        let mut queue = self.shared.lock();
        let withdrawn = queue.fair.withdraw(&self.caller, self.id);
        if let Some(parked) = queue.fair.parked(&self.caller, self.id) {
            parked.thread.unpark();
        }
        self.shared.dispatch(&mut queue);
        drop(queue);
        drop(withdrawn);
    }
}

/// What lets a job run. It is given back when it is dropped.
pub struct Permit {
    shared: Arc<Shared>,
    caller: Arc<str>,
    id: u64,
    cancelled: Arc<AtomicBool>,
    granted: Arc<AtomicBool>,
    length: Cell<Length>,
    /// It is false once the job has left the queue of those that are parked.
    is_held: Cell<bool>,
    since: Cell<Instant>,
    looked: Cell<Instant>,
    /// When the job next offers its processor to other threads.
    offers_at: Cell<Instant>,
    /// How much the job has done, and how much of it its caller was charged for.
    work: Cell<u64>,
    charged: Cell<(u64, Instant)>,
}

impl Permit {
    fn new(shared: Arc<Shared>, caller: Arc<str>, id: u64, cancelled: Arc<AtomicBool>) -> Permit {
        let now = Instant::now();
        Permit {
            shared,
            caller,
            id,
            cancelled,
            granted: Arc::default(),
            length: Cell::new(Length::Short),
            is_held: Cell::new(true),
            since: Cell::new(now),
            looked: Cell::new(now),
            offers_at: Cell::new(now + OFFER_EVERY),
            work: Cell::new(0),
            charged: Cell::new((0, now)),
        }
    }

    /// Returns whether nobody waits for the job any more.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Notes how much the job has done by now.
    pub fn has_done(&self, work: u64) {
        self.work.set(work);
    }

    /// Makes the job a long one.
    pub fn grow(&self) {
        if self.length.get() == Length::Short && self.is_held.get() {
            self.length.set(Length::Long);
            self.shared.lock().fair.grow();
        }
    }

    /// Makes room for others if it is time to. It returns when this job has a permit again, its caller has gone or the deadline has passed;
    /// true if it waited. A job is to call it now and then.
    pub fn poll(&self, now: Instant, deadline: Option<Instant>) -> bool {
        self.offer_processor(now);
        let contended = self.shared.contended.load(Ordering::Relaxed) > 0;
        let every = if contended { LOOK_EVERY } else { PERMIT_TIME };
        if now.duration_since(self.looked.get()) < every || !self.is_held.get() {
            return false;
        }
        self.looked.set(now);
        let mut queue = self.shared.lock();
        self.charge(&mut queue, now);
        let had_its_time = now.duration_since(self.since.get()) >= PERMIT_TIME;
        if !queue.fair.should_yield(&self.caller, self.length.get(), had_its_time) {
            return false;
        }
        self.granted.store(false, Ordering::Relaxed);
        let parked = Parked { thread: std::thread::current(), granted: self.granted.clone() };
        queue.fair.park(&self.caller, self.id, self.length.get(), parked);
        self.shared.dispatch(&mut queue);
        drop(queue);
        self.shared.yields.inc();
        self.wait(deadline);
        true
    }

    fn offer_processor(&self, now: Instant) {
        if now >= self.offers_at.get() {
            std::thread::yield_now();
            let taken_until = Instant::now();
            let took = taken_until.duration_since(now);
            self.offers_at.set(taken_until + OFFER_EVERY.max(took * OFFER_AGAIN_AFTER));
        }
    }

    /// Waits for the permit.
    fn wait(&self, deadline: Option<Instant>) {
        let mut now = Instant::now();
        while !self.granted.load(Ordering::Acquire) {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
            if self.is_cancelled() || left.is_some_and(|left| left.is_zero()) {
                let left = self.shared.lock().fair.leave(&self.caller, self.id, self.length.get());
                self.is_held.set(!left);
                break;
            }
            match left {
                Some(left) => std::thread::park_timeout(left),
                None => std::thread::park(),
            }
            now = Instant::now();
        }
        self.since.set(now);
        self.looked.set(now);
        self.charged.set((self.charged.get().0, now));
    }

    /// Charges what was done since the last time: the half-edges visited, or as many as would have been visited in the same time, because
    /// not all work is visiting.
    fn charge(&self, queue: &mut Queue, now: Instant) {
        let (work, at) = self.charged.replace((self.work.get(), now));
        let took = u64::try_from(now.saturating_duration_since(at).as_micros()).unwrap_or(u64::MAX);
        let taken = self.work.get().saturating_sub(work).max(took.saturating_mul(EDGES_PER_MICROSECOND));
        queue.fair.charge(&self.caller, taken);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        self.charge(&mut queue, Instant::now());
        queue.fair.end(&self.caller, self.length.get(), self.is_held.get());
        self.shared.dispatch(&mut queue);
    }
}
