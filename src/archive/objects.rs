//! The objects of an archive, in a folder or a bucket: read, written and deleted one at a time, by a thread that may wait.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{self, PathBuf};
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions, RetryConfig};
use tokio::runtime::{Builder, Runtime};
use tokio_stream::StreamExt;

use super::error::ArchiveError;
use super::line::{Line, LineName, Listed, store_folder};
use crate::store::{StoreError, StoreId};

/// An object is read and written so much at a time. Object stores take 10,000 parts of at least 5 MiB.
const PART_BYTES: usize = 8 * 1_024 * 1_024;
const FOLDER_MODE: u32 = 0o700;
/// How often and for how long a request to an object store is tried again.
const RETRIES_MAX: usize = 2;
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

/// An archive. Its methods wait for the folder or the object store, which may be away.
pub struct Archive {
    url: String,
    store: Box<dyn ObjectStore>,
    /// Where it is a folder.
    folder: Option<PathBuf>,
    /// Where its objects are in the object store.
    prefix: Path,
    runtime: Runtime,
}

impl Archive {
    /// Names the archive at a URL (`s3://bucket/prefix`, `file:///folder`) or in a folder, which may be away.
    pub fn at(url: &str) -> Result<Archive, ArchiveError> {
        let wrong = |why: String| ArchiveError::Url { url: url.to_owned(), why };
        let (store, folder, prefix): (Box<dyn ObjectStore>, _, _) = match url.split_once("://") {
            Some(("s3", rest)) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                (Box::new(bucket_named(bucket).map_err(|error| wrong(words(&error)))?), None, Path::parse(prefix))
            }
            None | Some(("file", _)) => {
                let folder = path::absolute(url.strip_prefix("file://").unwrap_or(url));
                let folder = folder.map_err(|error| wrong(words(&error)))?;
                let prefix = Path::from_absolute_path(&folder);
                (Box::new(LocalFileSystem::new().with_fsync(true)), Some(folder), prefix)
            }
            Some((scheme, _)) => {
                return Err(wrong(format!("{scheme}:// is not known; s3://, file:// and folders are")));
            }
        };
        let prefix = prefix.map_err(|error| wrong(words(&error)))?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| wrong(words(&error)))?;
        Ok(Archive { url: url.to_owned(), store, folder, prefix, runtime })
    }

    /// Names an archive that is to be read, and must be there.
    pub fn to_read(url: &str) -> Result<Archive, ArchiveError> {
        let archive = Archive::at(url)?;
        if archive.folder.as_ref().is_some_and(|folder| !folder.is_dir()) {
            return Err(ArchiveError::Url { url: url.to_owned(), why: "there is no such folder".to_owned() });
        }
        Ok(archive)
    }

    /// Makes the folder of a store's lines where it is not there, so that nobody but its owner may read what is put in it.
    pub fn make_folder(&self, store: StoreId) -> Result<(), ArchiveError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder.join(store_folder(store)));
        made.map_err(|error| ArchiveError::Object { object: self.url.clone(), why: error.to_string() })
    }

    /// Waits for what is to be waited for in between.
    pub fn block_on<T>(&self, task: impl Future<Output = T>) -> T {
        self.runtime.block_on(task)
    }

    /// Returns the path of an object, and what turns its error into one that names it.
    fn object(&self, name: &str) -> (Path, impl Fn(Error) -> ArchiveError + use<>) {
        let object = format!("{}/{name}", self.url.trim_end_matches('/'));
        let failed = move |error| match error {
            Error::NotFound { .. } => ArchiveError::Object { object: object.clone(), why: "it is missing".to_owned() },
            error => ArchiveError::Object { object: object.clone(), why: words(&error) },
        };
        (
            name.split('/').filter(|part| !part.is_empty()).fold(self.prefix.clone(), |path, part| path.join(part)),
            failed,
        )
    }

    /// Returns a path's name in the archive.
    fn name(&self, path: &Path) -> String {
        path.as_ref().strip_prefix(self.prefix.as_ref()).unwrap_or_default().trim_start_matches('/').to_owned()
    }

    /// Returns the folders in a folder.
    fn folders(&self, name: &str) -> Result<Vec<String>, ArchiveError> {
        let (path, failed) = self.object(name);
        let listed = self.block_on(self.store.list_with_delimiter(Some(&path))).map_err(failed)?;
        Ok(listed.common_prefixes.iter().map(|folder| self.name(folder)).collect())
    }

    /// Returns the names of all lines, in the order in which they were begun; also of one that is not whole.
    pub fn line_names(&self) -> Result<Vec<LineName>, ArchiveError> {
        let mut names = Vec::new();
        for store in self.folders("")? {
            names.extend(self.folders(&store)?.iter().filter_map(|folder| LineName::parse(folder)));
        }
        names.sort_by_key(|name| name.begun);
        Ok(names)
    }

    /// Returns a line; none if its backup is not there.
    pub fn line(&self, name: LineName) -> Result<Option<Line>, ArchiveError> {
        let (path, failed) = self.object(&name.folder());
        let listed = self.block_on(async {
            let (mut objects, mut found) = (Vec::new(), self.store.list(Some(&path)));
            while let Some(object) = found.next().await {
                let object = object.map_err(&failed)?;
                let written = object.last_modified.into();
                objects.push(Listed { name: self.name(&object.location), bytes: object.size, written });
            }
            Ok::<_, ArchiveError>(objects)
        })?;
        Ok(Line::of(name, &listed))
    }

    /// Returns all lines that something can be restored of, in the order in which they were begun.
    pub fn lines(&self) -> Result<Vec<Line>, ArchiveError> {
        let lines = self.line_names()?.into_iter().filter_map(|name| self.line(name).transpose());
        lines.collect()
    }

    /// Returns an error if an object is not there.
    pub fn check_is_there(&self, name: &str) -> Result<(), ArchiveError> {
        let (path, failed) = self.object(name);
        self.block_on(self.store.head(&path)).map(drop).map_err(failed)
    }

    pub fn get(&self, name: &str) -> Result<Vec<u8>, ArchiveError> {
        let (path, failed) = self.object(name);
        let bytes = self.block_on(async { self.store.get(&path).await?.bytes().await });
        bytes.map(|bytes| bytes.to_vec()).map_err(failed)
    }

    /// Writes an object that is not there yet; whole and durable when it returns.
    pub fn put_new(&self, name: &str, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        let (path, failed) = self.object(name);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        self.block_on(self.store.put_opts(&path, bytes.into(), options)).map(drop).map_err(failed)
    }

    /// Begins an object that is there, whole and durable, once its upload is finished.
    pub fn upload(&self, name: &str) -> Result<Upload<'_>, ArchiveError> {
        let (path, failed) = self.object(name);
        let upload = self.block_on(self.store.put_multipart(&path)).map_err(&failed)?;
        Ok(Upload { archive: self, upload, failed: Box::new(failed), part: Vec::new() })
    }

    /// Reads an object of a known length.
    pub fn reader(&self, name: &str, bytes: u64) -> ObjectReader<'_> {
        ObjectReader { archive: self, name: name.to_owned(), at: 0, bytes, part: Vec::new(), part_at: 0 }
    }

    fn get_range(&self, name: &str, range: std::ops::Range<u64>) -> Result<Vec<u8>, ArchiveError> {
        let (path, failed) = self.object(name);
        let bytes = self.block_on(self.store.get_range(&path, range));
        bytes.map(|bytes| bytes.to_vec()).map_err(failed)
    }

    /// Deletes a line, its backup first: without that it is none. In a folder goes with it what a crash left there half written.
    pub fn delete_line(&self, name: &LineName) -> Result<(), ArchiveError> {
        let line = self.line(*name)?;
        let runs = line.iter().flat_map(|line| line.runs.iter().map(|run| name.run(run)));
        for object in [name.backup()].into_iter().chain(runs) {
            let (path, failed) = self.object(&object);
            match self.block_on(self.store.delete(&path)) {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let Some(folder) = &self.folder else { return Ok(()) };
        match fs::remove_dir_all(folder.join(name.folder())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::from(error).into()),
            _ => Ok(()),
        }
    }
}

/// An object that is being written, a part in memory at a time.
pub struct Upload<'a> {
    archive: &'a Archive,
    upload: Box<dyn MultipartUpload>,
    failed: Box<dyn Fn(Error) -> ArchiveError + 'a>,
    part: Vec<u8>,
}

impl Upload<'_> {
    /// Adds bytes; returns whether a part went out.
    pub fn push(&mut self, bytes: &[u8]) -> Result<bool, ArchiveError> {
        self.part.extend_from_slice(bytes);
        if self.part.len() < PART_BYTES {
            return Ok(false);
        }
        self.send().map(|()| true)
    }

    fn send(&mut self) -> Result<(), ArchiveError> {
        let part = self.upload.put_part(std::mem::take(&mut self.part).into());
        self.archive.block_on(part).map_err(&self.failed)
    }

    pub fn finish(mut self) -> Result<(), ArchiveError> {
        self.send()?;
        self.archive.block_on(self.upload.complete()).map(drop).map_err(&self.failed)
    }

    /// Gives up what was sent. What cannot be given up is no object.
    pub fn abort(mut self) {
        let _ = self.archive.block_on(self.upload.abort());
    }
}

/// An object that is being read, a part in memory at a time.
pub struct ObjectReader<'a> {
    archive: &'a Archive,
    name: String,
    at: u64,
    bytes: u64,
    part: Vec<u8>,
    part_at: usize,
}

impl io::Read for ObjectReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.part_at == self.part.len() && self.at < self.bytes {
            let end = self.bytes.min(self.at + PART_BYTES as u64);
            self.part = self.archive.get_range(&self.name, self.at..end).map_err(io::Error::other)?;
            (self.at, self.part_at) = (end, 0);
        }
        let taken = into.len().min(self.part.len() - self.part_at);
        into[..taken].copy_from_slice(&self.part[self.part_at..self.part_at + taken]);
        self.part_at += taken;
        Ok(taken)
    }
}

/// Returns an error in the words of all its causes: the first one alone often says nothing.
fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    for cause in std::iter::successors(error.source(), |error| error.source()) {
        let cause = cause.to_string();
        if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

/// Returns a bucket of an object store that speaks S3. Its address and credentials are in the environment, under the names that the tools of
/// AWS know.
fn bucket_named(bucket: &str) -> Result<AmazonS3, Error> {
    // A provider that is there already is the same one.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    // The archiver tries again by itself.
    let retry = RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
    AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry).build()
}
