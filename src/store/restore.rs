//! A backup made a store again.
//!
//! `STORE` is written last: until then the folder holds no store, and what a crash left in it is no store either, but a
//! refusal. The store gets an id of its own, for it goes another way than the one the backup is of: a revision of
//! that one says nothing here.

use std::fs;
use std::io::Read;
use std::path::Path;

use super::backup::{BackupEntry, BackupReader};
use super::checkpoints::{CHUNKS_PER_BATCH, SledDatabase, StoreFile, generation_folder};
use super::folder::{create_folder, lock};
use super::layout::{Discard, HEAD_KEY, read_checkpoint, read_head};
use super::log::FileLog;
use super::{StoreError, StoreId};

/// The first generation has no checkpoint; a restored store begins with one.
const GENERATION: u64 = 2;
/// What a file system has in its root from the start.
const NO_CONTENT: &str = "lost+found";

/// Makes a store of a backup in a folder that is not there or empty; on disk when it returns. What fails leaves nothing.
pub fn restore(folder: &Path, id: StoreId, backup: &mut BackupReader<impl Read>) -> Result<(), StoreError> {
    let made_folder = !folder.is_dir();
    create_folder(folder)?;
    for entry in fs::read_dir(folder)? {
        if entry?.file_name() != NO_CONTENT {
            return Err(StoreError::NotEmpty);
        }
    }
    let _lock = lock(folder)?;
    let restored = write(folder, id, backup);
    if restored.is_err() {
        remove_content(folder, made_folder);
    }
    restored
}

fn write(folder: &Path, id: StoreId, backup: &mut BackupReader<impl Read>) -> Result<(), StoreError> {
    let mut database = SledDatabase::open(&generation_folder(folder, GENERATION))?;
    let head = loop {
        let mut batch = Vec::with_capacity(CHUNKS_PER_BATCH);
        while batch.len() < CHUNKS_PER_BATCH
            && let Some(BackupEntry { key, value }) = backup.next_entry()?
        {
            batch.push((key, value));
        }
        let head = batch.last().filter(|(key, _)| *key == HEAD_KEY).map(|(_, value)| value.clone());
        if batch.is_empty() {
            return Err(StoreError::Damaged { what: "the backup: its head is missing".to_owned() });
        }
        database.apply(batch.into_iter())?;
        if let Some(head) = head {
            break head;
        }
    };
    // The end is read too: nothing may follow on the head.
    backup.next_entry()?;
    let (head, _) = read_head(&head)?;
    database.sync_creation()?;
    read_checkpoint(&|key| database.get(key), &mut Discard)?;
    database.close();
    FileLog::create(folder, id, head.sequence + 1)?;
    StoreFile { id, generation: GENERATION }.write(folder)
}

/// Removes all that a restore put into a folder that was empty before. What can't be removed is in the way of the next one,
/// which says so.
pub fn remove_content(folder: &Path, folder_too: bool) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok).filter(|entry| entry.file_name() != NO_CONTENT) {
        let path = entry.path();
        let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
    }
    if folder_too {
        let _ = fs::remove_dir(folder);
    }
}
