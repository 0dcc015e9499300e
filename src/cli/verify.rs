//! `kith verify`: checks whether all that is held agrees with itself.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::client::{Client, ServerArgs};
use super::failure::Failure;
use super::print::{clean, count, held, held_json, say};
use super::progress::Progress;
use super::thread::on_thread;
use crate::app::{OfflineError, StoreCheck, Verifier, verify_backup, verify_store};
use crate::domain::{Error, Finding};
use crate::proto::v1::verify_response::Event;
use crate::proto::v1::{VerifyRequest, VerifySummary};

const SUBJECT_CHARS_MAX: usize = 500;
const MESSAGE_CHARS_MAX: usize = 2_000;

/// Checks everything against everything: records against the graph, indexes against records, the content digest against all.
///
/// Asked of a server, it checks what is in memory, and reads the log on disk. Given a folder or a backup, it reads all that is
/// on disk. Exits with 1 if something is found, 3 if it could not be done.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The folder of a store that nobody serves; the server is asked when not given.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Reads a copy of the checkpoint in this folder, and writes nothing to the store's: for one that is read-only. The copy goes again.
    #[arg(long, value_name = "DIR", requires = "data")]
    scratch: Option<PathBuf>,
    /// A file that `kith backup` wrote.
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    backup: Option<PathBuf>,
}

pub async fn run(args: VerifyArgs, server: &ServerArgs) -> Result<ExitCode, Failure> {
    let json = server.json;
    let report = match (args.data, args.backup) {
        (Some(folder), _) => {
            let scratch = args.scratch;
            let check = move |path: &Path, report: &mut Report| verify_store(path, scratch.as_deref(), report);
            offline(move || of_path(&folder, check, json)).await?
        }
        (None, Some(file)) => {
            let check = |path: &Path, report: &mut Report| verify_backup(path, report);
            offline(move || of_path(&file, check, json)).await?
        }
        (None, None) => of_server(&server.connect().await?, json).await?,
    };
    report.conclude()
}

async fn offline(check: impl FnOnce() -> Result<Report, Failure> + Send + 'static) -> Result<Report, Failure> {
    on_thread("kith-verify", check).await?
}

async fn of_server(client: &Client, json: bool) -> Result<Report, Failure> {
    let mut stream = client.admin().verify(VerifyRequest::default()).await?.into_inner();
    let mut report = Report::new(json);
    while let Some(message) = stream.message().await? {
        match message.event {
            Some(Event::Progress(progress)) => report.progress(progress.checked as u64, progress.total as u64),
            Some(Event::Finding(finding)) => report.find(&finding.part, &finding.subject, &finding.message)?,
            Some(Event::Summary(summary)) => report.summary = Some(summary),
            None => return Err(Failure::new("the server sent what this version of kith does not know")),
        }
    }
    if report.summary.is_none() {
        return Err(Failure::new("the check ended before its summary"));
    }
    Ok(report)
}

/// Checks the store or backup at a path; `check` reports as it goes on.
fn of_path(
    path: &Path,
    check: impl FnOnce(&Path, &mut Report) -> Result<StoreCheck, OfflineError>,
    json: bool,
) -> Result<Report, Failure> {
    let mut report = Report::new(json);
    let checked = check(path, &mut report);
    take_check(checked, path, &mut report)?;
    Ok(report)
}

/// Adds the outcome of a check to a report.
pub fn take_check(checked: Result<StoreCheck, OfflineError>, path: &Path, report: &mut Report) -> Result<(), Failure> {
    match checked {
        Ok(StoreCheck::Read(checked)) => report.summary = Some(checked),
        Ok(StoreCheck::Damaged(what)) => report.find("storage", &path.display().to_string(), &what)?,
        Err(OfflineError::Ended(_)) => return Err(Failure::OutputClosed),
        Err(error) => return Err(Failure::of_start(error.to_string())),
    }
    Ok(())
}

/// The report of a check so far.
pub struct Report {
    json: bool,
    bar: Option<Progress>,
    findings: Vec<Value>,
    /// The summary; none while the check goes on, or if the store cannot be read.
    summary: Option<VerifySummary>,
}

impl Report {
    pub fn new(json: bool) -> Report {
        Report { json, bar: None, findings: Vec::new(), summary: None }
    }

    fn progress(&mut self, checked: u64, total: u64) {
        self.bar.get_or_insert_with(|| Progress::start("checking", total)).set(checked);
    }

    /// Reports a finding: a person reads it at once, a program at the end.
    fn find(&mut self, part: &str, subject: &str, message: &str) -> Result<(), Failure> {
        if !self.json {
            let (subject, message) = (clean(subject, SUBJECT_CHARS_MAX), clean(message, MESSAGE_CHARS_MAX));
            say(&format!("{part}: {subject}: {message}\n"))?;
        }
        self.findings.push(json!({"part": part, "subject": subject, "message": message}));
        Ok(())
    }

    /// Prints the outcome, in words or JSON, and returns it as an exit code.
    pub fn conclude(mut self) -> Result<ExitCode, Failure> {
        self.bar = None;
        let summary = self.summary.take();
        let found = summary.as_ref().map_or(self.findings.len() as i64, |summary| summary.findings);
        say(&if self.json { self.json(summary, found) } else { in_words(summary, found) })?;
        Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn json(self, summary: Option<VerifySummary>, found: i64) -> String {
        let held = summary.map(|summary| {
            let mut held = held_json(&summary.totals.unwrap_or_default());
            held["revision"] = json!(summary.revision);
            held
        });
        format!("{:#}\n", json!({"findings": found, "named": self.findings, "held": held}))
    }
}

fn in_words(summary: Option<VerifySummary>, found: i64) -> String {
    let findings = if found == 0 { "all is well".to_owned() } else { count(found, "finding") };
    let Some(VerifySummary { revision, totals, .. }) = summary else { return format!("{findings}\n") };
    let totals = totals.unwrap_or_default();
    let (held, digest, revision) = (held(&totals), clean(&totals.content_digest, 60), clean(&revision, 60));
    format!("{findings}: {held}; digest {digest}, revision {revision}\n")
}

impl Verifier for Report {
    fn found(&mut self, finding: Finding) -> Result<(), Error> {
        // If the output is closed, nothing more is to be found.
        self.find(finding.part, &finding.subject, &finding.message).map_err(|_| Error::Cancelled)
    }

    fn progress(&mut self, checked: u64, total: u64) -> Result<(), Error> {
        Report::progress(self, checked, total);
        Ok(())
    }
}
