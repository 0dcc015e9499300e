//! Where the store, the log of commands and the graph meet.
//!
//! One writer thread turns commands into commits: check and apply to a copy → append to the log (on disk) → publish. Readers take the newest
//! published state and never wait for the writer. A query begins on its call's thread; one that is not small goes on in the lanes, off the async
//! runtime.

mod archive_source;
mod batch;
mod checkpointer;
mod clock;
mod common;
mod decoys;
mod discover;
mod disk;
mod evidence;
mod feed;
#[cfg(test)]
mod fuzz;
mod handle;
mod lanes;
mod leaders;
mod lifetime;
mod live;
mod long_orders;
mod memory;
mod metrics;
mod namespaces;
mod options;
mod orders;
mod outcome;
mod outcome_codec;
mod pools;
mod preparation;
mod process_memory;
mod progress;
mod query;
mod rehearsal;
mod report;
mod restored;
mod retention;
mod revision;
mod scrub;
mod shares;
mod state;
mod stored_export;
mod take_over;
mod threads;
mod turns;
mod under_way;
mod visibility;
mod writer;

pub use archive_source::ArchiveSource;
pub use clock::{Clock, ClockMetrics, SetTime, SystemTimeSource, TimeSource};
pub use decoys::Decoys;
pub use discover::{DiscoverQuery, Discovered, DiscoveredStatus, discover, discovered_chain};
pub use evidence::TopicMatch;
pub use feed::{Changed, Changes, Feed};
pub use handle::{Engine, WriterEnd};
pub use lanes::{Bounds, Lanes, Length, Priority, Running};
pub use lifetime::Lifetime;
pub use live::{LiveAt, StatusReader};
pub use memory::{MemoryLimit, MemoryMetrics, namespace_bytes};
pub use metrics::{ArchiveLag, ArchiveMetrics, LaneLoad, LaneMetrics, Metrics, StoreMetrics};
pub use namespaces::{Content, Namespaces, no_namespace};
pub use options::EngineOptions;
pub use orders::{ImportStream, ImportUnderWay};
pub use outcome::{Applied, ChangeResult, Effect, ImportedBatch, Outcome, Refusal, Report, Snapshot};
pub use process_memory::{mapped, resident};
pub use query::QueryOptions;
pub use rehearsal::Rehearsal;
pub use restored::RestoredKey;
pub use revision::Revision;
pub use state::{Hashed, Kept, Record, State, Stored, TokenKey, Verified, Verifier, verify_log};
pub use stored_export::{StoredExportError, StoredTotals, export_stored};
pub use take_over::{Erased, Heeding, Provenance};
pub use threads::{Threads, stopped};
pub use under_way::BatchBytes;
pub use visibility::Posted;
