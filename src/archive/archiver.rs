//! The thread that keeps an archive up: it holds no write up, and what fails is tried again.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;

use super::error::ArchiveError;
use super::line::{Line, LineName, RunName};
use super::objects::{Archive, Upload};
use crate::domain::{Sequence, TimeMs};
use crate::engine::{ArchiveSource, Engine, Threads};
use crate::store::{Commit, LogCursor, StoreError, StoreId, encode_run};

/// About the most that goes into a run.
const RUN_BYTES: u64 = 8 * 1_024 * 1_024;
/// What is waited for at most before the next try.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What is archived where, how often, and for how long.
#[derive(Debug, Clone)]
pub struct ArchiveOptions {
    /// A folder, or the URL of one or of a bucket.
    pub url: String,
    /// Between two runs of the log: so much of it is not in the archive at most, and what is on its way there.
    pub every: Duration,
    /// Between two backups, each of which begins a line.
    pub backup_every: Duration,
    /// How far back something can be restored, if nothing is erased.
    pub keep: Duration,
}

/// An archive that is kept up as long as its engine lives.
pub struct Archiver {
    thread: JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

impl Archiver {
    /// Starts archiving what an engine writes. The archive may be away; what is wrong with its URL is an error.
    pub fn start(engine: &Engine, options: ArchiveOptions) -> Result<Archiver, ArchiveError> {
        let archive = Arc::new(Archive::at(&options.url)?);
        let source = engine.archive_source();
        source.metrics().holds(0, true);
        let threads = engine.threads().clone();
        let (end, ended) = oneshot::channel();
        let archiving = Archiving { archive, source, options, lines: None, open: None };
        let thread = engine.threads().essential("kith-archive", move || {
            let _end: oneshot::Sender<()> = end;
            archiving.run(&threads);
            Ok(())
        });
        Ok(Archiver { thread: thread.map_err(StoreError::from)?, ended })
    }

    /// Waits until what the engine wrote last is in the archive, or could not be put there. That comes after the engine has ended.
    pub fn join(self) {
        // A panic was reported where it was caught.
        let _ = self.thread.join();
    }

    /// The same, for a task.
    pub async fn wait(self) {
        // A sender that is dropped without a message ends it as well.
        let _ = self.ended.await;
    }
}

/// A line that takes what is written.
struct Open {
    name: LineName,
    /// The last command that it holds.
    through: Sequence,
    cursor: Box<dyn LogCursor>,
}

struct Archiving {
    archive: Arc<Archive>,
    source: ArchiveSource,
    options: ArchiveOptions,
    /// All lines there are, in the order in which they were begun; none until they were listed, and after an error.
    lines: Option<Vec<LineName>>,
    open: Option<Open>,
}

impl Archiving {
    fn run(mut self, threads: &Threads) {
        let mut wait = Duration::ZERO;
        loop {
            self.archive.block_on(self.source.wait(wait));
            let ended = self.source.has_ended();
            // A panic is counted and logged; the next pass may go better.
            let passed = threads.guarded("the archiving", || if ended { self.ship() } else { self.pass() });
            match passed {
                Ok(Ok(())) => wait = self.options.every,
                Ok(Err(ArchiveError::Ended)) => {}
                failed => {
                    self.source.metrics().failures.inc();
                    if let Ok(Err(error)) = failed {
                        tracing::warn!(%error, "the archive could not be kept up; it is tried again");
                    }
                    // What is there is not known any more.
                    (self.lines, self.open) = (None, None);
                    wait = (2 * wait).clamp(self.options.every, RETRY_MAX.max(self.options.every));
                }
            }
            if ended {
                return;
            }
        }
    }

    /// Puts into the archive what it lacks, and deletes what must not be there any more.
    fn pass(&mut self) -> Result<(), ArchiveError> {
        match &self.open {
            // What somebody deleted, or unmounted, is not gone on with.
            Some(open) if self.lines.is_some() => self.archive.check_is_there(&open.name.backup())?,
            _ => self.resume()?,
        }
        if self.needs_line() {
            self.begin()?;
        }
        self.ship()?;
        self.delete()
    }

    /// Lists what is there, and goes on with the newest line if the log does. What has no backup is what a crash left, and is deleted.
    fn resume(&mut self) -> Result<(), ArchiveError> {
        let store = StoreId(self.source.namespaces().store_id());
        self.archive.make_folder(store)?;
        let (mut names, mut newest): (Vec<LineName>, Option<Line>) = (Vec::new(), None);
        for name in self.archive.line_names()? {
            match self.archive.line(name)? {
                Some(line) => {
                    names.push(name);
                    newest = Some(line).filter(|line| line.name.store == store).or(newest);
                }
                None => self.archive.delete_line(&name)?,
            }
        }
        if names.iter().any(|name| name.store != store) {
            tracing::warn!("the archive has lines of another store; they are deleted as this one's own are");
        }
        self.open = newest.filter(|line| self.goes_on(line)).map(|line| {
            self.source.backed_up(line.written);
            let through = line.reach().0;
            Open { name: line.name, through, cursor: self.source.cursor(through) }
        });
        self.lines = Some(names);
        Ok(())
    }

    /// Whether the log goes on where a line ends: it has what follows, and the line's last command is the log's own. It is not if an older
    /// copy of the store was put back.
    fn goes_on(&self, line: &Line) -> bool {
        let (reach, time) = line.reach();
        let namespaces = self.source.namespaces();
        let own = if namespaces.sequence() == reach {
            Some(namespaces.time())
        } else if namespaces.sequence() > reach {
            let read = self.source.cursor(reach.saturating_sub(1)).read(reach);
            read.ok().and_then(|commits| commits.first().map(|commit| commit.command.time))
        } else {
            None
        };
        line.gap().is_none() && own == Some(time)
    }

    /// Whether a line is to be begun: there is none, the newest is old, or something that it holds was erased.
    fn needs_line(&self) -> bool {
        self.open.as_ref().is_none_or(|open| {
            let age_ms = u64::try_from(self.source.now().0 - open.name.begun.0).unwrap_or(0);
            Duration::from_millis(age_ms) >= self.options.backup_every || self.source.erases_after(open.name.sequence)
        })
    }

    /// Begins a line by a backup. The one before goes on meanwhile.
    fn begin(&mut self) -> Result<(), ArchiveError> {
        let namespaces = self.source.namespaces();
        let newest = self.lines.iter().flatten().last().map_or(0, |name| name.begun.0);
        let name = LineName {
            store: StoreId(namespaces.store_id()),
            begun: TimeMs(self.source.now().0.max(newest + 1)),
            sequence: namespaces.sequence(),
            time: namespaces.time(),
        };
        let archive = self.archive.clone();
        let mut upload = archive.upload(&name.backup())?;
        if let Err(error) = namespaces.backup(None, |piece, _| self.send(&mut upload, &piece)) {
            upload.abort();
            return Err(error);
        }
        upload.finish()?;
        // The line before reaches to where this one begins, so that nothing between them is missing.
        self.ship()?;
        self.source.backed_up(SystemTime::now());
        let cursor = self.source.cursor(name.sequence);
        self.open = Some(Open { name, through: name.sequence, cursor });
        tracing::info!(line = name.folder(), "a line of the archive was begun");
        self.lines.get_or_insert_default().push(name);
        Ok(())
    }

    /// Sends a piece of a backup; with each part of it goes what was written meanwhile to the line before.
    fn send(&mut self, upload: &mut Upload<'_>, piece: &[u8]) -> Result<(), ArchiveError> {
        if !upload.push(piece)? {
            return Ok(());
        }
        if self.source.has_ended() { Err(ArchiveError::Ended) } else { self.ship() }
    }

    /// Puts what the line lacks of the log into it.
    fn ship(&mut self) -> Result<(), ArchiveError> {
        let Some(open) = &mut self.open else { return Ok(()) };
        loop {
            let through = self.source.namespaces().sequence();
            let commits = read_together(open.cursor.as_mut(), through)?;
            let (Some(first), Some(last)) = (commits.first(), commits.last()) else {
                self.source.metrics().holds(open.through, open.through == through);
                return Ok(());
            };
            let run = RunName { first: first.sequence, last: last.sequence, time: last.command.time };
            self.archive.put_new(&open.name.run(&run), encode_run(open.name.store, &commits)?)?;
            open.through = run.last;
            self.source.metrics().holds(open.through, open.through == through);
        }
    }

    /// Deletes the lines that are older than what is kept, and those that hold what was erased. The newest one stays: it holds nothing
    /// of that.
    fn delete(&mut self) -> Result<(), ArchiveError> {
        let (Some(lines), Some(open)) = (&mut self.lines, &self.open) else { return Ok(()) };
        let keep_ms = i64::try_from(self.options.keep.as_millis()).unwrap_or(i64::MAX);
        let kept_from = TimeMs(self.source.now().0.saturating_sub(keep_ms));
        // What is to be restored as of that time is in the line that was begun before.
        let oldest_kept = lines.iter().rfind(|name| name.begun <= kept_from).map_or(TimeMs(0), |name| name.begun);
        let goes = |name: &LineName| {
            // Another store counted its commands by itself.
            let holds = if name.store == open.name.store { name.sequence } else { 0 };
            *name != open.name && (name.begun < oldest_kept || self.source.erases_after(holds))
        };
        let going: Vec<LineName> = lines.iter().filter(|name| goes(name)).copied().collect();
        for name in going {
            self.archive.delete_line(&name)?;
            tracing::info!(line = name.folder(), "a line of the archive was deleted");
            lines.retain(|kept| *kept != name);
        }
        Ok(())
    }
}

/// Reads commits through a sequence, as many as go into one run.
fn read_together(cursor: &mut dyn LogCursor, through: Sequence) -> Result<Vec<Commit>, StoreError> {
    let (begun, mut commits) = (cursor.bytes_read(), Vec::new());
    while cursor.bytes_read() - begun < RUN_BYTES {
        let more = cursor.read(through)?;
        if more.is_empty() {
            break;
        }
        commits.extend(more);
    }
    Ok(commits)
}
