//! SIGKILL while a hub is erased, which is prepared beside other writes: it is erased whole, or nothing of it is.
//!
//! `KITH_CRASH_ROUNDS` sets how many times (50 when not given), a fifth of them here.

use std::time::Duration;

use fastrand::Rng;
use kith::proto::v1::data_service_client::DataServiceClient;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::member_service_client::MemberServiceClient;
use kith::proto::v1::*;
use tonic::transport::Channel;

use super::reading::{info, state_digest};
use super::server::Start;
use super::settings::{seed, setting};

const FANS: i64 = 20_000;

async fn put_fans(channel: &Channel) {
    // An import brings back nobody who was erased.
    let member = Some(Member { id: "hub".to_owned(), ..Default::default() });
    let put = PutMemberRequest { member, ..Default::default() };
    MemberServiceClient::new(channel.clone()).put_member(put).await.unwrap();
    let numbers: Vec<i64> = (0..FANS).collect();
    let messages: Vec<ImportRequest> = numbers
        .chunks(1_000)
        .map(|numbers| {
            let edge = |n: &i64| Edge {
                from_id: format!("fan-{n}"),
                kind: "follows".to_owned(),
                to_id: "hub".to_owned(),
                ..Default::default()
            };
            let record = |n| ImportRecord { record: Some(Record::Edge(edge(n))), ..Default::default() };
            let records = numbers.iter().map(record).collect();
            ImportRequest { records, allow_missing_members: true, ..Default::default() }
        })
        .collect();
    let imported = DataServiceClient::new(channel.clone()).import(tokio_stream::iter(messages)).await.unwrap();
    assert_eq!(imported.into_inner().refused, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_is_erased_whole_or_not_at_all() {
    let seed = seed("hubs");
    let mut random = Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("store");
    let (mut there, mut gone) = (0, 0);
    let mut acknowledged = false;
    for round in 0..=setting("KITH_CRASH_ROUNDS", 50) / 5 {
        let server = Start::new(&data).env("KITH_CHECKPOINT_LOG_BYTES", (64 << 20).to_string()).run();
        let server = server.unwrap_or_else(|said| panic!("round {round}, KITH_SEED={seed}: {said}"));
        let channel = server.channels().await.remove(0);
        let found = info(&channel).await;
        if round > 0 {
            let (erased, whole) = (found.edges == 0, found.edges == FANS);
            assert!(erased || whole, "round {round}, KITH_SEED={seed}: {} edges", found.edges);
            assert!(erased || !acknowledged, "round {round}, KITH_SEED={seed}: an acknowledged erasure is gone");
            let hub = GetMemberRequest { id: "hub".to_owned(), ..Default::default() };
            assert_eq!(MemberServiceClient::new(channel.clone()).get_member(hub).await.is_ok(), whole);
            (there, gone) = (there + u32::from(whole), gone + u32::from(erased));
        }
        state_digest(&channel).await;
        put_fans(&channel).await;
        let erase = DeleteMemberRequest { id: "hub".to_owned(), ..Default::default() };
        let deleted = tokio::spawn(async move { MemberServiceClient::new(channel).delete_member(erase).await.is_ok() });
        tokio::time::sleep(Duration::from_micros(random.u64(..250_000))).await;
        server.kill();
        acknowledged = deleted.await.unwrap();
    }
    println!("after a kill the hub was there {there} times, and gone {gone} times");
}
