//! The way of a batch to the disk, on a thread of its own: while one batch is written and synced, the writer applies the next.
//!
//! One batch is under way at a time. Whoever has the store writes: the writer gives it away with a batch, and has it back
//! when that batch is published, or refused, and its callers are answered.

use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{mpsc, watch};

use super::batch::{Answer, AppliedBatch, Batch};
use super::metrics::Metrics;
use super::preparation::Landed;
use super::state::State;
use super::writer::Common;
use crate::domain::{Error, Reason};
use crate::store::{Commit, Journaled, Store, StoreError};

/// Commands that are worth another thread and a sync of their own, with the next ones applied beside it.
pub const COMMANDS_TOGETHER: usize = 16;

/// When to try again where the process has no file descriptor left.
const TOO_MANY_FILES_RETRY_MS: u64 = 1_000;

/// What came of a batch.
type Outcome = Result<(), Error>;

pub struct Disk {
    publish: watch::Sender<Arc<State>>,
    /// None while a batch is under way, or when the thread has ended badly.
    store: Option<Box<dyn Store>>,
    batches: Option<mpsc::Sender<(Box<dyn Store>, Written)>>,
    returned: mpsc::Receiver<(Box<dyn Store>, Outcome)>,
    thread: Option<JoinHandle<()>>,
    /// The state that the next batch begins with.
    newest: Arc<State>,
    /// What came of the last batch.
    outcome: Outcome,
    /// Where batches go that got on the disk, if somebody follows.
    landed: Option<Arc<Landed>>,
    common: Common,
}

/// A batch with its state ready to be published.
struct Written {
    commits: Vec<Commit>,
    answers: Vec<Answer>,
    erased: Vec<Journaled>,
    state: Arc<State>,
    landed: Option<Arc<Landed>>,
}

impl Disk {
    pub fn new(store: Box<dyn Store>, publish: watch::Sender<Arc<State>>, common: Common) -> Result<Disk, StoreError> {
        let (batches, mut inbox) = mpsc::channel::<(Box<dyn Store>, Written)>(1);
        let (back, returned) = mpsc::channel(1);
        let (published, newest, counted) = (publish.clone(), publish.borrow().clone(), common.clone());
        let serve = move || {
            while let Some((mut store, written)) = inbox.blocking_recv() {
                let outcome = written.carry_out(&mut *store, &published, &counted);
                if back.blocking_send((store, outcome)).is_err() {
                    break;
                }
            }
            Ok(())
        };
        let thread = Some(common.threads.essential("kith-disk", serve)?);
        measure(&*store, &common.metrics);
        let (store, batches) = (Some(store), Some(batches));
        Ok(Disk { publish, store, batches, returned, thread, newest, outcome: Ok(()), landed: None, common })
    }

    /// A batch that begins with all that was given to the disk.
    pub fn batch(&mut self) -> Batch {
        if self.store.is_some() {
            // What came of the last one is known: this one does not begin with what has failed.
            self.outcome = Ok(());
        }
        Batch::new((*self.newest).clone(), &self.common)
    }

    /// One that begins with a state in the place of that which is published. None while a batch is under way.
    pub fn batch_on(&mut self, state: State) -> Option<Batch> {
        self.store.as_ref()?;
        self.outcome = Ok(());
        Some(Batch::new(state, &self.common))
    }

    /// Has every batch that gets on the disk from now on put there, or nowhere.
    pub fn hand_on(&mut self, landed: Option<Arc<Landed>>) {
        self.landed = landed;
    }

    /// The store, if no batch is under way.
    pub fn store(&mut self) -> Option<&mut (dyn Store + 'static)> {
        self.store.as_deref_mut()
    }

    /// Notes what the store takes, after it has changed other than by a batch.
    pub fn measure(&self) {
        if let Some(store) = self.store.as_deref() {
            measure(store, &self.common.metrics);
        }
    }

    /// Waits until the batch under way is done with; for ever if there is none. None if the thread has ended badly.
    pub async fn done(&mut self) -> Option<()> {
        if self.store.is_some() {
            return std::future::pending().await;
        }
        let returned = self.returned.recv().await;
        self.take_back(returned)
    }

    /// The same, at once if there is none.
    pub fn settle(&mut self) -> Option<()> {
        if self.store.is_some() {
            return Some(());
        }
        let returned = self.returned.blocking_recv();
        self.take_back(returned)
    }

    /// Whether nothing keeps a batch from being written at once.
    pub fn is_free(&mut self) -> bool {
        if self.store.is_none()
            && let Ok(returned) = self.returned.try_recv()
        {
            self.take_back(Some(returned));
        }
        self.store.is_some()
    }

    fn take_back(&mut self, returned: Option<(Box<dyn Store>, Outcome)>) -> Option<()> {
        let (store, outcome) = returned?;
        self.store = Some(store);
        if outcome.is_err() {
            self.newest = self.publish.borrow().clone();
        }
        self.outcome = outcome;
        Some(())
    }

    /// Writes a batch that began with the newest state, when the one before it is done with: if that one failed, this one has
    /// never happened either. None if the thread has ended badly.
    pub fn write(&mut self, batch: AppliedBatch) -> Option<()> {
        self.settle()?;
        let before = std::mem::replace(&mut self.outcome, Ok(()));
        let AppliedBatch { state, commits, answers, erased } = batch;
        if before.is_err() || commits.is_empty() {
            answers.into_iter().for_each(|answer| answer.give(&before));
            return Some(());
        }
        let alone = commits.len() < COMMANDS_TOGETHER;
        let mut store = self.store.take()?;
        let written = Written { commits, answers, erased, state: Arc::new(state), landed: self.landed.clone() };
        self.newest = written.state.clone();
        if alone {
            let outcome = written.carry_out(&mut *store, &self.publish, &self.common);
            self.take_back(Some((store, outcome)))?;
            self.outcome = Ok(());
            return Some(());
        }
        self.batches.as_ref()?.blocking_send((store, written)).ok()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The thread ends with the batch it has, which tells its callers if it fails.
        self.batches = None;
        let _ = self.settle();
        if let Some(thread) = self.thread.take() {
            // A panic was reported where it was caught.
            let _ = thread.join();
        }
    }
}

impl Written {
    /// Puts the batch on the disk, publishes its state, and answers.
    fn carry_out(self, store: &mut dyn Store, publish: &watch::Sender<Arc<State>>, common: &Common) -> Outcome {
        let (metrics, begun) = (&common.metrics, Instant::now());
        let outcome = store.append(&self.commits).map_err(not_written);
        metrics.append_seconds.observe(begun.elapsed().as_secs_f64());
        if outcome.is_err() {
            metrics.batches_refused.inc();
        } else {
            metrics.commands.inc_by(self.commits.len() as u64);
            metrics.batch_commands.observe(self.commits.len() as f64);
            publish.send_replace(self.state);
            if let Some(landed) = self.landed {
                landed.push(self.commits);
            }
        }
        measure(store, metrics);
        if outcome.is_ok() {
            common.journal(self.erased);
        }
        self.answers.into_iter().for_each(|answer| answer.give(&outcome));
        outcome
    }
}

impl Common {
    /// Puts erasures that are in the log into the journal of erasures, if there is one, before they are answered. A journal that cannot
    /// be written makes no erasure undone: the log has it, the journal is tried again, and a start writes down what it lacks.
    pub fn journal(&self, erased: Vec<Journaled>) {
        let Some(journal) = &self.journal else { return };
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        if erased.is_empty() && !journal.is_behind() {
            return;
        }
        let erases = !erased.is_empty();
        let appended = journal.append(erased);
        self.metrics.erasure_journal_behind.set(i64::from(journal.is_behind()));
        if let Err(error) = appended
            && erases
        {
            tracing::error!(%error, "the erasure journal could not be written; it is tried again");
        }
    }
}

/// Notes what the store takes, so that whoever asks need not wait for the disk.
fn measure(store: &dyn Store, metrics: &Metrics) {
    let count = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    metrics.store_disk_bytes.set(count(store.disk_bytes()));
    metrics.store_log_bytes.set(count(store.log_bytes()));
}

/// What callers are told of a batch that did not get on the disk. The next one may: nothing of this one is there, unless the error
/// says that this is not known.
fn not_written(error: StoreError) -> Error {
    tracing::error!(%error, "the store refused a batch");
    match error {
        StoreError::Full => Error::Exhausted { reason: Reason::StorageFull, message: error.to_string() },
        StoreError::TooManyFiles => {
            Error::Overloaded { message: error.to_string(), retry_after_ms: TOO_MANY_FILES_RETRY_MS }
        }
        StoreError::Unknown { .. } => Error::OutcomeUnknown,
        other => Error::Internal(other.to_string()),
    }
}
