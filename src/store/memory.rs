//! A store in memory: for tests, and for a service that may forget. The bytes are those the sled store keeps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::layout::{CheckpointPacker, Discard, HEAD_KEY, damaged, read_checkpoint};
use super::{
    CheckpointHead, CheckpointWriter, Commit, FinishedCheckpoint, Loader, LogCursor, LogKeep, LogSource, Row, Scrub,
    Store, StoreError, StoreId, check_order, commit_codec, frame,
};
use crate::domain::{Error, Sequence};

/// Values by key.
pub type Bytes = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Clone, Default)]
pub struct Kept {
    pub log: Bytes,
    pub checkpoint: Bytes,
    /// The last commit the checkpoint covers.
    covered: Sequence,
}

impl Kept {
    fn last(&self) -> Sequence {
        self.log.last_key_value().and_then(sequence_of).unwrap_or(self.covered)
    }
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
        let after = read_checkpoint(&|key| Ok(kept.checkpoint.get(key).cloned()), loader)?;
        let mut reader = LogReader::new(after);
        for (key, value) in kept.log.range(log_key(after + 1).to_vec()..) {
            loader.commit(reader.read(key, value)?)?;
        }
        self.log_bytes = reader.bytes;
        Ok(())
    }

    fn append(&mut self, commits: &[Commit]) -> Result<(), StoreError> {
        check_order(self.kept().last(), commits)?;
        let entries: Vec<_> = commits.iter().map(log_entry).collect();
        self.log_bytes += entries.iter().map(|(_, value)| value.len() as u64).sum::<u64>();
        self.kept().log.extend(entries.into_iter().map(|(key, value)| (key.to_vec(), value)));
        Ok(())
    }

    fn begin_checkpoint(&mut self, head: &CheckpointHead) -> Result<Box<dyn CheckpointWriter>, StoreError> {
        let packer = CheckpointPacker::new(head);
        Ok(Box::new(MemoryCheckpoint { sequence: head.sequence, packer, bytes: Bytes::new() }))
    }

    fn install(&mut self, finished: FinishedCheckpoint) -> Result<(), StoreError> {
        let (sequence, checkpoint) = finished.take::<Bytes>()?;
        let mut kept = self.kept();
        kept.checkpoint = checkpoint;
        kept.covered = sequence;
        let pending = kept.log.range(log_key(sequence + 1).to_vec()..);
        let log_bytes = pending.map(|(_, value)| value.len() as u64).sum();
        drop(kept);
        self.log_bytes = log_bytes;
        Ok(())
    }

    /// Keeps no times, so `age_max` is not looked at.
    fn trim_log(&mut self, keep: &LogKeep) -> Result<(), StoreError> {
        let mut kept = self.kept();
        let mut bytes: u64 = kept.log.values().map(|value| value.len() as u64).sum();
        let (covered, erased) = (log_key(kept.covered).to_vec(), log_key(keep.erased).to_vec());
        while let Some(first) = kept.log.first_entry()
            && *first.key() <= covered
            && (bytes > keep.bytes_max || *first.key() <= erased)
        {
            bytes -= first.remove().len() as u64;
        }
        Ok(())
    }

    fn log(&self) -> Arc<dyn LogSource> {
        Arc::new(MemoryLog(self.kept.clone()))
    }

    fn scrub(&self) -> Arc<dyn Scrub> {
        Arc::new(NoDisk)
    }

    fn log_bytes(&self) -> u64 {
        self.log_bytes
    }

    fn disk_bytes(&self) -> u64 {
        0
    }
}

/// Nothing is on disk.
struct NoDisk;

impl Scrub for NoDisk {
    fn bytes(&self) -> u64 {
        0
    }

    fn checkpoint(&self, _: &mut dyn FnMut(u64) -> Result<(), Error>) -> Result<Option<String>, Error> {
        Ok(None)
    }

    fn log(
        &self,
        _: Sequence,
        _: &mut dyn FnMut(u64) -> Result<(), Error>,
    ) -> Result<Option<(Sequence, String)>, Error> {
        Ok(None)
    }
}

fn sequence_of((key, _): (&Vec<u8>, &Vec<u8>)) -> Option<Sequence> {
    Some(Sequence::from_be_bytes(*key.first_chunk()?))
}

fn log_key(sequence: Sequence) -> [u8; 8] {
    sequence.to_be_bytes()
}

/// A commit's key and value.
fn log_entry(commit: &Commit) -> ([u8; 8], Vec<u8>) {
    let key = log_key(commit.sequence);
    (key, frame::seal(&key, &commit_codec::encode(commit)))
}

/// Reads a log in order. Every sequence after `after` must be there, and nothing else.
struct LogReader {
    last: Sequence,
    bytes: u64,
}

impl LogReader {
    fn new(after: Sequence) -> LogReader {
        LogReader { last: after, bytes: 0 }
    }

    fn read(&mut self, key: &[u8], value: &[u8]) -> Result<Commit, StoreError> {
        let sequence = <[u8; 8]>::try_from(key).map(Sequence::from_be_bytes);
        let sequence =
            sequence.map_err(|_| StoreError::Damaged { what: format!("log: a key {key:02x?} of no sequence") })?;
        if sequence != self.last + 1 {
            let what = format!("log: sequence {} is missing, {sequence} follows {}", self.last + 1, self.last);
            return Err(StoreError::Damaged { what });
        }
        let place = || format!("log, sequence {sequence}");
        let payload = frame::open(key, value, &place)?;
        let commit = commit_codec::decode(sequence, payload).map_err(|malformed| damaged(&place(), malformed))?;
        self.last = sequence;
        self.bytes += value.len() as u64;
        Ok(commit)
    }
}

struct MemoryLog(Arc<Mutex<Kept>>);

impl LogSource for MemoryLog {
    fn earliest(&self) -> Sequence {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.log.first_key_value().and_then(sequence_of).unwrap_or(kept.covered + 1)
    }

    fn cursor(&self, after: Sequence) -> Box<dyn LogCursor> {
        Box::new(MemoryCursor { log: MemoryLog(self.0.clone()), after })
    }
}

struct MemoryCursor {
    log: MemoryLog,
    after: Sequence,
}

impl LogCursor for MemoryCursor {
    fn read(&mut self, through: Sequence) -> Result<Vec<Commit>, StoreError> {
        if self.after >= through {
            return Ok(Vec::new());
        }
        let key = log_key(self.after + 1).to_vec();
        let value = self.log.0.lock().unwrap_or_else(PoisonError::into_inner).log.get(&key).cloned();
        let value = value.ok_or_else(|| StoreError::TooOld { earliest: self.log.earliest() })?;
        let commit = LogReader::new(self.after).read(&key, &value)?;
        self.after += 1;
        Ok(vec![commit])
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
        read_checkpoint(&|key| Ok(self.bytes.get(key)), &mut Discard)?;
        Ok(FinishedCheckpoint::new(self.sequence, self.bytes))
    }
}
