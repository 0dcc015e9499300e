//! A store over another one: it hands every call on, but has a test hear of appends and of checkpoints.

use std::sync::Arc;

use kith::store::{
    CheckpointHead, CheckpointWriter, Commit, FinishedCheckpoint, Loader, LogKeep, LogSource, Scrub, Store, StoreError,
    StoreId,
};

/// What a test does with a store's calls.
pub trait Hears: Send {
    /// Appends to the store, or not.
    fn append(&mut self, store: &mut dyn Store, commits: &[Commit]) -> Result<(), StoreError>;

    /// A checkpoint was installed.
    fn installed(&mut self) {}
}

pub struct Over<H> {
    pub store: Box<dyn Store>,
    pub hears: H,
}

impl<H: Hears> Store for Over<H> {
    fn id(&self) -> StoreId {
        self.store.id()
    }

    fn load(&mut self, loader: &mut dyn Loader) -> Result<(), StoreError> {
        self.store.load(loader)
    }

    fn append(&mut self, commits: &[Commit]) -> Result<(), StoreError> {
        self.hears.append(&mut *self.store, commits)
    }

    fn begin_checkpoint(&mut self, head: &CheckpointHead) -> Result<Box<dyn CheckpointWriter>, StoreError> {
        self.store.begin_checkpoint(head)
    }

    fn install(&mut self, finished: FinishedCheckpoint) -> Result<(), StoreError> {
        self.store.install(finished)?;
        self.hears.installed();
        Ok(())
    }

    fn trim_log(&mut self, keep: &LogKeep) -> Result<(), StoreError> {
        self.store.trim_log(keep)
    }

    fn log(&self) -> Arc<dyn LogSource> {
        self.store.log()
    }

    fn scrub(&self) -> Arc<dyn Scrub> {
        self.store.scrub()
    }

    fn keep_reserve(&mut self) {
        self.store.keep_reserve();
    }

    fn log_bytes(&self) -> u64 {
        self.store.log_bytes()
    }

    fn disk_bytes(&self) -> u64 {
        self.store.disk_bytes()
    }
}
