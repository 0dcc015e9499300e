//! Members that could be suggested, and their order.

use std::cmp::Ordering;

use super::budget::{Budget, Limit};
use super::half_edge::MemberIx;
use super::strength::comparable;
use super::view::View;
use super::walk::{LastStep, Walk};

/// A member that could be suggested.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub member: MemberIx,
    pub score: f64,
    pub k: f64,
    pub topic_match: f64,
    pub hops: u32,
    pub(super) mutuals: u32,
    /// The steps that end at it, once they were looked at.
    pub(super) last: Option<Vec<LastStep>>,
}

impl Candidate {
    pub(super) fn new(member: MemberIx, k: f64, topic_match: f64, hops: u32) -> Candidate {
        let score = comparable(k * (1.0 + topic_match));
        Candidate { member, score, k, topic_match, hops, mutuals: 0, last: None }
    }

    /// Takes note of all steps that end at the candidate, which include those that no cut walk has seen.
    pub(super) fn look(&mut self, walk: &Walk<'_, '_>, last: Vec<LastStep>) {
        self.mutuals = last.iter().filter(|step| step.is_joined).count() as u32;
        if walk.is_cut() {
            self.k = walk.arriving(&last);
            self.score = comparable(self.k * (1.0 + self.topic_match));
            self.hops = if self.mutuals > 0 { 2 } else { self.hops };
        }
        self.last = Some(last);
    }
}

/// The least number of candidates that are sorted beyond the first.
const SORTED_LEAST: usize = 20;

/// Candidates that are sorted as far as they are asked for. Those whose introducer has enough are passed over, and how many these are is
/// not known before they have been looked at.
pub(super) struct InOrder {
    pub first: std::vec::IntoIter<Candidate>,
    /// All candidates that come after those in order.
    rest: Vec<Candidate>,
    /// How many of the rest are sorted next.
    next: usize,
}

impl InOrder {
    pub fn new(view: &View<'_>, mut found: Vec<Candidate>, first: usize, is_all: bool) -> InOrder {
        let mut rest = Vec::new();
        best_first(view, &mut found, first, (!is_all).then_some(&mut rest));
        InOrder { first: found.into_iter(), rest, next: first.max(SORTED_LEAST) }
    }

    /// Returns so many of the next candidates, fewer if there are no more, or the limit that came before they were in order.
    pub fn next(&mut self, view: &View<'_>, count: usize, budget: &mut Budget<'_>) -> (Vec<Candidate>, Option<Limit>) {
        let mut batch: Vec<Candidate> = self.first.by_ref().take(count).collect();
        while batch.len() < count && !self.rest.is_empty() {
            if let Err(limit) = budget.pass(self.rest.len() as u64) {
                return (batch, Some(limit));
            }
            self.next = self.next.saturating_mul(4);
            let mut more = std::mem::take(&mut self.rest);
            best_first(view, &mut more, self.next, Some(&mut self.rest));
            self.first = more.into_iter();
            batch.extend(self.first.by_ref().take(count - batch.len()));
        }
        (batch, None)
    }
}

/// Keeps the best candidates, in order. The others go to `rest`, unsorted, if the caller wants them: mostly it does not, and they are many.
pub(super) fn best_first(
    view: &View<'_>,
    found: &mut Vec<Candidate>,
    limit: usize,
    mut rest: Option<&mut Vec<Candidate>>,
) {
    let better_first = |a: &Candidate, b: &Candidate| -> Ordering {
        let by_score = b.score.total_cmp(&a.score).then(a.hops.cmp(&b.hops));
        let by_match = by_score.then_with(|| comparable(b.topic_match).total_cmp(&comparable(a.topic_match)));
        by_match.then_with(|| view.graph().id(a.member).cmp(view.graph().id(b.member)))
    };
    if (1..found.len()).contains(&limit) {
        // Candidates are first selected by score alone, because many scores are equal and ids are far away in memory.
        let mut scores: Vec<f64> = found.iter().map(|candidate| candidate.score).collect();
        let least = *scores.select_nth_unstable_by(limit - 1, |a, b| b.total_cmp(a)).1;
        match &mut rest {
            Some(rest) => rest.extend(found.extract_if(.., |candidate| candidate.score < least)),
            None => found.retain(|candidate| candidate.score >= least),
        }
    }
    found.sort_unstable_by(better_first);
    match rest {
        Some(rest) => rest.extend(found.drain(limit.min(found.len())..)),
        None => found.truncate(limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;
    use crate::domain::{MemberId, TimeMs};

    #[test]
    fn scores_that_are_equal_but_for_their_last_bit_go_by_hops() {
        let mut builder = GraphBuilder::default();
        let [a, b, c] = ["a", "b", "c"].map(|id| builder.member(MemberId::parse("id", id).unwrap()));
        let graph = builder.build();
        let view = View::unfiltered(&graph, TimeMs(0));
        let mut found = vec![
            Candidate::new(a, 0.1 + 0.2, 0.0, 3),
            Candidate::new(b, 0.3, 0.0, 2),
            Candidate::new(c, 0.3 * (1.0 + 1e-9), 0.0, 3),
        ];
        best_first(&view, &mut found, 9, None);
        assert_eq!(found.iter().map(|candidate| candidate.member).collect::<Vec<_>>(), [c, b, a]);
        assert_eq!(found[1].score, found[2].score, "as the answer has them, they are in order");
    }
}
