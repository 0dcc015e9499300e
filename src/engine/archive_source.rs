//! What an archive takes from an engine: the log, the states to back up, and what is erased.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::clock::Clock;
use super::handle::Engine;
use super::metrics::{ArchiveMetrics, Metrics};
use super::namespaces::Namespaces;
use crate::domain::{Sequence, TimeMs};
use crate::store::{LogCursor, LogSource};

/// An engine as its archive reads it. It does not keep the engine alive.
pub struct ArchiveSource {
    published: watch::Receiver<Arc<Namespaces>>,
    log: Arc<dyn LogSource>,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
    erase_within: Duration,
}

impl Engine {
    pub fn archive_source(&self) -> ArchiveSource {
        let (published, log, clock) = (self.published.clone(), self.log.clone(), self.clock.clone());
        ArchiveSource { published, log, clock, metrics: self.metrics.clone(), erase_within: self.options.erase_within }
    }
}

impl ArchiveSource {
    /// Returns the newest state of all namespaces.
    pub fn namespaces(&self) -> Arc<Namespaces> {
        self.published.borrow().clone()
    }

    /// Reads the log on after a sequence.
    pub fn cursor(&self, after: Sequence) -> Box<dyn LogCursor> {
        self.log.cursor(after)
    }

    /// Returns the log's own time.
    pub fn now(&self) -> TimeMs {
        self.clock.now()
    }

    pub fn metrics(&self) -> &ArchiveMetrics {
        &self.metrics.archive
    }

    /// Notes that a backup of everything was whole at a time.
    pub fn backed_up(&self, time: SystemTime) {
        self.metrics.backed_up(time);
    }

    /// Returns whether the engine has ended.
    pub fn has_ended(&self) -> bool {
        self.published.has_changed().is_err()
    }

    /// Waits for a time, or until the engine has ended.
    pub async fn wait(&mut self, time: Duration) {
        let ended = async { while self.published.changed().await.is_ok() {} };
        // That the time has passed is no error.
        let _ = tokio::time::timeout(time, ended).await;
    }

    /// Returns whether what was erased after a sequence must soon be gone from whatever reaches back to it: three quarters of the time that
    /// its bytes may stay have passed, and the last one is for a backup to take its place.
    pub fn erases_after(&self, sequence: Sequence) -> bool {
        let Some(since) = self.namespaces().deadlines().first_from(sequence + 1) else { return false };
        let within = i64::try_from((self.erase_within * 3 / 4).as_millis()).unwrap_or(i64::MAX);
        self.now() >= TimeMs(since.0.saturating_add(within))
    }
}
