//! Answers of resources that are as long as they may be, to clients that take 4 MiB of a message: none is too long for them, what was
//! left out is on the next page or said to be missing, and nothing is lost.

use std::collections::BTreeMap;

use kith::proto::v1::get_reach_request::Subject;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::*;
use prost::Message;
use tokio_stream::{StreamExt, iter};
use tonic::Code;
use tonic_types::StatusExt;

use super::harness::{Kith, edge, member, reason, status};

/// What clients take unless they say otherwise.
const CLIENT_TAKES: usize = 4 * 1_024 * 1_024;

/// Four bytes a character.
fn long(chars: usize) -> String {
    "𝕜".repeat(chars)
}

/// A member with all that a member may have: 28 KB.
fn full_member(n: usize) -> Member {
    let labels = (0..64).map(|label| (format!("{label:02}{}", "k".repeat(61)), "v".repeat(256)));
    Member {
        id: format!("full-{n:04}"),
        display_name: long(256),
        headline: long(512),
        topics: (0..64).map(|topic| format!("{topic:02}{}", "t".repeat(62))).collect(),
        labels: labels.collect::<BTreeMap<_, _>>().into_iter().collect(),
        ..Default::default()
    }
}

/// An edge with all that an edge may have: 8 KB and more.
fn full_edge(from: &str, kind: &str, to: &str) -> Edge {
    let origin = Origin { note: long(1_000), ..Default::default() };
    Edge { note: long(1_000), origin: Some(origin), ..edge(from, kind, to) }
}

async fn import(kith: &Kith, records: Vec<Record>) {
    let mut messages = vec![ImportRequest { records: Vec::new(), allow_missing_members: true, ..Default::default() }];
    for record in records {
        let record = ImportRecord { record: Some(record), ..Default::default() };
        if messages.last().unwrap().encoded_len() + record.encoded_len() > 3_000_000
            || messages.last().unwrap().records.len() == 1_000
        {
            messages.push(ImportRequest { records: Vec::new(), allow_missing_members: true, ..Default::default() });
        }
        messages.last_mut().unwrap().records.push(record);
    }
    let done = kith.data().import(iter(messages)).await.unwrap().into_inner();
    assert_eq!(done.refused, 0, "{:?}", done.errors.first());
}

/// Asks for pages of 1,000 to the last one: how many items there were on each.
macro_rules! pages {
    ($client:expr, $rpc:ident, $request:expr, $items:ident) => {{
        let mut counts = Vec::new();
        let mut all = Vec::new();
        let mut request = $request;
        loop {
            let answer = $client.$rpc(request.clone()).await.unwrap().into_inner();
            assert!(answer.encoded_len() <= CLIENT_TAKES, "{} bytes", answer.encoded_len());
            counts.push(answer.$items.len());
            all.extend(answer.$items);
            if answer.next_page_token.is_empty() {
                break (counts, all);
            }
            request.page_token = answer.next_page_token;
        }
    }};
}

#[tokio::test]
async fn a_thousand_full_members_come_to_a_client_of_4_mib() {
    let kith = Kith::in_memory().await;
    import(&kith, (0..1_000).map(|n| Record::Member(full_member(n))).collect()).await;

    let (counts, members) =
        pages!(kith.members(), list_members, ListMembersRequest { page_size: 1_000, ..Default::default() }, members);
    let ids: Vec<String> = (0..1_000).map(|n| full_member(n).id).collect();
    assert!(members.iter().map(|member| &member.id).eq(&ids));
    assert!(counts.len() > 5 && counts[..counts.len() - 1].iter().all(|count| *count > 50), "{counts:?}");

    let batch = |ids: &[String]| BatchGetMembersRequest { ids: ids.to_vec(), ..Default::default() };
    let refused = kith.members().batch_get_members(batch(&ids[..300])).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "ANSWER_TOO_LARGE"));
    assert!(refused.get_details_retry_info().is_none(), "asking the same again is no use");
    let fits: usize = refused.get_details_error_info().unwrap().metadata["fits"].parse().unwrap();
    let answer = kith.members().batch_get_members(batch(&ids[..fits])).await.unwrap().into_inner();
    assert_eq!(answer.members.len(), fits);
    let refused = kith.members().batch_get_members(batch(&ids[..=fits])).await.unwrap_err();
    assert_eq!(reason(&refused), "ANSWER_TOO_LARGE");

    let mut export = kith.data().export(ExportRequest::default()).await.unwrap().into_inner();
    let mut records = 0;
    while let Some(message) = export.next().await {
        records += message.unwrap().records.len();
    }
    assert!(records >= 1_000);
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn edges_statuses_and_what_came_of_them_come_in_pages_that_fit() {
    let kith = Kith::in_memory().await;
    let mut records = vec![Record::Member(member("hub")), Record::Status(status("s", "hub", "hello"))];
    let of_s = |n: usize| {
        let mut edge = full_edge("hub", "friend", &format!("friend-{n:04}"));
        edge.origin.as_mut().unwrap().status_id = "s".to_owned();
        edge
    };
    records.extend((0..900).map(|n| Record::Edge(of_s(n))));
    let link = format!("https://example.org/{}", "x".repeat(2_000));
    let long_status =
        |n: usize| Status { link: link.clone(), ..status(&format!("status-{n:04}"), "hub", &long(2_000)) };
    records.extend((0..500).map(|n| Record::Status(long_status(n))));
    import(&kith, records).await;

    let edges = ListEdgesRequest { member_id: "hub".into(), page_size: 1_000, ..Default::default() };
    let (counts, edges) = pages!(kith.edges(), list_edges, edges, edges);
    assert!(counts.len() > 2 && edges.len() == 900, "{counts:?}");
    assert!(edges.iter().enumerate().all(|(n, edge)| *edge.to_id == of_s(n).to_id || *edge.from_id == of_s(n).to_id));

    let outcomes = ListOutcomesRequest { status_id: "s".into(), page_size: 1_000, ..Default::default() };
    let (counts, edges) = pages!(kith.statuses(), list_outcomes, outcomes, edges);
    assert!(counts.len() > 2 && edges.len() == 900, "{counts:?}");

    let statuses = ListStatusesRequest { author_id: "hub".into(), page_size: 1_000, ..Default::default() };
    let (counts, statuses) = pages!(kith.statuses(), list_statuses, statuses, statuses);
    assert!(counts.len() > 1 && statuses.len() == 501, "{counts:?}");

    let discover = DiscoverStatusesRequest { viewer_id: "friend-0007".into(), page_size: 1_000, ..Default::default() };
    let (counts, items) = pages!(kith.reach(), discover_statuses, discover, items);
    assert!(counts.len() > 1 && items.len() == 501, "{counts:?}");
    assert!(items.iter().all(|item| item.chain.is_some()));
    kith.stop().await.unwrap();
}

/// `a` and `b`, and sixty members between them whom both have edges of every kind to.
async fn between() -> Kith {
    let kith = Kith::in_memory().await;
    let kinds = ["spouse", "family", "friend", "neighbor", "colleague", "client", "follows"];
    let middle = |n: usize| format!("m-{n:02}");
    let both = |n: usize| {
        kinds.iter().flat_map(move |kind| [full_edge("a", kind, &middle(n)), full_edge(&middle(n), kind, "b")])
    };
    import(&kith, (0..60).flat_map(both).map(Record::Edge).collect()).await;
    kith
}

#[tokio::test]
async fn of_paths_and_introducers_the_first_are_given_and_it_is_said() {
    let kith = between().await;
    let ask = FindPathsRequest { from_id: "a".into(), to_id: "b".into(), k: 50, max_hops: 2, ..Default::default() };
    let answer = kith.paths().find_paths(ask.clone()).await.unwrap().into_inner();
    let info = answer.info.clone().unwrap();
    assert_eq!((info.completeness(), info.limit_hit()), (Completeness::Partial, Limit::AnswerBytes));
    assert!((10..50).contains(&answer.paths.len()), "{}", answer.paths.len());
    assert!(answer.optimal && answer.shortest_path_count == 60);
    let few = FindPathsRequest { k: answer.paths.len() as i32, ..ask.clone() };
    let few = kith.paths().find_paths(few).await.unwrap().into_inner();
    assert_eq!(few.info.unwrap().completeness(), Completeness::Complete);
    let members = |paths: &[Path]| paths.iter().map(|path| path.steps[0].to_id.clone()).collect::<Vec<_>>();
    assert_eq!(members(&few.paths), members(&answer.paths));
    let read = Some(ReadOptions { require_complete: true, ..Default::default() });
    let refused = kith.paths().find_paths(FindPathsRequest { read, ..ask }).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "ANSWER_TOO_LARGE"));

    let ask = FindIntroducersRequest { member_id: "a".into(), target_id: "b".into(), limit: 100, ..Default::default() };
    let answer = kith.introductions().find_introducers(ask).await.unwrap().into_inner();
    let info = answer.info.unwrap();
    assert_eq!((info.completeness(), info.limit_hit()), (Completeness::Partial, Limit::AnswerBytes));
    assert!((10..60).contains(&answer.introducers.len()), "{}", answer.introducers.len());
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_path_of_very_many_edges_is_given_without_their_notes() {
    let kith = Kith::in_memory().await;
    let kinds: Vec<String> = (0..57).map(|n| format!("kind-{n}")).collect();
    let kind = |name: &String| Kind { name: name.clone(), sphere: Sphere::Personal.into(), ..Default::default() };
    let mut records: Vec<Record> = kinds.iter().map(|name| Record::Kind(kind(name))).collect();
    records.extend(kinds.iter().map(|kind| Record::Edge(full_edge("a", kind, "b"))));
    import(&kith, records).await;
    let ask = FindPathsRequest { from_id: "a".into(), to_id: "b".into(), ..Default::default() };
    let answer = kith.paths().find_paths(ask).await.unwrap().into_inner();
    let edges = &answer.paths[0].steps[0].edges;
    assert_eq!((edges.len(), answer.info.unwrap().completeness()), (57, Completeness::Complete));
    assert!(edges.iter().all(|edge| edge.note.is_empty() && edge.origin.is_none() && edge.strength > 0.0));
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn suggestions_and_crossings_with_their_chains_fit() {
    let kith = Kith::in_memory().await;
    // `a` is joined to 3 members in between, and each of them to 100 others, by edges of two spheres on the way.
    let mut records = Vec::new();
    for z in ["x", "y", "z"] {
        records.extend(["friend", "family", "neighbor"].map(|kind| Record::Edge(full_edge("a", kind, z))));
        for n in 0..120 {
            records.push(Record::Edge(full_edge(z, "colleague", &format!("far-{n:03}"))));
        }
    }
    import(&kith, records).await;
    let ask = SuggestIntroductionsRequest { member_id: "a".into(), limit: 100, ..Default::default() };
    let answer = kith.introductions().suggest_introductions(ask).await.unwrap().into_inner();
    let info = answer.info.clone().unwrap();
    assert!(answer.encoded_len() <= CLIENT_TAKES && !answer.suggestions.is_empty());
    assert_eq!((info.completeness(), info.limit_hit()), (Completeness::Partial, Limit::AnswerBytes));

    let subject = Some(list_reach_request::Subject::MemberId("a".into()));
    let ask = ListReachRequest { subject, max_hops: 2, page_size: 1_000, crossing_only: true, ..Default::default() };
    let (counts, items) = pages!(kith.reach(), list_reach, ask, items);
    assert!(counts.len() > 1 && items.iter().all(|item| item.chain.is_some()), "{counts:?}");
    let subject = Some(Subject::MemberId("a".into()));
    let counted = kith.reach().get_reach(GetReachRequest { subject, max_hops: 2, ..Default::default() }).await;
    let crossing: i32 = counted.unwrap().into_inner().hops.iter().filter_map(|hop| hop.crossing).sum();
    assert_eq!((items.len() as i32, crossing), (120, 120));
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn an_error_of_very_many_fields_is_one_that_clients_take() {
    let kith = Kith::in_memory().await;
    let wrong = Interaction { from_id: "a".into(), kind: "friend".into(), ..Default::default() };
    let ask = RecordInteractionsRequest { interactions: vec![wrong; 1_000], ..Default::default() };
    let refused = kith.edges().record_interactions(ask).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "REQUIRED"));
    let details = refused.get_error_details();
    let named = details.bad_request().unwrap().field_violations.len();
    let left_out: usize = details.error_info().unwrap().metadata["violations_left_out"].parse().unwrap();
    assert!(named > 10 && named + left_out == 1_000, "{named} {left_out}");
    assert!(refused.message().ends_with(&format!("; and {left_out} more")), "{}", refused.message());
    // In headers: the message once, and the details in base64.
    let bytes = refused.message().len() + refused.details().len() * 4 / 3;
    assert!(bytes < 7_000, "{bytes} bytes in headers");
    kith.stop().await.unwrap();
}
