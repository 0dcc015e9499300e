//! Suggestions by definition: the sums of the formula written out over all members.

use std::collections::{BTreeMap, BTreeSet};

use crate::oracle::Oracle;

/// A chain in between, and its part of K.
pub type Chain = (Vec<usize>, f64);

#[derive(Debug, Clone)]
pub struct Candidate {
    pub member: usize,
    pub k: f64,
    pub topic_match: f64,
    pub hops: u32,
    pub mutuals: u32,
    pub chains: Vec<Chain>,
}

impl Candidate {
    pub fn score(&self) -> f64 {
        self.k * (1.0 + self.topic_match)
    }
}

impl Oracle {
    /// Strengths are summed in units of 2⁻³², cut off: so the order they are summed in does not matter.
    fn degree(&self, z: usize) -> f64 {
        let units = self.pair[z].iter().flatten().map(|strength| (strength * 4_294_967_296.0).floor());
        (units.sum::<f64>() / 4_294_967_296.0).max(0.25)
    }

    /// Whoever could be suggested, with walks of two steps and, if wanted, of three;
    /// sharers of topics up to 6 hops away.
    pub fn candidates(
        &self,
        u: usize,
        topics: Option<&BTreeMap<usize, f64>>,
        exclude: &BTreeSet<usize>,
        three_steps: bool,
    ) -> Vec<Candidate> {
        let joined = |v: usize| self.pair[u][v].is_some() || self.pair[v][u].is_some();
        let hidden = |v: usize| {
            let privacy = &self.privacy[v];
            privacy.hidden_from_suggestions || privacy.objects_to_profiling
        };
        let may_be = |v: &usize| *v != u && !joined(*v) && !exclude.contains(v) && !hidden(*v);
        let mut found = Vec::new();
        for member in (0..self.size()).filter(may_be) {
            let topic_match = match topics {
                None => 0.0,
                Some(evidence) => match evidence.get(&member) {
                    Some(topic_match) => *topic_match,
                    None => continue,
                },
            };
            let chains = self.chains(u, member, three_steps);
            let k = chains.iter().map(|chain| chain.1).sum();
            let mutuals = chains.iter().filter(|chain| chain.0.len() == 1).count() as u32;
            let hops = self.hops[u][member];
            if !chains.is_empty() || (three_steps && topics.is_some() && hops <= 6) {
                found.push(Candidate { member, k, topic_match, hops, mutuals, chains });
            }
        }
        found
    }

    /// Every walk of two and three steps from u to v, and its part of K.
    fn chains(&self, u: usize, v: usize, three_steps: bool) -> Vec<Chain> {
        let mut chains = Vec::new();
        for z in 0..self.size() {
            let Some(to_z) = self.pair[u][z] else { continue };
            if let Some(to_v) = self.pair[z][v] {
                chains.push((vec![z], to_z * to_v / self.degree(z)));
            }
            for y in (0..self.size()).filter(|&y| three_steps && y != u) {
                if let (Some(to_y), Some(to_v)) = (self.pair[z][y], self.pair[y][v]) {
                    let part = 0.5 * to_z * to_y * to_v / (self.degree(z) * self.degree(y));
                    chains.push((vec![z, y], part));
                }
            }
        }
        chains
    }
}
