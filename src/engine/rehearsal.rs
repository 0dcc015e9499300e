//! Imports carried out on a copy of the state that nobody is shown, to tell what would come of them.

use super::outcome::ImportedBatch;
use super::state::{PendingChange, State, go_together};
use crate::domain::{Change, TimeMs};

/// A copy of the state, and what was rehearsed on it. It shares with the state all that it did not touch.
pub struct Rehearsal {
    state: State,
}

impl Rehearsal {
    pub fn of(state: &State) -> Rehearsal {
        Rehearsal { state: state.clone() }
    }

    /// What would come of each change; the revision is that of what is stored.
    pub fn import(&mut self, changes: &[Change], now: TimeMs) -> ImportedBatch {
        let revision = self.state.revision();
        let now = now.max(self.state.time());
        // As of an import, whose events nobody is told of.
        let mut events = vec![Vec::new(); changes.len()];
        let pending = |(change, events)| PendingChange { now, change, events: Some(events), left_out: false };
        let mut pending: Vec<PendingChange<'_>> = changes.iter().zip(&mut events).map(pending).collect();
        let mut results = Vec::with_capacity(pending.len());
        for together in pending.chunk_by_mut(|one, next| go_together(one, next)) {
            results.extend(self.state.apply_together(together));
        }
        ImportedBatch { results, revision }
    }
}
