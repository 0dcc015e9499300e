//! Paths and introducers by definition: every simple path is listed, then sorted.

use kith::domain::Sphere;
use kith::graph::Ranking;

use crate::oracle::Oracle;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OraclePath {
    pub members: Vec<usize>,
    /// `Σ round(−log₂(pair strength)·2³²) + (hops − 1)·2³²`.
    pub cost: u64,
}

impl OraclePath {
    pub fn hops(&self) -> u32 {
        self.members.len() as u32 - 1
    }

    pub fn strength(&self) -> f64 {
        chain_strength(self.cost)
    }
}

pub fn chain_strength(cost: u64) -> f64 {
    libm::exp2(-(cost as f64) / 4_294_967_296.0)
}

pub fn step_cost(pair_strength: f64) -> u64 {
    (-libm::log2(pair_strength) * 4_294_967_296.0).round() as u64
}

pub fn sort(paths: &mut [OraclePath], ranking: Ranking) {
    paths.sort_by(|a, b| {
        let order = match ranking {
            Ranking::Hops => (a.hops(), a.cost).cmp(&(b.hops(), b.cost)),
            Ranking::Strength => (a.cost, a.hops()).cmp(&(b.cost, b.hops())),
        };
        order.then_with(|| a.members.cmp(&b.members))
    });
}

#[derive(Debug, Clone)]
pub struct OracleIntroducer {
    pub member: usize,
    pub strength_to_member: f64,
    pub strength_to_target: f64,
    pub path: OraclePath,
}

impl Oracle {
    /// The greatest bound on hops, up to `max_hops`, under which no more than `walks_max` walks leave a member.
    pub fn hops_to_list(&self, from: usize, max_hops: u32, walks_max: u64) -> u32 {
        let mut ends = vec![0u64; self.size()];
        ends[from] = 1;
        let mut walks = 0;
        for hops in 1..=max_hops {
            let mut next = vec![0u64; self.size()];
            for (a, row) in self.pair.iter().enumerate() {
                for (b, _) in row.iter().enumerate().filter(|(_, pair)| pair.is_some()) {
                    next[b] += ends[a];
                }
            }
            walks += next.iter().sum::<u64>();
            if walks > walks_max {
                return (hops - 1).max(2);
            }
            ends = next;
        }
        max_hops
    }

    /// All paths without a member twice.
    pub fn paths(&self, from: usize, to: usize, max_hops: u32) -> Vec<OraclePath> {
        let mut found = Vec::new();
        self.extend(&mut vec![from], to, max_hops, &mut found);
        found
    }

    fn extend(&self, path: &mut Vec<usize>, to: usize, hops_left: u32, found: &mut Vec<OraclePath>) {
        let last = path[path.len() - 1];
        if last == to {
            found.push(OraclePath { members: path.clone(), cost: self.cost(path) });
            return;
        }
        if hops_left == 0 {
            return;
        }
        for next in 0..self.size() {
            if self.pair[last][next].is_some() && !path.contains(&next) {
                path.push(next);
                self.extend(path, to, hops_left - 1, found);
                path.pop();
            }
        }
    }

    fn cost(&self, path: &[usize]) -> u64 {
        let steps: u64 = path.windows(2).map(|step| step_cost(self.pair[step[0]][step[1]].unwrap())).sum();
        steps + ((path.len() as u64).saturating_sub(2) << 32)
    }

    /// For each first hand-over the strongest path through it, by member.
    pub fn introducers(&self, member: usize, target: usize, max_hops: u32) -> Vec<OracleIntroducer> {
        let mut paths = self.paths(member, target, max_hops);
        sort(&mut paths, Ranking::Strength);
        let mut found: Vec<OracleIntroducer> = Vec::new();
        for path in paths.into_iter().filter(|path| path.hops() > 1) {
            let first = path.members[1];
            if !found.iter().any(|known| known.member == first) {
                let strength_to_target = chain_strength(self.cost(&path.members[1..]));
                let strength_to_member = self.pair[member][first].unwrap();
                found.push(OracleIntroducer { member: first, strength_to_member, strength_to_target, path });
            }
        }
        found
    }

    /// The fewest changes of sphere, over every choice of an edge for each step.
    pub fn crossings(&self, path: &[usize]) -> u32 {
        self.crossings_after(None, path)
    }

    fn crossings_after(&self, before: Option<Sphere>, path: &[usize]) -> u32 {
        let [from, to, ..] = *path else { return 0 };
        let change = |here: Sphere| u32::from(before.is_some_and(|before| before != here));
        let edges = self.edges[from][to].iter();
        edges.map(|e| change(e.sphere) + self.crossings_after(Some(e.sphere), &path[1..])).min().unwrap()
    }

    /// The edges of a step: the strongest first, then by kind.
    pub fn step_edges(&self, from: usize, to: usize) -> Vec<(String, f32)> {
        let mut edges: Vec<_> = self.edges[from][to].iter().map(|e| (e.kind.clone(), e.strength)).collect();
        edges.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then_with(|| a.0.cmp(&b.0)));
        edges
    }
}
