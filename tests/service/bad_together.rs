//! Several things wrong at once: every wrong field is named, so that nobody mends a request field by field.

use kith::proto::DESCRIPTORS;
use kith::proto::v1::change::Change as Asked;
use kith::proto::v1::*;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind as FieldKind, MessageDescriptor, Value};
use prost_types::{Duration, Timestamp};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Status as Refusal};
use tonic_types::StatusExt;

use super::harness::{Kith, edge, status};
use super::raw::{Bytes, Wire};

/// The fields an error names, in order.
fn fields(refused: &Refusal) -> Vec<String> {
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    let bad = refused.get_details_bad_request().unwrap();
    bad.field_violations.into_iter().map(|violation| violation.field).collect()
}

fn text(chars: usize) -> String {
    "x".repeat(chars)
}

/// A time that no protobuf timestamp may be.
const NO_TIME: Timestamp = Timestamp { seconds: 0, nanos: -1 };

#[tokio::test]
async fn every_wrong_field_of_a_write_is_named() {
    let kith = Kith::in_memory().await;
    let put_edge = async |edge| {
        let ask = PutEdgeRequest { edge: Some(edge), request_id: "no uuid".into(), ..Default::default() };
        fields(&kith.edges().put_edge(ask).await.unwrap_err())
    };
    assert_eq!(put_edge(edge("a", "freind", "")).await, ["request_id", "edge.to_id", "edge.kind"]);
    let wrong = Edge {
        interactions: -1,
        last_interaction_time: Some(NO_TIME),
        note: text(1_001),
        origin: Some(Origin { introducer_ids: vec![String::new()], note: text(1_001), ..Default::default() }),
        ..edge("", "friend", "b")
    };
    let wanted = [
        "request_id",
        "edge.from_id",
        "edge.interactions",
        "edge.last_interaction_time",
        "edge.origin.introducer_ids[0]",
        "edge.origin.note",
        "edge.note",
    ];
    assert_eq!(put_edge(wrong).await, wanted);
    let far = Some(Timestamp { seconds: 10_000_000_000, nanos: 0 });
    let wrong = Edge { interactions: 2_000_000_000_000, last_interaction_time: far, ..edge("a", "friend", "b") };
    assert_eq!(put_edge(wrong).await, ["request_id", "edge.interactions", "edge.last_interaction_time"]);

    let topics = vec!["A b".to_owned(), "fine".to_owned(), String::new()];
    let member = Member { topics: topics.clone(), headline: text(513), ..Default::default() };
    let ask = PutMemberRequest { member: Some(member), ..Default::default() };
    let refused = kith.members().put_member(ask).await.unwrap_err();
    assert_eq!(fields(&refused), ["member.id", "member.topics[0]", "member.topics[2]", "member.headline"]);

    let post = Status { link: "ftp://x".into(), topics, ..status("s", "", "") };
    let ask = PostStatusRequest { status: Some(post), ..Default::default() };
    let refused = kith.statuses().post_status(ask).await.unwrap_err();
    let wanted = ["status.author_id", "status.topics[0]", "status.topics[2]", "status.text", "status.link"];
    assert_eq!(fields(&refused), wanted);

    let kind = Kind { prior: -1.0, half_life: Some(Duration { seconds: 1, nanos: 0 }), ..Default::default() };
    let refused = kith.edges().put_kind(PutKindRequest { kind: Some(kind), ..Default::default() }).await.unwrap_err();
    assert_eq!(fields(&refused), ["kind.name", "kind.sphere", "kind.prior", "kind.half_life"]);
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn every_wrong_field_of_a_batch_is_named() {
    let kith = Kith::in_memory().await;
    let interaction = |kind: &str, count| Interaction {
        from_id: "a".into(),
        kind: kind.into(),
        to_id: String::new(),
        count,
        time: Some(Timestamp { seconds: -5, nanos: 0 }),
    };
    let interactions = vec![interaction("friend", 2_000_000_000_000), interaction("freind", 1)];
    let ask = RecordInteractionsRequest { interactions, ..Default::default() };
    let refused = kith.edges().record_interactions(ask).await.unwrap_err();
    let wanted = [
        "interactions[0].to_id",
        "interactions[0].count",
        "interactions[0].time",
        "interactions[1].to_id",
        "interactions[1].time",
        "interactions[1].kind",
    ];
    assert_eq!(fields(&refused), wanted);

    let own = Kind { name: "mine".into(), sphere: Sphere::Personal.into(), ..Default::default() };
    let put = |edge| Asked::PutEdge(PutEdgeChange { edge: Some(edge), ..Default::default() });
    let tally = IntroducerTally {
        member_id: "a".into(),
        asked: 1,
        accepted: 2,
        recent: vec![DayOfAsks { day: 3, asks: 5 }],
        ..Default::default()
    };
    let days = vec![DayOfAsks { day: -1, asks: -1 }, DayOfAsks { day: 1, asks: -1 }];
    let no_days = IntroducerTally { member_id: "a".into(), recent: days, ..Default::default() };
    let changes = [
        Asked::PutKind(own),
        put(edge("a", "mine", "b")),
        put(edge("a", "freind", "b")),
        put(edge("a", "friend", "")),
        Asked::PutIntroducerTally(tally),
        Asked::PutIntroducerTally(no_days),
    ];
    let changes = changes.map(|change| Change { change: Some(change), precondition: None }).into();
    let ask = WriteRequest { changes, request_id: "no uuid".into() };
    let wanted = [
        "request_id",
        "changes[3].put_edge.edge.to_id",
        "changes[4].put_introducer_tally.accepted",
        "changes[4].put_introducer_tally.recent",
        "changes[5].put_introducer_tally.recent[0].day",
        "changes[5].put_introducer_tally.recent[0].asks",
        "changes[5].put_introducer_tally.recent[1].asks",
        "changes[2].put_edge.edge.kind",
    ];
    assert_eq!(fields(&kith.data().write(ask).await.unwrap_err()), wanted);
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn every_wrong_field_of_a_question_is_named() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    let read = Some(ReadOptions { min_revision: "r".into(), as_of: Some(NO_TIME), ..Default::default() });
    let filter = |kinds: &[&str], excluded: &[&str]| {
        let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Some(EdgeFilter { kinds: text(kinds), exclude_member_ids: text(excluded), ..Default::default() })
    };
    let ask = FindPathsRequest {
        from_id: "ana".into(),
        to_id: "dan".into(),
        filter: filter(&[], &["dan", "ana"]),
        k: 51,
        read,
        ..Default::default()
    };
    let refused = kith.paths().find_paths(ask).await.unwrap_err();
    let wanted = ["filter.exclude_member_ids", "filter.exclude_member_ids", "k", "read.as_of", "read.min_revision"];
    assert_eq!(fields(&refused), wanted);

    let ask = ListEdgesRequest { page_size: -1, min_revision: "r".into(), ..Default::default() };
    assert_eq!(fields(&kith.edges().list_edges(ask).await.unwrap_err()), ["member_id", "page_size", "min_revision"]);
    let ask = ListBlocksRequest { min_revision: "r".into(), ..Default::default() };
    assert_eq!(fields(&kith.members().list_blocks(ask).await.unwrap_err()), ["member_id", "min_revision"]);

    let ask = FindPathsRequest {
        from_id: "ana".into(),
        to_id: "dan".into(),
        filter: filter(&["freind", "client", "neighbour"], &[]),
        ..Default::default()
    };
    assert_eq!(fields(&kith.paths().find_paths(ask).await.unwrap_err()), ["filter.kinds[0]", "filter.kinds[2]"]);

    let topics = vec!["B".to_owned(), "c d".to_owned()];
    let ask = SuggestIntroductionsRequest { member_id: "ana".into(), topics, ..Default::default() };
    let refused = kith.introductions().suggest_introductions(ask).await.unwrap_err();
    assert_eq!(fields(&refused), ["topics[0]", "topics[1]"]);
    kith.stop().await.unwrap();
}

/// A value that no field of this name and type may have; none where every value is right.
fn wrong_value(field: &FieldDescriptor) -> Option<Value> {
    let wrong = match (field.kind(), field.name()) {
        // An etag is compared, a text in front of an id decides nothing alone, and a label's absence is no fault.
        (FieldKind::Bool, _) | (_, "etag" | "display_name" | "headline" | "text" | "link") => return None,
        (FieldKind::String, "kinds") => Value::String("freind".to_owned()),
        (FieldKind::String, "display_name_prefix") => Value::String("\0".to_owned()),
        (FieldKind::String, _) => Value::String("\u{7f}".to_owned()),
        (FieldKind::Enum(_), _) => Value::EnumNumber(99),
        (FieldKind::Int32, _) => Value::I32(-1),
        (FieldKind::Int64, _) => Value::I64(-1),
        (FieldKind::Float, _) => Value::F32(-1.0),
        (FieldKind::Message(message), _) => Value::Message(all_wrong(&message, &[]).0),
        _ => return None,
    };
    Some(if field.is_list() { Value::List(vec![wrong]) } else { wrong })
}

/// A message with every field wrong that can be, and these fields' names.
fn all_wrong(message: &MessageDescriptor, but: &[&str]) -> (DynamicMessage, Vec<String>) {
    let mut wrong = DynamicMessage::new(message.clone());
    if matches!(message.full_name(), "google.protobuf.Timestamp" | "google.protobuf.Duration") {
        wrong.set_field_by_name("nanos", Value::I32(i32::MIN));
        return (wrong, Vec::new());
    }
    if message.full_name() == "google.protobuf.FieldMask" {
        wrong.set_field_by_name("paths", Value::List(vec![Value::String("no.field".to_owned())]));
        return (wrong, Vec::new());
    }
    let mut names = Vec::new();
    for field in message.fields().filter(|field| !but.contains(&field.name())) {
        let is_another_choice = field.containing_oneof().is_some_and(|oneof| {
            !field.field_descriptor_proto().proto3_optional() && oneof.fields().any(|other| wrong.has_field(&other))
        });
        if let Some(value) = wrong_value(&field).filter(|_| !is_another_choice) {
            wrong.set_field(&field, value);
            names.push(field.name().to_owned());
        }
    }
    (wrong, names)
}

/// Every RPC is given a request with all of its fields wrong, as the descriptors have them, and its refusal names all of them.
#[tokio::test]
async fn every_rpc_names_all_that_is_wrong_with_its_request() {
    let kith = Kith::in_memory().await;
    let wire = Wire::connect(kith.address).await;
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let (mut rpcs, mut faults) = (0, 0);
    for service in pool.services().filter(|service| service.package_name() == "kith.v1") {
        for rpc in service.methods().filter(|rpc| !rpc.is_client_streaming()) {
            // A page token is of the request that it came from, which another one's `read` is not.
            let (wrong, mut names) = all_wrong(&rpc.input(), &[]);
            if names.is_empty() {
                continue;
            }
            let path: PathAndQuery = format!("/{}/{}", service.full_name(), rpc.name()).parse().unwrap();
            let mut client = tonic::client::Grpc::new(wire.clone());
            client.ready().await.unwrap();
            let request = tonic::Request::new(wrong.encode_to_vec());
            let refused = match client.server_streaming(request, path, Bytes).await {
                Err(refused) => refused,
                Ok(answers) => answers.into_inner().message().await.unwrap_err(),
            };
            assert_eq!(refused.code(), Code::InvalidArgument, "{}: {refused:?}", rpc.full_name());
            let found = fields(&refused);
            let is_named = |name: &String| found.iter().any(|field| field.split(['.', '[']).next() == Some(name));
            names.retain(|name| !is_named(name));
            assert!(names.is_empty(), "{}: {names:?} are wrong, too, beside {found:?}", rpc.full_name());
            let whole = |parent: &str, inner: &[&str]| {
                let missing = |inner: &&&str| !found.iter().any(|field| *field == format!("{parent}.{inner}"));
                let has = rpc.input().get_field_by_name(parent).is_some();
                let missing: Vec<_> = inner.iter().filter(missing).collect();
                assert!(!has || missing.is_empty(), "{}: {missing:?} of {parent} beside {found:?}", rpc.full_name());
            };
            whole("filter", &["kinds[0]", "spheres[0]", "min_strength", "exclude_member_ids[0]"]);
            whole("read", &["as_of", "min_revision", "max_edges_visited", "viewer_id"]);
            (rpcs, faults) = (rpcs + 1, faults + found.len());
        }
    }
    assert!(rpcs >= 30 && faults >= 120, "{rpcs} RPCs with {faults} faults");
    kith.stop().await.unwrap();
}
