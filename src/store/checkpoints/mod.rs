//! Checkpoints in a store's folder: one sled database a generation.
//!
//! A checkpoint is written into the next generation beside the current one, and `STORE` names the one in use. What a crash
//! left behind (a generation that `STORE` does not name) is removed at the next start.

mod reserve;
mod scrub;
mod sled_database;
mod store_file;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

pub use sled_database::SledDatabase;
pub use store_file::StoreFile;

use super::layout::{CheckpointPacker, Discard, HEAD_KEY, read_checkpoint};
use super::private::{self, remove_folder, sync_folder};
use super::{
    CheckpointHead, CheckpointLoader, CheckpointScrub, CheckpointWriter, Checkpoints, FinishedCheckpoint, Row,
    StoreError,
};
use crate::domain::Sequence;
use reserve::Reserve;
use scrub::{GenerationSums, Scrubbed};

/// Chunks of a checkpoint that go to sled together.
pub const CHUNKS_PER_BATCH: usize = 64;
/// A checkpoint is synced each time it has grown so much, so that no single sync takes long: an end waits for one.
const SYNC_EVERY_BYTES: usize = 64 * 1_024 * 1_024;

/// Checkpoints in a store's folder.
pub struct SledCheckpoints {
    folder: PathBuf,
    access: Access,
    file: StoreFile,
    scrubbed: Arc<Scrubbed>,
    /// The number last given to a generation, in use or not.
    last_generation: u64,
    /// What the current generation takes.
    generation_bytes: u64,
}

/// What may be done to the files.
enum Access {
    /// Anything, under the store's lock.
    Full { _lock: Arc<File>, reserve: Reserve },
    /// Nothing. sled, which writes to what it opens, gets a copy in the folder that is given.
    Read { _lock: Option<File>, scratch: Option<PathBuf> },
}

impl SledCheckpoints {
    /// The first generation of a new store: a database without a checkpoint, on disk when it returns.
    pub fn create(folder: &Path, generation: u64) -> Result<(), StoreError> {
        let generation = generation_folder(folder, generation);
        remove_folder(&generation)?;
        SledDatabase::open(&generation)?.sync_creation()
    }

    /// Opens those that `STORE` names, to be replaced too, and removes what a crash left beside them.
    pub fn open(folder: &Path, file: StoreFile, lock: Arc<File>) -> Result<SledCheckpoints, StoreError> {
        let mut reserve = Reserve::of(folder);
        reserve.give_up()?;
        let checkpoints = SledCheckpoints::of(folder, file, Access::Full { _lock: lock, reserve })?;
        let current = generation_folder(folder, file.generation);
        other_generations(folder, &current)?.iter().try_for_each(|left_over| remove_folder(left_over))?;
        Ok(checkpoints)
    }

    /// Opens those that `STORE` names, to be read alone.
    pub fn inspect(
        folder: &Path,
        file: StoreFile,
        scratch: Option<&Path>,
        lock: Option<File>,
    ) -> Result<SledCheckpoints, StoreError> {
        SledCheckpoints::of(folder, file, Access::Read { _lock: lock, scratch: scratch.map(Path::to_owned) })
    }

    fn of(folder: &Path, file: StoreFile, access: Access) -> Result<SledCheckpoints, StoreError> {
        let generation = generation_folder(folder, file.generation);
        if !generation.is_dir() {
            return Err(StoreError::Damaged { what: format!("{} is missing", generation.display()) });
        }
        Ok(SledCheckpoints {
            folder: folder.to_owned(),
            access,
            file,
            scrubbed: Arc::new(Scrubbed::new(folder)),
            last_generation: file.generation,
            generation_bytes: 0,
        })
    }

    /// Notes what the current generation takes: whoever asks need not wait for the disk.
    fn measure(&mut self) {
        // A file that is gone meanwhile is no reason to fail: the number is for people.
        self.generation_bytes = bytes_under(&generation_folder(&self.folder, self.file.generation)).unwrap_or(0);
    }
}

impl Checkpoints for SledCheckpoints {
    fn read(&mut self, loader: &mut dyn CheckpointLoader) -> Result<Sequence, StoreError> {
        let generation = generation_folder(&self.folder, self.file.generation);
        let copied = match &self.access {
            Access::Read { scratch: Some(scratch), .. } => Some(Copied::of(&generation, scratch)?),
            _ => None,
        };
        let database = SledDatabase::open(copied.as_ref().map_or(generation.as_path(), |copied| copied.0.as_path()))?;
        let covered = read_checkpoint(&|key| database.get(key), loader)?;
        // Every generation but the first was begun by a checkpoint.
        if covered == 0 && self.file.generation > 1 {
            return Err(StoreError::Damaged { what: "checkpoint: its head is missing".to_owned() });
        }
        database.close();
        drop(copied);
        self.measure();
        if matches!(self.access, Access::Full { .. }) {
            self.scrubbed.knows(self.file, GenerationSums::take(&generation)?);
            self.keep_reserve();
        }
        Ok(covered)
    }

    fn begin(&mut self, head: &CheckpointHead) -> Result<Box<dyn CheckpointWriter>, StoreError> {
        // The number of a checkpoint that failed is not used again: `STORE` may name it all the same.
        self.last_generation += 1;
        Ok(Box::new(SledCheckpoint {
            sequence: head.sequence,
            folder: generation_folder(&self.folder, self.last_generation),
            generation: self.last_generation,
            database: None,
            packer: CheckpointPacker::new(head),
            waiting: Vec::new(),
            unsynced: 0,
        }))
    }

    fn install(&mut self, finished: FinishedCheckpoint) -> Result<(), StoreError> {
        let (generation, sums) = finished.take::<(u64, GenerationSums)>()?;
        let file = StoreFile { generation, ..self.file };
        // If this fails it is unknown which generation the next start reads. It finds either, and the log after either.
        self.scrubbed.swap(file, sums)?;
        self.file = file;
        self.measure();
        let current = generation_folder(&self.folder, generation);
        other_generations(&self.folder, &current)?.iter().try_for_each(|before| remove_folder(before))?;
        Ok(sync_folder(&self.folder)?)
    }

    fn scrub(&self) -> Arc<dyn CheckpointScrub> {
        self.scrubbed.clone()
    }

    fn keep_reserve(&mut self) {
        if let Access::Full { reserve, .. } = &mut self.access {
            reserve.take(self.generation_bytes);
        }
    }

    fn disk_bytes(&self) -> u64 {
        let reserve = if let Access::Full { reserve, .. } = &self.access { reserve.bytes() } else { 0 };
        StoreFile::BYTES + reserve + self.generation_bytes
    }
}

pub fn generation_folder(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("generation-{generation:020}"))
}

/// The folders of all generations but the current one.
pub fn other_generations(folder: &Path, current: &Path) -> Result<Vec<PathBuf>, StoreError> {
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

/// A checkpoint on its way into the next generation. What is done to the disk is done by the thread that writes the rows.
struct SledCheckpoint {
    sequence: Sequence,
    folder: PathBuf,
    generation: u64,
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
        Ok(FinishedCheckpoint::new(self.sequence, (self.generation, sums)))
    }
}
