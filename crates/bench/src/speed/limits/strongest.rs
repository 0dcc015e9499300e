//! Finds the strongest paths: label-setting from both ends until no better path can be missing, then the paths one by one.
//!
//! The search from both ends stops when the two radii reach the cost of the `k`-th best path it met. Backwards it goes on among members
//! that a path within that cost can pass; their costs to the target then lead a best-first search along whole paths.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Limits;
use super::csr::Side;
use super::marks::Marks;

/// The least cost known of a walk between a member and one end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Label {
    cost: f32,
    parent: u32,
    settled: bool,
}

/// The factor by which sums of a few floats in another order may differ.
const SLACK: f32 = 1.0 + 1e-5;

/// One direction of the search.
struct Half<'a> {
    side: &'a Side,
    labels: &'a mut Marks<Label>,
    queue: BinaryHeap<Reverse<u64>>,
}

/// Returns a key in the order of costs: costs are not negative, so their bits are in their order.
fn key(cost: f32, member: u32) -> Reverse<u64> {
    Reverse(u64::from(cost.to_bits()) << 32 | u64::from(member))
}

fn unkey(Reverse(key): Reverse<u64>) -> (f32, u32) {
    (f32::from_bits((key >> 32) as u32), key as u32)
}

impl<'a> Half<'a> {
    fn new(side: &'a Side, labels: &'a mut Marks<Label>, end: u32) -> Half<'a> {
        labels.clear();
        labels.set(end, Label { cost: 0.0, parent: end, settled: false });
        Half { side, labels, queue: BinaryHeap::from([key(0.0, end)]) }
    }

    fn radius(&self) -> f32 {
        self.queue.peek().map_or(f32::INFINITY, |&top| unkey(top).0)
    }

    fn settle(&mut self) -> Option<(f32, u32)> {
        loop {
            let (cost, member) = unkey(self.queue.pop()?);
            let label = self.labels.entry(member).0;
            if !label.settled && label.cost == cost {
                label.settled = true;
                return Some((cost, member));
            }
        }
    }

    /// Notes a walk; returns whether it is the best known.
    fn lower(&mut self, member: u32, cost: f32, parent: u32) -> bool {
        let (label, new) = self.labels.entry(member);
        let better = new || cost < label.cost;
        if better {
            *label = Label { cost, parent, settled: false };
        }
        better
    }

    fn chain(&self, mut member: u32) -> Vec<u32> {
        let mut chain = vec![member];
        while let Some(label) = self.labels.get(member).filter(|label| label.parent != member) {
            member = label.parent;
            chain.push(member);
        }
        chain
    }
}

/// The best paths met so far.
struct Best {
    k: usize,
    hops_max: usize,
    paths: Vec<(f32, Vec<u32>)>,
}

impl Best {
    fn bound(&self) -> f32 {
        self.paths.get(self.k - 1).map_or(f32::INFINITY, |path| path.0)
    }

    fn offer(&mut self, cost: f32, path: Vec<u32>) {
        let distinct = (1..path.len()).all(|i| !path[..i].contains(&path[i]));
        if path.len() > self.hops_max + 1 || !distinct || self.paths.iter().any(|known| known.1 == path) {
            return;
        }
        let at = self.paths.partition_point(|known| known.0 <= cost);
        self.paths.insert(at, (cost, path));
        self.paths.truncate(self.k);
    }
}

impl Limits {
    /// Returns the costs of the `k` strongest loopless paths within `hops_max`: 1 for each hop, and −log₂ of each pair strength.
    pub fn strongest(&mut self, from: u32, to: u32, k: usize, hops_max: u32) -> Vec<f32> {
        let Limits { csr, costs: [ahead, behind], .. } = self;
        let mut front = Half::new(&csr.out, ahead, from);
        let mut back = Half::new(&csr.into, behind, to);
        let mut best = Best { k, hops_max: hops_max as usize, paths: Vec::new() };
        let mut put_off = Vec::new();
        while front.radius() + back.radius() < best.bound() {
            let forward = front.queue.len() <= back.queue.len();
            if forward {
                meet(&mut front, &mut back, &mut best, |chain, rest| [chain, rest], |_| {})
            } else {
                meet(&mut back, &mut front, &mut best, |chain, rest| [rest, chain], |late| put_off.push(late))
            }
        }
        let bound = best.bound() * SLACK;
        let radius = front.radius();
        let ahead_of =
            |member| front.labels.get(member).filter(|label| label.settled).map_or(radius, |label| label.cost);
        back.queue.extend(put_off.into_iter().map(|(cost, member)| key(cost, member)));
        while back.radius() <= bound {
            let Some((cost, member)) = back.settle() else { break };
            if cost + ahead_of(member) > bound {
                continue;
            }
            for (before, step) in back.side.steps(member) {
                if cost + step + ahead_of(before) <= bound && back.lower(before, cost + step, member) {
                    back.queue.push(key(cost + step, before));
                }
            }
        }
        follow(front.side, back.labels, from, to, k, hops_max, bound)
    }
}

/// Settles one member of the near half, and offers the paths on which the halves meet there.
fn meet(
    near: &mut Half<'_>,
    far: &mut Half<'_>,
    best: &mut Best,
    in_order: impl Fn(Vec<u32>, Vec<u32>) -> [Vec<u32>; 2],
    mut put_off: impl FnMut((f32, u32)),
) {
    let Some((cost, member)) = near.settle() else { return };
    let far_radius = far.radius();
    for (next, step) in near.side.steps(member) {
        let cost = cost + step;
        if let Some(label) = far.labels.get(next)
            && cost + label.cost < best.bound()
        {
            let [mut path, rest] = in_order(near.chain(member), far.chain(next));
            path.reverse();
            path.extend(rest);
            best.offer(cost + label.cost, path);
        }
        if near.lower(next, cost, member) {
            // A member further out has been reached from the other end, if a good path passes it.
            if cost + far_radius <= best.bound() * SLACK {
                near.queue.push(key(cost, next))
            } else {
                put_off((cost, next))
            }
        }
    }
}

/// Searches best-first along whole paths, by what the rest costs at least.
fn follow(side: &Side, rest: &Marks<Label>, from: u32, to: u32, k: usize, hops_max: u32, bound: f32) -> Vec<f32> {
    // Each walked member has its cost, its number of hops and the index of the one before.
    let mut walked = vec![(from, 0f32, 0u32, usize::MAX)];
    let mut queue = BinaryHeap::from([key(0.0, 0)]);
    let mut found = Vec::new();
    while found.len() < k
        && let Some(top) = queue.pop()
    {
        let at = unkey(top).1 as usize;
        let (member, cost, hops, _) = walked[at];
        if member == to {
            found.push(cost);
            continue;
        }
        if hops == hops_max {
            continue;
        }
        for (next, step) in side.steps(member) {
            let Some(label) = rest.get(next).filter(|label| label.settled) else { continue };
            let least = cost + step + label.cost;
            if least <= bound && !passes(&walked, at, next) {
                walked.push((next, cost + step, hops + 1, at));
                queue.push(key(least, walked.len() as u32 - 1));
            }
        }
    }
    found
}

fn passes(walked: &[(u32, f32, u32, usize)], mut at: usize, member: u32) -> bool {
    while at != usize::MAX {
        if walked[at].0 == member {
            return true;
        }
        at = walked[at].3;
    }
    false
}
