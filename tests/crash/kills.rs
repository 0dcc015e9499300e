//! SIGKILL at a random moment, again and again on one store: nothing acknowledged is lost, nothing is there by halves, and a
//! retry under a request id has the effect of one call.
//!
//! `KITH_CRASH_ROUNDS` sets how many times (50 when not given), `KITH_SEED` from which moments and writes on.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{sleep, timeout};

use super::reading::{read, state_digest};
use super::server::Start;
use super::settings::{PATIENCE, seed, setting};
use super::writer::{Fleet, Run, Tally};

const WRITERS: usize = 16;

fn millis(random: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_micros(random.u64(range.start * 1_000..range.end * 1_000))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_has_all_it_acknowledged_and_nothing_by_halves() {
    let seed = seed("kills");
    let rounds = setting("KITH_CRASH_ROUNDS", 50);
    let mut random = Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("store");
    let mut fleet = Fleet::new(WRITERS, seed);
    let (mut sum, mut checkpoints, mut log_bytes) = (Tally::default(), 0, 0);
    for round in 0..=rounds {
        let wrong = |what: String| panic!("round {round}, KITH_SEED={seed}: {what}");
        let mut server = Start::new(&data).run().unwrap_or_else(wrong);
        let mut channels = server.channels().await;
        let found = read(&channels).await;
        let settled = fleet.settle(&found, &mut sum);
        settled.unwrap_or_else(|what| panic!("round {round}, KITH_SEED={seed}: {what}"));
        checkpoints += u32::from(found.log_bytes < log_bytes);
        log_bytes = found.log_bytes;
        fleet.retry(&channels).await;
        let compared = fleet.compare(&read(&channels).await);
        compared.unwrap_or_else(|what| panic!("round {round}, after the retries, KITH_SEED={seed}: {what}"));
        if round % 10 == 5 {
            let live = state_digest(&channels[0]).await;
            server.kill();
            server = Start::new(&data).run().unwrap_or_else(wrong);
            channels = server.channels().await;
            assert_eq!(state_digest(&channels[0]).await, live, "round {round}, KITH_SEED={seed}: live and replayed");
        }
        fleet.begin();
        if round == rounds {
            break;
        }
        let run = Arc::new(Run::default());
        let tasks = fleet.write(&channels, &run);
        sleep(millis(&mut random, 10..150)).await;
        run.kill();
        server.kill();
        timeout(PATIENCE, fleet.join(tasks)).await.expect("calls end with the server");
        // A start is killed, too: what it repairs must be repairable again.
        for _ in 0..random.u32(0..3) {
            Start::new(&data).run_for(millis(&mut random, 0..25));
        }
    }
    println!("{rounds} kills, {checkpoints} rounds with a checkpoint: {sum:?}");
    assert!(sum.acknowledged > 0 && sum.unknown > sum.unknown_there && checkpoints > 0);
}

/// A new store is made of several files: a kill in between leaves what the next start takes for a new store again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_that_was_killed_begins_again() {
    let seed = seed("creation");
    let mut random = Rng::with_seed(seed);
    for round in 0..setting("KITH_CRASH_ROUNDS", 50) / 5 {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("store");
        for _ in 0..3 {
            Start::new(&data).run_for(millis(&mut random, 0..25));
        }
        let server = Start::new(&data).run();
        let server = server.unwrap_or_else(|said| panic!("round {round}, KITH_SEED={seed}: {said}"));
        let found = read(&server.channels().await).await;
        assert!(found.content.members.is_empty());
    }
}
