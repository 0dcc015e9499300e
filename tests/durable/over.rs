//! A store over another one: it hands every call on, but has a test hear of appends and of checkpoints.

use std::sync::Arc;

use kith::domain::Sequence;
use kith::store::{
    CheckpointHead, CheckpointLoader, CheckpointScrub, CheckpointWriter, Checkpoints, Commit, FinishedCheckpoint, Log,
    LogKeep, LogSource, NotAppended, Store, StoreError,
};

/// What a test does with a store's calls.
pub trait Hears: Clone + Send + 'static {
    /// Appends to the log, or not.
    fn append(&mut self, log: &mut dyn Log, commits: &[Commit]) -> Result<(), NotAppended> {
        log.append(commits)
    }

    /// Reads the log's tail, or not.
    fn tail(&mut self, log: &mut dyn Log) -> Result<Sequence, StoreError> {
        log.tail()
    }

    /// A checkpoint was installed.
    fn installed(&mut self) {}
}

/// Puts a test between a store and whoever uses it.
pub fn over<H: Hears>(mut store: Store, hears: &H) -> Store {
    store.log = Box::new(OverLog { log: store.log, hears: hears.clone() });
    store.checkpoints = Box::new(OverCheckpoints { checkpoints: store.checkpoints, hears: hears.clone() });
    store
}

struct OverLog<H> {
    log: Box<dyn Log>,
    hears: H,
}

impl<H: Hears> Log for OverLog<H> {
    fn append(&mut self, commits: &[Commit]) -> Result<(), NotAppended> {
        self.hears.append(&mut *self.log, commits)
    }

    fn tail(&mut self) -> Result<Sequence, StoreError> {
        self.hears.tail(&mut *self.log)
    }

    fn cut(&mut self) -> Result<(), StoreError> {
        self.log.cut()
    }

    fn trim(&mut self, through: Sequence, keep: &LogKeep) -> Result<(), StoreError> {
        self.log.trim(through, keep)
    }

    fn bytes_after(&self, sequence: Sequence) -> u64 {
        self.log.bytes_after(sequence)
    }

    fn disk_bytes(&self) -> u64 {
        self.log.disk_bytes()
    }

    fn source(&self) -> Arc<dyn LogSource> {
        self.log.source()
    }
}

struct OverCheckpoints<H> {
    checkpoints: Box<dyn Checkpoints>,
    hears: H,
}

impl<H: Hears> Checkpoints for OverCheckpoints<H> {
    fn read(&mut self, loader: &mut dyn CheckpointLoader) -> Result<Sequence, StoreError> {
        self.checkpoints.read(loader)
    }

    fn begin(&mut self, head: &CheckpointHead) -> Result<Box<dyn CheckpointWriter>, StoreError> {
        self.checkpoints.begin(head)
    }

    fn install(&mut self, finished: FinishedCheckpoint) -> Result<(), StoreError> {
        self.checkpoints.install(finished)?;
        self.hears.installed();
        Ok(())
    }

    fn scrub(&self) -> Arc<dyn CheckpointScrub> {
        self.checkpoints.scrub()
    }

    fn keep_reserve(&mut self) {
        self.checkpoints.keep_reserve();
    }

    fn disk_bytes(&self) -> u64 {
        self.checkpoints.disk_bytes()
    }
}
