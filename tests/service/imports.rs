//! `Import`: what is broken is refused with its position, reason and field; the rest goes in, and the totals tell both.

use kith::proto::v1::import_record::Record;
use kith::proto::v1::*;
use tokio_stream::iter;
use tonic_types::StatusExt;

use super::harness::{Kith, edge, member, status};

fn record(record: Record) -> ImportRecord {
    ImportRecord { record: Some(record), ..Default::default() }
}

fn batch(records: Vec<ImportRecord>) -> ImportRequest {
    ImportRequest { records, allow_missing_members: false, ..Default::default() }
}

async fn import(kith: &Kith, batches: Vec<ImportRequest>) -> ImportResponse {
    kith.data().import(iter(batches)).await.unwrap().into_inner()
}

/// received, created, updated, unchanged, refused
fn totals(response: &ImportResponse) -> [i64; 5] {
    [response.received, response.created, response.updated, response.unchanged, response.refused]
}

#[tokio::test]
async fn each_broken_record_is_refused_and_the_rest_goes_in() {
    let kith = Kith::in_memory().await;
    let post = |id: &str, author: &str| Record::Status(status(id, author, "text"));
    let pinned = |strength| Record::Edge(Edge { pinned_strength: Some(strength), ..edge("ada", "friend", "bob") });
    type Refused = Option<(ErrorReason, &'static str)>;
    let table: Vec<(Option<Record>, Refused)> = vec![
        (Some(Record::Member(member("ada"))), None),
        (Some(Record::Member(member("bob"))), None),
        (None, Some((ErrorReason::Required, "record"))),
        (Some(Record::Member(member(""))), Some((ErrorReason::Required, "member.id"))),
        (Some(Record::Member(member(&"x".repeat(129)))), Some((ErrorReason::TooLong, "member.id"))),
        (Some(Record::Edge(edge("ada", "friend", "bob"))), None),
        (Some(Record::Edge(edge("ada", "friend", "ada"))), Some((ErrorReason::SelfEdge, "edge.to_id"))),
        (Some(Record::Edge(edge("ada", "freind", "bob"))), Some((ErrorReason::UnknownKind, "edge.kind"))),
        (Some(Record::Edge(edge("ada", "friend", "cy"))), Some((ErrorReason::MemberMissing, "edge.to_id"))),
        (Some(pinned(f32::NAN)), Some((ErrorReason::OutOfRange, "edge.pinned_strength"))),
        (Some(pinned(1.5)), Some((ErrorReason::OutOfRange, "edge.pinned_strength"))),
        (
            Some(Record::Kind(Kind { name: "Mentor".into(), ..Default::default() })),
            Some((ErrorReason::Malformed, "kind.name")),
        ),
        (Some(post("s", "ada")), None),
        (Some(post("", "ada")), Some((ErrorReason::Required, "status.id"))),
        (Some(post("t", "nobody")), Some((ErrorReason::MemberMissing, "status.author_id"))),
        (Some(Record::Edge(edge("bob", "friend", "ada"))), None),
        (
            Some(Record::Member(Member { etag: "old".into(), ..member("ada") })),
            Some((ErrorReason::EtagMismatch, "member.etag")),
        ),
    ];
    let expected: Vec<(i64, i32, String)> = (1..)
        .zip(&table)
        .filter_map(|(position, (_, refused))| {
            refused.map(|(reason, field)| (position, i32::from(reason), field.to_owned()))
        })
        .collect();
    let records: Vec<ImportRecord> =
        table.into_iter().map(|(record, _)| ImportRecord { record, ..Default::default() }).collect();
    let response = import(&kith, vec![batch(records.clone())]).await;
    // The same edge from the other end is the same edge: unchanged.
    assert_eq!(totals(&response), [17, 4, 0, 1, 12]);
    let mut refused: Vec<_> = response.errors.iter().map(|e| (e.position, e.reason, e.field.clone())).collect();
    refused.sort();
    assert_eq!(refused, expected);
    assert!(response.errors.iter().all(|error| !error.message.is_empty()));

    let digest = async || kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner();
    let before = digest().await;
    let again = import(&kith, vec![batch(records)]).await;
    assert_eq!(totals(&again), [17, 0, 0, 5, 12]);
    assert_eq!(digest().await.content_digest, before.content_digest);
    assert_eq!(again.revision, response.revision);
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn positions_are_the_callers_own_or_count_through_the_stream() {
    let kith = Kith::in_memory().await;
    let own = ImportRecord { position: 70, ..record(Record::Member(member(""))) };
    let batches =
        vec![batch(vec![record(Record::Member(member("a"))), own]), batch(vec![record(Record::Member(member("")))])];
    let response = import(&kith, batches).await;
    assert_eq!(response.errors.iter().map(|error| error.position).collect::<Vec<_>>(), [70, 3]);
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_thousand_refusals_are_named_and_all_are_counted() {
    let kith = Kith::in_memory().await;
    let bad = vec![record(Record::Member(member(""))); 1_000];
    let response = import(&kith, vec![batch(bad.clone()), batch(bad)]).await;
    assert_eq!((response.refused, response.errors.len()), (2_000, 1_000));
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_message_out_of_bounds_ends_the_stream_and_what_came_before_stays() {
    let kith = Kith::in_memory().await;
    // So many that they are still on their way when the bad one comes.
    const GOOD: i64 = 40;
    for (bad, reason) in [(vec![], "REQUIRED"), (vec![record(Record::Member(member("b"))); 1_001], "TOO_MANY")] {
        let of = |i: i64| (0..1_000).map(move |m| record(Record::Member(member(&format!("{reason}-{i}-{m}")))));
        let good = (0..GOOD).map(|i| batch(of(i).collect()));
        let messages: Vec<ImportRequest> = good.chain([batch(bad)]).collect();
        let before = kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner().members;
        let refused = kith.data().import(iter(messages)).await.unwrap_err();
        let details = refused.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, reason);
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "records");
        let info = kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner();
        assert_eq!(info.members, before + GOOD * 1_000);
    }
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn ends_that_do_not_exist_are_created_where_that_is_allowed() {
    let kith = Kith::in_memory().await;
    let records =
        vec![record(Record::Edge(edge("ada", "friend", "bob"))), record(Record::Edge(edge("ada", "friend", "cy")))];
    let response =
        import(&kith, vec![ImportRequest { records, allow_missing_members: true, ..Default::default() }]).await;
    assert_eq!((totals(&response), response.members_created_bare), ([2, 2, 0, 0, 0], 3));
    kith.stop().await.unwrap();
}

/// 10⁶ edges on one member: they go in, are counted, listed, walked and deleted.
#[tokio::test]
async fn a_member_may_have_a_million_edges() {
    const EDGES: i64 = 1_000_000;
    let kith = Kith::in_memory().await;
    let spoke = |i: i64| record(Record::Edge(edge("hub", "friend", &format!("m{i}"))));
    let batches: Vec<ImportRequest> = (0..EDGES / 1_000)
        .map(|i| {
            let records = (i * 1_000..(i + 1) * 1_000).map(spoke).collect();
            ImportRequest { records, allow_missing_members: true, ..Default::default() }
        })
        .collect();
    assert_eq!(totals(&import(&kith, batches).await), [EDGES, EDGES, 0, 0, 0]);
    let count = CountEdgesRequest { member_id: "hub".into(), ..Default::default() };
    assert_eq!(kith.edges().count_edges(count).await.unwrap().into_inner().edges, EDGES);
    let list = ListEdgesRequest { member_id: "hub".into(), page_size: 3, ..Default::default() };
    let page = kith.edges().list_edges(list).await.unwrap().into_inner();
    // By the other end's id, byte by byte; of an edge the smaller id comes first.
    assert_eq!(page.edges.iter().map(|edge| edge.to_id.as_str()).collect::<Vec<_>>(), ["m0", "m1", "m10"]);
    let paths = FindPathsRequest { from_id: "m1".into(), to_id: "m2".into(), k: 50, ..Default::default() };
    let paths = kith.paths().find_paths(paths).await.unwrap().into_inner();
    assert_eq!((paths.paths.len(), paths.optimal), (1, true));
    let delete = DeleteMemberRequest { id: "hub".into(), ..Default::default() };
    assert_eq!(kith.members().delete_member(delete).await.unwrap().into_inner().edges_deleted, EDGES);
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn an_export_carries_who_was_erased_and_an_import_leaves_them_out() {
    let (kith, other) = (Kith::in_memory().await, Kith::in_memory().await);
    let everything = || vec![record(Record::Member(member("ada"))), record(Record::Member(member("gone")))];
    import(&kith, vec![batch(everything())]).await;
    let erase = DeleteMemberRequest { id: "gone".into(), ..Default::default() };
    kith.members().delete_member(erase).await.unwrap();
    let mut exported = kith.data().export(ExportRequest::default()).await.unwrap().into_inner();
    let mut records = Vec::new();
    while let Some(message) = exported.message().await.unwrap() {
        records.extend(message.records);
    }
    assert!(records.iter().any(|record| matches!(record.record, Some(Record::Erased(_)))));
    import(&other, vec![batch(records)]).await;
    for kith in [&kith, &other] {
        let response = import(kith, vec![batch(everything())]).await;
        assert_eq!((totals(&response), response.erased_skipped), ([2, 0, 0, 1, 0], 1));
        let found = kith.members().get_member(GetMemberRequest { id: "gone".into(), ..Default::default() }).await;
        assert!(found.is_err());
        kith.put_member(member("gone")).await;
        assert_eq!(totals(&import(kith, vec![batch(everything())]).await), [2, 0, 0, 2, 0], "it was brought back");
    }
    let wrong = |key: usize, hash: usize| {
        let member = ErasedMember { hash: vec![1; hash], time: Some(Default::default()) };
        record(Record::Erased(ErasedMembers { key: vec![1; key], members: vec![member] }))
    };
    let response = import(&kith, vec![batch(vec![wrong(31, 16), wrong(32, 15), wrong(32, 16)])]).await;
    let fields: Vec<&str> = response.errors.iter().map(|error| &*error.field).collect();
    assert_eq!(fields, ["erased.key", "erased.members[0].hash"]);
}
