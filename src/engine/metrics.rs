//! What the engine counts of its own work, for whoever watches it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use crate::domain::Sequence;
use crate::graph::{Budget, StopReason};

/// Bytes of the store.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoreMetrics {
    pub disk_bytes: u64,
    /// Of commands after the last checkpoint.
    pub log_bytes: u64,
}

/// A count that others add to.
pub type Count = Counter;

/// The counts since the start. Clones of a counter share its count.
#[derive(Debug)]
pub struct Metrics {
    pub at_once: LaneMetrics,
    pub short: LaneMetrics,
    pub long: LaneMetrics,
    /// How often a query made room for another one.
    pub yields: Counter,
    /// How many queries ended early, by what ended them.
    pub ended_by_budget: Counter,
    pub ended_by_deadline: Counter,
    pub ended_by_caller: Counter,
    /// How many orders the writer has that wait for their turn.
    pub orders_taken: Gauge,
    /// How many commands were put on disk, and how many went together.
    pub commands: Counter,
    pub batch_commands: Histogram,
    /// How long writing and syncing a batch took.
    pub append_seconds: Histogram,
    /// How many batches the store refused.
    pub batches_refused: Counter,
    /// How many long commands were prepared beside others, and how often one was begun anew.
    pub prepared: Counter,
    pub prepared_anew: Counter,
    pub checkpoints: Counter,
    pub checkpoints_failed: Counter,
    /// It is 1 while an erasure is not in its journal.
    pub erasure_journal_behind: Gauge,
    /// The last sequence that the newest checkpoint covers.
    pub checkpoint_sequence: Gauge,
    /// When that command was accepted, in seconds since 1970; 0 without a checkpoint.
    pub checkpoint_time_seconds: Gauge,
    pub checkpoint_due: Due,
    /// How many passes went over all that is on disk, and what they found that is not what was written.
    pub scrubs: Counter,
    pub scrub_findings: Counter,
    /// What the store takes on disk, and how much of it the commands after the newest checkpoint take; as of the last batch.
    pub store_disk_bytes: Gauge,
    pub store_log_bytes: Gauge,
    /// When the newest backup of everything was whole, in seconds since 1970; 0 if none is known of.
    pub backup_time_seconds: Gauge,
    pub archive: ArchiveMetrics,
}

/// The counts of the archive of the log.
#[derive(Debug, Default)]
pub struct ArchiveMetrics {
    /// The last sequence that it holds.
    pub sequence: Gauge,
    /// How often archiving failed; it is tried again.
    pub failures: Counter,
    /// Since when it may lack something: since it was last known to have everything. Nothing without an archive.
    incomplete: Due,
}

/// What the archive lacks at this moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct ArchiveLag {
    pub commands: u64,
    /// For how long it has lacked the first of them, at most.
    pub time: Duration,
}

impl ArchiveMetrics {
    /// Notes that it holds everything up to a sequence, which was the newest just now if it `is_complete`.
    pub fn holds(&self, sequence: Sequence, is_complete: bool) {
        self.sequence.set(i64::try_from(sequence).unwrap_or(i64::MAX));
        if is_complete {
            self.incomplete.no_more();
        }
        self.incomplete.since_now();
    }

    /// Returns what it lacks of the commands up to a sequence; nothing where there is no archive.
    pub fn lag(&self, newest: Sequence) -> ArchiveLag {
        let commands = newest.saturating_sub(u64::try_from(self.sequence.get()).unwrap_or(0));
        let time = self.incomplete.duration();
        if commands == 0 || time.is_zero() { ArchiveLag::default() } else { ArchiveLag { commands, time } }
    }
}

/// Since when something is due that has not come.
#[derive(Debug, Default)]
pub struct Due(Mutex<Option<Instant>>);

impl Due {
    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes it due from now on, unless it was due before.
    pub(super) fn since_now(&self) {
        self.since().get_or_insert_with(Instant::now);
    }

    /// Notes that it has come.
    pub(super) fn no_more(&self) {
        *self.since() = None;
    }

    /// Returns for how long it has been due; zero if it is not.
    pub fn duration(&self) -> Duration {
        self.since().map_or(Duration::ZERO, |since| since.elapsed())
    }
}

/// What is counted of the queries in one lane.
#[derive(Debug, Default)]
pub struct LaneMetrics {
    /// How many queries began in this lane. One that goes on in the next lane, or begins again there, counts there too.
    pub queries: Counter,
    /// How many edges were visited by attempts that ended here.
    pub edges_visited: Counter,
    /// How many queries were refused because too many waited.
    pub refused: Counter,
}

/// The load of a lane at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneLoad {
    pub running: usize,
    pub waiting: usize,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            at_once: LaneMetrics::default(),
            short: LaneMetrics::default(),
            long: LaneMetrics::default(),
            yields: Counter::default(),
            ended_by_budget: Counter::default(),
            ended_by_deadline: Counter::default(),
            ended_by_caller: Counter::default(),
            orders_taken: Gauge::default(),
            commands: Counter::default(),
            batch_commands: Histogram::new(exponential_buckets(1.0, 2.0, 11)),
            append_seconds: Histogram::new(exponential_buckets(0.000_05, 2.0, 17)),
            batches_refused: Counter::default(),
            prepared: Counter::default(),
            prepared_anew: Counter::default(),
            checkpoints: Counter::default(),
            checkpoints_failed: Counter::default(),
            erasure_journal_behind: Gauge::default(),
            checkpoint_sequence: Gauge::default(),
            checkpoint_time_seconds: Gauge::default(),
            checkpoint_due: Due::default(),
            scrubs: Counter::default(),
            scrub_findings: Counter::default(),
            store_disk_bytes: Gauge::default(),
            store_log_bytes: Gauge::default(),
            backup_time_seconds: Gauge::default(),
            archive: ArchiveMetrics::default(),
        }
    }
}

impl Metrics {
    /// Notes that a backup of everything was whole at a time.
    pub fn backed_up(&self, time: SystemTime) {
        let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        self.backup_time_seconds.set(self.backup_time_seconds.get().max(seconds));
    }

    /// Returns what the store takes, as of the last batch.
    pub fn store(&self) -> StoreMetrics {
        let bytes = |gauge: &Gauge| u64::try_from(gauge.get()).unwrap_or(0);
        StoreMetrics { disk_bytes: bytes(&self.store_disk_bytes), log_bytes: bytes(&self.store_log_bytes) }
    }

    /// Counts a query that is done with, unless it begins again.
    pub(super) fn ended(&self, budget: &Budget<'_>, stopped: Option<StopReason>) {
        match stopped {
            _ if budget.is_limited() || budget.is_exhausted() => self.ended_by_budget.inc(),
            Some(StopReason::Deadline) => self.ended_by_deadline.inc(),
            Some(StopReason::Cancelled) => self.ended_by_caller.inc(),
            None => return,
        };
    }
}
