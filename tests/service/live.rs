//! What is live is judged by the server's time, and page tokens are kith's own.

use std::time::{SystemTime, UNIX_EPOCH};

use kith::proto::v1::*;
use tonic::Code;
use xxhash_rust::xxh3::xxh3_64;

use super::ask::{at, text};
use super::harness::{Kith, edge, member, reason, status};

const DAY_S: i64 = 86_400;

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

async fn post(kith: &Kith, status: Status) {
    let post = PostStatusRequest { status: Some(status), ..Default::default() };
    kith.statuses().post_status(post).await.unwrap();
}

/// ana –friend– ben –friend– cleo, who has posted for all: one that is live, one to come, one that has expired.
async fn three_of_cleo(kith: &Kith) {
    kith.put_member(Member { topics: vec![text("go")], ..member("cleo") }).await;
    kith.put_edge(edge("ana", "friend", "ben")).await;
    kith.put_edge(edge("ben", "friend", "cleo")).await;
    let now = now_s();
    let of = |id: &str, posted: i64, expires: Option<i64>| Status {
        topics: vec![text("go")],
        post_time: at(now + posted),
        expire_time: expires.and_then(|expires| at(now + expires)),
        ..status(id, "cleo", "Well")
    };
    post(kith, of("live", -100, Some(1_000 * DAY_S))).await;
    post(kith, of("to come", 30 * DAY_S, None)).await;
    post(kith, of("expired", -60 * DAY_S, Some(-DAY_S / 2))).await;
}

#[tokio::test]
async fn a_time_asked_for_moves_strengths_and_never_what_is_live() {
    let kith = Kith::in_memory().await;
    three_of_cleo(&kith).await;
    let now = now_s();
    for viewer in ["", "ana"] {
        for days in [-45, -1, 0, 31, 2_000] {
            let read =
                Some(ReadOptions { viewer_id: text(viewer), as_of: at(now + days * DAY_S), ..ReadOptions::default() });
            let request = DiscoverStatusesRequest { viewer_id: text("ana"), read: read.clone(), ..Default::default() };
            let items = kith.reach().discover_statuses(request).await.unwrap().into_inner().items;
            let ids: Vec<&str> = items.iter().map(|item| item.status.as_ref().unwrap().id.as_str()).collect();
            assert_eq!(ids, ["live"], "{viewer:?} after {days} days");
            let request = ListLeadersRequest { topic: text("go"), read: read.clone(), ..Default::default() };
            let leaders = kith.introductions().list_leaders(request).await.unwrap().into_inner().leaders;
            assert_eq!(leaders[0].status_ids, ["live"], "{viewer:?} after {days} days");
            let topics = vec![text("go")];
            let request = SuggestIntroductionsRequest {
                member_id: text("ana"),
                topics,
                read: read.clone(),
                ..Default::default()
            };
            let suggestions = kith.introductions().suggest_introductions(request).await.unwrap().into_inner();
            assert_eq!(suggestions.suggestions[0].status_ids, ["live"], "{viewer:?} after {days} days");
            for (id, visible) in [("live", true), ("to come", false), ("expired", false)] {
                let subject = Some(check_reach_request::Subject::StatusId(text(id)));
                let read = Some(ReadOptions { as_of: at(now + days * DAY_S), ..ReadOptions::default() });
                let viewer_ids = vec![text("ana")];
                let request = CheckReachRequest { subject, viewer_ids, read, ..Default::default() };
                let checked = kith.reach().check_reach(request).await.unwrap().into_inner().results.remove(0);
                assert_eq!(checked.visible, visible, "{id} after {days} days");
            }
        }
    }
    kith.stop().await.unwrap();
}

/// A token as kith made them once, with a checksum that anybody can mend.
fn mended_token(request: &ListStatusesRequest, as_of_ms: i64, place: &str) -> String {
    let mut bytes = b"ListStatuses\0".to_vec();
    bytes.extend(prost::Message::encode_to_vec(request));
    let request = xxh3_64(&bytes);
    let mut token = vec![1];
    token.extend(request.to_be_bytes());
    token.extend(as_of_ms.to_be_bytes());
    token.extend(place.as_bytes());
    token.extend(crc32fast::hash(&token).to_be_bytes());
    token.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_page_token_that_kith_has_not_given_is_refused() {
    let kith = Kith::in_memory().await;
    three_of_cleo(&kith).await;
    let list = ListStatusesRequest { author_id: text("cleo"), viewer_id: text("ana"), ..Default::default() };
    for days in [-45, 31] {
        let place = format!("{}\u{1f}zzz", (now_s() + 10_000 * DAY_S) * 1_000);
        let page_token = mended_token(&list, (now_s() + days * DAY_S) * 1_000, &place);
        let list = ListStatusesRequest { page_token, ..list.clone() };
        let refused = kith.statuses().list_statuses(list).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, text("MALFORMED")));
    }
    // One that was given, with any bit of it changed.
    let list = ListStatusesRequest { author_id: text("cleo"), page_size: 1, ..Default::default() };
    let token = kith.statuses().list_statuses(list.clone()).await.unwrap().into_inner().next_page_token;
    assert!(!token.is_empty());
    for digit in [0, 2, 18, 30, token.len() / 2, token.len() - 33, token.len() - 1] {
        let mut page_token = token.clone();
        let other = if &token[digit..=digit] == "0" { "1" } else { "0" };
        page_token.replace_range(digit..=digit, other);
        let list = ListStatusesRequest { page_token, ..list.clone() };
        let refused = kith.statuses().list_statuses(list).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, text("MALFORMED")), "digit {digit}");
    }
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_page_token_outlives_a_restart_and_is_of_its_own_store() {
    let folder = tempfile::tempdir().unwrap();
    let kith = Kith::on_disk(folder.path()).await;
    kith.put_chain().await;
    let list = ListMembersRequest { page_size: 2, ..Default::default() };
    let page_token = kith.members().list_members(list.clone()).await.unwrap().into_inner().next_page_token;
    let next = ListMembersRequest { page_token, ..list };
    let before = kith.members().list_members(next.clone()).await.unwrap().into_inner();
    kith.stop().await.unwrap();
    let kith = Kith::on_disk(folder.path()).await;
    let after = kith.members().list_members(next.clone()).await.unwrap().into_inner();
    assert_eq!(after.members, before.members);
    let other = Kith::in_memory().await;
    other.put_chain().await;
    let refused = other.members().list_members(next).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, text("MALFORMED")));
    other.stop().await.unwrap();
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn the_viewer_of_a_discovery_may_be_said_twice_on_one_page_and_once_on_the_next() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    for id in ["a", "b", "c"] {
        post(&kith, Status { post_time: at(5), ..status(id, "ben", "Well") }).await;
    }
    let page = async |page_token: String, said: bool| {
        let read = said.then(|| ReadOptions { viewer_id: text("ana"), ..Default::default() });
        let request =
            DiscoverStatusesRequest { viewer_id: text("ana"), page_size: 1, page_token, read, ..Default::default() };
        kith.reach().discover_statuses(request).await.unwrap().into_inner()
    };
    for said in [[true, false, true], [false, true, false]] {
        let (mut token, mut found) = (String::new(), Vec::new());
        for said in said {
            let page = page(token, said).await;
            token = page.next_page_token;
            found.extend(page.items.into_iter().map(|item| item.status.unwrap().id));
        }
        assert_eq!((found, token), (vec![text("a"), text("b"), text("c")], String::new()));
    }
    kith.stop().await.unwrap();
}

/// How well times tell two questions apart: 0.5 is not at all.
fn guessed_apart(one: &[f64], other: &[f64]) -> f64 {
    let pairs =
        one.iter().flat_map(|a| other.iter().map(move |b| if a < b { 1.0 } else { f64::from(u8::from(a == b)) / 2.0 }));
    pairs.sum::<f64>() / (one.len() * other.len()) as f64
}

#[tokio::test]
async fn the_time_does_not_give_away_what_is_hidden() {
    let kith = Kith::in_memory().await;
    three_of_cleo(&kith).await;
    // Hundreds of edges lie between ana and what is not for her.
    let mut records = Vec::new();
    for n in 0..600 {
        for end in ["ana", "far"] {
            let edge = edge(end, "friend", &format!("m{n} of {end}"));
            records.push(ImportRecord { record: Some(import_record::Record::Edge(edge)), ..Default::default() });
        }
    }
    let imports = records.chunks(1_000).map(|records| ImportRequest {
        records: records.to_vec(),
        allow_missing_members: true,
        ..Default::default()
    });
    let imports: Vec<ImportRequest> = imports.collect();
    kith.data().import(tokio_stream::iter(imports)).await.unwrap();
    post(&kith, status("hidden", "far", "Well")).await;
    let calls = if super::harness::bars_hold() { 3_000 } else { 20 };
    let mut times: [Vec<f64>; 2] = Default::default();
    for n in 0..2 * calls {
        let id = ["hidden", "not there"][n % 2];
        let get = GetStatusRequest { id: text(id), viewer_id: text("ana"), ..Default::default() };
        let begun = std::time::Instant::now();
        assert_eq!(kith.statuses().get_status(get).await.unwrap_err().code(), Code::NotFound);
        times[n % 2].push(begun.elapsed().as_secs_f64());
    }
    assert!(times.iter().flatten().all(|time| *time >= 0.002), "{times:?}");
    let auc = guessed_apart(&times[0], &times[1]);
    println!("{calls} calls each: AUC {auc:.3}");
    assert!(!super::harness::bars_hold() || (auc - 0.5).abs() < 0.05, "AUC {auc:.3}");
    kith.stop().await.unwrap();
}
