//! What a budget or a signal to stop leaves of an answer: less, never anything wrong.

use std::cell::Cell;

use fastrand::Rng;
use kith::graph::*;

use crate::agree::{introducers_are, reach_hops, readiness};
use crate::agree_suggest::{ask_suggestions, reasons_are, suggestions_are};
use crate::case::{Names, Questions};
use crate::oracle::Oracle;
use crate::oracle_paths;

pub struct ViewedQuestions<'a> {
    pub view: View<'a>,
    pub names: Names<'a>,
    pub ask: Questions,
}

/// Asks one question within a budget, checks all the answer says, and returns whether it is complete.
type Question = fn(&ViewedQuestions<'_>, &mut Budget<'_>) -> Result<(), Limit>;

const QUESTIONS: [Question; 10] = [
    ask_reach,
    ask_reach_list,
    ask_reach_crossing,
    ask_distances,
    ask_distance,
    ask_paths,
    ask_mutuals,
    ask_introducers,
    ask_suggest,
    ask_members_within,
];

/// Stops after it was asked so many times, and counts how often it was asked.
struct StopAfter {
    polls_left: Cell<u32>,
    reason: StopReason,
}

impl Stop for StopAfter {
    fn stop(&self) -> Option<StopReason> {
        let left = self.polls_left.get();
        self.polls_left.set(left.saturating_sub(1));
        (left == 0).then_some(self.reason)
    }
}

/// Lets a query go on, and counts how often it was asked.
struct GoesOn(Cell<u32>);

impl Stop for GoesOn {
    fn stop(&self) -> Option<StopReason> {
        None
    }

    fn may_go_on(&self) -> bool {
        self.0.set(self.0.get() + 1);
        true
    }
}

/// A question that has but a share for now ends before its answer, or the answer is whole; one that may go on ends with it.
fn shares_hold(question: Question, questions: &ViewedQuestions<'_>, visits: u64, rng: &mut Rng) {
    let share = rng.u64(..=visits);
    let mut budget = Budget::new(u64::MAX, &NeverStop).with_share(share);
    let thrown_away = question(questions, &mut budget).is_err();
    assert_eq!((budget.is_exhausted(), budget.is_provisional()), (thrown_away, true));
    let goes_on = GoesOn(Cell::new(0));
    let mut budget = Budget::new(u64::MAX, &goes_on).with_share(share);
    assert_eq!(question(questions, &mut budget), Ok(()));
    assert_eq!((budget.visited(), budget.is_exhausted()), (visits, false));
    assert_eq!(goes_on.0.get(), u32::from(thrown_away));
}

/// A budget of just what a question visits is enough; any smaller one ends it,
/// with an answer that is right as far as it says.
pub fn budgets_hold(questions: &ViewedQuestions<'_>, rng: &mut Rng) {
    for question in QUESTIONS {
        let mut unlimited = Budget::unlimited();
        assert_eq!(question(questions, &mut unlimited), Ok(()));
        let visits = unlimited.visited();
        let mut enough = Budget::new(visits, &NeverStop);
        assert_eq!(question(questions, &mut enough), Ok(()));
        assert_eq!(enough.visited(), visits);
        shares_hold(question, questions, visits, rng);
        if visits == 0 {
            continue;
        }
        for edges_max in [0, rng.u64(..visits), rng.u64(..visits), visits - 1] {
            let mut budget = Budget::new(edges_max, &NeverStop);
            assert_eq!(question(questions, &mut budget), Err(Limit::EdgesVisited));
            assert!(budget.visited() <= edges_max);
        }
        for (reason, limit) in [(StopReason::Deadline, Limit::Deadline), (StopReason::Cancelled, Limit::Cancelled)] {
            let stop = StopAfter { polls_left: Cell::new(0), reason };
            assert_eq!(question(questions, &mut Budget::new(u64::MAX, &stop)), Err(limit));
        }
    }
}

fn ended(extent: Extent) -> Result<(), Limit> {
    extent.limit.map_or(Ok(()), Err)
}

fn ask_reach(questions: &ViewedQuestions<'_>, budget: &mut Budget<'_>) -> Result<(), Limit> {
    let ViewedQuestions { view, names, ask } = questions;
    let answer = reach(view, names.ix(ask.a), ask.max_hops, budget);
    let exact = answer.extent.exact_through_hop;
    assert!(exact <= ask.max_hops);
    let mut expected = reach_hops(names.oracle, ask.a, ask.max_hops);
    expected.retain(|hop| hop.hop <= exact);
    if !answer.extent.is_complete() {
        expected.iter_mut().for_each(|hop| hop.spheres = None);
    }
    assert_eq!(answer.hops, expected);
    ended(answer.extent)
}

fn ask_reach_list(questions: &ViewedQuestions<'_>, budget: &mut Budget<'_>) -> Result<(), Limit> {
    let ViewedQuestions { view, names, ask } = questions;
    let (list, extent) = reach_list(view, names.ix(ask.a), ask.max_hops, budget);
    let list: Vec<_> = list.iter().map(|&(hop, ix)| (hop, names.at(ix))).collect();
    assert_eq!(list, names.oracle.reach(ask.a, extent.exact_through_hop.min(ask.max_hops)));
    ended(extent)
}

fn ask_reach_crossing(questions: &ViewedQuestions<'_>, budget: &mut Budget<'_>) -> Result<(), Limit> {
    let ViewedQuestions { view, names, ask } = questions;
    let (list, extent) = reach_crossing(view, names.ix(ask.a), ask.max_hops, budget);
    if extent.is_complete() {
        let split = |hop: &ReachHop| hop.spheres.unwrap().crossing as usize;
        let counted: usize = reach_hops(names.oracle, ask.a, ask.max_hops).iter().map(split).sum();
        assert_eq!(list.len(), counted);
    } else {
        assert_eq!((list.len(), extent.exact_through_hop), (0, 1));
    }
    ended(extent)
}

fn ask_distances(questions: &ViewedQuestions<'_>, budget: &mut Budget<'_>) -> Result<(), Limit> {
    let ViewedQuestions { view, names, ask } = questions;
    let everyone: Vec<_> = (0..names.oracle.size()).map(|member| names.ix(member)).collect();
    let (hops, extent) = distances(view, names.ix(ask.a), &everyone, ask.max_hops, budget);
    let exact = extent.exact_through_hop;
    let expected: Vec<_> = (0..names.oracle.size()).map(|to| names.oracle.distance(ask.a, to, exact)).collect();
    assert_eq!(hops, expected);
    ended(extent)
}

fn ask_members_within(questions: &ViewedQuestions<'_>, budget: &mut Budget<'_>) -> Result<(), Limit> {
    let ViewedQuestions { view, names, ask } = questions;
    let (list, extent) = members_within(view, names.ix(ask.a), Direction::Forward, ask.max_hops, budget);
    assert!(list.hops() <= ask.max_hops && list.at_hop(0).is_empty() && list.at_hop(list.hops() + 1).is_empty());
    let mut list: Vec<_> = list.iter().map(|(ix, hop)| (names.at(ix), Some(hop))).collect();
    list.sort();
    let others = (0..names.oracle.size()).filter(|&to| to != ask.a);
    let within = others.map(|to| (to, names.oracle.distance(ask.a, to, extent.exact_through_hop)));
    assert_eq!(list, within.filter(|(_, hops)| hops.is_some()).collect::<Vec<_>>());
    ended(extent)
}

fn ask_distance(questions: &ViewedQuestions<'_>, budget: &mut Budget<'_>) -> Result<(), Limit> {
    let ViewedQuestions { view, names, ask } = questions;
    match distance(view, names.ix(ask.a), names.ix(ask.b), ask.max_hops, budget) {
        Ok(hops) => assert_eq!(hops, names.oracle.distance(ask.a, ask.b, ask.max_hops)),
        Err((limit, ruled_out)) => {
            assert!(ruled_out < names.oracle.hops[ask.a][ask.b] && ruled_out < ask.max_hops);
            return Err(limit);
        }
    }
    Ok(())
}

fn ask_paths(questions: &ViewedQuestions<'_>, budget: &mut Budget<'_>) -> Result<(), Limit> {
    let ViewedQuestions { view, names, ask } = questions;
    let query = PathQuery { k: ask.k, max_hops: ask.max_hops, ranking: ask.ranking };
    let answer = find_paths(view, names.ix(ask.a), names.ix(ask.b), &query, budget);
    paths_are_right(&answer, names, ask);
    ended(answer.extent)
}

/// The best within the hops that were searched, and no path that is missing is above the bound.
fn paths_are_right(answer: &Paths, names: &Names<'_>, ask: &Questions) {
    let mut all = names.oracle.paths(ask.a, ask.b, ask.max_hops);
    oracle_paths::sort(&mut all, ask.ranking);
    let exact = answer.extent.exact_through_hop;
    let within = all.iter().filter(|path| path.hops() <= exact).take(ask.k);
    let expected: Vec<_> = within.map(|path| (path.members.clone(), path.cost)).collect();
    let paths: Vec<_> = answer.paths.iter().map(|path| names.path(path)).collect();
    assert_eq!(paths, expected);
    assert_eq!(answer.optimal, answer.extent.is_complete());
    assert_eq!(answer.strength_bound.is_some(), !answer.optimal);
    if let Some(bound) = answer.strength_bound {
        let missing = all.iter().filter(|path| path.hops() > exact);
        assert!(missing.into_iter().all(|path| path.strength() <= bound));
    }
    let fewest = names.oracle.hops[ask.a][ask.b];
    let shortest = all.iter().filter(|path| path.hops() == fewest).count() as u64;
    let unknown = !answer.optimal && exact < fewest && answer.shortest_path_count == 0;
    assert!(answer.shortest_path_count == shortest || unknown);
}

fn ask_mutuals(questions: &ViewedQuestions<'_>, budget: &mut Budget<'_>) -> Result<(), Limit> {
    let ViewedQuestions { view, names, ask } = questions;
    let found = mutuals(view, names.ix(ask.a), names.ix(ask.b), budget)?;
    let found: Vec<_> = found.iter().map(|mutual| names.at(mutual.member)).collect();
    let expected: Vec<_> = names.oracle.mutuals(ask.a, ask.b).iter().map(|mutual| mutual.0).collect();
    assert_eq!(found, expected);
    Ok(())
}

fn ask_introducers(questions: &ViewedQuestions<'_>, budget: &mut Budget<'_>) -> Result<(), Limit> {
    let ViewedQuestions { view, names, ask } = questions;
    if ask.a == ask.b {
        return budget.visit(0);
    }
    let ready = |ix| readiness(names.at(ix));
    let (found, extent) = introducers(view, names.ix(ask.a), names.ix(ask.b), ask.max_hops, &ready, budget);
    introducers_are(&found, names, ask, extent.exact_through_hop);
    ended(extent)
}

fn ask_suggest(questions: &ViewedQuestions<'_>, budget: &mut Budget<'_>) -> Result<(), Limit> {
    let ViewedQuestions { view, names, ask } = questions;
    let answer = ask_suggestions(view, names, ask, (names.oracle.size(), 3), budget);
    let found = &answer.suggestions;
    let scored = |three_steps| {
        names.oracle.for_introductions(ask.a).candidates(ask.a, ask.topics.as_ref(), &ask.exclude, three_steps)
    };
    match (answer.extent.limit, answer.extent.exact_through_hop) {
        (None, hops) => {
            assert_eq!(hops, 6);
            suggestions_are(found, names, &scored(true));
        }
        (Some(_), 1) => assert_eq!(found, &[]),
        (Some(_), 2) => suggestions_are(found, names, &scored(false)),
        (Some(_), hops) => {
            assert_eq!(hops, 3);
            // Some of the sharers further away may be missing, and some of the reasons.
            let mut expected = scored(true);
            let is_found = |member| found.iter().any(|suggestion| names.at(suggestion.member) == member);
            expected.retain(|candidate| candidate.hops <= 3 || is_found(candidate.member));
            suggestions_are(found, names, &expected);
            for suggestion in found.iter().filter(|suggestion| !suggestion.because.is_empty()) {
                reasons_are(suggestion, names, &expected);
            }
        }
    }
    ended(answer.extent)
}

/// Returns what ended the query.
type Traversal<'t> = &'t dyn Fn(&mut Budget<'_>) -> Option<Limit>;

/// In a clique of 200 a signal ends every traversal that is still under way, within a poll and one member's edges.
pub fn signals_are_heeded(oracle: &Oracle, graph: &Graph, view: &View<'_>) {
    let names = Names { graph, oracle };
    let (from, to) = (names.ix(0), names.ix(1));
    let most_edges = 200;
    let traversals: [Traversal<'_>; 5] = [
        &|budget| reach(view, from, 3, budget).extent.limit,
        &|budget| {
            let query = PathQuery { k: 50, max_hops: 3, ranking: Ranking::Strength };
            find_paths(view, from, to, &query, budget).extent.limit
        },
        &|budget| introducers(view, from, to, 3, &|_| 0.5, budget).1.limit,
        &|budget| {
            let exclude = SmallSet::default();
            suggest(view, from, &SuggestQuery::exact(&exclude, 10), budget).extent.limit
        },
        &|budget| {
            let exclude = SmallSet::default();
            let breadth = Breadth { steps_max: 150, middle_max: 10, second_edges_max: 30_000, third_edges_max: 30_000 };
            let query = SuggestQuery { breadth, ..SuggestQuery::exact(&exclude, 10) };
            suggest(view, from, &query, budget).extent.limit
        },
    ];
    for traversal in traversals {
        for polls in [1, 2, 5, 20] {
            let stop = StopAfter { polls_left: Cell::new(polls), reason: StopReason::Cancelled };
            let mut budget = Budget::new(u64::MAX, &stop);
            assert_eq!(traversal(&mut budget), Some(Limit::Cancelled));
            assert!(budget.visited() <= u64::from(polls + 1) * (1_024 + most_edges));
        }
    }
}

#[test]
fn it_goes_on_where_it_may_and_ends_as_soon_as_that_is_sure_where_not() {
    let limit = Err(Limit::EdgesVisited);
    let shared = |stop| Budget::new(100, stop).with_work_max(50).with_share(10);
    let mut budget = shared(&NeverStop);
    assert_eq!((budget.visit(9), budget.foresee([1]), budget.is_exhausted()), (Ok(()), Ok(()), false));
    assert_eq!((budget.foresee([1, 1]), budget.is_exhausted(), budget.is_provisional()), (limit, true, true));
    assert_eq!((budget.visit(1), budget.visited()), (limit, 9));
    // Its own bound is no reason to begin again.
    let mut budget = Budget::new(10, &NeverStop).with_share(10);
    assert_eq!((budget.foresee([1_000]), budget.visit(11), budget.is_exhausted()), (Ok(()), limit, false));

    let goes_on = GoesOn(Cell::new(0));
    let mut budget = shared(&goes_on);
    assert_eq!((budget.visit(10), goes_on.0.get()), (Ok(()), 0));
    assert_eq!(budget.hidden(|inner| inner.visit(1)), Ok(()));
    assert_eq!((budget.is_provisional(), budget.is_exhausted(), goes_on.0.get()), (false, false, 1));
    // All it may have is all it may have; what is only foreseen ends nothing any more.
    assert_eq!((budget.foresee([1_000]), budget.visit(39), budget.visit(1)), (Ok(()), Ok(()), limit));
    assert_eq!((budget.visited(), budget.is_exhausted(), goes_on.0.get()), (49, true, 1));
    // Nor when it is let go on.
    let goes_on = GoesOn(Cell::new(0));
    let mut budget = shared(&goes_on);
    assert_eq!((budget.foresee([1_000]), budget.visit(50), budget.is_exhausted()), (Ok(()), Ok(()), false));
}
