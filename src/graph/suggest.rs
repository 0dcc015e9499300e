//! Suggestions: whom a member should meet, by the walks of two and three steps that lead there.
//!
//! `K(u,v) = Σ_z s(u,z)·s(z,v)/D(z) + λ·Σ_{z,y} s(u,z)·s(z,y)·s(y,v)/(D(z)·D(y))` with pair strengths `s`, `y ≠ u`, λ = ½ and
//! `D(z) = max(¼, Σ_y s(z,y))`: a random walk of two steps and a discounted one of three, kin to resource allocation
//! (Zhou, Lü, Zhang 2009) and the local path index (Lü, Jin, Zhou 2009). Every bit of a score is a chain that can be shown.
//!
//! Sums run in an order that the content alone decides, so that the same content gives the same bits after a restart.

use std::cmp::Ordering;

use super::budget::{Budget, Extent, Limit};
use super::distance::distances;
use super::half_edge::{Direction, MemberIx};
use super::scratch::{Scratch, lease};
use super::small_hash::{SmallMap, SmallSet};
use super::view::View;
use super::walk::Walk;
use crate::domain::limits::HOPS_MAX;

/// How well members match the topics asked for, each in (0, 1]. Only they are candidates.
pub type TopicEvidence = SmallMap<MemberIx, f64>;

pub struct SuggestQuery<'a> {
    pub topics: Option<&'a TopicEvidence>,
    /// Not to be suggested; still walked through.
    pub exclude: &'a SmallSet<MemberIx>,
    pub limit: usize,
    /// How long the walks are: 2 or 3 steps at most.
    pub max_steps: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    pub member: MemberIx,
    /// `K · (1 + topic match)`.
    pub score: f64,
    pub k: f64,
    pub topic_match: f64,
    /// Hops of the shortest path to it.
    pub hops: u32,
    /// Members one step from the one who asks and one step before it.
    pub mutuals: u32,
    /// The chains that make up most of `k`, the greatest share first; at most 10.
    pub because: Vec<Because>,
}

/// A chain that speaks for a suggestion.
#[derive(Debug, Clone, PartialEq)]
pub struct Because {
    /// One member both are joined to, or the two in between.
    pub through: Vec<MemberIx>,
    /// Its part of `k`, 0–1.
    pub share: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Suggestions {
    pub suggestions: Vec<Suggestion>,
    /// Exact through hop 2 on a limit: scored by walks of two steps alone. Through hop 1: nothing is given.
    pub extent: Extent,
}

/// In the mark of a member that is not suggested.
const NOT_SUGGESTED: u8 = 1;

/// The members to meet with the greatest scores; then by fewest hops, best topic match, and id.
pub fn suggest(view: &View<'_>, member: MemberIx, query: &SuggestQuery<'_>, budget: &mut Budget<'_>) -> Suggestions {
    let mut scratch = lease(view.graph().places());
    let (walk, found, mut extent) = match ranked(view, member, query, &mut scratch, budget) {
        Ok(ranked) => ranked,
        Err(limit) => return Suggestions { suggestions: Vec::new(), extent: Extent::ended(limit, 1) },
    };
    let told: Vec<MemberIx> = found.iter().map(|candidate| candidate.member).collect();
    let (reasons, ended) = walk.reasons(&told, budget);
    if let (Some(limit), true) = (ended, extent.is_complete()) {
        // The scores stand; some of the reasons are missing.
        extent = Extent::ended(limit, 3);
    }
    let told = found.into_iter().zip(reasons).map(|(candidate, reasons)| candidate.told(reasons));
    Suggestions { suggestions: told.collect(), extent }
}

/// The members that `suggest` gives, in its order, without what speaks for them.
pub fn rank_introductions(
    view: &View<'_>,
    member: MemberIx,
    query: &SuggestQuery<'_>,
    budget: &mut Budget<'_>,
) -> (Vec<Candidate>, Extent) {
    let mut scratch = lease(view.graph().places());
    let ranked = ranked(view, member, query, &mut scratch, budget);
    ranked.map_or_else(|limit| (Vec::new(), Extent::ended(limit, 1)), |(_, found, extent)| (found, extent))
}

type Ranked<'v, 'g> = (Walk<'v, 'g>, Vec<Candidate>, Extent);

/// The best candidates in order. On a limit that leaves none, the limit.
fn ranked<'v, 'g>(
    view: &'v View<'g>,
    member: MemberIx,
    query: &SuggestQuery<'_>,
    scratch: &'v mut Scratch,
    budget: &mut Budget<'_>,
) -> Result<Ranked<'v, 'g>, Limit> {
    let Scratch { marks, seen: [seen, _], sums, .. } = scratch;
    sums.begin(view.graph().places());
    mark_not_suggested(view, member, query.exclude, marks, seen, budget)?;
    let mut walk = Walk::new(view, member, sums);
    walk.two_steps(budget)?;
    let mut extent = Extent::complete(2);
    if query.max_steps > 2 {
        extent = walk.three_steps(budget).map_or_else(|limit| Extent::ended(limit, 2), |()| Extent::complete(HOPS_MAX));
    }
    let mut found = candidates(&walk, query, marks);
    if extent.exact_through_hop > 2
        && let Err(limit) =
            add_distant_sharers(view, member, query, |m| is_distant(&walk, marks, m), &mut found, budget)
    {
        extent = Extent::ended(limit, 3);
    }
    best_first(view, &mut found, query.limit);
    Ok((walk, found, extent))
}

/// The member itself, whom it is joined to in either direction, and who is not wanted.
fn mark_not_suggested(
    view: &View<'_>,
    member: MemberIx,
    exclude: &SmallSet<MemberIx>,
    marks: &mut [u8],
    seen: &mut Vec<MemberIx>,
    budget: &mut Budget<'_>,
) -> Result<(), Limit> {
    let mut mark = |member: MemberIx| {
        marks[member.0 as usize] = NOT_SUGGESTED;
        seen.push(member);
    };
    mark(member);
    exclude.iter().for_each(|&excluded| mark(excluded));
    for direction in [Direction::Forward, Direction::Backward] {
        view.for_each_step(member, direction, budget, |neighbor, _| mark(neighbor))?;
    }
    Ok(())
}

/// A member that could be suggested, with what `Suggestion` says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub member: MemberIx,
    pub score: f64,
    pub k: f64,
    pub topic_match: f64,
    pub hops: u32,
}

impl Candidate {
    fn new(member: MemberIx, k: f64, topic_match: f64, hops: u32) -> Candidate {
        Candidate { member, score: k * (1.0 + topic_match), k, topic_match, hops }
    }

    fn told(self, (mutuals, mut because): (u32, Vec<Because>)) -> Suggestion {
        let Candidate { member, score, k, topic_match, hops } = self;
        // A part may be the whole sum, rounded otherwise.
        because.iter_mut().for_each(|because| because.share = (because.share / k).min(1.0));
        Suggestion { member, score, k, topic_match, hops, mutuals, because }
    }
}

/// Whom the walks arrive at; of topics asked for, only those with evidence.
fn candidates(walk: &Walk<'_, '_>, query: &SuggestQuery<'_>, marks: &[u8]) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (member, k, hops) in walk.arrived() {
        if marks[member.0 as usize] == NOT_SUGGESTED {
            continue;
        }
        match query.topics.map(|evidence| evidence.get(&member)) {
            None => found.push(Candidate::new(member, k, 0.0, hops)),
            Some(Some(&topic_match)) => found.push(Candidate::new(member, k, topic_match, hops)),
            Some(None) => {}
        }
    }
    found
}

fn is_distant(walk: &Walk<'_, '_>, marks: &[u8], member: MemberIx) -> bool {
    !walk.arrives_at(member) && marks[member.0 as usize] != NOT_SUGGESTED
}

/// Members on the topics that no walk of three steps arrives at, but that are within 6 hops: a member with few edges is still
/// told of them.
fn add_distant_sharers(
    view: &View<'_>,
    from: MemberIx,
    query: &SuggestQuery<'_>,
    is_distant: impl Fn(MemberIx) -> bool,
    found: &mut Vec<Candidate>,
    budget: &mut Budget<'_>,
) -> Result<(), Limit> {
    let Some(evidence) = query.topics else { return Ok(()) };
    let sharers: Vec<MemberIx> = evidence.keys().copied().filter(|&member| is_distant(member)).collect();
    if sharers.is_empty() {
        return Ok(());
    }
    let (hops, extent) = distances(view, from, &sharers, HOPS_MAX, budget);
    for (member, hops) in sharers.into_iter().zip(hops) {
        found.extend(hops.map(|hops| Candidate::new(member, 0.0, evidence[&member], hops)));
    }
    extent.limit.map_or(Ok(()), Err)
}

/// Keeps the best, in order.
fn best_first(view: &View<'_>, found: &mut Vec<Candidate>, limit: usize) {
    let better_first = |a: &Candidate, b: &Candidate| -> Ordering {
        let by_score = b.score.total_cmp(&a.score).then(a.hops.cmp(&b.hops));
        let by_match = by_score.then_with(|| b.topic_match.total_cmp(&a.topic_match));
        by_match.then_with(|| view.graph().id(a.member).cmp(view.graph().id(b.member)))
    };
    if (1..found.len()).contains(&limit) {
        // By score alone: many a score is equal to others, and ids are far away.
        let mut scores: Vec<f64> = found.iter().map(|candidate| candidate.score).collect();
        let least = *scores.select_nth_unstable_by(limit - 1, |a, b| b.total_cmp(a)).1;
        found.retain(|candidate| candidate.score >= least);
    }
    found.sort_unstable_by(better_first);
    found.truncate(limit);
}
