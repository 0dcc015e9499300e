//! When a status is live. It is judged here alone, by the store's own time: an answer's `as_of` moves strengths, and never shows a status
//! that is not to be seen yet, or no more.

use super::decoys::Decoys;
use super::state::State;
use crate::domain::{MemberId, Status, TimeMs};
use crate::graph::{Budget, Limit, MemberIx, View, Viewer};

/// The time that statuses are live at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveAt(TimeMs);

/// On whose behalf statuses are read, and when.
#[derive(Debug, Clone)]
pub struct StatusReader {
    pub viewer: Viewer,
    /// The time that strengths are evaluated at.
    pub as_of: TimeMs,
    pub live_at: LiveAt,
    pub decoys: Decoys,
}

impl State {
    /// Returns the time by which statuses are live: what the clock says, but never before the last command. So a clock that steps back
    /// hides no status from those who have seen it posted.
    pub fn live_at(&self, clock: TimeMs) -> LiveAt {
        LiveAt(clock.max(self.time()))
    }

    /// Returns how statuses are read on behalf of a viewer, or of nobody.
    pub fn status_reader(
        &self,
        viewer: Option<&MemberId>,
        as_of: TimeMs,
        clock: TimeMs,
        decoys: Decoys,
    ) -> StatusReader {
        StatusReader { viewer: self.viewer(viewer), as_of, live_at: self.live_at(clock), decoys }
    }
}

impl StatusReader {
    /// Returns the whole graph as the viewer sees it.
    pub(super) fn everything<'s>(&self, state: &'s State) -> View<'s> {
        View::unfiltered(state.graph(), self.as_of).seen_by(self.viewer)
    }

    /// Returns the member that stands in for whoever an id may lead to.
    pub(super) fn stand_in(&self, state: &State, id: &str) -> Option<MemberIx> {
        self.decoys.stand_in(&self.everything(state), self.viewer, id)
    }

    /// Returns the member that stands in for authors in general, the same one for a viewer each time.
    pub(super) fn any_stand_in(&self, state: &State) -> Option<MemberIx> {
        let Viewer::Member(viewer) = self.viewer else { return None };
        self.stand_in(state, state.graph().id(viewer).as_str())
    }

    /// Returns about how many half-edges a search for an author takes at most: those within two hops of the viewer, because the third hop is
    /// searched from the author's side, which takes no more then. It depends on what the viewer sees alone. A query that may take more
    /// than its share begins again at once, whatever it would find.
    pub fn search_scale(&self, state: &State, budget: &mut Budget<'_>) -> Result<u64, Limit> {
        let Viewer::Member(viewer) = self.viewer else { return Ok(0) };
        budget.hidden(|budget| {
            let edges = self.everything(state).edges_in_two_hops(viewer, budget)?;
            budget.foresee([edges, edges])?;
            Ok(edges)
        })
    }

    /// Runs what decides which statuses are seen. For the service it is work like any other; for a viewer it is hidden, so that the budget
    /// gives nothing away.
    pub(super) fn decide<T>(&self, budget: &mut Budget<'_>, run: impl FnOnce(&mut Budget<'_>) -> T) -> T {
        if self.viewer == Viewer::Service { run(budget) } else { budget.hidden(run) }
    }
}

impl LiveAt {
    /// Returns whether a status is posted, and not yet expired.
    pub fn admits(self, status: &Status) -> bool {
        status.is_live(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_steps_back_is_not_believed() {
        let mut state = State::empty(1);
        state.advance(TimeMs(1_000));
        assert_eq!(state.live_at(TimeMs(5)), state.live_at(TimeMs(1_000)));
        assert_eq!(state.live_at(TimeMs(1_001)), LiveAt(TimeMs(1_001)));
    }
}
