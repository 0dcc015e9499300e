//! The way of a batch to the disk, on a thread of its own: while one batch is written and synced, the writer applies the next.
//!
//! One batch is under way at a time. Whoever has the store writes: the writer gives it away with a batch, and has it back
//! when that batch is published, or refused, and its callers are answered. An append may end without saying whether the batch is in
//! the log: the log's tail says it, and until that can be read nothing else is appended.

use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{mpsc, watch};

use super::batch::{Answer, AppliedBatch, Batch, COMMANDS_TOGETHER};
use super::common::Common;
use super::metrics::Metrics;
use super::namespaces::Namespaces;
use super::preparation::Landed;
use super::state::State;
use crate::domain::{Error, NamespaceName, Reason, Sequence};
use crate::store::{Commit, Journaled, NotAppended, Store, StoreError};

/// When to try again where the process has no file descriptor left.
const TOO_MANY_FILES_RETRY_MS: u64 = 1_000;
/// When to try again where the end of the log cannot be read.
const UNKNOWN_RETRY_MS: u64 = 1_000;

/// What came of a batch.
type Outcome = Result<(), Error>;

pub struct Disk {
    publish: watch::Sender<Arc<Namespaces>>,
    /// None while a batch is under way, or when the thread has ended badly.
    store: Option<Store>,
    batches: Option<mpsc::Sender<(Store, Written)>>,
    returned: mpsc::Receiver<Returned>,
    /// A batch that may be in the log or not. Until that is known nothing is appended.
    unknown: Option<Landing>,
    /// Why the end of the log could not be read when it was last tried.
    unreadable: Option<Error>,
    thread: Option<JoinHandle<()>>,
    /// What the next batch begins with.
    newest: Arc<Namespaces>,
    /// What came of the last batch.
    outcome: Outcome,
    /// Where batches go that got on the disk, if somebody follows.
    landed: Option<Arc<Landed>>,
    common: Common,
}

/// A batch with what it makes ready to be published.
struct Written {
    answers: Vec<Answer>,
    landing: Landing,
}

/// What a batch does once it is in the log.
struct Landing {
    commits: Vec<Commit>,
    erased: Vec<Journaled>,
    namespaces: Arc<Namespaces>,
    landed: Option<Arc<Landed>>,
}

/// The store after a batch, what came of that, and the batch if it may be in the log or not.
type Returned = (Store, Outcome, Option<Landing>);

impl Disk {
    pub fn new(store: Store, publish: watch::Sender<Arc<Namespaces>>, common: Common) -> Result<Disk, StoreError> {
        let (batches, mut inbox) = mpsc::channel::<(Store, Written)>(1);
        let (back, returned) = mpsc::channel(1);
        let (published, newest, counted) = (publish.clone(), publish.borrow().clone(), common.clone());
        let serve = move || {
            while let Some((mut store, written)) = inbox.blocking_recv() {
                let (outcome, unknown) = written.carry_out(&mut store, &published, &counted);
                if back.blocking_send((store, outcome, unknown)).is_err() {
                    break;
                }
            }
            Ok(())
        };
        let thread = Some(common.threads.essential("kith-disk", serve)?);
        measure(&store, &common.metrics);
        let (store, batches, unknown, unreadable) = (Some(store), Some(batches), None, None);
        Ok(Disk {
            publish,
            store,
            batches,
            returned,
            unknown,
            unreadable,
            thread,
            newest,
            outcome: Ok(()),
            landed: None,
            common,
        })
    }

    /// A batch that begins with all that was given to the disk.
    pub fn batch(&mut self) -> Batch {
        self.find_out();
        if self.store.is_some() {
            // What came of the last one is known: this one does not begin with what has failed.
            self.outcome = Ok(());
        }
        Batch::new((*self.newest).clone(), &self.common)
    }

    /// Begins a batch on a state that replaces a namespace's published one. None while a batch is under way, or may be in the log or not,
    /// and where the namespace is gone.
    pub fn batch_on(&mut self, namespace: &NamespaceName, state: State) -> Option<Batch> {
        self.store.as_ref().filter(|_| self.unknown.is_none())?;
        self.outcome = Ok(());
        Batch::on((*self.newest).clone(), namespace, state, &self.common)
    }

    /// Has every batch that gets on the disk from now on put there, or nowhere.
    pub fn hand_on(&mut self, landed: Option<Arc<Landed>>) {
        self.landed = landed;
    }

    /// The store, if no batch is under way.
    pub fn store(&mut self) -> Option<&mut Store> {
        self.store.as_mut()
    }

    /// Returns whether a batch may be in the log or not, so that what is published may not be all there is.
    pub fn is_in_doubt(&self) -> bool {
        self.unknown.is_some()
    }

    /// Finds out whether a batch is in the log whose append ended without saying so, and publishes it if it is.
    pub fn find_out(&mut self) {
        let (Some(store), Some(unknown)) = (&mut self.store, self.unknown.take()) else { return };
        match store.log.tail() {
            Ok(tail) if tail >= unknown.last() => {
                unknown.land(&self.publish, &self.common);
                self.newest = self.publish.borrow().clone();
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "the end of the log cannot be read; nothing is written until it can be");
                (self.unknown, self.unreadable) = (Some(unknown), Some(not_written(error)));
            }
        }
    }

    /// Notes what the store takes, after it has changed other than by a batch.
    pub fn measure(&self) {
        if let Some(store) = &self.store {
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

    fn take_back(&mut self, returned: Option<Returned>) -> Option<()> {
        let (store, outcome, unknown) = returned?;
        (self.store, self.unknown, self.unreadable) = (Some(store), unknown, None);
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
        // A batch on top of the one in doubt shares its answer. A later one hears why the doubt stays.
        let before = match (&self.unknown, before) {
            (Some(_), Ok(())) => Err(self.unreadable.clone().unwrap_or_else(not_yet_known)),
            (_, before) => before,
        };
        let AppliedBatch { namespaces, commits, answers, erased } = batch;
        if before.is_err() || commits.is_empty() {
            answers.into_iter().for_each(|answer| answer.give(&before));
            return Some(());
        }
        let alone = commits.len() < COMMANDS_TOGETHER;
        let mut store = self.store.take()?;
        self.newest = Arc::new(namespaces);
        let landing = Landing { commits, erased, namespaces: self.newest.clone(), landed: self.landed.clone() };
        let written = Written { answers, landing };
        if alone {
            let (outcome, unknown) = written.carry_out(&mut store, &self.publish, &self.common);
            self.take_back(Some((store, outcome, unknown)))?;
            self.outcome = Ok(());
            return Some(());
        }
        self.batches.as_ref()?.blocking_send((store, written)).ok()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The thread ends with the batch it has, which answers its callers if it fails.
        self.batches = None;
        let _ = self.settle();
        if let Some(thread) = self.thread.take() {
            // A panic was reported where it was caught.
            let _ = thread.join();
        }
    }
}

impl Written {
    /// Puts the batch on the disk, publishes its state, and answers. Gives what came of it, and the batch if that is not known.
    fn carry_out(
        self,
        store: &mut Store,
        publish: &watch::Sender<Arc<Namespaces>>,
        common: &Common,
    ) -> (Outcome, Option<Landing>) {
        let (Written { answers, landing }, begun) = (self, Instant::now());
        let appended = landing.append(store);
        common.metrics.append_seconds.observe(begun.elapsed().as_secs_f64());
        measure(store, &common.metrics);
        let (outcome, unknown) = match appended {
            Ok(()) => {
                landing.land(publish, common);
                (Ok(()), None)
            }
            Err(error) => {
                tracing::error!(%error, "the log refused a batch");
                common.metrics.batches_refused.inc();
                match error {
                    NotAppended::NotThere(error) => (Err(not_written(error)), None),
                    NotAppended::Unknown(_) => (Err(Error::OutcomeUnknown), Some(landing)),
                }
            }
        };
        answers.into_iter().for_each(|answer| answer.give(&outcome));
        (outcome, unknown)
    }
}

impl Landing {
    fn last(&self) -> Sequence {
        self.commits.last().map_or(0, |commit| commit.sequence)
    }

    /// Appends the commits. Where the append does not say whether they are in the log, the log's tail does, if it can be read.
    fn append(&self, store: &mut Store) -> Result<(), NotAppended> {
        let appended = store.log.append(&self.commits);
        let Err(NotAppended::Unknown(error)) = appended else { return appended };
        match store.log.tail() {
            Ok(tail) if tail >= self.last() => Ok(()),
            Ok(_) => Err(NotAppended::NotThere(error)),
            Err(_) => Err(NotAppended::Unknown(error)),
        }
    }

    /// Publishes what a batch has made that is in the log.
    fn land(self, publish: &watch::Sender<Arc<Namespaces>>, common: &Common) {
        common.metrics.commands.inc_by(self.commits.len() as u64);
        common.metrics.batch_commands.observe(self.commits.len() as f64);
        publish.send_replace(self.namespaces);
        if let Some(landed) = self.landed {
            landed.push(self.commits);
        }
        common.journal(self.erased);
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
fn measure(store: &Store, metrics: &Metrics) {
    let count = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    metrics.store_disk_bytes.set(count(store.disk_bytes()));
    metrics.store_log_bytes.set(count(store.log_bytes()));
}

/// What callers hear of a batch that is not in the log. The next one may be.
fn not_written(error: StoreError) -> Error {
    match error {
        StoreError::Full => Error::Exhausted { reason: Reason::StorageFull, message: error.to_string() },
        StoreError::TooManyFiles => {
            Error::Overloaded { message: error.to_string(), retry_after_ms: TOO_MANY_FILES_RETRY_MS }
        }
        other => Error::Internal(other.to_string()),
    }
}

/// What callers hear whose command would follow on one that may be in the log or not.
fn not_yet_known() -> Error {
    let message = "whether an earlier command is in the log is not known yet".to_owned();
    Error::Unavailable { reason: Reason::NotReady, message, retry_after_ms: UNKNOWN_RETRY_MS }
}
