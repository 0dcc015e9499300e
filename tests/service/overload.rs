//! Ten times what a server can answer: it answers as much as before, refuses the rest at once, and says that it is well.
//!
//! Figures are printed. They are held to their bars with `KITH_TIMES=1`, on a machine that does nothing else. Those who ask share it with
//! the server, and sending a call that is refused takes of it what refusing takes; so what is asked for is larger then.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kith::app::{CallLimits, StoreOptions};
use kith::proto::v1::reach_service_client::ReachServiceClient;
use kith::proto::v1::*;
use tokio::task::JoinSet;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::{Kith, bars_hold, connect, edge, options, reason};

const MEMBERS: usize = 20_000;
const TICK: Duration = Duration::from_millis(5);

/// What became of calls, and how long each took.
#[derive(Default)]
struct Tally {
    answered: Vec<Duration>,
    refused: Vec<Duration>,
}

async fn network(kith: &Kith) {
    let mut random = fastrand::Rng::with_seed(7);
    let edges = if bars_hold() { 2_000_000 } else { 200_000 };
    let mut records = (0..edges).map(|_| {
        let (from, to) = (random.usize(..MEMBERS), random.usize(..MEMBERS));
        let to = if from == to { (to + 1) % MEMBERS } else { to };
        let made = edge(&format!("m{from}"), "friend", &format!("m{to}"));
        ImportRecord { record: Some(import_record::Record::Edge(made)), ..Default::default() }
    });
    let messages: Vec<ImportRequest> = (0..edges / 1_000)
        .map(|_| ImportRequest {
            records: records.by_ref().take(1_000).collect(),
            allow_missing_members: true,
            ..Default::default()
        })
        .collect();
    assert_eq!(kith.data().import(tokio_stream::iter(messages)).await.unwrap().into_inner().refused, 0);
}

/// Asks for what takes many times longer than asking.
async fn ask(channel: Channel, tally: Arc<Mutex<Tally>>) {
    let subject = Some(get_reach_request::Subject::MemberId("m0".to_owned()));
    let request = GetReachRequest { subject, max_hops: 6, ..Default::default() };
    let begin = Instant::now();
    let answer = ReachServiceClient::new(channel).get_reach(request).await;
    let took = begin.elapsed();
    let mut tally = tally.lock().unwrap();
    match answer {
        Ok(_) => tally.answered.push(took),
        Err(status) => {
            assert_eq!((status.code(), &*reason(&status)), (Code::ResourceExhausted, "OVERLOADED"));
            tally.refused.push(took);
        }
    }
}

fn time() -> Duration {
    Duration::from_millis(if bars_hold() { 8_000 } else { 1_500 })
}

/// Calls a second that are answered when no more are asked than can be.
async fn peak(kith: &Kith) -> f64 {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let (begin, time) = (Instant::now(), time());
    let mut askers = JoinSet::new();
    for _ in 0..8 {
        let (channel, tally) = (kith.channel.clone(), tally.clone());
        askers.spawn(async move {
            while begin.elapsed() < time {
                ask(channel.clone(), tally.clone()).await;
            }
        });
    }
    askers.join_all().await;
    let answered = tally.lock().unwrap().answered.len();
    answered as f64 / begin.elapsed().as_secs_f64()
}

fn quantile(took: &mut [Duration], share: f64) -> Duration {
    took.sort();
    took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_the_peak() {
    let mut served = options(StoreOptions::Memory);
    served.server.calls = CallLimits { calls: 32, ..CallLimits::default() };
    let kith = Kith::start(served).await;
    network(&kith).await;
    let (peak, time) = (peak(&kith).await, time());

    let mut health = HealthClient::new(connect(kith.address).await);
    let asking = tokio::spawn(async move {
        let mut slowest = Duration::ZERO;
        let begin = Instant::now();
        while begin.elapsed() < time {
            let asked = Instant::now();
            health.check(HealthCheckRequest::default()).await.unwrap();
            slowest = slowest.max(asked.elapsed());
            tokio::time::sleep(TICK).await;
        }
        slowest
    });
    let tally = Arc::new(Mutex::new(Tally::default()));
    let mut calls = JoinSet::new();
    let begin = Instant::now();
    let mut asked = 0;
    while begin.elapsed() < time {
        tokio::time::sleep(TICK).await;
        let due = (10.0 * peak * begin.elapsed().as_secs_f64()) as usize;
        for _ in asked..due {
            calls.spawn(ask(kith.channel.clone(), tally.clone()));
        }
        asked = asked.max(due);
    }
    let goodput = tally.lock().unwrap().answered.len() as f64 / begin.elapsed().as_secs_f64();
    calls.join_all().await;
    let slowest = asking.await.unwrap();
    let mut tally = std::mem::take(&mut *tally.lock().unwrap());
    let (middle, late) = (quantile(&mut tally.refused, 0.5), quantile(&mut tally.refused, 0.99));
    println!(
        "peak {peak:.0}/s; asked {asked} in {time:?}: goodput {:.0} % of it, {} refused, p50 {middle:?}, p99 {late:?}; slowest health {slowest:?}",
        100.0 * goodput / peak,
        tally.refused.len(),
    );
    assert!(!tally.answered.is_empty() && !tally.refused.is_empty());
    assert!(slowest < Duration::from_secs(20), "health is answered throughout");
    // Of times alone: other tests run beside this one.
    if bars_hold() {
        assert!(goodput > 0.9 * peak && middle <= Duration::from_millis(5) && slowest < Duration::from_secs(1));
    }
    kith.stop().await.unwrap();
}
