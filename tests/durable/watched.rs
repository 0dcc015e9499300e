//! A store that tells what was appended to it, and fails when told to.

use std::sync::{Arc, Mutex};

use kith::store::{
    CheckpointHead, CheckpointWriter, Commit, FinishedCheckpoint, Loader, LogKeep, LogSource, Store, StoreError,
    StoreId,
};

/// What a test sees of a store, and does to it.
#[derive(Clone, Default)]
pub struct Watch(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    commits: Vec<Commit>,
    installed: u32,
    fails: Option<StoreError>,
    /// Of so many appends one fails; none if 0.
    fails_one_in: u64,
    appends: u64,
    commits_refused: u64,
}

impl Watch {
    pub fn on(&self, store: Box<dyn Store>) -> Box<dyn Store> {
        Box::new(Watched { store, watch: self.clone() })
    }

    /// Takes what was appended since it was last taken.
    pub fn take_commits(&self) -> Vec<Commit> {
        std::mem::take(&mut self.0.lock().unwrap().commits)
    }

    /// How many checkpoints were installed.
    pub fn installed(&self) -> u32 {
        self.0.lock().unwrap().installed
    }

    /// From here on no append succeeds.
    pub fn fail(&self, error: StoreError) {
        self.0.lock().unwrap().fails = Some(error);
    }

    pub fn recover(&self) {
        self.0.lock().unwrap().fails = None;
    }
}

impl Watch {
    /// From here on one append of so many fails, as a full disk would have it.
    pub fn fail_one_in(&self, appends: u64) {
        self.0.lock().unwrap().fails_one_in = appends;
    }

    /// How many commits were in appends that failed.
    pub fn commits_refused(&self) -> u64 {
        self.0.lock().unwrap().commits_refused
    }
}

struct Watched {
    store: Box<dyn Store>,
    watch: Watch,
}

impl Store for Watched {
    fn id(&self) -> StoreId {
        self.store.id()
    }

    fn load(&mut self, loader: &mut dyn Loader) -> Result<(), StoreError> {
        self.store.load(loader)
    }

    fn append(&mut self, commits: &[Commit]) -> Result<(), StoreError> {
        let mut seen = self.watch.0.lock().unwrap();
        if let Some(error) = &seen.fails {
            return Err(error.clone());
        }
        seen.appends += 1;
        if seen.fails_one_in > 0 && seen.appends.is_multiple_of(seen.fails_one_in) {
            seen.commits_refused += commits.len() as u64;
            return Err(StoreError::Full);
        }
        self.store.append(commits)?;
        seen.commits.extend_from_slice(commits);
        Ok(())
    }

    fn begin_checkpoint(&mut self, head: &CheckpointHead) -> Result<Box<dyn CheckpointWriter>, StoreError> {
        self.store.begin_checkpoint(head)
    }

    fn install(&mut self, finished: FinishedCheckpoint) -> Result<(), StoreError> {
        self.store.install(finished)?;
        self.watch.0.lock().unwrap().installed += 1;
        Ok(())
    }

    fn trim_log(&mut self, keep: &LogKeep) -> Result<(), StoreError> {
        self.store.trim_log(keep)
    }

    fn log(&self) -> Arc<dyn LogSource> {
        self.store.log()
    }

    fn log_bytes(&self) -> u64 {
        self.store.log_bytes()
    }

    fn disk_bytes(&self) -> u64 {
        self.store.disk_bytes()
    }
}
