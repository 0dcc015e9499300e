//! How far the loading of a store is, told in the log: a large one takes a while, and nobody is served before it is there.

use std::time::{Duration, Instant};

use crate::store::CheckpointHead;

const BETWEEN: Duration = Duration::from_secs(2);
/// The clock is read once for so many.
const STRIDE: u64 = 4_096;

pub struct Progress {
    between: Duration,
    told: Instant,
    /// Of the checkpoint; none without one.
    rows_max: u64,
    rows: u64,
    commits: u64,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress { between: BETWEEN, told: Instant::now(), rows_max: 0, rows: 0, commits: 0 }
    }
}

impl Progress {
    pub fn expects(&mut self, head: &CheckpointHead) {
        // The head's counts come before the rows are counted, and may be anything.
        self.rows_max = head.rows.by_index().into_iter().fold(0, u64::saturating_add);
    }

    pub fn row(&mut self) {
        self.rows += 1;
        if self.is_due(self.rows) {
            tracing::info!(rows = self.rows, of = self.rows_max, "loading the checkpoint");
        }
    }

    pub fn commit(&mut self) {
        self.commits += 1;
        if self.is_due(self.commits) {
            tracing::info!(commits = self.commits, "loading the log after the checkpoint");
        }
    }

    fn is_due(&mut self, count: u64) -> bool {
        let is_due = count.is_multiple_of(STRIDE) && self.told.elapsed() >= self.between;
        if is_due {
            self.told = Instant::now();
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_now_and_then() {
        let told = |between| {
            let mut progress = Progress { between, ..Progress::default() };
            (1..=3 * STRIDE).filter(|count| progress.is_due(*count)).count()
        };
        assert_eq!((told(Duration::ZERO), told(Duration::from_secs(3_600))), (3, 0));
    }
}
