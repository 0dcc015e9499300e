//! A store in a folder: `LOCK`, under which the log and the checkpoints there are used.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use super::checkpoints::{SledCheckpoints, StoreFile, generation_folder, other_generations};
use super::log::{self, FileLog, LogFiles, TailFile};
use super::private::{self, sync_folder};
use super::{Store, StoreError, StoreId};

impl Store {
    /// Opens the store in a folder, or creates one with the id given by `new_id`.
    pub fn open(folder: &Path, new_id: impl FnOnce() -> StoreId) -> Result<Store, StoreError> {
        create_folder(folder)?;
        let lock = Arc::new(lock(folder)?);
        tighten(folder);
        let file = match StoreFile::read(folder)? {
            Some(file) => file,
            None => create(folder, new_id())?,
        };
        let log = FileLog::open(folder, file.id, lock.clone())?;
        Ok(Store::new(file.id, log, SledCheckpoints::open(folder, file, lock)?))
    }

    /// Opens a store to be read, and changes nothing of it. sled writes to what it opens: with `scratch` it gets a copy there, so that
    /// the store may be where nothing can be written.
    pub fn inspect(folder: &Path, scratch: Option<&Path>) -> Result<Store, StoreError> {
        let lock = match lock(folder) {
            Err(StoreError::ReadOnly) if scratch.is_some() => None,
            locked => Some(locked?),
        };
        let file =
            StoreFile::read(folder)?.ok_or_else(|| StoreError::Damaged { what: "STORE is missing".to_owned() })?;
        let log = FileLog::inspect(folder, file.id)?;
        Ok(Store::new(file.id, log, SledCheckpoints::inspect(folder, file, scratch, lock)?))
    }

    /// Whether a folder holds a store, whole or not.
    pub fn is_in(folder: &Path) -> bool {
        StoreFile::is_in(folder)
    }
}

pub fn create_folder(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    private::create_folder(folder)?;
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => Ok(sync_folder(parent)?),
        _ => Ok(()),
    }
}

/// Locks a store's folder until the file is closed: a second opener hears that it is in use.
pub fn lock(folder: &Path) -> Result<File, StoreError> {
    let lock = private::create_file(&folder.join("LOCK"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Takes others' rights from the store's own files. The folder may be a volume's root, which belongs to somebody else.
fn tighten(folder: &Path) {
    let own = ["STORE", "TAIL", "LOCK", log::FOLDER].map(|name| folder.join(name));
    let generations = other_generations(folder, Path::new("")).unwrap_or_default();
    let mut there = own.into_iter().chain(generations).filter(|path| path.exists());
    let tightened = there.try_for_each(|path| private::tighten(&path));
    if let Err(error) = tightened.and_then(|()| private::tighten_folder(folder)) {
        tracing::warn!(folder = %folder.display(), "others than its owner may have rights in the store's folder: {error}");
    }
}

/// The first generation, empty, and an empty log; then the file that says so.
fn create(folder: &Path, id: StoreId) -> Result<StoreFile, StoreError> {
    let file = StoreFile { id, generation: 1 };
    if !other_generations(folder, &generation_folder(folder, file.generation))?.is_empty()
        || TailFile::inspect(folder).is_ok_and(|tail| tail.acknowledged > 0)
        || LogFiles::hold_commits(folder)?
    {
        return Err(StoreError::Damaged { what: "STORE is missing, and there is a store beside it".to_owned() });
    }
    // Without `STORE` it is what a crash left of an earlier creation: nothing was ever acknowledged in it.
    SledCheckpoints::create(folder, file.generation)?;
    FileLog::create(folder, file.id, 1)?;
    file.write(folder)?;
    Ok(file)
}
