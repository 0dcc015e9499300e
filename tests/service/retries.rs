//! A retry is answered by the bytes that the first call was, whatever was written meanwhile, and after a restart too.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::SystemTime;

use kith::app::{AppOptions, StoreOptions};
use kith::engine::EngineOptions;
use kith::proto::POOL;
use kith::proto::v1::*;
use prost::Message;
use prost_types::{Duration, Timestamp};

use super::ask::{block, friend, interaction, introduction, text};
use super::harness::{Kith, edge, member, options, status};
use super::raw::call;

/// A call: the path of its RPC, and its message.
type Call = (&'static str, Vec<u8>);

/// Calls, each under a request id of its own or all under none.
macro_rules! calls {
    ($under_ids:expr; $($path:literal $request:ident { $($field:ident : $value:expr),* $(,)? })*) => {{
        let mut calls: Vec<Call> = Vec::new();
        $(
            let request_id = if $under_ids { format!("6f1e4b1c-8f0a-4c38-9d59-{:012x}", calls.len()) } else { String::new() };
            let mut request = $request { $($field: $value,)* ..Default::default() };
            request.request_id = request_id;
            calls.push((concat!("/kith.v1.", $path), request.encode_to_vec()));
        )*
        calls
    }};
}

/// A member with all that one has.
fn ada() -> Member {
    let privacy =
        Privacy { edges_visibility: Visibility::Connections.into(), declines_introducing: true, ..Default::default() };
    Member {
        display_name: text("Ada"),
        headline: text("Counts"),
        topics: vec![text("maths"), text("looms")],
        labels: [(text("team"), text("engine"))].into(),
        privacy: Some(privacy),
        ..member("ada")
    }
}

/// An edge with all that one has, of a kind whose strengths fade within minutes.
fn known(note: &str) -> Edge {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    Edge {
        interactions: 9,
        last_interaction_time: Some(Timestamp { seconds: now as i64 - 60, nanos: 0 }),
        since: Some(Timestamp { seconds: 1_600_000_000, nanos: 5_000_000 }),
        visibility: Visibility::Parties.into(),
        note: text(note),
        origin: Some(Origin { introducer_ids: vec![text("cy")], note: text("a fair"), ..Default::default() }),
        ..edge("ada", "fading", "bob")
    }
}

fn fading(prior: f64) -> Kind {
    let half_life = Some(Duration { seconds: 60, nanos: 0 });
    Kind { name: text("fading"), sphere: Sphere::Professional.into(), prior, half_life, ..Default::default() }
}

fn posted(text: &str) -> Status {
    let filter =
        EdgeFilter { min_strength: Some(0.25), exclude_member_ids: vec![self::text("cy")], ..Default::default() };
    Status {
        topics: vec![self::text("looms")],
        audience: Some(Audience { filter: Some(filter), max_hops: 2 }),
        ..status("", "ada", text)
    }
}

fn change(change: change::Change) -> Change {
    Change { change: Some(change), ..Default::default() }
}

/// A batch of all that leaves a result of its own kind behind.
fn batch() -> Vec<Change> {
    use change::Change::*;
    let put_edge = PutEdgeChange { edge: Some(friend("cy", "newcomer")), allow_missing_members: true };
    let delete = DeleteMemberChange { id: text("newcomer"), allow_missing: false };
    [
        PutMember(member("cy")),
        PutEdge(put_edge),
        PostStatus(posted("Twice")),
        RecordInteraction(interaction()),
        BlockMember(block("bob", "cy").unwrap()),
        DeleteMember(delete),
    ]
    .map(change)
    .into()
}

/// Every RPC that takes a request id; some more than once, where it has more than one effect.
fn writes() -> Vec<Call> {
    let mask = Some(prost_types::FieldMask { paths: vec![text("headline")] });
    calls! { true;
        "MemberService/PutMember" PutMemberRequest { member: Some(ada()) }
        "MemberService/PutMember" PutMemberRequest { member: Some(ada()) }
        "MemberService/PutMember" PutMemberRequest { member: Some(member("bob")) }
        "MemberService/PutMember" PutMemberRequest { member: Some(member("cy")) }
        "MemberService/UpdateMember" UpdateMemberRequest { member: Some(Member { headline: text("Weaves"), ..member("ada") }), update_mask: mask }
        "MemberService/BlockMember" BlockMemberRequest { block: block("ada", "cy") }
        "MemberService/BlockMember" BlockMemberRequest { block: block("ada", "cy") }
        "MemberService/UnblockMember" UnblockMemberRequest { block: block("ada", "cy") }
        "EdgeService/PutKind" PutKindRequest { kind: Some(fading(0.5)) }
        "EdgeService/PutEdge" PutEdgeRequest { edge: Some(known("Met")) }
        "EdgeService/PutEdge" PutEdgeRequest { edge: Some(Edge { asked_by_id: text("bob"), ..friend("bob", "ada") }) }
        "EdgeService/PutEdge" PutEdgeRequest { edge: Some(friend("ada", "bob")) }
        "EdgeService/RecordInteractions" RecordInteractionsRequest { interactions: vec![interaction(); 2] }
        "EdgeService/DeleteEdge" DeleteEdgeRequest { from_id: text("bob"), kind: text("friend"), to_id: text("cy"), allow_missing: true }
        "EdgeService/DeleteKind" DeleteKindRequest { name: text("none"), allow_missing: true }
        "StatusService/PostStatus" PostStatusRequest { status: Some(posted("Once")) }
        "StatusService/DeleteStatus" DeleteStatusRequest { id: text("none"), allow_missing: true }
        "IntroductionService/RecordIntroductions" RecordIntroductionsRequest { introductions: vec![introduction("cy", IntroductionStage::Asked)] }
        "DataService/Write" WriteRequest { changes: batch() }
        "MemberService/DeleteMember" DeleteMemberRequest { id: text("hub") }
    }
}

/// Writes that change all that `writes` are about.
fn others() -> Vec<Call> {
    calls! { false;
        "MemberService/PutMember" PutMemberRequest { member: Some(member("ada")) }
        "EdgeService/PutKind" PutKindRequest { kind: Some(fading(0.75)) }
        "EdgeService/PutEdge" PutEdgeRequest { edge: Some(known("Met again")) }
        "EdgeService/RecordInteractions" RecordInteractionsRequest { interactions: vec![interaction(); 2] }
        "MemberService/UnblockMember" UnblockMemberRequest { block: block("bob", "cy") }
    }
}

async fn answers(address: SocketAddr, calls: &[Call]) -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    for (path, message) in calls {
        let answer = call(address, path, message.clone()).await;
        answers.push(answer.unwrap_or_else(|refused| panic!("{path}: {refused:?}")));
    }
    answers
}

/// The RPCs that take a request id, by their paths.
fn rpcs_with_request_ids() -> BTreeSet<String> {
    let rpcs = POOL.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let rpcs = rpcs.filter(|rpc| rpc.input().get_field_by_name("request_id").is_some());
    rpcs.map(|rpc| format!("/{}/{}", rpc.parent_service().full_name(), rpc.name())).collect()
}

#[tokio::test]
async fn a_retry_has_the_bytes_of_the_first_answer() {
    let writes = writes();
    let covered: BTreeSet<String> = writes.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(covered, rpcs_with_request_ids());
    let folder = tempfile::tempdir().unwrap();
    // The log outgrows its checkpoint at once: the last start reads the outcomes from one.
    let started = |checkpoint_log_bytes_min| {
        let engine = EngineOptions { checkpoint_log_bytes_min, ..EngineOptions::default() };
        Kith::start(AppOptions { engine, ..options(StoreOptions::Folder(folder.path().to_owned())) })
    };
    let kith = started(u64::MAX).await;
    for n in 0..3 {
        kith.put_edge(edge("hub", "follows", &format!("n{n}"))).await;
    }
    let first = answers(kith.address, &writes).await;
    answers(kith.address, &others()).await;
    let revision = kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner().revision;
    assert_alike(&writes, &first, &answers(kith.address, &writes).await);
    kith.stop().await.unwrap();
    for checkpoint_log_bytes_min in [1, 1] {
        let kith = started(checkpoint_log_bytes_min).await;
        assert_alike(&writes, &first, &answers(kith.address, &writes).await);
        let info = kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner();
        assert_eq!(info.revision, revision, "a retry writes nothing");
        kith.stop().await.unwrap();
    }
}

fn assert_alike(calls: &[Call], first: &[Vec<u8>], again: &[Vec<u8>]) {
    for (((path, _), first), again) in calls.iter().zip(first).zip(again) {
        assert_eq!(first, again, "{path}");
    }
}
