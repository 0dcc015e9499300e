//! The durable store: a folder with a log, and one sled database a generation with a checkpoint.
//!
//! A checkpoint is written into the next generation beside the current one, and `STORE` names the one in use. What a crash
//! left behind (a generation that `STORE` does not name) is removed at the next start.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::layout::{CheckpointPacker, Discard, HEAD_KEY, read_checkpoint};
use super::log::{Log, LogFiles};
use super::reserve::Reserve;
use super::scrub::{GenerationSums, Scrubbed};
use super::sled_database::SledDatabase;
use super::store_file::{STORE_FORMAT, StoreFile, put_in_place, sync_folder};
use super::tail_file::TailFile;
use super::{
    CheckpointHead, CheckpointWriter, Commit, FinishedCheckpoint, Loader, LogKeep, LogSource, Row, Scrub, Store,
    StoreError, StoreId, private,
};
use crate::domain::Sequence;

/// What may be done to the store's files.
enum Access {
    Full(Reserve),
    /// Nothing. sled, which writes to what it opens, gets a copy in the folder that is given.
    Read {
        scratch: Option<PathBuf>,
    },
}

/// Chunks of a checkpoint that go to sled together.
pub(super) const CHUNKS_PER_BATCH: usize = 64;
/// A checkpoint is synced each time it has grown so much, so that no single sync takes long: an end waits for one.
const SYNC_EVERY_BYTES: usize = 64 * 1_024 * 1_024;
/// The log's folder.
pub(super) const LOG: &str = "log";

pub struct SledStore {
    folder: PathBuf,
    /// Held as long as the store is open: a second opener is told so.
    _lock: Option<File>,
    access: Access,
    file: StoreFile,
    tail: TailFile,
    log_files: Arc<LogFiles>,
    scrubbed: Arc<Scrubbed>,
    /// None until it is loaded.
    log: Option<Log>,
    /// The last commit the checkpoint covers.
    checkpoint: Sequence,
    /// The number last given to a generation, in use or not.
    last_generation: u64,
    /// What the current generation takes.
    generation_bytes: u64,
}

impl SledStore {
    /// Opens the store in a folder, or creates one with the id given by `new_id`.
    pub fn open(folder: &Path, new_id: impl FnOnce() -> StoreId) -> Result<SledStore, StoreError> {
        create_folder(folder)?;
        let lock = lock(folder)?;
        tighten(folder);
        let mut reserve = Reserve::of(folder);
        reserve.give_up()?;
        let file = match StoreFile::read(folder)? {
            Some(file) if file.format == STORE_FORMAT => file,
            Some(older) => upgrade(folder, older)?,
            None => create(folder, StoreFile { id: new_id(), generation: 1, format: STORE_FORMAT })?,
        };
        let generation = generation_folder(folder, file.generation);
        let store = SledStore::of(folder, file, Some(lock), Access::Full(reserve))?;
        other_generations(folder, &generation)?.iter().try_for_each(|left_over| remove_folder(left_over))?;
        Ok(store)
    }

    /// Opens a store to be read, and changes nothing of it. sled writes to what it opens: with `scratch` it gets a copy there, so that
    /// the store may be where nothing can be written.
    pub fn inspect(folder: &Path, scratch: Option<&Path>) -> Result<SledStore, StoreError> {
        let lock = match lock(folder) {
            Err(StoreError::ReadOnly) if scratch.is_some() => None,
            locked => Some(locked?),
        };
        let file =
            StoreFile::read(folder)?.ok_or_else(|| StoreError::Damaged { what: "STORE is missing".to_owned() })?;
        SledStore::of(folder, file, lock, Access::Read { scratch: scratch.map(Path::to_owned) })
    }

    fn of(folder: &Path, file: StoreFile, lock: Option<File>, access: Access) -> Result<SledStore, StoreError> {
        let generation = generation_folder(folder, file.generation);
        if !generation.is_dir() {
            return Err(StoreError::Damaged { what: format!("{} is missing", generation.display()) });
        }
        let tail = match access {
            Access::Full(_) => TailFile::open(folder)?,
            Access::Read { .. } => TailFile::inspect(folder)?,
        };
        let log_files = Arc::new(LogFiles::list(&folder.join(LOG), file.id)?);
        Ok(SledStore {
            folder: folder.to_owned(),
            _lock: lock,
            access,
            file,
            tail,
            scrubbed: Arc::new(Scrubbed::new(folder, log_files.clone())),
            log_files,
            log: None,
            checkpoint: 0,
            last_generation: file.generation,
            generation_bytes: 0,
        })
    }

    /// Whether a folder holds a store, whole or not.
    pub fn is_there(folder: &Path) -> bool {
        StoreFile::is_in(folder)
    }

    /// Notes what the current generation takes: whoever asks need not wait for the disk.
    fn measure(&mut self) {
        // A file that is gone meanwhile is no reason to fail: the figure is for people.
        self.generation_bytes = bytes_under(&generation_folder(&self.folder, self.file.generation)).unwrap_or(0);
    }

    fn loaded_log(&mut self) -> Result<&mut Log, StoreError> {
        self.log.as_mut().ok_or_else(|| StoreError::Io("the store is to be loaded before it is written to".to_owned()))
    }
}

pub(super) fn create_folder(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    private::create_folder(folder)?;
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_folder(parent),
        _ => Ok(()),
    }
}

pub(super) fn lock(folder: &Path) -> Result<File, StoreError> {
    let lock = private::create_file(&folder.join("LOCK"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Takes others' rights from the store's own files. The folder may be a volume's root, which belongs to somebody else.
fn tighten(folder: &Path) {
    let own = ["STORE", "TAIL", "LOCK", LOG].map(|name| folder.join(name));
    let generations = other_generations(folder, Path::new("")).unwrap_or_default();
    let mut there = own.into_iter().chain(generations).filter(|path| path.exists());
    let tightened = there.try_for_each(|path| private::tighten(&path));
    if let Err(error) = tightened.and_then(|()| private::tighten_folder(folder)) {
        tracing::warn!(folder = %folder.display(), "others than its owner may have rights in the store's folder: {error}");
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
        || TailFile::inspect(folder).is_ok_and(|tail| tail.acknowledged > 0)
        || LogFiles::hold_commits(&folder.join(LOG))?
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
        let generation = generation_folder(&self.folder, self.file.generation);
        let copied = match &self.access {
            Access::Read { scratch: Some(scratch) } => Some(Copied::of(&generation, scratch)?),
            _ => None,
        };
        let database = SledDatabase::open(copied.as_ref().map_or(generation.as_path(), |copied| copied.0.as_path()))?;
        self.checkpoint = read_checkpoint(&|key| database.get(key), loader)?;
        // Every generation but the first was begun by a checkpoint.
        if self.checkpoint == 0 && self.file.generation > 1 {
            return Err(StoreError::Damaged { what: "checkpoint: its head is missing".to_owned() });
        }
        database.close();
        drop(copied);
        self.measure();
        let (checkpoint, acknowledged) = (self.checkpoint, self.tail.acknowledged);
        let take = |commit| loader.commit(commit);
        match &self.access {
            Access::Read { .. } => Log::inspect(&self.log_files, checkpoint, acknowledged, take)?,
            Access::Full(_) => {
                self.scrubbed.knows(self.file, GenerationSums::take(&generation)?);
                self.log = Some(Log::load(self.log_files.clone(), checkpoint, acknowledged, take)?);
                self.keep_reserve();
            }
        }
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
        Ok(Box::new(SledCheckpoint {
            sequence: head.sequence,
            folder: generation_folder(&self.folder, generation),
            written: WrittenGeneration { generation, log_bytes },
            database: None,
            packer: CheckpointPacker::new(head),
            waiting: Vec::new(),
            unsynced: 0,
        }))
    }

    fn install(&mut self, finished: FinishedCheckpoint) -> Result<(), StoreError> {
        let (sequence, written) = finished.take::<(WrittenGeneration, GenerationSums)>()?;
        let (WrittenGeneration { generation, log_bytes }, sums) = written;
        let file = StoreFile { generation, ..self.file };
        file.write_beside(&self.folder)?;
        // If this fails it is unknown which generation the next start reads. It finds either, and the log after either.
        put_in_place(&self.folder)?;
        self.file = file;
        self.checkpoint = sequence;
        self.scrubbed.knows(file, sums);
        self.tail.note_again();
        self.loaded_log()?.checkpointed(log_bytes);
        self.measure();
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

    fn scrub(&self) -> Arc<dyn Scrub> {
        self.scrubbed.clone()
    }

    fn keep_reserve(&mut self) {
        if let Access::Full(reserve) = &mut self.access {
            reserve.take(self.generation_bytes);
        }
    }

    fn log_bytes(&self) -> u64 {
        self.log.as_ref().map_or(0, Log::pending_bytes)
    }

    fn disk_bytes(&self) -> u64 {
        let reserve = if let Access::Full(reserve) = &self.access { reserve.bytes() } else { 0 };
        StoreFile::BYTES
            + TailFile::BYTES
            + reserve
            + self.generation_bytes
            + self.log.as_ref().map_or(0, Log::disk_bytes)
    }
}

/// A copy of a generation, removed with the value.
struct Copied(PathBuf);

impl Copied {
    fn of(generation: &Path, scratch: &Path) -> Result<Copied, StoreError> {
        let copied = Copied(scratch.join(format!("kith-scratch-{}", Uuid::new_v4().simple())));
        copy_folder(generation, &copied.0)?;
        Ok(copied)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        if let Err(error) = remove_folder(&self.0) {
            tracing::warn!(%error, "a copy could not be removed");
        }
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), StoreError> {
    private::create_folder(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            std::io::copy(&mut File::open(from)?, &mut private::create_file(&to)?)?;
        }
    }
    Ok(())
}

/// A generation on disk, not yet in use.
struct WrittenGeneration {
    generation: u64,
    /// Of the log that its checkpoint covers and the one before did not.
    log_bytes: u64,
}

/// A checkpoint on its way into the next generation. What is done to the disk is done by the thread that writes the rows.
struct SledCheckpoint {
    sequence: Sequence,
    folder: PathBuf,
    written: WrittenGeneration,
    /// None until the first rows are written.
    database: Option<SledDatabase>,
    packer: CheckpointPacker,
    waiting: Vec<(Vec<u8>, Vec<u8>)>,
    /// Bytes written since the last sync.
    unsynced: usize,
}

impl SledCheckpoint {
    fn database(&mut self) -> Result<&mut SledDatabase, StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => {
                remove_folder(&self.folder)?;
                SledDatabase::open(&self.folder)?
            }
        };
        Ok(self.database.insert(database))
    }

    fn write_waiting(&mut self) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut self.waiting);
        self.unsynced += waiting.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        let all = self.unsynced >= SYNC_EVERY_BYTES;
        let database = self.database()?;
        database.apply(waiting.into_iter())?;
        if all {
            database.sync()?;
            self.unsynced = 0;
        }
        Ok(())
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
        let mut database = self.database.take().ok_or_else(|| StoreError::Io("nothing was written".to_owned()))?;
        database.sync_creation()?;
        read_checkpoint(&|key| database.get(key), &mut Discard)?;
        database.close();
        let sums = GenerationSums::take(&self.folder)?;
        Ok(FinishedCheckpoint::new(self.sequence, (self.written, sums)))
    }
}
