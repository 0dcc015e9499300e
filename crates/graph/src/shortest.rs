//! The shortest paths: how many there are, and the strongest of them.
//!
//! A search from both ends finds how long they are. Only then are strengths looked at, and only of steps between members on a shortest
//! path: these are found from where the searches met inwards to both ends.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::budget::{Budget, Limit};
use super::distance::{News, step};
use super::half_edge::{Direction, MemberIx};
use super::path::Path;
use super::scratch::{Scratch, lease};
use super::strength::ChainCost;
use super::view::View;
use crate::domain::MemberId;

/// Each side has half of a member's mark: the member's hop plus one, and whether it is on a shortest path. Hops are 6 at most.
const LEVEL: u8 = 7;
const ON_PATH: u8 = 8;
const BEHIND_SHIFT: u32 = 4;

pub struct Shortest {
    pub hops: u32,
    /// How many shortest paths there are; `u64::MAX` stands for that many or more.
    pub count: u64,
    /// The best of them: the greatest chain strength first, then by ids.
    pub best: Vec<Path>,
}

/// One side of the search: the members it has seen, hop by hop.
struct Side<'s> {
    direction: Direction,
    /// The position of this side's half of a mark.
    shift: u32,
    seen: &'s mut Vec<MemberIx>,
    /// The index at which each hop's members begin, and how many half-edges they have.
    hops: Vec<(usize, u64)>,
}

/// A step on a shortest path. Its weight is its cost and that of a hand-over.
#[derive(Debug, Clone, Copy)]
struct Step {
    from: MemberIx,
    to: MemberIx,
    weight: u64,
}

/// What leads on to the target from a member on a shortest path.
#[derive(Debug, Clone, Copy)]
struct Onwards {
    member: MemberIx,
    count: u64,
    weight: u64,
}

/// Returns the `k` best of the shortest paths, or none if there are none within `max_hops`. `from` and `to` differ. On a limit it returns
/// the hops that were ruled out.
pub fn shortest_paths(
    view: &View<'_>,
    (from, to): (MemberIx, MemberIx),
    max_hops: u32,
    k: usize,
    budget: &mut Budget<'_>,
) -> Result<Option<Shortest>, (Limit, u32)> {
    view.prepare(budget).map_err(|limit| (limit, 0))?;
    let mut scratch = lease(view.graph().slots());
    let Scratch { marks, seen: [seen_ahead, seen_behind], .. } = &mut *scratch;
    let mut ahead = Side::new(view, Direction::Forward, 0, seen_ahead, from, marks);
    let mut behind = Side::new(view, Direction::Backward, BEHIND_SHIFT, seen_behind, to, marks);
    for ruled_out in 0..max_hops {
        let (near, far) =
            if ahead.edges() <= behind.edges() { (&mut ahead, &mut behind) } else { (&mut behind, &mut ahead) };
        if near.members().is_empty() || far.members().is_empty() {
            break;
        }
        if near.step(view, marks, budget).map_err(|limit| (limit, ruled_out))? {
            let steps = budget.whole(|budget| steps(view, near, far, marks, budget));
            let steps = steps.map_err(|limit| (limit, ruled_out))?;
            let (count, best) = best(view, from, to, &steps, k, budget).map_err(|limit| (limit, ruled_out))?;
            return Ok(Some(Shortest { hops: ruled_out + 1, count, best }));
        }
    }
    Ok(None)
}

impl<'s> Side<'s> {
    fn new(
        view: &View<'_>,
        direction: Direction,
        shift: u32,
        seen: &'s mut Vec<MemberIx>,
        end: MemberIx,
        marks: &mut [u8],
    ) -> Side<'s> {
        seen.push(end);
        marks[end.0 as usize] |= 1 << shift;
        Side { direction, shift, seen, hops: vec![(0, view.degree(end))] }
    }

    /// Returns how many half-edges the next hop looks at.
    fn edges(&self) -> u64 {
        self.hops.last().map_or(0, |hop| hop.1)
    }

    /// Returns the members of the last hop.
    fn members(&self) -> &[MemberIx] {
        &self.seen[self.hops.last().map_or(0, |hop| hop.0)..]
    }

    fn level(&self, mark: u8) -> u8 {
        mark >> self.shift & LEVEL
    }

    /// Goes one hop further, and returns whether it met a member of the other side. If so, the hop does not count.
    fn step(&mut self, view: &View<'_>, marks: &mut [u8], budget: &mut Budget<'_>) -> Result<bool, Limit> {
        let hop = self.hops.last().map_or(0, |hop| hop.0)..self.seen.len();
        let (edges, begin) = (self.edges(), hop.end);
        let level = (self.hops.len() as u8 + 1) << self.shift;
        let (own, other) = (LEVEL << self.shift, LEVEL << (BEHIND_SHIFT - self.shift));
        let met = step(view, self.direction, hop, edges, self.seen, budget, |member| {
            let mark = &mut marks[member.0 as usize];
            if *mark & other != 0 {
                return News::Met;
            }
            let new = *mark & own == 0;
            if new {
                *mark |= level;
            }
            News::of(new)
        })?;
        if met {
            self.seen[begin..].iter().for_each(|member| marks[member.0 as usize] = 0);
            self.seen.truncate(begin);
        } else {
            let edges = self.seen[begin..].iter().map(|&member| view.degree(member)).sum();
            self.hops.push((begin, edges));
        }
        Ok(met)
    }
}

/// Returns the steps of all shortest paths by hop: those of each side, and between them those on which the sides meet.
fn steps(
    view: &View<'_>,
    near: &Side<'_>,
    far: &Side<'_>,
    marks: &mut [u8],
    budget: &mut Budget<'_>,
) -> Result<Vec<Vec<Step>>, Limit> {
    let last = far.hops.len() as u8;
    let mut meeting = Vec::new();
    for &member in near.members() {
        let meets = |other: MemberIx| far.level(marks[other.0 as usize]) == last;
        view.for_each_pair_with(member, near.direction, budget, meets, |other, strength| {
            meeting.push(directed(near.direction, member, other, strength));
        })?;
    }
    let (mut of_near, mut of_far) = (Vec::new(), Vec::new());
    let ends = |side: &Side<'_>| -> Vec<MemberIx> {
        let ahead = side.direction == Direction::Forward;
        meeting.iter().map(|step| if ahead { step.from } else { step.to }).collect()
    };
    for (side, steps) in [(near, &mut of_near), (far, &mut of_far)] {
        let mut members = ends(side);
        for hop in (1..side.hops.len()).rev() {
            members.retain(|member| set_on_path(&mut marks[member.0 as usize], side.shift));
            let found = steps_before(view, side, hop, &members, marks, budget)?;
            members = found
                .iter()
                .map(|step| if side.direction == Direction::Forward { step.from } else { step.to })
                .collect();
            steps.push(found);
        }
    }
    // The steps of each side were found from the meeting outwards.
    let (mut ahead, behind) = if near.direction == Direction::Forward { (of_near, of_far) } else { (of_far, of_near) };
    ahead.reverse();
    ahead.push(meeting);
    ahead.extend(behind);
    Ok(ahead)
}

fn directed(direction: Direction, near: MemberIx, far: MemberIx, strength: f64) -> Step {
    let (from, to) = if direction == Direction::Forward { (near, far) } else { (far, near) };
    Step { from, to, weight: ChainCost::of_pair(strength).0 + ChainCost::HAND_OVER.0 }
}

/// Marks a member of a side as on a shortest path, and returns whether it was not marked before.
fn set_on_path(mark: &mut u8, shift: u32) -> bool {
    let before = *mark;
    *mark |= ON_PATH << shift;
    *mark != before
}

/// Returns the steps from members of the hop before to members of this hop, which are all marked. They are looked for from whichever have
/// fewer edges.
fn steps_before(
    view: &View<'_>,
    side: &Side<'_>,
    hop: usize,
    members: &[MemberIx],
    marks: &[u8],
    budget: &mut Budget<'_>,
) -> Result<Vec<Step>, Limit> {
    let mut found = Vec::new();
    let (begin, edges) = side.hops[hop - 1];
    if edges < members.iter().map(|&member| view.degree(member)).sum() {
        let (level, on_path) = (hop as u8 + 1, ON_PATH << side.shift);
        let wanted = |other: MemberIx| {
            let mark = marks[other.0 as usize];
            mark & on_path != 0 && side.level(mark) == level
        };
        for &member in &side.seen[begin..side.hops[hop].0] {
            view.for_each_pair_with(member, side.direction, budget, wanted, |other, strength| {
                found.push(directed(side.direction, member, other, strength));
            })?;
        }
        return Ok(found);
    }
    let back = if side.direction == Direction::Forward { Direction::Backward } else { Direction::Forward };
    let wanted = |other: MemberIx| side.level(marks[other.0 as usize]) == hop as u8;
    for &member in members {
        view.for_each_pair_with(member, back, budget, wanted, |other, strength| {
            found.push(directed(side.direction, other, member, strength));
        })?;
    }
    Ok(found)
}

/// A path under way. The heap gives the one of the least whole weight first, then the one of the least ids.
type Walked<'g> = Reverse<(u64, Vec<&'g MemberId>, Vec<MemberIx>, u64)>;

/// Returns how many paths go by these steps, and the best of them.
fn best(
    view: &View<'_>,
    from: MemberIx,
    to: MemberIx,
    steps: &[Vec<Step>],
    k: usize,
    budget: &mut Budget<'_>,
) -> Result<(u64, Vec<Path>), Limit> {
    let graph = view.graph();
    let hops = onwards(to, steps);
    let count = hops[0].first().map_or(0, |first| first.count);
    let mut queue: BinaryHeap<Walked<'_>> = BinaryHeap::from([Reverse((0, vec![graph.id(from)], vec![from], 0))]);
    let mut found = Vec::new();
    while found.len() < k
        && let Some(Reverse((_, ids, members, weight))) = queue.pop()
    {
        let hop = members.len() - 1;
        let Some((of_hop, last)) = steps.get(hop).zip(members.last()) else {
            // A chain hands over once less than it has steps.
            found.push(Path { members, cost: ChainCost(weight - ChainCost::HAND_OVER.0) });
            continue;
        };
        budget.visit(of_hop.len() as u64)?;
        for step in of_hop.iter().filter(|step| step.from == *last) {
            let onwards = hops[hop + 1].binary_search_by_key(&step.to, |onwards| onwards.member);
            let Ok(at) = onwards else { continue };
            let weight = weight + step.weight;
            let (mut ids, mut members) = (ids.clone(), members.clone());
            ids.push(graph.id(step.to));
            members.push(step.to);
            queue.push(Reverse((weight + hops[hop + 1][at].weight, ids, members, weight)));
        }
    }
    Ok((count, found))
}

/// Returns by hop, in index order, what leads on from each of the members there.
fn onwards(to: MemberIx, steps: &[Vec<Step>]) -> Vec<Vec<Onwards>> {
    let mut hops = vec![vec![Onwards { member: to, count: 1, weight: 0 }]];
    for of_hop in steps.iter().rev() {
        let next = &hops[hops.len() - 1];
        let mut here: Vec<Onwards> = Vec::with_capacity(of_hop.len());
        for step in of_hop {
            if let Ok(at) = next.binary_search_by_key(&step.to, |onwards| onwards.member) {
                let Onwards { count, weight, .. } = next[at];
                here.push(Onwards { member: step.from, count, weight: weight + step.weight });
            }
        }
        here.sort_unstable_by_key(|onwards| onwards.member);
        here.dedup_by(|next, kept| {
            let same = next.member == kept.member;
            if same {
                kept.count = kept.count.saturating_add(next.count);
                kept.weight = kept.weight.min(next.weight);
            }
            same
        });
        hops.push(here);
    }
    hops.reverse();
    hops
}
