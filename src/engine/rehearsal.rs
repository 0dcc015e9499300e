//! Imports carried out on a copy of the state that nobody is shown, to tell what would come of them.

use std::sync::Arc;

use super::handle::Engine;
use super::outcome::ImportedBatch;
use super::revision::Revision;
use super::state::State;
use crate::domain::{Change, Error, TimeMs};

/// A copy of the state, and what was rehearsed on it. It shares with the state all that it did not touch.
pub struct Rehearsal {
    state: State,
    /// The revision of what is stored.
    revision: Revision,
}

impl Rehearsal {
    pub fn of(state: &State) -> Rehearsal {
        Rehearsal { state: state.clone(), revision: state.revision() }
    }

    /// Returns what would come of each change; the revision is that of what is stored.
    fn import(&mut self, changes: &[Change], now: TimeMs) -> ImportedBatch {
        // Nobody watches what is rehearsed, but it is applied as an import is, whose changes leave events.
        let mut events = vec![Vec::new(); changes.len()];
        let (results, _) = self.state.import(&[changes], now.max(self.state.time()), &mut events);
        ImportedBatch { results, revision: self.revision }
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
