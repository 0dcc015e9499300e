//! Measures how well the members that were met later stand in a ranking of all that were not joined.

use fastrand::Rng;

use super::ties::Ties;

/// The number of members at the top that count.
pub const TOP: usize = 20;

/// The members that one could be introduced to, in the order that breaks equal scores: at random, the same for every ranker.
pub struct Candidates(Vec<u32>);

impl Candidates {
    /// Returns everyone the member is not joined to.
    pub fn of(ties: &Ties, member: u32, seed: u64) -> Candidates {
        let mut others: Vec<u32> =
            (0..ties.members() as u32).filter(|&other| other != member && !ties.are_joined(member, other)).collect();
        Rng::with_seed(seed ^ u64::from(member).wrapping_mul(0x9E37_79B9_7F4A_7C15)).shuffle(&mut others);
        Candidates(others)
    }

    /// Returns all candidates.
    pub fn members(&self) -> &[u32] {
        &self.0
    }

    /// Returns the best, those with the greatest scores first, without members that have no score.
    pub fn top(&self, scores: &[f64]) -> Vec<u32> {
        let mut ranked: Vec<(f64, usize)> =
            self.0.iter().enumerate().map(|(index, &member)| (scores[member as usize], index)).collect();
        ranked.retain(|candidate| candidate.0 > 0.0);
        let better = |a: &(f64, usize), b: &(f64, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if ranked.len() > TOP {
            ranked.select_nth_unstable_by(TOP, better);
            ranked.truncate(TOP);
        }
        ranked.sort_unstable_by(better);
        ranked.into_iter().map(|(_, index)| self.0[index]).collect()
    }

    /// Returns how the members that were met later stand among all candidates.
    pub fn found(&self, scores: &[f64], met: &[u32]) -> Found {
        // A member's rank counts everyone better, and those as good that come before it.
        let rank = |member: u32| {
            let score = scores[member as usize];
            let index = self.0.iter().position(|&other| other == member).unwrap_or(self.0.len());
            let before = |(at, &other): (usize, &u32)| {
                scores[other as usize] > score || (scores[other as usize] == score && at < index)
            };
            self.0.iter().enumerate().filter(|&other| before(other)).count() + 1
        };
        let ranks: Vec<usize> = met.iter().map(|&member| rank(member)).collect();
        let at_the_top = ranks.iter().filter(|&&rank| rank <= TOP).count();
        let first = ranks.iter().min().copied().unwrap_or(usize::MAX);
        Found { recall: at_the_top as f64 / met.len() as f64, reciprocal_rank: 1.0 / first as f64 }
    }
}

/// The quality of one ranking for one member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// The part of those met later that is at the top.
    pub recall: f64,
    /// The reciprocal of the rank of the first of them.
    pub reciprocal_rank: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_broken_by_chance_and_the_same_for_all() {
        let candidates = Candidates((0..30).rev().collect());
        let mut scores = vec![1.0; 30];
        scores[7] = 3.0;
        scores[5] = 2.0;
        scores[29] = 0.0;
        assert_eq!(candidates.top(&scores)[..4], [7, 5, 28, 27]);
        assert_eq!(candidates.top(&scores).len(), TOP);
        // 9 is behind 7, 5 and 28 to 10 without 7 and 5, who are above; 29 is the last of all.
        assert_eq!(candidates.found(&scores, &[5, 9]), Found { recall: 0.5, reciprocal_rank: 0.5 });
        assert_eq!(candidates.found(&scores, &[29]), Found { recall: 0.0, reciprocal_rank: 1.0 / 30.0 });
    }
}
