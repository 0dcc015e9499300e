//! A store beside its archive, and what was live when.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use kith::app::{Erasures, OfflineError, StoreCheck, archived_lines, restore_archived};
use kith::archive::{ArchiveOptions, Archiver, Line};
use kith::domain::{Change, Sequence, TimeMs};
use kith::engine::{Engine, EngineOptions, Namespaces, Report, SetTime, WriterEnd};

use crate::commands::some_change;
use crate::erasures::BEGUN;
use crate::support::*;
use crate::verify::NoFinding;

pub const HOUR: Duration = Duration::from_secs(3_600);

/// A store and its archive, in one folder that vanishes with them.
pub struct Archived {
    pub folder: tempfile::TempDir,
    pub time: Arc<SetTime>,
    pub options: EngineOptions,
    pub backup_every: Duration,
    pub keep: Duration,
    pub url: String,
}

/// A server's worth of threads over them.
pub struct Running {
    pub engine: Engine,
    pub end: WriterEnd,
    pub archiver: Option<Archiver>,
}

impl Archived {
    /// Of an archive in a folder.
    pub fn new() -> Archived {
        let options = EngineOptions { scrub_every: Duration::ZERO, ..EngineOptions::default() };
        let (folder, time) = (tempfile::tempdir().unwrap(), SetTime::at(BEGUN));
        let url = folder.path().join("archive").display().to_string();
        Archived { folder, time, options, backup_every: 24 * HOUR, keep: 30 * 24 * HOUR, url }
    }

    /// Of an archive in a folder, and of one in a bucket if there is one for tests.
    pub fn everywhere() -> Vec<Archived> {
        let mut all = vec![Archived::new()];
        if let Ok(bucket) = std::env::var("KITH_S3") {
            let folder = Archived::new();
            let name = folder.folder.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.').to_owned();
            all.push(Archived { url: format!("{bucket}/tests/{name}"), ..folder });
        }
        all
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn open(&self) -> Running {
        let store = open_store(&self.store()).unwrap();
        let (engine, end) = Engine::open_at(store, self.options, self.time.clone()).unwrap();
        Running { engine, end, archiver: None }
    }

    /// Serves, and waits until the archive has what is there.
    pub fn serve(&self) -> Running {
        let mut running = self.open();
        running.archiver = Some(Archiver::start(&running.engine, self.archive_options()).unwrap());
        let end = Instant::now() + Duration::from_secs(30);
        while running.holds() != running.sequence() {
            assert!(Instant::now() < end, "it is never archived");
            thread::sleep(Duration::from_millis(1));
        }
        running
    }

    pub fn archive_options(&self) -> ArchiveOptions {
        let (url, every) = (self.url(), Duration::from_millis(1));
        ArchiveOptions { url, every, backup_every: self.backup_every, keep: self.keep }
    }

    pub fn lines(&self) -> Vec<Line> {
        apart(|| archived_lines(&self.url()).unwrap())
    }

    /// All objects of the archive, and what else is in its folder.
    pub fn objects(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        files_under(Path::new(&self.url()), &mut found);
        found.sort();
        found
    }

    pub fn restore(&self, until: &str, folder: &Path) -> Result<StoreCheck, OfflineError> {
        let erasures = Erasures { journal: None, at_start: self.folder.path().join("none") };
        let restored = apart(|| restore_archived(&self.url(), until, folder, &erasures, &mut NoFinding, |_| {}));
        restored.map(|restored| restored.check)
    }

    /// Restores, and gives the last command and the digest of what it is then.
    pub fn restored(&self, until: &str) -> Result<(Sequence, u128), String> {
        let folder = tempfile::tempdir().unwrap();
        match self.restore(until, folder.path()) {
            Ok(StoreCheck::Read(..)) => Ok(at(&Namespaces::load(&mut open_store(folder.path()).unwrap()).unwrap())),
            Ok(StoreCheck::Damaged(what)) => Err(what),
            Err(error) => Err(error.to_string()),
        }
    }

    pub fn refused(&self, until: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let into = folder.path().join("restored");
        let why = match self.restore(until, &into) {
            Ok(StoreCheck::Read(..)) => panic!("{until:?} was restored"),
            Ok(StoreCheck::Damaged(what)) => what,
            Err(error) => error.to_string(),
        };
        assert!(!into.exists(), "it leaves nothing");
        why
    }
}

/// Waits for work on a thread of its own, as an archive's is done.
pub fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join().unwrap())
}

impl Running {
    pub fn sequence(&self) -> Sequence {
        self.engine.namespaces().sequence()
    }

    pub async fn write(&self, change: Change) {
        self.engine.write(vec![change], None, Report::Revision).await.unwrap();
    }

    pub fn holds(&self) -> Sequence {
        self.engine.metrics().archive.sequence.get() as Sequence
    }

    /// Waits until the archive has everything.
    pub async fn archived(&self) {
        wait_until(|| self.holds() == self.sequence()).await;
    }

    pub fn close(self) {
        drop(self.engine);
        self.end.join();
        if let Some(archiver) = self.archiver {
            archiver.join();
        }
    }
}

pub fn at(namespaces: &Namespaces) -> (Sequence, u128) {
    (namespaces.sequence(), namespaces.default_state().state_digest())
}

/// What was live after each command, and when each was accepted.
#[derive(Default)]
pub struct Recorded(pub BTreeMap<Sequence, (u128, TimeMs)>);

impl Recorded {
    pub async fn commands(&mut self, running: &Running, time: &SetTime, random: &mut Rng) {
        for _ in 0..random.usize(1..25) {
            time.pass_ms(random.i64(0..3));
            let state = running.engine.state().unwrap();
            let changes = (0..random.usize(1..6)).map(|_| some_change(random, &state, &[])).collect();
            // What is refused leaves the state as it was.
            let _ = running.engine.write(changes, None, Report::Revision).await;
            self.note(running);
        }
    }

    pub fn note(&mut self, running: &Running) {
        let namespaces = running.engine.namespaces();
        let (sequence, digest) = at(&namespaces);
        self.0.insert(sequence, (digest, namespaces.time()));
    }

    pub fn of(&self, sequence: Sequence) -> (Sequence, u128) {
        (sequence, self.0[&sequence].0)
    }
}
