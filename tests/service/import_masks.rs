//! `Import` under update masks: what a mask names is changed, and nothing else. And imports that are only rehearsed, or pause.

use std::time::Duration;

use kith::app::StoreOptions;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::*;
use prost_types::{FieldMask, Timestamp};
use tokio_stream::StreamExt;
use tokio_stream::iter;
use tonic::Code;

use super::harness::{Kith, edge, member, options, reason, status};

fn record(record: Record) -> ImportRecord {
    ImportRecord { record: Some(record), ..Default::default() }
}

fn mask<const N: usize>(paths: [&str; N]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.map(str::to_owned).to_vec() })
}

fn under(update_mask: Option<FieldMask>, records: Vec<Record>) -> ImportRequest {
    let records = records.into_iter().map(record).collect();
    ImportRequest { records, allow_missing_members: true, update_mask, ..Default::default() }
}

async fn import(kith: &Kith, messages: Vec<ImportRequest>) -> ImportResponse {
    kith.data().import(iter(messages)).await.unwrap().into_inner()
}

/// created, updated, unchanged, and each refusal's reason and field
fn outcome(response: &ImportResponse) -> ([i64; 3], Vec<(ErrorReason, &str)>) {
    let refused = response.errors.iter().map(|error| (error.reason(), error.field.as_str())).collect();
    ([response.created, response.updated, response.unchanged], refused)
}

async fn get_member(kith: &Kith, id: &str) -> Member {
    let request = GetMemberRequest { id: id.into(), ..Default::default() };
    let member = kith.members().get_member(request).await.unwrap().into_inner().member.unwrap();
    Member { etag: String::new(), create_time: None, update_time: None, ..member }
}

async fn get_edge(kith: &Kith) -> Edge {
    let (from_id, kind, to_id) = ("ann".to_owned(), "friend".to_owned(), "bob".to_owned());
    let request = GetEdgeRequest { from_id, kind, to_id, ..Default::default() };
    let edge = kith.edges().get_edge(request).await.unwrap().into_inner().edge.unwrap();
    Edge { etag: String::new(), create_time: None, update_time: None, strength: 0.0, ..edge }
}

fn whole_member() -> Member {
    Member {
        display_name: "Ann".into(),
        headline: "h".into(),
        topics: vec!["go".into()],
        labels: [("city".into(), "Rome".into()), ("team".into(), "7".into())].into(),
        privacy: Some(Privacy {
            edges_visibility: Visibility::Parties.into(),
            hidden_from_suggestions: true,
            ..Default::default()
        }),
        ..member("ann")
    }
}

fn whole_edge() -> Edge {
    Edge {
        pinned_strength: Some(0.5),
        interactions: 3,
        last_interaction_time: Some(Timestamp { seconds: 1_600_000_000, nanos: 0 }),
        interaction_weight: 3.0,
        since: Some(Timestamp { seconds: 1_500_000_000, nanos: 0 }),
        visibility: Visibility::Parties.into(),
        note: "n".into(),
        origin: Some(Origin { introducer_ids: vec!["cy".into()], ..Default::default() }),
        ..edge("ann", "friend", "bob")
    }
}

#[tokio::test]
async fn of_a_member_that_is_there_a_mask_changes_what_it_names() {
    let kith = Kith::in_memory().await;
    let other = Member { privacy: None, labels: [("city".into(), "Oslo".into())].into(), ..member("ann") };
    let whole = whole_member();
    import(&kith, vec![under(None, vec![Record::Member(whole.clone())])]).await;
    let steps: Vec<(Option<FieldMask>, Member)> = vec![
        (mask([]), whole.clone()),
        (mask(["headline"]), Member { headline: String::new(), ..whole.clone() }),
        (
            mask(["labels.city", "labels.`team`"]),
            Member { labels: [("city".into(), "Oslo".into())].into(), ..whole.clone() },
        ),
        (mask(["labels"]), Member { labels: [("city".into(), "Oslo".into())].into(), ..whole.clone() }),
        (
            mask(["privacy.hidden_from_suggestions"]),
            Member {
                privacy: Some(Privacy { edges_visibility: Visibility::Parties.into(), ..Default::default() }),
                ..whole.clone()
            },
        ),
        (mask(["privacy"]), Member { privacy: None, ..whole.clone() }),
        (mask(["*"]), other.clone()),
        (None, other.clone()),
    ];
    for (update_mask, wanted) in steps {
        import(&kith, vec![under(None, vec![Record::Member(whole.clone())])]).await;
        let response = import(&kith, vec![under(update_mask.clone(), vec![Record::Member(other.clone())])]).await;
        assert_eq!(response.refused, 0, "{update_mask:?}");
        assert_eq!(get_member(&kith, "ann").await, wanted, "{update_mask:?}");
        assert_eq!(response.updated, i64::from(wanted != whole), "{update_mask:?}");
    }
    // A new one has what the mask names.
    let new = Member { id: "bob".into(), ..whole_member() };
    let response = import(&kith, vec![under(mask(["headline", "labels.city"]), vec![Record::Member(new)])]).await;
    assert_eq!(outcome(&response), ([1, 0, 0], vec![]));
    let wanted = Member { headline: "h".into(), labels: [("city".into(), "Rome".into())].into(), ..member("bob") };
    assert_eq!(get_member(&kith, "bob").await, wanted);
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn of_an_edge_that_is_there_a_mask_changes_what_it_names() {
    let kith = Kith::in_memory().await;
    let bare = Edge { note: "m".into(), ..edge("bob", "friend", "ann") };
    let whole = whole_edge();
    for (update_mask, wanted) in [
        (mask([]), whole.clone()),
        (mask(["note"]), Edge { note: "m".into(), ..whole.clone() }),
        (mask(["pinned_strength", "since"]), Edge { pinned_strength: None, since: None, ..whole.clone() }),
        (mask(["origin"]), Edge { origin: None, ..whole.clone() }),
        (mask(["visibility"]), Edge { visibility: 0, ..whole.clone() }),
        // What gives no interactions keeps them, named or not.
        (mask(["interactions"]), whole.clone()),
    ] {
        import(&kith, vec![under(None, vec![Record::Edge(whole.clone())])]).await;
        import(&kith, vec![under(update_mask.clone(), vec![Record::Edge(bare.clone())])]).await;
        let mut found = get_edge(&kith).await;
        found.visibility = if found.visibility == i32::from(Visibility::Everyone) { 0 } else { found.visibility };
        assert_eq!(found, wanted, "{update_mask:?}");
    }
    // Interactions that are given and not named are not looked at.
    let counted = Edge { interactions: 9, last_interaction_time: Some(Timestamp::default()), ..bare };
    import(&kith, vec![under(None, vec![Record::Edge(whole.clone())])]).await;
    let named = under(mask(["last_interaction_time"]), vec![Record::Edge(counted.clone())]);
    let response = import(&kith, vec![under(mask([]), vec![Record::Edge(counted)]), named]).await;
    assert_eq!(outcome(&response), ([0, 1, 1], vec![]));
    assert_eq!(get_edge(&kith).await.interactions, 9);

    // What is pending stays so until the mask names who asks.
    let ask =
        || GetEdgeRequest { from_id: "ann".into(), kind: "family".into(), to_id: "bob".into(), ..Default::default() };
    let of = || Edge { note: "n".into(), ..edge("bob", "family", "ann") };
    import(&kith, vec![under(None, vec![Record::Edge(Edge { asked_by_id: "ann".into(), ..of() })])]).await;
    for (paths, asked_by) in [(mask(["note"]), "ann"), (mask(["asked_by_id"]), "")] {
        import(&kith, vec![under(paths, vec![Record::Edge(of())])]).await;
        assert_eq!(kith.edges().get_edge(ask()).await.unwrap().into_inner().edge.unwrap().asked_by_id, asked_by);
    }
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_record_may_have_a_mask_of_its_own_and_a_wrong_one_refuses_it_alone() {
    let kith = Kith::in_memory().await;
    import(&kith, vec![under(None, vec![Record::Member(whole_member())])]).await;
    let mut message = under(
        mask(["headline"]),
        vec![
            Record::Member(Member { headline: "i".into(), ..member("ann") }),
            Record::Member(Member { display_name: "A".into(), ..member("ann") }),
            Record::Member(member("ann")),
            Record::Edge(edge("ann", "friend", "bob")),
            Record::Block(Block { member_id: "ann".into(), blocked_id: "bob".into() }),
        ],
    );
    message.records[1].update_mask = mask(["display_name"]);
    message.records[2].update_mask = mask(["head_line"]);
    let response = import(&kith, vec![message]).await;
    let unknown = (ErrorReason::UnknownField, "update_mask");
    assert_eq!(
        outcome(&response),
        (
            [0, 2, 0],
            vec![
                unknown,
                unknown,
                // The edge that would have created the other was refused.
                (ErrorReason::MemberMissing, "block.blocked_id"),
            ]
        )
    );
    let found = get_member(&kith, "ann").await;
    assert_eq!((found.display_name.as_str(), found.headline.as_str()), ("A", "i"));
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn an_update_may_name_single_labels() {
    let kith = Kith::in_memory().await;
    import(&kith, vec![under(None, vec![Record::Member(whole_member())])]).await;
    let update = |paths: Vec<String>, member: Member| UpdateMemberRequest {
        member: Some(member),
        update_mask: Some(FieldMask { paths }),
        ..Default::default()
    };
    let oslo = Member { labels: [("city".into(), "Oslo".into())].into(), ..member("ann") };
    let request = update(vec!["labels.city".into(), "labels.team".into()], oslo);
    let updated = kith.members().update_member(request).await.unwrap().into_inner().member.unwrap();
    assert_eq!(updated.labels, [("city".to_owned(), "Oslo".to_owned())].into());
    let many = |n| (0..n).map(|n| (format!("k{n}"), String::new())).collect();
    for (request, code, wanted) in [
        (update(vec!["labels.".into()], member("ann")), Code::InvalidArgument, "UNKNOWN_FIELD"),
        (update(vec!["headline".into(); 129], member("ann")), Code::InvalidArgument, "TOO_MANY"),
        (update(vec!["labels.x".into()], member("nobody")), Code::NotFound, "NOT_FOUND"),
        (
            update((0..64).map(|n| format!("labels.k{n}")).collect(), Member { labels: many(64), ..member("ann") }),
            Code::InvalidArgument,
            "TOO_MANY",
        ),
    ] {
        let refused = kith.members().update_member(request).await.unwrap_err();
        assert_eq!((refused.code(), &*reason(&refused)), (code, wanted));
    }
    assert_eq!(get_member(&kith, "ann").await.labels.len(), 1);
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_rehearsed_is_judged_as_it_would_be_and_not_kept() {
    let kith = Kith::in_memory().await;
    import(&kith, vec![under(None, vec![Record::Member(whole_member())])]).await;
    let before = kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner();
    let records = vec![
        Record::Member(Member { headline: "i".into(), ..member("ann") }),
        Record::Member(Member { headline: "i".into(), ..member("ann") }),
        Record::Edge(edge("ann", "friend", "bob")),
        Record::Edge(edge("bob", "friend", "ann")),
        Record::Edge(edge("ann", "rivals", "bob")),
        Record::Status(status("s", "bob", "text")),
    ];
    let rehearsed = ImportRequest { validate_only: true, ..under(mask(["headline"]), records) };
    let mut edges_too = rehearsed.clone();
    edges_too.records[2..].iter_mut().for_each(|record| record.update_mask = mask([]));
    let response = import(&kith, vec![edges_too]).await;
    assert_eq!(outcome(&response), ([2, 1, 2], vec![(ErrorReason::UnknownKind, "edge.kind")]));
    assert_eq!((response.members_created_bare, response.revision.as_str()), (1, before.revision.as_str()));
    let after = kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner();
    assert_eq!((after.content_digest, after.revision), (before.content_digest, before.revision));
    // What is half a rehearsal is neither.
    let both = vec![under(mask([]), vec![Record::Member(member("cy"))]), rehearsed];
    let refused = kith.data().import(iter(both)).await.unwrap_err();
    assert_eq!((refused.code(), &*reason(&refused)), (Code::InvalidArgument, "MALFORMED"));
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_stream_may_be_silent_between_its_messages() {
    let mut served = options(StoreOptions::Memory);
    served.server.silence = Duration::from_millis(100);
    let kith = Kith::start(served).await;
    let messages = ["ann", "bob"].map(|id| under(None, vec![Record::Member(member(id))]));
    let paused = iter(messages).throttle(Duration::from_millis(600));
    let response = kith.data().import(paused).await.unwrap().into_inner();
    assert_eq!(outcome(&response), ([2, 0, 0], vec![]));
    kith.stop().await.unwrap();
}
