//! Reads and writes of every sort for a long while, on a network that stays as large as it is: the server's memory does, too.
//!
//! `KITH_SOAK_SECONDS` sets for how long (6 when not given), `KITH_SEED` what is asked and written.

use std::time::{Duration, Instant};

use fastrand::Rng;
use kith::proto::v1::data_service_client::DataServiceClient;
use kith::proto::v1::edge_service_client::EdgeServiceClient;
use kith::proto::v1::get_reach_request::Subject;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::introduction_service_client::IntroductionServiceClient;
use kith::proto::v1::path_service_client::PathServiceClient;
use kith::proto::v1::reach_service_client::ReachServiceClient;
use kith::proto::v1::status_service_client::StatusServiceClient;
use kith::proto::v1::*;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::Status as Refused;
use tonic::transport::{Channel, Endpoint};

use super::server::{Server, Start};
use super::settings::{seed, setting};

const MEMBERS: usize = 20_000;
const FRIENDS: usize = 5;
const READERS: usize = 4;
const WRITERS: usize = 4;
/// Of the memory's median in the last third over that in the middle one, once there is time to tell.
const GROWTH_MAX: f64 = 1.10;
const TOLD_AFTER: Duration = Duration::from_secs(300);
/// Remembered answers of writes come to their bound meanwhile, so they are left out: a soak writes without request ids.
const NO_REQUEST: String = String::new();

fn id(member: usize) -> String {
    format!("member-{member}")
}

fn friend(from: usize, to: usize) -> Edge {
    Edge { from_id: id(from), kind: "friend".to_owned(), to_id: id(to), ..Edge::default() }
}

async fn import(channel: Channel, random: &mut Rng) {
    let member = |member| Record::Member(Member { id: id(member), ..Member::default() });
    let mut records: Vec<Record> = (0..MEMBERS).map(member).collect();
    for from in 0..MEMBERS {
        // Some know many: half of the friends are among the first members.
        let other =
            |n: usize, random: &mut Rng| random.usize(..if n.is_multiple_of(2) { MEMBERS } else { MEMBERS / 50 });
        let others = (0..FRIENDS).map(|n| other(n, random)).filter(|to| *to != from);
        records.extend(others.map(|to| Record::Edge(friend(from, to))).collect::<Vec<_>>());
    }
    let record = |record: &Record| ImportRecord { record: Some(record.clone()), ..Default::default() };
    let message = |records: &[Record]| ImportRequest {
        records: records.iter().map(record).collect(),
        allow_missing_members: false,
        ..Default::default()
    };
    let messages: Vec<ImportRequest> = records.chunks(1_000).map(message).collect();
    let answer = DataServiceClient::new(channel).import(tokio_stream::iter(messages)).await.unwrap();
    assert_eq!(answer.get_ref().refused, 0);
}

/// One question, of a kind and about members at random.
async fn ask(channel: &Channel, endpoint: &Endpoint, random: &mut Rng) -> Result<(), Refused> {
    let (a, b) = (random.usize(..MEMBERS), random.usize(1..MEMBERS));
    let (a, b) = (id(a), id((a + b) % MEMBERS));
    let mut paths = PathServiceClient::new(channel.clone());
    let mut edges = EdgeServiceClient::new(channel.clone());
    match random.u8(..8) {
        0 => {
            let to_ids = (0..20).map(|_| id(random.usize(..MEMBERS))).collect();
            paths.batch_get_distances(BatchGetDistancesRequest { from_id: a, to_ids, ..Default::default() }).await?;
        }
        1 => {
            let ranking = if random.bool() { Ranking::Hops } else { Ranking::Strength };
            let request =
                FindPathsRequest { from_id: a, to_id: b, k: 3, ranking: ranking.into(), ..Default::default() };
            paths.find_paths(request).await?;
        }
        2 => {
            paths.list_mutuals(ListMutualsRequest { a_id: a, b_id: b, ..Default::default() }).await?;
        }
        3 => {
            let max_hops = random.i32(1..=3);
            let request = GetReachRequest { subject: Some(Subject::MemberId(a)), max_hops, ..Default::default() };
            ReachServiceClient::new(channel.clone()).get_reach(request).await?;
        }
        4 => {
            let request = SuggestIntroductionsRequest { member_id: a, ..Default::default() };
            IntroductionServiceClient::new(channel.clone()).suggest_introductions(request).await?;
        }
        5 => {
            // On a connection of its own: a client's library ends one on which it has given up very many streams.
            let own = endpoint.connect().await.map_err(|error| Refused::unavailable(error.to_string()))?;
            let mut all = DataServiceClient::new(own).watch(WatchRequest::default()).await?.into_inner();
            // Goes away before the stream has told all; when nobody writes any more it tells nothing.
            for _ in 0..random.u8(..20) {
                if let Ok(told) = timeout(Duration::from_millis(100), all.message()).await {
                    told?;
                }
            }
        }
        _ => {
            edges.list_edges(ListEdgesRequest { member_id: a, page_size: 100, ..Default::default() }).await?;
        }
    }
    Ok(())
}

/// One thing that comes and goes, or changes and stays: the network is as large afterwards.
async fn change(channel: &Channel, random: &mut Rng) -> Result<(), Refused> {
    let (from, to) = (random.usize(..MEMBERS / 2), MEMBERS / 2 + random.usize(..MEMBERS / 2));
    let mut edges = EdgeServiceClient::new(channel.clone());
    let mut statuses = StatusServiceClient::new(channel.clone());
    if random.bool() {
        let kind = "follows".to_owned();
        let edge = Edge { kind: kind.clone(), ..friend(from, to) };
        let put = PutEdgeRequest { edge: Some(edge), allow_missing_members: false, request_id: NO_REQUEST };
        edges.put_edge(put).await?;
        let delete = DeleteEdgeRequest { from_id: id(from), kind, to_id: id(to), ..Default::default() };
        // Another writer may have been sooner.
        edges.delete_edge(DeleteEdgeRequest { allow_missing: true, ..delete }).await?;
    } else {
        let text = "a".repeat(random.usize(1..2_000));
        let status =
            Status { id: format!("status-{}", random.u64(..)), author_id: id(from), text, ..Status::default() };
        let post = PostStatusRequest { status: Some(status), request_id: NO_REQUEST };
        let status = statuses.post_status(post).await?.into_inner().status.unwrap_or_default();
        statuses.delete_status(DeleteStatusRequest { id: status.id, ..Default::default() }).await?;
    }
    Ok(())
}

fn median(bytes: &[u64]) -> f64 {
    let mut bytes = bytes.to_vec();
    bytes.sort_unstable();
    bytes[bytes.len() / 2] as f64
}

/// What the server holds, once a second or more often, until the end or until a caller has failed.
async fn watch_memory(server: &Server, callers: &JoinSet<[u64; 2]>, duration: Duration) -> Vec<u64> {
    let all = callers.len();
    let begun = Instant::now();
    let mut held = Vec::new();
    while begun.elapsed() < duration && callers.len() == all {
        held.push(server.resident_bytes());
        if held.len().is_multiple_of(60) {
            println!("{:>6.0} s  {:.1} MiB", begun.elapsed().as_secs_f64(), held[held.len() - 1] as f64 / 1_048_576.0);
        }
        sleep((duration / 30).min(Duration::from_secs(1))).await;
    }
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_flat_under_a_mixed_load() {
    let seed = seed("soak");
    let duration = Duration::from_secs(setting("KITH_SOAK_SECONDS", 6));
    let folder = tempfile::tempdir().unwrap();
    let server = Start::new(&folder.path().join("store")).run().unwrap();
    let channels = server.channels().await;
    import(channels[0].clone(), &mut Rng::with_seed(seed)).await;
    let until = Instant::now() + duration;
    let mut callers = JoinSet::new();
    for caller in 0..READERS + WRITERS {
        let channel = channels[caller % channels.len()].clone();
        let endpoint = server.endpoint();
        let mut random = Rng::with_seed(seed ^ ((caller as u64 + 1) << 32));
        callers.spawn(async move {
            let mut calls = [0u64; 2];
            while Instant::now() < until {
                let writes = caller >= READERS;
                let done = if writes {
                    change(&channel, &mut random).await
                } else {
                    ask(&channel, &endpoint, &mut random).await
                };
                done.unwrap_or_else(|refused| panic!("KITH_SEED={seed}: {refused:?}"));
                calls[usize::from(writes)] += 1;
            }
            calls
        });
    }
    let held = watch_memory(&server, &callers, duration).await;
    let calls = callers.join_all().await.into_iter().fold([0; 2], |sum, calls| [sum[0] + calls[0], sum[1] + calls[1]]);
    let third = held.len() / 3;
    let (middle, last) = (median(&held[third..2 * third]), median(&held[2 * third..]));
    let mib = |bytes: f64| bytes / 1_048_576.0;
    println!("{duration:?}: {} questions, {} changes of two writes", calls[0], calls[1]);
    println!("memory, medians of the middle and the last third: {:.1} and {:.1} MiB", mib(middle), mib(last));
    assert!(calls.iter().all(|calls| *calls > 0));
    assert!(duration < TOLD_AFTER || last <= middle * GROWTH_MAX, "KITH_SEED={seed}: it grows: {held:?}");
    server.stop();
}
