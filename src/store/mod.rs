//! What survives: a log of commands, and a checkpoint of the state they made.
//!
//! A store appends commits to its log, each batch on disk before it returns. Now and then a checkpoint is written beside it
//! and swapped in, and the log before it goes. Starting reads the newest checkpoint and the commits after it.
//! `docs/FORMAT.md` gives the bytes.

mod backup;
mod chunks;
mod codec;
mod codec_kinds;
mod commit_codec;
mod erasure_journal;
mod error;
mod event_codec;
mod frame;
#[cfg(test)]
mod fuzz;
mod layout;
mod log;
mod memory;
mod private;
mod reserve;
mod restore;
mod rows;
mod scrub;
mod sled_database;
mod sled_store;
mod store_file;
mod tail_file;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

pub use backup::{BackupPacker, BackupReader, read_backup};
pub use erasure_journal::{ErasureJournal, Journaled};
pub use error::StoreError;
pub use layout::Discard;
pub use memory::MemoryStore;
pub use restore::{remove_content, restore};
pub use rows::{CheckpointHead, EdgeRow, Row, Stamps};
pub use sled_store::SledStore;

use crate::domain::{Command, Error, Event, Sequence, TimeMs};

/// A store's own id, made at its creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreId(pub u128);

/// A command in its place in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// One more than the commit's before it.
    pub sequence: Sequence,
    pub command: Command,
    /// What its caller was answered, for a retry; empty without a request id.
    pub answer: Vec<u8>,
    /// What it left behind, change by change, for those who keep a copy.
    pub events: Vec<Vec<Event>>,
}

/// Durable commands and checkpoints. Used by one thread at a time.
pub trait Store: Send {
    fn id(&self) -> StoreId;

    /// Gives the loader the head and rows of the newest checkpoint, if there is one, and every commit after it, in order.
    fn load(&mut self, loader: &mut dyn Loader) -> Result<(), StoreError>;

    /// Appends commits, all or none; on disk when it returns. After a refusal the same sequences may be appended again.
    fn append(&mut self, commits: &[Commit]) -> Result<(), StoreError>;

    /// Begins a checkpoint of the state after the last commit. The writer may be used on another thread while the log goes on.
    fn begin_checkpoint(&mut self, head: &CheckpointHead) -> Result<Box<dyn CheckpointWriter>, StoreError>;

    /// Takes a finished checkpoint in the place of the one before it.
    fn install(&mut self, finished: FinishedCheckpoint) -> Result<(), StoreError>;

    /// Removes commits that the checkpoint covers, as far as `keep` does not ask for them.
    fn trim_log(&mut self, keep: &LogKeep) -> Result<(), StoreError>;

    /// The log, to be read by others while it grows.
    fn log(&self) -> Arc<dyn LogSource>;

    /// What is on disk, to be read again by others.
    fn scrub(&self) -> Arc<dyn Scrub>;

    /// Encoded bytes of the commits after the checkpoint.
    fn log_bytes(&self) -> u64;

    /// Takes room on the disk that the next start needs, as far as there is some.
    fn keep_reserve(&mut self) {}

    /// Bytes of everything on disk; 0 in memory.
    fn disk_bytes(&self) -> u64;
}

/// How much of the log stays behind a checkpoint, for those who read changes from it.
#[derive(Debug, Clone, Copy)]
pub struct LogKeep {
    pub bytes_max: u64,
    /// Since its commands were accepted, by the log's own time.
    pub age_max: Duration,
    /// That time now.
    pub now: TimeMs,
    /// Nothing up to this sequence stays: a member was erased there.
    pub erased: Sequence,
}

/// What a store has on disk, read again to find what is not what was written. `pace` hears how much was read, may take its time, and
/// ends it by an error, which is the only one there is.
pub trait Scrub: Send + Sync {
    /// How much there is to read.
    fn bytes(&self) -> u64;

    /// What is wrong with the newest checkpoint and what names it.
    fn checkpoint(&self, pace: &mut dyn FnMut(u64) -> Result<(), Error>) -> Result<Option<String>, Error>;

    /// What is wrong with the log up to a sequence, all acknowledged, and the commit that cannot be read for it.
    fn log(
        &self,
        through: Sequence,
        pace: &mut dyn FnMut(u64) -> Result<(), Error>,
    ) -> Result<Option<(Sequence, String)>, Error>;
}

/// A log that others read while it grows.
pub trait LogSource: Send + Sync {
    /// The first sequence that is still there, or that the next commit gets.
    fn earliest(&self) -> Sequence;

    /// Reads on after a sequence.
    fn cursor(&self, after: Sequence) -> Box<dyn LogCursor>;
}

/// A place in a log.
pub trait LogCursor: Send {
    /// Some of the next commits, in order; none when those through `through`, all acknowledged, have been read. What is read
    /// together was appended together, so it may go beyond `through`. `TooOld` if the next one is no longer there.
    fn read(&mut self, through: Sequence) -> Result<Vec<Commit>, StoreError>;
}

/// Refuses commits that do not follow each other and the last one.
fn check_order(last: Sequence, commits: &[Commit]) -> Result<(), StoreError> {
    let wrong = commits.iter().zip(last + 1..).find(|(commit, expected)| commit.sequence != *expected);
    wrong.map_or(Ok(()), |(commit, expected)| {
        Err(StoreError::Io(format!("sequence {} was to be appended in the place of {expected}", commit.sequence)))
    })
}

/// Takes what a store holds, or a backup of one, whose head comes after its rows.
pub trait Loader {
    fn head(&mut self, head: &CheckpointHead) -> Result<(), StoreError>;
    fn row(&mut self, row: Row) -> Result<(), StoreError>;
    fn commit(&mut self, commit: Commit) -> Result<(), StoreError>;
}

/// Takes the rows of a checkpoint, in the order of `Row`'s variants.
pub trait CheckpointWriter: Send {
    fn row(&mut self, row: Row) -> Result<(), StoreError>;

    /// Ends the checkpoint: on disk, and read again, when it returns.
    fn finish(self: Box<Self>) -> Result<FinishedCheckpoint, StoreError>;
}

/// A checkpoint that is on disk and whole, not yet in use. Only the store that began it can take it.
pub struct FinishedCheckpoint {
    sequence: Sequence,
    written: Box<dyn Any + Send>,
}

impl FinishedCheckpoint {
    fn new(sequence: Sequence, written: impl Any + Send) -> FinishedCheckpoint {
        FinishedCheckpoint { sequence, written: Box::new(written) }
    }

    /// The last commit it covers.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    fn take<T: Any>(self) -> Result<(Sequence, T), StoreError> {
        let written = self.written.downcast::<T>();
        let written =
            written.map_err(|_| StoreError::Io("a checkpoint of another store was to be installed".to_owned()))?;
        Ok((self.sequence, *written))
    }
}
