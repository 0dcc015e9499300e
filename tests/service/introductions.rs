//! What is recorded of introductions, and who is asked then.

use kith::proto::v1::*;
use prost_types::Timestamp;
use tonic::Code;

use crate::ask::introduction;
use crate::harness::{Kith, edge};

const DAY_S: i64 = 86_400;
/// In the middle of a day.
const NOW_S: i64 = 1_700_000_000;

async fn record(kith: &Kith, stages: &[(&str, IntroductionStage, i64)], request_id: &str) {
    let introductions = stages.iter().map(|&(who, stage, seconds)| {
        let time = Some(Timestamp { seconds, nanos: 0 });
        Introduction { time, ..introduction(who, stage) }
    });
    let request =
        RecordIntroductionsRequest { introductions: introductions.collect(), request_id: request_id.to_owned() };
    kith.introductions().record_introductions(request).await.unwrap();
}

/// Who could introduce ana to zoe, with what was recorded of each.
async fn introducers(kith: &Kith, as_of_s: i64) -> Vec<(String, f64, i64)> {
    let as_of = Some(Timestamp { seconds: as_of_s, nanos: 0 });
    let request = FindIntroducersRequest {
        member_id: "ana".to_owned(),
        target_id: "zoe".to_owned(),
        read: Some(ReadOptions { as_of, ..Default::default() }),
        ..Default::default()
    };
    let found = kith.introductions().find_introducers(request).await.unwrap().into_inner().introducers;
    found.into_iter().map(|found| (found.member_id, found.willingness, found.recent_asks)).collect()
}

fn reported(who: &str, willingness: f64, recent_asks: i64) -> (String, f64, i64) {
    (who.to_owned(), willingness, recent_asks)
}

/// Two who know both, one of them better.
async fn two_between(kith: &Kith) {
    for (from, kind, to) in
        [("ana", "spouse", "bo"), ("bo", "friend", "zoe"), ("ana", "friend", "cy"), ("cy", "friend", "zoe")]
    {
        kith.put_edge(edge(from, kind, to)).await;
    }
}

#[tokio::test]
async fn the_willing_are_asked_and_the_busy_are_spared() {
    use IntroductionStage::{Accepted, Asked, Declined};
    let folder = tempfile::tempdir().unwrap();
    let mut kith = Kith::on_disk(folder.path()).await;
    two_between(&kith).await;
    let unknown = [reported("bo", 0.5, 0), reported("cy", 0.5, 0)];
    assert_eq!(introducers(&kith, NOW_S).await, unknown);

    let id = "7a1c1b1e-0000-4000-8000-000000000001";
    for _ in 0..2 {
        // The second is the first one's retry.
        record(&kith, &[("bo", Asked, NOW_S), ("bo", Declined, NOW_S), ("bo", Asked, NOW_S - 29 * DAY_S)], id).await;
    }
    let busy = [reported("cy", 0.5, 0), reported("bo", 0.25, 2)];
    assert_eq!(introducers(&kith, NOW_S).await, busy);
    // A day later the first ask is old. On a day before, nothing of it was known yet but how willing it is.
    assert_eq!(introducers(&kith, NOW_S + DAY_S).await, [reported("cy", 0.5, 0), reported("bo", 0.25, 1)]);
    assert_eq!(introducers(&kith, NOW_S - DAY_S).await, [reported("cy", 0.5, 0), reported("bo", 0.25, 1)]);
    assert_eq!(introducers(&kith, NOW_S - 30 * DAY_S).await, [reported("cy", 0.5, 0), reported("bo", 0.25, 0)]);

    kith.stop().await.unwrap();
    kith = Kith::on_disk(folder.path()).await;
    assert_eq!(introducers(&kith, NOW_S).await, busy);
    record(&kith, &[("cy", Asked, NOW_S - 40 * DAY_S), ("cy", Accepted, NOW_S), ("bo", Accepted, NOW_S)], "").await;
    assert_eq!(introducers(&kith, NOW_S).await, [reported("cy", 2.0 / 3.0, 0), reported("bo", 0.5, 2)]);
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn all_are_counted_or_none() {
    use IntroductionStage::{Accepted, Asked};
    let kith = Kith::in_memory().await;
    two_between(&kith).await;
    let introductions = vec![introduction("bo", Asked), introduction("bo", Accepted), introduction("bo", Accepted)];
    let request = RecordIntroductionsRequest { introductions, ..Default::default() };
    let refused = kith.introductions().record_introductions(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(introducers(&kith, NOW_S).await, [reported("bo", 0.5, 0), reported("cy", 0.5, 0)]);
}

#[tokio::test]
async fn what_was_recorded_is_erased_with_the_member() {
    let kith = Kith::in_memory().await;
    two_between(&kith).await;
    record(&kith, &[("bo", IntroductionStage::Asked, NOW_S)], "").await;
    let delete = DeleteMemberRequest { id: "bo".to_owned(), ..Default::default() };
    kith.members().delete_member(delete).await.unwrap();
    // An edge alone brings nobody back who was erased.
    kith.put_member(Member { id: "bo".to_owned(), ..Default::default() }).await;
    two_between(&kith).await;
    assert_eq!(introducers(&kith, NOW_S).await, [reported("bo", 0.5, 0), reported("cy", 0.5, 0)]);
}
