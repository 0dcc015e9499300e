//! Files and folders that nobody but their owner may read, whatever the umask; and their names on disk.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Advice, fadvise};

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;
/// What everyone but the owner may do.
const OTHERS: u32 = 0o077;

/// Makes a file to be written, or empties the one there is.
pub fn create_file(path: &Path) -> io::Result<File> {
    let file = File::options().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)?;
    // One that was there keeps its mode.
    tighten_one(path, &file.metadata()?)?;
    Ok(file)
}

/// Makes a folder, and those above it that are missing.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
}

/// Puts a folder's names on disk.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes a folder with all that is in it, if it is there.
pub fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Has what is read next of a file come from the disk, not from memory. A system that does not do it is no reason to read nothing.
pub fn drop_cached(path: &Path) {
    if let Ok(file) = File::open(path) {
        let _ = fadvise(&file, 0, None, Advice::DontNeed);
    }
}

/// Takes all but the owner's rights from a folder, and leaves what is in it.
pub fn tighten_folder(path: &Path) -> io::Result<()> {
    tighten_one(path, &fs::metadata(path)?)
}

/// Takes all but the owner's rights from a file, or from a folder and everything in it.
pub fn tighten(path: &Path) -> io::Result<()> {
    let about = fs::symlink_metadata(path)?;
    if about.is_symlink() {
        return Ok(());
    }
    tighten_one(path, &about)?;
    if about.is_dir() {
        for entry in fs::read_dir(path)? {
            match tighten(&entry?.path()) {
                // It was a passing one.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                tightened => tightened?,
            }
        }
    }
    Ok(())
}

fn tighten_one(path: &Path, about: &fs::Metadata) -> io::Result<()> {
    let mode = about.permissions().mode();
    if mode & OTHERS == 0 {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 & !OTHERS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn others_may_read_nothing_that_is_made_or_tightened() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        create_folder(&at("a/b")).unwrap();
        create_file(&at("a/b/new")).unwrap();
        fs::write(at("a/b/newer"), "loose").unwrap();
        assert_eq!(["a", "a/b", "a/b/new"].map(|name| mode(&at(name))), [0o700, 0o700, 0o600]);
        for (name, loose) in [("a", 0o755), ("a/b", 0o775), ("a/b/new", 0o664), ("a/b/newer", 0o644)] {
            fs::set_permissions(at(name), Permissions::from_mode(loose)).unwrap();
        }
        create_file(&at("a/b/new")).unwrap();
        assert_eq!(mode(&at("a/b/new")), 0o600);
        tighten(folder.path()).unwrap();
        assert_eq!(["a", "a/b", "a/b/newer"].map(|name| mode(&at(name))), [0o700, 0o700, 0o600]);
    }
}
