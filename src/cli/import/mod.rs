//! `kith import`: reads files and streams them to a running server.

mod columns;
#[cfg(test)]
mod fuzz;
mod ndjson;
mod read;
mod report;
mod rows;
mod stream;
mod table;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use columns::Columns;
use report::{ErrorsFile, FileReport, Progress};
use rows::{Format, Layout, Rows};
use stream::{Failure, Importer};
use table::RowDefaults;

use super::client::Client;
use crate::cli;

const SOME_REFUSED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const COULD_NOT: u8 = 3;

/// Puts the members, edges, kinds and statuses of files.
///
/// A bad row is refused with its line and the others go in; importing the same again changes nothing.
/// Exits with 0 if all went in, 1 if rows were refused, 3 if it could not be done.
#[derive(clap::Args, Debug)]
pub struct ImportArgs {
    /// Files, plain or gzip; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How the rows are written [default: by extension: .ndjson, .jsonl, .json; .csv; edges for others]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The columns' names, in order, in place of a header row (to leave out one that is there: --skip-rows 1).
    /// Edges: from,to,kind,strength,interactions,time,since,note. Members: id,display_name,headline,topics,label:KEY.
    /// `-` ignores a column. A time without interactions is the time of one.
    /// [default: the header row of a CSV file, from,to for edge lists]
    #[arg(long, value_name = "LIST")]
    columns: Option<Columns>,
    /// The kind of edges whose row gives none.
    #[arg(long, value_name = "NAME", default_value = "friend")]
    kind: String,
    /// What is between fields: one ASCII character, or `tab` [default: , in CSV; in edge lists as the first row has it].
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// Lines to skip at the start of every file.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip_rows: u64,
    /// What to put before every member's id.
    #[arg(long, value_name = "PREFIX", default_value = "")]
    id_prefix: String,
    /// Refuse edges whose ends do not exist, instead of creating members that have nothing but their ids.
    #[arg(long)]
    no_create_members: bool,
    /// Write every refusal to this file, a JSON object a line. Slower: the server confirms every 1,000 rows.
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | b'"') => Ok(*byte),
        _ => Err("must be one ASCII character or `tab`".to_owned()),
    }
}

impl ImportArgs {
    fn layout(&self, file: &Path) -> Result<Layout, String> {
        let format = self.format.unwrap_or_else(|| Format::of(file));
        if format == Format::Ndjson && (self.columns.is_some() || self.delimiter.is_some()) {
            return Err(format!("{}: --columns and --delimiter are not for NDJSON", file.display()));
        }
        Ok(Layout {
            format,
            columns: self.columns.clone(),
            delimiter: self.delimiter,
            skip_rows: self.skip_rows,
            defaults: RowDefaults { kind: self.kind.clone(), id_prefix: self.id_prefix.clone() },
        })
    }
}

/// Imports one file after another; goes on after one that cannot be read, not after the server is gone.
pub async fn run(args: ImportArgs, client: &Client, json: bool) -> Result<ExitCode, cli::Failure> {
    let layouts: Result<Vec<Layout>, String> = args.files.iter().map(|file| args.layout(file)).collect();
    let layouts = layouts.map_err(|message| local(WRONG_USAGE, message))?;
    let errors = args.errors.as_deref().map(ErrorsFile::create).transpose();
    let mut errors = errors.map_err(|error| local(COULD_NOT, format!("cannot write the file of --errors: {error}")))?;
    let mut importer = Importer::new(client, !args.no_create_members, errors.is_some());

    let (mut failed, mut refused) = (false, false);
    for (file, layout) in args.files.iter().zip(layouts) {
        let mut report = FileReport::new(file.display().to_string(), errors.take());
        let end = import_file(file, layout, &mut importer, &mut report).await;
        let failure = end.as_ref().err().map(|failure| explain(failure, &report));
        failed |= failure.is_some();
        refused |= report.refused();
        errors = report.finish(json, failure.as_deref())?;
        if matches!(end, Err(Failure::Server(_) | Failure::Interrupted | Failure::Report(_))) {
            break;
        }
    }
    let flushed = errors.as_mut().map_or(Ok(()), ErrorsFile::flush);
    flushed.map_err(|error| local(COULD_NOT, Failure::Report(error).to_string()))?;
    Ok(match (failed, refused) {
        (true, _) => ExitCode::from(COULD_NOT),
        (false, true) => ExitCode::from(SOME_REFUSED),
        (false, false) => ExitCode::SUCCESS,
    })
}

fn local(exit_code: u8, message: String) -> cli::Failure {
    cli::Failure::Local { message, exit_code }
}

async fn import_file(
    file: &Path,
    layout: Layout,
    importer: &mut Importer,
    report: &mut FileReport,
) -> Result<(), Failure> {
    let bytes_read = Arc::new(AtomicU64::new(0));
    let (mut lines, size) = read::open(file, bytes_read.clone())?;
    let rows = Rows::begin(layout, &mut lines)?;
    let progress = Progress::start(&report.file, bytes_read, size);
    let batches = stream::read_ahead(rows, lines);
    tokio::select! {
        end = importer.send(batches, report, &progress) => end,
        _ = interrupted() => Err(Failure::Interrupted),
    }
}

/// Waits for Ctrl-C; for ever where it cannot be listened to.
async fn interrupted() -> io::Result<()> {
    match tokio::signal::ctrl_c().await {
        Ok(()) => Ok(()),
        Err(_) => std::future::pending().await,
    }
}

fn explain(failure: &Failure, report: &FileReport) -> String {
    let file = &report.file;
    match (failure, report.acknowledged_line) {
        (Failure::Read(_), 0) => format!("{file}: {failure}"),
        (Failure::Read(_), line) => format!("{file}: {failure} after line {line}; what is before it is imported"),
        (_, 0) => format!("{file}: {failure}; nothing of it is acknowledged; importing it again is safe"),
        (_, line) => format!("{file}: {failure}; all up to line {line} is imported; importing it again is safe"),
    }
}
