//! Imports carried out on a copy of the state that nobody is shown, to tell what would come of them.

use std::sync::Arc;

use super::handle::Engine;
use super::outcome::ImportedBatch;
use super::state::{PendingChange, State, go_together};
use crate::domain::{Change, Error, TimeMs};

/// A copy of the state, and what was rehearsed on it. It shares with the state all that it did not touch.
pub struct Rehearsal {
    state: State,
}

impl Rehearsal {
    pub fn of(state: &State) -> Rehearsal {
        Rehearsal { state: state.clone() }
    }

    /// What would come of each change; the revision is that of what is stored.
    fn import(&mut self, changes: &[Change], now: TimeMs) -> ImportedBatch {
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

impl Engine {
    /// Carries out changes on a rehearsal, on a thread of those that there are for it. Gives the rehearsal back.
    pub async fn rehearse(
        &self,
        mut rehearsal: Rehearsal,
        changes: Vec<Change>,
        caller: &Arc<str>,
    ) -> Result<(Rehearsal, ImportedBatch), Error> {
        let now = self.now();
        let rehearsed = self.pools.rehearsals.begin(caller, move |_permit| {
            let batch = rehearsal.import(&changes, now);
            (rehearsal, batch)
        });
        rehearsed?.await
    }
}
