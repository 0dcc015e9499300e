//! What is hidden takes no time: of two worlds that differ in what a viewer may not see, times show it no more than of a world and its
//! own copy.
//!
//! Held to its bar with `KITH_TIMES=1`, on a machine that does nothing else: ten starts of each world, 3,000 calls of each question in all,
//! one after the other. Otherwise a few, to see that it works. `KITH_STARTS` is how many starts.

use std::time::{Duration, Instant};

use fastrand::Rng;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::*;
use tokio_stream::iter;

use super::ask::*;
use super::harness::{Kith, bars_hold, edge, member};

const NOW: i64 = 1_700_000_000;
const MEMBERS: u32 = 2_000;
const EDGES_EACH: u32 = 8;
/// How much more of the time one may guess right which of two worlds an answer is of.
const GUESSED_MORE_MAX: f64 = 0.05;
/// A leak that has to be noticed.
const LEAK: Duration = Duration::from_micros(10);

/// What the second world has besides, all of it hidden from the viewer.
#[derive(Debug, Clone, Copy)]
enum Hidden {
    /// Followers of a member near the viewer, by edges for their ends alone.
    Followers,
    /// Edges of members that hide theirs, to many members near the viewer.
    Members,
    /// A member that blocks the viewer, joined to many members near the viewer.
    Blocker,
    /// Members whose processing is restricted, joined to many members near the viewer.
    Restricted,
}

const HIDDEN: [Hidden; 4] = [Hidden::Followers, Hidden::Members, Hidden::Blocker, Hidden::Restricted];

fn id(member: u32) -> String {
    format!("m{member:05}")
}

/// The same network each time; the viewer is `m00000`, and the member asked about, `m00001`, a connection of it.
fn visible() -> Vec<Record> {
    let mut random = Rng::with_seed(1);
    let mut records: Vec<Record> = (0..MEMBERS).map(|n| Record::Member(member(&id(n)))).collect();
    records.push(Record::Edge(edge(&id(0), "friend", &id(1))));
    for n in 2..MEMBERS {
        for _ in 0..EDGES_EACH {
            let other = random.u32(..n);
            records.push(Record::Edge(edge(&id(other), "colleague", &id(n))));
        }
    }
    records
}

fn besides(hidden: Hidden, count: u32) -> Vec<Record> {
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

async fn served(records: &[Record]) -> Kith {
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

/// Each RPC that walks the graph for a viewer, asked about those near what is hidden.
fn questions() -> Vec<(&'static str, Ask)> {
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
}

/// The odds that a time of the one is less than one of the other (the area under the ROC curve): ½ if they are alike.
fn odds(one: &[Duration], other: &[Duration]) -> f64 {
    let mut all: Vec<(Duration, bool)> = one.iter().map(|time| (*time, true)).collect();
    all.extend(other.iter().map(|time| (*time, false)));
    all.sort_unstable();
    let (mut before, mut won) = (0.0, 0.0);
    for equal in all.chunk_by(|a, b| a.0 == b.0) {
        let of_one = equal.iter().filter(|(_, is_one)| *is_one).count() as f64;
        won += (equal.len() as f64 - of_one) * (before + of_one / 2.0);
        before += of_one;
    }
    won / (one.len() * other.len()) as f64
}

/// By how much more than by chance two can be told apart, whichever is the slower one.
fn guessed_apart(one: &[Duration], other: &[Duration]) -> f64 {
    (odds(one, other) - 0.5).abs()
}

/// Times of a question in a world, in its copy, and in the one that hides more.
type Times = [Vec<Duration>; 3];

async fn measure(hidden: Hidden, starts: usize, calls: usize, count: u32) -> Vec<(&'static str, Times)> {
    let questions = questions();
    let mut times: Vec<(&'static str, Times)> = questions.iter().map(|(name, _)| (*name, Times::default())).collect();
    let (visible, besides) = (visible(), besides(hidden, count));
    let hiding: Vec<Record> = visible.iter().cloned().chain(besides).collect();
    for start in 0..starts {
        let worlds = [served(&visible).await, served(&visible).await, served(&hiding).await];
        let mut random = Rng::with_seed(start as u64);
        for call in 0..calls + 5 {
            for ((_, ask), (_, times)) in questions.iter().zip(&mut times) {
                let mut order = [0, 1, 2];
                random.shuffle(&mut order);
                for world in order {
                    let channel = worlds[world].channel.clone();
                    let begun = Instant::now();
                    let answer = ask.clone().answer(channel).await;
                    let took = begun.elapsed();
                    assert!(answer.is_ok_and(|answer| !answer.is_empty()) || matches!(ask, Ask::GetEdge(_)));
                    // The first calls find nothing in the processor's cache.
                    if call >= 5 {
                        times[world].push(took);
                    }
                }
            }
        }
        for world in worlds {
            world.stop().await.unwrap();
        }
    }
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_hidden_takes_no_time() {
    let held = bars_hold();
    let starts = std::env::var("KITH_STARTS").ok().and_then(|starts| starts.parse().ok());
    let starts = starts.unwrap_or(if held { 10 } else { 1 });
    let (calls, count) = if held { (3_000usize.div_ceil(starts), 100_000) } else { (3, 300) };
    let mut failures = Vec::new();
    for hidden in HIDDEN {
        for (name, [one, copy, hiding]) in measure(hidden, starts, calls, count).await {
            let leaking: Vec<Duration> = copy.iter().map(|time| *time + LEAK).collect();
            let alike = guessed_apart(&one, &copy);
            let (differs, leaks) = (guessed_apart(&one, &hiding), guessed_apart(&one, &leaking));
            println!("{hidden:?} {name}: copy {alike:.3}, hiding {differs:.3}, leaking 10 µs {leaks:.3}");
            if differs > alike + GUESSED_MORE_MAX {
                failures.push(format!("{name} gives away {hidden:?}: {differs:.3} against {alike:.3}"));
            }
            if leaks <= alike + GUESSED_MORE_MAX {
                failures
                    .push(format!("{name}, {hidden:?}: a leak of 10 µs is not noticed: {leaks:.3} against {alike:.3}"));
            }
        }
    }
    assert!(!held || failures.is_empty(), "{failures:#?}");
}

#[test]
fn odds_are_those_of_a_lesser_time() {
    let us = |times: &[u64]| times.iter().map(|us| Duration::from_micros(*us)).collect::<Vec<_>>();
    assert_eq!(odds(&us(&[1, 2]), &us(&[3, 4])), 1.0);
    assert_eq!(odds(&us(&[3, 4]), &us(&[1, 2])), 0.0);
    assert_eq!(odds(&us(&[1, 1]), &us(&[1])), 0.5);
    assert_eq!(odds(&us(&[1, 3]), &us(&[2, 4])), 0.75);
}
