//! `Export`: all there is at one revision, in messages that `Import` takes.

use std::time::Duration;

use kith::proto::v1::import_record::Record;
use kith::proto::v1::*;
use tokio_stream::iter;
use tonic::{Code, Request, Streaming};

use super::harness::{Kith, PATIENCE, connect, edge, member, reason};
use super::whole_world::{batches, whole_world};

pub async fn import(kith: &Kith, messages: Vec<ImportRequest>) -> ImportResponse {
    kith.data().import(iter(messages)).await.unwrap().into_inner()
}

async fn begin(kith: &Kith) -> Streaming<ExportResponse> {
    kith.data().export(ExportRequest::default()).await.unwrap().into_inner()
}

/// The first message, and the records of the others, which all are within the bounds and of one revision.
async fn rest(mut stream: Streaming<ExportResponse>) -> Vec<ImportRecord> {
    let mut records = Vec::new();
    let mut revision = None;
    while let Some(message) = stream.message().await.unwrap() {
        assert!((1..=1_000).contains(&message.records.len()), "{}", message.records.len());
        assert!(prost::Message::encoded_len(&message) < 2 << 20);
        assert_eq!(
            (message.totals, revision.get_or_insert(message.revision.clone())),
            (None, &mut message.revision.clone())
        );
        records.extend(message.records);
    }
    records
}

pub async fn export(kith: &Kith) -> (ExportResponse, Vec<ImportRecord>) {
    let mut stream = begin(kith).await;
    let first = stream.message().await.unwrap().unwrap();
    (first, rest(stream).await)
}

async fn digest(kith: &Kith) -> String {
    kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner().content_digest
}

/// Imports records as they are; the digest there is then.
async fn digest_of(records: &[ImportRecord]) -> String {
    let other = Kith::in_memory().await;
    let imported = import(&other, batches(records)).await;
    assert_eq!((imported.refused, imported.members_created_bare), (0, 0), "{:?}", imported.errors);
    digest(&other).await
}

#[tokio::test]
async fn what_is_exported_can_be_imported_to_the_same_digest() {
    for seed in 1..=3 {
        let kith = Kith::in_memory().await;
        let imported = import(&kith, batches(&whole_world(seed, 300))).await;
        assert_eq!(imported.refused, 0, "{:?}", imported.errors);
        let (first, records) = export(&kith).await;
        assert_eq!(digest_of(&records).await, digest(&kith).await, "seed {seed}");

        let info = kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner();
        let totals = first.totals.unwrap();
        assert_eq!((totals.kinds, totals.members), (info.kinds.into(), info.members));
        assert_eq!((totals.statuses, totals.edges), (info.statuses, info.edges));
        assert_eq!((totals.content_digest, first.revision), (info.content_digest, info.revision));
        assert_eq!(
            records.len() as i64,
            totals.kinds + totals.members + totals.statuses + totals.edges + totals.blocks + totals.introducer_tallies
        );
    }
}

#[tokio::test]
async fn records_are_in_their_order_with_their_times_and_nothing_else_that_is_output_only() {
    let kith = Kith::in_memory().await;
    import(&kith, batches(&whole_world(4, 200))).await;
    let keys = |records: Vec<ImportRecord>| -> Vec<(u8, [String; 3])> {
        let key = |record: ImportRecord| match record.record.unwrap() {
            Record::AbsentKind(name) => (0, [String::new(), String::new(), name]),
            Record::Kind(kind) => (0, [kind.name, kind.etag, String::new()]),
            Record::Member(member) => {
                assert!(member.create_time.is_some() && member.update_time.is_some());
                (1, [member.id, member.etag, String::new()])
            }
            Record::Status(status) => {
                assert!(status.create_time.is_some() && status.update_time.is_some());
                (2, [status.id, status.etag, String::new()])
            }
            Record::Edge(edge) => {
                assert!(edge.create_time.is_some() && edge.update_time.is_some());
                assert_eq!((edge.strength, &*edge.etag), (0.0, ""));
                (3, [edge.from_id, edge.kind, edge.to_id])
            }
            Record::Block(block) => (4, [block.member_id, block.blocked_id, String::new()]),
            Record::IntroducerTally(tally) => (5, [tally.member_id, String::new(), String::new()]),
            Record::Erased(_) => (6, Default::default()),
        };
        records.into_iter().map(key).collect()
    };
    let found = keys(export(&kith).await.1);
    let mut sorted = found.clone();
    sorted.sort();
    assert!(found == sorted, "they are in order");
    assert!(found.iter().all(|(sort, [_, etag, _])| *sort >= 3 || etag.is_empty()));
}

#[tokio::test]
async fn an_export_is_of_one_revision_however_much_is_written_meanwhile() {
    let kith = Kith::in_memory().await;
    import(&kith, batches(&whole_world(5, 3_000))).await;
    let mut stream = begin(&kith).await;
    let first = stream.message().await.unwrap().unwrap();
    let change = |n: u32| {
        let id = format!("m{}", n * 4);
        let changes = [
            change::Change::PutMember(member(&format!("later-{n}"))),
            change::Change::DeleteMember(DeleteMemberChange { id, allow_missing: false }),
        ];
        changes.map(|change| Change { change: Some(change), ..Default::default() })
    };
    let changes = (0..400).flat_map(change).collect();
    kith.data().write(WriteRequest { changes, ..Default::default() }).await.unwrap();
    let records = rest(stream).await;
    let exported = digest_of(&records).await;
    assert_eq!(exported, first.totals.unwrap().content_digest);
    assert_ne!(exported, digest(&kith).await);
}

/// Members whose export is far more than what is made and sent ahead of the caller.
async fn put_much(kith: &Kith) {
    let labels: std::collections::BTreeMap<_, _> = (0..64).map(|n| (format!("{n}"), "x".repeat(256))).collect();
    let wide = |n: u32| Member { labels: labels.clone(), ..member(&format!("m{n:05}")) };
    let records = (0..3_000).map(|n| ImportRecord { record: Some(Record::Member(wide(n))), ..Default::default() });
    let records: Vec<_> = records.collect();
    let batch = |records: &[ImportRecord]| ImportRequest { records: records.to_vec(), ..Default::default() };
    assert_eq!(import(kith, records.chunks(150).map(batch).collect()).await.created, 3_000);
}

#[tokio::test]
async fn an_export_that_is_left_makes_room_for_the_next() {
    let kith = Kith::in_memory().await;
    put_much(&kith).await;
    let mut streams = Vec::new();
    let refused = loop {
        match kith.data().export(ExportRequest::default()).await {
            Ok(stream) => streams.push(stream),
            Err(status) => break status,
        }
        assert!(streams.len() < 100, "no bound");
    };
    assert_eq!((refused.code(), reason(&refused)), (Code::ResourceExhausted, "OVERLOADED".to_owned()));
    // Reads and writes go on beside them; over another connection, whose window is not full of what is not taken.
    let mut edges = edge_service_client::EdgeServiceClient::new(connect(kith.address).await);
    let put = PutEdgeRequest { edge: Some(edge("m00001", "friend", "m00002")), ..Default::default() };
    edges.put_edge(put).await.unwrap();
    drop(streams);
    let again = async {
        while kith.data().export(ExportRequest::default()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("what is left ends");
}

#[tokio::test]
async fn an_export_ends_at_its_deadline_with_that_error() {
    let kith = Kith::in_memory().await;
    put_much(&kith).await;
    let mut request = Request::new(ExportRequest::default());
    request.set_timeout(Duration::from_millis(300));
    let mut stream = kith.data().export(request).await.unwrap().into_inner();
    stream.message().await.unwrap();
    // The caller takes its time.
    tokio::time::sleep(Duration::from_millis(400)).await;
    let end = loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("cut short, it must not look whole"),
            Err(status) => break status,
        }
    };
    assert_eq!((end.code(), reason(&end)), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned()));
}
