//! Breadth-first search: who is how many hops away.

use super::budget::{Budget, Extent};
use super::half_edge::{Direction, MemberIx};
use super::scratch::{Scratch, lease};
use super::view::View;

/// The members within some hops of one, each once, at its smallest hop.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Within {
    /// The members, the nearest first.
    members: Vec<MemberIx>,
    /// The index at which each hop's members end.
    ends: Vec<usize>,
}

impl Within {
    /// Returns how many hops the furthest of them is away.
    pub fn hops(&self) -> u32 {
        self.ends.len() as u32
    }

    /// Returns the members whose shortest path has so many hops, 1 at least.
    pub fn at_hop(&self, hop: u32) -> &[MemberIx] {
        let hop = hop as usize;
        let Some(&end) = hop.checked_sub(1).and_then(|before| self.ends.get(before)) else { return &[] };
        &self.members[if hop == 1 { 0 } else { self.ends[hop - 2] }..end]
    }

    /// Returns all of them with their hops.
    pub fn iter(&self) -> impl Iterator<Item = (MemberIx, u32)> {
        (1..=self.hops()).flat_map(|hop| self.at_hop(hop).iter().map(move |&member| (member, hop)))
    }
}

/// Returns all members within `max_hops` one way, but not `from` itself. A limit leaves whole hops only.
pub fn members_within(
    view: &View<'_>,
    from: MemberIx,
    direction: Direction,
    max_hops: u32,
    budget: &mut Budget<'_>,
) -> (Within, Extent) {
    let mut scratch = lease(view.graph().slots());
    let Scratch { marks, seen: [seen, _], .. } = &mut *scratch;
    marks[from.0 as usize] = 1;
    seen.push(from);
    let (mut ends, mut last) = (Vec::new(), 0);
    let mut extent = Extent::complete(max_hops);
    while (ends.len() as u32) < max_hops {
        let hop = last..seen.len();
        last = hop.end;
        let prepared = view.prepare(budget);
        let foreseen = prepared.and_then(|()| view.foresee_steps(&seen[hop.clone()], budget));
        let stepped = foreseen.and_then(|()| {
            budget.whole(|budget| {
                hop.clone().try_for_each(|at| {
                    view.fetch(at - hop.start, seen[at..hop.end].iter().copied());
                    view.for_each_step(seen[at], direction, budget, |neighbor, _| {
                        let mark = &mut marks[neighbor.0 as usize];
                        if *mark == 0 {
                            *mark = 1;
                            seen.push(neighbor);
                        }
                    })
                })
            })
        });
        if let Err(limit) = stepped {
            extent = Extent::ended(limit, ends.len() as u32);
            break;
        }
        if seen.len() == last {
            break;
        }
        ends.push(seen.len() - 1);
    }
    let members = seen[1..1 + ends.last().copied().unwrap_or(0)].to_vec();
    (Within { members, ends }, extent)
}
