//! The power goes: what was not synced is dropped, kept, torn and reordered, and the server starts on what is left.
//!
//! One run is written down operation by operation, and cut at many places. `KITH_POWER_CUTS` sets at how many (60 when not given),
//! `KITH_SEED` the writes, the places and what survives them.

use std::path::Path;

use fastrand::Rng;

use super::disk::{Disk, Loss};
use super::ledger::Outcome;
use super::reading::read;
use super::recording::Recording;
use super::server::Start;
use super::settings::{seed, setting};
use super::shim::Shim;
use super::trace::{Operation, parse, values};

const WRITERS: usize = 8;
const WRITES: usize = 1_500;

/// Where to cut: around changes of names, right after renames, right after an answer, and anywhere.
fn places(recording: &Recording, count: u64, random: &mut Rng) -> Vec<u64> {
    let operations = &recording.operations;
    let names = operations.iter().enumerate().filter(|(_, operation)| {
        !matches!(operation, Operation::Write { .. } | Operation::Sync { .. } | Operation::Open { creates: false, .. })
    });
    let names: Vec<u64> = names.map(|(i, _)| i as u64).collect();
    let renames: Vec<u64> =
        names.iter().copied().filter(|&i| matches!(operations[i as usize], Operation::Rename { .. })).collect();
    let answers = recording.acknowledgements();
    let all = operations.len() as u64;
    let mut place = || match random.u32(0..10) {
        0..3 => (names[random.usize(0..names.len())] + random.u64(0..6)).saturating_sub(2).min(all),
        3..5 => (renames[random.usize(0..renames.len())] + random.u64(1..3)).min(all),
        5..7 => (answers[random.usize(0..answers.len())] + random.u64(0..2)).min(all),
        _ => random.u64(0..=all),
    };
    let mut places: Vec<u64> = (0..count).map(|_| place()).collect();
    places.sort_unstable();
    places
}

fn loss(random: &mut Rng) -> Loss {
    match random.u32(0..10) {
        0 => Loss::Nothing,
        1..3 => Loss::AllUnsynced,
        3..6 => Loss::Journal,
        _ => Loss::Any,
    }
}

/// Starts on what a cut left, and compares it with the ledger of those acknowledged before.
async fn check(recording: &Recording, folder: &Path, cut: u64) -> Result<(), String> {
    let server = Start::logging_to(&folder.join("store"), &folder.with_extension("log")).run()?;
    let channels = server.channels().await;
    let found = read(&channels).await;
    recording.fleet.check(&found, cut)?;
    // What was found is on disk: a kill does not change it.
    server.kill();
    let server = Start::logging_to(&folder.join("store"), &folder.with_extension("log")).run()?;
    let again = read(&server.channels().await).await;
    if (again.sequence, &again.content) == (found.sequence, &found.content) {
        Ok(())
    } else {
        Err(format!("another start finds another content: {}", found.content.difference(&again.content)))
    }
}

/// Cuts the power `count` times; what went wrong, with the place.
pub async fn cut(recording: &Recording, disk: &mut Disk, count: u64, random: &mut Rng) -> Vec<String> {
    let mut wrong = Vec::new();
    for place in places(recording, count, random) {
        recording.operations[disk.next as usize..place as usize].iter().for_each(|operation| disk.apply(operation));
        let loss = loss(random);
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("disk");
        disk.cut(&left, loss, random);
        if let Err(how) = check(recording, &left, place).await {
            let before = &recording.operations[(place as usize).saturating_sub(5)..place as usize];
            wrong.push(format!("cut before operation {place}, {loss:?}: {how}; after {before:?}"));
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let seed = seed("power cuts");
    let cuts = setting("KITH_POWER_CUTS", 60);
    let recording = Recording::of_new_store(seed, WRITERS, WRITES).await;
    let mut random = Rng::with_seed(seed);
    let wrong = cut(&recording, &mut Disk::empty(), cuts, &mut random).await;
    println!("{cuts} cuts of a run of {} operations, {} wrong", recording.operations.len(), wrong.len());
    assert!(wrong.is_empty(), "KITH_SEED={seed}: {wrong:#?}");

    // Had no sync done anything, some would have been lost: the test can fail.
    let mut unsynced = Disk::empty();
    unsynced.syncs = false;
    let wrong = cut(&recording, &mut unsynced, cuts / 4, &mut random).await;
    let lost = wrong.iter().filter(|how| how.contains("are lost")).count();
    println!("without syncs, of {} cuts {} are wrong, {lost} of them lost acknowledged writes", cuts / 4, wrong.len());
    assert!(lost > 0, "a run without syncs lost nothing: {wrong:#?}");
}

/// The power goes again while a server starts on what a power cut left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_while_it_starts_after_one_loses_nothing_either() {
    let seed = seed("power cuts of starts");
    let starts = setting("KITH_POWER_CUTS", 60) / 5;
    let recording = Recording::of_new_store(seed, WRITERS, WRITES / 3).await;
    let mut random = Rng::with_seed(seed);
    let mut disk = Disk::empty();
    let (mut cuts, mut wrong) = (0, Vec::new());
    for first in places(&recording, starts, &mut random) {
        recording.operations[disk.next as usize..first as usize].iter().for_each(|operation| disk.apply(operation));
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("disk");
        disk.cut(&left, loss(&mut random), &mut random);
        let mut again = Disk::of(&left);
        let operations = start_on(&left, seed);
        let mut places: Vec<usize> = (0..3).map(|_| random.usize(0..=operations.len())).collect();
        places.sort_unstable();
        for second in places {
            operations[again.next as usize..second].iter().for_each(|operation| again.apply(operation));
            let left = folder.path().join(format!("cut-{cuts}"));
            let loss = loss(&mut random);
            again.cut(&left, loss, &mut random);
            cuts += 1;
            if let Err(how) = check(&recording, &left, first).await {
                let before = &operations[second.saturating_sub(5)..second];
                wrong.push(format!(
                    "cut before {first}, then before {second} of the start, {loss:?}: {how}; {before:?}"
                ));
            }
        }
    }
    println!("{cuts} cuts of {starts} starts, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "KITH_SEED={seed}: {wrong:#?}");
}

/// Starts a server and stops it; what it did to the files.
fn start_on(disk: &Path, seed: u64) -> Vec<Operation> {
    let shim = Shim::new(disk, seed);
    let start = Start::logging_to(&disk.join("store"), &disk.with_extension("log"));
    shim.under(start).run().unwrap().stop();
    parse(&shim.trace(), disk)
}

/// For each acknowledged write that has a value of its own: whether, when its answer came, a file held it whose data and name
/// had been synced.
fn on_disk_when_acknowledged(recording: &Recording, disk: &mut Disk) -> Vec<bool> {
    let values = values(&recording.operations);
    let mut answered: Vec<(u64, String)> = recording
        .fleet
        .entries()
        .filter_map(|entry| match entry.outcome {
            Outcome::Acknowledged { position, .. } => Some((position, entry.operation.value()?)),
            _ => None,
        })
        .collect();
    answered.sort_unstable();
    let mut inodes = std::collections::HashMap::new();
    let mut on_disk = Vec::new();
    for (position, value) in answered {
        for (number, operation) in
            recording.operations.iter().enumerate().take(position as usize).skip(disk.next as usize)
        {
            disk.apply(operation);
            if let Operation::Write { file, .. } = operation {
                inodes.insert(number, disk.inode(*file));
            }
        }
        let names = disk.durable_names();
        let writes = values.get(&value).into_iter().flatten().filter_map(|number| Some((*number, inodes.get(number)?)));
        let mut writes =
            writes.filter(|(number, inode)| names.contains(inode) && disk.has_synced(**inode, *number as u64));
        on_disk.push(writes.next().is_some());
    }
    on_disk
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_has_been_synced() {
    let seed = seed("syncs");
    let recording = Recording::of_new_store(seed, WRITERS, 500).await;
    let on_disk = on_disk_when_acknowledged(&recording, &mut Disk::empty());
    let missing = on_disk.iter().filter(|on_disk| !**on_disk).count();
    println!("{} acknowledged writes, {missing} of them not on disk when they were", on_disk.len());
    assert!(on_disk.len() > 200 && missing == 0, "KITH_SEED={seed}");

    let mut unsynced = Disk::empty();
    unsynced.syncs = false;
    assert!(
        on_disk_when_acknowledged(&recording, &mut unsynced).iter().all(|on_disk| !on_disk),
        "syncs make no difference"
    );
}
