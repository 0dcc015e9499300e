//! The commands on a store that nobody serves, and on backups.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use uuid::Uuid;

use crate::domain::limits::BATCH_MAX;
use crate::domain::{ErasureKey, Error, NamespaceName, Scope};
use crate::engine::{
    Engine, EngineOptions, Namespaces, State, StoredExportError, SystemTimeSource, export_stored, journal_name,
    verify_log,
};
pub use crate::engine::{StoredTotals, Verifier};
use crate::proto::v1::{ImportRecord, VerifySummary};
use crate::service::{record, restored, summary};
use crate::store::{
    BackupReader, Discard, ErasureJournal, Journaled, Store, StoreError, StoreId, read_backup, remove_content, restore,
};

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
    #[error("there is no namespace {0}")]
    NoNamespace(NamespaceName),
    #[error(
        "the erasure journal says that the namespace {0} was erased since; --ignore-erasures restores it all the same"
    )]
    NamespaceErased(NamespaceName),
    #[error("{path}: {error}")]
    Store { path: String, error: StoreError },
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
    Read(VerifySummary),
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
    Ok(StoreCheck::Read(summary(namespaces.revision(), namespaces.content(None), verified)))
}

/// Reads all of a backup, and checks what was read against itself.
pub fn verify_backup(file: &Path, verifier: &mut dyn Verifier) -> Result<StoreCheck, OfflineError> {
    let read = open_backup(file)?;
    match BackupReader::open(read).and_then(|mut backup| Namespaces::from_backup(&mut backup)) {
        Ok(all) => {
            let verified = all.verify(verifier)?;
            Ok(StoreCheck::Read(summary(all.revision(), all.content(None), verified)))
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

/// The erasures since a backup was made.
#[derive(Debug, Clone)]
pub enum Erasures {
    /// The erasures that a journal holds.
    Of(PathBuf),
    /// The erasures after the backup are not known, and the operator who restores accepts that.
    Ignored,
}

impl Erasures {
    fn read(&self) -> Result<Vec<Journaled>, OfflineError> {
        let Erasures::Of(journal) = self else { return Ok(Vec::new()) };
        let read = ErasureJournal::read(journal).map_err(|error| failed(journal, error))?;
        read.ok_or_else(|| OfflineError::NoJournal { file: journal.display().to_string() })
    }
}

/// Erases in a restored store the members that the journal says were erased.
fn erase(folder: &Path, erased: Vec<Journaled>) -> Result<(), StoreError> {
    let store = Store::open(folder, || StoreId(0))?;
    let (journal, source) = (ErasureJournal::of(erased), Arc::new(SystemTimeSource));
    let (engine, end) = Engine::open_with(store, EngineOptions::default(), source, Some(journal))?;
    drop(engine);
    end.join();
    Ok(())
}

/// Makes a store of a backup in a folder that is not there or empty, erases in it who was erased since, opens it and checks it. A backup
/// that does not agree with itself leaves nothing.
pub fn restore_store(
    backup: impl Read,
    name: &Path,
    folder: &Path,
    erasures: &Erasures,
    verifier: &mut dyn Verifier,
) -> Result<StoreCheck, OfflineError> {
    let made_folder = !folder.is_dir();
    let mut reader = match BackupReader::open(backup) {
        Err(StoreError::Damaged { what }) => return Ok(StoreCheck::Damaged(what)),
        opened => opened.map_err(|error| failed(name, error))?,
    };
    let erased = erasures.read()?;
    match restore(folder, StoreId(Uuid::new_v4().as_u128()), &mut reader) {
        Err(StoreError::Damaged { what }) => return Ok(StoreCheck::Damaged(what)),
        restored => restored.map_err(|error| failed(folder, error))?,
    }
    let erased = if erased.is_empty() { Ok(()) } else { erase(folder, erased) };
    let checked = erased.map_err(|error| failed(folder, error)).and_then(|()| verify_store(folder, None, verifier));
    if !matches!(&checked, Ok(StoreCheck::Read(checked)) if checked.findings == 0) {
        remove_content(folder, made_folder);
    }
    checked
}

/// Puts a namespace of a backup into a store that has none of its name, and is made if it is not there; erases in it who was erased since,
/// and checks all of the store. A namespace that does not come whole is deleted again.
pub fn restore_namespace(
    backup: impl Read,
    file: &Path,
    (folder, name): (&Path, &NamespaceName),
    erasures: &Erasures,
    verifier: &mut dyn Verifier,
) -> Result<StoreCheck, OfflineError> {
    let read = BackupReader::open(backup).and_then(|mut backup| Namespaces::from_backup(&mut backup));
    let backed_up = match read {
        Err(StoreError::Damaged { what }) => return Ok(StoreCheck::Damaged(what)),
        read => read.map_err(|error| failed(file, error))?,
    };
    let state = backed_up.get(name).ok_or_else(|| OfflineError::NoNamespace(name.clone()))?;
    let own = journal_name(name, state);
    let mut erased: Vec<Journaled> = erasures.read()?.into_iter().filter(|entry| entry.namespace == own).collect();
    if erased.iter().any(Journaled::is_of_namespace) {
        return Err(OfflineError::NamespaceErased(name.clone()));
    }
    let store = Store::open(folder, || StoreId(Uuid::new_v4().as_u128())).map_err(|error| failed(folder, error))?;
    let (engine, end) = Engine::open(store, EngineOptions::default()).map_err(|error| failed(folder, error))?;
    let put = put_namespace(&engine.within(name), state);
    drop(engine);
    end.join();
    let put = put?;
    // The store knows the namespace by another key than the one that the backup is of did.
    erased.iter_mut().for_each(|entry| entry.namespace = put);
    if !erased.is_empty() {
        erase(folder, erased).map_err(|error| failed(folder, error))?;
    }
    verify_store(folder, None, verifier)
}

/// Makes the engine's namespace, and puts there what a state holds. Returns what an erasure journal knows the namespace by.
fn put_namespace(engine: &Engine, state: &State) -> Result<Option<ErasureKey>, OfflineError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| OfflineError::Refused(Error::Internal(error.to_string())))?;
    let put = runtime.block_on(async {
        engine.create_namespace(Scope::SHARED).await?;
        match put_records(engine, state).await {
            Ok(()) => Ok(journal_name(engine.namespace(), &*engine.state()?)),
            Err(error) => {
                engine.delete_namespace().await?;
                Err(error)
            }
        }
    });
    put.map_err(OfflineError::Refused)
}

async fn put_records(engine: &Engine, state: &State) -> Result<(), Error> {
    let mut changes = Vec::new();
    let mut records = state.records().peekable();
    while let Some(record) = records.next() {
        changes.push(restored(record, engine.now())?);
        if changes.len() == BATCH_MAX || records.peek().is_none() {
            let refused = engine.import(std::mem::take(&mut changes)).await?.results.into_iter().find_map(Result::err);
            if let Some(refused) = refused {
                return Err(Error::Internal(format!("a record of the backup is refused: {refused:?}")));
            }
        }
    }
    if engine.state()?.digest() == state.digest() {
        return Ok(());
    }
    Err(Error::Internal("the namespace did not come whole: its digest is another one".to_owned()))
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
        StoredExportError::NoNamespace => OfflineError::NoNamespace(namespace.clone()).into(),
        StoredExportError::Receiver(error) => error,
    })
}

fn open_backup(file: &Path) -> Result<BufReader<File>, OfflineError> {
    File::open(file).map(BufReader::new).map_err(|error| failed(file, error.into()))
}

fn failed(path: &Path, error: StoreError) -> OfflineError {
    OfflineError::Store { path: path.display().to_string(), error }
}
