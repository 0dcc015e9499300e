//! A store in memory: for tests, and for a service that may forget. The bytes are those the sled store keeps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::layout::{self, CheckpointPacker, Discard, HEAD_KEY, LogReader, log_entry, read_checkpoint};
use super::{CheckpointHead, CheckpointWriter, Commit, FinishedCheckpoint, Loader, Row, Store, StoreError, StoreId};

/// Values by key.
pub type Bytes = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Clone, Default)]
pub struct Kept {
    pub log: Bytes,
    pub checkpoint: Bytes,
}

/// Clones share what is kept: a clone is the store opened again.
#[derive(Clone)]
pub struct MemoryStore {
    id: StoreId,
    kept: Arc<Mutex<Kept>>,
    log_bytes: u64,
}

impl MemoryStore {
    pub fn new(id: StoreId) -> MemoryStore {
        MemoryStore { id, kept: Arc::default(), log_bytes: 0 }
    }

    /// What is kept, to look at and to damage.
    pub fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn id(&self) -> StoreId {
        self.id
    }

    fn load(&mut self, loader: &mut dyn Loader) -> Result<(), StoreError> {
        let kept = self.kept().clone();
        let after = read_checkpoint(&mut |key| Ok(kept.checkpoint.get(key).cloned()), loader)?;
        let mut reader = LogReader::new(after);
        for (key, value) in &kept.log {
            loader.commit(reader.read(key, value)?)?;
        }
        self.log_bytes = reader.bytes;
        Ok(())
    }

    fn append(&mut self, commits: &[Commit]) -> Result<(), StoreError> {
        let entries: Vec<_> = commits.iter().map(log_entry).collect();
        self.log_bytes += entries.iter().map(|(_, value)| value.len() as u64).sum::<u64>();
        self.kept().log.extend(entries.into_iter().map(|(key, value)| (key.to_vec(), value)));
        Ok(())
    }

    fn begin_checkpoint(&self, head: &CheckpointHead) -> Result<Box<dyn CheckpointWriter>, StoreError> {
        let packer = CheckpointPacker::new(head);
        Ok(Box::new(MemoryCheckpoint { sequence: head.sequence, packer, bytes: Bytes::new() }))
    }

    fn install(&mut self, finished: FinishedCheckpoint) -> Result<(), StoreError> {
        let (sequence, checkpoint) = finished.take::<Bytes>()?;
        let mut kept = self.kept();
        kept.checkpoint = checkpoint;
        kept.log = kept.log.split_off(layout::log_key(sequence + 1).as_slice());
        let log_bytes = kept.log.values().map(|value| value.len() as u64).sum();
        drop(kept);
        self.log_bytes = log_bytes;
        Ok(())
    }

    fn log_bytes(&self) -> u64 {
        self.log_bytes
    }

    fn disk_bytes(&self) -> u64 {
        0
    }
}

struct MemoryCheckpoint {
    sequence: u64,
    packer: CheckpointPacker,
    bytes: Bytes,
}

impl CheckpointWriter for MemoryCheckpoint {
    fn row(&mut self, row: Row) -> Result<(), StoreError> {
        self.bytes.extend(self.packer.push(&row).map(|(key, value)| (key.to_vec(), value)));
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<FinishedCheckpoint, StoreError> {
        let (last, head) = self.packer.finish();
        self.bytes.extend(last.map(|(key, value)| (key.to_vec(), value)));
        self.bytes.insert(HEAD_KEY.to_vec(), head);
        read_checkpoint(&mut |key| Ok(self.bytes.get(key)), &mut Discard)?;
        Ok(FinishedCheckpoint::new(self.sequence, self.bytes))
    }
}
