//! Asks every ranker every query of a split.

use std::collections::HashMap;

use super::introducers::Introducers;
use super::kith_side::Kith;
use super::rankers::{Ranker, Weights};
use super::ranking::{Candidates, Found, TOP};
use super::sparing::{Sparing, simulate};
use super::split::Split;
use super::ties::Ties;
use kith::cli::Failure;
use kith::graph::Breadth;

/// The names of kith's own rankers in the table.
pub const EXACT: &str = "K, exact";
pub const BUDGETED: &str = "K, budgeted";

/// The rankings by name, and how they were found.
pub struct Measured {
    pub rankers: Vec<Rankings>,
    /// Exact K compared with its formula written out, query by query.
    pub agreement: Vec<Agreement>,
    /// The part of exact K's top that budgeted K has too, query by query.
    pub overlap: Vec<f64>,
    pub sparing: Sparing,
}

/// The results of one ranker, query by query.
pub struct Rankings {
    pub name: String,
    pub found: Vec<Found>,
    pub tops: Vec<Vec<u32>>,
    /// How often each member is the one to ask for an introduction to somebody at the top.
    pub asks: HashMap<u32, u64>,
}

/// How far two computations of the same ranking agree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// The greatest difference of a score, relative.
    pub difference: f64,
    /// Whether the members at the top are the same, in order, or in another order of equal scores.
    pub same_top: bool,
}

/// The answers to one query, ranker by ranker.
struct Answer {
    rankers: Vec<(Found, Vec<u32>, Vec<u32>)>,
    agreement: Agreement,
    overlap: f64,
}

/// Scores nearer to each other than this are equal: they are sums of floats in another order.
const EQUAL: f64 = 1e-6;

/// Asks all rankers, and those added, on as many threads as there are processors.
pub fn measure(split: &Split, added: &[(String, Ranker)], seed: u64) -> Result<Measured, Failure> {
    let (ties, kith) = (Ties::new(split), Kith::new(split)?);
    let classic = Ranker::CLASSIC.map(|(name, ranker)| (name.to_owned(), ranker));
    let plain: Vec<(String, Ranker)> = classic.into_iter().chain(added.iter().cloned()).collect();
    let rankers: Vec<Ranker> = plain.iter().map(|(_, ranker)| *ranker).collect();
    let asked = Asked { split, ties: &ties, kith: &kith, rankers: &rankers, seed };
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    let part = split.queries.len().div_ceil(threads);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let parts: Vec<_> = split
            .queries
            .chunks(part)
            .map(|queries| scope.spawn(move || queries.iter().map(|&query| asked.answer(query)).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
    });
    if answers.len() != split.queries.len() {
        return Err(Failure::new(format!("{}: a thread that ranks has ended", split.name)));
    }
    let names = plain.into_iter().map(|(name, _)| name).chain([EXACT.to_owned(), BUDGETED.to_owned()]);
    Ok(Measured {
        rankers: names.enumerate().map(|(at, name)| Rankings::of(name, at, &answers)).collect(),
        agreement: answers.iter().map(|answer| answer.agreement).collect(),
        overlap: answers.iter().map(|answer| answer.overlap).collect(),
        sparing: simulate(&kith, &split.queries, seed),
    })
}

impl Rankings {
    fn of(name: String, at: usize, answers: &[Answer]) -> Rankings {
        let mut rankings = Rankings { name, found: Vec::new(), tops: Vec::new(), asks: HashMap::new() };
        for answer in answers {
            let (found, top, asked) = &answer.rankers[at];
            rankings.found.push(*found);
            rankings.tops.push(top.clone());
            asked.iter().for_each(|&introducer| *rankings.asks.entry(introducer).or_insert(0) += 1);
        }
        rankings
    }
}

#[derive(Clone, Copy)]
struct Asked<'a> {
    split: &'a Split,
    ties: &'a Ties,
    kith: &'a Kith,
    rankers: &'a [Ranker],
    seed: u64,
}

impl Asked<'_> {
    fn answer(&self, query: u32) -> Answer {
        let candidates = Candidates::of(self.ties, query, self.seed);
        let introducers = Introducers::of(self.ties, query);
        let met = &self.split.hidden[query as usize];
        let judged = |scores: &[f64]| {
            let top = candidates.top(scores);
            let asked = top.iter().filter_map(|&member| introducers.best(self.ties, member)).collect();
            (candidates.found(scores, met), top, asked)
        };
        let exact = self.kith.ranking(query, Breadth::ALL, usize::MAX);
        let budgeted = self.budgeted(query);
        let plain = self.rankers.iter().map(|ranker| judged(&ranker.scores(self.ties, query)));
        let own = [&exact, &budgeted].map(|ranking| judged(&dense(ranking, self.ties.members())));
        let definition = Ranker::Walks(Weights::K).scores(self.ties, query);
        Answer {
            rankers: plain.chain(own).collect(),
            agreement: Agreement::of(&exact, &definition, &candidates),
            overlap: overlap(&exact, &budgeted),
        }
    }
}

impl Asked<'_> {
    /// Returns the ranking of a caller that asks for the top alone, followed by all others: with a smaller limit, fewer members are looked
    /// at in full.
    fn budgeted(&self, query: u32) -> Vec<(u32, f64)> {
        let mut ranking = self.kith.ranking(query, Breadth::STRONGEST, TOP);
        let Some(least) = ranking.last().map(|last| last.1) else { return ranking };
        let top: Vec<u32> = ranking.iter().map(|ranked| ranked.0).collect();
        let all = self.kith.ranking(query, Breadth::STRONGEST, usize::MAX).into_iter();
        let others = all.filter(|(member, _)| !top.contains(member)).map(|(member, score)| (member, score.min(least)));
        ranking.extend(others);
        ranking
    }
}

/// Returns a ranking as a score for each member; 0 for those who are not in it.
fn dense(ranking: &[(u32, f64)], members: usize) -> Vec<f64> {
    let mut scores = vec![0.0; members];
    ranking.iter().for_each(|&(member, score)| scores[member as usize] = score);
    scores
}

fn overlap(exact: &[(u32, f64)], budgeted: &[(u32, f64)]) -> f64 {
    let top = |ranking: &[(u32, f64)]| ranking.iter().take(TOP).map(|ranked| ranked.0).collect::<Vec<_>>();
    let (exact, budgeted) = (top(exact), top(budgeted));
    if exact.is_empty() {
        return 1.0;
    }
    exact.iter().filter(|member| budgeted.contains(member)).count() as f64 / exact.len() as f64
}

impl Agreement {
    fn of(ranking: &[(u32, f64)], definition: &[f64], candidates: &Candidates) -> Agreement {
        let apart = |a: f64, b: f64| (a - b).abs() / a.abs().max(b.abs()).max(f64::MIN_POSITIVE);
        let ranked = dense(ranking, definition.len());
        let all =
            candidates.members().iter().map(|&member| apart(ranked[member as usize], definition[member as usize]));
        let expected = candidates.top(definition);
        let same = |(a, b): (&u32, &(u32, f64))| apart(definition[*a as usize], definition[b.0 as usize]) <= EQUAL;
        let same_top = expected.len() == ranking.len().min(TOP) && expected.iter().zip(ranking).all(same);
        Agreement { difference: all.fold(0.0, f64::max), same_top }
    }
}
