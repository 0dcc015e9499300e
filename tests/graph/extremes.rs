//! Shapes that break careless traversals: no answer takes more than the edges it may visit. What the largest take of time is
//! printed, by the edge visited (`--nocapture`).

use std::time::Instant;

use kith::domain::{Kind, KindName, Sphere, Strength, TimeMs};
use kith::graph::*;

use crate::limits::signals_are_heeded;
use crate::oracle::Oracle;
use crate::world::member_id;

const NOW: TimeMs = TimeMs(0);
const FRIEND: KindIx = KindIx(0);

/// Members `0000000`, `0000001`, … joined by pairs, and the oracle's ids of them: without its matrices.
fn graph_of(members: usize, pairs: impl Iterator<Item = (usize, usize)>) -> (Graph, Vec<MemberIx>) {
    graph_with_inputs(members, pairs.map(|(a, b)| (a, b, StrengthInputs::default())))
}

fn graph_with_inputs(
    members: usize,
    edges: impl Iterator<Item = (usize, usize, StrengthInputs)>,
) -> (Graph, Vec<MemberIx>) {
    let mut builder = GraphBuilder::default();
    let name = KindName::parse("name", "friend").unwrap();
    builder.kind(FRIEND, Kind::new(name, Sphere::Personal, true, 1.0, 86_400_000).unwrap());
    let slots: Vec<_> = (0..members).map(|i| builder.member(member_id(&id(i)))).collect();
    for (a, b, inputs) in edges {
        builder.edge(slots[a], FRIEND, slots[b], inputs);
    }
    (builder.build(), slots)
}

fn id(member: usize) -> String {
    format!("{member:07}")
}

/// Asks, and prints what it took.
fn counted<T>(what: &str, budget: &mut Budget<'_>, ask: impl FnOnce(&mut Budget<'_>) -> T) -> T {
    let (before, begun) = (budget.visited(), Instant::now());
    let answer = ask(budget);
    let (took, visited) = (begun.elapsed(), budget.visited() - before);
    println!("{what}: {took:?}, {visited} edges, {:.1} ns each", took.as_nanos() as f64 / visited.max(1) as f64);
    answer
}

fn best(k: usize, max_hops: u32, ranking: Ranking) -> PathQuery {
    PathQuery { k, max_hops, ranking }
}

#[test]
fn a_path_of_1_000_000_members() {
    let n = 1_000_000;
    let (graph, at) = graph_of(n, (1..n).map(|i| (i - 1, i)));
    let view = View::unfiltered(&graph, NOW);
    // As many hops as there are, in one answer: nothing recurses.
    let mut budget = Budget::unlimited();
    let answer = counted("path of 10⁶: reach of all", &mut budget, |budget| reach(&view, at[0], n as u32, budget));
    assert_eq!(answer.hops.len(), n - 1);
    assert!(answer.hops.iter().all(|hop| hop.members == 1));
    // Once in all, and once for its only sphere.
    assert!(budget.visited() <= 4 * n as u64);
    let mut budget = Budget::unlimited();
    let hops = counted("path of 10⁶: distance of its ends", &mut budget, |budget| {
        distance(&view, at[0], at[n - 1], u32::MAX, budget)
    });
    assert_eq!(hops, Ok(Some(n as u32 - 1)));
    assert!(budget.visited() <= 2 * n as u64);
    let found = find_paths(&view, at[10], at[16], &best(50, 6, Ranking::Strength), &mut Budget::unlimited());
    assert_eq!(found.paths.iter().map(|path| path.members.clone()).collect::<Vec<_>>(), [at[10..=16].to_vec()]);
    assert_eq!(found.shortest_path_count, 1);
    let mut budget = Budget::new(1_000, &NeverStop);
    let (list, extent) = reach_list(&view, at[n / 2], n as u32, &mut budget);
    assert_eq!(extent, Extent { limit: Some(Limit::EdgesVisited), exact_through_hop: 250 });
    assert_eq!(list.len(), 500);
}

#[test]
fn a_clique_of_200_at_3_hops() {
    let n = 200u64;
    let (graph, at) = graph_of(200, (0..200).flat_map(|a| (0..a).map(move |b| (b, a))));
    let view = View::unfiltered(&graph, NOW);
    let mut budget = Budget::unlimited();
    let answer = counted("clique of 200: reach", &mut budget, |budget| reach(&view, at[7], 3, budget));
    assert_eq!(answer.hops.len(), 1);
    assert_eq!(answer.hops[0].members, 199);
    assert!(budget.visited() <= 2 * n * n);
    for ranking in [Ranking::Hops, Ranking::Strength] {
        let mut budget = Budget::new(20 * n * n, &NeverStop);
        let what = format!("clique of 200: 50 paths by {ranking:?}");
        let found =
            counted(&what, &mut budget, |budget| find_paths(&view, at[7], at[3], &best(50, 3, ranking), budget));
        assert!(found.optimal);
        assert_eq!((found.shortest_path_count, found.paths.len()), (1, 50));
        // Straight, then through each of the others by id.
        assert_eq!(found.paths[0].members, [at[7], at[3]]);
        let others = (0..200).filter(|i| ![3, 7].contains(i)).map(|i| at[i]);
        assert_eq!(
            found.paths[1..].iter().map(|p| p.members[1]).collect::<Vec<_>>(),
            others.take(49).collect::<Vec<_>>()
        );
        assert!(found.paths[1..].iter().all(|path| path.hops() == 2));
    }
    let mut budget = Budget::new(20 * n * n, &NeverStop);
    let (found, extent) = introducers(&view, at[7], at[3], 3, &|_| 0.5, &mut budget);
    assert_eq!((found.len(), extent), (198, Extent::complete(3)));
    let oracle = Oracle::of((0..200).map(id).collect(), vec![]);
    signals_are_heeded(&oracle, &graph, &view);
}

#[test]
fn a_hub_of_100_000_edges() {
    let n = 100_001;
    // Two hubs with the same friends: every two of these are joined by two paths of two hops.
    let (graph, at) = graph_of(n + 1, (1..n).map(|i| (0, i)).chain((1..n).step_by(100).map(|i| (n, i))));
    let view = View::unfiltered(&graph, NOW);
    let edges = graph.edges();
    let mut budget = Budget::unlimited();
    assert_eq!(distance(&view, at[5], at[9], 6, &mut budget), Ok(Some(2)));
    assert!(budget.visited() <= edges + 4, "the hub is opened once at most");
    let mut budget = Budget::unlimited();
    let answer = reach(&view, at[1], 3, &mut budget);
    assert_eq!(answer.hops.iter().map(|hop| hop.members).collect::<Vec<_>>(), [2, n as u32 - 2]);
    assert!(budget.visited() <= 4 * edges + 8);
    let through_the_hubs = [[at[1], at[0], at[101]], [at[1], at[n], at[101]]];
    for ranking in [Ranking::Hops, Ranking::Strength] {
        // Two paths are soon known to be the best, of fifty at least the shortest are: whatever the budget, it is kept.
        for (k, edges_max) in [(2, 20 * edges), (50, 10 * edges)] {
            let mut budget = Budget::new(edges_max, &NeverStop);
            let found = find_paths(&view, at[1], at[101], &best(k, 6, ranking), &mut budget);
            assert!(budget.visited() <= edges_max);
            assert_eq!(found.optimal, k == 2, "{:?} after {} visits", found.extent, budget.visited());
            assert_eq!(found.shortest_path_count, 2);
            let paths: Vec<_> = found.paths.iter().map(|path| path.members.clone()).collect();
            assert_eq!(paths, through_the_hubs);
        }
    }
    // A budget that does not open a hub: the answer says so, and nothing in it is wrong.
    let mut budget = Budget::new(1_000, &NeverStop);
    let found = find_paths(&view, at[1], at[101], &best(50, 6, Ranking::Hops), &mut budget);
    assert!(!found.optimal && found.extent.limit == Some(Limit::EdgesVisited));
    assert!(found.strength_bound.is_some() && budget.visited() <= 1_000);
    let (list, extent) = reach_list(&view, at[1], 3, &mut Budget::new(1_000, &NeverStop));
    assert_eq!((list.len(), extent.exact_through_hop), (2, 1));
}

#[test]
fn a_hub_of_1_000_000_edges() {
    let n = 1_000_001;
    let (mut graph, at) = graph_of(n, (1..n).map(|i| (0, i)));
    let view = View::unfiltered(&graph, NOW);
    let edges = graph.edges();
    let mut budget = Budget::unlimited();
    let hops = counted("hub of 10⁶: distance", &mut budget, |budget| distance(&view, at[5], at[9], 6, budget));
    assert_eq!(hops, Ok(Some(2)));
    assert!(budget.visited() <= edges + 2, "the hub is opened once");
    let mut budget = Budget::unlimited();
    let targets: Vec<_> = (1..=100).map(|i| at[i * 7]).collect();
    let (hops, _) =
        counted("hub of 10⁶: 100 distances", &mut budget, |budget| distances(&view, at[5], &targets, 6, budget));
    assert!(hops.iter().all(|hops| *hops == Some(2)));
    assert!(budget.visited() <= edges + 200, "the hub is opened once for all of them");
    let mut budget = Budget::new(2 * edges + 8, &NeverStop);
    let found = counted("hub of 10⁶: shortest path", &mut budget, |budget| {
        find_paths(&view, at[1], at[2], &best(1, 6, Ranking::Hops), budget)
    });
    assert_eq!((found.optimal, found.shortest_path_count), (true, 1));
    let mut budget = Budget::unlimited();
    let within = counted("hub of 10⁶: members within 2", &mut budget, |budget| {
        members_within(&view, at[1], Direction::Backward, 2, budget)
    });
    assert_eq!(within.0.at_hop(2).len(), n - 2);
    assert!(budget.visited() <= edges + 1);
    let exclude = SmallSet::default();
    let query = SuggestQuery { max_steps: 2, ..SuggestQuery::exact(&exclude, 3) };
    let mut budget = Budget::unlimited();
    let suggested = counted("hub of 10⁶: suggestions", &mut budget, |budget| suggest(&view, at[9], &query, budget));
    let suggested = suggested.suggestions;
    assert_eq!(suggested.iter().map(|s| s.member).collect::<Vec<_>>(), at[1..=3].to_vec());
    assert!(budget.visited() <= edges + 8);
    // A write beside a reader that holds on to what there was.
    let before = graph.clone();
    assert!(graph.remove_edge(at[0], FRIEND, at[500_000]).is_some());
    assert_eq!((graph.half_edges(at[0]).len(), before.half_edges(at[0]).len()), (n - 2, n - 1));
    assert!(
        graph.strength_inputs(at[500_000], FRIEND, at[0]).is_none()
            && before.strength_inputs(at[500_000], FRIEND, at[0]).is_some()
    );
}

#[test]
fn a_hub_at_the_end_is_not_opened_for_a_path_that_nothing_can_beat() {
    let sure = StrengthInputs { pinned: Strength::parse("strength", 1.0).ok(), ..StrengthInputs::default() };
    let short = [(0, 1), (0, 2), (1, 3), (2, 3)].map(|(a, b)| (a, b, sure));
    let (graph, at) =
        graph_with_inputs(1_000, short.into_iter().chain((4..1_000).map(|i| (3, i, StrengthInputs::default()))));
    let view = View::unfiltered(&graph, NOW);
    let found = find_paths(&view, at[0], at[3], &best(1, 6, Ranking::Strength), &mut Budget::new(100, &NeverStop));
    assert_eq!((found.optimal, found.shortest_path_count, found.paths[0].hops()), (true, 2, 2));
}

#[test]
fn a_star_of_stars() {
    // One in the middle, 1,000 around it, and 999 around each of those.
    let (stars, leaves) = (1_000, 999);
    let pairs = (0..stars).flat_map(|star| {
        let center = 1 + star * (leaves + 1);
        std::iter::once((0, center)).chain((1..=leaves).map(move |leaf| (center, center + leaf)))
    });
    let (graph, at) = graph_of(1 + stars * (leaves + 1), pairs);
    let view = View::unfiltered(&graph, NOW);
    let (one, other) = (at[2], at[2 + 7 * (leaves + 1)]);
    let mut budget = Budget::unlimited();
    let hops = counted("star of stars: distance", &mut budget, |budget| distance(&view, one, other, 6, budget));
    assert_eq!(hops, Ok(Some(4)));
    assert!(budget.visited() <= 4 * 1_000 + 8, "no star but theirs is opened");
    let mut budget = Budget::unlimited();
    let found = counted("star of stars: shortest path", &mut budget, |budget| {
        find_paths(&view, one, other, &best(1, 6, Ranking::Hops), budget)
    });
    assert_eq!((found.shortest_path_count, found.paths[0].hops()), (1, 4));
    assert!(budget.visited() <= 10 * 1_000, "{}", budget.visited());
    let mut budget = Budget::unlimited();
    let answer = counted("star of stars: reach", &mut budget, |budget| reach(&view, one, 4, budget));
    let hops: Vec<u32> = answer.hops.iter().map(|hop| hop.members).collect();
    assert_eq!(hops, [1, 999, 999, 999 * 999]);
    assert!(budget.visited() <= graph.edges() + 2_000, "the leaves of the last hop are not opened");
}

#[test]
fn hubs_are_left_out_of_the_strongest_walks_but_for_who_knows_nobody_else() {
    // 0 knows 1 with ten friends, and the hub 2, who has 40,000; 3 knows the hub alone.
    let (few, hub) = (10..20, 20..40_020);
    let pairs = [(0, 1), (0, 2), (3, 2)].into_iter().chain(few.map(|i| (1, i))).chain(hub.map(|i| (2, i)));
    let (graph, at) = graph_of(40_020, pairs);
    let view = View::unfiltered(&graph, NOW);
    let exclude = SmallSet::default();
    let breadth = Breadth { third_edges_max: 0, ..Breadth::STRONGEST };
    let query = SuggestQuery { breadth, max_steps: 2, ..SuggestQuery::exact(&exclude, 30) };
    let mut budget = Budget::unlimited();
    let found = suggest(&view, at[0], &query, &mut budget).suggestions;
    let members: Vec<_> = found.iter().map(|suggestion| suggestion.member).collect();
    assert_eq!(members, (10..20).map(|i| at[i]).collect::<Vec<_>>());
    assert!(budget.visited() < 1_000, "{} edges, the hub's are not among them", budget.visited());
    let found = suggest(&view, at[3], &query, &mut Budget::unlimited()).suggestions;
    assert_eq!(found.len(), 30, "who knows a hub alone walks through it");
}
