//! `kith restore`: makes a store of a backup, and checks it.

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
use crate::app::{Erasures, Restored, restore_namespace, restore_store};
use crate::domain::NamespaceName;

/// Makes a store of a backup, in a folder that is not there or empty; then reads all of it and checks it against itself.
///
/// The store gets an id of its own: revisions of the one that was backed up say nothing here. What is damaged leaves nothing.
/// Exits with 1 if something is found, 3 if it could not be done.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// What `kith backup` wrote; - is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The folder to restore into.
    #[arg(long, env = "KITH_DATA", value_name = "DIR")]
    data: PathBuf,
    /// The erasure journal of the store that the backup is of: whoever was erased since is erased in the restored
    /// store, too. When not given, FILE is that of `kith serve` on DIR: DIR.erasures.
    #[arg(long, env = "KITH_ERASURE_JOURNAL", value_name = "FILE")]
    erasure_journal: Option<PathBuf>,
    /// Restore without an erasure journal: whoever was erased since the backup comes back. A namespace that is restored by its name
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
    let backup: Box<dyn Read> = if args.file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let failed = |error| Failure::of_start(format!("can't read {}: {error}", args.file.display()));
        Box::new(BufReader::new(File::open(&args.file).map_err(failed)?))
    };
    let mut report = Report::new(args.json, args.namespace.clone());
    let at_start = journal_beside(&args.data);
    let journal = (!args.ignore_erasures).then(|| args.erasure_journal.clone().unwrap_or_else(|| at_start.clone()));
    let erasures = Erasures { journal, at_start };
    let restored = match &args.namespace {
        None => restore_store(backup, &args.file, &args.data, &erasures, &mut report),
        Some(name) => restore_namespace(backup, &args.file, (&args.data, name), &erasures, &mut report),
    };
    let checked = restored.map(|Restored { check, erased }| {
        report.erased = Some(erased);
        check
    });
    take_check(checked, &args.file, &mut report)?;
    Ok(report)
}
