//! One generation: a sled database with a checkpoint, and the syncs that sled leaves out. It is open only while a checkpoint is
//! written or read.
//!
//! sled 0.34's `flush` issues `sync_file_range` on Linux, which is no fsync (upstream issues 1351 and 1452): after it the file
//! is synced through a handle of our own. Its asynchronous flush can hang (upstream issue 1308) and is not used. Damage makes
//! it panic more often than err: whatever reads is run under `catch_unwind`, and a panic becomes a refusal.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::store::StoreError;
use crate::store::private::{self, sync_folder};

/// sled's own page cache: a checkpoint is written once and read from its begin to its end.
const CACHE_BYTES: u64 = 16 * 1_024 * 1_024;
/// Without it sled hardly gives space back.
const FLUSH_EVERY_MS: u64 = 50;
/// sled holds its file's lock until its last background task has ended, some time after the database was closed.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(10);
const LOCK_WAIT_STEP: Duration = Duration::from_millis(5);
/// Databases that failed and are on their way to be closed.
static CLOSING: AtomicUsize = AtomicUsize::new(0);
const CLOSING_MAX: usize = 8;
/// How long a further one waits for one of them to end.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(1);

pub struct SledDatabase {
    folder: PathBuf,
    /// None once it is closed, or has failed.
    open: Option<Open>,
    file: File,
    /// Files of oversized values that are on disk already.
    blobs_synced: HashSet<OsString>,
}

/// What holds sled's files; dropped, it is closed.
struct Open {
    database: sled::Db,
    checkpoint: sled::Tree,
}

impl SledDatabase {
    /// Opens a database, or creates an empty one.
    pub fn open(folder: &Path) -> Result<SledDatabase, StoreError> {
        private::create_folder(folder)?;
        remove_unfinished_snapshots(folder)?;
        let database = open_when_unlocked(folder)?;
        let checkpoint = match guarded(|| database.open_tree("checkpoint")) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                let_go(database);
                return Err(error);
            }
        };
        let open = Some(Open { database, checkpoint });
        let file = private::tighten(folder).and_then(|()| File::open(folder.join("db")));
        let database = |file| SledDatabase { folder: folder.to_owned(), open, file, blobs_synced: HashSet::new() };
        file.map(database).map_err(StoreError::from)
    }

    /// Puts everything written so far on disk.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.run(|open| open.database.flush().map(|_| ()))?;
        let synced = self.file.sync_data().map_err(StoreError::from).and_then(|()| self.sync_blobs());
        self.or_let_go(synced)
    }

    /// sled keeps values above half a megabyte in files of their own.
    fn sync_blobs(&mut self) -> Result<(), StoreError> {
        let folder = self.folder.join("blobs");
        let mut new = false;
        for entry in fs::read_dir(&folder)? {
            let name = entry?.file_name();
            if self.blobs_synced.contains(&name) {
                continue;
            }
            match File::open(folder.join(&name)) {
                Ok(file) => file.sync_all()?,
                // sled has removed it meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            }
            self.blobs_synced.insert(name);
            new = true;
        }
        if new {
            sync_folder(&folder)?;
        }
        Ok(())
    }

    /// Puts a new database on disk with all its names.
    pub fn sync_creation(&mut self) -> Result<(), StoreError> {
        self.sync()?;
        let synced = self.sync_names();
        self.or_let_go(synced)
    }

    fn sync_names(&self) -> Result<(), StoreError> {
        for name in ["db", "conf"] {
            File::open(self.folder.join(name))?.sync_all()?;
        }
        private::tighten(&self.folder)?;
        sync_folder(&self.folder.join("blobs"))?;
        Ok(sync_folder(&self.folder)?)
    }

    /// Writes all or none; not yet on disk.
    pub fn apply(&mut self, entries: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        entries.for_each(|(key, value)| batch.insert(key, value));
        self.run(|open| open.checkpoint.apply_batch(batch))
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        guarded(|| self.opened()?.checkpoint.get(key))
    }

    fn opened(&self) -> sled::Result<&Open> {
        self.open.as_ref().ok_or_else(|| sled::Error::Unsupported("it has failed before".to_owned()))
    }

    /// Runs what writes sled.
    fn run<T>(&mut self, action: impl FnOnce(&Open) -> sled::Result<T>) -> Result<T, StoreError> {
        let done = guarded(|| action(self.opened()?));
        self.or_let_go(done)
    }

    /// Where something fails, the database is not used again, and nobody waits until it is closed.
    fn or_let_go<T>(&mut self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if done.is_err()
            && let Some(failed) = self.open.take()
        {
            let_go(failed);
        }
        done
    }

    /// Closes it, and waits until sled has let go of its file: nothing is done to it any more then.
    pub fn close(self) {
        let (lock, end) = (self.file.try_clone(), Instant::now() + LOCK_WAIT_MAX);
        drop(self);
        while let Ok(file) = &lock
            && matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
            && Instant::now() < end
        {
            std::thread::sleep(LOCK_WAIT_STEP);
        }
    }
}

impl Drop for SledDatabase {
    /// sled panics where it cannot sync: that must not end the thread that closes it.
    fn drop(&mut self) {
        let open = self.open.take();
        let close = || {
            drop(open);
            Ok(())
        };
        if let Err(error) = guarded(close) {
            tracing::warn!(%error, "a database could not be closed well");
        }
    }
}

/// Closes a database that has failed, with its files, memory and thread, on a thread of its own: sled syncs its file when it is closed,
/// and panics if that fails, or waits for ever. What cannot be closed is forgotten, and so are those beside too many that wait.
fn let_go<T: Send + 'static>(failed: T) {
    let failed = ManuallyDrop::new(failed);
    let end = Instant::now() + CLOSE_WAIT_MAX;
    while CLOSING.load(Ordering::Relaxed) >= CLOSING_MAX {
        if Instant::now() >= end {
            tracing::warn!("a database that failed could not be closed; it keeps its files until the process ends");
            return;
        }
        std::thread::sleep(LOCK_WAIT_STEP);
    }
    CLOSING.fetch_add(1, Ordering::Relaxed);
    let close = move || {
        // Whatever comes of it, nobody can do anything about it.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(ManuallyDrop::into_inner(failed))));
        CLOSING.fetch_sub(1, Ordering::Relaxed);
    };
    if std::thread::Builder::new().name("kith-close".to_owned()).spawn(close).is_err() {
        CLOSING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// sled writes a snapshot when it is opened. One that a crash cut short it takes for its newest and refuses the database, which has
/// everything in its other files.
fn remove_unfinished_snapshots(folder: &Path) -> Result<(), StoreError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "generating") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Opens sled's database once its lock is free. The store's own lock keeps other processes out, so what holds sled's is what
/// this process has closed a moment ago.
fn open_when_unlocked(folder: &Path) -> Result<sled::Db, StoreError> {
    let end = Instant::now() + LOCK_WAIT_MAX;
    loop {
        let config = sled::Config::new().path(folder).cache_capacity(CACHE_BYTES);
        match guarded(|| config.flush_every_ms(Some(FLUSH_EVERY_MS)).open()) {
            Err(StoreError::Io(error)) if error.contains("could not acquire lock") && Instant::now() < end => {
                std::thread::sleep(LOCK_WAIT_STEP);
            }
            opened => return opened,
        }
    }
}

/// Runs what reads or writes sled; its errors and its panics become a refusal.
fn guarded<T>(action: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(action)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(sled::Error::Io(error))) => Err(error.into()),
        Ok(Err(error @ sled::Error::Corruption { .. })) => Err(StoreError::Damaged { what: format!("sled: {error}") }),
        Ok(Err(error)) => Err(StoreError::Io(format!("sled: {error}"))),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(StoreError::Damaged { what: format!("sled gave up: {text}") })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_crash_left_of_a_snapshot_is_no_damage() {
        let folder = tempfile::tempdir().unwrap();
        let mut database = SledDatabase::open(folder.path()).unwrap();
        database.apply([(b"key".to_vec(), b"value".to_vec())].into_iter()).unwrap();
        database.sync_creation().unwrap();
        drop(database);
        let left_over = folder.path().join("snap.00000000000FFFFF.generating");
        for bytes in [0, 5, 90] {
            fs::write(&left_over, vec![7; bytes]).unwrap();
            let database = SledDatabase::open(folder.path()).unwrap();
            assert_eq!(database.get(b"key").unwrap().unwrap(), b"value");
            assert!(!left_over.exists());
        }
    }

    /// Files under a folder that the process has open.
    fn open_under(folder: &Path) -> usize {
        let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
        open.filter(|entry| fs::read_link(entry.path()).is_ok_and(|file| file.starts_with(folder))).count()
    }

    #[test]
    fn a_thousand_failures_leave_no_file_open() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let mut most = 0;
        for round in 0..1_000 {
            let database = folder.join(format!("{round}"));
            let mut failing = SledDatabase::open(&database).unwrap();
            failing.apply([(b"key".to_vec(), vec![7; 1_000])].into_iter()).unwrap();
            fs::remove_dir_all(database.join("blobs")).unwrap();
            assert!(failing.sync_creation().is_err());
            drop(failing);
            fs::remove_dir_all(&database).unwrap();
            most = most.max(open_under(&folder));
        }
        let per_database = 4;
        assert!(most <= per_database * (CLOSING_MAX + 1), "{most} files were open");
        let end = Instant::now() + LOCK_WAIT_MAX;
        while open_under(&folder) > 0 {
            assert!(Instant::now() < end, "{} files stay open", open_under(&folder));
            std::thread::sleep(LOCK_WAIT_STEP);
        }
    }
}
