//! The durable store: a folder with a log, and one sled database a generation with a checkpoint.
//!
//! A checkpoint is written into the next generation beside the current one, and `STORE` names the one in use. What a crash
//! left behind (a generation that `STORE` does not name) is removed at the next start.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::layout::{CheckpointPacker, Discard, HEAD_KEY, read_checkpoint};
use super::log::{Log, LogFiles};
use super::sled_database::SledDatabase;
use super::store_file::{STORE_FORMAT, StoreFile, put_in_place, sync_folder};
use super::tail_file::TailFile;
use super::{
    CheckpointHead, CheckpointWriter, Commit, FinishedCheckpoint, Loader, LogKeep, LogSource, Row, Store, StoreError,
    StoreId,
};
use crate::domain::Sequence;

/// Chunks of a checkpoint that go to sled together.
pub(super) const CHUNKS_PER_BATCH: usize = 64;
/// The log's folder.
pub(super) const LOG: &str = "log";

pub struct SledStore {
    folder: PathBuf,
    /// Held as long as the store is open: a second opener is told so.
    _lock: File,
    file: StoreFile,
    tail: TailFile,
    log_files: Arc<LogFiles>,
    /// None until it is loaded.
    log: Option<Log>,
    /// The last commit the checkpoint covers.
    checkpoint: Sequence,
    /// The number last given to a generation, in use or not.
    last_generation: u64,
}

impl SledStore {
    /// Opens the store in a folder, or creates one with the id given by `new_id`.
    pub fn open(folder: &Path, new_id: impl FnOnce() -> StoreId) -> Result<SledStore, StoreError> {
        create_folder(folder)?;
        let lock = lock(folder)?;
        let file = match StoreFile::read(folder)? {
            Some(file) if file.format == STORE_FORMAT => file,
            Some(older) => upgrade(folder, older)?,
            None => create(folder, StoreFile { id: new_id(), generation: 1, format: STORE_FORMAT })?,
        };
        let generation = generation_folder(folder, file.generation);
        if !generation.is_dir() {
            return Err(StoreError::Damaged { what: format!("{} is missing", generation.display()) });
        }
        let tail = TailFile::open(folder)?;
        let log_files = Arc::new(LogFiles::list(&folder.join(LOG), file.id)?);
        other_generations(folder, &generation)?.iter().try_for_each(|left_over| remove_folder(left_over))?;
        Ok(SledStore {
            folder: folder.to_owned(),
            _lock: lock,
            file,
            tail,
            log_files,
            log: None,
            checkpoint: 0,
            last_generation: file.generation,
        })
    }

    /// Whether a folder holds a store, whole or not.
    pub fn is_there(folder: &Path) -> bool {
        StoreFile::is_in(folder)
    }

    fn loaded_log(&mut self) -> Result<&mut Log, StoreError> {
        self.log.as_mut().ok_or_else(|| StoreError::Io("the store is to be loaded before it is written to".to_owned()))
    }
}

pub(super) fn create_folder(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => Ok(()),
    }
}

pub(super) fn lock(folder: &Path) -> Result<File, StoreError> {
    let lock = File::create(folder.join("LOCK"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Says that the store is of this version's format from here on: an older version is to refuse it, not to stumble over it.
fn upgrade(folder: &Path, older: StoreFile) -> Result<StoreFile, StoreError> {
    older.write_beside(folder)?;
    put_in_place(folder)?;
    Ok(StoreFile { format: STORE_FORMAT, ..older })
}

/// The first generation, empty, and an empty log; then the file that says so.
fn create(folder: &Path, file: StoreFile) -> Result<StoreFile, StoreError> {
    let generation = generation_folder(folder, file.generation);
    if !other_generations(folder, &generation)?.is_empty()
        || TailFile::open(folder).is_ok_and(|tail| tail.acknowledged > 0)
    {
        return Err(StoreError::Damaged { what: "STORE is missing, and there is a store beside it".to_owned() });
    }
    // Without `STORE` it is what a crash left of an earlier creation: nothing was ever acknowledged in it.
    remove_folder(&generation)?;
    SledDatabase::open(&generation)?.sync_creation()?;
    Log::create(&folder.join(LOG), file.id, 1)?;
    TailFile::create(folder, 0)?;
    file.write_beside(folder)?;
    put_in_place(folder)?;
    Ok(file)
}

pub(super) fn generation_folder(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("generation-{generation:020}"))
}

fn remove_folder(folder: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn other_generations(folder: &Path, current: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut others = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path != current && name.starts_with("generation-") {
            others.push(path);
        }
    }
    Ok(others)
}

fn bytes_under(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { bytes_under(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

impl Store for SledStore {
    fn id(&self) -> StoreId {
        self.file.id
    }

    fn load(&mut self, loader: &mut dyn Loader) -> Result<(), StoreError> {
        let database = SledDatabase::open(&generation_folder(&self.folder, self.file.generation))?;
        self.checkpoint = read_checkpoint(&|key| database.get(key), loader)?;
        // Every generation but the first was begun by a checkpoint.
        if self.checkpoint == 0 && self.file.generation > 1 {
            return Err(StoreError::Damaged { what: "checkpoint: its head is missing".to_owned() });
        }
        drop(database);
        let take = |commit| loader.commit(commit);
        self.log = Some(Log::load(self.log_files.clone(), self.checkpoint, self.tail.acknowledged, take)?);
        Ok(())
    }

    fn append(&mut self, commits: &[Commit]) -> Result<(), StoreError> {
        self.loaded_log()?.append(commits)?;
        if let Some(last) = commits.last() {
            self.tail.acknowledge(last.sequence);
        }
        Ok(())
    }

    fn begin_checkpoint(&mut self, head: &CheckpointHead) -> Result<Box<dyn CheckpointWriter>, StoreError> {
        let log_bytes = self.loaded_log()?.cut()?;
        // Of the number of one that failed nothing is used again: `STORE` may name it all the same.
        self.last_generation += 1;
        let generation = self.last_generation;
        let folder = generation_folder(&self.folder, generation);
        remove_folder(&folder)?;
        let database = SledDatabase::open(&folder)?;
        let packer = CheckpointPacker::new(head);
        let written = WrittenGeneration { generation, log_bytes };
        Ok(Box::new(SledCheckpoint { sequence: head.sequence, written, database, packer, waiting: Vec::new() }))
    }

    fn install(&mut self, finished: FinishedCheckpoint) -> Result<(), StoreError> {
        let (sequence, WrittenGeneration { generation, log_bytes }) = finished.take::<WrittenGeneration>()?;
        let file = StoreFile { generation, ..self.file };
        file.write_beside(&self.folder)?;
        // If this fails it is unknown which generation the next start reads. It finds either, and the log after either.
        put_in_place(&self.folder)?;
        self.file = file;
        self.checkpoint = sequence;
        self.loaded_log()?.checkpointed(log_bytes);
        let current = generation_folder(&self.folder, generation);
        other_generations(&self.folder, &current)?.iter().try_for_each(|before| remove_folder(before))?;
        sync_folder(&self.folder)
    }

    fn trim_log(&mut self, keep: &LogKeep) -> Result<(), StoreError> {
        let checkpoint = self.checkpoint;
        self.loaded_log()?.trim(checkpoint, keep)
    }

    fn log(&self) -> Arc<dyn LogSource> {
        Arc::new(self.log_files.clone())
    }

    fn log_bytes(&self) -> u64 {
        self.log.as_ref().map_or(0, Log::pending_bytes)
    }

    fn disk_bytes(&self) -> u64 {
        // A file that is removed meanwhile is no reason to fail: the figure is for people.
        bytes_under(&self.folder).unwrap_or(0)
    }
}

/// A generation on disk, not yet in use.
struct WrittenGeneration {
    generation: u64,
    /// Of the log that its checkpoint covers and the one before did not.
    log_bytes: u64,
}

/// A checkpoint on its way into the next generation.
struct SledCheckpoint {
    sequence: Sequence,
    written: WrittenGeneration,
    database: SledDatabase,
    packer: CheckpointPacker,
    waiting: Vec<(Vec<u8>, Vec<u8>)>,
}

impl SledCheckpoint {
    fn write_waiting(&mut self) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.database.apply(waiting.into_iter())
    }
}

impl CheckpointWriter for SledCheckpoint {
    fn row(&mut self, row: Row) -> Result<(), StoreError> {
        self.waiting.extend(self.packer.push(&row).map(|(key, value)| (key.to_vec(), value)));
        if self.waiting.len() < CHUNKS_PER_BATCH {
            return Ok(());
        }
        self.write_waiting()
    }

    fn finish(mut self: Box<Self>) -> Result<FinishedCheckpoint, StoreError> {
        let (last, head) = self.packer.finish();
        self.waiting.extend(last.map(|(key, value)| (key.to_vec(), value)));
        self.waiting.push((HEAD_KEY.to_vec(), head));
        self.write_waiting()?;
        self.database.sync_creation()?;
        read_checkpoint(&|key| self.database.get(key), &mut Discard)?;
        Ok(FinishedCheckpoint::new(self.sequence, self.written))
    }
}
