//! What an import did: totals, refusals and how far it is.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::cli;
use crate::cli::print::{clean, say};
use crate::proto::v1::{ErrorReason, ImportError, ImportResponse};

const REFUSALS_SHOWN: usize = 20;
const FIELD_CHARS_MAX: usize = 200;
const MESSAGE_CHARS_MAX: usize = 500;
const BAR_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(5);

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
    pub fn create(path: &Path) -> io::Result<ErrorsFile> {
        Ok(ErrorsFile(BufWriter::new(File::create(path)?)))
    }

    fn write(&mut self, file: &str, refusal: &Refusal) -> io::Result<()> {
        let Refusal { line, field, message, .. } = refusal;
        let reason = refusal.reason_name();
        let json = json!({"file": file, "line": line, "reason": reason, "field": field, "message": message});
        writeln!(self.0, "{json}")
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// What came of one file so far.
pub struct FileReport {
    pub file: String,
    /// Every row up to this line is on the server's disk, or refused.
    pub acknowledged_line: u64,
    totals: ImportResponse,
    shown: Vec<Refusal>,
    errors: Option<ErrorsFile>,
}

impl FileReport {
    pub fn new(file: String, errors: Option<ErrorsFile>) -> FileReport {
        FileReport { file, acknowledged_line: 0, totals: ImportResponse::default(), shown: Vec::new(), errors }
    }

    /// Rows that were never sent.
    pub fn add_unsent(&mut self, refusals: Vec<Refusal>) -> io::Result<()> {
        let count = refusals.len() as i64;
        self.totals.received += count;
        self.totals.refused += count;
        self.keep(refusals)
    }

    /// What the server answered, and the rows among those it answers for that were never sent.
    pub fn add(&mut self, answer: ImportResponse, unsent: Vec<Refusal>, last_line: u64) -> io::Result<()> {
        let totals = &mut self.totals;
        totals.received += answer.received + unsent.len() as i64;
        totals.created += answer.created;
        totals.updated += answer.updated;
        totals.unchanged += answer.unchanged;
        totals.refused += answer.refused + unsent.len() as i64;
        totals.members_created_bare += answer.members_created_bare;
        totals.revision = answer.revision;
        self.acknowledged_line = last_line;

        let mut refusals = unsent;
        refusals.extend(answer.errors.into_iter().map(Refusal::of_server));
        refusals.sort_by_key(|refusal| refusal.line);
        self.keep(refusals)
    }

    fn keep(&mut self, refusals: Vec<Refusal>) -> io::Result<()> {
        if let Some(errors) = &mut self.errors {
            refusals.iter().try_for_each(|refusal| errors.write(&self.file, refusal))?;
        }
        let room = REFUSALS_SHOWN - self.shown.len();
        self.shown.extend(refusals.into_iter().take(room));
        Ok(())
    }

    pub fn refused(&self) -> bool {
        self.totals.refused > 0
    }

    /// Tells the first refusals, the totals and why it failed. Gives back the errors file for the next one.
    pub fn finish(self, json: bool, failure: Option<&str>) -> Result<Option<ErrorsFile>, cli::Failure> {
        let mut told = String::new();
        for refusal in &self.shown {
            let field = clean(&refusal.field, FIELD_CHARS_MAX);
            let colon = if field.is_empty() { "" } else { ": " };
            let message = clean(&refusal.message, MESSAGE_CHARS_MAX);
            let reason = refusal.reason_name();
            told += &format!("{}:{}: {field}{colon}{message} ({reason})\n", self.file, refusal.line);
        }
        let more = self.totals.refused - self.shown.len() as i64;
        if more > 0 {
            told += &format!("… and {more} more (see --errors)\n");
        }
        if let Some(failure) = failure {
            told += &format!("error: {failure}\n");
        }
        // The totals matter more than that these lines can be shown.
        let _ = io::stderr().lock().write_all(told.as_bytes());
        // Of a file that could not be opened there are no totals to tell a person.
        if json || failure.is_none() || self.totals.received > 0 {
            let totals = if json { self.json(failure).to_string() } else { self.sentence() };
            say(&format!("{totals}\n"))?;
        }
        Ok(self.errors)
    }

    fn sentence(&self) -> String {
        let ImportResponse { received, created, updated, unchanged, refused, revision, .. } = &self.totals;
        let revision = if revision.is_empty() { String::new() } else { format!("; revision {revision}") };
        format!(
            "imported {}: {received} received, {created} created, {updated} updated, {unchanged} unchanged, \
             {refused} refused{revision}",
            self.file
        )
    }

    fn json(&self, failure: Option<&str>) -> Value {
        let totals = &self.totals;
        json!({
            "file": self.file,
            "received": totals.received,
            "created": totals.created,
            "updated": totals.updated,
            "unchanged": totals.unchanged,
            "refused": totals.refused,
            "membersCreatedBare": totals.members_created_bare,
            "revision": totals.revision,
            "acknowledgedLine": self.acknowledged_line,
            "error": failure,
        })
    }
}

/// Shows on standard error how far a file is, from when it is made to when it is dropped.
pub struct Progress {
    records: Arc<AtomicU64>,
    bar: Option<ProgressBar>,
    task: JoinHandle<()>,
}

impl Progress {
    pub fn start(file: &str, bytes_read: Arc<AtomicU64>, size: Option<u64>) -> Progress {
        let records = Arc::new(AtomicU64::new(0));
        let bar = io::stderr().is_terminal().then(|| bar(file, size));
        let state =
            State { file: file.to_owned(), bytes_read, size, records: records.clone(), started: Instant::now() };
        let task = match bar.clone() {
            Some(bar) => tokio::spawn(state.draw(bar)),
            None => tokio::spawn(state.print_lines()),
        };
        Progress { records, bar, task }
    }

    pub fn add_records(&self, count: usize) {
        self.records.fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(file: &str, size: Option<u64>) -> ProgressBar {
    let template = match size {
        Some(_) => "{prefix} {wide_bar} {bytes}/{total_bytes}, {msg}, {eta} left",
        None => "{prefix} {spinner} {bytes}, {msg}, {elapsed}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = size.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    // Without its folder: the line must fit a terminal.
    let name = file.rsplit('/').next().unwrap_or(file);
    bar.with_style(style).with_prefix(name.to_owned())
}

struct State {
    file: String,
    bytes_read: Arc<AtomicU64>,
    size: Option<u64>,
    records: Arc<AtomicU64>,
    started: Instant,
}

impl State {
    async fn draw(self, bar: ProgressBar) {
        let mut ticks = tokio::time::interval(BAR_EVERY);
        loop {
            ticks.tick().await;
            bar.set_message(format!("{} records/s", HumanCount(self.rate())));
            bar.set_position(self.bytes_read.load(Ordering::Relaxed));
        }
    }

    async fn print_lines(self) {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + LINE_EVERY, LINE_EVERY);
        loop {
            ticks.tick().await;
            // Progress that cannot be shown is no reason to stop.
            let _ = writeln!(io::stderr(), "{}", self.line());
        }
    }

    fn rate(&self) -> u64 {
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        (self.records.load(Ordering::Relaxed) as f64 / seconds) as u64
    }

    fn line(&self) -> String {
        let bytes = self.bytes_read.load(Ordering::Relaxed);
        let (records, rate) = (self.records.load(Ordering::Relaxed), self.rate());
        let line = format!("importing {}: {records} records, {rate} records/s, {} read", self.file, HumanBytes(bytes));
        match self.size {
            Some(size) if bytes > 0 => {
                let left = self.started.elapsed().as_secs_f64() * size.saturating_sub(bytes) as f64 / bytes as f64;
                format!("{line} of {}, {left:.0} s left", HumanBytes(size))
            }
            _ => line,
        }
    }
}
