//! When a status is live. It is judged here alone, by the store's own time: an answer's `as_of` moves strengths, and never shows a status
//! that is not to be seen yet, or no more.

use super::state::State;
use crate::domain::{MemberId, Status, TimeMs};
use crate::graph::{Budget, Viewer};

/// The time that statuses are live at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveAt(TimeMs);

/// On whose behalf statuses are read, and when.
#[derive(Debug, Clone, Copy)]
pub struct StatusReader {
    pub viewer: Viewer,
    /// The time that strengths are evaluated at.
    pub as_of: TimeMs,
    pub live_at: LiveAt,
}

impl State {
    /// Returns the time by which statuses are live: what the clock says, but never before the last command. So a clock that steps back
    /// hides no status from those who have seen it posted.
    pub fn live_at(&self, clock: TimeMs) -> LiveAt {
        LiveAt(clock.max(self.time()))
    }

    /// Returns how statuses are read on behalf of a viewer, or of nobody.
    pub fn status_reader(&self, viewer: Option<&MemberId>, as_of: TimeMs, clock: TimeMs) -> StatusReader {
        StatusReader { viewer: self.viewer(viewer), as_of, live_at: self.live_at(clock) }
    }
}

impl StatusReader {
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
