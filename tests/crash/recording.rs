//! A run under load, with everything the server did to its files.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::disk::{Disk, Loss};
use super::ledger::Outcome;
use super::server::{Server, Start};
use super::settings::PATIENCE;
use super::shim::Shim;
use super::trace::{Operation, parse};
use super::writer::{Fleet, Run};

pub struct Recording {
    /// With every answer, and the operation it came before.
    pub fleet: Fleet,
    pub operations: Vec<Operation>,
    folder: TempDir,
}

impl Recording {
    /// A new store, from its creation until so many writes are acknowledged.
    pub async fn of_new_store(seed: u64, writers: usize, writes: usize) -> Recording {
        let folder = tempfile::tempdir().unwrap();
        let (shim, server) = start_new_store(folder.path(), seed);
        let mut fleet = Fleet::new(writers, seed);
        let run = Arc::new(Run::under(&shim));
        let tasks = fleet.write(&server.channels().await, &run);
        until(|| run.acknowledged.load(Ordering::SeqCst) >= writes).await;
        run.end();
        timeout(PATIENCE, fleet.join(tasks)).await.expect("writers end");
        server.stop();
        Recording::of_ended_run(fleet, &shim, folder)
    }

    /// Of a run that began with `start_new_store` in the folder, its server stopped.
    pub fn of_ended_run(fleet: Fleet, shim: &Shim, folder: TempDir) -> Recording {
        let operations = parse(&shim.trace(), shim.folder());
        let recording = Recording { fleet, operations, folder };
        recording.check_trace(shim.folder());
        recording
    }

    /// The trace is all there is: carried out again, it makes the very files that are there.
    fn check_trace(&self, files: &Path) {
        let mut disk = Disk::empty();
        self.operations.iter().for_each(|operation| disk.apply(operation));
        let again = self.folder.path().join("again");
        disk.cut(&again, Loss::Nothing, &mut fastrand::Rng::with_seed(0));
        assert_same(files, &again);
        std::fs::remove_dir_all(again).unwrap();
    }

    /// The numbers of operations that answers came before.
    pub fn acknowledgements(&self) -> Vec<u64> {
        let positions = self.fleet.entries().filter_map(|entry| match entry.outcome {
            Outcome::Acknowledged { position, .. } => Some(position),
            _ => None,
        });
        positions.collect()
    }
}

/// Starts a server under a shim, on a new store whose folder's parent is the disk.
pub fn start_new_store(folder: &Path, seed: u64) -> (Arc<Shim>, Server) {
    let disk = folder.join("disk");
    std::fs::create_dir(&disk).unwrap();
    let shim = Arc::new(Shim::new(&disk, seed));
    let server = shim.under(Start::logging_to(&disk.join("store"), &folder.join("log"))).run().unwrap();
    (shim, server)
}

/// Waits for something to come true.
pub async fn until(mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "it does not come true");
        sleep(Duration::from_millis(2)).await;
    }
}

fn assert_same(one: &Path, other: &Path) {
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        entries.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(one), names(other), "{one:?}");
    for name in names(one) {
        let (one, other) = (one.join(&name), other.join(&name));
        if one.is_dir() {
            assert_same(&one, &other);
        } else {
            let same = std::fs::read(&one).unwrap() == std::fs::read(&other).unwrap();
            assert!(same, "{one:?} is not what the trace makes of it");
        }
    }
}
