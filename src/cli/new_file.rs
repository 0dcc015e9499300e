//! A file that is there whole or not at all: written under another name, and renamed when it is on disk.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::failure::Failure;

/// A file on its way. Dropped before it is kept, it is removed.
pub struct NewFile {
    path: PathBuf,
    beside: PathBuf,
    force: bool,
    kept: bool,
}

impl NewFile {
    /// Begins the file. One that is there already is refused, unless `force` says to replace it.
    pub fn create(path: &Path, force: bool) -> Result<(NewFile, File), Failure> {
        let failed = |error: io::Error| Failure::new(format!("can't write {}: {error}", path.display()));
        let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
        refuse_existing(path, force)?;
        let mut name_beside = name.to_owned();
        name_beside.push(format!(".part-{}", std::process::id()));
        let beside = path.with_file_name(name_beside);
        let file = File::options().read(true).write(true).create_new(true).open(&beside).map_err(failed)?;
        Ok((NewFile { path: path.to_owned(), beside, force, kept: false }, file))
    }

    /// Where it is until it is kept.
    pub fn beside(&self) -> &Path {
        &self.beside
    }

    /// Puts what was written on disk, under its name.
    pub fn keep(mut self, file: &File) -> Result<(), Failure> {
        // Somebody else may have made it meanwhile.
        refuse_existing(&self.path, self.force)?;
        let folder = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let kept = file.sync_all().and_then(|()| fs::rename(&self.beside, &self.path));
        let kept = kept.and_then(|()| File::open(folder)?.sync_all());
        kept.map_err(|error| Failure::new(format!("can't write {}: {error}", self.path.display())))?;
        self.kept = true;
        Ok(())
    }
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
            // What can't be removed is told by its name.
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
