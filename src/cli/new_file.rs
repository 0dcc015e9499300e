//! A file that is there whole or not at all: it is written under another name, and renamed when it is on disk. Only its owner may read it,
//! because what kith writes is about people.
//!
//! The other name is random, and the file is locked as long as it is written: a file that a killed command left behind is never in the way
//! of the next command, which recognizes it by its free lock, and removes it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::failure::Failure;

const MODE: u32 = 0o600;

/// A file that is being written. If it is dropped before it is kept, it is removed.
pub struct NewFile {
    path: PathBuf,
    beside: PathBuf,
    force: bool,
    kept: bool,
}

impl NewFile {
    /// Begins the file. A file that exists is refused, unless `force` says to replace it.
    pub fn create(path: &Path, force: bool) -> Result<(NewFile, File), Failure> {
        let failed = |error: io::Error| Failure::new(format!("can't write {}: {error}", path.display()));
        let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
        refuse_existing(path, force)?;
        let mut prefix = name.to_owned();
        prefix.push(".part-");
        remove_left_over(folder_of(path), &prefix);
        prefix.push(Uuid::new_v4().simple().to_string());
        let beside = path.with_file_name(prefix);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(MODE).open(&beside).map_err(failed)?;
        // On a file system without locks nothing is locked, and nothing removed either.
        let _ = file.try_lock();
        Ok((NewFile { path: path.to_owned(), beside, force, kept: false }, file))
    }

    /// Returns where the file is until it is kept.
    pub fn beside(&self) -> &Path {
        &self.beside
    }

    /// Syncs what was written, and gives it its name.
    pub fn keep(mut self, file: &File) -> Result<(), Failure> {
        // Another program may have made the file meanwhile.
        refuse_existing(&self.path, self.force)?;
        let folder = folder_of(&self.path);
        let kept = file.sync_all().and_then(|()| fs::rename(&self.beside, &self.path));
        let kept = kept.and_then(|()| File::open(folder)?.sync_all());
        kept.map_err(|error| Failure::new(format!("can't write {}: {error}", self.path.display())))?;
        self.kept = true;
        Ok(())
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes what killed commands left of the same file: nobody holds its lock. What cannot be removed is in nobody's way.
fn remove_left_over(folder: &Path, prefix: &OsString) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let rest = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
        let is_part = rest.is_some_and(|rest| !rest.is_empty() && rest.iter().all(u8::is_ascii_hexdigit));
        let path = entry.path();
        if is_part && entry.file_type().is_ok_and(|kind| kind.is_file()) && is_left(&path) {
            let _ = fs::remove_file(path);
        }
    }
}

fn is_left(path: &Path) -> bool {
    File::options().write(true).open(path).is_ok_and(|file| file.try_lock().is_ok())
}

fn refuse_existing(path: &Path, force: bool) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Ok(about) if !about.is_file() && !about.is_symlink() => {
            Err(Failure::new(format!("{} is no file to be replaced", path.display())))
        }
        Ok(_) if !force => Err(Failure::new(format!("{} is there already; --force replaces it", path.display()))),
        _ => Ok(()),
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            // A file that cannot be removed is recognizable by its name.
            let _ = fs::remove_file(&self.beside);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn it_is_there_when_it_is_kept_and_leaves_nothing_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let (new, mut file) = NewFile::create(&path, false).unwrap();
        file.write_all(b"one").unwrap();
        assert!(!path.exists());
        new.keep(&file).unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"one".to_vec(), vec!["f".to_owned()]));
        drop(NewFile::create(&path, true).unwrap());
        assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"one".to_vec(), vec!["f".to_owned()]));
    }

    #[test]
    fn what_a_killed_command_left_is_removed_and_what_is_being_written_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        // Earlier versions named it by the process id, which in a container is always the same.
        for left in [format!("f.part-{}", std::process::id()), "f.part-1".to_owned()] {
            fs::write(folder.path().join(left), "left").unwrap();
        }
        let mine = ["f.part-list", "f.part-", "g.part-1"];
        mine.iter().for_each(|name| fs::write(folder.path().join(name), "mine").unwrap());
        let (one, one_file) = NewFile::create(&path, false).unwrap();
        let (other, other_file) = NewFile::create(&path, true).unwrap();
        assert_eq!(names(folder.path()).len(), mine.len() + 2);
        one.keep(&one_file).unwrap();
        other.keep(&other_file).unwrap();
        assert_eq!(names(folder.path()), ["f", "f.part-", "f.part-list", "g.part-1"]);
    }

    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "old").unwrap();
        let (new, file) = NewFile::create(&path, true).unwrap();
        new.keep(&file).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_there_is_replaced_when_forced_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let (late, file) = NewFile::create(&path, false).unwrap();
        fs::write(&path, "old").unwrap();
        let refused = |result: Result<_, Failure>| result.err().unwrap().in_words().contains("is there already");
        assert!(refused(late.keep(&file)) && refused(NewFile::create(&path, false).map(drop)));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        let (new, mut file) = NewFile::create(&path, true).unwrap();
        file.write_all(b"new").unwrap();
        new.keep(&file).unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"new".to_vec(), vec!["f".to_owned()]));
        assert!(
            NewFile::create(folder.path(), true).is_err() && NewFile::create(Path::new("/dev/null"), true).is_err()
        );
    }
}
