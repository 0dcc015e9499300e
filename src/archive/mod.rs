//! The archive of a store: backups and the log after them, kept apart from it, so that what was done can be undone.
//!
//! A *line* is a backup and the log from there on, without a gap: whatever it holds can be restored as of each command since its backup. An
//! archive is a row of lines. A new one is begun every day, where the one before cannot go on, and where an erasure asks for it; lines are
//! deleted whole. `docs/adr/0021-archive.md` says why.

mod archiver;
mod error;
mod line;
mod objects;
mod undo;

pub use archiver::{ArchiveOptions, Archiver};
pub use error::ArchiveError;
pub use line::{Line, LineName, RunName, shown_time};
pub use objects::Archive;
pub use undo::{Undo, Until};
