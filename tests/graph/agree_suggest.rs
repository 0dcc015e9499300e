//! Suggestions against their oracle.

use kith::graph::*;

use crate::agree::{close, introducers_begin_with_those_of, readiness};
use crate::case::{Names, Questions};
use crate::oracle_suggest::Candidate;

/// The most introducers that each suggestion names.
const INTRODUCERS: usize = 3;
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
    let ready = |ix| readiness(names.at(ix));
    let introducers = Asking { most: INTRODUCERS, readiness: &ready };
    let query =
        SuggestQuery { topics: topics.as_ref(), max_steps, introducers, ..SuggestQuery::exact(&exclude, limit) };
    suggest(view, names.ix(ask.a), &query, budget)
}

/// Within a breadth, or of so many by one introducer.
fn ask_for_some(
    view: &View<'_>,
    names: &Names<'_>,
    ask: &Questions,
    (limit, breadth, per_introducer_max): (usize, Breadth, Option<usize>),
) -> Vec<Suggestion> {
    ask_for_passing(view, names, ask, (limit, breadth, per_introducer_max, None))
}

fn ask_for_passing(
    view: &View<'_>,
    names: &Names<'_>,
    ask: &Questions,
    (limit, breadth, per_introducer_max, passing): (usize, Breadth, Option<usize>, Option<Passing<'_>>),
) -> Vec<Suggestion> {
    let topics = ask.topics.as_ref().map(|topics| names.evidence(topics));
    let exclude = names.set(&ask.exclude);
    let ready = |ix| readiness(names.at(ix));
    let introducers = Asking { most: INTRODUCERS, readiness: &ready };
    let query = SuggestQuery {
        topics: topics.as_ref(),
        passing,
        breadth,
        per_introducer_max,
        introducers,
        ..SuggestQuery::exact(&exclude, limit)
    };
    let answer = suggest(view, names.ix(ask.a), &query, &mut Budget::unlimited());
    assert_eq!(answer.extent, Extent::complete(6));
    answer.suggestions
}

/// A suggestion without indices: who, score, K, match, hops, mutuals, chains with shares.
pub type Summary = (usize, [f64; 3], u32, u32, Vec<(Vec<usize>, f64)>);

pub fn summaries(names: &Names<'_>, found: &[Suggestion]) -> Vec<Summary> {
    let one = |s: &Suggestion| {
        let because = s.because.iter().map(|b| (names.all(&b.through), b.share)).collect();
        (names.at(s.member), [s.score, s.k, s.topic_match], s.hops, s.mutuals, because)
    };
    found.iter().map(one).collect()
}

/// Checks the suggestions of one graph, and gives them so that another's can be compared bit for bit.
pub fn suggestions_agree(view: &View<'_>, names: &Names<'_>, ask: &Questions) -> Vec<Summary> {
    let everyone = names.oracle.size();
    let oracle = names.oracle.for_introductions(ask.a);
    let near = ask_suggestions(view, names, ask, (everyone, 2), &mut Budget::unlimited());
    assert_eq!(near.extent, Extent::complete(2));
    let candidates = oracle.candidates(ask.a, ask.topics.as_ref(), &ask.exclude, false);
    suggestions_are(&near.suggestions, names, &candidates);
    for suggestion in &near.suggestions {
        reasons_are(suggestion, names, &candidates);
        best_introducers_are(suggestion, names, ask, 2);
    }
    let all = ask_suggestions(view, names, ask, (everyone, 3), &mut Budget::unlimited());
    assert_eq!(all.extent, Extent::complete(6));
    let candidates = oracle.candidates(ask.a, ask.topics.as_ref(), &ask.exclude, true);
    suggestions_are(&all.suggestions, names, &candidates);
    for suggestion in &all.suggestions {
        reasons_are(suggestion, names, &candidates);
        // Of one further away than walks go, by the shortest chains.
        best_introducers_are(suggestion, names, ask, suggestion.hops.max(3));
    }
    let some = ask_suggestions(view, names, ask, (ask.limit, 3), &mut Budget::unlimited());
    assert_eq!(some.suggestions, all.suggestions[..ask.limit.min(all.suggestions.len())]);
    one_introducer_has_but_some(&all.suggestions, view, names, ask);
    only_those_who_pass(&all.suggestions, view, names, ask, &candidates);
    let mut bits = summaries(names, &all.suggestions);
    for (steps_max, middle_max, edges) in [(1, 1, u64::MAX), (3, 2, u64::MAX), (200, 100, 7), (3, 2, 3)] {
        let breadth = Breadth { steps_max, middle_max, second_edges_max: edges, third_edges_max: edges };
        let found = ask_for_some(view, names, ask, (everyone, breadth, None));
        found.iter().for_each(|suggestion| part_of_it_is(suggestion, names, ask, &candidates));
        are_in_order(&found, names);
        bits.extend(summaries(names, &found));
    }
    let wide = ask_for_some(view, names, ask, (everyone, Breadth::STRONGEST, None));
    assert_eq!(wide, all.suggestions, "few steps are all of them");
    bits
}

/// The introducers given are the first of those within so many hops.
fn best_introducers_are(suggestion: &Suggestion, names: &Names<'_>, ask: &Questions, max_hops: u32) {
    let about = Questions { b: names.at(suggestion.member), ..ask.clone() };
    let oracle = names.oracle.introducing(about.a, about.b);
    introducers_begin_with_those_of(&oracle, &suggestion.introducers, names, &about, max_hops, INTRODUCERS);
}

fn best(suggestion: &Suggestion) -> Option<MemberIx> {
    suggestion.introducers.first().map(|best| best.member)
}

/// Whom the best introducer has introduced so many to already is passed over.
fn one_introducer_has_but_some(all: &[Suggestion], view: &View<'_>, names: &Names<'_>, ask: &Questions) {
    for most in [1, 2] {
        let mut expected: Vec<&Suggestion> = Vec::new();
        for suggestion in all {
            let has = |best: MemberIx| expected.iter().filter(|other| self::best(other) == Some(best)).count();
            let has = best(suggestion).map_or(0, has);
            if has < most && expected.len() < ask.limit {
                expected.push(suggestion);
            }
        }
        let found = ask_for_some(view, names, ask, (ask.limit, Breadth::ALL, Some(most)));
        assert_eq!(found.iter().collect::<Vec<_>>(), expected);
    }
}

/// Those who pass are suggested as if nobody else were a candidate. Where steps are left out, no less is found of them than without a filter.
fn only_those_who_pass(
    all: &[Suggestion],
    view: &View<'_>,
    names: &Names<'_>,
    ask: &Questions,
    candidates: &[Candidate],
) {
    let passes = |ix: MemberIx| !(names.at(ix) + ask.b).is_multiple_of(3);
    let everyone = names.oracle.size();
    let known: Vec<MemberIx> = (0..everyone).map(|member| names.ix(member)).filter(|ix| passes(*ix)).collect();
    let passing = |all| Some(Passing { passes: &passes, all });
    let cut = Breadth { steps_max: 1, middle_max: 1, ..Breadth::ALL };
    for (breadth, is_cut) in [(Breadth::ALL, false), (cut, true)] {
        let whole = if is_cut { ask_for_some(view, names, ask, (everyone, breadth, None)) } else { all.to_vec() };
        let left: Vec<Suggestion> = whole.into_iter().filter(|suggestion| passes(suggestion.member)).collect();
        let found = |all| ask_for_passing(view, names, ask, (everyone, breadth, None, passing(all)));
        assert_eq!(found(None), left);
        let of_all = found(Some(&known));
        assert!(left.iter().all(|suggestion| of_all.contains(suggestion)));
        assert!(of_all.len() == left.len() || is_cut && ask.topics.is_none());
        of_all.iter().for_each(|suggestion| part_of_it_is(suggestion, names, ask, candidates));
        are_in_order(&of_all, names);
        let most = ask.limit.min(of_all.len());
        let best = ask_for_passing(view, names, ask, (ask.limit, breadth, None, passing(Some(&known))));
        assert!(is_cut && ask.topics.is_some() || best == of_all[..most]);
    }
}

/// Of walks that were left out nothing is said, and all that is said holds.
fn part_of_it_is(suggestion: &Suggestion, names: &Names<'_>, ask: &Questions, candidates: &[Candidate]) {
    let expected = candidate(suggestion, names, candidates);
    assert!(suggestion.k <= expected.k * (1.0 + SAME), "{suggestion:?} {expected:?}");
    assert_eq!(suggestion.score, comparable(suggestion.k * (1.0 + suggestion.topic_match)));
    let facts = (suggestion.topic_match, suggestion.hops, suggestion.mutuals);
    assert_eq!(facts, (expected.topic_match, expected.hops, expected.mutuals));
    let chains = suggestion.because.len() + suggestion.others.map_or(0, |others| others.chains as usize);
    assert!(chains <= expected.chains.len() && (suggestion.k > 0.0) == (chains > 0));
    for because in &suggestion.because {
        let through = names.all(&because.through);
        let chain = expected.chains.iter().find(|chain| chain.0 == through);
        let (_, part) = chain.expect("a chain given as a reason exists");
        assert!(close(because.share * suggestion.k, *part, SAME));
    }
    shares_make_one(suggestion);
    let to = names.at(suggestion.member);
    let all = names.oracle.introducing(ask.a, to).introducers(ask.a, to, suggestion.hops.max(3));
    assert!(suggestion.introducers.len() <= INTRODUCERS.min(all.len()));
    for introducer in &suggestion.introducers {
        let member = names.at(introducer.member);
        let best = all.iter().find(|other| other.member == member).expect("there is a chain by each introducer");
        assert_eq!(introducer.strength_to_member, best.strength_to_member);
        assert!(introducer.strength_to_target <= best.strength_to_target);
        let (members, cost) = names.path(&introducer.path);
        assert_eq!((members[0], members[1], *members.last().unwrap()), (ask.a, member, names.at(suggestion.member)));
        let pairs = members.windows(2).map(|two| names.oracle.pair[two[0]][two[1]].expect("a chain walks along edges"));
        let chain = pairs.map(ChainCost::of_pair).reduce(ChainCost::then).unwrap();
        assert_eq!(cost, chain.0);
    }
}

fn shares_make_one(suggestion: &Suggestion) {
    let named: f64 = suggestion.because.iter().map(|because| because.share).sum();
    let all = named + suggestion.others.map_or(0.0, |others| others.share);
    assert!(close(all, if suggestion.k > 0.0 { 1.0 } else { 0.0 }, SAME), "{suggestion:?}");
}

fn are_in_order(found: &[Suggestion], names: &Names<'_>) {
    let rank = |s: &Suggestion| (-s.score, s.hops, -comparable(s.topic_match), names.at(s.member));
    assert!(found.windows(2).all(|two| rank(&two[0]) < rank(&two[1])), "out of order: {:?}", summaries(names, found));
}

/// Every candidate, scored right, in order.
pub fn suggestions_are(found: &[Suggestion], names: &Names<'_>, candidates: &[Candidate]) {
    let mut members: Vec<usize> = found.iter().map(|suggestion| names.at(suggestion.member)).collect();
    members.sort();
    assert_eq!(members, candidates.iter().map(|candidate| candidate.member).collect::<Vec<_>>());
    for suggestion in found {
        let expected = candidate(suggestion, names, candidates);
        assert!(close(suggestion.k, expected.k, SAME), "{suggestion:?} {expected:?}");
        assert_eq!(suggestion.score, comparable(suggestion.k * (1.0 + suggestion.topic_match)));
        assert!(close(suggestion.score, expected.score(), SAME));
        let facts = (suggestion.topic_match, suggestion.hops, suggestion.mutuals);
        assert_eq!(facts, (expected.topic_match, expected.hops, expected.mutuals));
    }
    are_in_order(found, names);
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
    let in_order = |a: &(f64, Vec<usize>), b: &(f64, Vec<usize>)| (-comparable(a.0), &a.1) < (-comparable(b.0), &b.1);
    assert!(given.windows(2).all(|two| in_order(&two[0], &two[1])), "{given:?}");
    shares_make_one(suggestion);
    let others = expected.chains.len() - given.len();
    assert_eq!(suggestion.others.map_or(0, |others| others.chains as usize), others);
    assert_eq!(suggestion.others.is_some(), others > 0);
    let left_out = expected.chains.iter().filter(|chain| !given.iter().any(|known| known.1 == chain.0));
    let least = given.last().map_or(f64::INFINITY, |last| comparable(last.0));
    assert!(left_out.into_iter().all(|chain| comparable(chain.1) <= least));
}
