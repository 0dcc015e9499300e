//! `kith archive`: what can be restored of an archive.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::print::{Align, Table, say};
use super::stats::bytes;
use super::thread::on_thread;
use crate::app::{Line, archived_lines, shown_time};

/// Lists what an archive holds, a line for each backup and the log after it. `kith restore --archive URL --until …` restores any command of
/// one, by its sequence, its revision or its time.
///
/// Exits with 1 if something is missing, 3 if the archive cannot be read.
#[derive(Debug, Args)]
pub struct ArchiveArgs {
    /// The archive: a folder, or its URL, as `kith serve --archive` has it.
    #[arg(value_name = "URL")]
    url: String,
    /// List in JSON.
    #[arg(long)]
    json: bool,
}

pub async fn run(args: ArchiveArgs) -> Result<ExitCode, Failure> {
    let url = args.url;
    let lines = on_thread("kith-archive", move || archived_lines(&url)).await?;
    let lines = lines.map_err(|error| Failure::of_start(error.to_string()))?;
    say(&if args.json { as_json(&lines) } else { table(&lines) })?;
    let is_whole = lines.iter().all(|line| line.gap().is_none());
    Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_json(lines: &[Line]) -> String {
    let line = |line: &Line| {
        let (last, time) = line.reach();
        json!({
            "store": format!("{:032x}", line.name.store.0),
            "begun": shown_time(line.name.begun),
            "firstRevision": line.name.sequence,
            "lastRevision": last,
            "lastTime": shown_time(time),
            "backupBytes": line.backup_bytes,
            "runs": line.runs.len(),
            "missingRevision": line.gap(),
        })
    };
    format!("{:#}\n", json!({"lines": lines.iter().map(line).collect::<Vec<_>>()}))
}

fn table(lines: &[Line]) -> String {
    if lines.is_empty() {
        return "nothing can be restored yet\n".to_owned();
    }
    let columns = [
        ("from time", Align::Left),
        ("to time", Align::Left),
        ("from revision", Align::Right),
        ("to revision", Align::Right),
        ("backup", Align::Right),
        ("missing", Align::Right),
        ("store", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for line in lines {
        let (last, time) = line.reach();
        let missing = line.gap().map_or(String::new(), |sequence| sequence.to_string());
        let size = bytes(i64::try_from(line.backup_bytes).unwrap_or(i64::MAX));
        let (from, to) = (shown_time(line.name.begun), shown_time(time.max(line.name.begun)));
        let (first, store) = (line.name.sequence.to_string(), format!("{:032x}", line.name.store.0));
        table.row(vec![from, to, first, last.to_string(), size, missing, store]);
    }
    table.render()
}
