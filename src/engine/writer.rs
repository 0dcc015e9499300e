//! The single writer: a thread that turns orders into commits, in the order they come.
//!
//! It drains what is waiting into one batch, applies it to a copy of the state, has the store put the batch on disk, and
//! only then publishes the copy and answers. What the store refuses has never happened.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, watch};

use super::batch::{Batch, new_key};
use super::checkpointer::Checkpointer;
use super::common::Common;
use super::disk::Disk;
use super::long_orders::LongOrders;
use super::namespaces::Namespaces;
use super::namespaces::checkpoint::Covered;
use super::orders::{CheckpointWritten, ImportOrder, Order, Rot};
use super::retention::Retention;
use super::state::new_secret;
use super::turns::Turns;
use crate::domain::{Change, ErasureKey, NamespaceName, Precondition, Scope, Sequence, TimeMs, builtin_kinds};
use crate::store::{LogKeep, RowCounts, Store, StoreError};

/// How often a writer that has nothing to write looks whether a checkpoint is due.
const IDLE_MAX: Duration = Duration::from_secs(5);
/// While nobody asks the writer for anything, a checkpoint is due at this part of the log that it is due at otherwise: a start is
/// sooner over with it, and it takes the disk's time from nobody.
const DUE_WHEN_IDLE: u64 = 8;
/// While memory is full, a checkpoint is due at this part of the log.
const DUE_WHEN_FULL: u64 = 64;
/// Changes that go together at most, so that a batch of imports stays in memory's bounds.
const CHANGES_MAX: usize = 65_536;
/// Changes that go together at most while several callers write: some 10 ms of work. A command of one caller may have as many.
const CHANGES_SHARED_MAX: usize = 1_000;
/// The most orders that wait for their turn; more wait in the order in which they came.
const TURNS_MAX: usize = 4_096;
/// How long after two orders that were of different callers the writer expects more of several.
const SHARED_FOR: Duration = Duration::from_secs(1);
/// After a checkpoint that could not be written; twice as long after each further one, up to the most.
const CHECKPOINT_RETRY: Duration = Duration::from_secs(5);
const CHECKPOINT_RETRY_MAX: Duration = Duration::from_secs(300);

pub struct Writer {
    pub(super) disk: Disk,
    pub(super) common: Common,
    pub(super) published: watch::Receiver<Arc<Namespaces>>,
    pub(super) long: LongOrders,
    /// What was kept waiting behind a long order, and what nobody called for: it comes before the turns of callers.
    pub(super) delayed: VecDeque<Order>,
    turns: Turns<Order>,
    /// Whose order was taken last, and when an order was taken that was of another caller than the one before.
    last_caller: Option<Arc<str>>,
    last_change: Option<Instant>,
    /// By the newest checkpoint.
    covered: Covered,
    checkpointer: Checkpointer,
    /// After one that failed, when the next may begin.
    checkpoint_not_before: Option<Instant>,
    /// How long to wait after the next one that fails.
    checkpoint_retry: Duration,
    /// Whether the checkpoint on disk is not what was written.
    checkpoint_rotten: bool,
    /// The last commit that the log on disk does not hold as it was written; 0 if there is none.
    log_rotten: Sequence,
    retention: Retention,
    /// One to install, which came while a batch was on its way to the disk.
    checkpoint_written: Option<CheckpointWritten>,
}

impl Writer {
    /// Takes over a loaded store.
    pub fn new(
        mut store: Store,
        publish: watch::Sender<Arc<Namespaces>>,
        orders: mpsc::WeakSender<Order>,
        covered: Covered,
        common: Common,
    ) -> Result<Writer, StoreError> {
        begin(&mut store, &publish, &common)?;
        common.delete_half_restored(&mut store, &publish)?;
        common.take_over_journal(&mut store, &publish)?;
        let published = publish.subscribe();
        let mut writer = Writer {
            disk: Disk::new(store, publish, common.clone())?,
            published,
            covered,
            long: LongOrders::start(&common.threads, orders.clone())?,
            delayed: VecDeque::new(),
            turns: Turns::default(),
            last_caller: None,
            last_change: None,
            checkpointer: Checkpointer::start(&common.threads, orders)?,
            retention: Retention::new(common.options.status_retention),
            common,
            checkpoint_not_before: None,
            checkpoint_retry: CHECKPOINT_RETRY,
            checkpoint_rotten: false,
            log_rotten: 0,
            checkpoint_written: None,
        };
        writer.covers(covered);
        writer.trim_log();
        Ok(writer)
    }

    /// Serves orders until every engine handle is gone; an error is an end that nobody asked for. Nothing is done in the store's
    /// folder any more when it returns.
    pub fn run(mut self, inbox: mpsc::Receiver<Order>) -> Result<(), String> {
        let clock = Builder::new_current_thread().enable_time().build();
        let clock = clock.map_err(|error| format!("it has no clock: {error}"))?;
        let served = self.serve(inbox, &clock);
        self.checkpointer.end();
        self.long.end();
        served.ok_or_else(|| "the thread that writes to the disk is gone".to_owned())
    }

    /// None if the thread of the disk has ended.
    fn serve(&mut self, mut inbox: mpsc::Receiver<Order>, clock: &Runtime) -> Option<()> {
        let mut ended = false;
        loop {
            let mut batch = match self.long_batch(ended)? {
                Some(batch) => batch,
                None => {
                    let first = match self.next(&mut inbox) {
                        Ok(order) => order,
                        Err(TryRecvError::Disconnected) if !self.long.is_under_way() => return Some(()),
                        Err(TryRecvError::Disconnected) => {
                            ended = true;
                            self.disk.settle()?;
                            self.look_after_the_store();
                            continue;
                        }
                        Err(TryRecvError::Empty) => match self.wait(&mut inbox, clock) {
                            Waited::Order | Waited::InVain | Waited::Ended => continue,
                            Waited::Idle => {
                                let due = self.due();
                                self.delayed.extend(due);
                                continue;
                            }
                            Waited::NoDisk => return None,
                        },
                    };
                    let mut batch = self.disk.batch();
                    self.take(&mut batch, first);
                    batch
                }
            };
            self.due().into_iter().for_each(|order| self.take(&mut batch, order));
            self.fill(&mut batch, &mut inbox, clock);
            let batch = batch.apply();
            self.disk.settle()?;
            self.look_after_the_store();
            self.disk.write(batch)?;
            self.long.written();
            self.look_after_the_store();
        }
    }

    /// Returns the order whose turn it is; the error says whether more can come.
    fn next(&mut self, inbox: &mut mpsc::Receiver<Order>) -> Result<Order, TryRecvError> {
        let end = loop {
            match inbox.try_recv() {
                Ok(order) => self.queue(order),
                Err(end) => break end,
            }
            if self.turns.len() >= TURNS_MAX {
                break TryRecvError::Empty;
            }
        };
        let mut next = || self.delayed.pop_front().or_else(|| self.turns.pop(|order| order.changes().max(1) as u64));
        // Whoever has gone away before its turn waits for no answer, and is not to take the turns of others.
        let next = std::iter::from_fn(&mut next).find(|order| !order.is_abandoned());
        self.common.metrics.orders_taken.set(i64::try_from(self.turns.len()).unwrap_or(i64::MAX));
        let order = next.ok_or(end)?;
        if let Some(caller) = order.caller().filter(|caller| Some(*caller) != self.last_caller.as_ref()) {
            self.last_change = self.last_caller.is_some().then(Instant::now);
            self.last_caller = Some(caller.clone());
        }
        Ok(order)
    }

    fn queue(&mut self, order: Order) {
        match order.caller().cloned() {
            Some(caller) => self.turns.push(&caller, order),
            None => self.delayed.push_back(order),
        }
    }

    /// Returns how many changes may go together: while several callers write, so few that none waits long for the batch before its own.
    fn changes_max(&self) -> usize {
        let is_shared =
            self.turns.callers() > 1 || self.last_change.is_some_and(|change| change.elapsed() < SHARED_FOR);
        if is_shared { CHANGES_SHARED_MAX } else { CHANGES_MAX }
    }

    /// What the writer has to write of itself.
    fn due(&mut self) -> Vec<Order> {
        let now = self.common.clock.now();
        let due = self.retention.due(&self.published.borrow(), now).into_iter();
        due.map(|(namespace, changes)| Order::Import(ImportOrder::of_its_own(namespace, changes))).collect()
    }

    /// Takes what is waiting; and what comes while the batch before is still on its way to the disk.
    fn fill(&mut self, batch: &mut Batch, inbox: &mut mpsc::Receiver<Order>, clock: &Runtime) {
        while batch.has_room(self.changes_max()) && !self.long.is_full() {
            let free = self.disk.is_free();
            if free && batch.is_worth_writing() {
                break;
            }
            let order = match self.next(inbox) {
                Err(_) if !free => clock.block_on(async {
                    tokio::select! {
                        order = inbox.recv() => order.map(|order| self.queue(order)),
                        _ = self.disk.done() => None,
                    }
                }),
                order => order.ok().map(|order| self.take(batch, order)),
            };
            if order.is_none() {
                break;
            }
        }
    }

    /// Waits for an order. While there is none, what has become due meanwhile is done.
    fn wait(&mut self, inbox: &mut mpsc::Receiver<Order>, clock: &Runtime) -> Waited {
        let waited = clock.block_on(async {
            tokio::select! {
                order = inbox.recv() => order.map_or(Waited::Ended, |order| {
                    self.queue(order);
                    Waited::Order
                }),
                done = self.disk.done() => done.map_or(Waited::NoDisk, |()| Waited::InVain),
                () = tokio::time::sleep(IDLE_MAX) => Waited::Idle,
            }
        });
        match waited {
            Waited::Idle => {
                // A clock that nobody reads is read all the same: a jump is to be seen.
                self.common.clock.now();
                self.disk.find_out();
                if let Some(store) = self.disk.store() {
                    store.checkpoints.keep_reserve();
                }
                // An erasure that could not be written down is tried again.
                self.common.journal(Vec::new());
                self.trim_log();
                self.look_after_the_store();
                self.checkpoint_if_due(DUE_WHEN_IDLE);
            }
            Waited::InVain => self.look_after_the_store(),
            Waited::Order | Waited::Ended | Waited::NoDisk => {}
        }
        waited
    }

    fn take(&mut self, batch: &mut Batch, order: Order) {
        let Some(order) = self.unless_long(order) else { return };
        match order {
            Order::Write(order) => {
                if order.changes.iter().any(|change| matches!(change, Change::DeleteNamespace {})) {
                    // All that the namespace holds is freed where nobody waits for it.
                    self.long.frees(self.published.borrow().get(&order.namespace).cloned());
                }
                batch.write(order);
            }
            Order::Import(order) => batch.import(order),
            Order::CheckpointWritten(written) => self.checkpoint_written = Some(written),
            Order::Rotten(Rot { log: 0, .. }) => self.checkpoint_rotten = true,
            Order::Prepared => {}
            Order::Rotten(rot) => self.log_rotten = self.log_rotten.max(rot.log),
        }
    }

    /// What is to be done with the store beside writing; later, if a batch is on its way.
    fn look_after_the_store(&mut self) {
        if self.disk.store().is_none() {
            return;
        }
        if let Some(written) = self.checkpoint_written.take() {
            self.install(written);
        }
        self.begin_long();
        let log_bytes = self.disk.store().map_or(0, |store| store.log_bytes());
        self.common.memory.refresh(&self.covered.weight, self.published.borrow().totals(), log_bytes);
        self.checkpoint_if_due(1);
    }

    /// Begins one if the log is as long as it may grow without, divided by `part`.
    fn checkpoint_if_due(&mut self, part: u64) {
        let erase_now = self.erase_now();
        if erase_now && self.published.borrow().deadlines().last() <= self.covered.sequence {
            self.trim_log();
        }
        let namespaces = self.published.borrow().clone();
        let RowCounts { members, edges, .. } = namespaces.totals().rows;
        let resources = members + edges;
        let due = self
            .common
            .options
            .checkpoint_log_bytes_min
            .max(resources * self.common.options.checkpoint_log_bytes_per_resource);
        let Some(store) = self.disk.store() else { return };
        // While memory is full the log is as long as it can get: what was deleted counts no more once a checkpoint is without it.
        let part = if self.common.memory.is_full() { part.max(DUE_WHEN_FULL) } else { part };
        let rotten = self.checkpoint_rotten || self.log_rotten > self.covered.sequence;
        let erase_now = erase_now && namespaces.deadlines().last() > self.covered.sequence;
        if store.log_bytes() < (due / part).max(1) && !erase_now && !rotten {
            return;
        }
        self.common.metrics.checkpoint_due.since_now();
        if self.checkpointer.is_busy() || self.checkpoint_not_before.is_some_and(|time| Instant::now() < time) {
            return;
        }
        let begun = store.begin_checkpoint(&namespaces.head(None));
        if let Err(error) = begun.and_then(|writer| self.checkpointer.begin(namespaces, writer)) {
            self.checkpoint_failed(&error);
        }
    }

    fn install(&mut self, written: CheckpointWritten) {
        let time = self.checkpointer.ended();
        let installed = written.and_then(|(finished, weight)| {
            let covered = Covered { sequence: finished.sequence(), time, weight };
            let busy = || StoreError::Io("the store is in use".to_owned());
            self.disk.store().ok_or_else(busy)?.install(finished).map(|()| covered)
        });
        match installed {
            Ok(covered) => {
                tracing::info!(sequence = covered.sequence, "checkpoint installed");
                self.common.metrics.checkpoints.inc();
                self.common.metrics.checkpoint_due.no_more();
                self.covers(covered);
                self.checkpoint_not_before = None;
                self.checkpoint_retry = CHECKPOINT_RETRY;
                self.checkpoint_rotten = false;
                self.trim_log();
                if let Some(store) = self.disk.store() {
                    store.checkpoints.keep_reserve();
                }
            }
            Err(error) => self.checkpoint_failed(&error),
        }
        self.disk.measure();
    }

    fn covers(&mut self, covered: Covered) {
        self.covered = covered;
        self.common.metrics.checkpoint_sequence.set(i64::try_from(covered.sequence).unwrap_or(i64::MAX));
        self.common.metrics.checkpoint_time_seconds.set(covered.time.0 / 1_000);
    }

    fn checkpoint_failed(&mut self, error: &StoreError) {
        self.common.metrics.checkpoints_failed.inc();
        tracing::warn!(%error, "a checkpoint could not be written; the log goes on");
        self.checkpoint_not_before = Some(Instant::now() + self.checkpoint_retry);
        self.checkpoint_retry = (2 * self.checkpoint_retry).min(CHECKPOINT_RETRY_MAX);
    }

    fn trim_log(&mut self) {
        let (now, kept) = (self.common.clock.now(), self.common.options.log_keep_age_max);
        let since = self.published.borrow().back_from(now, kept);
        let keep = LogKeep {
            bytes_max: self.common.options.log_keep_bytes_max,
            since,
            erased: if self.erase_now() { self.published.borrow().deadlines().last() } else { 0 }.max(self.log_rotten),
        };
        let Some(store) = self.disk.store() else { return };
        match store.trim_log(&keep) {
            Ok(()) => {
                let earliest = store.log.source().earliest();
                if earliest > self.log_rotten {
                    self.log_rotten = 0;
                }
            }
            Err(error) => tracing::warn!(%error, "the old part of the log could not be removed; it is tried again"),
        }
        self.disk.measure();
    }

    /// Whether the log may hold something of a member or status whose erasure is as long ago as its bytes may stay, by the log's time.
    fn erase_now(&mut self) -> bool {
        let namespaces = self.published.borrow().clone();
        let Some(earliest) = self.disk.store().map(|store| store.log.source().earliest()) else { return false };
        let Some(since) = namespaces.deadlines().first_from(earliest) else { return false };
        let within = i64::try_from(self.common.options.erase_within.as_millis()).unwrap_or(i64::MAX);
        self.common.clock.now() >= TimeMs(since.0.saturating_add(within))
    }
}

/// What the default namespace has from its begin, and one without a secret gets that.
fn begin(store: &mut Store, publish: &watch::Sender<Arc<Namespaces>>, common: &Common) -> Result<(), StoreError> {
    let state = publish.borrow().default_state().clone();
    let mut changes = Vec::new();
    if state.sequence() == 0 {
        let key = common.journal_key().or_else(new_key);
        changes = namespace_begun(Scope::SHARED, key, common.options.erased_ids_days);
    }
    if state.token_key().is_none() {
        changes.push(Change::KeepSecret { secret: new_secret()? });
    }
    if changes.is_empty() {
        return Ok(());
    }
    common.carry_out(store, publish, NamespaceName::default(), changes)
}

/// Returns the changes that a namespace begins with: the built-in kinds, and the key of whom it erases.
pub fn namespace_begun(creator: Scope, key: Option<ErasureKey>, days: u32) -> Vec<Change> {
    let put = |kind| Change::PutKind { kind, precondition: Precondition::None };
    let mut changes = vec![Change::CreateNamespace { creator }];
    changes.extend(builtin_kinds().into_iter().map(put));
    changes.extend(key.map(|key| Change::KeepErased { key, days }));
    changes
}

impl Common {
    /// Carries out changes of the engine's own before anything is served; nobody waits for their answer.
    pub fn carry_out(
        &self,
        store: &mut Store,
        publish: &watch::Sender<Arc<Namespaces>>,
        namespace: NamespaceName,
        changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        let mut batch = Batch::new((**publish.borrow()).clone(), self);
        batch.import(ImportOrder::of_its_own(namespace, changes));
        let batch = batch.apply();
        store.log.append(&batch.commits)?;
        publish.send_replace(Arc::new(batch.namespaces));
        Ok(())
    }
}

/// What a wait for an order came to.
enum Waited {
    Order,
    InVain,
    /// Nothing came for `IDLE_MAX`.
    Idle,
    /// Nobody is left to give one.
    Ended,
    /// The thread of the disk has ended.
    NoDisk,
}
