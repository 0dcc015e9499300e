//! What is exported and imported elsewhere is the same there: content, times, etags and digest.

use std::collections::HashSet;
use std::time::Duration;

use fastrand::Rng;
use kith::app::StoreOptions;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::*;
use prost_types::Timestamp;

use super::answers::answers;
use super::export::{export, import};
use super::harness::{Kith, connect, edge, member, status};
use super::mirror::{Mirror, digest};
use super::watch::{before_all, follow, random_change, with_checkpoints};
use super::whole_world::{batches, whole_world};

fn record(record: Record) -> ImportRecord {
    ImportRecord { record: Some(record), ..Default::default() }
}

async fn take(kith: &Kith, records: &[ImportRecord]) -> ImportResponse {
    import(kith, batches(records)).await
}

/// created, updated, unchanged, refused
fn totals(response: &ImportResponse) -> [i64; 4] {
    [response.created, response.updated, response.unchanged, response.refused]
}

/// Everything in it was put at another time, much of it changed since, some is gone and some members were erased and brought back.
async fn lived_in(kith: &Kith, seed: u64) {
    assert_eq!(take(kith, &whole_world(seed, 60)).await.refused, 0);
    let random = &mut Rng::with_seed(seed);
    for _ in 0..300 {
        let mut change = random_change(random, 60);
        if let change::Change::PutEdge(put) = &mut change
            && let Some(edge) = &mut put.edge
            && random.bool()
        {
            edge.asked_by_id.clone_from(&edge.from_id);
        }
        // One that is refused changes nothing.
        let changes = vec![Change { change: Some(change), precondition: None }];
        drop(kith.data().write(WriteRequest { changes, ..Default::default() }).await);
    }
    let delete = DeleteKindRequest { name: "neighbor".to_owned(), ..Default::default() };
    kith.edges().delete_kind(delete).await.unwrap();
}

async fn answers_of(kith: &Kith, records: &[ImportRecord]) -> Vec<String> {
    answers(connect(kith.address).await, records).await
}

/// The records without the edges whose introducers are no members.
fn without_strangers(mut records: Vec<ImportRecord>) -> Vec<ImportRecord> {
    let members = records.iter().filter_map(|record| match &record.record {
        Some(Record::Member(member)) => Some(member.id.clone()),
        _ => None,
    });
    let members: HashSet<String> = members.collect();
    records.retain(|record| match &record.record {
        Some(Record::Edge(Edge { origin: Some(origin), .. })) => {
            origin.introducer_ids.iter().all(|id| members.contains(id))
        }
        _ => true,
    });
    records
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_the_same_where_it_is_imported() {
    for seed in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let (kith, store) = (Kith::in_memory().await, StoreOptions::Folder(folder.path().join("store")));
        lived_in(&kith, seed).await;
        let (first, records) = export(&kith).await;
        let pending =
            |record: &&ImportRecord| matches!(&record.record, Some(Record::Edge(e)) if !e.asked_by_id.is_empty());
        let erased = |record: &&ImportRecord| matches!(record.record, Some(Record::Erased(_)));
        assert!(records.iter().any(|record| pending(&record)) && records.iter().any(|record| erased(&record)));

        let other = Kith::start(with_checkpoints(store.clone())).await;
        let imported = take(&other, &records).await;
        assert_eq!((imported.refused, imported.erased_skipped), (0, 0), "{:?}", imported.errors);
        let (again, exported) = export(&other).await;
        assert_eq!(again.totals, first.totals, "seed {seed}");
        assert!(exported == records, "seed {seed}");
        let expected = answers_of(&kith, &records).await;
        assert!(expected == answers_of(&other, &records).await, "seed {seed}");

        // Those who watch learn the same, and so does who replays the log.
        let (held, revision) = digest(&other).await;
        let mut mirror = Mirror::at(before_all(&revision));
        follow(&other, &mut mirror, &revision).await;
        mirror.same_as(&other).await;
        assert_eq!(mirror.digest().await, held);
        other.stop().await.unwrap();
        let other = Kith::start(with_checkpoints(store)).await;
        assert!(expected == answers_of(&other, &records).await, "seed {seed}");

        // Both stores have it already. Introducers who are erased are no longer taken, though they were named since.
        let records = without_strangers(records);
        for kith in [&kith, &other] {
            let (before, imported) = (digest(kith).await, take(kith, &records).await);
            assert_eq!(totals(&imported), [0, 0, records.len() as i64, 0], "{:?}", imported.errors);
            assert_eq!(digest(kith).await, before);
        }
    }
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 7_000_000 })
}

fn dated(id: &str, headline: &str, times: (i64, i64)) -> Member {
    let (create_time, update_time) = (at(times.0), at(times.1));
    Member { headline: headline.to_owned(), create_time, update_time, ..member(id) }
}

async fn times_of(kith: &Kith, id: &str) -> (i64, i64) {
    let get = GetMemberRequest { id: id.to_owned(), ..Default::default() };
    let found = kith.members().get_member(get).await.unwrap().into_inner().member.unwrap();
    (found.create_time.unwrap().seconds, found.update_time.unwrap().seconds)
}

#[tokio::test]
async fn what_is_there_keeps_its_times_or_has_them_go_on() {
    let kith = Kith::in_memory().await;
    let put = async |member: Member| totals(&take(&kith, &[record(Record::Member(member))]).await);
    assert_eq!(put(dated("ann", "a", (1_000, 2_000))).await, [1, 0, 0, 0]);
    assert_eq!(times_of(&kith, "ann").await, (1_000, 2_000));
    // A record with the content that is there changes nothing, whatever it says of its times.
    for times in [(1_000, 2_000), (1, 2), (1_500, 3_000)] {
        assert_eq!(put(dated("ann", "a", times)).await, [0, 0, 1, 0]);
        assert_eq!(times_of(&kith, "ann").await, (1_000, 2_000));
    }
    // A change takes the record's times, but for the past.
    assert_eq!(put(dated("ann", "b", (1_000, 3_000))).await, [0, 1, 0, 0]);
    assert_eq!(times_of(&kith, "ann").await, (1_000, 3_000));
    assert_eq!(put(dated("ann", "c", (500, 600))).await, [0, 1, 0, 0]);
    assert_eq!(times_of(&kith, "ann").await, (1_000, 3_000));
    // One without times is dated by its own, which may be earlier than what an import said.
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    assert_eq!(put(Member { headline: "d".to_owned(), ..member("ann") }).await, [0, 1, 0, 0]);
    let (create, update) = times_of(&kith, "ann").await;
    assert!(create == 1_000 && (now..now + 60).contains(&update), "{create} {update}");
    assert_eq!(put(dated("bob", "a", (now, now + 9_000))).await, [1, 0, 0, 0]);
    assert_eq!(put(Member { headline: "b".to_owned(), ..member("bob") }).await, [0, 1, 0, 0]);
    assert_eq!(times_of(&kith, "bob").await, (now, now + 9_000));
    // A mask names content. The times are the record's anyway.
    let update_mask = Some(prost_types::FieldMask { paths: vec!["headline".to_owned()] });
    let masked = ImportRecord { update_mask, ..record(Record::Member(dated("cy", "a", (5, 6)))) };
    assert_eq!(totals(&take(&kith, &[masked]).await), [1, 0, 0, 0]);
    assert_eq!(times_of(&kith, "cy").await, (5, 6));
    // Members that an edge brings about are made now.
    let put = Edge { create_time: at(5), update_time: at(6), ..edge("dan", "friend", "eve") };
    let message =
        ImportRequest { records: vec![record(Record::Edge(put))], allow_missing_members: true, ..Default::default() };
    assert_eq!(import(&kith, vec![message]).await.members_created_bare, 2);
    assert!(times_of(&kith, "dan").await.0 >= now);
}

#[tokio::test]
async fn times_that_cannot_be_are_refused() {
    let kith = Kith::in_memory().await;
    take(&kith, &[record(Record::Member(member("ann"))), record(Record::Member(member("bob")))]).await;
    let beyond = Some(Timestamp { seconds: 253_402_300_800, nanos: 0 });
    let table = [
        ((at(1), None), ErrorReason::Required, "update_time"),
        ((None, at(1)), ErrorReason::Required, "create_time"),
        ((at(2), at(1)), ErrorReason::OutOfRange, "create_time"),
        ((beyond, at(1)), ErrorReason::OutOfRange, "create_time"),
        ((at(1), beyond), ErrorReason::OutOfRange, "update_time"),
    ];
    let mut records = Vec::new();
    let mut expected = Vec::new();
    for ((create_time, update_time), reason, field) in table {
        records.push(record(Record::Member(Member { create_time, update_time, ..member("cy") })));
        records.push(record(Record::Edge(Edge { create_time, update_time, ..edge("ann", "friend", "bob") })));
        records.push(record(Record::Status(Status { create_time, update_time, ..status("s", "ann", "text") })));
        expected.extend(["member", "edge", "status"].map(|of| (i32::from(reason), format!("{of}.{field}"))));
    }
    let imported = take(&kith, &records).await;
    assert_eq!(totals(&imported), [0, 0, 0, 15]);
    let refused: Vec<(i32, String)> = imported.errors.into_iter().map(|error| (error.reason, error.field)).collect();
    assert_eq!(refused, expected);
}

/// An old export brings back nobody but who was brought back before it was made.
#[tokio::test]
async fn who_was_made_after_its_erasure_is_imported() {
    let (kith, other) = (Kith::in_memory().await, Kith::in_memory().await);
    let old = dated("ann", "old", (1_000, 2_000));
    for kith in [&kith, &other] {
        take(kith, &[record(Record::Member(member("ann")))]).await;
        let delete = DeleteMemberRequest { id: "ann".to_owned(), ..Default::default() };
        kith.members().delete_member(delete).await.unwrap();
        let barred = take(kith, &[record(Record::Member(old.clone()))]).await;
        assert_eq!((totals(&barred), barred.erased_skipped), ([0; 4], 1));
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    kith.put_member(member("ann")).await;
    let (_, records) = export(&kith).await;
    let imported = take(&other, &records).await;
    assert_eq!((imported.created, imported.erased_skipped), (1, 0));
    assert_eq!(export(&other).await.1, records);
}
