//! Who may see what, by definition: the edges that are left of a world for somebody's eyes.

use std::collections::BTreeSet;

use fastrand::Rng;
use kith::domain::{Error, Finding, Inspector, Privacy, Visibility};
use kith::graph::*;

use crate::agree::readiness;
use crate::agree_suggest::ask_suggestions;
use crate::case::{Names, Questions};
use crate::world::{World, WorldEdge};

/// On whose behalf, or for what, a graph is looked at.
#[derive(Debug, Clone)]
pub enum Eyes {
    All,
    Stranger,
    Member(String),
    /// For introductions of a member, as the viewer itself or as the service.
    Introductions(String, bool),
    /// For who would introduce one to another.
    Introducing(String, String),
}

impl Eyes {
    pub fn random(world: &World, rng: &mut Rng) -> Eyes {
        let mut any = || world.any_member(rng);
        let (one, other) = (any(), any());
        match rng.u8(..6) {
            0 => Eyes::All,
            1 => Eyes::Stranger,
            2 | 3 => Eyes::Member(one),
            4 => Eyes::Introductions(one, rng.bool()),
            _ => Eyes::Introducing(one, other),
        }
    }

    pub fn put_on<'g>(&self, view: View<'g>) -> View<'g> {
        let graph = view.graph();
        let ix = |id: &String| graph.find(id).unwrap();
        match self {
            Eyes::All => view.seen_by(Viewer::Service),
            Eyes::Stranger => view.seen_by(Viewer::Stranger),
            Eyes::Member(viewer) => view.seen_by(Viewer::Member(ix(viewer))),
            Eyes::Introductions(member, false) => view.for_introductions_of(ix(member)),
            Eyes::Introductions(member, true) => {
                view.seen_by(Viewer::Member(ix(member))).for_introductions_of(ix(member))
            }
            Eyes::Introducing(from, to) => view.introducing(ix(from), ix(to)),
        }
    }

    /// The world with the edges that are left. Nothing in it is hidden any more; what suggestions ask of members stays.
    pub fn smaller(&self, world: &World) -> World {
        let mut smaller = world.without_restricted();
        let world = smaller.clone();
        smaller.edges.retain(|edge| self.see(&world, edge));
        for edge in &mut smaller.edges {
            edge.visibility = Visibility::Everyone;
        }
        for privacy in smaller.privacy.values_mut() {
            privacy.edges_visibility = Visibility::Everyone;
        }
        smaller
    }

    fn see(&self, world: &World, edge: &WorldEdge) -> bool {
        let ends = [&edge.from, &edge.to];
        let apart = |a: &String, b: &String| {
            world.blocks.contains(&(a.clone(), b.clone())) || world.blocks.contains(&(b.clone(), a.clone()))
        };
        let parted_from = |member: &String| ends.iter().any(|end| apart(end, member));
        match self {
            Eyes::All => true,
            Eyes::Stranger => shown(world, edge, None),
            Eyes::Member(viewer) => !parted_from(viewer) && shown(world, edge, Some(viewer)),
            Eyes::Introductions(member, as_viewer) => {
                !parted_from(member) && !apart(&edge.from, &edge.to) && (!as_viewer || shown(world, edge, Some(member)))
            }
            Eyes::Introducing(from, to) => {
                let would_not = |privacy: &Privacy| privacy.declines_introducing || privacy.objects_to_profiling;
                let declines = |end: &String| world.privacy.get(end).is_some_and(would_not);
                !parted_from(to) && !ends.iter().any(|end| *end != from && *end != to && declines(end))
            }
        }
    }
}

/// Whether the strictest of the edge's own visibility and its ends' admits the viewer.
fn shown(world: &World, edge: &WorldEdge, viewer: Option<&String>) -> bool {
    if viewer.is_some_and(|viewer| [&edge.from, &edge.to].contains(&viewer)) {
        return true;
    }
    let joined = |end: &String| {
        world.edges.iter().any(|other| {
            let ends = [Some(&other.from), Some(&other.to)];
            world.kinds[other.kind].symmetric && ends.contains(&Some(end)) && ends.contains(&viewer)
        })
    };
    let of = |end: &String| world.privacy.get(end).copied().unwrap_or_default().edges_visibility;
    let admits = |visibility: Visibility, connected: bool| match visibility {
        Visibility::Everyone => true,
        Visibility::Connections => connected,
        Visibility::Parties => false,
    };
    let (from, to) = (joined(&edge.from), joined(&edge.to));
    admits(of(&edge.from), from) && admits(of(&edge.to), to) && admits(edge.visibility, from || to)
}

impl World {
    /// Some members hide their edges, some edges themselves, some members block each other.
    pub fn add_privacy(&mut self, rng: &mut Rng) {
        let some = |rng: &mut Rng| Visibility::ALL[rng.usize(..3)];
        for id in &self.members {
            if rng.u8(..3) == 0 {
                let privacy = Privacy {
                    edges_visibility: some(rng),
                    hidden_from_suggestions: rng.u8(..4) == 0,
                    declines_introducing: rng.u8(..3) == 0,
                    processing_restricted: rng.u8(..5) == 0,
                    objects_to_profiling: rng.u8(..5) == 0,
                };
                self.privacy.insert(id.clone(), privacy);
            }
        }
        for edge in &mut self.edges {
            if rng.u8(..5) == 0 {
                edge.visibility = some(rng);
            }
        }
        for _ in 0..rng.usize(..=self.members.len() / 2) {
            let (by, of) = (self.any_member(rng), self.any_member(rng));
            if by != of {
                self.blocks.insert((by, of));
            }
        }
    }

    pub fn put_members_privacy(&self, graph: &mut Graph) {
        let privacies: Vec<_> = self.privacy.iter().map(|(id, privacy)| (graph.find(id).unwrap(), *privacy)).collect();
        privacies.into_iter().for_each(|(ix, privacy)| graph.set_privacy(ix, privacy));
    }

    /// The world in which those whose processing is restricted have neither edges nor blocks, and are like anybody else.
    fn without_restricted(&self) -> World {
        let mut left = self.clone();
        let is_restricted = |id: &String| self.privacy.get(id).is_some_and(|privacy| privacy.processing_restricted);
        left.edges.retain(|edge| !is_restricted(&edge.from) && !is_restricted(&edge.to));
        left.blocks.retain(|(by, of)| !is_restricted(by) && !is_restricted(of));
        left.privacy.values_mut().for_each(|privacy| privacy.processing_restricted = false);
        left
    }

    /// Of edges, and blocks.
    pub fn put_other_privacy(&self, graph: &mut Graph) {
        for edge in &self.edges {
            let (from, to) = (graph.find(&edge.from).unwrap(), graph.find(&edge.to).unwrap());
            graph.set_edge_visibility(from, KindIx(self.kinds[edge.kind].slot), to, edge.visibility);
        }
        for (by, of) in &self.blocks {
            let (by, of) = (graph.find(by).unwrap(), graph.find(of).unwrap());
            assert!(graph.block(by, of) && !graph.block(by, of));
        }
    }
}

/// The graph holds the world's privacy, and forgets what is taken back.
pub fn privacy_is(world: &World, graph: &Graph) {
    let id = |ix| graph.id(ix).as_str().to_owned();
    for ix in graph.iter_members() {
        assert_eq!(graph.privacy(ix), world.privacy.get(&id(ix)).copied().unwrap_or_default());
        for other in graph.iter_members() {
            let blocks = |by, of| world.blocks.contains(&(id(by), id(of)));
            assert_eq!(graph.blocks(ix, other), blocks(ix, other));
            let is_shown = !graph.is_withheld(ix) && !graph.is_withheld(other);
            assert_eq!(graph.are_apart(ix, other), is_shown && (blocks(ix, other) || blocks(other, ix)));
        }
    }
    for edge in &world.edges {
        let (from, to) = (graph.find(&edge.from).unwrap(), graph.find(&edge.to).unwrap());
        assert_eq!(graph.edge_visibility(from, KindIx(world.kinds[edge.kind].slot), to), edge.visibility);
    }
    let all: BTreeSet<(String, String)> = graph.all_blocks().map(|(by, of)| (id(by), id(of))).collect();
    assert_eq!(all, world.blocks);
    let mut bare = graph.clone();
    for (by, of) in graph.all_blocks() {
        assert!(bare.unblock(by, of) && !bare.unblock(by, of));
    }
    assert_eq!(bare.block_count(), 0);
    agrees_with_itself(graph);
    // Whoever hid something shows it again.
    for ix in graph.iter_members() {
        bare.set_privacy(ix, Privacy::default());
        agrees_with_itself(&bare);
    }
    for edge in &world.edges {
        let (from, to) = (graph.find(&edge.from).unwrap(), graph.find(&edge.to).unwrap());
        let kind = KindIx(world.kinds[edge.kind].slot);
        bare.set_edge_visibility(from, kind, to, Visibility::Everyone);
        bare.remove_edge(from, kind, to);
    }
    agrees_with_itself(&bare);
}

/// Whatever a graph keeps twice agrees, where half-edges stand by their readers too.
fn agrees_with_itself(graph: &Graph) {
    struct NoFinding;
    impl Inspector for NoFinding {
        fn found(&mut self, finding: Finding) -> Result<(), Error> {
            panic!("{finding}")
        }

        fn checked(&mut self) -> Result<(), Error> {
            Ok(())
        }
    }
    graph.inspect(&mut NoFinding).unwrap();
}

/// A text with the members' ids in place of their indices, which no two graphs need have in common.
fn named(text: &str, graph: &Graph) -> String {
    let mut pieces = text.split("MemberIx(");
    let mut named = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (ix, rest) = piece.split_once(')').unwrap();
        named += graph.id(MemberIx(ix.parse().unwrap())).as_str();
        named += rest;
    }
    named
}

/// Every query's answer, each with what it visited; members by their ids.
pub fn ask_everything(view: &View<'_>, names: &Names<'_>, ask: &Questions, edges_max: u64) -> Vec<String> {
    let (a, b, hops) = (names.ix(ask.a), names.ix(ask.b), ask.max_hops);
    let everyone: Vec<MemberIx> = (0..names.oracle.size()).map(|member| names.ix(member)).collect();
    let ready = |ix| readiness(names.at(ix));
    let paths = |ranking, budget: &mut Budget<'_>| {
        find_paths(view, a, b, &PathQuery { k: ask.k, max_hops: hops, ranking }, budget)
    };
    let mut answers = Vec::new();
    let mut note = |answer: &dyn Fn(&mut Budget<'_>) -> String| {
        let mut budget = Budget::new(edges_max, &NeverStop);
        let answer = answer(&mut budget);
        answers.push(named(&format!("{answer} after {} edges", budget.visited()), view.graph()));
    };
    note(&|budget| format!("{:?}", reach(view, a, hops, budget)));
    note(&|budget| format!("{:?}", reach_list(view, a, hops, budget)));
    note(&|budget| {
        let (within, extent) = members_within(view, a, Direction::Forward, hops, budget);
        let mut within: Vec<_> = within.iter().map(|(ix, hop)| (hop, names.at(ix))).collect();
        within.sort_unstable();
        format!("{within:?} {extent:?}")
    });
    note(&|budget| format!("{:?}", distance(view, a, b, hops, budget)));
    note(&|budget| format!("{:?}", distances(view, a, &everyone, hops, budget)));
    note(&|budget| format!("{:?}", paths(Ranking::Hops, budget)));
    note(&|budget| format!("{:?}", paths(Ranking::Strength, budget)));
    note(&|budget| format!("{:?}", mutuals(view, a, b, budget)));
    if a != b {
        note(&|budget| format!("{:?}", introducers(view, a, b, hops, &ready, budget)));
    }
    for steps in [2, 3] {
        note(&|budget| format!("{:?}", ask_suggestions(view, names, ask, (ask.limit, steps), budget)));
    }
    answers
}
