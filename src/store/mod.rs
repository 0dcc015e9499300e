//! What survives: a log of commands, and a checkpoint of the state they made.
//!
//! A store appends commits to its log, each batch on disk before it returns. Now and then a checkpoint is written beside it
//! and swapped in, and the log before it goes. Starting reads the newest checkpoint and the commits after it.
//! `docs/FORMAT.md` gives the bytes.

mod chunks;
mod codec;
mod commit_codec;
mod error;
mod frame;
mod layout;
mod memory;
mod rows;
mod sled_database;
mod sled_store;
mod store_file;
mod tail_file;

use std::any::Any;

pub use error::StoreError;
pub use memory::MemoryStore;
pub use rows::{CheckpointHead, EdgeRow, Row, Stamps};
pub use sled_store::SledStore;

use crate::domain::{Command, Sequence};

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
}

/// Durable commands and checkpoints. Used by one thread at a time.
pub trait Store: Send {
    fn id(&self) -> StoreId;

    /// Gives the loader the head and rows of the newest checkpoint, if there is one, and every commit after it, in order.
    fn load(&mut self, loader: &mut dyn Loader) -> Result<(), StoreError>;

    /// Appends commits, all or none; on disk when it returns.
    fn append(&mut self, commits: &[Commit]) -> Result<(), StoreError>;

    /// Begins a checkpoint. The writer may be used on another thread while the log goes on.
    fn begin_checkpoint(&self, head: &CheckpointHead) -> Result<Box<dyn CheckpointWriter>, StoreError>;

    /// Takes a finished checkpoint in the place of the one before it, with the log after it.
    fn install(&mut self, finished: FinishedCheckpoint) -> Result<(), StoreError>;

    /// Encoded bytes of the commits after the checkpoint.
    fn log_bytes(&self) -> u64;

    /// Bytes of everything on disk; 0 in memory.
    fn disk_bytes(&self) -> u64;
}

/// Takes what a store holds.
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

    fn take<T: Any>(self) -> Result<(Sequence, T), StoreError> {
        let written = self.written.downcast::<T>();
        let written =
            written.map_err(|_| StoreError::Io("a checkpoint of another store was to be installed".to_owned()))?;
        Ok((self.sequence, *written))
    }
}
