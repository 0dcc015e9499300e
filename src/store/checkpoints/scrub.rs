//! Whether a checkpoint's files are still what was written: by their checksums, which are taken when it has been written and read back.
//!
//! Rot that nobody looks for is found by the next start, which refuses the store. Found while its server runs, it is written anew.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::store_file::StoreFile;
use crate::domain::Error;
use crate::store::private::drop_cached;
use crate::store::{CheckpointScrub, Pace, StoreError};

/// Bytes that are read between two calls of the pace.
const PIECE_BYTES: usize = 256 * 1_024;

/// The length and the CRC-32 of each file of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationSums {
    folder: PathBuf,
    files: BTreeMap<PathBuf, (u64, u32)>,
}

impl GenerationSums {
    /// Reads the files of a generation that nobody writes to any more.
    pub fn take(folder: &Path) -> Result<GenerationSums, StoreError> {
        let mut files = BTreeMap::new();
        for path in files_under(folder)? {
            let sum = sum(&path, &mut |_| Ok(()));
            let sum = sum.map_err(|_| StoreError::Io("it was to stop".to_owned()))??;
            files.insert(path, sum);
        }
        Ok(GenerationSums { folder: folder.to_owned(), files })
    }

    pub fn bytes(&self) -> u64 {
        self.files.values().map(|(bytes, _)| bytes).sum()
    }
}

fn files_under(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(files_under(&entry.path())?);
        } else {
            files.push(entry.path());
        }
    }
    Ok(files)
}

/// The outer error is the pace's own.
fn sum(path: &Path, pace: &mut Pace<'_>) -> Result<Result<(u64, u32), StoreError>, Error> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return Ok(Err(error.into())),
    };
    let (mut bytes, mut hasher) = (0, crc32fast::Hasher::new());
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(Ok((bytes, hasher.finalize()))),
            Ok(read) => {
                hasher.update(&piece[..read]);
                bytes += read as u64;
                pace(read as u64)?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Ok(Err(error.into())),
        }
    }
}

/// What the checkpoint's owner and those who scrub it share.
pub struct Scrubbed {
    folder: PathBuf,
    known: Mutex<Option<Arc<Known>>>,
}

/// What there must be on disk.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    file: StoreFile,
    sums: GenerationSums,
}

impl Scrubbed {
    pub fn new(folder: &Path) -> Scrubbed {
        Scrubbed { folder: folder.to_owned(), known: Mutex::new(None) }
    }

    fn known(&self) -> MutexGuard<'_, Option<Arc<Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A generation is the current one from now on.
    pub fn knows(&self, file: StoreFile, sums: GenerationSums) {
        *self.known() = Some(Arc::new(Known { file, sums }));
    }

    /// Makes a generation the current one on disk, and known, under one lock: a check that meets the new `STORE` waits for the lock, and
    /// finds then that what it knew was replaced.
    pub fn swap(&self, file: StoreFile, sums: GenerationSums) -> Result<(), StoreError> {
        let mut known = self.known();
        file.write(&self.folder)?;
        *known = Some(Arc::new(Known { file, sums }));
        Ok(())
    }

    fn find(&self, known: &Known, pace: &mut Pace<'_>) -> Result<Result<(), String>, Error> {
        match StoreFile::read(&self.folder) {
            Ok(Some(file)) if file == known.file => {}
            Ok(_) => return Ok(Err("STORE: it is not what was written".to_owned())),
            Err(error) => return Ok(Err(error.to_string())),
        }
        for (path, expected) in &known.sums.files {
            let name = path.strip_prefix(&self.folder).unwrap_or(path).display();
            drop_cached(path);
            match sum(path, pace)? {
                Ok(found) if found == *expected => {}
                Ok(_) => return Ok(Err(format!("{name}: its bytes are not those that were written"))),
                // That is no fault of the disk.
                Err(StoreError::TooManyFiles) => return Ok(Ok(())),
                Err(error) => return Ok(Err(format!("{name}: {error}"))),
            }
        }
        Ok(Ok(()))
    }
}

impl CheckpointScrub for Scrubbed {
    fn bytes(&self) -> u64 {
        self.known().as_ref().map_or(0, |known| known.sums.bytes())
    }

    fn check(&self, pace: &mut Pace<'_>) -> Result<Option<String>, Error> {
        let Some(known) = self.known().clone() else { return Ok(None) };
        let found = self.find(&known, pace)?;
        // Another one may have replaced it meanwhile, which was read back before it did.
        let is_current = self.known().as_ref() == Some(&known);
        Ok(found.err().filter(|_| is_current))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::store::StoreId;

    #[test]
    fn any_changed_missing_or_longer_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let generation = folder.path().join("generation");
        fs::create_dir_all(generation.join("blobs")).unwrap();
        let (db, blob) = (generation.join("db"), generation.join("blobs/1"));
        let whole = || {
            fs::write(&db, vec![7; PIECE_BYTES + 9]).unwrap();
            fs::write(&blob, b"a blob").unwrap();
        };
        whole();
        let file = StoreFile { id: StoreId(5), generation: 1 };
        file.write(folder.path()).unwrap();
        let scrubbed = Scrubbed::new(folder.path());
        let found = || scrubbed.check(&mut |_| Ok(())).unwrap();
        assert_eq!(found(), None);
        scrubbed.knows(file, GenerationSums::take(&generation).unwrap());
        assert_eq!((found(), scrubbed.bytes()), (None, PIECE_BYTES as u64 + 15));
        let bad = "its bytes are not those that were written";
        for at in [0, PIECE_BYTES, PIECE_BYTES + 8] {
            let mut bytes = fs::read(&db).unwrap();
            bytes[at] ^= 4;
            fs::write(&db, bytes).unwrap();
            assert_eq!(found(), Some(format!("generation/db: {bad}")), "byte {at}");
            whole();
        }
        fs::write(&blob, b"a blob.").unwrap();
        assert_eq!(found(), Some(format!("generation/blobs/1: {bad}")));
        fs::remove_file(&blob).unwrap();
        assert!(found().unwrap().contains("blobs/1"));
        whole();
        fs::write(folder.path().join("STORE"), b"KITH").unwrap();
        assert!(found().unwrap().contains("STORE"));
        assert_eq!(
            scrubbed.check(&mut |_| Err(Error::Cancelled)).unwrap().map(|what| what.contains("STORE")),
            Some(true)
        );
    }

    #[test]
    fn a_check_beside_swaps_finds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (scrubbed, done) = (Scrubbed::new(folder.path()), AtomicBool::new(false));
        let generation = |number: u64| {
            let generation = folder.path().join(format!("generation-{number}"));
            fs::create_dir_all(&generation).unwrap();
            fs::write(generation.join("db"), number.to_le_bytes()).unwrap();
            (StoreFile { id: StoreId(5), generation: number }, GenerationSums::take(&generation).unwrap())
        };
        let swap = |number| {
            let (file, sums) = generation(number);
            scrubbed.swap(file, sums).unwrap();
        };
        swap(1);
        std::thread::scope(|threads| {
            let checks = threads.spawn(|| {
                let mut checks = 0;
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(scrubbed.check(&mut |_| Ok(())).unwrap(), None, "check {checks}");
                    checks += 1;
                }
                checks
            });
            for number in 2..500 {
                swap(number);
                fs::remove_dir_all(folder.path().join(format!("generation-{}", number - 1))).unwrap();
            }
            done.store(true, Ordering::Relaxed);
            assert!(checks.join().unwrap() > 0);
        });
        // What rots then is found.
        fs::write(folder.path().join("generation-499/db"), b"rot").unwrap();
        assert!(scrubbed.check(&mut |_| Ok(())).unwrap().is_some());
    }
}
