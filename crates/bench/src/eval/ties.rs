//! A split's ties as plain arrays, and their strengths by the formula written out. kith's answers are compared with them, so that they
//! share no code with kith.

use super::split::{Fading, KnownTie, Split};

/// The neighbors of every member in order, each with the strength of the tie.
pub struct Ties {
    begins: Vec<usize>,
    steps: Vec<(u32, f64)>,
    /// The degree `max(¼, Σ s)` of each member.
    degrees: Vec<f64>,
}

impl Ties {
    pub fn new(split: &Split) -> Ties {
        let mut lists: Vec<Vec<(u32, f64)>> = vec![Vec::new(); split.members.len()];
        for tie in &split.ties {
            let strength = strength(tie, split.fading);
            lists[tie.a as usize].push((tie.b, strength));
            lists[tie.b as usize].push((tie.a, strength));
        }
        let mut ties = Ties { begins: vec![0], steps: Vec::new(), degrees: Vec::new() };
        for mut list in lists {
            list.sort_unstable_by_key(|step| step.0);
            ties.degrees.push(list.iter().map(|step| step.1).sum::<f64>().max(0.25));
            ties.steps.extend(list);
            ties.begins.push(ties.steps.len());
        }
        ties
    }

    pub fn members(&self) -> usize {
        self.degrees.len()
    }

    /// Returns whom a member is joined to, and how strongly.
    pub fn of(&self, member: u32) -> &[(u32, f64)] {
        &self.steps[self.begins[member as usize]..self.begins[member as usize + 1]]
    }

    /// Returns how many members a member is joined to.
    pub fn count(&self, member: u32) -> f64 {
        self.of(member).len() as f64
    }

    /// Returns D of the formula of K.
    pub fn degree(&self, member: u32) -> f64 {
        self.degrees[member as usize]
    }

    pub fn are_joined(&self, a: u32, b: u32) -> bool {
        self.of(a).binary_search_by_key(&b, |step| step.0).is_ok()
    }
}

/// Returns `0.1 + 0.9·w/(1+w)`, `w = prior + Σ 0.5^((as_of − t)/half-life)`.
fn strength(tie: &KnownTie, fading: Fading) -> f64 {
    let half_lives = |time_s: u32| (fading.as_of.0 as f64 - f64::from(time_s) * 1_000.0) / fading.half_life_ms as f64;
    let left = |time_s: &u32| 0.5f64.powf(half_lives(*time_s).max(0.0));
    let weight = fading.prior + tie.times_s.iter().map(left).sum::<f64>();
    0.1 + 0.9 * weight / (1.0 + weight)
}
