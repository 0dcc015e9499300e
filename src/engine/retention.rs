//! Retention: expired statuses are erased some time later, by commands of the writer's own, so that a replay does not ask the time.

use std::time::{Duration, Instant};

use super::namespaces::Namespaces;
use crate::domain::{Change, NamespaceName, StatusId, TimeMs};

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

    /// Returns the changes that erase some of what is due, and their namespace; none if nothing is, or it was looked for just now.
    pub fn due(&mut self, namespaces: &Namespaces, now: TimeMs) -> Option<(NamespaceName, Vec<Change>)> {
        if self.looked.is_some_and(|looked| looked.elapsed() < BETWEEN) {
            return None;
        }
        self.looked = Some(Instant::now());
        let keep_ms = i64::try_from(self.keep.as_millis()).unwrap_or(i64::MAX);
        let through = TimeMs(now.0.checked_sub(keep_ms)?);
        let (name, state) = namespaces.expired_through(through)?;
        let erase = |id: &StatusId| Change::EraseStatus { id: id.clone() };
        Some((name.clone(), state.expired_through(through).map(erase).collect()))
    }
}
