//! Random worlds: who there is and how they are joined, in plain lists, and the graphs built of them.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use kith::domain::{EdgeFilter, Kind, KindName, MemberId, Privacy, Sphere, Strength, TimeMs, Visibility};
use kith::graph::{Graph, GraphBuilder, KindIx, MemberIx, StrengthInputs};

pub const DAY_S: u32 = 86_400;

#[derive(Debug, Clone)]
pub struct WorldKind {
    pub name: String,
    pub sphere: Sphere,
    pub symmetric: bool,
    pub prior: f64,
    pub half_life_ms: u64,
    /// Its slot in a graph's table of kinds; kinds are listed by it.
    pub slot: u8,
}

#[derive(Debug, Clone)]
pub struct WorldEdge {
    pub from: String,
    /// Which of the kinds.
    pub kind: usize,
    pub to: String,
    pub pinned: Option<f32>,
    /// `(count, seconds since 1970)`.
    pub interactions: Vec<(u32, u32)>,
    pub visibility: Visibility,
}

impl WorldEdge {
    /// The interactions summed up as they are stored: faded to the latest of them.
    pub fn faded(&self, kind: &WorldKind) -> (f32, u32) {
        let last_s = self.interactions.iter().map(|i| i.1).max().unwrap_or(0);
        let half_lives = |time_s: u32| f64::from(last_s - time_s) * 1_000.0 / kind.half_life_ms as f64;
        let sum: f64 = self.interactions.iter().map(|i| f64::from(i.0) * 0.5f64.powf(half_lives(i.1))).sum();
        (sum as f32, last_s)
    }

    fn inputs(&self, kind: &WorldKind) -> StrengthInputs {
        let (faded, last_s) = self.faded(kind);
        let pinned = self.pinned.map(|strength| Strength::parse("pinned", strength).unwrap());
        StrengthInputs { pinned, faded: if pinned.is_some() { 0.0 } else { faded }, last_s }
    }
}

#[derive(Debug, Clone, Default)]
pub struct World {
    pub kinds: Vec<WorldKind>,
    pub members: Vec<String>,
    pub edges: Vec<WorldEdge>,
    pub privacy: BTreeMap<String, Privacy>,
    /// The blocks as (by, of).
    pub blocks: BTreeSet<(String, String)>,
}

/// Which edges are walked. Names stand for themselves, so that the oracle needs no graph to read it.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub kinds: Vec<String>,
    pub spheres: Vec<Sphere>,
    pub min_strength: Option<f32>,
    pub exclude: Vec<String>,
}

impl Filter {
    pub fn to_domain(&self) -> EdgeFilter {
        let kinds = self.kinds.iter().map(|name| KindName::parse("kinds", name).unwrap()).collect();
        let exclude = self.exclude.iter().map(|id| member_id(id)).collect();
        let min_strength = self.min_strength.map(|least| Strength::parse("min_strength", least).unwrap());
        EdgeFilter::new(kinds, self.spheres.clone(), min_strength, exclude).unwrap()
    }
}

pub fn member_id(id: &str) -> MemberId {
    MemberId::parse("id", id).unwrap()
}

/// How strengths are dealt out.
#[derive(Clone, Copy)]
enum Strengths {
    /// By kind alone: many equal chains.
    Prior,
    /// Pinned to one of a few: many equal chains, also of different lengths.
    Few,
    /// Pinned, histories, and the least there are, mixed.
    Wild,
}

impl World {
    pub fn random(rng: &mut Rng) -> World {
        let mut world = World { kinds: random_kinds(rng), ..World::default() };
        let many = rng.u8(..40) == 0;
        let count = if many { rng.usize(30..=60) } else { rng.usize(1..=14) };
        while world.members.len() < count {
            let id = random_id(rng);
            if !world.members.contains(&id) {
                world.members.push(id);
            }
        }
        let strengths = *rng.choice([Strengths::Prior, Strengths::Few, Strengths::Wild].iter()).unwrap();
        for (a, b) in random_pairs(count, many, rng) {
            for _ in 0..*rng.choice([1, 1, 1, 2, 3].iter()).unwrap() {
                let (a, b) = if rng.bool() { (a, b) } else { (b, a) };
                world.add_random_edge(a, b, strengths, rng);
            }
        }
        rng.shuffle(&mut world.edges);
        if rng.u8(..3) > 0 {
            world.add_privacy(rng);
        }
        world
    }

    /// A world of one list of pairs, all by symmetric kinds of one's own choice.
    pub fn of(kinds: Vec<WorldKind>, edges: &[(&str, usize, &str)]) -> World {
        let mut world = World { kinds, ..World::default() };
        for &(from, kind, to) in edges {
            for id in [from, to] {
                if !world.members.iter().any(|known| known == id) {
                    world.members.push(id.to_owned());
                }
            }
            let (from, to) = (from.to_owned(), to.to_owned());
            let visibility = Visibility::Everyone;
            world.edges.push(WorldEdge { from, kind, to, pinned: None, interactions: Vec::new(), visibility });
        }
        world
    }

    fn add_random_edge(&mut self, a: usize, b: usize, strengths: Strengths, rng: &mut Rng) {
        let kind = rng.usize(..self.kinds.len());
        let (from, to) = (self.members[a].clone(), self.members[b].clone());
        let symmetric = self.kinds[kind].symmetric;
        let same = |edge: &WorldEdge| {
            edge.kind == kind && (edge.from == from && edge.to == to || symmetric && edge.from == to && edge.to == from)
        };
        if a == b || self.edges.iter().any(same) {
            return;
        }
        let visibility = Visibility::Everyone;
        let mut edge = WorldEdge { from, kind, to, pinned: None, interactions: Vec::new(), visibility };
        match strengths {
            Strengths::Prior => {}
            Strengths::Few => edge.pinned = Some(*rng.choice([1.0, 0.5, 0.5, 0.25].iter()).unwrap()),
            Strengths::Wild => match rng.u8(..8) {
                0 => edge.pinned = Some(f32::from_bits(1)),
                1 => edge.pinned = Some(1.0),
                2..=4 => edge.pinned = Some(1.0 - rng.f32()),
                _ => {
                    let times = 0..rng.usize(..4);
                    edge.interactions = times.map(|_| (rng.u32(1..50), rng.u32(..400) * DAY_S)).collect();
                }
            },
        }
        self.edges.push(edge);
    }

    // Graphs.

    fn domain_kind(&self, kind: usize) -> Kind {
        let WorldKind { name, sphere, symmetric, prior, half_life_ms, .. } = &self.kinds[kind];
        Kind::new(KindName::parse("name", name).unwrap(), *sphere, *symmetric, *prior, *half_life_ms).unwrap()
    }

    fn inputs_of(&self, edge: &WorldEdge) -> StrengthInputs {
        edge.inputs(&self.kinds[edge.kind])
    }

    pub fn build_at_once(&self) -> Graph {
        let mut builder = GraphBuilder::default();
        for (i, kind) in self.kinds.iter().enumerate() {
            builder.kind(KindIx(kind.slot), self.domain_kind(i));
        }
        let slots: Vec<MemberIx> = self.members.iter().map(|id| builder.member(member_id(id))).collect();
        let at = |id: &String| slots[self.members.iter().position(|known| known == id).unwrap()];
        for edge in &self.edges {
            let kind = KindIx(self.kinds[edge.kind].slot);
            builder.edge(at(&edge.from), kind, at(&edge.to), self.inputs_of(edge));
        }
        let mut graph = builder.build();
        self.put_members_privacy(&mut graph);
        self.put_other_privacy(&mut graph);
        graph
    }

    /// Builds the graph by another history: members come and go, edges are put, removed, put again and put over.
    pub fn build_step_by_step(&self, rng: &mut Rng) -> Graph {
        let mut graph = Graph::new();
        self.register_kinds(&mut graph);
        let mut order = self.members.clone();
        rng.shuffle(&mut order);
        let ghosts: Vec<MemberIx> =
            (0..rng.usize(..4)).map(|i| graph.add_member(member_id(&format!("ghost-{i}")))).collect();
        let (early, late) = order.split_at(order.len() / 2);
        for id in early {
            let member = graph.add_member(member_id(id));
            let kind = KindIx(rng.choice(self.kinds.iter()).unwrap().slot);
            for &ghost in &ghosts {
                let (a, b) = if rng.bool() { (ghost, member) } else { (member, ghost) };
                assert_eq!(graph.put_edge(a, kind, b, StrengthInputs::default()), None);
            }
        }
        for ghost in ghosts {
            remove_edges_of(&mut graph, ghost);
            graph.remove_member(ghost);
        }
        for id in late {
            graph.add_member(member_id(id));
        }
        let mut edges: Vec<&WorldEdge> = self.edges.iter().collect();
        rng.shuffle(&mut edges);
        // Members may hide their edges before they have any.
        let early = rng.bool();
        if early {
            self.put_members_privacy(&mut graph);
        }
        for edge in edges {
            self.put_with_detours(&mut graph, edge, rng);
        }
        if !early {
            self.put_members_privacy(&mut graph);
        }
        self.put_other_privacy(&mut graph);
        // What a snapshot holds stays as it was when its original goes on.
        let snapshot = graph.clone();
        for id in &self.members {
            let member = graph.find(id).unwrap();
            remove_edges_of(&mut graph, member);
        }
        assert_eq!(graph.edges(), 0);
        snapshot
    }

    /// Every kind in its slot; the slots in between are filled and freed again, and each prior is changed once.
    fn register_kinds(&self, graph: &mut Graph) {
        let mut fillers = Vec::new();
        for (i, kind) in self.kinds.iter().enumerate() {
            let mut first = self.domain_kind(i);
            first.attrs.prior += 1.0;
            loop {
                let filler = KindName::parse("name", &format!("filler-{}", fillers.len())).unwrap();
                let next = Kind { name: filler, ..first.clone() };
                let slot = graph.add_kind(next).unwrap();
                if slot.0 == kind.slot {
                    graph.replace_kind(slot, self.domain_kind(i));
                    break;
                }
                fillers.push(slot);
            }
        }
        for slot in fillers {
            graph.remove_kind(slot);
        }
    }

    fn put_with_detours(&self, graph: &mut Graph, edge: &WorldEdge, rng: &mut Rng) {
        let kind = &self.kinds[edge.kind];
        let (slot, inputs) = (KindIx(kind.slot), self.inputs_of(edge));
        let (from, to) = (graph.find(&edge.from).unwrap(), graph.find(&edge.to).unwrap());
        let either_way = |rng: &mut Rng| if kind.symmetric && rng.bool() { (to, from) } else { (from, to) };
        let mut before = None;
        if rng.u8(..3) == 0 {
            let (from, to) = either_way(rng);
            let other = StrengthInputs { pinned: None, faded: 7.0, last_s: 1 };
            assert_eq!(graph.put_edge(from, slot, to, other), None);
            before = Some(other);
        }
        if rng.u8(..4) == 0 {
            let (from, to) = either_way(rng);
            assert_eq!(graph.remove_edge(from, slot, to), before.take());
        }
        let (from, to) = either_way(rng);
        assert_eq!(graph.put_edge(from, slot, to, inputs), before);
    }

    // Questions.

    pub fn any_member(&self, rng: &mut Rng) -> String {
        rng.choice(self.members.iter()).unwrap().clone()
    }

    /// A filter: often none at all; its least strength is often just that of an edge, `strengths` says which there are.
    pub fn random_filter(&self, strengths: &[f32], rng: &mut Rng) -> Filter {
        let mut filter = Filter::default();
        if rng.u8(..3) == 0 {
            let some = rng.choose_multiple(self.kinds.iter(), 1 + self.kinds.len() / 2);
            filter.kinds = some.into_iter().map(|kind| kind.name.clone()).collect();
        }
        if rng.u8(..4) == 0 {
            let count = rng.usize(1..=2);
            filter.spheres = rng.choose_multiple(Sphere::ALL, count);
        }
        if rng.u8(..3) == 0 {
            let random = 1.0 - rng.f32();
            let one = rng.choice(strengths.iter()).copied();
            filter.min_strength = if rng.bool() { Some(random) } else { one };
        }
        if rng.u8(..3) == 0 {
            let count = rng.usize(1..=3);
            filter.exclude = rng.choose_multiple(self.members.iter().cloned(), count);
            filter.exclude.push("nobody".to_owned());
        }
        filter
    }

    pub fn random_as_of(rng: &mut Rng) -> TimeMs {
        match rng.u8(..20) {
            0 => TimeMs(i64::MIN),
            1 => TimeMs(i64::MAX),
            _ => TimeMs(i64::from(rng.u32(..600 * DAY_S)) * 1_000 + 7),
        }
    }
}

fn remove_edges_of(graph: &mut Graph, member: MemberIx) {
    let halves: Vec<_> = graph.half_edges(member).iter().collect();
    for half in halves {
        let (from, to) = if half.leads_out() { (member, half.neighbor()) } else { (half.neighbor(), member) };
        assert_eq!(graph.remove_edge(from, half.kind(), to), Some(half.inputs()));
    }
}

fn random_kinds(rng: &mut Rng) -> Vec<WorldKind> {
    let mut slot = 0;
    let mut kinds = Vec::new();
    let mut names = ["a-kind", "friend", "knows", "likes", "zeal"];
    rng.shuffle(&mut names);
    for name in names {
        slot += if rng.u8(..3) == 0 { rng.u8(..13) } else { 0 };
        let sphere = *rng.choice(Sphere::ALL.iter()).unwrap();
        let prior = *rng.choice([0.0, 0.5, 1.0, 1.0, 4.0, 1_000.0].iter()).unwrap();
        let half_life_ms = rng.u64(1..=200) * u64::from(DAY_S) * 1_000;
        let symmetric = rng.u8(..3) > 0;
        kinds.push(WorldKind { name: name.to_owned(), sphere, symmetric, prior, half_life_ms, slot });
        slot += 1;
    }
    kinds.truncate(rng.usize(1..=5));
    kinds
}

/// Short, of few letters, some of several bytes: prefixes of each other, and never in the order they are made.
fn random_id(rng: &mut Rng) -> String {
    (0..rng.usize(1..=4)).map(|_| *rng.choice(['a', 'b', 'Z', '0', '-', '/', 'é', '漢'].iter()).unwrap()).collect()
}

/// Who is joined to whom, in one of several shapes.
fn random_pairs(count: usize, many: bool, rng: &mut Rng) -> Vec<(usize, usize)> {
    let all: Vec<usize> = (0..count).collect();
    let mut pairs: Vec<(usize, usize)> = match rng.u8(..8) {
        // A path, a ring, a hub.
        0 => all.windows(2).map(|two| (two[0], two[1])).collect(),
        1 => all.iter().map(|&i| (i, (i + 1) % count)).collect(),
        2 => all[1..].iter().map(|&i| (0, i)).collect(),
        // A clique of some, the others apart or joined to it.
        3 => {
            let size = count.min(7);
            (0..size).flat_map(|a| (0..a).map(move |b| (a, b))).chain((size..count).map(|i| (i, i / 2))).collect()
        }
        // Layers, each joined to the next: many equally short paths.
        4 => {
            let width = rng.usize(2..=3);
            let next = |i: usize| (i / width + 1) * width..((i / width + 2) * width).min(count);
            all.iter().flat_map(|&i| next(i).map(move |j| (i, j))).collect()
        }
        // At random, sparse to dense.
        _ => {
            let edges = rng.usize(0..=if many { 2 * count } else { 3 * count });
            (0..edges).map(|_| (rng.usize(..count), rng.usize(..count))).collect()
        }
    };
    // Some shapes with shortcuts, some falling apart.
    if rng.bool() {
        pairs.extend((0..rng.usize(..=3)).map(|_| (rng.usize(..count), rng.usize(..count))));
    }
    if rng.u8(..4) == 0 {
        pairs.retain(|_| rng.u8(..5) > 0);
    }
    pairs
}
