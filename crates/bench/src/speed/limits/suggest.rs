//! Computes suggestions: the scores of walks of two and three steps, in dense scratch space.

use super::Limits;

impl Limits {
    /// Returns the members with the greatest scores that are not joined to `member`, the best first. The formula is that of
    /// `kith::graph::suggest`.
    pub fn suggest(&mut self, member: u32, count: usize, three_steps: bool) -> Vec<(u32, f64)> {
        let Limits { csr, scores, arriving, joined, .. } = self;
        scores.clear();
        arriving.clear();
        joined.clear();
        joined.set(member, ());
        csr.out.neighbors(member).iter().for_each(|&other| joined.set(other, ()));
        csr.into.neighbors(member).iter().for_each(|&other| joined.set(other, ()));
        let degree = |z: u32| csr.out.pairs(z).map(|pair| f64::from(pair.1)).sum::<f64>().max(0.25);
        let (mut found, mut middle) = (Vec::new(), Vec::new());
        for (z, to_z) in csr.out.pairs(member) {
            let share = f64::from(to_z) / degree(z);
            for (y, strength) in csr.out.pairs(z).filter(|pair| pair.0 != member) {
                let (sum, new) = arriving.entry(y);
                *sum += share * f64::from(strength);
                if new {
                    middle.push(y);
                }
            }
        }
        for &y in &middle {
            *scores.entry(y).0 = arriving.get(y).unwrap_or_default();
            if joined.get(y).is_none() {
                found.push(y);
            }
        }
        if three_steps {
            for &y in &middle {
                let share = 0.5 * arriving.get(y).unwrap_or_default() / degree(y);
                for (v, strength) in csr.out.pairs(y) {
                    let (sum, new) = scores.entry(v);
                    *sum += share * f64::from(strength);
                    if new && joined.get(v).is_none() {
                        found.push(v);
                    }
                }
            }
        }
        let mut best: Vec<(u32, f64)> = found.into_iter().map(|v| (v, scores.get(v).unwrap_or_default())).collect();
        if best.len() > count {
            best.select_nth_unstable_by(count, |a, b| b.1.total_cmp(&a.1));
            best.truncate(count);
        }
        best.sort_unstable_by(|a, b| b.1.total_cmp(&a.1));
        best
    }
}
