//! Suggestions against their oracle.

use kith::graph::*;

use crate::agree::close;
use crate::case::{Names, Questions};
use crate::oracle_suggest::Candidate;

/// Sums of many terms may differ in their last bits.
const SAME: f64 = 1e-9;

pub fn ask_suggestions(
    view: &View<'_>,
    names: &Names<'_>,
    ask: &Questions,
    (limit, max_steps): (usize, u32),
    budget: &mut Budget<'_>,
) -> Suggestions {
    let topics = ask.topics.as_ref().map(|topics| names.evidence(topics));
    let exclude = names.set(&ask.exclude);
    let query = SuggestQuery { topics: topics.as_ref(), exclude: &exclude, limit, max_steps };
    suggest(view, names.ix(ask.a), &query, budget)
}

/// A suggestion without indices: who, score, K, match, hops, mutuals, chains with shares.
pub type Told = (usize, [f64; 3], u32, u32, Vec<(Vec<usize>, f64)>);

pub fn told(names: &Names<'_>, found: &[Suggestion]) -> Vec<Told> {
    let one = |s: &Suggestion| {
        let because = s.because.iter().map(|b| (names.all(&b.through), b.share)).collect();
        (names.at(s.member), [s.score, s.k, s.topic_match], s.hops, s.mutuals, because)
    };
    found.iter().map(one).collect()
}

/// Checks the suggestions of one graph, and gives them so that another's can be compared bit for bit.
pub fn suggestions_agree(view: &View<'_>, names: &Names<'_>, ask: &Questions) -> Vec<Told> {
    let everyone = names.oracle.size();
    let near = ask_suggestions(view, names, ask, (everyone, 2), &mut Budget::unlimited());
    assert_eq!(near.extent, Extent::complete(2));
    let candidates = names.oracle.candidates(ask.a, ask.topics.as_ref(), &ask.exclude, false);
    suggestions_are(&near.suggestions, names, &candidates);
    near.suggestions.iter().for_each(|suggestion| reasons_are(suggestion, names, &candidates));
    let all = ask_suggestions(view, names, ask, (everyone, 3), &mut Budget::unlimited());
    assert_eq!(all.extent, Extent::complete(6));
    let candidates = names.oracle.candidates(ask.a, ask.topics.as_ref(), &ask.exclude, true);
    suggestions_are(&all.suggestions, names, &candidates);
    for suggestion in &all.suggestions {
        reasons_are(suggestion, names, &candidates);
    }
    let some = ask_suggestions(view, names, ask, (ask.limit, 3), &mut Budget::unlimited());
    assert_eq!(some.suggestions, all.suggestions[..ask.limit.min(all.suggestions.len())]);
    told(names, &all.suggestions)
}

/// Every candidate, scored right, in order.
pub fn suggestions_are(found: &[Suggestion], names: &Names<'_>, candidates: &[Candidate]) {
    let mut members: Vec<usize> = found.iter().map(|suggestion| names.at(suggestion.member)).collect();
    members.sort();
    assert_eq!(members, candidates.iter().map(|candidate| candidate.member).collect::<Vec<_>>());
    for suggestion in found {
        let expected = candidate(suggestion, names, candidates);
        assert!(close(suggestion.k, expected.k, SAME), "{suggestion:?} {expected:?}");
        assert_eq!(suggestion.score, suggestion.k * (1.0 + suggestion.topic_match));
        assert!(close(suggestion.score, expected.score(), SAME));
        let facts = (suggestion.topic_match, suggestion.hops, suggestion.mutuals);
        assert_eq!(facts, (expected.topic_match, expected.hops, expected.mutuals));
    }
    let rank = |s: &Suggestion| (-s.score, s.hops, -s.topic_match, names.at(s.member));
    assert!(found.windows(2).all(|two| rank(&two[0]) < rank(&two[1])), "out of order: {:?}", told(names, found));
}

fn candidate<'c>(suggestion: &Suggestion, names: &Names<'_>, candidates: &'c [Candidate]) -> &'c Candidate {
    candidates.iter().find(|candidate| candidate.member == names.at(suggestion.member)).unwrap()
}

/// The chains given exist, are the greatest, in order, and their shares are those of K.
pub fn reasons_are(suggestion: &Suggestion, names: &Names<'_>, candidates: &[Candidate]) {
    let expected = candidate(suggestion, names, candidates);
    assert_eq!(suggestion.because.len(), expected.chains.len().min(10));
    assert_eq!(suggestion.because.is_empty(), suggestion.k == 0.0);
    let mut given = Vec::new();
    for because in &suggestion.because {
        let through = names.all(&because.through);
        let chain = expected.chains.iter().find(|chain| chain.0 == through);
        let (through, part) = chain.expect("a chain given as a reason exists");
        assert!(close(because.share, part / expected.k, SAME));
        assert!(because.share > 0.0 && because.share <= 1.0);
        assert!(!given.iter().any(|known: &(f64, Vec<usize>)| known.1 == *through));
        given.push((*part, through.clone()));
    }
    // Equal parts are by the ids of their chains.
    let in_order = |a: &(f64, Vec<usize>), b: &(f64, Vec<usize>)| a.0 > b.0 || (a.0 == b.0 && a.1 < b.1);
    assert!(given.windows(2).all(|two| in_order(&two[0], &two[1])), "{given:?}");
    let shares: f64 = suggestion.because.iter().map(|because| because.share).sum();
    assert!(shares <= 1.0 + SAME);
    if given.len() == expected.chains.len() && !given.is_empty() {
        assert!(close(shares, 1.0, SAME));
    }
    let left_out = expected.chains.iter().filter(|chain| !given.iter().any(|known| known.1 == chain.0));
    let least = given.last().map_or(f64::INFINITY, |last| last.0);
    assert!(left_out.into_iter().all(|chain| chain.1 <= least));
}
