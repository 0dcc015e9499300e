//! One random case: a world, the graphs built of it in two ways, the oracle, and what is asked.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use kith::domain::{Reason, TimeMs};
use kith::graph::{Graph, MemberIx, Path, Ranking, SmallSet, TopicEvidence, View};

use crate::oracle::{Oracle, strength};
use crate::privacy::Eyes;
use crate::world::{Filter, World};

pub struct Case {
    pub world: World,
    pub graphs: [Graph; 2],
    /// Both are applied.
    pub filters: Vec<Filter>,
    pub as_of: TimeMs,
    pub eyes: Eyes,
    /// The graph of what is left for these eyes; the oracle knows of nothing else.
    pub smaller_graph: Graph,
    pub oracle: Oracle,
}

/// What is asked of every graph of a case; members by their number in the oracle.
#[derive(Clone)]
pub struct Questions {
    pub a: usize,
    pub b: usize,
    pub max_hops: u32,
    pub k: usize,
    pub ranking: Ranking,
    pub topics: Option<BTreeMap<usize, f64>>,
    pub exclude: BTreeSet<usize>,
    pub limit: usize,
}

impl Case {
    pub fn random(rng: &mut Rng) -> Case {
        let world = World::random(rng);
        let graphs = [world.build_at_once(), world.build_step_by_step(rng)];
        let as_of = World::random_as_of(rng);
        let strengths: Vec<f32> =
            world.edges.iter().map(|edge| strength(&world.kinds[edge.kind], edge, as_of)).collect();
        let narrowings = usize::from(rng.u8(..6) == 0);
        let mut filters: Vec<Filter> = (0..=narrowings).map(|_| world.random_filter(&strengths, rng)).collect();
        if contradicts_itself(&world, &filters[0]) {
            let Err(refused) = View::new(&graphs[0], &filters[0].to_domain(), as_of) else {
                panic!("{:?} lets no kind pass", filters[0])
            };
            assert_eq!(refused.reason, Reason::ContradictoryFilter);
            filters[0] = Filter::default();
        }
        let eyes = Eyes::random(&world, rng);
        let smaller = eyes.smaller(&world);
        let smaller_graph = smaller.build_at_once();
        let oracle = Oracle::new(&smaller, &filters, as_of);
        Case { world, graphs, filters, as_of, eyes, smaller_graph, oracle }
    }

    pub fn view<'g>(&self, graph: &'g Graph) -> View<'g> {
        self.eyes.put_on(self.view_of_all(graph))
    }

    /// The graph under the filters, with nothing hidden.
    pub fn view_of_all<'g>(&self, graph: &'g Graph) -> View<'g> {
        let view = View::new(graph, &self.filters[0].to_domain(), self.as_of).unwrap();
        self.filters[1..].iter().fold(view, |view, filter| view.narrowed(&filter.to_domain()))
    }

    pub fn questions(&self, rng: &mut Rng) -> Questions {
        let n = self.oracle.size();
        let a = self.oracle.at(&self.world.any_member(rng));
        let b = self.oracle.at(&self.world.any_member(rng));
        let max_hops = self.oracle.hops_to_list(a, rng.u32(1..=6), 3_000);
        let ranking = if rng.bool() { Ranking::Hops } else { Ranking::Strength };
        let few = |rng: &mut Rng| rng.choose_multiple(0..n, n / 2);
        let match_of = |rng: &mut Rng| *rng.choice([0.25, 0.25, 0.5, 1.0].iter()).unwrap();
        let topics = rng.bool().then(|| few(rng).into_iter().map(|member| (member, match_of(rng))).collect());
        let exclude = if rng.u8(..3) == 0 { few(rng).into_iter().take(2).collect() } else { BTreeSet::new() };
        let k = *rng.choice([1, 1, 2, 3, 5, 50].iter()).unwrap();
        let limit = *rng.choice([1, 2, 3, 100].iter()).unwrap();
        Questions { a, b, max_hops, k, ranking, topics, exclude, limit }
    }
}

/// Kinds and spheres that are both given, and no kind belongs to both.
fn contradicts_itself(world: &World, filter: &Filter) -> bool {
    let meets =
        |kind: &crate::world::WorldKind| filter.kinds.contains(&kind.name) && filter.spheres.contains(&kind.sphere);
    !filter.kinds.is_empty() && !filter.spheres.is_empty() && !world.kinds.iter().any(meets)
}

/// Between a graph's indices and the oracle's numbers.
pub struct Names<'a> {
    pub graph: &'a Graph,
    pub oracle: &'a Oracle,
}

impl Names<'_> {
    pub fn ix(&self, member: usize) -> MemberIx {
        self.graph.find(&self.oracle.ids[member]).unwrap()
    }

    pub fn at(&self, ix: MemberIx) -> usize {
        self.oracle.at(self.graph.id(ix).as_str())
    }

    pub fn all(&self, members: &[MemberIx]) -> Vec<usize> {
        members.iter().map(|&ix| self.at(ix)).collect()
    }

    pub fn path(&self, path: &Path) -> (Vec<usize>, u64) {
        (self.all(&path.members), path.cost.0)
    }

    pub fn evidence(&self, topics: &BTreeMap<usize, f64>) -> TopicEvidence {
        topics.iter().map(|(&member, &topic_match)| (self.ix(member), topic_match)).collect()
    }

    pub fn set(&self, members: &BTreeSet<usize>) -> SmallSet<MemberIx> {
        members.iter().map(|&member| self.ix(member)).collect()
    }
}
