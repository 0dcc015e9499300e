//! Finds the shortest path: breadth-first from both ends, counting and weighing on the way.

use super::Limits;
use super::csr::Side;
use super::marks::Marks;

/// The shortest paths from one end to a member, or from one member to another, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ShortestPath {
    pub hops: u32,
    /// The number of the paths.
    pub count: u64,
    /// The cost of the strongest of them: 1 for each hop, and −log₂ of each pair strength.
    pub cost: f32,
}

impl Limits {
    /// Returns the shortest paths within `hops_max`: how many, and the strongest.
    pub fn shortest_path(&mut self, from: u32, to: u32, hops_max: u32) -> Option<ShortestPath> {
        let Limits { csr, shortest: [ahead, behind], .. } = self;
        let itself = ShortestPath { hops: 0, count: 1, cost: 0.0 };
        if from == to {
            return Some(itself);
        }
        ahead.clear();
        behind.clear();
        ahead.set(from, itself);
        behind.set(to, itself);
        let (mut front, mut back) = (vec![from], vec![to]);
        let (mut edges_front, mut edges_back) = (csr.out.degree(from), csr.into.degree(to));
        for hops in 1..=hops_max {
            if edges_front <= edges_back {
                (front, edges_front) = step(&csr.out, &front, ahead);
                if let Some(met) = meeting(&front, ahead, behind) {
                    return Some(ShortestPath { hops, ..met });
                }
            } else {
                (back, edges_back) = step(&csr.into, &back, behind);
                if let Some(met) = meeting(&back, behind, ahead) {
                    return Some(ShortestPath { hops, ..met });
                }
            }
            if front.is_empty() || back.is_empty() {
                return None;
            }
        }
        None
    }
}

/// Goes one hop further; returns the members there, and how many edges they have.
fn step(side: &Side, frontier: &[u32], marks: &mut Marks<ShortestPath>) -> (Vec<u32>, usize) {
    let (mut next, mut edges) = (Vec::new(), 0);
    for &member in frontier {
        let here = marks.get(member).unwrap_or_default();
        for (neighbor, cost) in side.steps(member) {
            let (there, new) = marks.entry(neighbor);
            if new {
                *there = ShortestPath { hops: here.hops + 1, count: here.count, cost: here.cost + cost };
                next.push(neighbor);
                edges += side.degree(neighbor);
            } else if there.hops == here.hops + 1 {
                there.count += here.count;
                there.cost = there.cost.min(here.cost + cost);
            }
        }
    }
    (next, edges)
}

fn meeting(frontier: &[u32], near: &Marks<ShortestPath>, far: &Marks<ShortestPath>) -> Option<ShortestPath> {
    let mut met: Option<ShortestPath> = None;
    for &member in frontier {
        if let (Some(here), Some(there)) = (near.get(member), far.get(member)) {
            let both = met.get_or_insert(ShortestPath { hops: 0, count: 0, cost: f32::INFINITY });
            both.count += here.count * there.count;
            both.cost = both.cost.min(here.cost + there.cost);
        }
    }
    met
}
