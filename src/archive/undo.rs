//! Which line of an archive, and how much of it, leads to a point in time.

use std::io::Read;
use std::mem::replace;

use super::error::ArchiveError;
use super::line::{Line, shown_time};
use super::objects::Archive;
use crate::domain::{Sequence, TimeMs};
use crate::engine::Revision;
use crate::store::{Commit, StoreError, StoreId, decode_run};

/// The last command that is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The command of this sequence, of a store where one is named; of all that have it the newest line's.
    Sequence(Option<StoreId>, Sequence),
    /// The last one that was accepted at this time or before.
    Time(TimeMs),
    /// The last one that the archive holds.
    End,
}

impl Until {
    /// Reads what an operator gives: a revision of a store that the archive has lines of, a sequence, a time in RFC 3339, or nothing for all
    /// that there is.
    pub fn parse(text: &str, lines: &[Line]) -> Result<Until, ArchiveError> {
        let of_line = |line: &Line| {
            let revision = Revision::parse("until", text, line.name.store.0).ok()?;
            Some(Until::Sequence(Some(line.name.store), revision.sequence()))
        };
        let sequence = || text.parse().ok().map(|sequence| Until::Sequence(None, sequence));
        let time = || Some(Until::Time(TimeMs(text.parse::<jiff::Timestamp>().ok()?.as_millisecond())));
        let whole = text.is_empty().then_some(Until::End);
        let until = whole.or_else(|| lines.iter().find_map(of_line)).or_else(sequence).or_else(time);
        let wrong =
            "is neither a revision of a store in the archive, nor a sequence, nor a time like 2026-01-31T12:00:00Z";
        until.ok_or_else(|| ArchiveError::NotHeld(format!("{text:?} {wrong}")))
    }
}

/// A way from a backup to a point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    pub line: Line,
    pub until: Until,
}

impl Undo {
    /// Finds the way among lines, in the order in which they were begun, or says why there is none. It never leads over a gap.
    pub fn plan(lines: &[Line], until: Until) -> Result<Undo, ArchiveError> {
        let not_held = |why: String| ArchiveError::NotHeld(format!("{why}; it holds {}", ranges(lines)));
        let found = match until {
            Until::Sequence(store, sequence) => lines.iter().rposition(|line| {
                let held = line.name.sequence..=line.reach().0;
                store.is_none_or(|store| store == line.name.store) && held.contains(&sequence)
            }),
            Until::Time(time) => lines.iter().rposition(|line| line.name.begun <= time),
            Until::End => lines.len().checked_sub(1),
        };
        let Some(found) = found else {
            return Err(not_held("the archive does not reach to that point".to_owned()));
        };
        let line = &lines[found];
        // Where something is missing, nobody knows whether it was before the time that is asked for.
        let later = lines[found + 1..].iter().find(|next| next.name.store == line.name.store);
        let (reach, time) = line.reach();
        let lacks = line.gap().is_some() || later.is_some_and(|next| next.name.sequence > reach);
        match until {
            Until::Time(until) if lacks && until >= time => {
                let missing = format!("sequence {} of {} is missing", reach + 1, line.name.folder());
                Err(not_held(format!("{missing}, and may have been before that time")))
            }
            Until::End if line.gap().is_some() => {
                Err(not_held(format!("sequence {} of {} is missing", reach + 1, line.name.folder())))
            }
            _ => Ok(Undo { line: line.clone(), until }),
        }
    }

    /// Returns the bytes of the backup to begin with.
    pub fn backup<'a>(&self, archive: &'a Archive) -> impl Read + 'a {
        archive.reader(&self.line.name.backup(), self.line.backup_bytes)
    }

    /// Reads the commits after the backup, a run at a time. What is missing or not whole is an error that names it.
    pub fn commits<'a>(&'a self, archive: &'a Archive) -> impl Iterator<Item = Result<Vec<Commit>, StoreError>> + 'a {
        let mut before = self.line.name.time;
        let runs =
            self.line.whole_runs().take_while(move |run| self.includes(run.first, replace(&mut before, run.time)));
        runs.map(|run| {
            let object = self.line.name.run(run);
            let bytes = archive.get(&object).map_err(|error| StoreError::Damaged { what: error.to_string() })?;
            let mut commits = decode_run(&bytes, self.line.name.store, (run.first, run.last), &object)?;
            commits.retain(|commit| self.includes(commit.sequence, commit.command.time));
            Ok(commits)
        })
    }

    /// Checks that it led to the command that was asked for.
    pub fn check(&self, last: Sequence) -> Result<(), StoreError> {
        match self.until {
            Until::Sequence(_, until) if until != last => {
                let folder = self.line.name.folder();
                Err(StoreError::Damaged { what: format!("{folder}: it leads to sequence {last}, not to {until}") })
            }
            _ => Ok(()),
        }
    }

    /// Whether a command is included, or whether one may be that is not older. Times never go back from one command to the next.
    fn includes(&self, sequence: Sequence, time: TimeMs) -> bool {
        match self.until {
            Until::Sequence(_, until) => sequence <= until,
            Until::Time(until) => time <= until,
            Until::End => true,
        }
    }
}

fn ranges(lines: &[Line]) -> String {
    let range = |line: &Line| {
        let (last, time) = line.reach();
        let (begun, time) = (shown_time(line.name.begun), shown_time(time.max(line.name.begun)));
        format!("revisions {} to {last} ({begun} to {time})", line.name.sequence)
    };
    if lines.is_empty() { "nothing".to_owned() } else { lines.iter().map(range).collect::<Vec<_>>().join(", ") }
}
