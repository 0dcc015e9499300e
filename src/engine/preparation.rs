//! The thread that prepares long commands: it does on a copy of the state what can be done beforehand (`ahead.rs`), follows what is
//! written meanwhile, and gives the copy to the writer when it is near the state.
//!
//! It also frees the states that a long command replaces: hundreds of thousands of pieces, for which nobody else should wait.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;

use super::lanes::Priority;
use super::orders::Order;
use super::state::{Plan, State, Unusable};
use super::threads::Threads;
use crate::domain::{Change, MemberAttrs, NamespaceName};
use crate::store::Commit;

/// How often it is looked whether a state that is replaced is in nobody else's hands any more.
const LOOK_FOR_FREE: Duration = Duration::from_millis(20);

/// What a change of a member that is not long may take at most, in changes of one edge.
const MEMBER_WEIGHT: usize = 256;

/// A copy that has caught up with all that was on disk when it was given, or why there is none.
pub type Prepared = Result<Box<State>, String>;

/// Batches that got on the disk after a copy was made, in order.
#[derive(Debug)]
pub struct Landed {
    /// The namespace of the copy; what lands in others does not concern it.
    namespace: NamespaceName,
    /// Each with its weight.
    batches: Mutex<VecDeque<(usize, Vec<Commit>)>>,
    weight: AtomicUsize,
}

impl Landed {
    pub fn new(namespace: NamespaceName) -> Landed {
        Landed { namespace, batches: Mutex::default(), weight: AtomicUsize::new(0) }
    }

    fn batches(&self) -> MutexGuard<'_, VecDeque<(usize, Vec<Commit>)>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn push(&self, mut commits: Vec<Commit>) {
        commits.retain(|commit| commit.namespace == self.namespace);
        if commits.is_empty() {
            return;
        }
        let weight = weight(&commits);
        self.weight.fetch_add(weight, Ordering::Relaxed);
        self.batches().push_back((weight, commits));
    }

    fn pop(&self) -> Option<Vec<Commit>> {
        let (weight, commits) = self.batches().pop_front()?;
        self.weight.fetch_sub(weight, Ordering::Relaxed);
        Some(commits)
    }

    /// How much work waits, in changes of an edge.
    pub fn weight(&self) -> usize {
        self.weight.load(Ordering::Relaxed)
    }

    /// Carries them out on a copy until there are none, unless it is to stop.
    pub fn follow(&self, state: &mut State, go_on: &dyn Fn() -> bool) -> Result<(), Unusable> {
        while let Some(commits) = self.pop() {
            state.follow(&commits)?;
            if !go_on() {
                return Err(Unusable::Stopped);
            }
        }
        Ok(())
    }
}

/// About how many changes of one edge are as much work.
fn weight(commits: &[Commit]) -> usize {
    let weight = |change: &Change| match change.plain() {
        // Each may be one of some thousand edges.
        Change::DeleteMember { .. } => MEMBER_WEIGHT,
        Change::UpdateMember { patch, .. } if patch.set.has(MemberAttrs::EDGES_SHOWN) => MEMBER_WEIGHT,
        _ => 1,
    };
    commits.iter().flat_map(|commit| &commit.command.changes).map(weight).sum()
}

enum Work {
    Prepare { state: Arc<State>, plan: Arc<Plan>, landed: Arc<Landed> },
    CatchUp { state: Box<State>, landed: Arc<Landed> },
    Free(Vec<Arc<State>>),
}

pub struct Preparer {
    work: Option<Sender<Work>>,
    prepared: Receiver<Prepared>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Preparer {
    /// `orders` is weak, so that the writer ends when no engine handle is left.
    pub fn start(threads: &Threads, orders: mpsc::WeakSender<Order>) -> std::io::Result<Preparer> {
        let (work, inbox) = channel::<Work>();
        let (done, prepared) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let (guard, stopped) = (threads.clone(), stop.clone());
        let thread = threads.essential("kith-prepare", move || {
            Priority::Query.set();
            let go_on = || !stopped.load(Ordering::Relaxed);
            let mut replaced = Vec::new();
            while let Some(work) = next(&inbox, &mut replaced) {
                let outcome = guard.guarded("a preparation", || carry_out(work, &mut replaced, &go_on));
                let Some(outcome) = outcome.unwrap_or_else(|why| Some(Err(why))) else { continue };
                if done.send(outcome).is_err() {
                    break;
                }
                if let Some(orders) = orders.upgrade() {
                    // A writer whose queue is full looks by itself.
                    let _ = orders.try_send(Order::Prepared);
                }
            }
            Ok(())
        })?;
        Ok(Preparer { work: Some(work), prepared, stop, thread: Some(thread) })
    }

    /// Begins to carry out a plan on a copy of a state. What gets on the disk after that state is to be put in `landed`.
    pub fn prepare(&self, state: Arc<State>, plan: Arc<Plan>, landed: Arc<Landed>) {
        self.give(Work::Prepare { state, plan, landed });
    }

    /// Gives a copy back that is too far behind.
    pub fn catch_up(&self, state: Box<State>, landed: Arc<Landed>) {
        self.give(Work::CatchUp { state, landed });
    }

    /// Takes states that were replaced, to free what only they hold.
    pub fn free(&self, states: Vec<Arc<State>>) {
        self.give(Work::Free(states));
    }

    fn give(&self, work: Work) {
        if let Some(inbox) = &self.work {
            // That the thread is gone shows when its answer is asked for.
            let _ = inbox.send(work);
        }
    }

    /// The copy that was asked for. None if it is not there yet and nobody waits for it.
    pub fn prepared(&self, wait: bool) -> Option<Prepared> {
        let gone = || Err("the thread that prepares is gone".to_owned());
        if wait {
            return Some(self.prepared.recv().unwrap_or_else(|_| gone()));
        }
        match self.prepared.try_recv() {
            Ok(prepared) => Some(prepared),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(gone()),
        }
    }

    /// Ends the thread.
    pub fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.work = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported where it was caught.
            let _ = thread.join();
        }
    }
}

impl Drop for Preparer {
    fn drop(&mut self) {
        self.end();
    }
}

/// The next work. While there is none, states that nobody else holds any more are dropped.
fn next(inbox: &Receiver<Work>, replaced: &mut Vec<Arc<State>>) -> Option<Work> {
    loop {
        replaced.retain(|state| Arc::strong_count(state) > 1);
        if replaced.is_empty() {
            return inbox.recv().ok();
        }
        match inbox.recv_timeout(LOOK_FOR_FREE) {
            Ok(work) => return Some(work),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

fn carry_out(work: Work, replaced: &mut Vec<Arc<State>>, go_on: &dyn Fn() -> bool) -> Option<Prepared> {
    let prepared = match work {
        Work::Free(states) => {
            replaced.extend(states);
            return None;
        }
        Work::Prepare { state, plan, landed } => {
            let prepared = state.prepared(&plan, go_on);
            // The writer has replaced it meanwhile: what only it held goes here.
            replaced.push(state);
            prepared.map(|state| (Box::new(state), landed))
        }
        Work::CatchUp { state, landed } => Ok((state, landed)),
    };
    let caught_up = prepared.and_then(|(mut state, landed)| landed.follow(&mut state, go_on).map(|()| state));
    Some(caught_up.map_err(|unusable| unusable.to_string()))
}
