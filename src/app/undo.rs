//! Undo: a store made of an archive, as it was at a point in time.

use std::path::Path;

use super::offline::OfflineError;
use super::restore::{Erasures, Restored, make_store};
use crate::archive::{Archive, ArchiveError, Line, Undo, Until};
use crate::engine::{Namespaces, Verifier};
use crate::store::{BackupReader, StoreError};

/// Returns the lines of an archive, each of which can be restored as of any command that it holds.
pub fn archived_lines(url: &str) -> Result<Vec<Line>, ArchiveError> {
    Archive::to_read(url)?.lines()
}

/// Makes a store of an archive, as of the point in time that `until` names, in a folder that is not there or empty, without whom was erased
/// since, and checks it. What is damaged or missing leaves nothing. `found` hears the way before it is gone.
pub fn restore_archived(
    url: &str,
    until: &str,
    folder: &Path,
    erasures: &Erasures,
    verifier: &mut dyn Verifier,
    found: impl FnOnce(&Undo),
) -> Result<Restored, OfflineError> {
    let archive = Archive::to_read(url)?;
    let lines = archive.lines()?;
    let undo = Undo::plan(&lines, Until::parse(until, &lines)?)?;
    found(&undo);
    let read = || match led_to(&undo, &archive) {
        Err(StoreError::Damaged { what }) => Ok(Err(what)),
        read => read.map(Ok).map_err(|error| ArchiveError::from(error).into()),
    };
    make_store(read, folder, erasures, verifier)
}

/// Returns what a way through an archive leads to.
fn led_to(undo: &Undo, archive: &Archive) -> Result<Namespaces, StoreError> {
    let mut backup = BackupReader::open(undo.backup(archive))?;
    if backup.store != undo.line.name.store {
        return Err(StoreError::Damaged { what: format!("{} is of another store", undo.line.name.backup()) });
    }
    let namespaces = Namespaces::from_archive(&mut backup, undo.commits(archive))?;
    undo.check(namespaces.sequence())?;
    Ok(namespaces)
}
