//! Each RPC's worst request, many at once by one caller: another caller is answered meanwhile, and refused nothing.
//!
//! What is asserted is who is answered before whom. With `KITH_TIMES=1` the network is larger, and the other caller's 99th percentile is
//! held to three times what it is when nobody else asks; on a machine that does nothing else. Callers are told apart by their addresses.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kith::app::StoreOptions;
use kith::proto::v1::admin_service_client::AdminServiceClient;
use kith::proto::v1::data_service_client::DataServiceClient;
use kith::proto::v1::edge_service_client::EdgeServiceClient;
use kith::proto::v1::introduction_service_client::IntroductionServiceClient;
use kith::proto::v1::member_service_client::MemberServiceClient;
use kith::proto::v1::path_service_client::PathServiceClient;
use kith::proto::v1::reach_service_client::ReachServiceClient;
use kith::proto::v1::status_service_client::StatusServiceClient;
use kith::proto::v1::*;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::harness::{Kith, PATIENCE, bars_hold, edge, options, reason};

/// Calls of the one caller that are under way at any time.
const AT_ONCE: usize = 32;

fn members() -> usize {
    if bars_hold() { 100_000 } else { 4_000 }
}

fn name(member: usize) -> String {
    format!("m{member}")
}

/// Random edges, a hub that every tenth member is joined to, and statuses on one topic.
async fn network(kith: &Kith) {
    let (mut random, members) = (fastrand::Rng::with_seed(11), members());
    let mut records: Vec<import_record::Record> = Vec::new();
    for from in 0..members {
        for _ in 0..10 {
            let to = (from + 1 + random.usize(..members - 1)) % members;
            let kind = ["friend", "colleague"][random.usize(..2)];
            records.push(import_record::Record::Edge(edge(&name(from), kind, &name(to))));
        }
        if from % 10 == 0 {
            records.push(import_record::Record::Edge(edge("hub", "friend", &name(from))));
        }
    }
    for author in 0..1_000 {
        let audience = Some(Audience { max_hops: 2, filter: None });
        let (id, author_id, topics) = (format!("s{author}"), name(author), vec!["data".to_owned()]);
        let text = "x".repeat(1_000);
        let post = kith::proto::v1::Status { id, author_id, text, topics, audience, ..Default::default() };
        records.push(import_record::Record::Status(post));
    }
    for number in 0..1_000 {
        let id = format!("h{number}");
        let audience = Some(Audience { max_hops: 1 + number % 6, filter: None });
        let text = "x".repeat(1_000);
        let post = kith::proto::v1::Status { id, author_id: "hub".to_owned(), text, audience, ..Default::default() };
        records.push(import_record::Record::Status(post));
    }
    let messages: Vec<ImportRequest> = records
        .chunks(1_000)
        .map(|records| ImportRequest {
            records: records
                .iter()
                .map(|record| ImportRecord { record: Some(record.clone()), ..Default::default() })
                .collect(),
            allow_missing_members: true,
            ..Default::default()
        })
        .collect();
    let imported = kith.data().import(tokio_stream::iter(messages)).await.unwrap().into_inner();
    assert_eq!(imported.refused, 0, "{:?}", imported.errors.first());
}

async fn from(kith: &Kith, address: &str) -> Channel {
    let address: IpAddr = address.parse().unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{}", kith.address)).unwrap();
    endpoint.local_address(Some(address)).connect().await.unwrap()
}

/// Whoever is not said to see less sees all.
fn as_viewer(member: usize) -> Option<ReadOptions> {
    Some(ReadOptions { viewer_id: name(member), ..Default::default() })
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Worst {
    GetReach,
    ListReach,
    ListReachDeep,
    ListReachCrossing,
    CheckReach,
    DiscoverStatuses,
    FindPaths,
    BatchGetDistances,
    ListMutuals,
    FindIntroducers,
    SuggestExact,
    SuggestExactApart,
    SuggestTopics,
    ListLeaders,
    ListEdges,
    CountEdges,
    ListStatuses,
    ListMembers,
    BatchGetMembers,
    Export,
    Backup,
    Verify,
}

const ALL: [Worst; 22] = [
    Worst::GetReach,
    Worst::ListReach,
    Worst::ListReachDeep,
    Worst::ListReachCrossing,
    Worst::CheckReach,
    Worst::DiscoverStatuses,
    Worst::FindPaths,
    Worst::BatchGetDistances,
    Worst::ListMutuals,
    Worst::FindIntroducers,
    Worst::SuggestExact,
    Worst::SuggestExactApart,
    Worst::SuggestTopics,
    Worst::ListLeaders,
    Worst::ListEdges,
    Worst::CountEdges,
    Worst::ListStatuses,
    Worst::ListMembers,
    Worst::BatchGetMembers,
    Worst::Export,
    Worst::Backup,
    Worst::Verify,
];

/// All messages of a stream.
async fn drain<T>(stream: Result<tonic::Response<tonic::Streaming<T>>, Status>) -> Result<(), Status> {
    let mut stream = stream?.into_inner();
    while stream.message().await?.is_some() {}
    Ok(())
}

impl Worst {
    /// Asks once, about members that `random` chooses.
    async fn ask(self, channel: Channel, random: &mut fastrand::Rng) -> Result<(), Status> {
        let members = members();
        let (a, b) = (random.usize(..members), random.usize(..members));
        let many = |random: &mut fastrand::Rng| (0..1_000).map(|_| name(random.usize(..members))).collect();
        let mut reach = ReachServiceClient::new(channel.clone()).max_decoding_message_size(usize::MAX);
        let mut paths = PathServiceClient::new(channel.clone());
        let mut introductions = IntroductionServiceClient::new(channel.clone());
        let mut edges = EdgeServiceClient::new(channel.clone());
        let mut statuses = StatusServiceClient::new(channel.clone());
        let mut of_members = MemberServiceClient::new(channel.clone());
        let suggest = SuggestIntroductionsRequest { limit: 100, ..Default::default() };
        match self {
            Worst::GetReach => {
                let subject = Some(get_reach_request::Subject::MemberId(name(a)));
                let request = GetReachRequest { subject, max_hops: 6, read: as_viewer(b), ..Default::default() };
                reach.get_reach(request).await.map(drop)
            }
            Worst::ListReach | Worst::ListReachDeep | Worst::ListReachCrossing => {
                let subject = Some(list_reach_request::Subject::MemberId(name(a)));
                let crossing_only = self == Worst::ListReachCrossing;
                let read = as_viewer(b);
                let mut request = ListReachRequest {
                    subject,
                    max_hops: 6,
                    page_size: 1_000,
                    crossing_only,
                    read,
                    ..Default::default()
                };
                for _ in 0..if self == Worst::ListReachDeep { 3 } else { 1 } {
                    let answer = reach.list_reach(request.clone()).await?.into_inner();
                    request.page_token = answer.next_page_token;
                    if request.page_token.is_empty() {
                        break;
                    }
                }
                Ok(())
            }
            Worst::CheckReach => {
                let subject = Some(check_reach_request::Subject::MemberId("hub".to_owned()));
                let viewer_ids = many(random);
                let request = CheckReachRequest { subject, max_hops: 6, viewer_ids, ..Default::default() };
                reach.check_reach(request).await.map(drop)
            }
            Worst::DiscoverStatuses => {
                let request =
                    DiscoverStatusesRequest { viewer_id: name(a), max_hops: 6, page_size: 1_000, ..Default::default() };
                reach.discover_statuses(request).await.map(drop)
            }
            Worst::FindPaths => {
                let ranking = Ranking::Strength.into();
                let (from_id, to_id) = (name(a), name(b));
                let request = FindPathsRequest { from_id, to_id, k: 50, max_hops: 6, ranking, ..Default::default() };
                paths.find_paths(request).await.map(drop)
            }
            Worst::BatchGetDistances => {
                let (from_id, to_ids) = (name(a), many(random));
                let request = BatchGetDistancesRequest { from_id, to_ids, read: as_viewer(b), ..Default::default() };
                paths.batch_get_distances(request).await.map(drop)
            }
            Worst::ListMutuals => {
                let (a_id, b_id) = ("hub".to_owned(), name(10 * (a / 10)));
                let request = ListMutualsRequest { a_id, b_id, page_size: 1_000, ..Default::default() };
                paths.list_mutuals(request).await.map(drop)
            }
            Worst::FindIntroducers => {
                let (member_id, target_id) = (name(a), name(b));
                let request =
                    FindIntroducersRequest { member_id, target_id, max_hops: 6, limit: 100, ..Default::default() };
                introductions.find_introducers(request).await.map(drop)
            }
            Worst::SuggestExact => {
                let request = SuggestIntroductionsRequest { member_id: "hub".to_owned(), exact: true, ..suggest };
                introductions.suggest_introductions(request).await.map(drop)
            }
            Worst::SuggestExactApart => {
                let member_id = name(a);
                let request = SuggestIntroductionsRequest { member_id, exact: true, max_per_introducer: 1, ..suggest };
                introductions.suggest_introductions(request).await.map(drop)
            }
            Worst::SuggestTopics => {
                let topics = vec!["data".to_owned()];
                let request = SuggestIntroductionsRequest { member_id: name(a), topics, exact: true, ..suggest };
                introductions.suggest_introductions(request).await.map(drop)
            }
            Worst::ListLeaders => {
                let near = Some(Near { member_id: name(a), max_hops: 6 });
                let request = ListLeadersRequest { topic: "data".to_owned(), near, limit: 100, ..Default::default() };
                introductions.list_leaders(request).await.map(drop)
            }
            Worst::ListEdges => {
                let member_id = "hub".to_owned();
                let request =
                    ListEdgesRequest { member_id, page_size: 1_000, viewer_id: name(a), ..Default::default() };
                edges.list_edges(request).await.map(drop)
            }
            Worst::CountEdges => {
                let request = CountEdgesRequest { member_id: "hub".to_owned(), ..Default::default() };
                edges.count_edges(request).await.map(drop)
            }
            Worst::ListStatuses => {
                let (author_id, viewer_id) = ("hub".to_owned(), name(a));
                let request = ListStatusesRequest { author_id, viewer_id, page_size: 1_000, ..Default::default() };
                statuses.list_statuses(request).await.map(drop)
            }
            Worst::ListMembers => {
                let request = ListMembersRequest { page_size: 1_000, viewer_id: name(a), ..Default::default() };
                of_members.list_members(request).await.map(drop)
            }
            Worst::BatchGetMembers => {
                let request = BatchGetMembersRequest { ids: many(random), viewer_id: name(a), ..Default::default() };
                of_members.batch_get_members(request).await.map(drop)
            }
            Worst::Export => drain(DataServiceClient::new(channel).export(ExportRequest::default()).await).await,
            Worst::Backup => drain(AdminServiceClient::new(channel).backup(BackupRequest::default()).await).await,
            Worst::Verify => drain(AdminServiceClient::new(channel).verify(VerifyRequest::default()).await).await,
        }
    }
}

/// One caller's calls, as many as may be at any time, until it is told to stop.
struct Busy {
    callers: JoinSet<()>,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    answered: Arc<AtomicUsize>,
}

impl Busy {
    async fn with(kith: &Kith, worst: Worst) -> Busy {
        let (stop, asked, answered) = (Arc::new(AtomicBool::new(false)), Arc::default(), Arc::default());
        let mut busy = Busy { callers: JoinSet::new(), stop, asked, answered };
        let channel = from(kith, "127.0.0.2").await;
        for seed in 0..AT_ONCE as u64 {
            let (channel, stop) = (channel.clone(), busy.stop.clone());
            let (asked, answered) = (busy.asked.clone(), busy.answered.clone());
            busy.callers.spawn(async move {
                let mut random = fastrand::Rng::with_seed(seed);
                while !stop.load(Ordering::Relaxed) {
                    asked.fetch_add(1, Ordering::Relaxed);
                    match worst.ask(channel.clone(), &mut random).await {
                        Ok(()) => _ = answered.fetch_add(1, Ordering::Relaxed),
                        // It may have more under way than a caller may.
                        Err(status) if status.code() == Code::ResourceExhausted => {
                            assert_eq!(reason(&status), "OVERLOADED", "{worst:?}: {status:?}");
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                        Err(status) => panic!("{worst:?}: {status:?}"),
                    }
                }
            });
        }
        let begun = Instant::now();
        while busy.asked.load(Ordering::Relaxed) < AT_ONCE && begun.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        busy
    }

    async fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
    }
}

/// What another caller asks in a row: a member, a distance, and a reach that is too large to be answered at once.
async fn bystander(channel: &Channel, random: &mut fastrand::Rng, took: &mut Vec<Duration>) {
    let members = members();
    let mut of_members = MemberServiceClient::new(channel.clone());
    let mut paths = PathServiceClient::new(channel.clone());
    let mut reach = ReachServiceClient::new(channel.clone());
    let mut one = || name(random.usize(..members));
    let id = one();
    let begun = Instant::now();
    of_members.get_member(GetMemberRequest { id, viewer_id: one(), ..Default::default() }).await.unwrap();
    let begun_distance = Instant::now();
    let request = BatchGetDistancesRequest { from_id: one(), to_ids: vec![one()], ..Default::default() };
    paths.batch_get_distances(request).await.unwrap();
    let begun_reach = Instant::now();
    let subject = Some(get_reach_request::Subject::MemberId(one()));
    let request = GetReachRequest { subject, max_hops: 4, ..Default::default() };
    reach.get_reach(request).await.unwrap();
    took.extend([begun_distance - begun, begun_reach - begun_distance, begun_reach.elapsed()]);
}

/// The 99th percentile of each of the three.
fn late(took: &[Duration]) -> [Duration; 3] {
    std::array::from_fn(|which| {
        let mut took: Vec<Duration> = took.iter().skip(which).step_by(3).copied().collect();
        took.sort();
        took.get(took.len() * 99 / 100).copied().unwrap_or_default()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_anothers_worst_requests() {
    let kith = Kith::start(options(StoreOptions::Memory)).await;
    network(&kith).await;
    let channel = from(&kith, "127.0.0.3").await;
    let rounds = if bars_hold() { 400 } else { 8 };
    let mut random = fastrand::Rng::with_seed(3);
    let mut alone = Vec::new();
    for _ in 0..rounds {
        bystander(&channel, &mut random, &mut alone).await;
    }
    let alone = late(&alone);
    println!("alone: a member, a distance, a reach: p99 {alone:.2?}");
    let mut broken = Vec::new();
    for worst in ALL {
        let busy = Busy::with(&kith, worst).await;
        let mut took = Vec::new();
        // In the order of their coming the first of these would be answered when all that were under way have been.
        let (mut overtaken, mut before) = (0, busy.answered.load(Ordering::Relaxed));
        for _ in 0..rounds {
            tokio::time::timeout(PATIENCE, bystander(&channel, &mut random, &mut took)).await.expect("it is answered");
            let now = busy.answered.load(Ordering::Relaxed);
            overtaken += usize::from(now - before < AT_ONCE);
            before = now;
        }
        busy.stop().await;
        let late = late(&took);
        println!("beside {worst:?}: p99 {late:.2?}; {overtaken} of {rounds} rounds before those that were there first");
        let is_late = alone.iter().zip(late).any(|(alone, late)| late > 3 * *alone);
        broken.extend((bars_hold() && is_late).then(|| format!("{worst:?}: {late:.2?}")));
    }
    assert!(broken.is_empty(), "more than three times {alone:.2?}:\n{}", broken.join("\n"));
    kith.stop().await.unwrap();
}
