//! Paths: how one member could have found another, the best first.
//!
//! The shortest come first, with the strongest of them. By hops, the bound on hops is then raised from the distance upwards; by strength, a
//! bound on the cost is raised from the least that a longer path can have. `path_search` lists the best paths within a bound.

use super::budget::{Budget, Extent, Limit};
use super::half_edge::{Direction, MemberIx};
use super::path::{Path, Ranking};
use super::path_search::PathSearch;
use super::shortest::shortest_paths;
use super::strength::ChainCost;
use super::view::View;

/// The costs that paths are bounded by one after the other, beyond the least, in hand-overs.
const BEYOND_LEAST: [u64; 4] = [1, 2, 4, 8];

#[derive(Debug, Clone, Copy)]
pub struct PathQuery {
    /// The most paths that are returned.
    pub k: usize,
    /// The most hops of each path, 1–6.
    pub max_hops: u32,
    pub ranking: Ranking,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Paths {
    /// The paths, the best first.
    pub paths: Vec<Path>,
    /// How many paths have the fewest hops, by their sequence of members; `u64::MAX` stands for that many or more.
    pub shortest_path_count: u64,
    pub extent: Extent,
    /// Whether these are the best paths there are. Otherwise they are the best of at most `extent.exact_through_hop` hops.
    pub optimal: bool,
    /// The strength that no missing path exceeds; given where the paths are not optimal.
    pub strength_bound: Option<f64>,
}

impl Paths {
    fn none(max_hops: u32) -> Paths {
        let extent = Extent::complete(max_hops);
        Paths { paths: Vec::new(), shortest_path_count: 0, extent, optimal: true, strength_bound: None }
    }

    /// Ends the search at a limit. A path that is missing has more hops than were searched, so at least as many hand-overs; or there are as
    /// many paths as were asked for, and the last of them has no fewer.
    fn end(mut self, limit: Limit, hops_searched: u32) -> Paths {
        self.extent = Extent::ended(limit, hops_searched);
        self.optimal = false;
        self.strength_bound = Some(ChainCost(u64::from(hops_searched) * ChainCost::HAND_OVER.0).strength());
        self
    }
}

/// Returns the best loopless paths from one member to another. From a member to itself there is one path, of no hops.
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
    let longer = Longer { view, from, to, shortest: shortest.hops, query };
    let ended = match query.ranking {
        Ranking::Hops => longer.by_hops(&mut found.paths, budget),
        Ranking::Strength => longer.by_strength(&mut found.paths, budget),
    };
    match ended {
        Ok(()) => found,
        Err((limit, searched)) => found.end(limit, searched),
    }
}

/// The search for paths longer than the shortest.
struct Longer<'v, 'g> {
    view: &'v View<'g>,
    from: MemberIx,
    to: MemberIx,
    /// The hops of the shortest paths.
    shortest: u32,
    query: &'v PathQuery,
}

impl<'v, 'g> Longer<'v, 'g> {
    fn search(&self, hops_max: u32) -> PathSearch<'v, 'g> {
        PathSearch::new(self.view, self.from, self.to, hops_max, self.query.ranking)
    }

    /// Adds longer paths hop by hop, until there are as many as are asked for. On a limit it returns the hops that were searched.
    fn by_hops(&self, paths: &mut Vec<Path>, budget: &mut Budget<'_>) -> Result<(), (Limit, u32)> {
        let k = self.query.k;
        for hops_max in self.shortest + 1..=self.query.max_hops {
            if paths.len() == k {
                break;
            }
            *paths =
                budget.whole(|budget| self.search(hops_max).best(k, budget)).map_err(|limit| (limit, hops_max - 1))?;
        }
        Ok(())
    }

    /// Adds longer paths that are stronger than some of the shortest, or that are missing. What is visited grows with the cost much faster
    /// than the cost, so it first looks for paths that cost hardly more than a longer path must, then for more and more. On a limit it
    /// returns the hops that were searched.
    fn by_strength(&self, paths: &mut Vec<Path>, budget: &mut Budget<'_>) -> Result<(), (Limit, u32)> {
        let PathQuery { k, max_hops, .. } = *self.query;
        if self.shortest == max_hops {
            return Ok(());
        }
        // Once there are as many paths as are asked for, none that costs more than the last of them is looked for.
        let enough = if paths.len() == k { paths.last().map(|last| last.cost) } else { None };
        let is_settled = |least_beyond: ChainCost| enough.is_some_and(|enough| enough <= least_beyond);
        // A longer path hands over once for each hop of the shortest, begins at `from` and ends at `to`.
        let hand_overs = ChainCost(u64::from(self.shortest) * ChainCost::HAND_OVER.0);
        if is_settled(hand_overs) {
            return Ok(());
        }
        let limited = |limit| (limit, self.shortest);
        let ends = self.least_step_costs(budget).map_err(limited)?;
        let least_beyond = ChainCost(hand_overs.0 + ends[0].0 + ends[1].0);
        if is_settled(least_beyond) {
            return Ok(());
        }
        let mut search = self.search(max_hops);
        for more in BEYOND_LEAST {
            let cost = ChainCost(least_beyond.0 + more * ChainCost::HAND_OVER.0);
            search.leave_out_above(enough.map_or(cost, |enough| enough.min(cost)), self.shortest, ends);
            let found = budget.whole(|budget| search.best(k, budget)).map_err(limited)?;
            if found.len() == k || !search.left_out() {
                *paths = found;
                return Ok(());
            }
        }
        search.leave_out_nothing();
        *paths = budget.whole(|budget| search.best(k, budget)).map_err(limited)?;
        Ok(())
    }

    /// Returns the least cost of the first step and of the last one.
    fn least_step_costs(&self, budget: &mut Budget<'_>) -> Result<[ChainCost; 2], Limit> {
        let Longer { view, from, to, .. } = *self;
        let (mut first, mut last) = (0f64, 0f64);
        view.for_each_pair(from, Direction::Forward, budget, |_, strength| first = first.max(strength))?;
        view.for_each_pair(to, Direction::Backward, budget, |_, strength| last = last.max(strength))?;
        Ok([first, last].map(ChainCost::of_pair))
    }
}
