//! The settings of an engine.

use std::time::Duration;

use super::memory::MemoryLimit;
use crate::domain::limits::EDGES_VISITED_MAX;

/// How an engine is run: how much its queries, its log and its memory may take.
#[derive(Debug, Clone, Copy)]
pub struct EngineOptions {
    pub edges_visited_max: u64,
    /// Queries computed at the same time that are not small; more wait, or take turns.
    pub query_threads: usize,
    /// Bytes of commands after which a new checkpoint is written, at least; of an eighth, while nothing is asked of the writer.
    pub checkpoint_log_bytes_min: u64,
    /// The same for each member and edge.
    pub checkpoint_log_bytes_per_resource: u64,
    /// How much of the log is kept behind a checkpoint for those who read changes, and for how long.
    pub log_keep_bytes_max: u64,
    pub log_keep_age_max: Duration,
    /// How long bytes of an erased member may stay in the log.
    pub erase_within: Duration,
    /// Days that erased ids are remembered, so that no import brings them back.
    pub erased_ids_days: u32,
    /// Memory that request ids of the last 24 hours may take, with their answers.
    pub request_ids_bytes_max: u64,
    /// How long a status is kept after it expired; for ever unless it is said.
    pub status_retention: Duration,
    /// Believes the wall clock at the start, however far ahead of the last command it is.
    pub accept_clock: bool,
    /// How much memory there is.
    pub memory: MemoryLimit,
    /// How often all that is on disk is read again, to find what is not what was written; never if zero.
    pub scrub_every: Duration,
    /// Edges that a change removes, or shows to others, from which on that is done beside other writes.
    pub long_change_edges: u64,
}

impl Default for EngineOptions {
    fn default() -> EngineOptions {
        EngineOptions {
            edges_visited_max: EDGES_VISITED_MAX,
            // More would only take turns by the system's clock instead of by ours.
            query_threads: std::thread::available_parallelism().map_or(2, usize::from),
            checkpoint_log_bytes_min: 64 * 1_024 * 1_024,
            // About what the checkpoint itself takes.
            checkpoint_log_bytes_per_resource: 16,
            log_keep_bytes_max: 256 * 1_024 * 1_024,
            log_keep_age_max: Duration::from_secs(24 * 3_600),
            erase_within: Duration::from_secs(24 * 3_600),
            erased_ids_days: 400,
            request_ids_bytes_max: 1_024 * 1_024 * 1_024,
            status_retention: Duration::MAX,
            accept_clock: false,
            memory: MemoryLimit::default(),
            scrub_every: Duration::from_secs(24 * 3_600),
            // About 20 ms of the writer's time.
            long_change_edges: 4_096,
        }
    }
}
