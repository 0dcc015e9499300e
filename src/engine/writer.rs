//! The single writer: a thread that turns orders into commits, in the order they come.
//!
//! It drains what is waiting into one batch, applies it to a copy of the state, has the store put the batch on disk, and
//! only then publishes the copy and answers. What the store refuses has never happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot, watch};

use super::batch::Batch;
use super::state::State;
use super::{Applied, EngineOptions, ImportedBatch, Refusal, StoreFigures, checkpoint};
use crate::domain::{Change, Error, Precondition, Reason, Request, Sequence, builtin_kinds};
use crate::store::{FinishedCheckpoint, LogKeep, Store, StoreError};

/// How often a writer that has nothing to write looks whether a checkpoint is due.
const IDLE_MAX: Duration = Duration::from_secs(5);
/// When bytes of erased members go that an earlier run has left, at the latest.
const ERASE_AFTER_START: Duration = Duration::from_secs(3_600);
/// After a checkpoint that could not be written.
const CHECKPOINT_RETRY: Duration = Duration::from_secs(30);
/// A checkpoint is due when the log takes so many bytes for each member and edge: about what the checkpoint itself takes.
const CHECKPOINT_BYTES_PER_RESOURCE: u64 = 16;

pub type Respond = Box<dyn FnOnce(&State, &[Applied]) -> Vec<u8> + Send>;

pub struct WriteOrder {
    pub changes: Vec<Change>,
    pub request: Option<Request>,
    pub respond: Respond,
    pub reply: oneshot::Sender<Result<Vec<u8>, Refusal>>,
}

pub struct ImportOrder {
    pub changes: Vec<Change>,
    pub reply: oneshot::Sender<Result<ImportedBatch, Error>>,
}

pub enum Order {
    Write(WriteOrder),
    Import(ImportOrder),
    Figures(oneshot::Sender<StoreFigures>),
    CheckpointWritten(Result<FinishedCheckpoint, StoreError>),
}

pub struct Writer {
    store: Box<dyn Store>,
    publish: watch::Sender<Arc<State>>,
    /// For the checkpoint thread's report; weak, so that the writer ends when no engine handle is left.
    orders: mpsc::WeakSender<Order>,
    options: EngineOptions,
    /// The last sequence the newest checkpoint covers.
    covered: Sequence,
    checkpoint: Option<UnderWay>,
    /// After one that failed, when the next may begin.
    checkpoint_not_before: Option<Instant>,
    /// When the bytes of erased members, which are still in the log, are to be gone.
    erase_by: Option<Instant>,
}

impl Writer {
    /// Takes over a loaded store; a new one gets the built-in kinds.
    pub fn new(
        store: Box<dyn Store>,
        publish: watch::Sender<Arc<State>>,
        orders: mpsc::WeakSender<Order>,
        options: EngineOptions,
        covered: Sequence,
    ) -> Result<Writer, StoreError> {
        let mut writer = Writer {
            store,
            publish,
            orders,
            options,
            covered,
            checkpoint: None,
            checkpoint_not_before: None,
            erase_by: None,
        };
        if writer.publish.borrow().sequence() == 0 {
            writer.register_builtin_kinds()?;
        }
        if writer.log_holds_erased() {
            // How long ago is not known any more. Who watched before the start may still catch up.
            writer.erase_by = Instant::now().checked_add(writer.options.erase_within.min(ERASE_AFTER_START));
        }
        writer.trim_log();
        Ok(writer)
    }

    fn register_builtin_kinds(&mut self) -> Result<(), StoreError> {
        let put = |kind| Change::PutKind { kind, precondition: Precondition::None };
        let changes = builtin_kinds().into_iter().map(put).collect();
        // Nobody waits for the answer.
        let (reply, _) = oneshot::channel();
        let mut batch = Batch::new(&self.publish.borrow());
        batch.import(ImportOrder { changes, reply });
        self.store.append(&batch.commits)?;
        self.publish.send_replace(Arc::new(batch.state));
        Ok(())
    }

    /// Serves orders until every engine handle is gone. Nothing is done in the store's folder any more when it returns.
    pub fn run(mut self, inbox: mpsc::Receiver<Order>) {
        match Builder::new_current_thread().enable_time().build() {
            Ok(clock) => self.serve(inbox, &clock),
            Err(error) => tracing::error!(%error, "the writer has no clock"),
        }
        if let Some(UnderWay { thread, stop }) = self.checkpoint.take() {
            stop.store(true, Ordering::Relaxed);
            // One that panicked has said so.
            let _ = thread.join();
        }
    }

    fn serve(&mut self, mut inbox: mpsc::Receiver<Order>, clock: &Runtime) {
        loop {
            let first = match inbox.try_recv() {
                Ok(order) => order,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => match self.wait(&mut inbox, clock) {
                    Waited::Order(order) => order,
                    Waited::InVain => continue,
                    Waited::Ended => break,
                },
            };
            let mut batch = Batch::new(&self.publish.borrow());
            self.take(&mut batch, first);
            while batch.has_room() {
                match inbox.try_recv() {
                    Ok(order) => self.take(&mut batch, order),
                    Err(_) => break,
                }
            }
            self.commit(batch);
            self.checkpoint_if_due();
        }
    }

    /// Waits for an order. While there is none, what has become due meanwhile is done.
    fn wait(&mut self, inbox: &mut mpsc::Receiver<Order>, clock: &Runtime) -> Waited {
        match clock.block_on(async { tokio::time::timeout(IDLE_MAX, inbox.recv()).await }) {
            Ok(Some(order)) => Waited::Order(order),
            Ok(None) => Waited::Ended,
            Err(_) => {
                self.trim_log();
                self.checkpoint_if_due();
                Waited::InVain
            }
        }
    }

    fn take(&mut self, batch: &mut Batch, order: Order) {
        match order {
            // A caller that has gone away before its turn finds no one to answer; the write is still carried out.
            Order::Write(order) => batch.write(order),
            Order::Import(order) => batch.import(order),
            Order::Figures(reply) => {
                let figures = StoreFigures { disk_bytes: self.store.disk_bytes(), log_bytes: self.store.log_bytes() };
                let _ = reply.send(figures);
            }
            Order::CheckpointWritten(written) => self.install(written),
        }
    }

    fn commit(&mut self, batch: Batch) {
        let empty = batch.commits.is_empty();
        let outcome = if empty { Ok(()) } else { self.store.append(&batch.commits).map_err(not_written) };
        if outcome.is_ok() && !empty {
            if batch.state.erased > self.publish.borrow().erased {
                self.erase_by = self.erase_by.or_else(|| Instant::now().checked_add(self.options.erase_within));
            }
            self.publish.send_replace(Arc::new(batch.state));
        }
        batch.answers.into_iter().for_each(|answer| answer.give(&outcome));
    }

    fn checkpoint_if_due(&mut self) {
        let erase_now = passed(self.erase_by);
        if erase_now && self.publish.borrow().erased <= self.covered {
            self.trim_log();
        }
        if self.checkpoint.is_some() || self.checkpoint_not_before.is_some_and(|time| Instant::now() < time) {
            return;
        }
        let state = self.publish.borrow().clone();
        let resources = state.member_count() + state.edge_count();
        let due = self.options.checkpoint_log_bytes_min.max(resources * CHECKPOINT_BYTES_PER_RESOURCE);
        if self.store.log_bytes() < due && !(erase_now && state.erased > self.covered) {
            return;
        }
        match self.store.begin_checkpoint(&checkpoint::head(&state)) {
            Ok(writer) => {
                let stop = Arc::new(AtomicBool::new(false));
                let (orders, stopped) = (self.orders.clone(), stop.clone());
                let thread = thread::spawn(move || {
                    let written = checkpoint::write(&state, writer, &stopped);
                    drop(state);
                    if let Some(orders) = orders.upgrade() {
                        let _ = orders.blocking_send(Order::CheckpointWritten(written));
                    }
                });
                self.checkpoint = Some(UnderWay { thread, stop });
            }
            Err(error) => self.checkpoint_failed(&error),
        }
    }

    fn install(&mut self, written: Result<FinishedCheckpoint, StoreError>) {
        self.checkpoint = None;
        let installed = written.and_then(|finished| {
            let covered = finished.sequence();
            self.store.install(finished).map(|()| covered)
        });
        match installed {
            Ok(covered) => {
                tracing::info!(sequence = covered, "checkpoint installed");
                self.covered = covered;
                self.checkpoint_not_before = None;
                self.trim_log();
            }
            Err(error) => self.checkpoint_failed(&error),
        }
    }

    fn checkpoint_failed(&mut self, error: &StoreError) {
        tracing::warn!(%error, "a checkpoint could not be written; the log goes on");
        self.checkpoint_not_before = Some(Instant::now() + CHECKPOINT_RETRY);
    }

    fn trim_log(&mut self) {
        let keep = LogKeep {
            bytes_max: self.options.log_keep_bytes_max,
            age_max: self.options.log_keep_age_max,
            erased: if passed(self.erase_by) { self.publish.borrow().erased } else { 0 },
        };
        match self.store.trim_log(&keep) {
            Ok(()) if !self.log_holds_erased() => self.erase_by = None,
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "the old part of the log could not be removed; it is tried again"),
        }
    }

    /// Whether bytes of an erased member may be left in the log.
    fn log_holds_erased(&self) -> bool {
        self.publish.borrow().erased >= self.store.log().earliest()
    }
}

/// A checkpoint that a thread of its own writes.
struct UnderWay {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

fn passed(time: Option<Instant>) -> bool {
    time.is_some_and(|time| Instant::now() >= time)
}

/// What a wait for an order came to.
enum Waited {
    Order(Order),
    InVain,
    /// Nobody is left to give one.
    Ended,
}

/// What callers are told of a batch that did not get on the disk. The next one may: nothing of this one is there.
fn not_written(error: StoreError) -> Error {
    tracing::error!(%error, "the store refused a batch");
    match error {
        StoreError::Full => Error::Exhausted { reason: Reason::StorageFull, message: "the disk is full".to_owned() },
        other => Error::Internal(other.to_string()),
    }
}
