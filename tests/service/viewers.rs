//! Reads on behalf of a viewer: what it sees and what not, case by case. That nothing else gives anything away is in `viewers_differ.rs`.

use kith::proto::v1::*;
use tonic::{Code, Request};

use super::ask::{at, block, text};
use super::harness::{Kith, edge, member, reason, status};

async fn put_status(kith: &Kith, status: Status) {
    let post = PostStatusRequest { status: Some(status), ..Default::default() };
    kith.statuses().post_status(post).await.unwrap();
}

async fn put_block(kith: &Kith, by: &str, of: &str) {
    let put = BlockMemberRequest { block: block(by, of), ..Default::default() };
    kith.members().block_member(put).await.unwrap();
}

fn on_behalf_of(viewer: &str) -> Option<ReadOptions> {
    Some(ReadOptions { viewer_id: text(viewer), ..Default::default() })
}

async fn edges_seen(kith: &Kith, member_id: &str, viewer: &str) -> Vec<Edge> {
    let list = ListEdgesRequest { member_id: text(member_id), viewer_id: text(viewer), ..Default::default() };
    kith.edges().list_edges(list).await.unwrap().into_inner().edges
}

/// How many hops it is from one member to another for a viewer.
async fn distance(kith: &Kith, from: &str, to: &str, viewer: &str) -> Option<i32> {
    let (from_id, to_ids, read) = (text(from), vec![text(to)], on_behalf_of(viewer));
    let ask = BatchGetDistancesRequest { from_id, to_ids, read, ..Default::default() };
    kith.paths().batch_get_distances(ask).await.unwrap().into_inner().distances[0].hops
}

#[tokio::test]
async fn an_edge_is_for_its_ends_and_for_whom_the_strictest_of_three_admits() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    let hidden = Edge { visibility: Visibility::Parties.into(), ..edge("ben", "colleague", "cleo") };
    kith.put_edge(hidden).await;
    for (viewer, sees) in [("", true), ("ben", true), ("cleo", true), ("ana", false), ("dan", false), ("nobody", false)]
    {
        assert_eq!(distance(&kith, "ana", "dan", viewer).await, sees.then_some(3), "{viewer:?}");
    }
    let friends_see = Privacy { edges_visibility: Visibility::Connections.into(), ..Default::default() };
    kith.put_edge(Edge { visibility: Visibility::Everyone.into(), ..edge("ben", "colleague", "cleo") }).await;
    kith.put_member(Member { privacy: Some(friends_see), ..member("ben") }).await;
    for (viewer, sees) in [("ana", true), ("cleo", true), ("dan", false), ("nobody", false)] {
        assert_eq!(distance(&kith, "ben", "dan", viewer).await, sees.then_some(2), "{viewer:?}");
    }
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn of_others_it_sees_no_more_than_they_show() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    put_status(&kith, status("s", "cleo", "Bridges")).await;
    let origin = Origin { status_id: text("s"), introducer_ids: vec![text("ana"), text("eva")], note: text("a party") };
    let visibility = Visibility::Everyone.into();
    kith.put_edge(Edge {
        note: text("old"),
        labels: [(text("team"), text("7"))].into(),
        origin: Some(origin.clone()),
        visibility,
        ..edge("ben", "colleague", "cleo")
    })
    .await;
    put_block(&kith, "eva", "ben").await;
    let of = |edges: Vec<Edge>| edges.into_iter().find(|edge| edge.kind == "colleague").unwrap();

    let whole = of(edges_seen(&kith, "ben", "").await);
    assert_eq!((whole.note.as_str(), whole.origin.as_ref()), ("old", Some(&origin)));
    let seen = of(edges_seen(&kith, "ben", "dan").await);
    let shown = (seen.note.as_str(), &seen.origin, seen.etag.as_str(), seen.update_time, seen.visibility);
    assert_eq!(shown, ("", &None, "", None, 0));
    assert_eq!((seen.strength, seen.create_time), (whole.strength, whole.create_time));
    assert_eq!((whole.labels.len(), seen.labels.len()), (1, 0));
    // One of its ends sees who introduced it, but for whom it does not see at all; of which status it came is for that one's author.
    let own = of(edges_seen(&kith, "ben", "ben").await).origin.unwrap();
    assert_eq!((own.status_id.as_str(), own.introducer_ids), ("", vec![text("ana")]));
    let authors = of(edges_seen(&kith, "ben", "cleo").await).origin.unwrap();
    assert_eq!(authors, origin);

    let private = Privacy { hidden_from_suggestions: true, ..Default::default() };
    kith.put_member(Member { privacy: Some(private), ..member("dan") }).await;
    for (viewer, whole) in [("", true), ("dan", true), ("ana", false)] {
        let get = GetMemberRequest { id: text("dan"), viewer_id: text(viewer), ..Default::default() };
        let dan = kith.members().get_member(get).await.unwrap().into_inner().member.unwrap();
        assert_eq!((dan.privacy.is_some(), !dan.etag.is_empty(), dan.update_time.is_some()), (whole, whole, whole));
    }
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn whom_a_block_takes_away_is_as_if_it_were_not() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    put_block(&kith, "cleo", "ana").await;
    for (viewer, other) in [("ana", "cleo"), ("cleo", "ana")] {
        let get = |id: &str| GetMemberRequest { id: text(id), viewer_id: text(viewer), ..Default::default() };
        let gone = kith.members().get_member(get(other)).await.unwrap_err();
        let unknown = kith.members().get_member(get("nobody")).await.unwrap_err();
        assert_eq!((gone.code(), gone.message().replace(other, "nobody")), (Code::NotFound, text(unknown.message())));
        let list = ListMembersRequest { viewer_id: text(viewer), ..Default::default() };
        let listed = kith.members().list_members(list).await.unwrap().into_inner().members;
        assert!(listed.len() == 4 && listed.iter().all(|member| member.id != other), "{listed:?}");
    }
    // There is no way through whom the viewer does not see.
    assert_eq!(distance(&kith, "ana", "dan", "ana").await, None);
    assert_eq!(distance(&kith, "ana", "dan", "eva").await, Some(3));
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_status_is_for_its_author_and_while_it_lives_for_its_audience() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    let audience = |max_hops| Some(Audience { max_hops, ..Default::default() });
    let near = Status { post_time: at(3), audience: audience(1), ..status("near", "cleo", "For neighbors") };
    put_status(&kith, near).await;
    let expired = Status { post_time: at(1), expire_time: at(2), ..status("old", "cleo", "It was") };
    put_status(&kith, expired).await;
    put_status(&kith, Status { post_time: at(4), ..status("wide", "cleo", "For all") }).await;
    let seen = async |viewer: &str| {
        let list = ListStatusesRequest { author_id: text("cleo"), viewer_id: text(viewer), ..Default::default() };
        let listed = kith.statuses().list_statuses(list).await.unwrap().into_inner().statuses;
        for id in ["near", "old", "wide"] {
            let get = GetStatusRequest { id: text(id), viewer_id: text(viewer), ..Default::default() };
            let got = kith.statuses().get_status(get).await.map(|got| got.into_inner().status.unwrap());
            let in_list = listed.iter().find(|status| status.id == id);
            assert_eq!(got.as_ref().ok(), in_list, "{viewer:?} {id}");
            if let Err(refused) = got {
                assert_eq!((refused.code(), reason(&refused)), (Code::NotFound, text("NOT_FOUND")));
            }
        }
        let by_pages = pages_of_statuses(&kith, viewer).await;
        assert_eq!(by_pages, listed, "{viewer:?}");
        for Status { id, audience, etag, create_time, update_time, .. } in &listed {
            let whole = ["", "cleo"].contains(&viewer);
            let shown = [audience.is_some(), !etag.is_empty(), create_time.is_some(), update_time.is_some()];
            assert_eq!(shown, [whole; 4], "{viewer:?} {id}");
        }
        listed.into_iter().map(|status| status.id).collect::<Vec<String>>()
    };
    assert_eq!(seen("").await.len(), 3);
    assert_eq!(seen("cleo").await.len(), 3);
    assert_eq!(seen("ben").await, ["wide", "near"]);
    assert_eq!(seen("ana").await, ["wide"]);
    assert!(seen("nobody").await.is_empty());
    // By an edge that a viewer may not see nothing comes to it.
    kith.put_edge(Edge { visibility: Visibility::Parties.into(), ..edge("ben", "colleague", "cleo") }).await;
    assert!(seen("ana").await.is_empty());
    assert_eq!(seen("ben").await, ["wide", "near"]);
    kith.stop().await.unwrap();
}

async fn pages_of_statuses(kith: &Kith, viewer: &str) -> Vec<Status> {
    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let list = ListStatusesRequest {
            author_id: text("cleo"),
            viewer_id: text(viewer),
            page_size: 1,
            page_token,
            ..Default::default()
        };
        let page = kith.statuses().list_statuses(list).await.unwrap().into_inner();
        found.extend(page.statuses);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return found;
        }
    }
}

#[tokio::test]
async fn what_came_of_a_status_and_whom_it_reaches_is_for_its_author() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    put_status(&kith, status("s", "cleo", "Bridges")).await;
    let origin = Some(Origin { status_id: text("s"), ..Default::default() });
    kith.put_edge(Edge { origin, ..edge("dan", "client", "ben") }).await;
    for (viewer, is_shown) in [("", true), ("cleo", true), ("ben", false), ("dan", false), ("nobody", false)] {
        let list = ListOutcomesRequest { status_id: text("s"), viewer_id: text(viewer), ..Default::default() };
        let outcomes = kith.statuses().list_outcomes(list).await.map(|listed| listed.into_inner().edges.len());
        assert_eq!(outcomes.ok(), is_shown.then_some(1), "{viewer:?}");
        let subject = Some(get_reach_request::Subject::StatusId(text("s")));
        let get = GetReachRequest { subject, read: on_behalf_of(viewer), ..Default::default() };
        let reached = kith.reach().get_reach(get).await.map(|reach| reach.into_inner().members);
        // eva, who follows ana, is not among them.
        assert_eq!(reached.ok(), is_shown.then_some(3), "{viewer:?}");
    }
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_check_counts_hidden_edges_and_no_blocked_ones() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    kith.put_edge(edge("eva", "friend", "ana")).await;
    kith.put_edge(Edge { visibility: Visibility::Parties.into(), ..edge("ben", "colleague", "cleo") }).await;
    put_status(&kith, status("s", "cleo", "Bridges")).await;
    let expired = Status { post_time: at(1), expire_time: at(2), ..status("old", "cleo", "It was") };
    put_status(&kith, expired).await;
    let check = async |subject, max_hops| {
        let viewer_ids = ["cleo", "ben", "ana", "eva", "nobody"].map(text).into();
        let ask = CheckReachRequest { subject: Some(subject), viewer_ids, max_hops, ..Default::default() };
        let checked = kith.reach().check_reach(ask).await.unwrap().into_inner();
        assert_eq!(checked.info.unwrap().completeness, i32::from(Completeness::Complete));
        let hops = checked.results.iter().map(|check| check.hop).collect::<Vec<_>>();
        assert!(checked.results.iter().all(|check| check.visible == check.hop.is_some()));
        hops
    };
    use check_reach_request::Subject::{MemberId, StatusId};
    assert_eq!(check(StatusId(text("s")), 0).await, [Some(0), Some(1), Some(2), Some(3), None]);
    assert_eq!(check(StatusId(text("s")), 2).await, [Some(0), Some(1), Some(2), None, None]);
    assert_eq!(check(MemberId(text("cleo")), 1).await, [Some(0), Some(1), None, None, None]);
    assert_eq!(check(StatusId(text("old")), 0).await, [Some(0), None, None, None, None]);
    // ana's only way is by ben; eva's is by both, and it has no block.
    put_block(&kith, "ana", "ben").await;
    assert_eq!(check(StatusId(text("s")), 0).await, [Some(0), Some(1), None, Some(3), None]);
    put_block(&kith, "cleo", "eva").await;
    assert_eq!(check(StatusId(text("s")), 0).await, [Some(0), Some(1), None, None, None]);
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_page_token_is_its_viewers_alone() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    let list = |viewer: &str, page_token: &str| {
        Request::new(ListMembersRequest {
            page_size: 1,
            page_token: text(page_token),
            viewer_id: text(viewer),
            ..Default::default()
        })
    };
    let token = kith.members().list_members(list("ana", "")).await.unwrap().into_inner().next_page_token;
    kith.members().list_members(list("ana", &token)).await.unwrap();
    let refused = kith.members().list_members(list("ben", &token)).await.unwrap_err();
    assert_eq!(reason(&refused), "PAGE_TOKEN_MISMATCH");
    kith.stop().await.unwrap();
}
