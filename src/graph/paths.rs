//! Paths: how one member could have found another, the best first.
//!
//! The bound on hops is deepened from the distance upwards. At each bound `path_search` lists the best paths within it, and
//! the deepening ends once no longer path can be among the best.

use super::budget::{Budget, Extent, Limit};
use super::distance::distance;
use super::half_edge::{Direction, MemberIx};
use super::path_search::PathSearch;
use super::small_hash::{SmallHasher, SmallMap};
use super::strength::ChainCost;
use super::view::View;

/// What makes a path better than another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ranking {
    /// Fewest hops, then the greatest chain strength, then the ids in order.
    Hops,
    /// Greatest chain strength, then the fewest hops, then the ids in order.
    Strength,
}

#[derive(Debug, Clone, Copy)]
pub struct PathQuery {
    /// How many paths, at most.
    pub k: usize,
    /// Hops of each, at most; 1–6.
    pub max_hops: u32,
    pub ranking: Ranking,
}

/// A path without a member twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub members: Vec<MemberIx>,
    pub cost: ChainCost,
}

impl Path {
    pub fn hops(&self) -> u32 {
        self.members.len() as u32 - 1
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Paths {
    /// The best first.
    pub paths: Vec<Path>,
    /// How many paths have the fewest hops, by their sequence of members; `u64::MAX` stands for that many or more.
    pub shortest_path_count: u64,
    pub extent: Extent,
    /// Whether these are the best there are. Otherwise they are the best of at most `extent.exact_through_hop` hops.
    pub optimal: bool,
    /// When not optimal: no path that is missing is stronger.
    pub strength_bound: Option<f64>,
}

impl Paths {
    fn none(max_hops: u32) -> Paths {
        let extent = Extent::complete(max_hops);
        Paths { paths: Vec::new(), shortest_path_count: 0, extent, optimal: true, strength_bound: None }
    }

    /// Ends at a limit: a path that is missing has more hops than were searched, so as many hand-overs at least.
    fn end(mut self, limit: Limit, hops_searched: u32) -> Paths {
        self.extent = Extent::ended(limit, hops_searched);
        self.optimal = false;
        self.strength_bound = Some(ChainCost(u64::from(hops_searched) * ChainCost::HAND_OVER.0).strength());
        self
    }
}

/// The best loopless paths from one member to another. From a member to itself there is one path, of no hops.
pub fn find_paths(view: &View<'_>, from: MemberIx, to: MemberIx, query: &PathQuery, budget: &mut Budget<'_>) -> Paths {
    let mut found = Paths::none(query.max_hops);
    if from == to {
        found.paths.push(Path { members: vec![from], cost: ChainCost(0) });
        found.shortest_path_count = 1;
        return found;
    }
    let fewest_hops = match distance(view, from, to, query.max_hops, budget) {
        Ok(Some(hops)) => hops,
        Ok(None) => return found,
        Err((limit, ruled_out)) => return found.end(limit, ruled_out),
    };
    match count_shortest_paths(view, from, to, fewest_hops, budget) {
        Ok(count) => found.shortest_path_count = count,
        Err(limit) => return found.end(limit, fewest_hops - 1),
    }
    for hops_max in fewest_hops..=query.max_hops {
        let mut search = PathSearch::new(view, from, to, hops_max, query.ranking);
        match search.best(query.k, budget).and_then(|paths| {
            let least = search.least_cost_beyond(budget)?;
            Ok((paths, least))
        }) {
            Ok((paths, least_cost_beyond)) => {
                found.paths = paths;
                if none_better_beyond(&found.paths, query, least_cost_beyond) {
                    break;
                }
            }
            Err(limit) => return found.end(limit, hops_max - 1),
        }
    }
    found
}

/// Whether no path of more hops than were searched can be among the best `k`.
fn none_better_beyond(paths: &[Path], query: &PathQuery, least_cost_beyond: ChainCost) -> bool {
    paths.len() == query.k
        && match query.ranking {
            Ranking::Hops => true,
            // Of equal strength, the one of fewer hops is the better.
            Ranking::Strength => paths.last().is_none_or(|last| last.cost <= least_cost_beyond),
        }
}

/// How many paths have `hops` hops, which is the distance: those that meet at a member half-way, for each of them.
fn count_shortest_paths(
    view: &View<'_>,
    from: MemberIx,
    to: MemberIx,
    hops: u32,
    budget: &mut Budget<'_>,
) -> Result<u64, Limit> {
    let ahead = shortest_path_counts(view, from, Direction::Forward, hops / 2, budget)?;
    let behind = shortest_path_counts(view, to, Direction::Backward, hops - hops / 2, budget)?;
    let meeting = ahead.iter().filter_map(|(member, count)| Some(count.saturating_mul(*behind.get(member)?)));
    Ok(meeting.fold(0, u64::saturating_add))
}

/// The members at a distance of exactly `hops`, with the number of shortest paths to each (Brandes 2001, the first phase).
fn shortest_path_counts(
    view: &View<'_>,
    source: MemberIx,
    direction: Direction,
    hops: u32,
    budget: &mut Budget<'_>,
) -> Result<SmallMap<MemberIx, u64>, Limit> {
    let mut seen = super::view::member_set();
    seen.insert(source);
    let mut layer: SmallMap<MemberIx, u64> = SmallMap::with_hasher(SmallHasher);
    layer.insert(source, 1);
    for _ in 0..hops {
        let mut next: SmallMap<MemberIx, u64> = SmallMap::with_hasher(SmallHasher);
        for (&member, &count) in &layer {
            let mut last = None;
            view.for_each_step(member, direction, budget, |neighbor, _| {
                // Two edges to a neighbor are one step.
                if last.replace(neighbor) != Some(neighbor) && !seen.contains(&neighbor) {
                    let sum = next.entry(neighbor).or_insert(0);
                    *sum = sum.saturating_add(count);
                }
            })?;
        }
        seen.extend(next.keys().copied());
        layer = next;
    }
    Ok(layer)
}
