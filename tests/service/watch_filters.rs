//! `Watch` of some resources, or of members with some ids: what comes is what comes to who watches all, without the rest.

use std::time::{Duration, Instant};

use fastrand::Rng;
use kith::proto::v1::resource_change::Change as Changed;
use kith::proto::v1::*;
use tonic::Code;

use super::ask::text;
use super::harness::{Kith, reason};
use super::mirror::digest;
use super::watch::{before_all, next, write_randomly};

fn request(from: &str, types: &[ResourceType], id_prefix: &str) -> WatchRequest {
    let heartbeat_interval = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let resource_types = types.iter().map(|of| i32::from(*of)).collect();
    WatchRequest { from_revision: text(from), heartbeat_interval, resource_types, id_prefix: text(id_prefix) }
}

/// All changes after a revision, through another, each with its revision.
async fn changes(kith: &Kith, request: WatchRequest, through: &str) -> Vec<(String, ResourceChange)> {
    let mut stream = kith.data().watch(request).await.unwrap().into_inner();
    let (mut all, mut unnamed) = (Vec::new(), Vec::new());
    loop {
        let message = next(&mut stream).await.unwrap();
        unnamed.extend(message.changes);
        if !message.revision.is_empty() {
            all.extend(unnamed.drain(..).map(|change| (message.revision.clone(), change)));
        }
        if message.revision == through {
            return all;
        }
    }
}

fn is_wanted(change: &ResourceChange, types: &[ResourceType], prefix: &str) -> bool {
    let (of, ids) = match change.change.clone().unwrap() {
        Changed::PutKind(_) | Changed::DeletedKind(_) => (ResourceType::Kind, vec![]),
        Changed::PutMember(member) => (ResourceType::Member, vec![member.id]),
        Changed::DeletedMember(id) => (ResourceType::Member, vec![id]),
        Changed::PutEdge(edge) => (ResourceType::Edge, vec![edge.from_id, edge.to_id]),
        Changed::DeletedEdge(edge) => (ResourceType::Edge, vec![edge.from_id, edge.to_id]),
        Changed::PutStatus(status) => (ResourceType::Status, vec![status.author_id]),
        Changed::DeletedStatus(_) => (ResourceType::Status, vec![]),
        Changed::PutBlock(block) | Changed::DeletedBlock(block) => {
            (ResourceType::Block, vec![block.member_id, block.blocked_id])
        }
        Changed::PutIntroducerTally(tally) => (ResourceType::IntroducerTally, vec![tally.member_id]),
    };
    let is_of_whom = ids.is_empty() || ids.iter().any(|id| id.starts_with(prefix));
    (types.is_empty() || types.contains(&of)) && is_of_whom
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_gets_what_it_asked_for_of_what_all_get() {
    let kith = Kith::in_memory().await;
    let begin = before_all(&digest(&kith).await.1);
    let through = write_randomly(&kith, &mut Rng::with_seed(4), 300).await;
    let all = changes(&kith, request(&begin, &[], ""), &through).await;
    for (types, prefix) in [
        (vec![ResourceType::Edge], ""),
        (vec![ResourceType::Member, ResourceType::Status], ""),
        (vec![], "m1"),
        (vec![ResourceType::Edge, ResourceType::Kind], "m3"),
        (vec![ResourceType::Block], ""),
    ] {
        let wanted: Vec<_> = all.iter().filter(|(_, change)| is_wanted(change, &types, prefix)).cloned().collect();
        assert!(types == [ResourceType::Block] || wanted.len() > 20 && wanted.len() < all.len());
        // The last revision may have nothing that is wanted, and is then the heartbeat's.
        let found = changes(&kith, request(&begin, &types, prefix), &through).await;
        assert!(found == wanted, "{types:?} {prefix}: {} of {}", found.len(), wanted.len());
    }
    kith.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_nothing_of_what_is_made_hears_how_far_it_has_come() {
    let kith = Kith::in_memory().await;
    let mut stream = kith.data().watch(request("", &[ResourceType::Block], "")).await.unwrap().into_inner();
    let (begun, mut random) = (Instant::now(), Rng::with_seed(6));
    let mut heard: Vec<WatchResponse> = Vec::new();
    // It is never silent for as long as the server alone would be, though it is never idle either.
    while heard.len() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{heard:?}");
        write_randomly(&kith, &mut random, 20).await;
        while let Ok(Ok(message)) = tokio::time::timeout(Duration::from_millis(1), next(&mut stream)).await {
            heard.push(message);
        }
    }
    assert!(heard.iter().all(|message| message.changes.is_empty() && !message.revision.is_empty()), "{heard:?}");
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_bad_filter_of_changes_is_refused() {
    let kith = Kith::in_memory().await;
    let of_types = |resource_types| WatchRequest { resource_types, ..request("", &[], "") };
    for (request, expected) in [
        (of_types(vec![3, 0]), "REQUIRED"),
        (of_types(vec![7]), "OUT_OF_RANGE"),
        (of_types(vec![1; 17]), "TOO_MANY"),
        (request("", &[], &"x".repeat(129)), "TOO_LONG"),
        (request("", &[], "\u{7f}"), "MALFORMED"),
    ] {
        let refused = kith.data().watch(request).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, expected));
    }
    kith.stop().await.unwrap();
}
