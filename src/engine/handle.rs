//! The handle that the rest of the server calls the engine by.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::batch::new_key;
use super::clock::{Clock, ClockMetrics, SystemTimeSource, TimeSource};
use super::common::Common;
use super::lanes::{Lanes, Length};
use super::memory::{Memory, MemoryMetrics};
use super::metrics::{LaneLoad, Metrics, StoreMetrics};
use super::namespaces::{Namespaces, checkpoint};
use super::options::EngineOptions;
use super::orders::{ImportOrder, ImportStream, ImportUnderWay, Order, WriteOrder};
use super::outcome::{ImportedBatch, Outcome, Refusal, Report};
use super::pools::Pools;
use super::revision::Revision;
use super::scrub::{Scrubber, Scrubbing};
use super::state::{State, TokenKey, Verifier};
use super::threads::{Threads, stopped};
use super::under_way::{BatchBytes, UnderWay};
use super::writer::{Writer, namespace_begun};
use crate::domain::{Change, Error, NamespaceName, Reason, Request, Scope, Sequence, TimeMs, Violation};
use crate::store::{ErasureJournal, LogSource, Store, StoreError};

/// How long a read waits for `min_revision` to be applied.
const REVISION_WAIT_MAX: Duration = Duration::from_secs(2);
/// When to ask again after that.
const REVISION_RETRY_MS: u64 = 200;
/// Commands waiting for the writer; a full queue makes callers wait.
const ORDERS_WAITING_MAX: usize = 4_096;

/// A handle on the engine, for one namespace; clones share the engine. The writer ends, its store closed, when the last handle is dropped.
#[derive(Clone)]
pub struct Engine {
    /// The namespace that is written to and read from.
    pub(super) namespace: NamespaceName,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) published: watch::Receiver<Arc<Namespaces>>,
    pub(super) log: Arc<dyn LogSource>,
    pub(super) pools: Pools,
    pub(super) options: EngineOptions,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Arc<Clock>,
    pub(super) token_key: Arc<TokenKey>,
    pub(super) memory: Arc<Memory>,
    pub(super) under_way: UnderWay,
    pub(super) threads: Threads,
    pub(super) scrubber: Scrubber,
}

/// Ends when the writer has, its store synced and closed.
pub struct WriterEnd {
    thread: std::thread::JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

impl WriterEnd {
    /// Waits for the writer to end, which it does when every `Engine` handle is gone.
    pub fn join(self) {
        // A panic was reported where it was caught.
        let _ = self.thread.join();
    }

    /// The same, for a task.
    pub async fn wait(self) {
        // A sender that is dropped without a message says the same.
        let _ = self.ended.await;
    }
}

impl Engine {
    /// Loads the store's state and starts the writer. A new store gets the built-in kinds and its secret as its first command.
    pub fn open(store: Store, options: EngineOptions) -> Result<(Engine, WriterEnd), StoreError> {
        Engine::open_at(store, options, Arc::new(SystemTimeSource))
    }

    /// Does the same with clocks of the caller's choice.
    pub fn open_at(
        store: Store,
        options: EngineOptions,
        source: Arc<dyn TimeSource>,
    ) -> Result<(Engine, WriterEnd), StoreError> {
        Engine::open_with(store, options, source, None)
    }

    /// Does the same with a journal of erasures, which is taken into account before anything is served.
    pub fn open_with(
        mut store: Store,
        options: EngineOptions,
        source: Arc<dyn TimeSource>,
        journal: Option<ErasureJournal>,
    ) -> Result<(Engine, WriterEnd), StoreError> {
        let memory = Arc::new(Memory::new(options.memory));
        let batch_bytes = BatchBytes::of(options.memory);
        let (mut namespaces, covered) = checkpoint::load(&mut store, batch_bytes)?;
        namespaces.begin_run();
        let last = (namespaces.sequence() > 0).then_some(namespaces.time());
        let clock = Arc::new(Clock::start(source, last, options.accept_clock));
        memory.refresh(&covered.weight, namespaces.totals(), store.log_bytes());
        let (log, checkpoint) = (store.log.source(), store.checkpoints.scrub());
        let (publish, published) = watch::channel(Arc::new(namespaces));
        let (orders, inbox) = mpsc::channel(ORDERS_WAITING_MAX);
        let metrics = Arc::new(Metrics::default());
        let journal = journal.map(|journal| Arc::new(Mutex::new(journal)));
        let threads = Threads::default();
        let pools = Pools::start(&threads, options.query_threads, metrics.yields.clone())?;
        let common = Common {
            options,
            metrics: metrics.clone(),
            clock: clock.clone(),
            memory: memory.clone(),
            threads: threads.clone(),
            journal,
        };
        let writer = Writer::new(store, publish, orders.downgrade(), covered, common)?;
        let token_key = published.borrow().default_state().token_key().cloned();
        let token_key = token_key.ok_or_else(|| StoreError::Io("the store has no key for page tokens".to_owned()))?;
        let (end, ended) = oneshot::channel();
        let thread = threads.essential("kith-writer", move || {
            let _end: oneshot::Sender<()> = end;
            writer.run(inbox)
        })?;
        let scrubbing = Scrubbing {
            checkpoint,
            log: log.clone(),
            published: published.clone(),
            orders: orders.downgrade(),
            metrics: metrics.clone(),
            every: options.scrub_every,
        };
        let scrubber = Scrubber::start(&threads, scrubbing)?;
        let under_way = UnderWay::new(batch_bytes);
        let engine = Engine {
            namespace: NamespaceName::default(),
            orders,
            published,
            log,
            pools,
            options,
            metrics,
            clock,
            token_key,
            memory,
            under_way,
            threads,
            scrubber,
        };
        Ok((engine, WriterEnd { thread, ended }))
    }

    /// Returns a handle for a namespace, whether it is there or not.
    pub fn within(&self, namespace: &NamespaceName) -> Engine {
        Engine { namespace: namespace.clone(), ..self.clone() }
    }

    /// Returns the name of the handle's namespace.
    pub fn namespace(&self) -> &NamespaceName {
        &self.namespace
    }

    /// Makes the handle's namespace, with the built-in kinds, in the share of a caller.
    pub async fn create_namespace(&self, creator: Scope) -> Result<(), Error> {
        let key = new_key().ok_or_else(|| Error::Internal("the system gives no random bytes".to_owned()))?;
        let changes = namespace_begun(creator, Some(key), self.options.erased_ids_days);
        self.write_whole(changes).await
    }

    /// Erases the handle's namespace with all that it holds. The default one stays.
    pub async fn delete_namespace(&self) -> Result<(), Error> {
        if self.namespace.is_default() {
            return Err(Error::precondition("name", Reason::PreconditionFailed, "the default namespace stays"));
        }
        self.write_whole(vec![Change::DeleteNamespace {}]).await
    }

    /// Carries out a command that is refused as a whole alone.
    pub(super) async fn write_whole(&self, changes: Vec<Change>) -> Result<(), Error> {
        match self.write(changes, None, Report::Revision).await {
            Ok(_) => Ok(()),
            Err(Refusal::Command(error)) => Err(error),
            Err(Refusal::Change { error, .. }) => Err(Error::Internal(format!("of a namespace's own: {error:?}"))),
        }
    }

    /// Carries out one command that nobody called for, as `write_for` does.
    pub async fn write(
        &self,
        changes: Vec<Change>,
        request: Option<Request>,
        report: Report,
    ) -> Result<Outcome, Refusal> {
        self.write_for("".into(), changes, request, report).await
    }

    /// Carries out one command, all of its changes or none, in its caller's turn; on disk when it returns.
    ///
    /// The outcome has what `report` asks for. A retry under the same request id has the first one's outcome.
    pub async fn write_for(
        &self,
        caller: Arc<str>,
        changes: Vec<Change>,
        request: Option<Request>,
        report: Report,
    ) -> Result<Outcome, Refusal> {
        let (reply, answer) = oneshot::channel();
        let order = WriteOrder { caller, namespace: self.namespace.clone(), changes, request, report, reply };
        self.order(Order::Write(order), answer).await.map_err(Refusal::Command)?
    }

    /// Carries out each change alone: one that is refused does not hinder the others. On disk when it returns.
    pub async fn import(&self, changes: Vec<Change>) -> Result<ImportedBatch, Error> {
        self.begin_import(changes, &ImportStream::default()).await?.end().await
    }

    /// Puts an import in the writer's queue. Those of a stream that are begun one after the other are carried out in that order, and go
    /// to the disk together. Where one of a stream fails, no later one of that stream is carried out.
    pub async fn begin_import(&self, changes: Vec<Change>, stream: &ImportStream) -> Result<ImportUnderWay, Error> {
        self.clock.check_write()?;
        if self.memory.is_full() {
            self.memory.check(&*self.state()?, &changes)?;
        }
        let room = Some(self.under_way.room_for(stream.caller(), &changes).await?);
        let (reply, answer) = oneshot::channel();
        let (namespace, stream) = (self.namespace.clone(), stream.clone());
        self.queue(Order::Import(ImportOrder { namespace, changes, stream, reply, room })).await?;
        Ok(ImportUnderWay(answer))
    }

    async fn queue(&self, order: Order) -> Result<(), Error> {
        self.orders.send(order).await.map_err(|_| stopped())
    }

    async fn order<T>(&self, order: Order, answer: oneshot::Receiver<T>) -> Result<T, Error> {
        self.queue(order).await?;
        // The writer has ended with it.
        answer.await.map_err(|_| Error::OutcomeUnknown)
    }

    /// Returns the newest state of the handle's namespace.
    pub fn state(&self) -> Result<Arc<State>, Error> {
        self.published.borrow().find(&self.namespace).cloned()
    }

    /// Returns the newest state of all namespaces.
    pub fn namespaces(&self) -> Arc<Namespaces> {
        self.published.borrow().clone()
    }

    /// Whether a token names a revision of this store, or is empty; `field` is where it was found.
    pub fn check_revision(&self, field: &str, token: &str) -> Result<(), Violation> {
        if token.is_empty() { Ok(()) } else { Revision::parse(field, token, self.namespaces().store_id()).map(drop) }
    }

    /// The newest state, once it is at `min_revision` or later; an empty token asks for no more than the newest.
    pub async fn state_at(&self, min_revision: &str) -> Result<Arc<State>, Error> {
        if min_revision.is_empty() {
            return self.state();
        }
        self.namespaces_at(min_revision).await?.find(&self.namespace).cloned()
    }

    /// Returns the newest state of all namespaces, likewise.
    pub async fn namespaces_at(&self, min_revision: &str) -> Result<Arc<Namespaces>, Error> {
        let namespaces = self.namespaces();
        if min_revision.is_empty() {
            return Ok(namespaces);
        }
        let least = Revision::parse("min_revision", min_revision, namespaces.store_id())?.sequence();
        let mut published = self.published.clone();
        let reached = published.wait_for(|namespaces| namespaces.sequence() >= least);
        match tokio::time::timeout(REVISION_WAIT_MAX, reached).await {
            Ok(Ok(namespaces)) => Ok(namespaces.clone()),
            _ => Err(Error::Unavailable {
                reason: Reason::RevisionNotReached,
                message: "min_revision is not applied yet".to_owned(),
                retry_after_ms: REVISION_RETRY_MS,
            }),
        }
    }

    /// The log's own time, by which everything that is kept is live, expires and is dated.
    pub fn now(&self) -> TimeMs {
        self.clock.now()
    }

    pub fn memory_metrics(&self) -> MemoryMetrics {
        self.memory.metrics()
    }

    pub fn clock_metrics(&self) -> ClockMetrics {
        self.clock.metrics()
    }

    /// What page tokens are authenticated with.
    pub fn token_key(&self) -> &Arc<TokenKey> {
        &self.token_key
    }

    pub fn options(&self) -> EngineOptions {
        self.options
    }

    /// The owner of the engine's threads, for those that are to share its rules.
    pub fn threads(&self) -> &Threads {
        &self.threads
    }

    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Returns how many orders wait for the writer: commands, and now and then a checkpoint to install.
    pub fn orders_waiting(&self) -> usize {
        let taken = usize::try_from(self.metrics.orders_taken.get()).unwrap_or(0);
        self.orders.max_capacity() - self.orders.capacity() + taken
    }

    /// Returns what the store takes on disk, as of the last batch, so that nobody waits for the disk to know.
    pub fn store_metrics(&self) -> StoreMetrics {
        self.metrics.store()
    }

    pub fn short_lane(&self) -> LaneLoad {
        self.pools.queries.load(Length::Short)
    }

    pub fn long_lane(&self) -> LaneLoad {
        self.pools.queries.load(Length::Long)
    }

    /// Threads for answers that go through everything there is.
    pub fn streams(&self) -> &Lanes {
        &self.pools.streams
    }

    /// Reads what is on disk through a sequence; gives how many findings there are.
    pub fn verify_disk(&self, through: Sequence, verifier: &mut dyn Verifier) -> Result<u64, Error> {
        self.scrubber.verify(self.log.as_ref(), through, verifier)
    }
}
