//! A check of everything finds nothing in a state that commands made, whatever they were.

use std::path::{Path, PathBuf};

use fastrand::Rng;
use kith::domain::{Change, Error, Finding};
use kith::engine::{Engine, EngineOptions, Namespaces, Report, State, Verifier, verify_log};
use kith::store::MemoryStore;

use crate::backup::backup;
use crate::commands::some_change;
use crate::support::*;

/// Takes no finding.
pub struct NoFinding;

impl Verifier for NoFinding {
    fn found(&mut self, finding: Finding) -> Result<(), Error> {
        panic!("{finding}")
    }

    fn progress(&mut self, checked: u64, total: u64) -> Result<(), Error> {
        assert!(checked <= total);
        Ok(())
    }
}

/// Checks that a state agrees with itself.
pub fn assert_sound(state: &State) {
    let verified = state.verify(&kith::engine::Kept::without_pauses(state.time()), &mut NoFinding).unwrap();
    assert_eq!((verified.findings, verified.digest), (0, state.digest()));
}

pub async fn some_commands(engine: &Engine, random: &mut Rng) {
    let mut etags = Vec::new();
    for _ in 0..random.usize(1..40) {
        let state = engine.state().unwrap();
        let changes: Vec<Change> = (0..random.usize(1..12)).map(|_| some_change(random, &state, &etags)).collect();
        etags = state.kinds().into_iter().map(|kind| kind.etag()).collect();
        if random.bool() {
            engine.import(changes).await.unwrap();
        } else {
            // What is refused leaves the state as it was.
            let asked = random.bool().then(|| request(random.u128(..), 0));
            let _ = engine.write(changes, asked, Report::Results).await;
        }
    }
}

#[test]
fn nothing_is_found_after_any_commands_live_or_read_again() {
    block_on(async {
        for seed in 0..2_000 {
            let random = &mut Rng::with_seed(seed);
            let memory = MemoryStore::new(STORE_ID);
            let checkpoint_log_bytes_min = if random.bool() { 300 } else { u64::MAX };
            let options = EngineOptions { checkpoint_log_bytes_min, ..EngineOptions::default() };
            let (engine, end) = Engine::open(memory.open(), options).unwrap();
            some_commands(&engine, random).await;
            let state = engine.state().unwrap();
            assert_sound(&state);
            drop(engine);
            end.join();
            let all = Namespaces::load(&mut memory.open()).unwrap();
            let read = all.default_state();
            assert_sound(read);
            assert_eq!((read.digest(), read.sequence()), (state.digest(), state.sequence()), "seed {seed}");
            // The same log applied once more gives the same bytes. The live state may have its members in other places.
            let again = Namespaces::load(&mut memory.open()).unwrap();
            assert!(backup(&all) == backup(&again) && read.records().eq(state.records()), "seed {seed}");
        }
    });
}

/// Takes what is found.
#[derive(Default)]
pub struct Findings(Vec<Finding>);

impl Verifier for Findings {
    fn found(&mut self, finding: Finding) -> Result<(), Error> {
        self.0.push(finding);
        Ok(())
    }

    fn progress(&mut self, checked: u64, total: u64) -> Result<(), Error> {
        assert!(checked <= total);
        Ok(())
    }
}

#[test]
fn damage_of_the_log_behind_a_checkpoint_is_found_though_a_start_does_not_read_it() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let options = EngineOptions { checkpoint_log_bytes_min: 1, ..EngineOptions::default() };
        let (engine, end) = open_engine(folder.path(), options).unwrap();
        for n in 0..5 {
            engine.write(vec![put_bare(&format!("m{n}"))], None, Report::Revision).await.unwrap();
        }
        wait_until(|| !folder.path().join("generation-00000000000000000001").exists()).await;
        let found = &mut Findings::default();
        assert_eq!((engine.verify_disk(engine.namespaces().sequence(), found).unwrap(), &found.0), (0, &Vec::new()));
        drop(engine);
        end.join();
    });
    let segment = folder.path().join("log/00000000000000000001.log");
    let whole = std::fs::read(&segment).unwrap();
    // In the first commit: a header of 48 bytes is before it.
    for at in [48, 60, 75] {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        std::fs::write(&segment, bytes).unwrap();
        let mut store = open_store(folder.path()).unwrap();
        let state = state_of(&mut store);
        let found = &mut Findings::default();
        assert_eq!(verify_log(store.log.source().as_ref(), state.sequence(), found).unwrap(), 1, "byte {at}");
        let Finding { part, message, .. } = &found.0[0];
        assert!(*part == "log" && message.contains("00000000000000000001.log, sequence 1: "), "{message}");
    }
}

/// What is on disk of a store that is served, damaged in each way: it is found, and written anew before the next start.
#[test]
fn what_rots_under_a_server_is_found_and_written_anew() {
    type Target = fn(&Path) -> PathBuf;
    let generation = |folder: &Path| {
        let mut names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        names.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("generation-")).unwrap()
    };
    let targets: [(&str, Target); 5] = [
        ("checkpoint", |folder| folder.join("db")),
        ("checkpoint", |folder| folder.join("conf")),
        ("checkpoint", |folder| folder.with_file_name("STORE")),
        ("log", |folder| folder.with_file_name("TAIL")),
        ("log", |folder| folder.with_file_name("log").join("00000000000000000001.log")),
    ];
    for (part, target) in targets {
        let folder = tempfile::tempdir().unwrap();
        let digest = block_on(async {
            // The log is long enough for a checkpoint once: another one comes of rot alone.
            let options = EngineOptions { checkpoint_log_bytes_min: 4_000, ..EngineOptions::default() };
            let (engine, end) = open_engine(folder.path(), options).unwrap();
            for n in 0..100 {
                engine.write(vec![put_bare(&format!("m{n}"))], None, Report::Revision).await.unwrap();
            }
            wait_until(|| !folder.path().join("generation-00000000000000000001").exists()).await;
            wait_until(|| engine.store_metrics().log_bytes < 4_000).await;
            let (path, installed) = (target(&generation(folder.path())), engine.metrics().checkpoints.get());
            let mut bytes = std::fs::read(&path).unwrap();
            let at = bytes.len().min(100) / 2;
            bytes[at] ^= 4;
            if path.ends_with("TAIL") {
                // It has two slots, and one of them is enough.
                bytes[0] ^= 4;
            }
            std::fs::write(&path, bytes).unwrap();
            let found = &mut Findings::default();
            assert_eq!(engine.verify_disk(engine.namespaces().sequence(), found).unwrap(), 1, "{}", path.display());
            assert_eq!(found.0[0].part, part, "{:?}", found.0);
            // Of the log it is enough that the segment goes, where a checkpoint covers it.
            let is_new = || engine.metrics().checkpoints.get() > installed || !path.exists();
            wait_until(|| engine.metrics().scrub_findings.get() > 0 && is_new()).await;
            let clean = || engine.verify_disk(engine.namespaces().sequence(), &mut Findings::default()).unwrap() == 0;
            wait_until(clean).await;
            let digest = engine.state().unwrap().digest();
            drop(engine);
            end.join();
            digest
        });
        let (engine, end) = open_engine(folder.path(), EngineOptions::default()).unwrap();
        assert_eq!(engine.state().unwrap().digest(), digest);
        drop(engine);
        end.join();
    }
}
