//! The rankers that are compared. Each gives every member a score for a member who looks for introductions; the formula of K is written out
//! here once more, over plain arrays, so that kith's own answers can be held to it.

use super::ties::Ties;

/// The β of Katz (Liben-Nowell, Kleinberg 2007), and the longest walks that count.
const KATZ: f64 = 0.005;
const KATZ_STEPS: u32 = 6;
/// How often the walk of PageRank starts anew, and how many of its steps are followed: what is left after them is 0.85⁶⁰ = 6e-5.
const RESTART: f64 = 0.15;
const PAGE_RANK_STEPS: u32 = 60;

/// The formula that scores are made by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ranker {
    CommonNeighbors,
    /// Adamic, Adar 2003.
    AdamicAdar,
    /// Zhou, Lü, Zhang 2009.
    ResourceAllocation,
    Katz,
    PageRank,
    /// K by definition, with other weights for the ablation.
    Walks(Weights),
}

/// The weights of K: `Σ s·s/Dᵖ + λ·Σ s·s·s/(Dᵖ·Dᵖ)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    pub two_steps: f64,
    /// λ.
    pub three_steps: f64,
    /// p.
    pub degree_exponent: f64,
}

impl Weights {
    /// The weights that kith uses.
    pub const K: Weights = Weights { two_steps: 1.0, three_steps: 0.5, degree_exponent: 1.0 };
}

impl Ranker {
    /// The classic rankers.
    pub const CLASSIC: [(&'static str, Ranker); 5] = [
        ("common neighbors", Ranker::CommonNeighbors),
        ("Adamic-Adar", Ranker::AdamicAdar),
        ("resource allocation", Ranker::ResourceAllocation),
        ("Katz", Ranker::Katz),
        ("personalised PageRank", Ranker::PageRank),
    ];

    /// Returns the score of every member, for the member who looks.
    pub fn scores(self, ties: &Ties, member: u32) -> Vec<f64> {
        match self {
            Ranker::CommonNeighbors => shared(ties, member, |_| 1.0),
            Ranker::AdamicAdar => shared(ties, member, |count| 1.0 / count.max(2.0).ln()),
            Ranker::ResourceAllocation => shared(ties, member, |count| 1.0 / count),
            Ranker::Katz => katz(ties, member),
            Ranker::PageRank => page_rank(ties, member),
            Ranker::Walks(weights) => walks(ties, member, weights),
        }
    }
}

/// Returns a sum over the neighbors that two members share.
fn shared(ties: &Ties, member: u32, part: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut scores = vec![0.0; ties.members()];
    for &(z, _) in ties.of(member) {
        let part = part(ties.count(z));
        ties.of(z).iter().for_each(|step| scores[step.0 as usize] += part);
    }
    scores
}

/// Returns `Σ βˡ · walks of l steps`.
fn katz(ties: &Ties, member: u32) -> Vec<f64> {
    let mut scores = vec![0.0; ties.members()];
    let mut arriving = unit(ties, member);
    for _ in 0..KATZ_STEPS {
        arriving = step(ties, &arriving, |_, _| KATZ);
        scores.iter_mut().zip(&arriving).for_each(|(score, arriving)| *score += arriving);
    }
    scores
}

/// Returns where a walk is that starts anew at the member again and again.
fn page_rank(ties: &Ties, member: u32) -> Vec<f64> {
    let mut scores = unit(ties, member);
    for _ in 0..PAGE_RANK_STEPS {
        scores = step(ties, &scores, |from, _| (1.0 - RESTART) / ties.count(from));
        scores[member as usize] += RESTART;
    }
    scores
}

/// Returns K.
fn walks(ties: &Ties, member: u32, weights: Weights) -> Vec<f64> {
    let share = |from: u32, strength: f64| strength / ties.degree(from).powf(weights.degree_exponent);
    let mut first = vec![0.0; ties.members()];
    ties.of(member).iter().for_each(|step| first[step.0 as usize] = step.1);
    let mut second = step(ties, &first, share);
    // The walk's end y is not the member u itself.
    second[member as usize] = 0.0;
    let third = step(ties, &second, share);
    second.iter().zip(&third).map(|(two, three)| weights.two_steps * two + weights.three_steps * three).collect()
}

fn unit(ties: &Ties, member: u32) -> Vec<f64> {
    let mut unit = vec![0.0; ties.members()];
    unit[member as usize] = 1.0;
    unit
}

/// Takes one step from everywhere, along every tie, times the factor for where it starts and how strong the tie is.
fn step(ties: &Ties, from: &[f64], factor: impl Fn(u32, f64) -> f64) -> Vec<f64> {
    let mut to = vec![0.0; ties.members()];
    for (member, &amount) in from.iter().enumerate().filter(|(_, amount)| **amount > 0.0) {
        for &(neighbor, strength) in ties.of(member as u32) {
            to[neighbor as usize] += amount * factor(member as u32, strength);
        }
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::split::{Fading, KnownTie, Split};
    use kith::domain::TimeMs;

    /// Returns ties by which 0 is joined to 1 and 2, both to 3, and 3 to 4; every tie of strength 0.55.
    fn ties() -> Ties {
        let tie = |(a, b): (u32, u32)| KnownTie { a, b, times_s: Vec::new() };
        Ties::new(&Split {
            name: String::new(),
            members: (0..5).map(|member| member.to_string()).collect(),
            ties: [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)].map(tie).into(),
            hidden: Vec::new(),
            queries: Vec::new(),
            fading: Fading { prior: 1.0, half_life_ms: 1, as_of: TimeMs(0) },
        })
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-12
    }

    #[test]
    fn each_is_its_formula() {
        let (ties, of) = (ties(), |ranker: Ranker| ranker.scores(&self::ties(), 0));
        assert_eq!(of(Ranker::CommonNeighbors)[3..], [2.0, 0.0]);
        assert!(close(of(Ranker::AdamicAdar)[3], 2.0 / 2f64.ln()));
        assert_eq!(of(Ranker::ResourceAllocation)[3..], [1.0, 0.0]);
        // Two walks of two steps, and of four: 0-1-0-1-3 and the like, 16 - counted out below.
        assert!(close(of(Ranker::Katz)[4], 2.0 * KATZ.powi(3) + walks_of_five(&ties) * KATZ.powi(5)));
        let total: f64 = of(Ranker::PageRank).iter().sum();
        assert!(close(total, 1.0));
        // Two steps: 2 · 0.55 / 2; three steps: that, halved, by 0.55 / (3 · 0.55).
        let k = of(Ranker::Walks(Weights::K));
        assert!(close(k[3], 0.55) && close(k[4], 0.5 * 0.55 / 3.0));
        let by_root = of(Ranker::Walks(Weights { degree_exponent: 0.5, three_steps: 0.0, ..Weights::K }));
        assert!(close(by_root[3], 2.0 * 0.55 * 0.55 / 1.1f64.sqrt()) && by_root[4] == 0.0);
    }

    /// Counts the walks of five steps from 0 to 4, one by one.
    fn walks_of_five(ties: &Ties) -> f64 {
        let mut ends = vec![0u32];
        for _ in 0..5 {
            ends = ends.iter().flat_map(|&at| ties.of(at).iter().map(|step| step.0)).collect();
        }
        ends.iter().filter(|&&end| end == 4).count() as f64
    }
}
