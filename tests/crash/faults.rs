//! The disk is full, or fails: writes are refused and say why, reads go on, writes are taken again when the disk is well, and
//! nothing acknowledged is lost, whatever comes then.
//!
//! `KITH_FAULT_ROUNDS` sets how often each fault comes (2 when not given), `KITH_SEED` the writes and the moments.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fastrand::Rng;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::disk::Disk;
use super::power::cut;
use super::reading::{info, read};
use super::recording::{Recording, start_new_store, until};
use super::server::Start;
use super::settings::{PATIENCE, seed, setting};
use super::shim::{SHORT_WRITES, SYNC_EIO, Shim, WRITE_EDQUOT, WRITE_EIO, WRITE_ENOSPC};
use super::writer::{Fleet, Run, Tally};

const WRITERS: usize = 8;

struct Fault {
    name: &'static str,
    faults: u64,
    /// How many operations there are for each that fails.
    one_in: u64,
    /// Of the refusals: no other comes.
    reasons: &'static [&'static str],
}

/// Where an append can neither be finished nor taken back.
const UNKNOWN: &str = "OUTCOME_UNKNOWN";

const FAULTS: [Fault; 7] = [
    Fault { name: "the disk is full", faults: WRITE_ENOSPC, one_in: 1, reasons: &["STORAGE_FULL"] },
    Fault {
        name: "the disk is full at times",
        faults: WRITE_ENOSPC | SHORT_WRITES,
        one_in: 3,
        reasons: &["STORAGE_FULL", UNKNOWN],
    },
    Fault { name: "the quota is used up", faults: WRITE_EDQUOT, one_in: 1, reasons: &["STORAGE_FULL"] },
    Fault { name: "writes fail", faults: WRITE_EIO, one_in: 1, reasons: &["INTERNAL"] },
    Fault { name: "some writes fail", faults: WRITE_EIO | SHORT_WRITES, one_in: 3, reasons: &["INTERNAL", UNKNOWN] },
    Fault { name: "syncs fail", faults: SYNC_EIO, one_in: 1, reasons: &["INTERNAL", UNKNOWN] },
    Fault { name: "some syncs fail", faults: SYNC_EIO, one_in: 3, reasons: &["INTERNAL", UNKNOWN] },
];

impl Run {
    async fn acknowledges(&self, more: usize) {
        let now = self.acknowledged.load(Ordering::SeqCst);
        until(|| self.acknowledged.load(Ordering::SeqCst) >= now + more).await;
    }

    async fn refuses(&self, more: usize) {
        let now = self.refused.load(Ordering::SeqCst);
        until(|| self.refused.load(Ordering::SeqCst) >= now + more).await;
    }
}

/// What a server must do whatever its disk does.
async fn reads_go_on(channels: &[Channel]) {
    let mut health = HealthClient::new(channels[0].clone());
    let status = health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status;
    assert_eq!(status, ServingStatus::Serving as i32);
    assert!(info(&channels[1]).await.members > 0);
}

/// A fault comes and goes under load.
async fn suffer(fault: &Fault, shim: &Shim, run: &Run, channels: &[Channel], random: &mut Rng) {
    run.acknowledges(30).await;
    run.reasons.lock().unwrap().clear();
    let injected = shim.injected();
    shim.fail(fault.faults, random.u64(0..12), fault.one_in);
    run.refuses(20).await;
    reads_go_on(channels).await;
    shim.heal();
    assert!(shim.injected() > injected);
    // Of every writer's calls none is left that began before.
    run.acknowledges(10 * WRITERS).await;
    let reasons: Vec<String> = run.reasons.lock().unwrap().iter().cloned().collect();
    let expected = reasons.iter().all(|reason| fault.reasons.contains(&reason.as_str()));
    assert!(expected && !reasons.is_empty(), "{}: {reasons:?}", fault.name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_refused_while_the_disk_fails_and_taken_when_it_is_well() {
    let seed = seed("faults");
    let mut random = Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let (shim, server) = start_new_store(folder.path(), seed);
    let channels = server.channels().await;
    let mut fleet = Fleet::new(WRITERS, seed);
    let run = Arc::new(Run::on_failing_disk(Some(&shim)));
    let tasks = fleet.write(&channels, &run);
    for _ in 0..setting("KITH_FAULT_ROUNDS", 2) {
        for fault in &FAULTS {
            println!("{}: {} operations so far", fault.name, shim.operations());
            suffer(fault, &shim, &run, &channels, &mut random).await;
        }
    }
    run.end();
    timeout(PATIENCE, fleet.join(tasks)).await.expect("writers end");
    let compared = fleet.compare(&read(&channels).await);
    compared.unwrap_or_else(|what| panic!("KITH_SEED={seed}: the server that went on: {what}"));
    server.stop();
    let (acknowledged, refused) = (run.acknowledged.load(Ordering::SeqCst), run.refused.load(Ordering::SeqCst));
    println!("{acknowledged} acknowledged, {refused} refused, {} faults", shim.injected());

    let recording = Recording::of_ended_run(fleet, &shim, folder);
    let cuts = setting("KITH_POWER_CUTS", 60) / 2;
    let wrong = cut(&recording, &mut Disk::empty(), cuts, &mut random).await;
    println!("{cuts} power cuts in it, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "KITH_SEED={seed}: {wrong:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_while_its_disk_fails_has_all_it_acknowledged() {
    let seed = seed("kills on a failing disk");
    let mut random = Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let (shim, server) = start_new_store(folder.path(), seed);
    server.kill();
    let data = shim.folder().join("store");
    let start = || Start::logging_to(&data, &folder.path().join("log"));
    let mut fleet = Fleet::new(WRITERS, seed);
    let mut tally = Tally::default();
    for _ in 0..setting("KITH_FAULT_ROUNDS", 2) {
        for fault in &FAULTS {
            let server = shim.under(start()).run().unwrap();
            let channels = server.channels().await;
            let run = Arc::new(Run::on_failing_disk(Some(&shim)));
            let tasks = fleet.write(&channels, &run);
            run.acknowledges(30).await;
            shim.fail(fault.faults, random.u64(0..12), fault.one_in);
            run.refuses(random.usize(1..20)).await;
            run.kill();
            server.kill();
            timeout(PATIENCE, fleet.join(tasks)).await.expect("calls end with the server");
            shim.heal();
            let server = start().run().unwrap_or_else(|said| panic!("{}, KITH_SEED={seed}: {said}", fault.name));
            let channels = server.channels().await;
            let settled = fleet.settle(&read(&channels).await, &mut tally);
            settled.unwrap_or_else(|what| panic!("{}, KITH_SEED={seed}: {what}", fault.name));
            fleet.retry(&channels).await;
            let compared = fleet.compare(&read(&channels).await);
            compared.unwrap_or_else(|what| panic!("{}, after the retries, KITH_SEED={seed}: {what}", fault.name));
            fleet.begin();
        }
    }
    println!("{tally:?}");
}

/// A small file system in memory.
pub struct SmallDisk<'a>(&'a Path);

impl SmallDisk<'_> {
    /// None where it may not be mounted.
    pub fn mount(at: &Path) -> Option<SmallDisk<'_>> {
        std::fs::create_dir(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=8m", "kith-test"]).arg(at).output();
        mounted.is_ok_and(|done| done.status.success()).then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_file_system_is_survived() {
    let seed = seed("full file system");
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("small");
    let Some(_disk) = SmallDisk::mount(&at) else {
        println!("skipped: a_full_file_system_is_survived needs to be root, to mount a small one");
        return;
    };
    let ballast = at.join("ballast");
    std::fs::write(&ballast, vec![1; 3 << 20]).unwrap();
    let start = || Start::logging_to(&at.join("store"), &folder.path().join("log"));
    let server = start().run().unwrap();
    let channels = server.channels().await;
    let mut fleet = Fleet::new(WRITERS, seed);
    let run = Arc::new(Run::on_failing_disk(None));
    let tasks = fleet.write(&channels, &run);
    run.refuses(20).await;
    reads_go_on(&channels).await;
    std::fs::remove_file(ballast).unwrap();
    run.acknowledges(50).await;
    assert_eq!(run.reasons.lock().unwrap().iter().collect::<Vec<_>>(), ["STORAGE_FULL"]);
    run.kill();
    server.kill();
    timeout(PATIENCE, fleet.join(tasks)).await.expect("calls end with the server");
    let server = start().run().unwrap();
    let found = read(&server.channels().await).await;
    let mut tally = Tally::default();
    fleet.settle(&found, &mut tally).unwrap_or_else(|what| panic!("KITH_SEED={seed}: {what}"));
    println!("{} refused; {tally:?}", run.refused.load(Ordering::SeqCst));
}

/// Writes to a disk until it has no room left.
fn fill(at: &Path) -> PathBuf {
    let path = at.join("ballast");
    let mut ballast = File::create(&path).unwrap();
    for piece in [1 << 16, 1 << 12, 1] {
        while ballast.write_all(&vec![1; piece]).is_ok() {}
    }
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_on_a_full_or_read_only_disk_is_served_or_read_as_far_as_it_can_be() {
    let seed = seed("full start");
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("small");
    let Some(_disk) = SmallDisk::mount(&at) else {
        println!("skipped: this needs to be root, to mount a small file system");
        return;
    };
    let data = at.join("store");
    let start = || Start::logging_to(&data, &folder.path().join("log"));
    let mut fleet = Fleet::new(WRITERS, seed);
    let server = start().run().unwrap();
    let run = Arc::new(Run::on_failing_disk(None));
    let tasks = fleet.write(&server.channels().await, &run);
    // So that there is a checkpoint.
    until(|| !data.join("generation-00000000000000000001").exists()).await;
    run.end();
    timeout(PATIENCE, fleet.join(tasks)).await.expect("writers end");
    server.kill();

    let mut ballast = fill(&at);
    let server = start().run().unwrap_or_else(|said| panic!("a full disk stops a start: {said}"));
    let channels = server.channels().await;
    let compared = fleet.compare(&read(&channels).await);
    compared.unwrap_or_else(|what| panic!("KITH_SEED={seed}: {what}"));
    // What the start has left is taken too.
    std::fs::remove_file(&ballast).unwrap();
    ballast = fill(&at);
    let run = Arc::new(Run::on_failing_disk(None));
    let tasks = fleet.write(&channels, &run);
    run.refuses(20).await;
    assert_eq!(run.reasons.lock().unwrap().iter().collect::<Vec<_>>(), ["STORAGE_FULL"]);
    std::fs::remove_file(&ballast).unwrap();
    run.acknowledges(50).await;
    run.end();
    timeout(PATIENCE, fleet.join(tasks)).await.expect("writers end");
    server.stop();

    let mount = |options: &str| Command::new("mount").args(["-o", options]).arg(&at).status().unwrap().success();
    assert!(mount("remount,ro"));
    let said = start().run().err().unwrap();
    assert!(said.contains("read-only"), "{said}");
    let verify = |more: &[&Path]| {
        let mut verify = Command::new(env!("CARGO_BIN_EXE_kith"));
        let done = verify.args(["verify", "--data"]).arg(&data).args(more).output().unwrap();
        (done.status.code(), String::from_utf8(done.stderr).unwrap() + &String::from_utf8(done.stdout).unwrap())
    };
    let (code, said) = verify(&[]);
    assert!(code == Some(3) && said.contains("--scratch"), "{code:?}: {said}");
    let scratch = folder.path().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let (code, said) = verify(&[Path::new("--scratch"), &scratch]);
    assert!(code == Some(0) && said.contains("all is well"), "{code:?}: {said}");
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0, "the copy is gone");
}
