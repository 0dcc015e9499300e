//! Retention: expired statuses are erased some time later, by commands of the writer's own, so that a replay does not ask the time.

use std::time::{Duration, Instant};

use super::state::State;
use crate::domain::{Change, TimeMs};

/// How often expired statuses are looked for.
const BETWEEN: Duration = Duration::from_secs(1);

/// How long expired statuses are kept, and when those that are due were last looked for.
pub struct Retention {
    keep: Duration,
    looked: Option<Instant>,
}

impl Retention {
    pub fn new(keep: Duration) -> Retention {
        Retention { keep, looked: None }
    }

    /// Returns the changes that erase some of what is due; none if nothing is, or it was looked for just now.
    pub fn due(&mut self, state: &State, now: TimeMs) -> Vec<Change> {
        if self.looked.is_some_and(|looked| looked.elapsed() < BETWEEN) {
            return Vec::new();
        }
        self.looked = Some(Instant::now());
        let keep_ms = i64::try_from(self.keep.as_millis()).unwrap_or(i64::MAX);
        let Some(through) = now.0.checked_sub(keep_ms) else { return Vec::new() };
        state.expired_through(TimeMs(through)).map(|id| Change::EraseStatus { id: id.clone() }).collect()
    }
}
