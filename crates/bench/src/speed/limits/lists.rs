//! Lists a member's neighbors, and those that two members share.

use super::Limits;

impl Limits {
    /// Returns the first of a member's neighbors.
    pub fn neighbors(&self, member: u32, count: usize) -> &[u32] {
        let all = self.csr.out.neighbors(member);
        &all[..count.min(all.len())]
    }

    /// Returns whom both have an edge to: the longer list is searched by galloping.
    pub fn mutuals(&self, a: u32, b: u32) -> Vec<u32> {
        let (mut short, mut long) = (self.csr.out.neighbors(a), self.csr.out.neighbors(b));
        if short.len() > long.len() {
            std::mem::swap(&mut short, &mut long);
        }
        let mut found = Vec::new();
        for &member in short {
            let mut step = 1;
            while step < long.len() && long[step] < member {
                step *= 2;
            }
            let within = &long[step / 2..long.len().min(step + 1)];
            let at = step / 2 + within.partition_point(|&other| other < member);
            long = &long[at..];
            if long.first() == Some(&member) && member != a && member != b {
                found.push(member);
            }
        }
        found
    }
}
