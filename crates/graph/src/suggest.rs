//! Suggestions: whom a member should meet, by the walks of two and three steps that lead there.
//!
//! `K(u,v) = Σ_z s(u,z)·s(z,v)/D(z) + λ·Σ_{z,y} s(u,z)·s(z,y)·s(y,v)/(D(z)·D(y))` with pair strengths `s`, `y ≠ u`, λ = ½ and `D(z) =
//! max(¼, Σ_y s(z,y))`: a random walk of two steps and a discounted one of three, kin to resource allocation (Zhou, Lü, Zhang 2009) and the
//! local path index (Lü, Jin, Zhou 2009). Every bit of a score is a chain that can be shown.
//!
//! Within a `Breadth` only the strongest steps are walked. The members that come out best are then looked at from the other side: their
//! score is summed over every last step from where the walks have been. So it is at most K, and the sum of chains that exist.
//!
//! Sums run in an order that the content alone decides, so that the same content gives the same bits after a restart.

use super::budget::{Budget, Extent, Limit};
use super::candidate::{Candidate, InOrder, best_first};
use super::distance::distances;
use super::half_edge::{Direction, MemberIx};
use super::introducers::{Introducer, introducers};
use super::reach::Passes;
use super::reasons::{Arriving, Asking, Because, Explanation, explain};
use super::scratch::{Scratch, lease};
use super::small_hash::{SmallMap, SmallSet};
use super::view::View;
use super::walk::{Breadth, Walk};
use crate::domain::limits::HOPS_MAX;

/// How well members match the topics asked for, each in (0, 1]. Only these members are candidates.
pub type TopicEvidence = SmallMap<MemberIx, f64>;

/// Which members may be suggested.
#[derive(Clone, Copy)]
pub struct Passing<'a> {
    pub passes: Passes<'a>,
    /// All members that pass and that the viewer may know of, in any order, where they are known to be few.
    pub all: Option<&'a [MemberIx]>,
}

pub struct SuggestQuery<'a> {
    pub topics: Option<&'a TopicEvidence>,
    /// Only these members are candidates; all are where it is not given. Walks go through everybody.
    pub passing: Option<Passing<'a>>,
    /// Members that are not suggested, but still walked through.
    pub exclude: &'a SmallSet<MemberIx>,
    pub limit: usize,
    /// The most steps of a walk, 2 or 3.
    pub max_steps: u32,
    /// How many steps the walks take.
    pub breadth: Breadth,
    /// The most suggestions that the same introducer is the best for: the best ones are kept.
    pub per_introducer_max: Option<usize>,
    /// How many introducers each suggestion names, and how willing they are.
    pub introducers: Asking<'a>,
}

impl SuggestQuery<'_> {
    fn passes(&self, member: MemberIx) -> bool {
        self.passing.is_none_or(|passing| (passing.passes)(member))
    }

    /// Asks for the best `limit` of all members, whatever it is about, by K in full, without introducers.
    pub fn exact(exclude: &SmallSet<MemberIx>, limit: usize) -> SuggestQuery<'_> {
        SuggestQuery {
            topics: None,
            passing: None,
            exclude,
            limit,
            max_steps: 3,
            breadth: Breadth::ALL,
            per_introducer_max: None,
            introducers: Asking::NOBODY,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    pub member: MemberIx,
    /// The score: `K · (1 + topic match)`, to 32 significant bits.
    pub score: f64,
    pub k: f64,
    pub topic_match: f64,
    /// The hops of the shortest path to the member.
    pub hops: u32,
    /// How many members are one step from the one who asks and one step before the suggested one.
    pub mutuals: u32,
    /// The chains that make up most of `k`, the greatest share first; at most 10.
    pub because: Vec<Because>,
    /// All other chains, if there are any. With them the shares add up to 1.
    pub others: Option<Others>,
    /// The first hand-overs of the strongest chains that were walked, the greatest score first. Where the member is more than 3 hops away,
    /// they are those of the shortest chains.
    pub introducers: Vec<Introducer>,
}

/// The chains that speak for a suggestion and are not named.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Others {
    pub chains: u32,
    /// Their part of `k` together.
    pub share: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Suggestions {
    pub suggestions: Vec<Suggestion>,
    /// How far the suggestions are exact among the walks that the `Breadth` takes. On a limit it is hop 2 where they are scored by walks of
    /// two steps alone, and hop 1 where there are none.
    pub extent: Extent,
}

/// Marks a member that is not suggested.
const NOT_SUGGESTED: u8 = 1;
/// Where steps were left out, so many times as many candidates as are asked for are looked at in full, and a margin besides.
const LOOKED_AT_TIMES: usize = 2;
const LOOKED_AT_MORE: usize = 20;
/// The factor where one introducer may have only some of the suggestions.
const LOOKED_AT_FOR_OTHERS: usize = 10;
/// The most half-edges of all members that pass for each of them to be looked at in full.
const PASSING_EDGES_MAX: u64 = 1 << 16;

/// Returns the members to meet with the greatest scores; then by fewest hops, best topic match, and id.
pub fn suggest(view: &View<'_>, member: MemberIx, query: &SuggestQuery<'_>, budget: &mut Budget<'_>) -> Suggestions {
    let view = &view.clone().for_introductions_of(member);
    let mut scratch = lease(view.graph().slots());
    let (walk, mut found, extent) = match ranked(view, member, query, &mut scratch, budget) {
        Ok(ranked) => ranked,
        Err(limit) => return Suggestions { suggestions: Vec::new(), extent: Extent::ended(limit, 1) },
    };
    let mut chosen = Chosen { query, suggestions: Vec::new(), for_one: SmallMap::default() };
    let mut ended = None;
    while !chosen.is_full() && ended.is_none() {
        // A candidate that is passed over makes room for one that was not looked at yet.
        let (batch, unordered) = found.next(view, query.limit, budget);
        if batch.is_empty() {
            ended = unordered;
            break;
        }
        let (explained, limit) = explained(&walk, batch, query.introducers, budget);
        explained.into_iter().for_each(|suggestion| chosen.consider(suggestion));
        ended = limit.or(unordered);
    }
    // The scores stand; some of the reasons are missing, or some of the last suggestions.
    let extent = match ended {
        Some(limit) if extent.is_complete() => Extent::ended(limit, extent.exact_through_hop.min(3)),
        _ => extent,
    };
    Suggestions { suggestions: chosen.suggestions, extent }
}

/// Returns all members that could be suggested, or the best of them, in the order of `suggest` but without what speaks for them.
pub fn rank_introductions(
    view: &View<'_>,
    member: MemberIx,
    query: &SuggestQuery<'_>,
    budget: &mut Budget<'_>,
) -> (Vec<Candidate>, Extent) {
    let view = &view.clone().for_introductions_of(member);
    let mut scratch = lease(view.graph().slots());
    let ranked = ranked(view, member, query, &mut scratch, budget);
    let first = |found: InOrder| found.first.collect();
    ranked.map_or_else(|limit| (Vec::new(), Extent::ended(limit, 1)), |(_, found, extent)| (first(found), extent))
}

type Ranked<'v, 'g> = (Walk<'v, 'g>, InOrder, Extent);

/// Returns the candidates in order, as many as may be needed; or the limit, if it leaves none.
fn ranked<'v, 'g>(
    view: &'v View<'g>,
    member: MemberIx,
    query: &SuggestQuery<'_>,
    scratch: &'v mut Scratch,
    budget: &mut Budget<'_>,
) -> Result<Ranked<'v, 'g>, Limit> {
    let Scratch { marks, seen: [seen, _], sums, .. } = scratch;
    sums.begin(view.graph().slots());
    mark_not_suggested(view, member, query.exclude, marks, seen, budget)?;
    let mut walk = Walk::new(view, member, query.breadth, sums);
    walk.two_steps(budget)?;
    let mut extent = Extent::complete(2);
    if query.max_steps > 2 {
        extent = walk.three_steps(budget).map_or_else(|limit| Extent::ended(limit, 2), |()| Extent::complete(HOPS_MAX));
    }
    // The members are gone through once more, and what is found is sorted.
    let arrived = budget.pass(walk.arrived_count() as u64);
    extent = arrived.map_or_else(|limit| extent.and(Extent::ended(limit, 3)), |()| extent);
    let mut found = candidates(&walk, query, marks);
    // Members far away have a score of 0, so they are not needed where there are more suggestions than are asked for.
    let needed = if query.per_introducer_max.is_some() { usize::MAX } else { query.limit };
    if extent.exact_through_hop > 2
        && found.len() < needed
        && let Err(limit) =
            add_distant_sharers(view, member, query, |m| is_distant(&walk, marks, m), &mut found, budget)
    {
        extent = Extent::ended(limit, 3);
    }
    if walk.is_cut() {
        if !add_all_passing(&walk, query, marks, &mut found) {
            best_first(view, &mut found, looked_at(query), None);
        }
        let looked: Result<Vec<_>, Limit> =
            found.iter().map(|candidate| walk.last_steps(candidate.member, budget)).collect();
        match looked {
            Ok(looked) => found.iter_mut().zip(looked).for_each(|(candidate, last)| candidate.look(&walk, last)),
            // Some scores in full beside others in part would be in no order.
            Err(limit) => extent = extent.and(Extent::ended(limit, 2)),
        }
        found.retain(|candidate| candidate.k > 0.0 || query.topics.is_some());
    }
    let is_all = query.per_introducer_max.is_none();
    let first = if is_all { query.limit } else { looked_at(query) };
    Ok((walk, InOrder::new(view, found, first, is_all), extent))
}

/// Returns how many candidates are looked at in full.
fn looked_at(query: &SuggestQuery<'_>) -> usize {
    let times = if query.per_introducer_max.is_some() { LOOKED_AT_FOR_OTHERS } else { LOOKED_AT_TIMES };
    query.limit.saturating_mul(times).saturating_add(LOOKED_AT_MORE)
}

/// Marks the member itself, those it is joined to in either direction, and those who are not wanted.
fn mark_not_suggested(
    view: &View<'_>,
    member: MemberIx,
    exclude: &SmallSet<MemberIx>,
    marks: &mut [u8],
    seen: &mut Vec<MemberIx>,
    budget: &mut Budget<'_>,
) -> Result<(), Limit> {
    view.prepare(budget)?;
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

/// Makes a suggestion of a candidate.
fn suggestion(candidate: Candidate, Explanation { mut because, others, introducers }: Explanation) -> Suggestion {
    let Candidate { member, score, k, topic_match, hops, mutuals, .. } = candidate;
    // A part may be the whole sum, rounded otherwise.
    because.iter_mut().for_each(|because| because.share = (because.share / k).min(1.0));
    let named: f64 = because.iter().map(|because| because.share).sum();
    let others = (others > 0).then(|| Others { chains: others, share: (1.0 - named).max(0.0) });
    Suggestion { member, score, k, topic_match, hops, mutuals, because, others, introducers }
}

/// The suggestions that are returned.
struct Chosen<'a> {
    query: &'a SuggestQuery<'a>,
    suggestions: Vec<Suggestion>,
    /// How many suggestions each introducer is the best for.
    for_one: SmallMap<MemberIx, usize>,
}

impl Chosen<'_> {
    fn is_full(&self) -> bool {
        self.suggestions.len() >= self.query.limit
    }

    /// Takes the next suggestion in order, unless its best introducer has as many as one may have.
    fn consider(&mut self, suggestion: Suggestion) {
        if self.is_full() {
            return;
        }
        if let (Some(most), Some(best)) = (self.query.per_introducer_max, suggestion.introducers.first()) {
            let count = self.for_one.entry(best.member).or_insert(0);
            if *count >= most {
                return;
            }
            *count += 1;
        }
        self.suggestions.push(suggestion);
    }
}

/// Returns candidates with what speaks for them. On a limit some have no reasons, and the limit is returned too.
fn explained(
    walk: &Walk<'_, '_>,
    mut batch: Vec<Candidate>,
    asking: Asking<'_>,
    budget: &mut Budget<'_>,
) -> (Vec<Suggestion>, Option<Limit>) {
    let mut ended = look_at_all(walk, &mut batch, budget).err();
    // All walks of two steps are gone through for those that lead on.
    ended = ended.or(budget.pass(walk.walks.len() as u64).err());
    let arriving = Arriving::of(walk, batch.iter().filter_map(|candidate| candidate.last.as_ref()).flatten());
    let mut suggestions = Vec::with_capacity(batch.len());
    for mut candidate in batch {
        // Chains of two steps are no more than were walked; those of three may be many times more.
        let last = candidate.last.take().filter(|last| {
            let charged = budget.pass(arriving.chains_of(last));
            ended = ended.or(charged.err());
            charged.is_ok() || walk.is_of_two_steps()
        });
        let Some(last) = last else {
            candidate.mutuals =
                if candidate.mutuals > 0 { candidate.mutuals } else { walk.arriving_in_two(candidate.member) };
            suggestions.push(suggestion(candidate, Explanation::default()));
            continue;
        };
        let mut explanation = explain(walk, candidate.member, &last, &arriving, asking);
        // No walk leads there, because the member is far away or the steps were left out.
        if candidate.k == 0.0 && asking.most > 0 && ended.is_none() {
            let (view, from, to) = (walk.view, walk.from, candidate.member);
            let (found, extent) = introducers(view, from, to, candidate.hops, asking.readiness, budget);
            explanation.introducers = found.into_iter().take(asking.most).collect();
            ended = extent.limit;
        }
        suggestions.push(suggestion(candidate, explanation));
    }
    (suggestions, ended)
}

/// Looks at all steps that end at each candidate that were not looked at before.
fn look_at_all(walk: &Walk<'_, '_>, batch: &mut [Candidate], budget: &mut Budget<'_>) -> Result<(), Limit> {
    if let Some(last) = walk.last_of_two_steps(batch.iter().map(|candidate| candidate.member)) {
        batch.iter_mut().zip(last).for_each(|(candidate, last)| candidate.look(walk, last));
        return budget.pass(walk.walks.len() as u64);
    }
    for candidate in batch.iter_mut().filter(|candidate| candidate.last.is_none()) {
        let last = walk.last_steps(candidate.member, budget)?;
        candidate.look(walk, last);
    }
    Ok(())
}

/// Returns the members that the walks arrive at; where topics are asked for, only those with evidence.
fn candidates(walk: &Walk<'_, '_>, query: &SuggestQuery<'_>, marks: &[u8]) -> Vec<Candidate> {
    let most = query.topics.map_or_else(|| walk.arrived_count(), |evidence| evidence.len());
    let mut found = Vec::with_capacity(most.min(walk.arrived_count()));
    for (member, k, hops) in walk.arrived() {
        if marks[member.0 as usize] == NOT_SUGGESTED || is_hidden(walk.view, member) || !query.passes(member) {
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

/// Adds those of the members that pass at whom no walk arrives because steps were left out, to be looked at with the others. Returns false
/// where that would be too much, and adds nobody.
fn add_all_passing(walk: &Walk<'_, '_>, query: &SuggestQuery<'_>, marks: &[u8], found: &mut Vec<Candidate>) -> bool {
    let (Some(Passing { all: Some(all), .. }), None) = (query.passing, query.topics) else { return false };
    let missed = all.iter().copied().filter(|&member| is_distant(walk, marks, member));
    let missed: Vec<Candidate> = missed.map(|member| Candidate::new(member, 0.0, 0.0, 3)).collect();
    let degrees = found.iter().chain(&missed).map(|candidate| walk.view.degree(candidate.member));
    let is_few = degrees.sum::<u64>() <= PASSING_EDGES_MAX;
    if is_few {
        found.extend(missed);
    }
    is_few
}

fn is_distant(walk: &Walk<'_, '_>, marks: &[u8], member: MemberIx) -> bool {
    !walk.arrives_at(member) && marks[member.0 as usize] != NOT_SUGGESTED && !is_hidden(walk.view, member)
}

fn is_hidden(view: &View<'_>, member: MemberIx) -> bool {
    !view.graph().privacy(member).may_be_suggested()
}

/// Adds members on the topics that no walk of three steps arrives at but that are within 6 hops, so that a member with few edges gets
/// suggestions too.
fn add_distant_sharers(
    view: &View<'_>,
    from: MemberIx,
    query: &SuggestQuery<'_>,
    is_distant: impl Fn(MemberIx) -> bool,
    found: &mut Vec<Candidate>,
    budget: &mut Budget<'_>,
) -> Result<(), Limit> {
    let Some(evidence) = query.topics else { return Ok(()) };
    let is_asked_for = |member: &MemberIx| is_distant(*member) && query.passes(*member);
    let sharers: Vec<MemberIx> = evidence.keys().copied().filter(is_asked_for).collect();
    if sharers.is_empty() {
        return Ok(());
    }
    let (hops, extent) = distances(view, from, &sharers, HOPS_MAX, budget);
    for (member, hops) in sharers.into_iter().zip(hops) {
        found.extend(hops.map(|hops| Candidate::new(member, 0.0, evidence[&member], hops)));
    }
    extent.limit.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GraphBuilder;
    use crate::domain::{MemberId, Strength, TimeMs, builtin_kinds};
    use crate::half_edge::KindIx;
    use crate::strength::StrengthInputs;

    #[test]
    fn whoever_passes_is_scored_though_no_walk_within_the_breadth_leads_there() {
        let mut builder = GraphBuilder::default();
        let ids = ["u", "z", "a", "v", "w"].map(|id| builder.member(MemberId::parse("id", id).unwrap()));
        let [u, z, a, v, w] = ids;
        let (kind, friend) = (KindIx(0), builtin_kinds().into_iter().find(|kind| kind.attrs.symmetric).unwrap());
        builder.kind(kind, friend);
        let joined = [(u, z, 0.9), (z, a, 0.8), (z, v, 0.2)];
        joined.into_iter().for_each(|(from, to, pinned)| {
            builder.edge(
                from,
                kind,
                to,
                StrengthInputs { pinned: Strength::parse("strength", pinned).ok(), ..StrengthInputs::default() },
            );
        });
        let graph = builder.build();
        let view = View::unfiltered(&graph, TimeMs(0));
        let (exclude, passes) = (SmallSet::default(), |member| member == v || member == w);
        let breadth = Breadth { steps_max: 2, ..Breadth::ALL };
        let found = |all| {
            let passing = Some(Passing { passes: &passes, all });
            let query = SuggestQuery { passing, breadth, ..SuggestQuery::exact(&exclude, 9) };
            let found = suggest(&view, u, &query, &mut Budget::unlimited());
            found.suggestions.iter().map(|found| (found.member, found.hops, found.mutuals)).collect::<Vec<_>>()
        };
        assert_eq!(found(None), []);
        assert_eq!(found(Some(&[v, w])), [(v, 2, 1)]);
    }
}
