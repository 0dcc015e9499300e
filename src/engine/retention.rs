//! Retention: expired statuses are erased some time later, by commands of the writer's own, so that a replay does not ask the time.

use std::time::{Duration, Instant};

use super::namespaces::Namespaces;
use crate::domain::{Change, NamespaceName, StatusId, TimeMs};

/// How often expired statuses are looked for.
const BETWEEN: Duration = Duration::from_secs(1);
/// How many statuses are erased at a look, and in how many namespaces, at most: some milliseconds of the writer's time.
const STATUSES_MAX: usize = 1_024;
const NAMESPACES_MAX: usize = 64;

/// How long expired statuses are kept, and when those that are due were last looked for.
pub struct Retention {
    keep: Duration,
    looked: Option<Instant>,
}

impl Retention {
    pub fn new(keep: Duration) -> Retention {
        Retention { keep, looked: None }
    }

    /// Returns the changes that erase some of what is due, by their namespace, those that have the longest overdue first; none if nothing is
    /// due, or it was looked for just now.
    pub fn due(&mut self, namespaces: &Namespaces, now: TimeMs) -> Vec<(NamespaceName, Vec<Change>)> {
        if self.looked.is_some_and(|looked| looked.elapsed() < BETWEEN) {
            return Vec::new();
        }
        self.looked = Some(Instant::now());
        let keep_ms = i64::try_from(self.keep.as_millis()).unwrap_or(i64::MAX);
        let Some(through) = now.0.checked_sub(keep_ms).map(TimeMs) else { return Vec::new() };
        let erase = |id: &StatusId| Change::EraseStatus { id: id.clone() };
        let (mut due, mut room) = (Vec::new(), STATUSES_MAX);
        for (name, state) in namespaces.expired_through(through).take(NAMESPACES_MAX) {
            let changes: Vec<Change> = state.expired_through(through).take(room).map(erase).collect();
            room -= changes.len();
            due.push((name.clone(), changes));
            if room == 0 {
                break;
            }
        }
        due
    }
}
