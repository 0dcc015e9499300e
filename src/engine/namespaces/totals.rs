//! What all namespaces hold together, kept in step with each.

use crate::engine::state::State;

/// Counts over all namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    pub members: u64,
    pub edges: u64,
    pub statuses: u64,
    /// Request ids that are kept, and about what they take in memory.
    pub requests: u64,
    pub request_bytes: u64,
    /// Erased members whose ids are remembered.
    pub erased: u64,
}

impl Totals {
    pub fn add(&mut self, state: &State) {
        self.each(state, |total, count| *total += count);
    }

    pub fn subtract(&mut self, state: &State) {
        self.each(state, |total, count| *total = total.saturating_sub(count));
    }

    fn each(&mut self, state: &State, mut change: impl FnMut(&mut u64, u64)) {
        change(&mut self.members, state.member_count());
        change(&mut self.edges, state.edge_count());
        change(&mut self.statuses, state.status_count());
        change(&mut self.requests, state.request_count());
        change(&mut self.request_bytes, state.request_bytes());
        change(&mut self.erased, state.erased_count());
    }
}
