//! Queries, off the async threads: each on a blocking thread, so many at once as the engine allows, within a budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::Engine;
use super::state::State;
use crate::domain::Error;
use crate::graph::{Budget, Stop, StopReason};

/// How a query is to be answered.
#[derive(Debug, Clone, Default)]
pub struct QueryOptions {
    /// A revision's token, or empty.
    pub min_revision: String,
    /// The server's own bound when none, or when greater.
    pub edges_visited_max: Option<u64>,
    /// When to stop and give what there is.
    pub deadline: Option<Instant>,
}

impl Engine {
    /// Runs a query against the newest state. It stops early at its deadline, and when the future is dropped.
    pub async fn query<T: Send + 'static>(
        &self,
        options: QueryOptions,
        query: impl FnOnce(&State, &mut Budget<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = self.lane.clone().acquire_owned();
        let turn = turn.await.map_err(|_| Error::Internal("the lane of queries is closed".to_owned()))?;
        let state = self.state_at(&options.min_revision).await?;
        let edges_max = options.edges_visited_max.unwrap_or(u64::MAX).min(self.options.edges_visited_max);
        let cancelled = Arc::new(AtomicBool::new(false));
        let _cancel_when_dropped = CancelWhenDropped(cancelled.clone());
        let signal = Signal { cancelled, deadline: options.deadline };
        let run = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            query(&state, &mut Budget::new(edges_max, &signal))
        });
        run.await.map_err(|error| Error::Internal(format!("a query ended badly: {error}")))?
    }
}

struct CancelWhenDropped(Arc<AtomicBool>);

impl Drop for CancelWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a running query polls.
struct Signal {
    cancelled: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl Stop for Signal {
    fn stop(&self) -> Option<StopReason> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Some(StopReason::Cancelled);
        }
        self.deadline.filter(|deadline| Instant::now() >= *deadline).map(|_| StopReason::Deadline)
    }
}
