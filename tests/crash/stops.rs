//! SIGTERM under load, again and again on one store: nothing acknowledged is lost, streams are told to go away, and the process
//! ends by itself within its bound.
//!
//! `KITH_STOP_ROUNDS` sets how many times (8 when not given), `KITH_SEED` at which moments and writes.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use kith::proto::v1::data_service_client::DataServiceClient;
use kith::proto::v1::{WatchRequest, WatchResponse};
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status, Streaming};

use super::call::reason;
use super::reading::read;
use super::server::Start;
use super::settings::{PATIENCE, seed, setting};
use super::writer::{Fleet, Run, Tally};

const WRITERS: usize = 16;
const DRAIN_SECONDS: u64 = 1;
/// The drain time, and what closing the store takes on a machine that does much else.
const STOP_MAX: Duration = Duration::from_secs(DRAIN_SECONDS + 4);

/// How a watcher's stream ends.
async fn end(mut watched: Streaming<WatchResponse>) -> Status {
    loop {
        match watched.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Status::ok("it ended as if there were no more changes"),
            Err(status) => return status,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_has_all_it_acknowledged_and_ends_within_its_bound() {
    let seed = seed("stops");
    let rounds = setting("KITH_STOP_ROUNDS", 8);
    let mut random = Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("store");
    let mut fleet = Fleet::new(WRITERS, seed);
    let (mut sum, mut longest) = (Tally::default(), Duration::ZERO);
    for round in 0..=rounds {
        let wrong = |what: String| panic!("round {round}, KITH_SEED={seed}: {what}");
        let start = Start::new(&data).env("KITH_DRAIN_SECONDS", DRAIN_SECONDS.to_string());
        let server = start.run().unwrap_or_else(wrong);
        let channels = server.channels().await;
        let settled = fleet.settle(&read(&channels).await, &mut sum);
        settled.unwrap_or_else(|what| panic!("round {round}, KITH_SEED={seed}: {what}"));
        fleet.retry(&channels).await;
        fleet.begin();
        if round == rounds {
            break;
        }
        let watched = DataServiceClient::new(channels[0].clone()).watch(WatchRequest::default()).await.unwrap();
        let watched = tokio::spawn(end(watched.into_inner()));
        let run = Arc::new(Run::default());
        let tasks = fleet.write(&channels, &run);
        sleep(Duration::from_micros(random.u64(10_000..150_000))).await;
        run.kill();
        let took = block_in_place(|| server.stop());
        assert!(took < STOP_MAX, "round {round}, KITH_SEED={seed}: it took {took:?} to stop");
        longest = longest.max(took);
        timeout(PATIENCE, fleet.join(tasks)).await.expect("calls end with the server");
        let told = timeout(PATIENCE, watched).await.expect("streams end with the server").unwrap();
        assert_eq!((told.code(), &*reason(&told)), (Code::Unavailable, "NOT_READY"), "round {round}: {told:?}");
    }
    println!("{rounds} stops, the longest {longest:?}: {sum:?}");
    assert!(sum.acknowledged > 0);
}
