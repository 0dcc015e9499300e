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
use crate::app::{Erased, OfflineError, StoreCheck, Verifier, verify_backup, verify_store};
use crate::domain::{Error, Finding, NamespaceName};
use crate::proto::v1::verify_response::Event;
use crate::proto::v1::{VerifyRequest, VerifySummary};

const SUBJECT_CHARS_MAX: usize = 500;
const MESSAGE_CHARS_MAX: usize = 2_000;

/// Checks everything against everything: records against the graph, indexes against records, the content digest against all.
///
/// Asked of a server, it checks what is in memory, and reads the log on disk. Given a folder or a backup, it reads all that is
/// on disk, and says the digest of each namespace, or of the one that is named. Exits with 1 if something is found or the server
/// refuses, 3 if it could not be done.
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
    let report = Report::new(server.json, server.namespace.clone());
    let report = match (args.data, args.backup) {
        (Some(folder), _) => {
            let scratch = args.scratch;
            let check = move |path: &Path, report: &mut Report| verify_store(path, scratch.as_deref(), report);
            offline(move || of_path(&folder, check, report)).await?
        }
        (None, Some(file)) => {
            let check = |path: &Path, report: &mut Report| verify_backup(path, report);
            offline(move || of_path(&file, check, report)).await?
        }
        (None, None) => of_server(&server.connect().await?, report).await?,
    };
    report.conclude()
}

async fn offline(check: impl FnOnce() -> Result<Report, Failure> + Send + 'static) -> Result<Report, Failure> {
    on_thread("kith-verify", check).await?
}

async fn of_server(client: &Client, mut report: Report) -> Result<Report, Failure> {
    let mut stream = client.admin().verify(VerifyRequest::default()).await?.into_inner();
    while let Some(message) = stream.message().await? {
        match message.event {
            Some(Event::Progress(progress)) => report.progress(progress.checked as u64, progress.total as u64),
            Some(Event::Finding(finding)) => report.find(&finding.part, &finding.subject, &finding.message)?,
            Some(Event::Summary(summary)) => {
                let digest = summary.totals.as_ref().map(|totals| totals.content_digest.clone()).unwrap_or_default();
                report.digests = vec![(report.namespace.clone().unwrap_or_default(), digest)];
                report.summary = Some(summary);
            }
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
    mut report: Report,
) -> Result<Report, Failure> {
    let checked = check(path, &mut report);
    take_check(checked, path, &mut report)?;
    Ok(report)
}

/// Adds the outcome of a check to a report.
pub fn take_check(checked: Result<StoreCheck, OfflineError>, path: &Path, report: &mut Report) -> Result<(), Failure> {
    match checked {
        Ok(StoreCheck::Read(checked, digests)) => {
            let digests = digests.into_iter().map(|(name, digest)| (name, format!("{digest:032x}"))).collect();
            (report.summary, report.digests) = (Some(checked), digests);
            if let Some(name) = report.namespace.as_ref().filter(|_| report.asked().next().is_none()) {
                let there = path.display().to_string();
                return Err(OfflineError::NoNamespace { there, name: name.clone() }.into());
            }
        }
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
    /// The namespace that is asked about; all without.
    namespace: Option<NamespaceName>,
    /// The digest of each namespace that was checked.
    digests: Vec<(NamespaceName, String)>,
    /// What a restore erased.
    pub erased: Option<Erased>,
}

impl Report {
    pub fn new(json: bool, namespace: Option<NamespaceName>) -> Report {
        let (bar, findings, summary, digests, erased) = (None, Vec::new(), None, Vec::new(), None);
        Report { json, bar, findings, summary, namespace, digests, erased }
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
        let found = self.summary.as_ref().map_or(self.findings.len() as i64, |summary| summary.findings);
        say(&if self.json { self.json(found) } else { self.in_words(found) })?;
        Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Returns the digests of the namespaces that are asked about.
    fn asked(&self) -> impl Iterator<Item = &(NamespaceName, String)> {
        self.digests.iter().filter(|(of, _)| self.namespace.as_ref().is_none_or(|name| name == of))
    }

    fn json(self, found: i64) -> String {
        let held = self.summary.as_ref().map(|summary| {
            let mut held = held_json(&summary.totals.clone().unwrap_or_default());
            held["revision"] = json!(summary.revision);
            held["namespaces"] =
                self.asked().map(|(name, digest)| json!({"name": name.to_string(), "contentDigest": digest})).collect();
            held
        });
        let mut report = json!({"findings": found, "named": self.findings, "held": held});
        if let Some(Erased { members, namespaces }) = &self.erased {
            let namespaces: Vec<String> = namespaces.iter().map(ToString::to_string).collect();
            report["erased"] = json!({"members": members, "namespaces": namespaces});
        }
        format!("{report:#}\n")
    }

    fn in_words(&self, found: i64) -> String {
        let mut words = if found == 0 { "all is well".to_owned() } else { count(found, "finding") };
        if let Some(VerifySummary { revision, totals, .. }) = &self.summary {
            let (totals, revision) = (totals.clone().unwrap_or_default(), clean(revision, 60));
            let of_all = match &self.digests[..] {
                [(name, _)] => name.to_string(),
                all => format!("all {} namespaces", all.len()),
            };
            let digest = clean(&totals.content_digest, 60);
            words += &format!(": {}; digest of {of_all} {digest}, revision {revision}", held(&totals));
        }
        let listed = self.asked().filter(|_| self.digests.len() > 1);
        let digests: String = listed.map(|(name, digest)| format!("digest of {name} {digest}\n")).collect();
        format!("{words}\n{digests}{}", self.erased.as_ref().map(erased_in_words).unwrap_or_default())
    }
}

fn erased_in_words(Erased { members, namespaces }: &Erased) -> String {
    let mut lines: String =
        namespaces.iter().map(|name| format!("left out {name}: it was erased since the backup\n")).collect();
    if *members > 0 {
        let members = count(i64::try_from(*members).unwrap_or(i64::MAX), "member");
        lines += &format!("left out {members}: erased since the backup\n");
    }
    lines
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_restore_left_out_is_counted_and_what_is_named() {
        let acme = NamespaceName::parse("name", "acme").unwrap();
        assert_eq!(erased_in_words(&Erased::default()), "");
        let erased = Erased { members: 1, namespaces: vec![acme] };
        let wanted = "left out acme: it was erased since the backup\nleft out 1 member: erased since the backup\n";
        assert_eq!(erased_in_words(&erased), wanted);
    }
}
