//! Distance: the hops of a shortest path. It is exact, because it decides who may see what.

use std::ops::ControlFlow;

use super::budget::{Budget, Extent, Limit};
use super::half_edge::{Direction, MemberIx};
use super::scratch::{Scratch, lease};
use super::view::View;

/// The marks of a member, which say which sides have seen it.
const AHEAD: u8 = 1;
const BEHIND: u8 = 2;

/// One side of a search from both ends: the members it has seen, hop by hop.
struct Side<'s> {
    direction: Direction,
    mark: u8,
    seen: &'s mut Vec<MemberIx>,
    /// The index at which the members of the last hop begin.
    last: usize,
    hops: u32,
    next: NextHop,
}

/// How many half-edges the next hop looks at, once that was computed.
#[derive(Debug, Default)]
struct NextHop(Option<u64>);

impl NextHop {
    fn edges(&mut self, view: &View<'_>, last_hop: &[MemberIx]) -> u64 {
        *self.0.get_or_insert_with(|| last_hop.iter().map(|&member| view.degree(member)).sum())
    }
}

impl<'s> Side<'s> {
    fn new(direction: Direction, mark: u8, seen: &'s mut Vec<MemberIx>, end: MemberIx) -> Side<'s> {
        seen.push(end);
        Side { direction, mark, seen, last: 0, hops: 0, next: NextHop::default() }
    }

    fn edges(&mut self, view: &View<'_>) -> u64 {
        self.next.edges(view, &self.seen[self.last..])
    }

    fn is_at_its_end(&self) -> bool {
        self.last == self.seen.len()
    }

    /// Goes one hop further, and returns whether it met a member of the other side.
    fn step(&mut self, view: &View<'_>, marks: &mut [u8], budget: &mut Budget<'_>) -> Result<bool, Limit> {
        let (hop, edges) = (self.last..self.seen.len(), self.edges(view));
        self.hops += 1;
        self.last = hop.end;
        self.next = NextHop::default();
        let (own, other) = (self.mark, AHEAD + BEHIND - self.mark);
        step(view, self.direction, hop, edges, self.seen, budget, |member| {
            let mark = &mut marks[member.0 as usize];
            let news = if *mark & other != 0 { News::Met } else { News::of(*mark & own == 0) };
            *mark |= own;
            news
        })
    }
}

/// What a search finds at the end of an edge.
pub(super) enum News {
    /// A member not seen before.
    New,
    Old,
    /// A member of the other side, so that the search is over.
    Met,
}

impl News {
    pub(super) fn of(new: bool) -> News {
        if new { News::New } else { News::Old }
    }
}

/// Takes one hop from the members seen in a range, which have so many edges, and appends the new ones. Returns whether the other side was
/// met. All the edges are charged, or none if they can't be afforded, so that the charge does not depend on where in memory the sides meet.
pub(super) fn step(
    view: &View<'_>,
    direction: Direction,
    hop: std::ops::Range<usize>,
    edges: u64,
    seen: &mut Vec<MemberIx>,
    budget: &mut Budget<'_>,
    mut look: impl FnMut(MemberIx) -> News,
) -> Result<bool, Limit> {
    budget.afford(edges)?;
    let end_of_hop = budget.visited() + edges;
    for at in hop.clone() {
        view.fetch(at - hop.start, seen[at..hop.end].iter().copied());
        let mut met = false;
        view.half_edges(seen[at]).try_for_each_list(|list| {
            budget.visit(list.len() as u64)?;
            let flow = view.for_each_edge(list, direction, |neighbor, _| match look(neighbor) {
                News::New => {
                    seen.push(neighbor);
                    ControlFlow::Continue(())
                }
                News::Old => ControlFlow::Continue(()),
                News::Met => ControlFlow::Break(()),
            });
            met |= flow.is_break();
            Ok(())
        })?;
        if met {
            budget.skip(end_of_hop - budget.visited());
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the hops from one member to another, or none if they are further apart than `max_hops`. It searches from both ends, and the side
/// with fewer edges to look at goes on until they meet. On a limit it returns the hops that were ruled out before.
pub fn distance(
    view: &View<'_>,
    from: MemberIx,
    to: MemberIx,
    max_hops: u32,
    budget: &mut Budget<'_>,
) -> Result<Option<u32>, (Limit, u32)> {
    if from == to {
        return Ok(Some(0));
    }
    view.prepare(budget).map_err(|limit| (limit, 0))?;
    let mut scratch = lease(view.graph().slots());
    let Scratch { marks, seen: [seen_ahead, seen_behind], .. } = &mut *scratch;
    let mut ahead = Side::new(Direction::Forward, AHEAD, seen_ahead, from);
    let mut behind = Side::new(Direction::Backward, BEHIND, seen_behind, to);
    marks[from.0 as usize] = AHEAD;
    marks[to.0 as usize] = BEHIND;
    while ahead.hops + behind.hops < max_hops && !ahead.is_at_its_end() && !behind.is_at_its_end() {
        let ruled_out = ahead.hops + behind.hops;
        let side = if ahead.edges(view) <= behind.edges(view) { &mut ahead } else { &mut behind };
        if side.step(view, marks, budget).map_err(|limit| (limit, ruled_out))? {
            return Ok(Some(ruled_out + 1));
        }
    }
    Ok(None)
}

/// A target that was not met yet, and the members it was searched back to, hop by hop.
struct Target {
    member: MemberIx,
    seen: Vec<MemberIx>,
    /// The index at which the members of the last hop begin.
    last: usize,
    next: NextHop,
}

/// Returns the hops from one member to each of the targets: 0 to itself, and none beyond `max_hops`. One search goes ahead and is shared,
/// and one goes back from each target; those with fewer edges to look at go on.
pub fn distances(
    view: &View<'_>,
    from: MemberIx,
    targets: &[MemberIx],
    max_hops: u32,
    budget: &mut Budget<'_>,
) -> (Vec<Option<u32>>, Extent) {
    let mut sought: Vec<MemberIx> = targets.iter().copied().filter(|target| *target != from).collect();
    sought.sort_unstable();
    sought.dedup();
    let mut found: Vec<(MemberIx, u32)> = vec![(from, 0)];
    let ended = search(view, from, &sought, max_hops, &mut found, budget);
    let extent = match ended {
        Ok(()) => Extent::complete(max_hops),
        Err((limit, ruled_out)) => {
            // Targets at the hop that was not searched whole are left out, because some of them would be missing.
            found.retain(|(_, hops)| *hops <= ruled_out);
            Extent::ended(limit, ruled_out)
        }
    };
    found.sort_unstable();
    let hops = |target| found.binary_search_by_key(target, |found| found.0).ok().map(|at| found[at].1);
    (targets.iter().map(hops).collect(), extent)
}

/// Notes the hops to each of the targets it meets. On a limit it returns the hops that were ruled out for all others.
fn search(
    view: &View<'_>,
    from: MemberIx,
    sought: &[MemberIx],
    max_hops: u32,
    found: &mut Vec<(MemberIx, u32)>,
    budget: &mut Budget<'_>,
) -> Result<(), (Limit, u32)> {
    if let &[only] = sought {
        // Either side may end in the midst of a hop.
        found.extend(distance(view, from, only, max_hops, budget)?.map(|hops| (only, hops)));
        return Ok(());
    }
    view.prepare(budget).map_err(|limit| (limit, 0))?;
    let mut scratch = lease(view.graph().slots());
    let Scratch { marks, seen: [seen, _], .. } = &mut *scratch;
    seen.push(from);
    marks[from.0 as usize] = AHEAD;
    let target = |&member: &MemberIx| Target { member, seen: vec![member], last: 0, next: NextHop::default() };
    let mut open: Vec<Target> = sought.iter().map(target).collect();
    let (mut last, mut next) = (0, NextHop::default());
    for hops in 1..=max_hops {
        open.retain(|target| target.last < target.seen.len());
        if open.is_empty() || last == seen.len() {
            break;
        }
        let limited = |limit| (limit, hops - 1);
        let edges = next.edges(view, &seen[last..]);
        let backwards = open.iter_mut().map(|target| target.edges(view)).sum();
        if edges <= backwards {
            let hop = last..seen.len();
            last = hop.end;
            next = NextHop::default();
            let look = |member: MemberIx| News::of(std::mem::replace(&mut marks[member.0 as usize], AHEAD) == 0);
            step(view, Direction::Forward, hop, edges, seen, budget, look).map_err(limited)?;
            open.retain(|target| {
                let met = target.seen[target.last..].iter().any(|member| marks[member.0 as usize] != 0);
                if met {
                    found.push((target.member, hops));
                }
                !met
            });
        } else {
            budget.afford(backwards).map_err(limited)?;
            let mut still_open = Vec::with_capacity(open.len());
            for mut target in open {
                if target.step(view, marks, budget).map_err(limited)? {
                    found.push((target.member, hops));
                } else {
                    still_open.push(target);
                }
            }
            open = still_open;
        }
    }
    Ok(())
}

impl Target {
    fn edges(&mut self, view: &View<'_>) -> u64 {
        self.next.edges(view, &self.seen[self.last..])
    }

    /// Goes one hop further back, and returns whether it met the search ahead. Its marks are taken back, because the next target makes its
    /// own.
    fn step(&mut self, view: &View<'_>, marks: &mut [u8], budget: &mut Budget<'_>) -> Result<bool, Limit> {
        self.seen.iter().for_each(|member| marks[member.0 as usize] |= BEHIND);
        let (hop, edges) = (self.last..self.seen.len(), self.edges(view));
        self.last = hop.end;
        self.next = NextHop::default();
        let look = |member: MemberIx| {
            let mark = &mut marks[member.0 as usize];
            let news = if *mark & AHEAD != 0 { News::Met } else { News::of(*mark == 0) };
            if matches!(news, News::New) {
                *mark = BEHIND;
            }
            news
        };
        let met = step(view, Direction::Backward, hop, edges, &mut self.seen, budget, look);
        self.seen.iter().for_each(|member| marks[member.0 as usize] &= !BEHIND);
        met
    }
}
