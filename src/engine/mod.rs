//! Where the store, the log of commands and the graph meet.
//!
//! One writer thread turns commands into commits: check → commit (on disk) → apply → publish. Readers take the newest
//! published state and never wait for the writer; queries run on threads of their own, off the async runtime.

mod ahead;
mod apply;
mod apply_edge;
mod apply_edges;
mod batch;
mod blocks;
mod checkpoint;
mod checkpointer;
mod clock;
mod digest;
mod discover;
mod disk;
mod edge_chunk;
mod edge_list;
mod erasures;
mod evidence;
mod export;
mod feed;
#[cfg(test)]
mod fuzz;
mod introductions;
mod lanes;
mod leaders;
mod live;
mod long_orders;
mod memory;
mod metrics;
mod outcome;
mod outcome_codec;
mod pending;
mod pools;
mod preparation;
mod process_memory;
mod progress;
mod query;
mod records;
mod rehearsal;
mod report;
mod requests;
mod retention;
mod revision;
mod scrub;
mod state;
mod stored_export;
mod take_over;
mod threads;
mod token_key;
mod topics;
mod under_way;
mod verify;
mod visibility;
mod whole;
mod writer;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

pub use clock::{Clock, ClockMetrics, SetTime, SystemTimeSource, TimeSource};
pub use digest::Hashed;
pub use discover::{DiscoverQuery, Discovered, DiscoveredStatus, discover, discovered_chain};
pub use evidence::TopicMatch;
pub use export::Record;
pub use feed::{Changed, Changes, Feed};
pub use lanes::{Bounds, Lanes, Length, Priority, Running};
pub use live::{LiveAt, StatusReader};
pub use memory::{MemoryLimit, MemoryMetrics};
pub use metrics::{LaneLoad, LaneMetrics, Metrics};
pub use outcome::{Applied, ChangeResult, Effect, ImportedBatch, Outcome, Refusal, Report, Snapshot};
use pools::Pools;
pub use process_memory::{mapped, resident};
pub use query::QueryOptions;
pub use records::Stored;
pub use rehearsal::Rehearsal;
pub use revision::Revision;
use scrub::{Scrubber, Scrubbing};
pub use state::State;
pub use stored_export::{StoredExportError, StoredTotals, export_stored};
pub use threads::Threads;
pub use token_key::TokenKey;
pub use under_way::BatchBytes;
use under_way::UnderWay;
pub use verify::{Verified, Verifier, verify_log};
pub use visibility::Posted;

use crate::domain::limits::EDGES_VISITED_MAX;
use crate::domain::{Change, Error, Reason, Request, TimeMs, Violation};
use crate::store::{ErasureJournal, LogSource, Store, StoreError};
use memory::Memory;
pub use writer::ImportStream;
use writer::{Common, ImportOrder, Order, WriteOrder, Writer};

/// How long a read waits for `min_revision` to be applied.
const REVISION_WAIT_MAX: Duration = Duration::from_secs(2);
/// When to ask again after that.
const REVISION_RETRY_MS: u64 = 200;
/// Commands waiting for the writer; a full queue makes callers wait.
const ORDERS_WAITING_MAX: usize = 4_096;

/// An import that was begun. It is carried out even if nobody waits for its end.
pub struct ImportUnderWay(oneshot::Receiver<Result<ImportedBatch, Error>>);

impl ImportUnderWay {
    /// What it did; on disk when this returns. If it is dropped meanwhile, it can be called again.
    pub async fn end(&mut self) -> Result<ImportedBatch, Error> {
        (&mut self.0).await.map_err(|_| Error::OutcomeUnknown)?
    }
}

/// How much a server lets its queries take.
#[derive(Debug, Clone, Copy)]
pub struct EngineOptions {
    pub edges_visited_max: u64,
    /// Queries computed at the same time that are not small; more wait, or take turns.
    pub query_threads: usize,
    /// Bytes of commands after which a new checkpoint is written, at least; of an eighth, while nothing is asked of the writer.
    pub checkpoint_log_bytes_min: u64,
    /// The same for each member and edge.
    pub checkpoint_log_bytes_per_resource: u64,
    /// How much of the log is kept behind a checkpoint for those who read changes, and for how long.
    pub log_keep_bytes_max: u64,
    pub log_keep_age_max: Duration,
    /// How long bytes of an erased member may stay in the log.
    pub erase_within: Duration,
    /// Days that erased ids are remembered, so that no import brings them back.
    pub erased_ids_days: u32,
    /// Memory that request ids of the last 24 hours may take, with their answers.
    pub request_ids_bytes_max: u64,
    /// How long a status is kept after it expired; for ever unless it is said.
    pub status_retention: Duration,
    /// Believes the wall clock at the start, however far ahead of the last command it is.
    pub accept_clock: bool,
    /// How much memory there is.
    pub memory: MemoryLimit,
    /// How often all that is on disk is read again, to find what is not what was written; never if zero.
    pub scrub_every: Duration,
    /// Edges that a change removes, or shows to others, from which on that is done beside other writes.
    pub long_change_edges: u64,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions {
            edges_visited_max: EDGES_VISITED_MAX,
            // More would only take turns by the system's clock instead of by ours.
            query_threads: std::thread::available_parallelism().map_or(2, usize::from),
            checkpoint_log_bytes_min: 64 * 1_024 * 1_024,
            // About what the checkpoint itself takes.
            checkpoint_log_bytes_per_resource: 16,
            log_keep_bytes_max: 256 * 1_024 * 1_024,
            log_keep_age_max: Duration::from_secs(24 * 3_600),
            erase_within: Duration::from_secs(24 * 3_600),
            erased_ids_days: 400,
            request_ids_bytes_max: 1_024 * 1_024 * 1_024,
            status_retention: Duration::MAX,
            accept_clock: false,
            memory: MemoryLimit::default(),
            scrub_every: Duration::from_secs(24 * 3_600),
            // About 20 ms of the writer's time.
            long_change_edges: 4_096,
        }
    }
}

/// Bytes of the store.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoreMetrics {
    pub disk_bytes: u64,
    /// Of commands after the last checkpoint.
    pub log_bytes: u64,
}

/// A handle on the engine; clones share it. The writer ends, its store closed, when the last handle is dropped.
#[derive(Clone)]
pub struct Engine {
    orders: mpsc::Sender<Order>,
    published: watch::Receiver<Arc<State>>,
    log: Arc<dyn LogSource>,
    pools: Pools,
    options: EngineOptions,
    metrics: Arc<Metrics>,
    clock: Arc<Clock>,
    token_key: Arc<TokenKey>,
    memory: Arc<Memory>,
    under_way: UnderWay,
    threads: Threads,
    scrubber: Scrubber,
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
        // Its end without a word is an end.
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
        let (state, covered) = checkpoint::load(&mut store, batch_bytes)?;
        let last = (state.sequence > 0).then_some(state.time);
        let clock = Arc::new(Clock::start(source, last, options.accept_clock));
        memory.refresh(&covered.weight, &state, store.log_bytes());
        let state = Arc::new(state);
        let (log, checkpoint) = (store.log.source(), store.checkpoints.scrub());
        let (publish, published) = watch::channel(state);
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
        let token_key = published.borrow().token_key.clone();
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

    /// Carries out one command, all of its changes or none; on disk when it returns.
    ///
    /// The outcome has what `report` asks for. A retry under the same request id has the first one's outcome.
    pub async fn write(
        &self,
        changes: Vec<Change>,
        request: Option<Request>,
        report: Report,
    ) -> Result<Outcome, Refusal> {
        let (reply, answer) = oneshot::channel();
        let order = WriteOrder { changes, request, report, reply };
        self.order(Order::Write(order), answer).await.map_err(Refusal::of_all)?
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
            self.memory.check(&self.state(), &changes)?;
        }
        let room = Some(self.under_way.room_for(&changes).await?);
        let (reply, answer) = oneshot::channel();
        self.queue(Order::Import(ImportOrder { changes, stream: stream.clone(), reply, room })).await?;
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

    /// The newest state.
    pub fn state(&self) -> Arc<State> {
        self.published.borrow().clone()
    }

    /// Whether a token names a revision of this store, or is empty; `field` is where it was found.
    pub fn check_revision(&self, field: &str, token: &str) -> Result<(), Violation> {
        if token.is_empty() { Ok(()) } else { Revision::parse(field, token, self.state().store_id()).map(drop) }
    }

    /// The newest state, once it is at `min_revision` or later; an empty token asks for no more than the newest.
    pub async fn state_at(&self, min_revision: &str) -> Result<Arc<State>, Error> {
        let state = self.state();
        if min_revision.is_empty() {
            return Ok(state);
        }
        let least = Revision::parse("min_revision", min_revision, state.store_id())?.sequence();
        let mut published = self.published.clone();
        let reached = published.wait_for(|state| state.sequence() >= least);
        match tokio::time::timeout(REVISION_WAIT_MAX, reached).await {
            Ok(Ok(state)) => Ok(state.clone()),
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
}

/// What callers are told when the engine ends.
pub fn stopped() -> Error {
    Error::Unavailable { reason: Reason::NotReady, message: "the server is stopping".to_owned(), retry_after_ms: 1_000 }
}
