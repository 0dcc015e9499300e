//! Worlds that differ in what the viewer `m00000` may not see, and what is asked of them on its behalf.

use fastrand::Rng;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::*;
use tokio_stream::iter;

use super::ask::*;
use super::harness::{Kith, edge, member, status};

const NOW: i64 = 1_700_000_000;
const MEMBERS: u32 = 2_000;
const EDGES_EACH: u32 = 8;
const TOPIC: &str = "privacy";
/// How many statuses an author hides, each for an audience of its own if there are several.
const STATUSES: u32 = 8;

/// What the second world has besides, all of it hidden from the viewer.
#[derive(Debug, Clone, Copy)]
pub enum Hidden {
    /// Followers of a member near the viewer, by edges for their ends alone.
    Followers,
    /// Edges of members that hide theirs, to many members near the viewer.
    Members,
    /// A member that blocks the viewer, joined to many members near the viewer.
    Blocker,
    /// Members whose processing is restricted, joined to many members near the viewer.
    Restricted,
    /// Statuses of a member two hops away, for its connections alone.
    Statuses,
    /// Statuses of a member beyond two hubs.
    StatusesBehindHubs,
    /// Statuses of a member two hops away, each for an audience of its own.
    StatusesOfAudiences,
}

pub const HIDDEN: [Hidden; 7] = [
    Hidden::Followers,
    Hidden::Members,
    Hidden::Blocker,
    Hidden::Restricted,
    Hidden::Statuses,
    Hidden::StatusesBehindHubs,
    Hidden::StatusesOfAudiences,
];

impl Hidden {
    /// Returns the member whose statuses are asked for.
    pub fn author(self) -> &'static str {
        if matches!(self, Hidden::StatusesBehindHubs) { "behind" } else { "near" }
    }

    pub fn is_of_statuses(self) -> bool {
        matches!(self, Hidden::Statuses | Hidden::StatusesBehindHubs | Hidden::StatusesOfAudiences)
    }
}

pub fn id(member: u32) -> String {
    format!("m{member:05}")
}

/// Returns the id of a status that a world may hide.
pub fn status_id(hidden: Hidden) -> String {
    format!("by-{}-0", hidden.author())
}

/// The same network each time; the viewer is `m00000`, and the member asked about, `m00001`, a connection of it. Beside it are two members
/// who may post: `near` is a friend of `m00001`, and `behind`, where there are hubs with so many friends in all, beyond them.
pub fn visible(hidden: Hidden, count: u32) -> Vec<Record> {
    let mut random = Rng::with_seed(1);
    let mut records: Vec<Record> = (0..MEMBERS).map(|n| Record::Member(member(&id(n)))).collect();
    records.push(Record::Edge(edge(&id(0), "friend", &id(1))));
    for n in 2..MEMBERS {
        for _ in 0..EDGES_EACH {
            let other = random.u32(..n);
            records.push(Record::Edge(edge(&id(other), "colleague", &id(n))));
        }
    }
    records.extend(["near", "behind", "hub0", "hub1"].map(|id| Record::Member(member(id))));
    records.push(Record::Edge(edge(&id(1), "friend", "near")));
    if matches!(hidden, Hidden::StatusesBehindHubs) {
        let ways = [("hub0", id(0)), ("hub0", text("hub1")), ("behind", text("hub1"))];
        records.extend(ways.map(|(one, other)| Record::Edge(edge(one, "friend", &other))));
        records.extend((0..count).flat_map(|n| {
            let (leaf, hub) = (format!("leaf{n:06}"), format!("hub{}", n % 2));
            [Record::Member(member(&leaf)), Record::Edge(edge(&hub, "friend", &leaf))]
        }));
    }
    records
}

/// Returns the statuses of a member, which the viewer does not see.
fn posted(author: &str, audience: impl Fn(u32) -> Audience) -> Vec<Record> {
    let post = |n: u32| {
        let (topics, audience, post_time) = (vec![text(TOPIC)], Some(audience(n)), at(NOW));
        Record::Status(Status { topics, audience, post_time, ..status(&format!("by-{author}-{n}"), author, "Look") })
    };
    (0..STATUSES).map(post).collect()
}

pub fn besides(hidden: Hidden, count: u32) -> Vec<Record> {
    let for_ends = |from: &str, to: &str| {
        Record::Edge(Edge { visibility: Visibility::Parties.into(), ..edge(from, "follows", to) })
    };
    let strangers = (0..count).map(|n| format!("x{n:06}"));
    // Strangers with this privacy, each with an edge to somebody.
    let joined = |privacy: Privacy| {
        let put = |x: &str| Record::Member(Member { privacy: Some(privacy), ..member(x) });
        let edge = |x: &str, n: u32| Record::Edge(edge(x, "follows", &id(1 + n % (MEMBERS - 1))));
        strangers.clone().zip(0..).flat_map(|(x, n)| [put(&x), edge(&x, n)]).collect()
    };
    match hidden {
        Hidden::Statuses | Hidden::StatusesBehindHubs => {
            posted(hidden.author(), |_| Audience { max_hops: 1, ..Default::default() })
        }
        Hidden::StatusesOfAudiences => posted(hidden.author(), |n| {
            // No edge is that strong.
            let min_strength = Some(0.99 + n as f32 / 1_000.0);
            Audience { filter: Some(EdgeFilter { min_strength, ..Default::default() }), max_hops: 3 }
        }),
        Hidden::Followers => {
            let both = |x: String| [Record::Member(member(&x)), for_ends(&x, &id(1))];
            strangers.flat_map(both).collect()
        }
        Hidden::Members => joined(Privacy { edges_visibility: Visibility::Parties.into(), ..Privacy::default() }),
        Hidden::Restricted => joined(Privacy { processing_restricted: true, ..Privacy::default() }),
        Hidden::Blocker => {
            let to = (1..MEMBERS.min(count)).map(|n| Record::Edge(edge("x", "follows", &id(n))));
            let block = Block { member_id: "x".to_owned(), blocked_id: id(0) };
            std::iter::once(Record::Member(member("x"))).chain(to).chain([Record::Block(block)]).collect()
        }
    }
}

pub async fn served(records: &[Record]) -> Kith {
    let kith = Kith::in_memory().await;
    let messages: Vec<ImportRequest> = records
        .chunks(1_000)
        .map(|records| {
            let record = |record: &Record| ImportRecord { record: Some(record.clone()), ..Default::default() };
            ImportRequest {
                records: records.iter().map(record).collect(),
                allow_missing_members: false,
                ..Default::default()
            }
        })
        .collect();
    let imported = kith.data().import(iter(messages)).await.unwrap().into_inner();
    assert_eq!(imported.refused, 0, "{:?}", imported.errors);
    kith
}

/// Returns each RPC that reads for a viewer, asked about what is near what is hidden.
pub fn questions(hidden: Hidden) -> Vec<(&'static str, Ask)> {
    if hidden.is_of_statuses() { about_statuses(hidden) } else { about_edges() }
}

fn about_edges() -> Vec<(&'static str, Ask)> {
    let viewer_id = id(0);
    let as_of = at(NOW);
    let read = Some(ReadOptions { viewer_id: viewer_id.clone(), as_of, ..Default::default() });
    let (near, far) = (id(1), id(MEMBERS - 1));
    vec![
        (
            "GetEdge",
            get_edge(|r| {
                (r.from_id, r.kind, r.to_id) = (near.clone(), "colleague".to_owned(), far.clone());
                (r.as_of, r.viewer_id) = (as_of, viewer_id.clone());
            }),
        ),
        (
            "ListEdges",
            list_edges(|r| {
                let (member_id, viewer_id) = (near.clone(), viewer_id.clone());
                *r = ListEdgesRequest { member_id, page_size: 5, as_of, viewer_id, ..Default::default() };
            }),
        ),
        (
            "CountEdges",
            count_edges(|r| {
                let (member_id, viewer_id) = (near.clone(), viewer_id.clone());
                *r = CountEdgesRequest { member_id, as_of, viewer_id, ..Default::default() };
            }),
        ),
        (
            "GetReach",
            get_reach(|r| {
                let subject = Some(get_reach_request::Subject::MemberId(near.clone()));
                *r = GetReachRequest { subject, max_hops: 2, read: read.clone(), ..Default::default() };
            }),
        ),
        (
            "ListReach",
            list_reach(|r| {
                let subject = Some(list_reach_request::Subject::MemberId(near.clone()));
                *r = ListReachRequest { subject, max_hops: 2, page_size: 5, read: read.clone(), ..Default::default() };
            }),
        ),
        (
            "FindPaths",
            find_paths(|r| {
                let (from_id, to_id) = (near.clone(), far.clone());
                *r = FindPathsRequest { from_id, to_id, max_hops: 4, read: read.clone(), ..Default::default() };
            }),
        ),
        (
            "BatchGetDistances",
            batch_get_distances(|r| {
                let (from_id, to_ids) = (near.clone(), vec![far.clone()]);
                *r =
                    BatchGetDistancesRequest { from_id, to_ids, max_hops: 4, read: read.clone(), ..Default::default() };
            }),
        ),
        (
            "ListMutuals",
            list_mutuals(|r| {
                let (a_id, b_id) = (near.clone(), far.clone());
                *r = ListMutualsRequest { a_id, b_id, page_size: 5, read: read.clone(), ..Default::default() };
            }),
        ),
        (
            "SuggestIntroductions",
            suggest_introductions(|r| {
                let member_id = viewer_id.clone();
                *r = SuggestIntroductionsRequest { member_id, limit: 3, read: read.clone(), ..Default::default() };
            }),
        ),
        (
            "FindIntroducers",
            find_introducers(|r| {
                let (member_id, target_id) = (viewer_id.clone(), far.clone());
                *r = FindIntroducersRequest {
                    member_id,
                    target_id,
                    max_hops: 3,
                    read: read.clone(),
                    ..Default::default()
                };
            }),
        ),
        (
            "DiscoverStatuses",
            discover_statuses(|r| {
                let viewer_id = viewer_id.clone();
                *r = DiscoverStatusesRequest { viewer_id, max_hops: 2, read: read.clone(), ..Default::default() };
            }),
        ),
    ]
    .into_iter()
    .chain(about_members(&id(1)))
    .collect()
}

/// Returns the questions that need no search: they are asked about a member whatever is hidden.
fn about_members(about: &str) -> Vec<(&'static str, Ask)> {
    let viewer_id = id(0);
    vec![
        ("GetMember", get_member(|r| (r.id, r.viewer_id) = (text(about), viewer_id.clone()))),
        (
            "BatchGetMembers",
            batch_get_members(|r| (r.ids, r.viewer_id) = (vec![text(about), id(2)], viewer_id.clone())),
        ),
        ("ListMembers", list_members(|r| (r.page_size, r.viewer_id) = (5, viewer_id))),
    ]
}

fn about_statuses(hidden: Hidden) -> Vec<(&'static str, Ask)> {
    let (status, author) = (status_id(hidden), hidden.author());
    let (viewer_id, as_of) = (id(0), at(NOW));
    let read = Some(ReadOptions { viewer_id: viewer_id.clone(), as_of, ..Default::default() });
    let mut questions = vec![
        ("GetStatus", get_status(|r| (r.id, r.viewer_id) = (status.clone(), viewer_id.clone()))),
        ("ListStatuses", list_statuses(|r| (r.author_id, r.viewer_id) = (text(author), viewer_id.clone()))),
        (
            "ListOutcomes",
            list_outcomes(|r| (r.status_id, r.as_of, r.viewer_id) = (status.clone(), as_of, viewer_id.clone())),
        ),
        (
            "GetReach",
            get_reach(|r| {
                let subject = Some(get_reach_request::Subject::StatusId(status.clone()));
                *r = GetReachRequest { subject, read: read.clone(), ..Default::default() };
            }),
        ),
        (
            "ListReach",
            list_reach(|r| {
                let subject = Some(list_reach_request::Subject::StatusId(status.clone()));
                *r = ListReachRequest { subject, read: read.clone(), ..Default::default() };
            }),
        ),
        (
            "DiscoverStatuses",
            discover_statuses(|r| {
                *r = DiscoverStatusesRequest { viewer_id, max_hops: 2, read: read.clone(), ..Default::default() };
            }),
        ),
        (
            "ListLeaders",
            list_leaders(|r| *r = ListLeadersRequest { topic: text(TOPIC), read: read.clone(), ..Default::default() }),
        ),
        (
            "SuggestIntroductions",
            suggest_introductions(|r| {
                let (member_id, topics) = (id(0), vec![text(TOPIC)]);
                *r = SuggestIntroductionsRequest { member_id, topics, limit: 3, read, ..Default::default() };
            }),
        ),
    ];
    questions.extend(about_members(author));
    questions
}
