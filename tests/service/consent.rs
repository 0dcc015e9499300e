//! Consent decides who sees a status: what kinds carry it, and that an edge which only its sender made carries nothing.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use kith::proto::v1::*;
use tonic::Code;

use super::ask::{at, block, text};
use super::harness::{Kith, edge, member, reason, status};

const SYMMETRIC: [&str; 3] = ["friend", "family", "colleague"];

async fn put_kind(kith: &Kith, kind: Kind) {
    kith.edges().put_kind(PutKindRequest { kind: Some(kind), ..Default::default() }).await.unwrap();
}

fn kind(name: &str, symmetric: bool, carries_statuses: Option<bool>) -> Kind {
    let sphere = Sphere::Public.into();
    Kind { name: text(name), sphere, symmetric, prior: 1.0, carries_statuses, ..Default::default() }
}

fn asked(by: &str, edge: Edge) -> Edge {
    Edge { asked_by_id: text(by), ..edge }
}

async fn post(kith: &Kith, status: Status) {
    let post = PostStatusRequest { status: Some(status), ..Default::default() };
    kith.statuses().post_status(post).await.unwrap();
}

/// By status, who sees it and from how many hops away. Everything that tells of it must tell the same.
type Seen = BTreeMap<String, BTreeMap<String, i32>>;

async fn seen(kith: &Kith, ids: &[String], statuses: &[Status]) -> Seen {
    let mut seen = Seen::new();
    for Status { id, author_id, .. } in statuses {
        let subject = Some(check_reach_request::Subject::StatusId(id.clone()));
        let check = CheckReachRequest { subject, viewer_ids: ids.to_vec(), ..Default::default() };
        let checked = kith.reach().check_reach(check).await.unwrap().into_inner().results;
        let visible = checked.into_iter().filter(|check| check.visible);
        let hops: BTreeMap<String, i32> = visible.map(|check| (check.viewer_id, check.hop.unwrap())).collect();
        let subject = Some(list_reach_request::Subject::StatusId(id.clone()));
        let list = ListReachRequest { subject, page_size: 1_000, ..Default::default() };
        let mut listed: BTreeMap<String, i32> = kith
            .reach()
            .list_reach(list)
            .await
            .unwrap()
            .into_inner()
            .items
            .into_iter()
            .map(|i| (i.member_id, i.hop))
            .collect();
        let subject = Some(get_reach_request::Subject::StatusId(id.clone()));
        let get = GetReachRequest { subject, ..Default::default() };
        let counted = kith.reach().get_reach(get).await.unwrap().into_inner();
        assert_eq!(counted.members as usize, listed.len());
        for hop in counted.hops {
            assert_eq!(hop.members as usize, listed.values().filter(|at| **at == hop.hop).count(), "{id}");
        }
        listed.insert(author_id.clone(), 0);
        assert_eq!(listed, hops, "{id}");
        seen.insert(id.clone(), hops);
    }
    for viewer in ids {
        let discover = DiscoverStatusesRequest { viewer_id: viewer.clone(), max_hops: 6, ..Default::default() };
        let found = kith.reach().discover_statuses(discover).await.unwrap().into_inner().items;
        let found: BTreeMap<String, i32> = found
            .into_iter()
            .map(|item| {
                let chain = item.chain.unwrap();
                assert_eq!((chain.hops, &chain.steps[0].from_id), (item.hop, viewer));
                (item.status.unwrap().id, item.hop)
            })
            .collect();
        for Status { id, author_id, .. } in statuses {
            let by_check = seen[id].get(viewer).copied().filter(|_| author_id != viewer);
            assert_eq!(found.get(id).copied(), by_check, "{id} for {viewer}");
            let get = GetStatusRequest { id: id.clone(), viewer_id: viewer.clone(), ..Default::default() };
            assert_eq!(
                kith.statuses().get_status(get).await.is_ok(),
                seen[id].contains_key(viewer),
                "{id} for {viewer}"
            );
        }
        for author in ids {
            let list =
                ListStatusesRequest { author_id: author.clone(), viewer_id: viewer.clone(), ..Default::default() };
            let listed = kith.statuses().list_statuses(list).await.unwrap().into_inner().statuses;
            let listed: BTreeSet<String> = listed.into_iter().map(|status| status.id).collect();
            let own = statuses.iter().filter(|status| status.author_id == *author);
            let expected = own.filter(|status| seen[&status.id].contains_key(viewer)).map(|status| status.id.clone());
            assert_eq!(listed, expected.collect(), "of {author} for {viewer}");
        }
    }
    seen
}

/// Who sees a status by definition: from hop to hop by symmetric kinds, and whoever follows the author.
fn by_definition(edges: &[Edge], ids: &[String], status: &Status) -> BTreeMap<String, i32> {
    let joined = |a: &str, b: &str| {
        let mut symmetric = edges.iter().filter(|edge| SYMMETRIC.contains(&edge.kind.as_str()));
        symmetric.any(|edge| [(a, b), (b, a)].contains(&(edge.from_id.as_str(), edge.to_id.as_str())))
    };
    let author = status.author_id.as_str();
    let mut hops = BTreeMap::from([(text(author), 0)]);
    for hop in 1..=status.audience.as_ref().map_or(3, |audience| audience.max_hops) {
        let near: Vec<String> = hops.keys().cloned().collect();
        for id in ids.iter().filter(|id| !near.contains(id)) {
            if near.iter().any(|near| joined(near, id)) {
                hops.insert(id.clone(), hop);
            }
        }
    }
    for edge in edges.iter().filter(|edge| edge.kind == "follows" && edge.to_id == author) {
        hops.insert(edge.from_id.clone(), 1);
    }
    hops
}

#[tokio::test]
async fn no_new_kind_and_no_edge_that_its_sender_made_alone_shows_anybody_anything_new() {
    for seed in 0..8 {
        let random = &mut Rng::with_seed(seed);
        let kith = Kith::in_memory().await;
        let ids: Vec<String> = (0..random.usize(4..9)).map(|n| format!("m{n}")).collect();
        for id in &ids {
            kith.put_member(member(id)).await;
        }
        let two = |random: &mut Rng| {
            let mut two = random.choose_multiple(ids.iter(), 2);
            (two.pop().unwrap().clone(), two.pop().unwrap().clone())
        };
        let mut edges: Vec<Edge> = Vec::new();
        for _ in 0..ids.len() {
            let ((a, b), kinds) = (two(random), ["friend", "family", "colleague", "follows", "follows"]);
            let put = edge(&a, random.choice(kinds).unwrap(), &b);
            edges.push(kith.put_edge(put).await);
        }
        let mut statuses = Vec::new();
        for n in 0..4 {
            let (author, max_hops) = (random.choice(&ids).unwrap(), random.i32(1..=4));
            let audience = Some(Audience { max_hops, ..Default::default() });
            statuses.push(Status { audience, post_time: at(n + 5), ..status(&format!("s{n}"), author, "Well") });
            post(&kith, statuses[n as usize].clone()).await;
        }
        let before = seen(&kith, &ids, &statuses).await;
        for status in &statuses {
            assert_eq!(before[&status.id], by_definition(&edges, &ids, status), "seed {seed}: {status:?}");
        }
        // New kinds of all shapes, and edges of them; edges of old kinds that one end asked for.
        for (name, symmetric) in [("request", false), ("club", true)] {
            put_kind(&kith, kind(name, symmetric, None)).await;
            for _ in 0..ids.len() {
                let (a, b) = two(random);
                kith.put_edge(edge(&a, name, &b)).await;
            }
        }
        let mut pending = Vec::new();
        for _ in 0..ids.len() {
            let ((a, b), kinds) = (two(random), ["friend", "colleague", "follows"]);
            let (a, b) = if a < b { (a, b) } else { (b, a) };
            let put = asked(if random.bool() { &a } else { &b }, edge(&a, random.choice(kinds).unwrap(), &b));
            // Asked for by the other end as well, it would stand.
            let same =
                |other: &Edge| (&other.from_id, &other.kind, &other.to_id) == (&put.from_id, &put.kind, &put.to_id);
            if pending.iter().any(same) || edges.iter().any(same) {
                continue;
            }
            kith.put_edge(put.clone()).await;
            pending.push(put);
        }
        assert_eq!(seen(&kith, &ids, &statuses).await, before, "seed {seed}");
        // Once they are accepted, they count.
        for put in pending {
            let other = if put.asked_by_id == put.from_id { &put.to_id } else { &put.from_id };
            edges.push(kith.put_edge(asked(other, edge(&put.from_id, &put.kind, &put.to_id))).await);
        }
        let after = seen(&kith, &ids, &statuses).await;
        for status in &statuses {
            assert_eq!(after[&status.id], by_definition(&edges, &ids, status), "seed {seed}: {status:?}");
        }
        kith.stop().await.unwrap();
    }
}

/// ana –friend– ben, eva follows ana, fay is eva's friend, gus follows ben.
#[tokio::test]
async fn who_follows_sees_the_members_own_and_nobody_sees_by_way_of_it() {
    let kith = Kith::in_memory().await;
    for (from, kind, to) in
        [("ana", "friend", "ben"), ("eva", "follows", "ana"), ("eva", "friend", "fay"), ("gus", "follows", "ben")]
    {
        kith.put_edge(edge(from, kind, to)).await;
    }
    let ids: Vec<String> = ["ana", "ben", "eva", "fay", "gus"].map(text).into();
    let named = |kinds: &[&str]| {
        let filter = Some(EdgeFilter { kinds: kinds.iter().map(|kind| text(kind)).collect(), ..Default::default() });
        Some(Audience { filter, max_hops: 6 })
    };
    let statuses = [
        status("of ana", "ana", "At home"),
        status("of ben", "ben", "At the hospital with mum"),
        Status { audience: named(&["follows"]), ..status("for followers", "ana", "News") },
        Status { audience: named(&["follows", "friend"]), ..status("for both", "ben", "News") },
    ];
    for status in &statuses {
        post(&kith, status.clone()).await;
    }
    let seen = seen(&kith, &ids, &statuses).await;
    let hops = |id: &str| seen[id].iter().map(|(viewer, hop)| (viewer.as_str(), *hop)).collect::<Vec<_>>();
    assert_eq!(hops("of ana"), [("ana", 0), ("ben", 1), ("eva", 1)]);
    assert_eq!(hops("of ben"), [("ana", 1), ("ben", 0), ("gus", 1)]);
    assert_eq!(hops("for followers"), [("ana", 0), ("eva", 1)]);
    assert_eq!(hops("for both"), [("ana", 1), ("ben", 0), ("gus", 1)]);
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_kind_carries_statuses_if_it_is_said_or_built_in() {
    let kith = Kith::in_memory().await;
    let kinds = async || {
        let kinds = kith.edges().list_kinds(ListKindsRequest::default()).await.unwrap().into_inner().kinds;
        kinds.into_iter().map(|kind| (kind.name, kind.carries_statuses.unwrap())).collect::<BTreeMap<_, _>>()
    };
    assert!(kinds().await.values().all(|carries| *carries));
    put_kind(&kith, kind("club", true, None)).await;
    put_kind(&kith, kind("team", true, Some(true))).await;
    put_kind(&kith, kind("neighbor", true, Some(false))).await;
    let kinds = kinds().await;
    assert_eq!([kinds["club"], kinds["team"], kinds["neighbor"], kinds["friend"]], [false, true, false, true]);
    for kind in ["club", "team", "neighbor", "friend"] {
        kith.put_edge(edge("ana", kind, &format!("by {kind}"))).await;
    }
    let filter = Some(EdgeFilter { kinds: vec![text("club")], ..Default::default() });
    let for_club = Status { audience: Some(Audience { filter, max_hops: 1 }), ..status("for the club", "ana", "Well") };
    let statuses = [status("for all", "ana", "Well"), for_club];
    for status in &statuses {
        post(&kith, status.clone()).await;
    }
    let ids: Vec<String> = ["ana", "by club", "by team", "by neighbor", "by friend"].map(text).into();
    let viewers = |seen: &Seen, id: &str| seen[id].keys().cloned().collect::<Vec<_>>();
    let before = seen(&kith, &ids, &statuses).await;
    assert_eq!(viewers(&before, "for all"), ["ana", "by friend", "by team"]);
    // Whom an audience names has its author's word.
    assert_eq!(viewers(&before, "for the club"), ["ana", "by club"]);
    // That a kind carries is its operator's word; what was posted before follows it.
    put_kind(&kith, kind("club", true, Some(true))).await;
    assert_eq!(viewers(&seen(&kith, &ids, &statuses).await, "for all"), ["ana", "by club", "by friend", "by team"]);
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_pending_edge_is_for_its_ends_until_the_other_one_accepts() {
    let folder = tempfile::tempdir().unwrap();
    let mut kith = Kith::on_disk(folder.path()).await;
    kith.put_edge(edge("ben", "friend", "cy")).await;
    let put = asked("ben", Edge { note: text("hello"), ..edge("ana", "friend", "ben") });
    let stored = kith.put_edge(put.clone()).await;
    assert_eq!((stored.asked_by_id.as_str(), stored.note.as_str()), ("ben", "hello"));
    let wrong = PutEdgeRequest { edge: Some(asked("cy", put.clone())), ..Default::default() };
    let refused = kith.edges().put_edge(wrong).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, text("OUT_OF_RANGE")));
    for restarted in [false, true] {
        if restarted {
            kith.stop().await.unwrap();
            kith = Kith::on_disk(folder.path()).await;
        }
        for (viewer, sees) in [("", true), ("ana", true), ("ben", true), ("cy", false), ("nobody", false)] {
            let viewer_id = text(viewer);
            let get = GetEdgeRequest {
                from_id: text("ben"),
                kind: text("friend"),
                to_id: text("ana"),
                viewer_id: viewer_id.clone(),
                ..Default::default()
            };
            let got = kith.edges().get_edge(get).await.ok().and_then(|got| got.into_inner().edge);
            assert_eq!(got.map(|edge| edge.asked_by_id), sees.then(|| text("ben")), "{viewer:?}");
            for of in ["ana", "ben"] {
                let list = ListEdgesRequest { member_id: text(of), viewer_id: viewer_id.clone(), ..Default::default() };
                let listed = kith.edges().list_edges(list).await.unwrap().into_inner().edges;
                assert_eq!(listed.iter().any(|edge| edge.asked_by_id == "ben"), sees, "{viewer:?} of {of}");
            }
            let count =
                CountEdgesRequest { member_id: text("ben"), viewer_id: viewer_id.clone(), ..Default::default() };
            assert_eq!(kith.edges().count_edges(count).await.unwrap().into_inner().edges, 1);
            let read = Some(ReadOptions { viewer_id, ..Default::default() });
            let (from_id, to_ids) = (text("ana"), vec![text("ben"), text("cy")]);
            let ask = BatchGetDistancesRequest { from_id, to_ids, read, ..Default::default() };
            let distances = kith.paths().batch_get_distances(ask).await.unwrap().into_inner().distances;
            assert!(distances.iter().all(|distance| distance.hops.is_none()), "{viewer:?}");
        }
    }
    let interaction =
        Interaction { from_id: text("ana"), kind: text("friend"), to_id: text("ben"), count: 1, ..Default::default() };
    let record = RecordInteractionsRequest { interactions: vec![interaction.clone()], ..Default::default() };
    let refused = kith.edges().record_interactions(record.clone()).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::FailedPrecondition, text("EDGE_PENDING")));
    let delete = DeleteKindRequest { name: text("follows"), ..Default::default() };
    kith.put_edge(asked("cy", edge("cy", "follows", "ana"))).await;
    let refused = kith.edges().delete_kind(delete).await.unwrap_err();
    assert_eq!(reason(&refused), "KIND_IN_USE");

    // Asked for again it is still pending; accepted it stands, and stays so.
    assert_eq!(kith.put_edge(put.clone()).await.asked_by_id, "ben");
    assert_eq!(kith.put_edge(asked("ana", edge("ana", "friend", "ben"))).await.asked_by_id, "");
    assert_eq!(kith.put_edge(put).await.asked_by_id, "");
    kith.edges().record_interactions(record).await.unwrap();
    let ask = BatchGetDistancesRequest { from_id: text("ana"), to_ids: vec![text("cy")], ..Default::default() };
    assert_eq!(kith.paths().batch_get_distances(ask).await.unwrap().into_inner().distances[0].hops, Some(2));
    // Declined it is gone; whom a block parts sees nothing of what was asked.
    let block = BlockMemberRequest { block: block("ana", "cy"), ..Default::default() };
    kith.members().block_member(block).await.unwrap();
    let get = GetEdgeRequest { from_id: text("cy"), kind: text("follows"), to_id: text("ana"), ..Default::default() };
    let hidden = GetEdgeRequest { viewer_id: text("cy"), ..get.clone() };
    assert_eq!(kith.edges().get_edge(hidden).await.unwrap_err().code(), Code::NotFound);
    let delete =
        DeleteEdgeRequest { from_id: text("cy"), kind: text("follows"), to_id: text("ana"), ..Default::default() };
    kith.edges().delete_edge(delete).await.unwrap();
    assert_eq!(kith.edges().get_edge(get).await.unwrap_err().code(), Code::NotFound);
    kith.stop().await.unwrap();
}
