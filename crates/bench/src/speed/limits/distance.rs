//! Computes distances: breadth-first from both ends, the cheaper side first.

use super::Limits;
use super::csr::Side;
use super::marks::Marks;

/// Returns the edges that the next hop of a search from these members looks at.
pub fn edges_ahead(side: &Side, frontier: &[u32]) -> usize {
    frontier.iter().map(|&member| side.degree(member)).sum()
}

impl Limits {
    /// Returns the hops of a shortest path within `hops_max`.
    pub fn distance(&mut self, from: u32, to: u32, hops_max: u32) -> Option<u32> {
        if from == to {
            return Some(0);
        }
        let Limits { csr, seen, joined, .. } = self;
        seen.clear();
        joined.clear();
        seen.set(from, ());
        joined.set(to, ());
        let (mut ahead, mut behind) = (vec![from], vec![to]);
        let (mut edges_ahead_, mut edges_behind) = (csr.out.degree(from), csr.into.degree(to));
        let mut next = Vec::new();
        for hops in 1..=hops_max {
            let forward = edges_ahead_ <= edges_behind;
            let (side, frontier, near, far) = if forward {
                (&csr.out, &mut ahead, &mut *seen, &*joined)
            } else {
                (&csr.into, &mut behind, &mut *joined, &*seen)
            };
            let edges = step(side, frontier, &mut next, near, far)?;
            std::mem::swap(frontier, &mut next);
            match edges {
                Step::Met => return Some(hops),
                Step::Edges(edges) if forward => edges_ahead_ = edges,
                Step::Edges(edges) => edges_behind = edges,
            }
        }
        None
    }

    /// Returns the hops to each target: one search ahead, shared, and one back from each target, the cheaper side first.
    pub fn distances(&mut self, from: u32, targets: &[u32], hops_max: u32) -> Vec<Option<u32>> {
        let Limits { csr, ahead, behind, .. } = self;
        ahead.clear();
        ahead.set(from, 0);
        let mut frontier = vec![from];
        let mut hops_ahead = 0;
        let mut found: Vec<Option<u32>> = targets.iter().map(|&target| (target == from).then_some(0)).collect();
        let mut back: Vec<(u32, Vec<u32>)> = targets.iter().map(|&target| (0, vec![target])).collect();
        let mut seen: Vec<Vec<u32>> = targets.iter().map(|&target| vec![target]).collect();
        loop {
            let open: Vec<usize> = (0..targets.len())
                .filter(|&i| found[i].is_none() && hops_ahead + back[i].0 < hops_max && !back[i].1.is_empty())
                .collect();
            if open.is_empty() || frontier.is_empty() {
                return found;
            }
            let edges_back: usize = open.iter().map(|&i| edges_ahead(&csr.into, &back[i].1)).sum();
            if edges_ahead(&csr.out, &frontier) <= edges_back {
                hops_ahead += 1;
                let mut next = Vec::new();
                for &member in &frontier {
                    next.extend(csr.out.neighbors(member).iter().filter(|&&other| ahead.set_new(other, hops_ahead)));
                }
                frontier = next;
                for i in open {
                    if back[i].1.iter().any(|&member| ahead.get(member).is_some()) {
                        found[i] = Some(hops_ahead + back[i].0);
                    }
                }
            } else {
                for i in open {
                    behind.clear();
                    seen[i].iter().for_each(|&member| behind.set(member, 0));
                    let mut next = Vec::new();
                    for &member in &back[i].1 {
                        next.extend(csr.into.neighbors(member).iter().filter(|&&other| behind.set_new(other, 0)));
                    }
                    seen[i].extend(&next);
                    back[i] = (back[i].0 + 1, next);
                    if back[i].1.iter().any(|&member| ahead.get(member).is_some()) {
                        found[i] = Some(hops_ahead + back[i].0);
                    }
                }
            }
        }
    }
}

enum Step {
    Met,
    /// The edges that the next hop on this side looks at.
    Edges(usize),
}

/// Goes one hop; returns none if it leads nowhere new.
fn step(side: &Side, frontier: &[u32], next: &mut Vec<u32>, near: &mut Marks<()>, far: &Marks<()>) -> Option<Step> {
    next.clear();
    let mut edges = 0;
    for &member in frontier {
        for &neighbor in side.neighbors(member) {
            if near.set_new(neighbor, ()) {
                if far.get(neighbor).is_some() {
                    return Some(Step::Met);
                }
                edges += side.degree(neighbor);
                next.push(neighbor);
            }
        }
    }
    (!next.is_empty()).then_some(Step::Edges(edges))
}
