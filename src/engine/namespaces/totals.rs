//! What all namespaces hold together, kept in step with each.

use crate::engine::shares::Shares;
use crate::engine::state::State;
use crate::store::RowCounts;

/// Counts over all namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// The rows that they have in a checkpoint.
    pub rows: RowCounts,
    /// Erased members whose ids are remembered.
    pub erased: u64,
    /// How many namespaces each caller has made.
    pub created: Shares,
    /// About what each caller's request ids take in memory.
    pub request_bytes: Shares,
}

/// What the shares of callers count of a state: what it was counted as is kept while it is changed.
#[derive(Clone, Default)]
pub struct Counted {
    created: Shares,
    request_bytes: Shares,
}

impl Counted {
    pub fn of(state: &State) -> Counted {
        let mut created = Shares::default();
        created.add(state.creator(), 1);
        Counted { created, request_bytes: state.requests().shares().clone() }
    }
}

impl Totals {
    /// Has the shares of callers count a state as it is now instead of as it was.
    pub fn recount(&mut self, before: &Counted, now: &Counted) {
        self.created.replace(&before.created, &now.created);
        self.request_bytes.replace(&before.request_bytes, &now.request_bytes);
    }

    /// Adds a state, but for what the shares of callers count of it.
    pub fn add(&mut self, state: &State) {
        self.rows.change(&state.row_counts(), |total, count| total + count);
        self.erased += state.erased_count();
    }

    /// Subtracts a state, likewise.
    pub fn subtract(&mut self, state: &State) {
        self.rows.change(&state.row_counts(), u64::saturating_sub);
        self.erased = self.erased.saturating_sub(state.erased_count());
    }
}
