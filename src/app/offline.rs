//! The commands on a store that nobody serves, and on backups.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use thiserror::Error;

use crate::archive::ArchiveError;
use crate::domain::{Error, NamespaceName};
use crate::engine::{Namespaces, StoredExportError, Verified, export_stored, verify_log};
pub use crate::engine::{StoredTotals, Verifier};
use crate::proto::v1::{ImportRecord, VerifySummary};
use crate::service::{record, summary};
use crate::store::{BackupReader, Discard, Store, StoreError, read_backup};

/// The reason why a command on a store or a backup failed.
#[derive(Debug, Error)]
pub enum OfflineError {
    #[error("there is no store in {folder}")]
    NoStore { folder: String },
    #[error(
        "{0}: its file system is read-only, and reading a store writes to its checkpoint: --scratch DIR has a copy read"
    )]
    ReadOnly(String),
    #[error(
        "there is no erasure journal {file}, so nobody knows who was erased since the backup: --erasure-journal names that of the \
         store, --ignore-erasures restores without"
    )]
    NoJournal { file: String },
    #[error(
        "the erasure journal {file} is that of another store: it lacks an erasure key of what is restored; --erasure-journal names the \
         right one, --ignore-erasures restores without"
    )]
    ForeignJournal { file: String },
    #[error(
        "the erasure journal {file} lacks {lacking} erasures that the backup itself knows of: it was cut, or is not the newest one; \
         --ignore-erasures restores without"
    )]
    CutJournal { file: String, lacking: usize },
    /// A start would erase all the same.
    #[error(
        "{file} is there, by which a start on the restored store erases: restore with that journal, elsewhere, or once it is moved away"
    )]
    JournalStays { file: String },
    #[error(
        "every store has the namespace `default`, so that none can be put there: restore the whole backup into a folder of its own, export \
         it there, and import it"
    )]
    DefaultNamespace,
    #[error("{there} has no namespace {name}")]
    NoNamespace { there: String, name: NamespaceName },
    #[error(
        "{folder} has a namespace {name} already: delete it there (`kith namespace delete {name}`), or restore into another folder"
    )]
    NamespaceThere { folder: String, name: NamespaceName },
    #[error(
        "the erasure journal says that the namespace {0} was erased since; --ignore-erasures restores it all the same, as a new one"
    )]
    NamespaceErased(NamespaceName),
    #[error("{path}: {error}")]
    Store { path: String, error: StoreError },
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The store does not take the namespace.
    #[error("{0}")]
    Refused(Error),
    /// The caller ended the check.
    #[error(transparent)]
    Ended(#[from] Error),
}

/// The outcome of checking a store.
#[derive(Debug, Clone)]
pub enum StoreCheck {
    /// The store cannot be read, for this reason.
    Damaged(String),
    /// The outcome, and the digest of each namespace.
    Read(VerifySummary, Vec<(NamespaceName, u128)>),
}

impl StoreCheck {
    fn of(namespaces: &Namespaces, verified: Verified) -> StoreCheck {
        let digests = namespaces.begun().map(|(name, state)| (name.clone(), state.digest())).collect();
        StoreCheck::Read(summary(namespaces.revision(), namespaces.content(None), verified), digests)
    }
}

/// Reads all of a store as a start does, checks what was read against itself, and reads what else is kept of the log.
///
/// The check changes nothing of the store but what sled writes when it opens a checkpoint; given a `scratch` folder, sled gets a copy
/// there.
pub fn verify_store(
    folder: &Path,
    scratch: Option<&Path>,
    verifier: &mut dyn Verifier,
) -> Result<StoreCheck, OfflineError> {
    if !Store::is_in(folder) {
        return Err(OfflineError::NoStore { folder: folder.display().to_string() });
    }
    let read = Store::inspect(folder, scratch).and_then(|mut store| {
        let namespaces = Namespaces::load(&mut store)?;
        Ok((store.log.source(), namespaces))
    });
    let (log, namespaces) = match read {
        Ok(read) => read,
        Err(StoreError::Damaged { what }) => return Ok(StoreCheck::Damaged(what)),
        Err(StoreError::ReadOnly) if scratch.is_none() => {
            return Err(OfflineError::ReadOnly(folder.display().to_string()));
        }
        Err(error) => return Err(failed(folder, error)),
    };
    let mut verified = namespaces.verify(verifier)?;
    verified.findings += verify_log(log.as_ref(), namespaces.sequence(), verifier)?;
    Ok(StoreCheck::of(&namespaces, verified))
}

/// Reads all of a backup, and checks what was read against itself.
pub fn verify_backup(file: &Path, verifier: &mut dyn Verifier) -> Result<StoreCheck, OfflineError> {
    let read = open_backup(file)?;
    match BackupReader::open(read).and_then(|mut backup| Namespaces::from_backup(&mut backup)) {
        Ok(all) => {
            let verified = all.verify(verifier)?;
            Ok(StoreCheck::of(&all, verified))
        }
        Err(StoreError::Damaged { what }) => Ok(StoreCheck::Damaged(what)),
        Err(error) => Err(failed(file, error)),
    }
}

/// Reads all of a backup, a piece at a time, and checks every checksum and count.
pub fn read_backup_through(file: &Path) -> Result<(), OfflineError> {
    let read = open_backup(file)?;
    let whole = BackupReader::open(read).and_then(|mut backup| read_backup(&mut backup, &mut Discard));
    whole.map(|_| ()).map_err(|error| failed(file, error))
}

/// Gives every record of a namespace of a store that nobody serves to `take`, as an import takes it. The export holds the
/// ids of all members and what the log has after the checkpoint, not the graph: it works where there is too little memory to serve the store.
pub fn export_store<E: From<OfflineError>>(
    folder: &Path,
    namespace: &NamespaceName,
    mut take: impl FnMut(ImportRecord) -> Result<(), E>,
) -> Result<StoredTotals, E> {
    if !Store::is_in(folder) {
        return Err(OfflineError::NoStore { folder: folder.display().to_string() }.into());
    }
    let open = || Store::inspect(folder, None);
    export_stored(open, namespace, |exported| take(record(exported))).map_err(|error| match error {
        StoredExportError::Store(error) => failed(folder, error).into(),
        StoredExportError::NoNamespace => no_namespace(folder, namespace).into(),
        StoredExportError::Receiver(error) => error,
    })
}

fn open_backup(file: &Path) -> Result<BufReader<File>, OfflineError> {
    File::open(file).map(BufReader::new).map_err(|error| failed(file, error.into()))
}

/// Returns the error of a store or backup that has no such namespace.
pub fn no_namespace(there: &Path, name: &NamespaceName) -> OfflineError {
    OfflineError::NoNamespace { there: there.display().to_string(), name: name.clone() }
}

pub fn failed(path: &Path, error: StoreError) -> OfflineError {
    OfflineError::Store { path: path.display().to_string(), error }
}
