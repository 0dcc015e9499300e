//! Breadth-first search: who is how many hops away.

use super::budget::{Budget, Extent, Limit};
use super::half_edge::{Direction, MemberIx};
use super::small_hash::SmallSet;
use super::view::View;
use super::view::member_set;

/// A breadth-first search in progress: hop by hop, each member once, at its smallest hop.
pub(super) struct Search<'v, 'g> {
    view: &'v View<'g>,
    direction: Direction,
    seen: SmallSet<MemberIx>,
    /// The members of the last hop.
    pub frontier: Vec<MemberIx>,
    pub hop: u32,
}

impl<'v, 'g> Search<'v, 'g> {
    pub fn new(view: &'v View<'g>, from: MemberIx, direction: Direction) -> Search<'v, 'g> {
        let mut seen = member_set();
        seen.insert(from);
        Search { view, direction, seen, frontier: vec![from], hop: 0 }
    }

    /// Goes one hop further. On a limit the search stays at the hop it was, its frontier used up.
    pub fn step(&mut self, budget: &mut Budget<'_>) -> Result<(), Limit> {
        let mut next = Vec::new();
        for member in std::mem::take(&mut self.frontier) {
            self.view.for_each_neighbor(member, self.direction, budget, |neighbor| {
                if self.seen.insert(neighbor) {
                    next.push(neighbor);
                }
            })?;
        }
        self.frontier = next;
        self.hop += 1;
        Ok(())
    }

    pub fn has_seen(&self, member: MemberIx) -> bool {
        self.seen.contains(&member)
    }
}

/// All members within `max_hops` one way, with their hops, nearest first; not `from` itself. On a limit, whole hops only.
pub fn members_within(
    view: &View<'_>,
    from: MemberIx,
    direction: Direction,
    max_hops: u32,
    budget: &mut Budget<'_>,
) -> (Vec<(MemberIx, u32)>, Extent) {
    let mut search = Search::new(view, from, direction);
    let mut found = Vec::new();
    while search.hop < max_hops && !search.frontier.is_empty() {
        if let Err(limit) = search.step(budget) {
            return (found, Extent::ended(limit, search.hop));
        }
        found.extend(search.frontier.iter().map(|&member| (member, search.hop)));
    }
    (found, Extent::complete(max_hops))
}
