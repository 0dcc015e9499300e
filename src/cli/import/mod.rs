//! `kith import`: reads files and streams them to a running server.

mod bounds;
mod cells;
mod columns;
#[cfg(test)]
mod fuzz;
mod gzip;
mod json_array;
mod json_fields;
mod layout;
mod magic;
mod ndjson;
mod progress;
mod quotes;
mod read;
mod read_ahead;
mod report;
mod row;
mod rows;
mod skip;
mod sniff;
mod stream;
mod table;
#[cfg(test)]
mod table_tests;
mod times;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use columns::AskedColumns;
use layout::{Format, HeaderRow, Layout, RowDefaults};
use progress::Progress;
use read_ahead::Batches;
use report::{ErrorsFile, FileReport};
use sniff::Named;
use stream::{Failure, Importer, Sending};
use times::TimeUnit;

use super::client::Client;
use crate::cli;

const REFUSED: u8 = 1;
pub const WRONG_USAGE: u8 = 2;
const COULD_NOT: u8 = 3;

/// Puts the members, edges, kinds and statuses of files.
///
/// A bad row is refused with its line and the others go in; importing the same again changes nothing. A row changes what its columns (or
/// its JSON) name and leaves the rest of what is stored as it is; an empty cell clears, but in columns of visibility and privacy.
/// Every row is accounted for: rows read = imported + refused + skipped.
///
/// Exit codes: 0 all went in; 1 rows were refused, or the server refused the whole; 2 wrong usage; 3 it came to no end.
#[derive(clap::Args, Debug)]
pub struct ImportArgs {
    /// Files, plain or gzip; - is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How the rows are written [default: by content, then by extension: .ndjson, .jsonl, .json; .csv; .tsv; edges for others]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The columns' names, in order, or by name for those of a header row: source=from,target=to (columns that are neither named so nor
    /// known are ignored). Edges: from,to,kind,strength,interactions,time,since,visibility,note,
    /// origin_status,introducers,origin_note (what the edge came of, which a row that has one of them puts anew as a whole). Members: id,display_name,headline,topics,
    /// label:KEY,edges_visibility,hidden_from_suggestions,declines_introducing,processing_restricted,objects_to_profiling. Statuses: id,author,text,link,topics,post_time,
    /// expire_time,max_hops,audience_kinds. `-` ignores a column. A time without interactions is the time of one. Topics, kinds and
    /// introducers have ; between them. [default: the header row, from,to without one]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    columns: Option<AskedColumns>,
    /// Whether the first row names the columns [default: if its cells are names of columns]
    #[arg(long, value_enum, default_value_t, hide_default_value = true, value_name = "WHETHER")]
    header: HeaderRow,
    /// The kind of edges whose row gives none.
    #[arg(long, value_name = "NAME", default_value = "friend")]
    kind: String,
    /// What is between cells: one ASCII character, or `tab` [default: , in CSV, or ; tab or | if its header has it; in edge lists as the
    /// first row has it].
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// Characters that begin comments at the start of a line, or `none` [default: #% in edge lists, none in .csv]
    #[arg(long, value_name = "CHARS", value_parser = comments)]
    comments: Option<Comments>,
    /// What times count that are bare numbers; without it such times are refused.
    #[arg(long, value_enum, value_name = "UNIT")]
    time_unit: Option<TimeUnit>,
    /// Lines to skip at the start of every file.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip_rows: u64,
    /// What to put before every member's id.
    #[arg(long, value_name = "PREFIX", default_value = "")]
    id_prefix: String,
    /// Refuse edges whose ends do not exist, instead of creating members that have nothing but their ids.
    #[arg(long)]
    no_create_members: bool,
    /// Replace what is stored by each row: what the row does not have is gone, an edge's interactions alone stay.
    #[arg(long)]
    replace: bool,
    /// Check every row against what is stored and report what would come of it, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Write every refusal to this file, a JSON object a line. Slower: the server confirms every 1,000 rows.
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
}

/// Characters that begin comments.
#[derive(Debug, Clone)]
struct Comments(Vec<u8>);

fn comments(text: &str) -> Result<Comments, String> {
    if text == "none" {
        return Ok(Comments(Vec::new()));
    }
    let plain = |byte: u8| byte.is_ascii_punctuation() && !matches!(byte, b'"' | b',' | b'{' | b'[');
    match !text.is_empty() && text.bytes().all(plain) {
        true => Ok(Comments(text.as_bytes().to_vec())),
        false => Err("must be ASCII punctuation (not \" , { [), or `none`".to_owned()),
    }
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
        let named_json = self.format.is_none() && Named::of(file) == Named::Json;
        let json = named_json || matches!(self.format, Some(Format::Ndjson | Format::Json));
        if json && (self.columns.is_some() || self.delimiter.is_some()) {
            return Err(format!("{}: --columns and --delimiter are not for JSON", file.display()));
        }
        Ok(Layout {
            format: self.format,
            columns: self.columns.clone(),
            header: self.header,
            delimiter: self.delimiter,
            comments: self.comments.as_ref().map(|Comments(comments)| comments.clone()),
            skip_rows: self.skip_rows,
            defaults: RowDefaults {
                kind: self.kind.clone(),
                id_prefix: self.id_prefix.clone(),
                time_unit: self.time_unit,
                replace: self.replace,
            },
        })
    }
}

/// Imports one file after another. It goes on after a file that cannot be read, but not after the server is gone.
pub async fn run(args: ImportArgs, client: &Client, json: bool) -> Result<ExitCode, cli::Failure> {
    let layouts: Result<Vec<Layout>, String> = args.files.iter().map(|file| args.layout(file)).collect();
    let layouts = layouts.map_err(|message| local(WRONG_USAGE, message))?;
    let mut errors = errors_file(&args)?;
    let sending = Sending {
        allow_missing_members: !args.no_create_members,
        validate_only: args.dry_run,
        name_every_refusal: errors.is_some(),
    };
    let mut importer = Importer::new(client, sending);

    let (mut exit_code, mut acknowledged) = (0, false);
    for (file, layout) in args.files.iter().zip(layouts) {
        let mut report = FileReport::new(file.display().to_string(), args.dry_run, errors.take());
        let end = import_file(file, layout, &mut importer, &mut report).await;
        let failure = end.as_ref().err().map(|failure| explain(failure, &report, args.dry_run));
        acknowledged |= report.acknowledged_line > 0;
        let failed = end.as_ref().map_or_else(|failure| code_of(failure, acknowledged), |()| 0);
        exit_code = exit_code.max(failed).max(if report.refused() { REFUSED } else { 0 });
        errors = report.finish(json, failure.as_deref())?;
        if matches!(end, Err(Failure::Server(_) | Failure::Interrupted | Failure::Report(_))) {
            break;
        }
    }
    let flushed = errors.as_mut().map_or(Ok(()), ErrorsFile::flush);
    flushed.map_err(|error| local(COULD_NOT, Failure::Report(error).to_string()))?;
    Ok(ExitCode::from(exit_code))
}

/// Returns the exit code of an import that came to no end. A server that refuses before it has acknowledged anything has refused the call.
fn code_of(failure: &Failure, acknowledged: bool) -> u8 {
    match failure {
        Failure::Server(failure) if !acknowledged => failure.exit_code(),
        _ => COULD_NOT,
    }
}

fn errors_file(args: &ImportArgs) -> Result<Option<ErrorsFile>, cli::Failure> {
    let Some(path) = &args.errors else { return Ok(None) };
    ErrorsFile::create(path, &args.files).map(Some).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => local(WRONG_USAGE, format!("--errors: {} {error}", path.display())),
        _ => local(COULD_NOT, format!("cannot write the file of --errors: {error}")),
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
    let size = std::fs::metadata(file).ok().filter(|metadata| metadata.is_file()).map(|metadata| metadata.len());
    let progress = Progress::start(&report.file, bytes_read.clone(), size);
    let batches = Batches::of(file.to_owned(), layout, bytes_read);
    tokio::select! {
        end = importer.send(batches, report, &progress) => end,
        _ = interrupted() => Err(Failure::Interrupted),
    }
}

/// Waits for Ctrl-C; for ever where the signal cannot be caught.
async fn interrupted() -> io::Result<()> {
    match tokio::signal::ctrl_c().await {
        Ok(()) => Ok(()),
        Err(_) => std::future::pending().await,
    }
}

fn explain(failure: &Failure, report: &FileReport, dry_run: bool) -> String {
    let (file, unit) = (&report.file, report.unit());
    match (failure, report.acknowledged_line) {
        (Failure::Read(_), 0) => format!("{file}: {failure}"),
        (_, _) if dry_run => format!("{file}: {failure}"),
        (Failure::Read(_), line) => format!("{file}: {failure} after {unit} {line}; what is before it is imported"),
        (_, 0) => format!("{file}: {failure}; nothing of it is acknowledged; importing it again is safe"),
        (_, line) => format!("{file}: {failure}; all up to {unit} {line} is imported; importing it again is safe"),
    }
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;

    #[test]
    fn a_refusal_is_one_of_the_whole_until_something_is_acknowledged() {
        let of = |status: Status| Failure::Server(status.into());
        let refused = of(Status::permission_denied("no"));
        assert_eq!([false, true].map(|acknowledged| code_of(&refused, acknowledged)), [REFUSED, COULD_NOT]);
        let gone = of(Status::unavailable("broken pipe"));
        let interrupted = Failure::Interrupted;
        assert_eq!([&gone, &interrupted].map(|failure| code_of(failure, false)), [COULD_NOT; 2]);
    }
}
