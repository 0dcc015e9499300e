//! Damage on disk: after any of it the store opens to exactly what was written, or is refused.
//!
//! `KITH_DAMAGE_TIMES` multiplies the cases of each file, `KITH_SEED` sets which they are. What was run is printed.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use kith::domain::{Change, EdgePut, Precondition};
use kith::engine::{EngineOptions, Report};
use kith::store::StoreError;

use crate::support::*;

/// A case that takes longer hangs.
const CASE_TIME_MAX: Duration = Duration::from_secs(60);

/// Digest by sequence, of all that was ever acknowledged.
type History = BTreeMap<u64, u128>;

/// A store with a checkpoint, a log after it, and commands above half a megabyte in both.
fn write_store(folder: &Path, writes: u32, note_chars: usize) -> History {
    let checkpoint = EngineOptions { checkpoint_log_bytes_min: 1, ..EngineOptions::default() };
    let mut history = write(folder, checkpoint, 1..=writes, note_chars);
    let none = EngineOptions { checkpoint_log_bytes_min: u64::MAX, ..EngineOptions::default() };
    history.append(&mut write(folder, none, writes + 1..=2 * writes, note_chars));
    assert!(!folder.join("generation-00000000000000000001").exists(), "a checkpoint was installed");
    history
}

/// Posts a status of a kilobyte.
fn posted(random: &mut fastrand::Rng, id: &str, author: &str) -> Change {
    let mut status = sample_status(id, author);
    status.attrs.text = (0..1_000).map(|_| random.alphanumeric()).collect();
    Change::PostStatus { status }
}

fn write(folder: &Path, options: EngineOptions, numbers: RangeInclusive<u32>, note_chars: usize) -> History {
    let mut history = History::new();
    let mut random = fastrand::Rng::with_seed(1);
    block_on(async {
        let (engine, end) = open_engine(folder, options).unwrap();
        history.insert(engine.state().unwrap().sequence(), engine.state().unwrap().digest());
        for n in numbers {
            let (name, next) = (format!("member-{n}"), format!("member-{}", n + 1));
            let mut put = EdgePut::bare(edge_key(&name, "follows", "hub"));
            put.attrs.note = (0..note_chars).map(|_| random.alphanumeric()).collect();
            let put = Change::PutEdge { put, precondition: Precondition::None, allow_missing_members: true };
            let mut changes = vec![put_edge(&name, "friend", &next), put];
            if n % 1_000 == 99 {
                changes.extend((0..600).map(|post| posted(&mut random, &format!("{n}-{post}"), &name)));
            }
            engine.write(changes, Some(request(n.into(), 0)), Report::Results).await.unwrap();
            history.insert(engine.state().unwrap().sequence(), engine.state().unwrap().digest());
        }
        drop(engine);
        end.join();
    });
    history
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    FlipBit { at: u64, bit: u8 },
    Zero { at: u64, len: u64 },
    Cut { at: u64 },
    Remove,
}

impl Damage {
    fn random(random: &mut fastrand::Rng, size: u64) -> Damage {
        let at = random.u64(0..size.max(1));
        match random.u8(0..8) {
            0..4 => Damage::FlipBit { at, bit: random.u8(0..8) },
            4..6 => Damage::Zero { at: at / 512 * 512, len: 512 << random.u32(0..4) },
            _ => Damage::Cut { at },
        }
    }

    fn inflict(self, path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        match self {
            Damage::FlipBit { at, bit } => {
                if let Some(byte) = bytes.get_mut(at as usize) {
                    *byte ^= 1 << bit;
                }
            }
            Damage::Zero { at, len } => {
                let end = (at + len).min(bytes.len() as u64);
                bytes[at as usize..end as usize].fill(0);
            }
            Damage::Cut { at } => bytes.truncate(at as usize),
            Damage::Remove => return fs::remove_file(path).unwrap(),
        }
        fs::write(path, bytes).unwrap();
    }
}

#[derive(Debug)]
enum Outcome {
    Same,
    Refused,
    /// What it was at an earlier sequence.
    Older,
    Different,
    Panicked,
    Hung,
}

fn open_damaged(folder: PathBuf, history: &History) -> Outcome {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let (engine, end) = open_engine(&folder, EngineOptions::default())?;
            let state = engine.state().unwrap();
            drop(engine);
            end.join();
            Ok::<_, StoreError>((state.sequence(), state.digest()))
        }));
        let _ = tell.send(opened);
    });
    match told.recv_timeout(CASE_TIME_MAX) {
        Err(_) => Outcome::Hung,
        Ok(Err(_)) => Outcome::Panicked,
        Ok(Ok(Err(_))) => Outcome::Refused,
        Ok(Ok(Ok((sequence, digest)))) => match history.get(&sequence) {
            Some(known) if *known != digest => Outcome::Different,
            Some(_) if Some(&sequence) == history.keys().last() => Outcome::Same,
            Some(_) => Outcome::Older,
            None => Outcome::Different,
        },
    }
}

/// Damages every file of a copy in many ways; gives what each damage of a file led to.
fn outcomes(whole: &Path, history: &History, cases: usize) -> Vec<(String, Outcome)> {
    let mut files = Vec::new();
    files_under(whole, &mut files);
    files.sort();
    let mut random = fastrand::Rng::with_seed(setting("KITH_SEED", 20));
    let mut queue = Vec::new();
    for file in files {
        let size = fs::metadata(&file).unwrap().len();
        let holds_most = file.ends_with("db") || file.extension().is_some_and(|extension| extension == "log");
        let cases = if holds_most { cases } else { cases / 10 };
        let damages = (0..cases).map(|_| Damage::random(&mut random, size));
        queue.extend(damages.chain([Damage::Cut { at: 0 }, Damage::Remove]).map(|damage| (file.clone(), damage)));
    }
    let (queue, found) = (Mutex::new(queue), Mutex::new(Vec::new()));
    let worker = || {
        while let Some((file, damage)) = { queue.lock().unwrap().pop() } {
            let name = file.strip_prefix(whole).unwrap();
            let copy = tempfile::tempdir().unwrap();
            copy_folder(whole, copy.path());
            damage.inflict(&copy.path().join(name));
            let outcome = open_damaged(copy.path().to_owned(), history);
            found.lock().unwrap().push((format!("{} {damage:?}", name.display()), outcome));
        }
    };
    // More than there are cores: closing sled waits for its flusher.
    std::thread::scope(|scope| (0..6).for_each(|_| drop(scope.spawn(worker))));
    found.into_inner().unwrap()
}

fn check(writes: u32, note_chars: usize, cases: usize) {
    let cases = cases * setting("KITH_DAMAGE_TIMES", 1) as usize;
    let whole = tempfile::tempdir().unwrap();
    let history = write_store(whole.path(), writes, note_chars);
    let found = outcomes(whole.path(), &history, cases);
    let (bad, good): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|(_, outcome)| !matches!(outcome, Outcome::Same | Outcome::Refused));
    let refused = good.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Refused)).count();
    println!("{} cases: {refused} refused, {} intact", good.len() + bad.len(), good.len() - refused);
    assert!(bad.is_empty(), "{} of {}: {bad:#?}", bad.len(), bad.len() + good.len());
    assert!(refused > cases / 2, "damage that nothing notices proves nothing: {refused} refused");
}

#[test]
fn damage_of_a_small_store_is_found_and_nothing_else_is_served() {
    check(120, 0, 120);
}

#[test]
fn damage_of_a_store_of_many_segments_is_found_and_nothing_else_is_served() {
    check(1_000, 1_000, 80);
}
