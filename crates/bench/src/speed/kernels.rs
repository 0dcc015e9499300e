//! The queries of the table, each as kith answers it from its snapshot and as the limit program does.

use std::hint::black_box;

use fastrand::Rng;

use super::limits::Limits;
use super::network::{AS_OF_S, Network};
use kith::domain::TimeMs;
use kith::graph::{
    Breadth, Budget, ChainCost, Direction, Graph, MemberIx, PathQuery, Ranking, SmallSet, SuggestQuery, View, distance,
    distances, find_paths, members_within, mutuals, reach, suggest,
};

/// The targets of one query for distances.
const TARGETS: usize = 100;
const HOPS_MAX: u32 = 6;
/// The suggestions asked for: the API's default.
const SUGGESTIONS: usize = 20;
/// The paths asked for.
const PATHS: usize = 5;
/// The relative difference that sums of floats may have in another order, or of 32 bits instead of 64.
const SAME: f64 = 1e-4;

/// A query that is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    Mutuals,
    Distance,
    ShortestPath,
    Within2,
    Within3,
    Reach2,
    Reach3,
    Suggest2,
    Suggest3,
    Suggest,
    Distances,
    Strongest,
}

/// The subjects of one query.
pub struct Ask {
    pub a: u32,
    pub b: u32,
    pub targets: Vec<u32>,
}

/// An answer as numbers, in which both sides' can be compared.
type Numbers = Vec<f64>;

impl Kernel {
    pub const ALL: [Kernel; 12] = [
        Kernel::Mutuals,
        Kernel::Distance,
        Kernel::ShortestPath,
        Kernel::Within2,
        Kernel::Within3,
        Kernel::Reach2,
        Kernel::Reach3,
        Kernel::Suggest2,
        Kernel::Suggest3,
        Kernel::Suggest,
        Kernel::Distances,
        Kernel::Strongest,
    ];

    /// Returns the name as `--only` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Mutuals => "mutuals",
            Kernel::Distance => "distance",
            Kernel::ShortestPath => "shortest-path",
            Kernel::Within2 => "within-2",
            Kernel::Within3 => "within-3",
            Kernel::Reach2 => "reach-2",
            Kernel::Reach3 => "reach-3",
            Kernel::Suggest2 => "suggest-2",
            Kernel::Suggest3 => "suggest-3",
            Kernel::Suggest => "suggest",
            Kernel::Distances => "distances",
            Kernel::Strongest => "strongest",
        }
    }

    /// Returns the query in words.
    pub fn title(self) -> &'static str {
        match self {
            Kernel::Mutuals => "mutuals",
            Kernel::Distance => "distance",
            Kernel::ShortestPath => "shortest path, strongest of all",
            Kernel::Within2 => "reach k = 2, members",
            Kernel::Within3 => "reach k = 3, members",
            Kernel::Reach2 => "reach k = 2, by sphere",
            Kernel::Reach3 => "reach k = 3, by sphere",
            Kernel::Suggest2 => "suggestions, 2 steps",
            Kernel::Suggest3 => "suggestions, 3 steps",
            Kernel::Suggest => "suggestions, strongest steps",
            Kernel::Distances => "100 distances at once",
            Kernel::Strongest => "5 strongest paths",
        }
    }

    /// Returns how many times the limit's median kith may take: the target, and the stretch; none where there is no goal.
    pub fn bounds(self) -> Option<(f64, f64)> {
        match self {
            Kernel::Distance | Kernel::ShortestPath | Kernel::Within2 | Kernel::Reach2 | Kernel::Suggest2 => {
                Some((1.5, 1.2))
            }
            Kernel::Within3 | Kernel::Reach3 | Kernel::Distances => Some((1.8, 1.3)),
            Kernel::Strongest => Some((2.5, 1.5)),
            Kernel::Mutuals | Kernel::Suggest3 | Kernel::Suggest => None,
        }
    }

    /// Returns the queries of one round: as many as take a fraction of a second.
    pub fn asks_per_round(self) -> usize {
        match self {
            Kernel::Mutuals
            | Kernel::Distance
            | Kernel::ShortestPath
            | Kernel::Within2
            | Kernel::Reach2
            | Kernel::Suggest2
            | Kernel::Suggest => 2_000,
            Kernel::Within3 | Kernel::Reach3 | Kernel::Suggest3 | Kernel::Distances | Kernel::Strongest => 200,
        }
    }

    /// Returns a question about members at random; for mutuals, about two that have some.
    pub fn ask(self, network: &Network, limits: &Limits, rng: &mut Rng) -> Ask {
        let mut anyone = || rng.u32(..network.members);
        let a = anyone();
        let mut b = anyone();
        if b == a {
            b = (a + 1) % network.members;
        }
        let targets = if self == Kernel::Distances { (0..TARGETS).map(|_| anyone()).collect() } else { Vec::new() };
        if self == Kernel::Mutuals {
            b = friend_of_friend(limits, a, rng).unwrap_or(b);
        }
        Ask { a, b, targets }
    }

    /// Lets kith answer.
    pub fn kith(self, view: &View<'_>, ask: &KithAsk) {
        black_box(self.kith_numbers(view, ask, false));
    }

    /// Lets the limit program answer.
    pub fn limit(self, limits: &mut Limits, ask: &Ask) {
        black_box(self.limit_numbers(limits, ask, false));
    }

    /// Returns the two answers if they differ.
    pub fn agree(self, view: &View<'_>, limits: &mut Limits, ask: &Ask, kith_ask: &KithAsk) -> Result<(), String> {
        let (kith, limit) = (self.kith_numbers(view, kith_ask, true), self.limit_numbers(limits, ask, true));
        let close = |(a, b): (&f64, &f64)| (a - b).abs() <= SAME * a.abs().max(b.abs());
        if kith.len() == limit.len() && kith.iter().zip(&limit).all(close) {
            return Ok(());
        }
        Err(format!("{} of {} and {}: kith answers {kith:?}, the limit program {limit:?}", self.name(), ask.a, ask.b))
    }

    /// Returns kith's answer; unless `is_wanted`, it is only computed.
    fn kith_numbers(self, view: &View<'_>, ask: &KithAsk, is_wanted: bool) -> Numbers {
        let budget = &mut Budget::unlimited();
        let of = |hops: Option<u32>| hops.map_or(-1.0, f64::from);
        let numbers = |found: &mut dyn Iterator<Item = f64>| if is_wanted { found.collect() } else { Vec::new() };
        match self {
            Kernel::Mutuals => {
                let found = black_box(mutuals(view, ask.a, ask.b, budget)).unwrap_or_default();
                vec![found.len() as f64]
            }
            Kernel::Distance => vec![of(distance(view, ask.a, ask.b, HOPS_MAX, budget).unwrap_or(None))],
            Kernel::ShortestPath => {
                let query = PathQuery { k: 1, max_hops: HOPS_MAX, ranking: Ranking::Hops };
                let found = black_box(find_paths(view, ask.a, ask.b, &query, budget));
                let paths = found.paths.iter();
                numbers(&mut paths.flat_map(|p| [f64::from(p.hops()), found.shortest_path_count as f64, cost(p.cost)]))
            }
            Kernel::Within2 | Kernel::Within3 => {
                let hops_max = if self == Kernel::Within2 { 2 } else { 3 };
                let (found, _) = black_box(members_within(view, ask.a, Direction::Backward, hops_max, budget));
                numbers(&mut (1..=found.hops()).map(|hop| found.at_hop(hop).len() as f64))
            }
            Kernel::Reach2 | Kernel::Reach3 => {
                let found = black_box(reach(view, ask.a, if self == Kernel::Reach2 { 2 } else { 3 }, budget));
                numbers(&mut found.hops.iter().flat_map(|hop| {
                    let split = hop.spheres.unwrap_or_default();
                    [hop.members, split.personal, split.professional, split.public, split.crossing].map(f64::from)
                }))
            }
            Kernel::Suggest2 | Kernel::Suggest3 => {
                let max_steps = if self == Kernel::Suggest2 { 2 } else { 3 };
                let exclude = SmallSet::default();
                let query = SuggestQuery { max_steps, ..SuggestQuery::exact(&exclude, SUGGESTIONS) };
                let found = black_box(suggest(view, ask.a, &query, budget));
                numbers(&mut found.suggestions.iter().map(|suggestion| suggestion.score))
            }
            Kernel::Suggest => {
                let exclude = SmallSet::default();
                let query = SuggestQuery { breadth: Breadth::STRONGEST, ..SuggestQuery::exact(&exclude, SUGGESTIONS) };
                black_box(suggest(view, ask.a, &query, budget));
                Vec::new()
            }
            Kernel::Distances => {
                let (found, _) = black_box(distances(view, ask.a, &ask.targets, HOPS_MAX, budget));
                numbers(&mut found.into_iter().map(of))
            }
            Kernel::Strongest => {
                let query = PathQuery { k: PATHS, max_hops: HOPS_MAX, ranking: Ranking::Strength };
                let found = black_box(find_paths(view, ask.a, ask.b, &query, budget));
                numbers(&mut found.paths.iter().map(|path| cost(path.cost)))
            }
        }
    }

    fn limit_numbers(self, limits: &mut Limits, ask: &Ask, is_wanted: bool) -> Numbers {
        let of = |hops: Option<u32>| hops.map_or(-1.0, f64::from);
        let numbers = |found: &mut dyn Iterator<Item = f64>| if is_wanted { found.collect() } else { Vec::new() };
        match self {
            Kernel::Mutuals => vec![black_box(limits.mutuals(ask.a, ask.b)).len() as f64],
            Kernel::Distance => vec![of(limits.distance(ask.a, ask.b, HOPS_MAX))],
            Kernel::ShortestPath => {
                let found = black_box(limits.shortest_path(ask.a, ask.b, HOPS_MAX));
                numbers(&mut found.iter().flat_map(|p| [f64::from(p.hops), p.count as f64, f64::from(p.cost)]))
            }
            Kernel::Within2 | Kernel::Within3 => {
                let found = black_box(limits.members_within(ask.a, if self == Kernel::Within2 { 2 } else { 3 }));
                numbers(&mut found.into_iter().map(f64::from))
            }
            Kernel::Reach2 | Kernel::Reach3 => {
                let found = black_box(limits.reach(ask.a, if self == Kernel::Reach2 { 2 } else { 3 }));
                numbers(&mut found.into_iter().flatten().map(f64::from))
            }
            Kernel::Suggest2 | Kernel::Suggest3 => {
                let found = black_box(limits.suggest(ask.a, SUGGESTIONS, self == Kernel::Suggest3));
                numbers(&mut found.into_iter().map(|suggestion| suggestion.1))
            }
            // Two steps are computed in full, as a measure: no limit program leaves out what kith does.
            Kernel::Suggest => {
                black_box(limits.suggest(ask.a, SUGGESTIONS, false));
                Vec::new()
            }
            Kernel::Distances => {
                let found = black_box(limits.distances(ask.a, &ask.targets, HOPS_MAX));
                numbers(&mut found.into_iter().map(of))
            }
            Kernel::Strongest => {
                let found = black_box(limits.strongest(ask.a, ask.b, PATHS, HOPS_MAX));
                numbers(&mut found.into_iter().map(f64::from))
            }
        }
    }
}

/// The subjects of one query, by kith's own indices.
pub struct KithAsk {
    a: MemberIx,
    b: MemberIx,
    targets: Vec<MemberIx>,
}

impl KithAsk {
    /// Returns none if the graph lacks one of the members.
    pub fn new(network: &Network, graph: &Graph, ask: &Ask) -> Option<KithAsk> {
        let find = |member: u32| graph.find(&network.id(member));
        let targets = ask.targets.iter().map(|&target| find(target)).collect::<Option<_>>()?;
        Some(KithAsk { a: find(ask.a)?, b: find(ask.b)?, targets })
    }
}

/// Returns a view of the whole graph at the time that the limits' strengths are of.
pub fn view(graph: &Graph) -> View<'_> {
    View::unfiltered(graph, TimeMs(i64::from(AS_OF_S) * 1_000))
}

/// Returns a chain's cost as the limit programs count it: a hand-over more than `ChainCost`, so one for each hop.
fn cost(cost: ChainCost) -> f64 {
    (cost.0 + ChainCost::HAND_OVER.0) as f64 / ChainCost::HAND_OVER.0 as f64
}

fn friend_of_friend(limits: &Limits, member: u32, rng: &mut Rng) -> Option<u32> {
    let friends = limits.neighbors(member, usize::MAX);
    let friend = *rng.choice(friends)?;
    rng.choice(limits.neighbors(friend, usize::MAX)).copied().filter(|&other| other != member)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speed::{build, limits};

    #[test]
    fn limit_programs_answer_as_kith_does() {
        for seed in 0..3 {
            let network = Network::generate(600, seed);
            let graph = build(&network);
            let (view, mut limits) = (view(&graph), limits(&network));
            let mut rng = Rng::with_seed(seed);
            for kernel in Kernel::ALL {
                for _ in 0..60 {
                    let ask = kernel.ask(&network, &limits, &mut rng);
                    let kith_ask = KithAsk::new(&network, &graph, &ask).unwrap();
                    kernel.agree(&view, &mut limits, &ask, &kith_ask).unwrap();
                }
            }
        }
    }
}
