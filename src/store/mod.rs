//! What survives: a log of commands, and a checkpoint of the state they made.
//!
//! A store appends commits to its log, each batch on disk before it returns. Now and then a checkpoint is written beside it
//! and swapped in, and the log before it goes. Starting reads the newest checkpoint and the commits after it.
//! `docs/FORMAT.md` gives the bytes.

mod backup;
mod checkpoints;
mod chunks;
mod commit_codec;
mod erasure_journal;
mod error;
mod folder;
mod frame;
#[cfg(test)]
mod fuzz;
mod layout;
mod log;
mod memory;
mod private;
mod restore;
mod rows;

use std::any::Any;
use std::sync::Arc;

#[cfg(test)]
pub use {
    chunks::{ChunkPacker, unpack},
    commit_codec::{decode as decode_commit, encode as encode_commit},
};

pub use backup::{BackupPacker, BackupReader, read_backup};
pub use erasure_journal::{ErasureJournal, Happened, Journaled};
pub use error::{NotAppended, StoreError};
pub use layout::Discard;
pub use log::{decode_run, encode_run};
pub use memory::MemoryStore;
pub use restore::{remove_content, restore};
pub use rows::{CheckpointHead, EdgeRow, NamespaceRow, Row, RowCounts};

use crate::domain::{Command, Error, Event, NamespaceName, Sequence, TimeMs};

/// The greatest sequence and generation that are read. No store counts so far; one that were near the greatest number could not count on.
const NUMBER_MAX: u64 = i64::MAX as u64;

/// A store's own id, made at its creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreId(pub u128);

/// A command at its position in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// One more than the commit's before it.
    pub sequence: Sequence,
    /// The namespace whose state it changes.
    pub namespace: NamespaceName,
    pub command: Command,
    /// The outcome for a retry, as the engine encodes it; empty without a request id.
    pub answer: Vec<u8>,
    /// What it left behind, change by change, for those who keep a copy.
    pub events: Vec<Vec<Event>>,
}

/// A durable log of commands. One thread at a time writes to it; others read it by its `LogSource`. It knows of checkpoints no more than
/// a sequence that it may be trimmed to.
pub trait Log: Send {
    /// Appends commits under the sequences they have, which follow on its tail: all of them or none.
    fn append(&mut self, commits: &[Commit]) -> Result<(), NotAppended>;

    /// Reads the sequence of its last commit; of an empty log, the one before that of its first. After an append whose outcome is not
    /// known, this says which it was: what the log holds up to the tail stays, and nothing comes after the tail.
    fn tail(&mut self) -> Result<Sequence, StoreError>;

    /// Makes what is appended from here on removable apart from what was appended before.
    fn cut(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Removes commits up to a sequence, the oldest first, as far as `keep` does not ask for them.
    fn trim(&mut self, through: Sequence, keep: &LogKeep) -> Result<(), StoreError>;

    /// Encoded bytes of the commits after a sequence where it was cut.
    fn bytes_after(&self, sequence: Sequence) -> u64;

    /// Bytes of all its files; 0 in memory.
    fn disk_bytes(&self) -> u64;

    /// The log, to be read by others while it grows.
    fn source(&self) -> Arc<dyn LogSource>;
}

/// The newest durable checkpoint, which the next one replaces. It does not know the log.
pub trait Checkpoints: Send {
    /// Gives the loader the head and rows of the newest checkpoint, and returns the sequence it covers; 0 if there is none.
    fn read(&mut self, loader: &mut dyn CheckpointLoader) -> Result<Sequence, StoreError>;

    /// Begins a checkpoint. Its writer may be used on another thread.
    fn begin(&mut self, head: &CheckpointHead) -> Result<Box<dyn CheckpointWriter>, StoreError>;

    /// Makes a finished checkpoint the newest, and removes the one before it.
    fn install(&mut self, finished: FinishedCheckpoint) -> Result<(), StoreError>;

    /// The checkpoint's files, to be read again by others.
    fn scrub(&self) -> Arc<dyn CheckpointScrub>;

    /// Takes the room on the disk that the next start needs, as far as there is some.
    fn keep_reserve(&mut self) {}

    /// Bytes of all its files; 0 in memory.
    fn disk_bytes(&self) -> u64;
}

/// A log and the checkpoints that let it be trimmed: all that survives of a server.
pub struct Store {
    pub id: StoreId,
    pub log: Box<dyn Log>,
    pub checkpoints: Box<dyn Checkpoints>,
    /// The last commit that the newest checkpoint covers.
    covered: Sequence,
}

impl Store {
    pub fn new(id: StoreId, log: impl Log + 'static, checkpoints: impl Checkpoints + 'static) -> Store {
        Store { id, log: Box::new(log), checkpoints: Box::new(checkpoints), covered: 0 }
    }

    /// Gives the loader the head and rows of the newest checkpoint, if there is one, and every commit after it, in order.
    pub fn load(&mut self, loader: &mut dyn Loader) -> Result<(), StoreError> {
        let covered = self.checkpoints.read(loader)?;
        self.covered = covered;
        let tail = self.log.tail()?;
        if tail < covered {
            let what = format!("log: it ends at sequence {tail}, and the checkpoint covers {covered}");
            return Err(StoreError::Damaged { what });
        }
        let mut cursor = self.log.source().cursor(covered);
        loop {
            let commits = cursor.read(tail).map_err(|error| match error {
                StoreError::TooOld { .. } => {
                    StoreError::Damaged { what: format!("log: sequence {} is missing", covered + 1) }
                }
                other => other,
            })?;
            if commits.is_empty() {
                return Ok(());
            }
            commits.into_iter().try_for_each(|commit| loader.commit(commit))?;
        }
    }

    /// Begins a checkpoint of the state after the last commit; the log goes on meanwhile.
    pub fn begin_checkpoint(&mut self, head: &CheckpointHead) -> Result<Box<dyn CheckpointWriter>, StoreError> {
        self.log.cut()?;
        self.checkpoints.begin(head)
    }

    /// Makes a finished checkpoint the newest.
    pub fn install(&mut self, finished: FinishedCheckpoint) -> Result<(), StoreError> {
        let covered = finished.sequence();
        self.checkpoints.install(finished)?;
        self.covered = covered;
        Ok(())
    }

    /// Removes commits that the checkpoint covers, as far as `keep` does not ask for them.
    pub fn trim_log(&mut self, keep: &LogKeep) -> Result<(), StoreError> {
        self.log.trim(self.covered, keep)
    }

    /// Encoded bytes of the commits after the checkpoint.
    pub fn log_bytes(&self) -> u64 {
        self.log.bytes_after(self.covered)
    }

    /// Bytes of everything on disk; 0 in memory.
    pub fn disk_bytes(&self) -> u64 {
        self.log.disk_bytes() + self.checkpoints.disk_bytes()
    }
}

/// How much of the log stays behind a checkpoint, for those who read changes from it.
#[derive(Debug, Clone, Copy)]
pub struct LogKeep {
    pub bytes_max: u64,
    /// The commands that were accepted from this time on stay, as far as there is room.
    pub since: TimeMs,
    /// Nothing up to this sequence stays: a member was erased there.
    pub erased: Sequence,
}

/// Hears how many bytes were read, may take its time, and ends the reading by an error.
pub type Pace<'a> = dyn FnMut(u64) -> Result<(), Error> + 'a;

/// The files of the newest checkpoint, read again to find what is not what was written.
pub trait CheckpointScrub: Send + Sync {
    /// How much there is to read.
    fn bytes(&self) -> u64;

    /// What is wrong, if something is. The outer error is the pace's own.
    fn check(&self, pace: &mut Pace<'_>) -> Result<Option<String>, Error>;
}

/// A log that others read while it grows.
pub trait LogSource: Send + Sync {
    /// The first sequence that is still there, or that the next commit gets.
    fn earliest(&self) -> Sequence;

    /// Reads on after a sequence.
    fn cursor(&self, after: Sequence) -> Box<dyn LogCursor>;

    /// How many bytes a scrub reads.
    fn bytes(&self) -> u64;

    /// Reads all that is kept of the log up to a sequence, all acknowledged: the commit that cannot be read, and why. The sequence is 0
    /// where every commit can be read, but something beside them is damaged. The outer error is the pace's own.
    fn scrub(&self, through: Sequence, pace: &mut Pace<'_>) -> Result<Option<(Sequence, StoreError)>, Error>;
}

/// Reads all that is kept of a log up to a sequence: the first commit that cannot be read, and why.
fn scrub_log(
    log: &dyn LogSource,
    through: Sequence,
    pace: &mut Pace<'_>,
) -> Result<Option<(Sequence, StoreError)>, Error> {
    let mut next = log.earliest();
    let mut cursor = log.cursor(next - 1);
    loop {
        let before = cursor.bytes_read();
        match cursor.read(through) {
            Ok(commits) => match commits.last() {
                Some(last) => next = last.sequence + 1,
                None => return Ok(None),
            },
            // The log was trimmed meanwhile.
            Err(StoreError::TooOld { earliest }) if earliest > next => {
                (next, cursor) = (earliest, log.cursor(earliest - 1));
                continue;
            }
            Err(error) => return Ok(Some((next, error))),
        }
        pace(cursor.bytes_read() - before)?;
    }
}

/// A position in a log.
pub trait LogCursor: Send {
    /// Some of the next commits, in order; none when those through `through`, all acknowledged, have been read. What is read
    /// together was appended together, so it may go beyond `through`. `TooOld` if the next one is no longer there.
    fn read(&mut self, through: Sequence) -> Result<Vec<Commit>, StoreError>;

    /// Has the commits of all namespaces but one read without their changes, answers and events, which nobody looks at, from now on.
    fn only(&mut self, namespace: &NamespaceName);

    /// Encoded bytes read so far.
    fn bytes_read(&self) -> u64;
}

/// Refuses commits that do not follow each other and the last one.
fn check_order(last: Sequence, commits: &[Commit]) -> Result<(), StoreError> {
    let wrong = commits.iter().zip(last + 1..).find(|(commit, expected)| commit.sequence != *expected);
    wrong.map_or(Ok(()), |(commit, expected)| Err(StoreError::OutOfOrder { sequence: commit.sequence, expected }))
}

/// Takes a checkpoint: the head before its rows. A backup's comes after them.
pub trait CheckpointLoader {
    fn head(&mut self, head: &CheckpointHead) -> Result<(), StoreError>;
    fn row(&mut self, row: Row) -> Result<(), StoreError>;
}

/// Takes all that a store holds: a checkpoint, and the commits after it.
pub trait Loader: CheckpointLoader {
    fn commit(&mut self, commit: Commit) -> Result<(), StoreError>;
}

/// Takes the rows of a checkpoint, in the order of `Row`'s variants.
pub trait CheckpointWriter: Send {
    fn row(&mut self, row: Row) -> Result<(), StoreError>;

    /// Ends the checkpoint: on disk, and read again, when it returns.
    fn finish(self: Box<Self>) -> Result<FinishedCheckpoint, StoreError>;
}

/// A checkpoint that is on disk and whole, not yet in use. Only the checkpoints that began it can install it.
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

    fn take<T: Any>(self) -> Result<T, StoreError> {
        let written = self.written.downcast::<T>();
        let other = |_| StoreError::Io("a checkpoint of another store was to be installed".to_owned());
        written.map(|written| *written).map_err(other)
    }
}
