//! Paths: how one member could have found another, the best first.
//!
//! The bound on hops is deepened from the distance upwards. At each bound `path_search` lists the best paths within it, and
//! the deepening ends once no longer path can be among the best.

use super::budget::{Budget, Extent, Limit};
use super::half_edge::MemberIx;
use super::path_search::PathSearch;
use super::shortest::shortest_paths;
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
    let shortest = match shortest_paths(view, (from, to), query.max_hops, query.k, budget) {
        Ok(Some(shortest)) => shortest,
        Ok(None) => return found,
        Err((limit, ruled_out)) => return found.end(limit, ruled_out),
    };
    found.shortest_path_count = shortest.count;
    found.paths = shortest.best;
    for hops_max in shortest.hops..=query.max_hops {
        let mut search = PathSearch::new(view, from, to, hops_max, query.ranking);
        if hops_max > shortest.hops {
            match best_within(&mut search, &found.paths, shortest.hops, query.k, budget) {
                Ok(paths) => found.paths = paths,
                Err(limit) => return found.end(limit, hops_max - 1),
            }
        }
        match none_better_beyond(&found.paths, query, &mut search, budget) {
            Ok(true) => break,
            Ok(false) => {}
            Err(limit) => return found.end(limit, hops_max),
        }
    }
    found
}

/// The best `k` within the search's hops, where the best of fewer hops are known, and how many the shortest has.
fn best_within(
    search: &mut PathSearch<'_, '_>,
    known: &[Path],
    hops_min: u32,
    k: usize,
    budget: &mut Budget<'_>,
) -> Result<Vec<Path>, Limit> {
    // By hops, so many would have been enough.
    if known.len() == k
        && let Some(last) = known.last()
    {
        search.rank_no_lower_than(last, hops_min, budget)?;
    }
    search.best(k, budget)
}

/// Whether no path of more hops than were searched can be among the best `k`.
fn none_better_beyond(
    paths: &[Path],
    query: &PathQuery,
    search: &mut PathSearch<'_, '_>,
    budget: &mut Budget<'_>,
) -> Result<bool, Limit> {
    Ok(paths.len() == query.k
        && match query.ranking {
            Ranking::Hops => true,
            // Of equal strength, the one of fewer hops is the better.
            Ranking::Strength => {
                let least_beyond = search.least_cost_beyond(budget)?;
                paths.last().is_none_or(|last| last.cost <= least_beyond)
            }
        })
}
