//! A store that tells what was appended to it, and fails when told to.

use std::sync::{Arc, Condvar, Mutex};

use kith::store::{Commit, Log, NotAppended, Store, StoreError};

use crate::over::{Hears, over};

/// What a test sees of a store, and does to it.
#[derive(Clone, Default)]
pub struct Watch(Arc<Mutex<Seen>>, Arc<Condvar>);

#[derive(Default)]
struct Seen {
    commits: Vec<Commit>,
    installed: u32,
    fails: Option<StoreError>,
    /// Of so many appends one fails; none if 0.
    fails_one_in: u64,
    appends: u64,
    commits_refused: u64,
    /// Changes in the largest append.
    changes_together: usize,
    /// Whether appends wait, how many of them need not, and whether one is under way.
    held: bool,
    let_through: u64,
    appending: bool,
}

impl Watch {
    pub fn on(&self, store: Store) -> Store {
        over(store, self)
    }

    /// Takes what was appended since it was last taken.
    pub fn take_commits(&self) -> Vec<Commit> {
        std::mem::take(&mut self.0.lock().unwrap().commits)
    }

    /// How many changes were in the largest append.
    pub fn changes_together(&self) -> usize {
        self.0.lock().unwrap().changes_together
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

    /// From here on appends wait, until the hold is dropped.
    pub fn hold(&self) -> Hold {
        self.0.lock().unwrap().held = true;
        Hold(self.clone())
    }

    /// Whether an append is under way.
    pub fn appending(&self) -> bool {
        self.0.lock().unwrap().appending
    }

    /// How many commits were in appends that failed.
    pub fn commits_refused(&self) -> u64 {
        self.0.lock().unwrap().commits_refused
    }
}

/// Keeps appends waiting.
pub struct Hold(Watch);

impl Hold {
    pub fn let_one_through(&self) {
        self.0.0.lock().unwrap().let_through += 1;
        self.0.1.notify_all();
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().held = false;
        self.0.1.notify_all();
    }
}

impl Hears for Watch {
    fn append(&mut self, log: &mut dyn Log, commits: &[Commit]) -> Result<(), NotAppended> {
        let mut seen = self.0.lock().unwrap();
        seen.appending = true;
        seen = self.1.wait_while(seen, |seen| seen.held && seen.let_through == 0).unwrap();
        seen.let_through = seen.let_through.saturating_sub(1);
        seen.appending = false;
        if let Some(error) = &seen.fails {
            return Err(error.clone().into());
        }
        seen.appends += 1;
        if seen.fails_one_in > 0 && seen.appends.is_multiple_of(seen.fails_one_in) {
            seen.commits_refused += commits.len() as u64;
            return Err(StoreError::Full.into());
        }
        log.append(commits)?;
        let changes = commits.iter().map(|commit| commit.command.changes.len()).sum();
        seen.changes_together = seen.changes_together.max(changes);
        seen.commits.extend_from_slice(commits);
        Ok(())
    }

    fn installed(&mut self) {
        self.0.lock().unwrap().installed += 1;
    }
}
