//! The durable store: a folder with one sled database a generation.
//!
//! A checkpoint is written into the next generation beside the current one, and `STORE` names the one in use. What a crash
//! left behind (a generation that `STORE` does not name) is removed at the next start.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::layout::{self, CheckpointPacker, Discard, HEAD_KEY, LogReader, log_entry, read_checkpoint};
use super::sled_database::SledDatabase;
use super::store_file::{StoreFile, put_in_place, sync_folder};
use super::tail_file::TailFile;
use super::{CheckpointHead, CheckpointWriter, Commit, FinishedCheckpoint, Loader, Row, Store, StoreError, StoreId};

/// Chunks of a checkpoint that go to sled together.
const CHUNKS_PER_BATCH: usize = 64;
/// Entries of the log that are copied together.
const ENTRIES_PER_BATCH: usize = 1_024;

pub struct SledStore {
    folder: PathBuf,
    /// Held as long as the store is open: a second opener is told so.
    _lock: File,
    file: StoreFile,
    tail: TailFile,
    database: SledDatabase,
    log_bytes: u64,
    /// After a swap that failed it is unknown which generation the next start reads: both stay as they are.
    swap_failed: Option<StoreError>,
}

impl SledStore {
    /// Opens the store in a folder, or creates one with the id given by `new_id`.
    pub fn open(folder: &Path, new_id: impl FnOnce() -> StoreId) -> Result<SledStore, StoreError> {
        create_folder(folder)?;
        let lock = lock(folder)?;
        let (file, database) = match StoreFile::read(folder)? {
            Some(file) => (file, open_generation(&generation_folder(folder, file.generation))?),
            None => {
                let file = StoreFile { id: new_id(), generation: 1 };
                (file, create(folder, file)?)
            }
        };
        let tail = TailFile::open(folder)?;
        let generation = generation_folder(folder, file.generation);
        other_generations(folder, &generation)?.iter().try_for_each(|left_over| remove_folder(left_over))?;
        Ok(SledStore { folder: folder.to_owned(), _lock: lock, file, tail, database, log_bytes: 0, swap_failed: None })
    }
}

fn create_folder(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => Ok(()),
    }
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let lock = File::create(folder.join("LOCK"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn open_generation(generation: &Path) -> Result<SledDatabase, StoreError> {
    if !generation.is_dir() {
        return Err(StoreError::Damaged { what: format!("{} is missing", generation.display()) });
    }
    SledDatabase::open(generation)
}

/// The first generation, empty; then the file that says so. The database stays open: sled gives its lock back only some
/// time after it is closed.
fn create(folder: &Path, file: StoreFile) -> Result<SledDatabase, StoreError> {
    let generation = generation_folder(folder, file.generation);
    if !other_generations(folder, &generation)?.is_empty()
        || TailFile::open(folder).is_ok_and(|tail| tail.acknowledged > 0)
    {
        return Err(StoreError::Damaged { what: "STORE is missing, and there is a store beside it".to_owned() });
    }
    // Without `STORE` it is what a crash left of an earlier creation: nothing was ever acknowledged in it.
    remove_folder(&generation)?;
    let mut database = SledDatabase::open(&generation)?;
    database.sync_creation()?;
    TailFile::create(folder)?;
    file.write_beside(folder)?;
    put_in_place(folder)?;
    Ok(database)
}

fn generation_folder(folder: &Path, generation: u64) -> PathBuf {
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
        let database = &self.database;
        let after = read_checkpoint(&mut |key| database.get(&database.checkpoint, key), loader)?;
        // Every generation but the first was begun by a checkpoint.
        if after == 0 && self.file.generation > 1 {
            return Err(StoreError::Damaged { what: "checkpoint: its head is missing".to_owned() });
        }
        let mut reader = LogReader::new(after);
        database.each_log_entry(&[], |key, value| loader.commit(reader.read(key, value)?))?;
        let (last, acknowledged) = (reader.last, self.tail.acknowledged);
        if last < acknowledged {
            let what = format!("log: it ends at sequence {last}, and {acknowledged} was acknowledged");
            return Err(StoreError::Damaged { what });
        }
        self.log_bytes = reader.bytes;
        Ok(())
    }

    fn append(&mut self, commits: &[Commit]) -> Result<(), StoreError> {
        self.check_swap()?;
        let mut bytes = 0;
        let entries = commits.iter().map(|commit| {
            let (key, value) = log_entry(commit);
            bytes += value.len() as u64;
            (key.to_vec(), value)
        });
        self.database.apply(&self.database.log, entries)?;
        self.database.sync()?;
        if let Some(last) = commits.last() {
            self.tail.acknowledge(last.sequence)?;
        }
        self.log_bytes += bytes;
        Ok(())
    }

    fn begin_checkpoint(&self, head: &CheckpointHead) -> Result<Box<dyn CheckpointWriter>, StoreError> {
        self.check_swap()?;
        let generation = self.file.generation + 1;
        let folder = generation_folder(&self.folder, generation);
        remove_folder(&folder)?;
        let database = SledDatabase::open(&folder)?;
        let packer = CheckpointPacker::new(head);
        Ok(Box::new(SledCheckpoint { sequence: head.sequence, generation, database, packer, waiting: Vec::new() }))
    }

    fn install(&mut self, finished: FinishedCheckpoint) -> Result<(), StoreError> {
        let (sequence, (generation, mut next)) = finished.take::<(u64, SledDatabase)>()?;
        let log_bytes = self.copy_log_after(sequence, &next)?;
        next.sync_creation()?;
        let file = StoreFile { generation, ..self.file };
        file.write_beside(&self.folder)?;
        put_in_place(&self.folder).inspect_err(|error| self.swap_failed = Some(error.clone()))?;
        let before = generation_folder(&self.folder, self.file.generation);
        self.file = file;
        self.log_bytes = log_bytes;
        // sled's threads end with the old database, before its folder goes.
        drop(std::mem::replace(&mut self.database, next));
        remove_folder(&before)
    }

    fn log_bytes(&self) -> u64 {
        self.log_bytes
    }

    fn disk_bytes(&self) -> u64 {
        // A file that sled removes meanwhile is no reason to fail: the figure is for people.
        bytes_under(&self.folder).unwrap_or(0)
    }
}

impl SledStore {
    fn check_swap(&self) -> Result<(), StoreError> {
        self.swap_failed.clone().map_or(Ok(()), Err)
    }

    fn copy_log_after(&self, sequence: u64, next: &SledDatabase) -> Result<u64, StoreError> {
        let mut reader = LogReader::new(sequence);
        let mut waiting = Vec::new();
        self.database.each_log_entry(&layout::log_key(sequence + 1), |key, value| {
            reader.read(key, value)?;
            waiting.push((key.to_vec(), value.to_vec()));
            if waiting.len() < ENTRIES_PER_BATCH {
                return Ok(());
            }
            next.apply(&next.log, waiting.drain(..))
        })?;
        next.apply(&next.log, waiting.drain(..))?;
        Ok(reader.bytes)
    }
}

/// A checkpoint on its way into the next generation.
struct SledCheckpoint {
    sequence: u64,
    generation: u64,
    database: SledDatabase,
    packer: CheckpointPacker,
    waiting: Vec<(Vec<u8>, Vec<u8>)>,
}

impl CheckpointWriter for SledCheckpoint {
    fn row(&mut self, row: Row) -> Result<(), StoreError> {
        self.waiting.extend(self.packer.push(&row).map(|(key, value)| (key.to_vec(), value)));
        if self.waiting.len() < CHUNKS_PER_BATCH {
            return Ok(());
        }
        self.database.apply(&self.database.checkpoint, self.waiting.drain(..))
    }

    fn finish(self: Box<Self>) -> Result<FinishedCheckpoint, StoreError> {
        let SledCheckpoint { sequence, generation, mut database, packer, mut waiting } = *self;
        let (last, head) = packer.finish();
        waiting.extend(last.map(|(key, value)| (key.to_vec(), value)));
        waiting.push((HEAD_KEY.to_vec(), head));
        database.apply(&database.checkpoint, waiting.into_iter())?;
        database.sync_creation()?;
        read_checkpoint(&mut |key| database.get(&database.checkpoint, key), &mut Discard)?;
        Ok(FinishedCheckpoint::new(sequence, (generation, database)))
    }
}
