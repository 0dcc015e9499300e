//! `kith restore`: makes a store of a backup or an archive, and checks it.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::client::namespace;
use super::failure::Failure;
use super::serve::journal_beside;
use super::thread::on_thread;
use super::verify::{Report, take_check};
use crate::app::{Erasures, Restored, Undo, restore_archived, restore_namespace, restore_store};
use crate::domain::NamespaceName;

/// Makes a store of a backup, or of an archive as of a point in time, in a folder that is not there or empty; then reads all of it and
/// checks it against itself.
///
/// The store gets an id of its own: revisions of the one that was backed up say nothing here. What is damaged leaves nothing.
/// Exits with 1 if something is found, 3 if it could not be done.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// What `kith backup` wrote; - is standard input.
    #[arg(value_name = "FILE", required_unless_present = "archive")]
    file: Option<PathBuf>,
    /// Restore of this archive, as `kith serve --archive` has it, in place of a backup.
    #[arg(long, value_name = "URL", conflicts_with_all = ["file", "namespace"])]
    archive: Option<String>,
    /// The last command that is restored, itself included: a revision, its number, or a time like 2026-01-31T12:00:00Z for all that was
    /// accepted then or before. Everything in the archive when not given.
    #[arg(long, value_name = "REVISION|TIME", requires = "archive")]
    until: Option<String>,
    /// The folder to restore into.
    #[arg(long, env = "KITH_DATA", value_name = "DIR")]
    data: PathBuf,
    /// The erasure journal of the store that the backup is of: whoever was erased since is erased in the restored
    /// store, too. When not given, FILE is that of `kith serve` on DIR: DIR.erasures.
    #[arg(long, env = "KITH_ERASURE_JOURNAL", value_name = "FILE")]
    erasure_journal: Option<PathBuf>,
    /// Restore without an erasure journal: whoever was erased since the backup, or after --until, comes back. A namespace that is restored by its name
    /// is a new one then, to which no erasure journal applies.
    #[arg(long, conflicts_with = "erasure_journal")]
    ignore_erasures: bool,
    /// Restore this namespace alone, into a store that may be there already and has no such namespace. Its write times, etags and digest are
    /// those that were backed up; request ids are not taken over.
    #[arg(long, value_name = "NAME", value_parser = namespace)]
    namespace: Option<NamespaceName>,
    /// Report in JSON.
    #[arg(long)]
    json: bool,
}

pub async fn run(args: RestoreArgs) -> Result<ExitCode, Failure> {
    on_thread("kith-restore", move || restore(&args)).await??.conclude()
}

fn restore(args: &RestoreArgs) -> Result<Report, Failure> {
    let mut report = Report::new(args.json, args.namespace.clone());
    let at_start = journal_beside(&args.data);
    let journal = (!args.ignore_erasures).then(|| args.erasure_journal.clone().unwrap_or_else(|| at_start.clone()));
    let erasures = Erasures { journal, at_start };
    let (restored, from) = match (&args.archive, &args.file, &args.namespace) {
        (Some(url), _, _) => {
            let (until, told) = (args.until.as_deref().unwrap_or_default(), |undo: &Undo| tell(undo, args.json));
            (restore_archived(url, until, &args.data, &erasures, &mut report, told), Path::new(url))
        }
        (None, Some(file), None) => {
            (restore_store(open(file)?, file, &args.data, &erasures, &mut report), file.as_path())
        }
        (None, Some(file), Some(name)) => {
            let into = (args.data.as_path(), name);
            (restore_namespace(open(file)?, file, into, &erasures, &mut report), file.as_path())
        }
        // clap asks for one of them.
        (None, None, _) => return Err(Failure::new("neither a backup nor an archive is named")),
    };
    let checked = restored.map(|Restored { check, erased }| {
        report.erased = Some(erased);
        check
    });
    take_check(checked, from, &mut report)?;
    Ok(report)
}

fn open(file: &Path) -> Result<Box<dyn Read>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let failed = |error| Failure::of_start(format!("can't read {}: {error}", file.display()));
    Ok(Box::new(BufReader::new(File::open(file).map_err(failed)?)))
}

/// Tells a person which backup it begins with. The report follows, so that standard output is left to it.
fn tell(undo: &Undo, as_json: bool) {
    if !as_json {
        let (name, last) = (&undo.line.name, undo.line.reach().0);
        eprintln!("from the backup at revision {} and the log after it, which reaches to {last}", name.sequence);
    }
}
