//! A store in memory: for tests, and for a service that may forget. The values are those that are kept on disk.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::layout::{CheckpointPacker, Discard, HEAD_KEY, damaged, read_checkpoint};
use super::{
    CheckpointHead, CheckpointLoader, CheckpointScrub, CheckpointWriter, Checkpoints, Commit, FinishedCheckpoint, Log,
    LogCursor, LogKeep, LogSource, NotAppended, Pace, Row, Store, StoreError, StoreId, check_order, commit_codec,
    frame, scrub_log,
};
use crate::domain::{Error, NamespaceName, Sequence};

/// A checkpoint's values by key.
pub type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// What stores in memory share that are one store, opened again and again.
#[derive(Clone)]
pub struct MemoryStore {
    id: StoreId,
    log: MemoryLog,
    checkpoint: MemoryCheckpoints,
}

impl MemoryStore {
    pub fn new(id: StoreId) -> MemoryStore {
        MemoryStore::beginning_after(id, 0)
    }

    /// One whose log begins after a sequence, for a checkpoint that goes so far.
    pub fn beginning_after(id: StoreId, sequence: Sequence) -> MemoryStore {
        let log = MemoryLog::default();
        log.values().before = sequence;
        MemoryStore { id, log, checkpoint: MemoryCheckpoints::default() }
    }

    /// What was opened before must be dropped by then.
    pub fn open(&self) -> Store {
        Store::new(self.id, self.log.clone(), self.checkpoint.clone())
    }

    /// The value of each commit that the log holds, to look at and to damage.
    pub fn commits(&self) -> Vec<Vec<u8>> {
        self.log.values().kept.iter().map(|(value, _)| value.clone()).collect()
    }

    /// Puts a commit's value behind the log's last.
    pub fn push_commit(&self, value: Vec<u8>) {
        self.log.values().push(value);
    }

    /// The checkpoint's values, to look at and to damage.
    pub fn checkpoint(&self) -> MutexGuard<'_, Entries> {
        self.checkpoint.entries()
    }
}

#[derive(Clone, Default)]
struct MemoryLog(Arc<Mutex<Values>>);

/// The values of a log's commits.
#[derive(Default)]
struct Values {
    /// The sequence before that of the first one kept.
    before: Sequence,
    /// Each with how many bytes were appended up to its end.
    kept: VecDeque<(Vec<u8>, u64)>,
    /// How many bytes were appended to what is no longer kept.
    trimmed: u64,
}

impl Values {
    fn tail(&self) -> Sequence {
        self.before + self.kept.len() as u64
    }

    /// How many bytes were appended up to a sequence.
    fn bytes_to(&self, sequence: Sequence) -> u64 {
        let kept = sequence.min(self.tail()).checked_sub(self.before + 1).and_then(|at| self.kept.get(at as usize));
        kept.map_or(self.trimmed, |(_, bytes)| *bytes)
    }

    fn push(&mut self, value: Vec<u8>) {
        let bytes = self.bytes_to(self.tail()) + value.len() as u64;
        self.kept.push_back((value, bytes));
    }
}

impl MemoryLog {
    fn values(&self) -> MutexGuard<'_, Values> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for MemoryLog {
    fn append(&mut self, commits: &[Commit]) -> Result<(), NotAppended> {
        check_order(self.values().tail(), commits)?;
        let values: Vec<_> =
            commits.iter().map(|commit| frame::seal(&key(commit.sequence), &commit_codec::encode(commit))).collect();
        let mut kept = self.values();
        values.into_iter().for_each(|value| kept.push(value));
        Ok(())
    }

    fn tail(&mut self) -> Result<Sequence, StoreError> {
        Ok(self.values().tail())
    }

    /// Keeps no times, so `since` is not looked at.
    fn trim(&mut self, through: Sequence, keep: &LogKeep) -> Result<(), StoreError> {
        let mut values = self.values();
        let all = values.bytes_to(values.tail());
        while values.before < through
            && (all - values.trimmed > keep.bytes_max || values.before < keep.erased)
            && let Some((_, bytes)) = values.kept.pop_front()
        {
            values.before += 1;
            values.trimmed = bytes;
        }
        Ok(())
    }

    fn bytes_after(&self, sequence: Sequence) -> u64 {
        let values = self.values();
        values.bytes_to(values.tail()) - values.bytes_to(sequence)
    }

    fn disk_bytes(&self) -> u64 {
        0
    }

    fn source(&self) -> Arc<dyn LogSource> {
        Arc::new(self.clone())
    }
}

impl LogSource for MemoryLog {
    fn earliest(&self) -> Sequence {
        self.values().before + 1
    }

    fn cursor(&self, after: Sequence) -> Box<dyn LogCursor> {
        Box::new(MemoryCursor { log: self.clone(), after, bytes_read: 0, only: None })
    }

    fn bytes(&self) -> u64 {
        let values = self.values();
        values.bytes_to(values.tail()) - values.trimmed
    }

    fn scrub(&self, through: Sequence, pace: &mut Pace<'_>) -> Result<Option<(Sequence, StoreError)>, Error> {
        scrub_log(self, through, pace)
    }
}

struct MemoryCursor {
    log: MemoryLog,
    after: Sequence,
    bytes_read: u64,
    only: Option<NamespaceName>,
}

impl LogCursor for MemoryCursor {
    fn read(&mut self, through: Sequence) -> Result<Vec<Commit>, StoreError> {
        if self.after >= through {
            return Ok(Vec::new());
        }
        let sequence = self.after + 1;
        let value = {
            let values = self.log.values();
            let kept = self.after.checked_sub(values.before).and_then(|at| values.kept.get(at as usize));
            kept.ok_or(StoreError::TooOld { earliest: values.before + 1 })?.0.clone()
        };
        let position = || format!("log, sequence {sequence}");
        let payload = frame::open(&key(sequence), &value, &position)?;
        let commit = commit_codec::decode(sequence, payload, self.only.as_ref());
        let commit = commit.map_err(|malformed| damaged(&position(), malformed))?;
        self.after = sequence;
        self.bytes_read += value.len() as u64;
        Ok(vec![commit])
    }

    fn only(&mut self, namespace: &NamespaceName) {
        self.only = Some(namespace.clone());
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
}

/// What a commit's value is sealed under.
fn key(sequence: Sequence) -> [u8; 8] {
    sequence.to_be_bytes()
}

#[derive(Clone, Default)]
struct MemoryCheckpoints(Arc<Mutex<Entries>>);

impl MemoryCheckpoints {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Checkpoints for MemoryCheckpoints {
    fn read(&mut self, loader: &mut dyn CheckpointLoader) -> Result<Sequence, StoreError> {
        let entries = self.entries().clone();
        read_checkpoint(&|key| Ok(entries.get(key)), loader)
    }

    fn begin(&mut self, head: &CheckpointHead) -> Result<Box<dyn CheckpointWriter>, StoreError> {
        let packer = CheckpointPacker::new(head);
        Ok(Box::new(MemoryCheckpoint { sequence: head.sequence, packer, entries: Entries::new() }))
    }

    fn install(&mut self, finished: FinishedCheckpoint) -> Result<(), StoreError> {
        *self.entries() = finished.take()?;
        Ok(())
    }

    fn scrub(&self) -> Arc<dyn CheckpointScrub> {
        Arc::new(NoDisk)
    }

    fn disk_bytes(&self) -> u64 {
        0
    }
}

/// Nothing is on disk.
struct NoDisk;

impl CheckpointScrub for NoDisk {
    fn bytes(&self) -> u64 {
        0
    }

    fn check(&self, _: &mut Pace<'_>) -> Result<Option<String>, Error> {
        Ok(None)
    }
}

struct MemoryCheckpoint {
    sequence: Sequence,
    packer: CheckpointPacker,
    entries: Entries,
}

impl CheckpointWriter for MemoryCheckpoint {
    fn row(&mut self, row: Row) -> Result<(), StoreError> {
        self.entries.extend(self.packer.push(&row).map(|(key, value)| (key.to_vec(), value)));
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<FinishedCheckpoint, StoreError> {
        let (last, head) = self.packer.finish();
        self.entries.extend(last.map(|(key, value)| (key.to_vec(), value)));
        self.entries.insert(HEAD_KEY.to_vec(), head);
        read_checkpoint(&|key| Ok(self.entries.get(key)), &mut Discard)?;
        Ok(FinishedCheckpoint::new(self.sequence, self.entries))
    }
}
