//! Lists longer than a chunk: what ends at a budget depends neither on how they came to be, nor on what is hidden in them.

use std::collections::BTreeSet;

use fastrand::Rng;
use kith::domain::{Kind, KindName, Privacy, Sphere, TimeMs, Visibility};
use kith::graph::*;

use crate::world::member_id;

const NOW: TimeMs = TimeMs(0);
const FRIEND: KindIx = KindIx(0);
const FOLLOWS: KindIx = KindIx(1);

/// Two hubs, each with followers and friends of its own and shared ones, a viewer and a root two hops from either; who hides is
/// joined to a hub as well.
struct Hubs {
    members: usize,
    /// The last so many of them may be seen by nobody.
    hidden: usize,
    hiding: Hiding,
    random: u64,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Hiding {
    Member,
    Edge,
    Block,
}

impl Hubs {
    fn id(member: usize) -> String {
        format!("m{member:05}")
    }

    fn edges(&self) -> Vec<(String, KindIx, String)> {
        let mut random = Rng::with_seed(self.random);
        let text = str::to_owned;
        let mut edges = vec![
            (text("viewer"), FRIEND, text("root")),
            (text("hub"), FRIEND, text("root")),
            (text("other hub"), FRIEND, text("viewer")),
        ];
        for member in 0..self.members {
            let hub = text(if random.bool() { "hub" } else { "other hub" });
            edges.push((hub.clone(), FRIEND, Self::id(member)));
            if random.u8(..3) == 0 {
                edges.push((Self::id(member), FOLLOWS, hub));
            }
            if random.u8(..4) == 0 {
                edges.push((Self::id(random.usize(..self.members)), FOLLOWS, Self::id(member)));
            }
        }
        edges.retain(|(from, _, to)| from != to);
        let mut known = BTreeSet::new();
        edges.retain(|edge| known.insert(edge.clone()));
        edges
    }

    /// The graph by some order of its members and edges, with what is hidden or without.
    fn graph(&self, order: &mut Rng, with_hidden: bool) -> Graph {
        let mut graph = Graph::new();
        for (name, symmetric) in [("friend", true), ("follows", false)] {
            let name = KindName::parse("name", name).unwrap();
            graph.add_kind(Kind::new(name, Sphere::Personal, symmetric, 1.0, 86_400_000).unwrap());
        }
        let hidden: Vec<String> = (0..self.hidden).map(|n| format!("hidden{n}")).collect();
        let mut members: Vec<String> = ["viewer", "root", "hub", "other hub"].map(str::to_owned).into();
        members.extend((0..self.members).map(Self::id));
        members.extend(hidden.iter().cloned());
        order.shuffle(&mut members);
        for id in &members {
            graph.add_member(member_id(id));
        }
        let mut edges = self.edges();
        if with_hidden {
            edges.extend(hidden.iter().map(|id| (id.clone(), FOLLOWS, "hub".to_owned())));
            edges.extend(hidden.iter().map(|id| ("other hub".to_owned(), FRIEND, id.clone())));
        }
        order.shuffle(&mut edges);
        let find = |graph: &Graph, id: &str| graph.find(id).unwrap();
        for (from, kind, to) in &edges {
            let (from, to) = (find(&graph, from), find(&graph, to));
            graph.put_edge(from, *kind, to, StrengthInputs::default());
        }
        let viewer = find(&graph, "viewer");
        if with_hidden {
            // A connection's edges are for its connections, and the viewer's own for its ends: it sees them all the same.
            let privacy = Privacy { edges_visibility: Visibility::Connections, ..Privacy::default() };
            graph.set_privacy(find(&graph, "other hub"), privacy);
            graph.set_edge_visibility(viewer, FRIEND, find(&graph, "root"), Visibility::Parties);
        }
        for id in &hidden {
            let ix = find(&graph, id);
            match self.hiding {
                Hiding::Member => {
                    let privacy = Privacy { edges_visibility: Visibility::Parties, ..Privacy::default() };
                    graph.set_privacy(ix, privacy);
                }
                Hiding::Edge => {
                    let halves: Vec<HalfEdge> = graph.half_edges(ix).iter().collect();
                    for half in halves {
                        let (from, to) = if half.leads_out() { (ix, half.neighbor()) } else { (half.neighbor(), ix) };
                        graph.set_edge_visibility(from, half.kind(), to, Visibility::Parties);
                    }
                }
                Hiding::Block => drop(graph.block(ix, viewer)),
            }
        }
        graph
    }

    /// Returns the answers to every question on behalf of the viewer within a budget.
    fn answers(&self, graph: &Graph, edges_max: u64) -> Vec<String> {
        let at = |id: &str| graph.find(id).unwrap();
        let viewer = at("viewer");
        let view = View::unfiltered(graph, NOW).seen_by(Viewer::Member(viewer));
        let everyone: Vec<MemberIx> = (0..self.members).map(|member| at(&Self::id(member))).collect();
        let (root, near, far) = (at("root"), everyone[0], everyone[self.members - 1]);
        let ids = |list: &[(u32, MemberIx)]| {
            list.iter().map(|(hop, ix)| format!("{hop} {}", graph.id(*ix))).collect::<Vec<_>>().join(" ")
        };
        let mut answers = Vec::new();
        let mut note = |answer: &dyn Fn(&mut Budget<'_>) -> String| {
            let mut budget = Budget::new(edges_max, &NeverStop);
            let answer = answer(&mut budget);
            answers.push(format!("{answer} after {}", budget.visited()));
        };
        note(&|budget| format!("{:?}", reach(&view, root, 3, budget)));
        note(&|budget| ids(&reach_list(&view, root, 3, budget).0));
        note(&|budget| ids(&reach_crossing(&view, root, 3, budget).0));
        note(&|budget| format!("{:?}", distances(&view, viewer, &everyone, 3, budget)));
        note(&|budget| format!("{:?}", distance(&view, near, far, 4, budget)));
        for ranking in [Ranking::Hops, Ranking::Strength] {
            let query = PathQuery { k: 3, max_hops: 4, ranking };
            note(&|budget| {
                let found = find_paths(&view, viewer, far, &query, budget);
                let paths = found
                    .paths
                    .iter()
                    .map(|path| path.members.iter().map(|ix| graph.id(*ix).as_str()).collect::<Vec<_>>().join(" "));
                format!("{:?} {} {:?}", paths.collect::<Vec<_>>(), found.shortest_path_count, found.extent)
            });
        }
        note(&|budget| format!("{:?}", mutuals(&view, at("hub"), near, budget).map(|found| found.len())));
        for breadth in [Breadth::ALL, Breadth::STRONGEST] {
            note(&|budget| {
                let exclude = SmallSet::default();
                let query = SuggestQuery { breadth, ..SuggestQuery::exact(&exclude, 10) };
                let found = suggest(&view, viewer, &query, budget);
                let of = |suggestion: &Suggestion| format!("{} {}", graph.id(suggestion.member), suggestion.score);
                format!("{:?} {:?}", found.suggestions.iter().map(of).collect::<Vec<_>>(), found.extent)
            });
        }
        answers
    }
}

#[test]
fn a_budget_ends_where_the_content_says() {
    let seeds = crate::setting("KITH_HUBS").unwrap_or(6);
    for seed in 0..seeds {
        for hiding in [Hiding::Member, Hiding::Edge, Hiding::Block] {
            let mut order = Rng::with_seed(seed);
            let members = [300, 345, 400, 700, 1_500][order.usize(..5)];
            let hubs = Hubs { members, hidden: order.usize(1..4), hiding, random: seed };
            let alone = hubs.graph(&mut order, false);
            let others = [hubs.graph(&mut order, true), hubs.graph(&mut order, true), hubs.graph(&mut order, false)];
            let budgets = (0..40).map(|_| order.u64(1..4 * members as u64)).chain([u64::MAX]);
            for edges_max in budgets.collect::<Vec<_>>() {
                let expected = hubs.answers(&alone, edges_max);
                for other in &others {
                    let answers = hubs.answers(other, edges_max);
                    assert_eq!(answers, expected, "seed {seed}, {hiding:?}, {members} members, {edges_max} edges");
                }
            }
        }
    }
}
