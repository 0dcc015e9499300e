//! Every RPC, once.

use kith::proto::v1::*;
use prost_types::{Duration, FieldMask, Timestamp};
use tonic::Code;

use crate::harness::{Kith, edge, member, status};

fn text(value: &str) -> String {
    value.to_owned()
}

#[tokio::test]
async fn members() {
    let kith = Kith::in_memory().await;
    let mut members = kith.members();
    let ana = Member { display_name: text("Ana"), topics: vec![text("rust")], ..member("ana") };
    let put = PutMemberRequest { member: Some(ana), ..Default::default() };
    let put = members.put_member(put).await.unwrap().into_inner();
    let stored = put.member.unwrap();
    assert!(!stored.etag.is_empty() && stored.create_time.is_some());

    let change = Member { headline: text("Makes bridges"), etag: stored.etag, ..member("ana") };
    let update_mask = Some(FieldMask { paths: vec![text("headline")] });
    let update = UpdateMemberRequest { member: Some(change), update_mask, ..Default::default() };
    let updated = members.update_member(update).await.unwrap().into_inner();

    let get = GetMemberRequest { id: text("ana"), min_revision: updated.revision, ..Default::default() };
    let got = members.get_member(get).await.unwrap().into_inner().member.unwrap();
    assert_eq!((&*got.display_name, &*got.headline), ("Ana", "Makes bridges"));

    kith.put_member(member("ben")).await;
    let batch = BatchGetMembersRequest { ids: vec![text("ben"), text("nobody"), text("ana")], ..Default::default() };
    let batch = members.batch_get_members(batch).await.unwrap().into_inner().members;
    assert_eq!(batch.iter().map(|member| &*member.id).collect::<Vec<_>>(), ["ben", "ana"]);

    let first = ListMembersRequest { page_size: 1, ..Default::default() };
    let first = members.list_members(first).await.unwrap().into_inner();
    let second = ListMembersRequest { page_size: 1, page_token: first.next_page_token, ..Default::default() };
    let second = members.list_members(second).await.unwrap().into_inner();
    assert_eq!((&*first.members[0].id, &*second.members[0].id, &*second.next_page_token), ("ana", "ben", ""));

    kith.put_edge(edge("ana", "friend", "ben")).await;
    let delete = DeleteMemberRequest { id: text("ana"), ..Default::default() };
    assert_eq!(members.delete_member(delete.clone()).await.unwrap().into_inner().edges_deleted, 1);
    assert_eq!(members.delete_member(delete).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn edges() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    let mut edges = kith.edges();
    let put = PutEdgeRequest { edge: Some(edge("ana", "friend", "nobody")), ..Default::default() };
    assert_eq!(edges.put_edge(put).await.unwrap_err().code(), Code::FailedPrecondition);

    let get =
        |edge: Edge| GetEdgeRequest { from_id: edge.from_id, kind: edge.kind, to_id: edge.to_id, ..Default::default() };
    let got = edges.get_edge(get(edge("ben", "friend", "ana"))).await.unwrap().into_inner().edge.unwrap();
    assert_eq!((&*got.from_id, &*got.to_id, got.strength), ("ana", "ben", 0.55));

    let list = ListEdgesRequest { member_id: text("ben"), ..Default::default() };
    let listed = edges.list_edges(list).await.unwrap().into_inner().edges;
    assert_eq!(listed.iter().map(|edge| &*edge.kind).collect::<Vec<_>>(), ["friend", "colleague"]);

    let count =
        CountEdgesRequest { member_id: text("ana"), direction: EdgeDirection::Out.into(), ..Default::default() };
    let counted = edges.count_edges(count).await.unwrap().into_inner();
    assert_eq!((counted.edges, counted.by_kind), (1, vec![KindCount { kind: text("friend"), edges: 1 }]));

    // Two of them half-faded when the nine others came: 90 days earlier.
    let last = Timestamp { seconds: 1_700_000_000, nanos: 0 };
    let earlier = Timestamp { seconds: last.seconds - 90 * 86_400, nanos: 0 };
    let interactions = |count, time| Interaction {
        from_id: text("ana"),
        kind: text("friend"),
        to_id: text("ben"),
        count,
        time: Some(time),
    };
    let interactions = vec![interactions(9, last), interactions(2, earlier)];
    let record = RecordInteractionsRequest { interactions, ..Default::default() };
    edges.record_interactions(record).await.unwrap();
    let got = edges.get_edge(get(edge("ana", "friend", "ben"))).await.unwrap().into_inner().edge.unwrap();
    assert_eq!((got.interactions, got.interaction_weight, got.last_interaction_time), (11, 10.0, Some(last)));
    // Put elsewhere as it is answered here, it is the same edge.
    let copy = Kith::in_memory().await.put_edge(Edge { etag: String::new(), ..got.clone() }).await;
    assert_eq!((copy.interactions, copy.interaction_weight, copy.last_interaction_time), (11, 10.0, Some(last)));
    // All of them, when no weight is given.
    let whole = kith.put_edge(Edge { interaction_weight: 0.0, etag: String::new(), ..got }).await;
    assert_eq!((whole.interactions, whole.interaction_weight), (11, 11.0));

    let key = edge("ana", "friend", "ben");
    let delete = DeleteEdgeRequest { from_id: key.from_id, kind: key.kind, to_id: key.to_id, ..Default::default() };
    edges.delete_edge(delete).await.unwrap();
    assert_eq!(edges.get_edge(get(edge("ana", "friend", "ben"))).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn kinds() {
    let kith = Kith::in_memory().await;
    let mut edges = kith.edges();
    let day = Duration { seconds: 86_400, nanos: 0 };
    let mentor = Kind {
        name: text("mentor"),
        sphere: Sphere::Professional.into(),
        prior: 1.5,
        half_life: Some(day),
        ..Default::default()
    };
    let put = edges.put_kind(PutKindRequest { kind: Some(mentor), ..Default::default() }).await.unwrap().into_inner();
    assert_eq!(put.kind.unwrap().half_life, Some(day));
    let names = |kinds: Vec<Kind>| kinds.into_iter().map(|kind| kind.name).collect::<Vec<_>>();
    let listed = edges.list_kinds(ListKindsRequest::default()).await.unwrap().into_inner().kinds;
    assert_eq!(names(listed), ["client", "colleague", "family", "follows", "friend", "mentor", "neighbor", "spouse"]);
    edges.delete_kind(DeleteKindRequest { name: text("mentor"), ..Default::default() }).await.unwrap();
    let listed = edges.list_kinds(ListKindsRequest::default()).await.unwrap().into_inner().kinds;
    assert_eq!(listed.len(), 7);
}

#[tokio::test]
async fn statuses() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    let mut statuses = kith.statuses();
    let post = PostStatusRequest { status: Some(status("s1", "ana", "Who knows a bridge?")), ..Default::default() };
    let posted = statuses.post_status(post.clone()).await.unwrap().into_inner().status.unwrap();
    assert!(posted.post_time.is_some());
    let get = GetStatusRequest { id: text("s1"), ..Default::default() };
    assert_eq!(statuses.get_status(get.clone()).await.unwrap().into_inner().status, Some(posted));

    let list = ListStatusesRequest { author_id: text("ana"), ..Default::default() };
    assert_eq!(statuses.list_statuses(list).await.unwrap().into_inner().statuses.len(), 1);

    let origin = Some(Origin { status_id: text("s1"), introducer_ids: vec![text("ben")], ..Default::default() });
    kith.put_edge(Edge { origin, ..edge("ana", "colleague", "cleo") }).await;
    let outcomes = ListOutcomesRequest { status_id: text("s1"), ..Default::default() };
    let outcomes = statuses.list_outcomes(outcomes).await.unwrap().into_inner().edges;
    assert_eq!((outcomes.len(), &*outcomes[0].to_id), (1, "cleo"));

    statuses.delete_status(DeleteStatusRequest { id: text("s1"), ..Default::default() }).await.unwrap();
    assert_eq!(statuses.get_status(get).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn reach() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    let mut reach = kith.reach();
    let subject = get_reach_request::Subject::MemberId(text("ana"));
    let counted = reach.get_reach(GetReachRequest { subject: Some(subject), ..Default::default() }).await.unwrap();
    let counted = counted.into_inner();
    assert_eq!(counted.hops.iter().map(|hop| hop.members).collect::<Vec<_>>(), [2, 1, 1]);
    assert_eq!(counted.info.unwrap().completeness(), Completeness::Complete);

    let subject = list_reach_request::Subject::MemberId(text("ana"));
    let listed = reach.list_reach(ListReachRequest { subject: Some(subject), ..Default::default() }).await.unwrap();
    let listed = listed.into_inner().items.into_iter().map(|item| (item.member_id, item.hop)).collect::<Vec<_>>();
    assert_eq!(listed, [(text("ben"), 1), (text("eva"), 1), (text("cleo"), 2), (text("dan"), 3)]);

    let subject = list_reach_request::Subject::MemberId(text("ana"));
    let crossing = ListReachRequest { subject: Some(subject), crossing_only: true, ..Default::default() };
    let crossing = reach.list_reach(crossing).await.unwrap().into_inner().items;
    let shown = |item: &ReachedMember| {
        let steps = item.chain.as_ref().unwrap().steps.iter().map(|step| step.to_id.clone());
        (item.member_id.clone(), item.hop, steps.collect::<Vec<_>>(), item.switch_member_id.clone())
    };
    let by_ben = ["ben", "ana"].map(text).to_vec();
    let by_cleo = ["cleo", "ben", "ana"].map(text).to_vec();
    let wanted = [(text("cleo"), 2, by_ben, text("ben")), (text("dan"), 3, by_cleo, text("ben"))];
    assert_eq!(crossing.iter().map(shown).collect::<Vec<_>>(), wanted);

    let post = PostStatusRequest { status: Some(status("s1", "ana", "Who knows a bridge?")), ..Default::default() };
    kith.statuses().post_status(post).await.unwrap();
    let discover = DiscoverStatusesRequest { viewer_id: text("cleo"), ..Default::default() };
    let discovered = reach.discover_statuses(discover).await.unwrap().into_inner().items;
    assert_eq!((discovered.len(), discovered[0].hop), (1, 2));
    assert_eq!(discovered[0].chain.as_ref().unwrap().steps[0].to_id, "ben");
}

#[tokio::test]
async fn paths() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    let mut paths = kith.paths();
    let find = FindPathsRequest { from_id: text("ana"), to_id: text("dan"), ..Default::default() };
    let found = paths.find_paths(find).await.unwrap().into_inner();
    let path = &found.paths[0];
    assert!(found.optimal && found.shortest_path_count == 1);
    assert_eq!((path.hops, path.sphere_crossings, &*path.steps[2].edges[0].kind), (3, 1, "client"));

    let to_ids = ["dan", "nobody", "eva", "ana"].map(text).to_vec();
    let distances = BatchGetDistancesRequest { from_id: text("ana"), to_ids, ..Default::default() };
    let distances = paths.batch_get_distances(distances).await.unwrap().into_inner().distances;
    assert_eq!(distances.iter().map(|distance| distance.hops).collect::<Vec<_>>(), [Some(3), None, None, Some(0)]);

    let mutuals = ListMutualsRequest { a_id: text("ana"), b_id: text("cleo"), ..Default::default() };
    let mutuals = paths.list_mutuals(mutuals).await.unwrap().into_inner();
    assert_eq!((mutuals.total, &*mutuals.items[0].member_id), (1, "ben"));
}

#[tokio::test]
async fn introductions() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    let mut introductions = kith.introductions();
    let suggest = SuggestIntroductionsRequest { member_id: text("ana"), ..Default::default() };
    let suggested = introductions.suggest_introductions(suggest).await.unwrap().into_inner().suggestions;
    assert_eq!(suggested.iter().map(|one| &*one.member_id).collect::<Vec<_>>(), ["cleo", "dan"]);
    assert_eq!(suggested[0].introducers[0].member_id, "ben");

    let find = FindIntroducersRequest { member_id: text("ana"), target_id: text("cleo"), ..Default::default() };
    let found = introductions.find_introducers(find).await.unwrap().into_inner().introducers;
    assert_eq!((found.len(), &*found[0].member_id), (1, "ben"));
    assert_eq!(found[0].path.as_ref().unwrap().hops, 2);

    // eva follows ana, and both are on the topic; dan shares too, and nobody of it follows him.
    kith.put_member(Member { topics: vec![text("bridges")], ..member("eva") }).await;
    for (id, author) in [("s1", "ana"), ("s2", "dan")] {
        let status = Status { topics: vec![text("bridges")], ..status(id, author, "Look") };
        kith.statuses().post_status(PostStatusRequest { status: Some(status), ..Default::default() }).await.unwrap();
    }
    let list = ListLeadersRequest { topic: text("bridges"), ..Default::default() };
    let leaders = introductions.list_leaders(list.clone()).await.unwrap().into_inner().leaders;
    assert_eq!(leaders.iter().map(|leader| &*leader.member_id).collect::<Vec<_>>(), ["ana", "dan"]);
    let ana = &leaders[0];
    assert_eq!(
        (ana.statuses, ana.audience, &ana.status_ids, &ana.reader_ids),
        (1, 1, &vec![text("s1")], &vec![text("eva")])
    );
    // Anyone is reached from anywhere as often; ana also from eva, with odds 0.85.
    assert!(
        (leaders[0].score - 1.85 / 3.85).abs() < 1e-9 && (leaders[1].score - 1.0 / 3.85).abs() < 1e-9,
        "{leaders:?}"
    );
    let near = Some(Near { member_id: text("cleo"), max_hops: 1 });
    let leaders = introductions.list_leaders(ListLeadersRequest { near, ..list }).await.unwrap().into_inner().leaders;
    assert_eq!(leaders.iter().map(|leader| (&*leader.member_id, leader.hops)).collect::<Vec<_>>(), [("dan", Some(1))]);
}

#[tokio::test]
async fn data() {
    let kith = Kith::in_memory().await;
    let put_member = |id| Change { change: Some(change::Change::PutMember(member(id))), precondition: None };
    let put_edge = PutEdgeChange { edge: Some(edge("ana", "friend", "ben")), allow_missing_members: false };
    let put_edge = Change { change: Some(change::Change::PutEdge(put_edge)), precondition: None };
    let changes = vec![put_member("ana"), put_member("ben"), put_edge];
    let written = kith.data().write(WriteRequest { changes, ..Default::default() }).await.unwrap().into_inner();
    assert!(written.results.iter().all(|result| result.effect() == Effect::Created));

    let record = |record, position| ImportRecord { record: Some(record), position, ..Default::default() };
    let records = vec![
        record(import_record::Record::Edge(edge("ben", "friend", "cleo")), 1),
        record(import_record::Record::Edge(edge("ben", "freind", "cleo")), 2),
        record(import_record::Record::Member(member("ana")), 3),
    ];
    let messages = tokio_stream::iter([ImportRequest { records, allow_missing_members: true, ..Default::default() }]);
    let imported = kith.data().import(messages).await.unwrap().into_inner();
    assert_eq!((imported.received, imported.created, imported.unchanged, imported.refused), (3, 1, 1, 1));
    assert_eq!((imported.errors[0].position, imported.errors[0].reason()), (2, ErrorReason::UnknownKind));
    assert_eq!(imported.members_created_bare, 1);
}

#[tokio::test]
async fn server_info_of_a_store_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let kith = Kith::on_disk(folder.path()).await;
    kith.put_chain().await;
    let before = kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner();
    assert_eq!((before.members, before.edges, before.kinds), (5, 4, 7));
    assert!(before.disk_bytes > 0 && before.start_time.is_some_and(|time| time.seconds > 0));
    kith.stop().await.unwrap();

    let kith = Kith::on_disk(folder.path()).await;
    let after = kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner();
    assert_eq!(
        (after.store_id, after.content_digest, after.revision),
        (before.store_id, before.content_digest, before.revision)
    );
}
