//! The report of an import: totals and refusals.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use same_file::Handle;
use serde_json::{Value, json};

use super::skip::Skip;
use crate::cli;
use crate::cli::print::{clean, say};
use crate::proto::v1::{ErrorReason, ImportError, ImportResponse};

const REFUSALS_SHOWN: usize = 20;
const COMMENTS_SHOWN: usize = 3;
const COMMENT_CHARS_MAX: usize = 80;
const FIELD_CHARS_MAX: usize = 200;
const MESSAGE_CHARS_MAX: usize = 500;

/// A row that did not go in, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub line: u64,
    pub reason: ErrorReason,
    pub field: String,
    pub message: String,
}

impl Refusal {
    pub fn new(line: u64, reason: ErrorReason, field: &str, message: impl Into<String>) -> Refusal {
        Refusal { line, reason, field: field.to_owned(), message: message.into() }
    }

    fn of_server(error: ImportError) -> Refusal {
        let line = error.position.max(0) as u64;
        Refusal { line, reason: error.reason(), field: error.field, message: error.message }
    }

    fn reason_name(&self) -> &'static str {
        self.reason.as_str_name().trim_start_matches("ERROR_REASON_")
    }
}

/// The file of `--errors`: every refusal, a JSON object a line.
pub struct ErrorsFile(BufWriter<File>);

impl ErrorsFile {
    /// Creates the file, but refuses to empty one that is to be imported, by whatever name.
    pub fn create(path: &Path, inputs: &[PathBuf]) -> io::Result<ErrorsFile> {
        if inputs.iter().any(|input| is_same_file(input, path)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is a file that is to be imported"));
        }
        Ok(ErrorsFile(BufWriter::new(File::create(path)?)))
    }

    fn write(&mut self, file: &str, counts_records: bool, refusal: &Refusal) -> io::Result<()> {
        let Refusal { line, field, message, .. } = refusal;
        let reason = refusal.reason_name();
        let unit = if counts_records { "record" } else { "line" };
        let json = json!({"file": file, unit: line, "reason": reason, "field": field, "message": message});
        writeln!(self.0, "{json}")
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Returns whether an input is the file of a path; standard input may be that file, too.
fn is_same_file(input: &Path, path: &Path) -> bool {
    let input = match input == Path::new("-") {
        true => Handle::stdin(),
        false => Handle::from_path(input),
    };
    matches!((input, Handle::from_path(path)), (Ok(input), Ok(path)) if input == path)
}

/// The number of rows that were skipped, by the reason.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Skipped(BTreeMap<Skip, u64>);

impl Skipped {
    pub fn add(&mut self, skip: Skip, rows: u64) {
        *self.0.entry(skip).or_default() += rows;
    }

    pub fn add_all(&mut self, other: &Skipped) {
        other.0.iter().for_each(|(skip, rows)| self.add(*skip, *rows));
    }

    fn rows(&self) -> u64 {
        self.0.values().sum()
    }

    /// Returns each reason that occurred, with its name.
    fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(skip, rows)| {
            let name = match skip {
                Skip::Header => "header",
                Skip::Comment => "comment",
                Skip::Blank => "blank",
                Skip::Asked => "--skip-rows",
            };
            (name, *rows)
        })
    }
}

/// The rows of a file that are not sent to the server.
#[derive(Debug, Default)]
pub struct LocalRows {
    pub refused: Vec<Refusal>,
    pub skipped: Skipped,
    /// The first comments, with their lines.
    pub comments: Vec<(u64, String)>,
}

/// The report of one file so far.
pub struct FileReport {
    pub file: String,
    /// Every row up to this line is on the server's disk, or refused.
    pub acknowledged_line: u64,
    /// Whether positions are those of an array's elements, not lines.
    counts_records: bool,
    dry_run: bool,
    totals: ImportResponse,
    /// The records that were taken to be sent.
    taken: u64,
    /// The rows that were refused before they were sent.
    refused_here: u64,
    skipped: Skipped,
    comments: Vec<(u64, String)>,
    ignored_columns: Vec<String>,
    /// The refusals since the last answer, to be reported in the order of their lines with those of the next.
    pending: Vec<Refusal>,
    shown: Vec<Refusal>,
    errors: Option<ErrorsFile>,
}

impl FileReport {
    pub fn new(file: String, dry_run: bool, errors: Option<ErrorsFile>) -> FileReport {
        FileReport {
            file,
            acknowledged_line: 0,
            counts_records: false,
            dry_run,
            totals: ImportResponse::default(),
            taken: 0,
            refused_here: 0,
            skipped: Skipped::default(),
            comments: Vec::new(),
            ignored_columns: Vec::new(),
            pending: Vec::new(),
            shown: Vec::new(),
            errors,
        }
    }

    pub fn begun(&mut self, counts_records: bool, ignored_columns: Vec<String>) {
        (self.counts_records, self.ignored_columns) = (counts_records, ignored_columns);
    }

    /// Counts rows that were read: so many records, and rows that are not sent.
    pub fn read(&mut self, records: usize, rows: LocalRows) {
        self.taken += records as u64;
        self.refused_here += rows.refused.len() as u64;
        self.skipped.add_all(&rows.skipped);
        self.pending.extend(rows.refused);
        let room = COMMENTS_SHOWN - self.comments.len();
        self.comments.extend(rows.comments.into_iter().take(room));
    }

    /// Counts the server's answer for all records that were taken up to this line.
    pub fn acknowledged(&mut self, answer: ImportResponse, last_line: u64) -> io::Result<()> {
        let totals = &mut self.totals;
        totals.received += answer.received;
        totals.created += answer.created;
        totals.updated += answer.updated;
        totals.unchanged += answer.unchanged;
        totals.refused += answer.refused;
        // A member that was erased is not brought back, and its row is not lost in silence.
        totals.erased_skipped += answer.erased_skipped;
        totals.members_created_bare += answer.members_created_bare;
        totals.revision = answer.revision;
        self.acknowledged_line = last_line;
        self.pending.extend(answer.errors.into_iter().map(Refusal::of_server));
        self.keep_pending()
    }

    /// Writes the refusals since the last time.
    fn keep_pending(&mut self) -> io::Result<()> {
        let mut refusals = std::mem::take(&mut self.pending);
        refusals.sort_by_key(|refusal| refusal.line);
        if let Some(errors) = &mut self.errors {
            refusals.iter().try_for_each(|refusal| errors.write(&self.file, self.counts_records, refusal))?;
        }
        let room = REFUSALS_SHOWN - self.shown.len();
        self.shown.extend(refusals.into_iter().take(room));
        Ok(())
    }

    /// Returns what positions count.
    pub fn unit(&self) -> &'static str {
        if self.counts_records { "record" } else { "line" }
    }

    pub fn refused(&self) -> bool {
        self.refused_rows() > 0
    }

    fn refused_rows(&self) -> u64 {
        self.refused_here + self.totals.refused as u64
    }

    fn imported(&self) -> u64 {
        (self.totals.created + self.totals.updated + self.totals.unchanged) as u64
    }

    /// Returns the skipped rows by reason, with those that the server skipped because it erased their members.
    fn all_skipped(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let erased = self.totals.erased_skipped as u64;
        self.skipped.named().chain((erased > 0).then_some(("erased", erased)))
    }

    fn rows_read(&self) -> u64 {
        self.taken + self.refused_here + self.skipped.rows()
    }

    /// Returns the number of records whose outcome the server has not reported.
    fn unacknowledged(&self) -> u64 {
        let answered = self.imported() + (self.totals.refused + self.totals.erased_skipped) as u64;
        self.taken.saturating_sub(answered)
    }

    /// Reports the first refusals, the totals and the failure. Returns the errors file for the next file.
    pub fn finish(mut self, json: bool, failure: Option<&str>) -> Result<Option<ErrorsFile>, cli::Failure> {
        let kept = self.keep_pending();
        let mut shown = String::new();
        for (line, text) in &self.comments {
            shown += &format!("{}:{line}: skipped as a comment: {}\n", self.file, clean(text, COMMENT_CHARS_MAX));
        }
        for name in &self.ignored_columns {
            shown += &format!("{}: column {} is ignored\n", self.file, clean(name, FIELD_CHARS_MAX));
        }
        let unit = if self.counts_records { "record " } else { "" };
        for refusal in &self.shown {
            let field = clean(&refusal.field, FIELD_CHARS_MAX);
            let colon = if field.is_empty() { "" } else { ": " };
            let message = clean(&refusal.message, MESSAGE_CHARS_MAX);
            let reason = refusal.reason_name();
            shown += &format!("{}:{unit}{}: {field}{colon}{message} ({reason})\n", self.file, refusal.line);
        }
        let more = self.refused_rows() - self.shown.len() as u64;
        if more > 0 {
            shown += &format!("… and {more} more (see --errors)\n");
        }
        if let Some(failure) = failure {
            shown += &format!("error: {failure}\n");
        }
        // The totals matter more than that these lines can be shown.
        let _ = io::stderr().lock().write_all(shown.as_bytes());
        // A file that could not be opened has no totals to show a person.
        if json || failure.is_none() || self.rows_read() > 0 {
            let totals = if json { self.json(failure).to_string() } else { self.sentence() };
            say(&format!("{totals}\n"))?;
        }
        kept.map_err(|error| cli::Failure::new(format!("cannot write the file of --errors: {error}")))?;
        Ok(self.errors)
    }

    fn sentence(&self) -> String {
        let ImportResponse { created, updated, unchanged, revision, .. } = &self.totals;
        let skipped: Vec<String> = self.all_skipped().map(|(name, rows)| format!("{rows} {name}")).collect();
        let skipped = if skipped.is_empty() { String::new() } else { format!(" ({})", skipped.join(", ")) };
        let unacknowledged = match self.unacknowledged() {
            0 => String::new(),
            rows => format!(", {rows} not acknowledged"),
        };
        let revision = if revision.is_empty() { String::new() } else { format!("; revision {revision}") };
        format!(
            "{} {}: {} = {} imported ({created} created, {updated} changed, {unchanged} unchanged), {} refused, \
             {} skipped{skipped}{unacknowledged}{revision}",
            if self.dry_run { "would import" } else { "imported" },
            self.file,
            match self.rows_read() {
                1 => "1 row read".to_owned(),
                rows => format!("{rows} rows read"),
            },
            self.imported(),
            self.refused_rows(),
            self.all_skipped().map(|(_, rows)| rows).sum::<u64>(),
        )
    }

    fn json(&self, failure: Option<&str>) -> Value {
        let totals = &self.totals;
        let skipped: BTreeMap<&str, u64> = self.all_skipped().collect();
        json!({
            "file": self.file,
            "dryRun": self.dry_run,
            "read": self.rows_read(),
            "imported": self.imported(),
            "created": totals.created,
            "changed": totals.updated,
            "unchanged": totals.unchanged,
            "refused": self.refused_rows(),
            "skipped": skipped,
            "unacknowledged": self.unacknowledged(),
            "membersCreatedBare": totals.members_created_bare,
            "ignoredColumns": self.ignored_columns,
            "revision": totals.revision,
            "acknowledgedLine": self.acknowledged_line,
            "error": failure,
        })
    }
}
