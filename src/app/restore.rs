//! Backups made stores again, without whom was erased since.

use std::convert::Infallible;
use std::io::Read;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::offline::{OfflineError, StoreCheck, failed, no_namespace, verify_store};
use crate::domain::limits::BATCH_MAX;
use crate::domain::{Error, NamespaceName, TimeMs};
pub use crate::engine::Erased;
use crate::engine::{
    Engine, EngineOptions, Heeding, Namespaces, Provenance, Record, RestoredKey, State, SystemTimeSource, TimeSource,
    Verifier,
};
use crate::service::restored;
use crate::store::{BackupReader, ErasureJournal, Store, StoreError, StoreId, remove_content, restore};

/// Where the erasures since a backup was made are.
#[derive(Debug, Clone)]
pub struct Erasures {
    /// The journal of the store that the backup is of. Without one they are not known, and the operator who restores accepts that.
    pub journal: Option<PathBuf>,
    /// The journal that a start on the restored store goes by. It need not be there.
    pub at_start: PathBuf,
}

/// What a restore came to.
#[derive(Debug, Clone)]
pub struct Restored {
    pub check: StoreCheck,
    pub erased: Erased,
}

/// What the journals hold.
struct Journals {
    of_backup: ErasureJournal,
    /// The two together.
    all: ErasureJournal,
}

impl Erasures {
    /// Returns what the journals hold; none where the erasures are not known.
    fn read(&self) -> Result<Option<Journals>, OfflineError> {
        let Some(file) = &self.journal else { return Ok(None) };
        let read = |file: &Path| ErasureJournal::read(file).map_err(|error| failed(file, error));
        let of_backup = read(file)?.ok_or_else(|| OfflineError::NoJournal { file: file.display().to_string() })?;
        let all = of_backup.iter().copied().chain(read(&self.at_start)?.unwrap_or_default()).collect();
        Ok(Some(Journals { of_backup: ErasureJournal::of(of_backup), all: ErasureJournal::of(all) }))
    }

    /// Erases in what a backup holds who was erased since, in all namespaces or in one, if that is known.
    fn erase(
        &self,
        journals: Option<&Journals>,
        backed_up: &mut Namespaces,
        only: Option<&NamespaceName>,
    ) -> Result<Erased, OfflineError> {
        let (Some(file), Some(journals)) = (&self.journal, journals) else { return Ok(Erased::default()) };
        let name = || file.display().to_string();
        match backed_up.provenance(&journals.of_backup, only) {
            Provenance::Own => {}
            Provenance::Foreign => return Err(OfflineError::ForeignJournal { file: name() }),
            Provenance::Cut(lacking) => return Err(OfflineError::CutJournal { file: name(), lacking }),
        }
        let now = TimeMs(SystemTimeSource.wall_us().div_euclid(1_000));
        let heeding = Heeding { now, days: EngineOptions::default().erased_ids_days, of_any_age: true };
        backed_up.erase_journaled(&journals.all, only, heeding).map_err(|error| failed(file, error))
    }
}

/// Reads all of a backup; gives the reason where it is damaged.
fn read(backup: impl Read, name: &Path) -> Result<Result<Namespaces, String>, OfflineError> {
    match BackupReader::open(backup).and_then(|mut backup| Namespaces::from_backup(&mut backup)) {
        Err(StoreError::Damaged { what }) => Ok(Err(what)),
        read => read.map(Ok).map_err(|error| failed(name, error)),
    }
}

fn damaged(what: String) -> Restored {
    Restored { check: StoreCheck::Damaged(what), erased: Erased::default() }
}

/// Makes a store of a backup in a folder that is not there or empty, without whom was erased since, and checks it. Nobody who was erased is
/// ever in the folder, and a backup that does not agree with itself leaves nothing.
pub fn restore_store(
    backup: impl Read,
    name: &Path,
    folder: &Path,
    erasures: &Erasures,
    verifier: &mut dyn Verifier,
) -> Result<Restored, OfflineError> {
    make_store(|| read(backup, name), folder, erasures, verifier)
}

/// Makes a store of what is read likewise.
pub fn make_store(
    read: impl FnOnce() -> Result<Result<Namespaces, String>, OfflineError>,
    folder: &Path,
    erasures: &Erasures,
    verifier: &mut dyn Verifier,
) -> Result<Restored, OfflineError> {
    let made_folder = !folder.is_dir();
    if erasures.journal.is_none() && erasures.at_start.exists() {
        return Err(OfflineError::JournalStays { file: erasures.at_start.display().to_string() });
    }
    let journals = erasures.read()?;
    let mut backed_up = match read()? {
        Ok(backed_up) => backed_up,
        Err(what) => return Ok(damaged(what)),
    };
    let erased = erasures.erase(journals.as_ref(), &mut backed_up, None)?;
    let mut left = Vec::new();
    let Ok(()) = backed_up.backup(None, |piece, _| {
        left.extend(piece);
        Ok::<_, Infallible>(())
    });
    drop(backed_up);
    match BackupReader::open(&left[..])
        .and_then(|mut left| restore(folder, StoreId(Uuid::new_v4().as_u128()), &mut left))
    {
        Err(StoreError::Damaged { what }) => return Ok(damaged(what)),
        restored => restored.map_err(|error| failed(folder, error))?,
    }
    drop(left);
    let check = verify_store(folder, None, verifier);
    if !matches!(&check, Ok(StoreCheck::Read(checked, _)) if checked.findings == 0) {
        remove_content(folder, made_folder);
    }
    Ok(Restored { check: check?, erased })
}

/// Puts a namespace of a backup, without whom was erased since, into a store that has none of its name, and is made if it is not there;
/// checks all of the store. A namespace that does not come whole is deleted again, at the next start if the restore was killed.
pub fn restore_namespace(
    backup: impl Read,
    file: &Path,
    (folder, name): (&Path, &NamespaceName),
    erasures: &Erasures,
    verifier: &mut dyn Verifier,
) -> Result<Restored, OfflineError> {
    if name.is_default() {
        return Err(OfflineError::DefaultNamespace);
    }
    let journals = erasures.read()?;
    let mut backed_up = match read(backup, file)? {
        Ok(backed_up) => backed_up,
        Err(what) => return Ok(damaged(what)),
    };
    if backed_up.get(name).is_none() {
        return Err(no_namespace(file, name));
    }
    let erased = erasures.erase(journals.as_ref(), &mut backed_up, Some(name))?;
    let state = backed_up.get(name).ok_or_else(|| OfflineError::NamespaceErased(name.clone()))?;
    // A journal that says that the namespace was erased knows its key: whoever ignores that has another namespace restored.
    let key = if journals.is_some() { RestoredKey::Own } else { RestoredKey::New };
    // However long the store was left alone, it is the operator who puts something into it now.
    let options = EngineOptions { accept_clock: true, ..EngineOptions::default() };
    let store = Store::open(folder, || StoreId(Uuid::new_v4().as_u128())).map_err(|error| failed(folder, error))?;
    let (engine, end) = Engine::open(store, options).map_err(|error| failed(folder, error))?;
    let put = put_namespace(&engine.within(name), state, key);
    drop(engine);
    end.join();
    put.map_err(|refused| match refused {
        Error::AlreadyExists { .. } => {
            OfflineError::NamespaceThere { folder: folder.display().to_string(), name: name.clone() }
        }
        refused => OfflineError::Refused(refused),
    })?;
    Ok(Restored { check: verify_store(folder, None, verifier)?, erased })
}

/// Makes the engine's namespace, and puts there what a state holds.
fn put_namespace(engine: &Engine, state: &State, key: RestoredKey) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::Internal(error.to_string()))?;
    runtime.block_on(async {
        engine.begin_restored().await?;
        let put = match put_records(engine, state).await {
            Ok(()) => engine.end_restored(state, key).await,
            refused => refused,
        };
        if put.is_err() {
            engine.delete_namespace().await?;
        }
        put
    })
}

/// Puts what a state holds, but whom it remembers as erased: that comes with the key.
async fn put_records(engine: &Engine, state: &State) -> Result<(), Error> {
    let mut changes = Vec::new();
    let mut records = state.records().filter(|record| !matches!(record, Record::Erased(..))).peekable();
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
