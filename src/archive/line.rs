//! The names of an archive's objects, which say all that is needed to find a point in time.
//!
//! `STORE/BEGUN-SEQUENCE-TIME/backup` and `STORE/BEGUN-SEQUENCE-TIME/FIRST-LAST-TIME.log`, all numbers of 20 digits.

use std::time::SystemTime;

use crate::domain::{Sequence, TimeMs};
use crate::store::StoreId;

/// What a backup is called in its line's folder.
const BACKUP: &str = "backup";
const RUN_SUFFIX: &str = ".log";

/// The name of a line: the folder of its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineName {
    pub store: StoreId,
    /// When it was begun, by the log's own time. No two lines were begun at the same time.
    pub begun: TimeMs,
    /// The newest command that its backup holds, and when that was accepted.
    pub sequence: Sequence,
    pub time: TimeMs,
}

/// The name of a run: commits that follow each other, in one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunName {
    pub first: Sequence,
    pub last: Sequence,
    /// When the last one was accepted.
    pub time: TimeMs,
}

/// A line as the names in the archive have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub name: LineName,
    pub backup_bytes: u64,
    /// When its backup was whole, by the clock of the archive.
    pub written: SystemTime,
    /// In the order of their commits.
    pub runs: Vec<RunName>,
}

impl LineName {
    pub fn folder(&self) -> String {
        let LineName { store, begun, sequence, time } = self;
        format!("{}/{:020}-{sequence:020}-{:020}", store_folder(*store), begun.0, time.0)
    }

    pub fn backup(&self) -> String {
        format!("{}/{BACKUP}", self.folder())
    }

    pub fn run(&self, run: &RunName) -> String {
        let RunName { first, last, time } = run;
        format!("{}/{first:020}-{last:020}-{:020}{RUN_SUFFIX}", self.folder(), time.0)
    }

    /// Reads the name of a folder; none where it is no line's.
    pub fn parse(folder: &str) -> Option<LineName> {
        let (store, line) = folder.split_once('/')?;
        let [begun, sequence, time] = numbers(line)?;
        let store = StoreId(u128::from_str_radix(store, 16).ok()?);
        let name = LineName { store, begun: TimeMs(begun), sequence: sequence.unsigned_abs(), time: TimeMs(time) };
        (name.folder() == folder).then_some(name)
    }
}

/// Returns the folder of all lines of a store.
pub fn store_folder(store: StoreId) -> String {
    format!("{:032x}", store.0)
}

/// Returns a time as people read it, in RFC 3339.
pub fn shown_time(time: TimeMs) -> String {
    jiff::Timestamp::from_millisecond(time.0).map_or_else(|_| time.0.to_string(), |time| time.to_string())
}

fn numbers(text: &str) -> Option<[i64; 3]> {
    let numbers = text.split('-').map(|number| number.parse().ok()).collect::<Option<Vec<i64>>>()?;
    numbers.try_into().ok()
}

impl RunName {
    fn parse(line: &LineName, object: &str) -> Option<RunName> {
        let (_, name) = object.rsplit_once('/')?;
        let [first, last, time] = numbers(name.strip_suffix(RUN_SUFFIX)?)?;
        let run = RunName { first: first.unsigned_abs(), last: last.unsigned_abs(), time: TimeMs(time) };
        (line.run(&run) == object).then_some(run)
    }
}

/// An object of an archive.
pub struct Listed {
    pub name: String,
    pub bytes: u64,
    pub written: SystemTime,
}

impl Line {
    /// Makes a line of the objects in its folder; none if its backup is not there, because nothing can be restored of it. Objects that are
    /// none of a line's are left out.
    pub fn of(name: LineName, objects: &[Listed]) -> Option<Line> {
        let backup = objects.iter().find(|object| object.name == name.backup())?;
        let mut runs: Vec<RunName> = objects.iter().filter_map(|object| RunName::parse(&name, &object.name)).collect();
        runs.sort_by_key(|run| (run.first, run.last));
        Some(Line { name, backup_bytes: backup.bytes, written: backup.written, runs })
    }

    /// Returns the last command that it reaches without a gap, and when that was accepted.
    pub fn reach(&self) -> (Sequence, TimeMs) {
        self.whole_runs().last().map_or((self.name.sequence, self.name.time), |run| (run.last, run.time))
    }

    /// Returns the runs up to the first that is missing, or that does not follow on the one before it.
    pub fn whole_runs(&self) -> impl Iterator<Item = &RunName> {
        let mut next = self.name.sequence + 1;
        self.runs.iter().take_while(move |run| {
            let follows = run.first == next && run.last >= run.first;
            next = run.last + 1;
            follows
        })
    }

    /// Returns the first command that it lacks, where it has some that come later.
    pub fn gap(&self) -> Option<Sequence> {
        (self.whole_runs().count() < self.runs.len()).then(|| self.reach().0 + 1)
    }
}
