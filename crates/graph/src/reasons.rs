//! Why a member is suggested and through whom: the chains that make up its score, and who could introduce the two.

use super::half_edge::MemberIx;
use super::introducers::Introducer;
use super::path::Path;
use super::strength::{ChainCost, comparable};
use super::walk::{LastStep, THREE_STEPS, TwoSteps, Walk};

/// The most chains that are named as reasons of one suggestion.
const REASONS_MAX: usize = 10;
/// What a hand-over leaves of a chain's odds.
const HAND_OVER: f64 = 0.5;
/// Chains whose strengths, as products of floats, differ by less may be equally strong; then their costs decide, which are exact.
const NEARLY: f64 = 1.0 - 1e-6;

/// A chain that speaks for a suggestion.
#[derive(Debug, Clone, PartialEq)]
pub struct Because {
    /// The member that both are joined to, or the two members in between.
    pub through: Vec<MemberIx>,
    /// The chain's part of `k`, 0–1.
    pub share: f64,
}

/// What speaks for one suggestion.
#[derive(Debug, Clone, Default)]
pub struct Explanation {
    pub because: Vec<Because>,
    /// How many chains there are that are not named.
    pub others: u32,
    /// The introducers, the best first.
    pub introducers: Vec<Introducer>,
}

/// A walk to a suggested member: its first step, the member it steps on from if it has three steps, its part of the sum, and the odds of
/// the chain after its first step.
struct Chain {
    first: u32,
    second: Option<MemberIx>,
    part: f64,
    onwards: f64,
}

/// How introducers are chosen.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// The most introducers that are named.
    pub most: usize,
    /// How gladly a member is asked; 0 for one who never introduces.
    pub readiness: &'a dyn Fn(MemberIx) -> f64,
}

impl Asking<'_> {
    /// Names no introducers.
    pub const NOBODY: Asking<'static> = Asking { most: 0, readiness: &|_| 0.0 };
}

/// The walks of two steps to the members that walks of three steps step on from.
pub struct Arriving(Vec<TwoSteps>);

impl Arriving {
    /// Collects the walks to the members at which any of these last steps begin.
    pub(super) fn of<'s>(walk: &Walk<'_, '_>, last: impl Iterator<Item = &'s LastStep>) -> Arriving {
        let mut middle: Vec<MemberIx> = last.filter(|step| step.middle.is_some()).map(|step| step.from).collect();
        middle.sort_unstable();
        middle.dedup();
        // Most walks arrive at none of these members, and a bit for each of 4,096 sorts of members says so of most of them.
        let mut sorts = [0u64; 64];
        middle.iter().for_each(|member| sorts[member.0 as usize / 64 % 64] |= 1 << (member.0 % 64));
        let may_be = |to: MemberIx| sorts[to.0 as usize / 64 % 64] >> (to.0 % 64) & 1 == 1;
        let arriving = walk.walks.iter().filter(|walk| may_be(walk.to) && middle.binary_search(&walk.to).is_ok());
        let mut arriving: Vec<TwoSteps> = arriving.copied().collect();
        arriving.sort_unstable_by_key(|walk| (walk.to, walk.first));
        Arriving(arriving)
    }

    /// Returns about how many chains end with these last steps, which is the work of explaining them.
    pub(super) fn chains_of(&self, last: &[LastStep]) -> u64 {
        let chains = |step: &LastStep| 1 + if step.middle.is_some() { self.at(step.from).len() } else { 0 };
        last.iter().map(chains).sum::<usize>() as u64
    }

    fn at(&self, member: MemberIx) -> &[TwoSteps] {
        let begin = self.0.partition_point(|walk| walk.to < member);
        let end = begin + self.0[begin..].partition_point(|walk| walk.to == member);
        &self.0[begin..end]
    }
}

/// Returns what speaks for meeting the member to which these steps lead.
pub(super) fn explain(
    walk: &Walk<'_, '_>,
    to: MemberIx,
    last: &[LastStep],
    arriving: &Arriving,
    asking: Asking<'_>,
) -> Explanation {
    let chains = chains(walk, last, arriving);
    let introducers = introducers(walk, to, &chains, asking);
    let others = chains.len().saturating_sub(REASONS_MAX) as u32;
    Explanation { because: greatest(walk, chains), others, introducers }
}

fn chains(walk: &Walk<'_, '_>, last: &[LastStep], arriving: &Arriving) -> Vec<Chain> {
    let mut chains = Vec::new();
    for step in last {
        if let Some(first) = step.first {
            let taken = &walk.first[first as usize];
            let part = taken.strength * step.strength / taken.degree;
            chains.push(Chain { first, second: None, part, onwards: step.strength });
        }
        let Some(middle) = step.middle else { continue };
        let degree = walk.middle[middle as usize].degree;
        for two in arriving.at(step.from) {
            let taken = &walk.first[two.first as usize];
            let part = THREE_STEPS * taken.strength * two.strength * step.strength / (taken.degree * degree);
            let onwards = two.strength * step.strength * HAND_OVER;
            chains.push(Chain { first: two.first, second: Some(step.from), part, onwards });
        }
    }
    chains
}

/// Returns the greatest chains. Their shares are not yet divided by the sum.
fn greatest(walk: &Walk<'_, '_>, mut chains: Vec<Chain>) -> Vec<Because> {
    let id = |member: MemberIx| walk.view.graph().id(member);
    // Where parts are equal, chains come in the order of their first steps' ids, and a chain through one member before those that go on
    // from it.
    let greater_first = |a: &Chain, b: &Chain| {
        let by_second = || a.second.map(id).cmp(&b.second.map(id));
        comparable(b.part).total_cmp(&comparable(a.part)).then(a.first.cmp(&b.first)).then_with(by_second)
    };
    if chains.len() > REASONS_MAX {
        chains.select_nth_unstable_by(REASONS_MAX, greater_first);
        chains.truncate(REASONS_MAX);
    }
    chains.sort_unstable_by(greater_first);
    let through = |chain: &Chain| [Some(walk.first[chain.first as usize].member), chain.second].into_iter().flatten();
    chains.iter().map(|chain| Because { through: through(chain).collect(), share: chain.part }).collect()
}

/// Returns who could introduce the two: the strongest chain of each first hand-over, and of these the ones with the greatest scores.
fn introducers(walk: &Walk<'_, '_>, to: MemberIx, chains: &[Chain], asking: Asking<'_>) -> Vec<Introducer> {
    if asking.most == 0 {
        return Vec::new();
    }
    let graph = walk.view.graph();
    let would = |member: MemberIx| graph.privacy(member).may_introduce() && !graph.are_apart(member, to);
    let may_be = |chain: &&Chain| would(walk.first[chain.first as usize].member) && chain.second.is_none_or(would);
    let mut onwards = vec![0.0f64; walk.first.len()];
    chains.iter().filter(may_be).for_each(|chain| {
        let best = &mut onwards[chain.first as usize];
        *best = best.max(chain.onwards);
    });
    let about = |first: usize| {
        let taken = &walk.first[first];
        taken.strength * onwards[first] * (asking.readiness)(taken.member)
    };
    let mut scores: Vec<(f64, u32)> = (0..walk.first.len() as u32)
        .filter(|&first| onwards[first as usize] > 0.0)
        .map(|first| (about(first as usize), first))
        .filter(|score| score.0 > 0.0)
        .collect();
    if scores.len() > asking.most {
        scores.select_nth_unstable_by(asking.most - 1, |a, b| b.0.total_cmp(&a.0));
        let least = scores[asking.most - 1].0 * NEARLY;
        scores.retain(|score| score.0 >= least);
    }
    // The strongest chains of each introducer that is left are kept side by side: all of them, where they are equally strong.
    let mut left = vec![false; walk.first.len()];
    scores.iter().for_each(|&(_, first)| left[first as usize] = true);
    let is_best = |chain: &&Chain| {
        left[chain.first as usize] && chain.onwards >= onwards[chain.first as usize] * NEARLY && may_be(chain)
    };
    let mut best: Vec<&Chain> = chains.iter().filter(is_best).collect();
    best.sort_by_key(|chain| chain.first);
    let of_one = best.chunk_by(|a, b| a.first == b.first);
    let mut found: Vec<Introducer> =
        of_one.filter_map(|chains| strongest(walk, to, chains.iter().copied(), asking)).collect();
    let id = |introducer: &Introducer| walk.view.graph().id(introducer.member);
    found.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| id(a).cmp(id(b))));
    found.truncate(asking.most);
    found
}

/// Returns the introducer of the strongest of these chains, which have the same first step. Of equally strong ones it takes the shortest,
/// then the one that is first by id.
fn strongest<'c>(
    walk: &Walk<'_, '_>,
    to: MemberIx,
    chains: impl Iterator<Item = &'c Chain>,
    asking: Asking<'_>,
) -> Option<Introducer> {
    let (view, graph) = (walk.view, walk.view.graph());
    let cost = |chain: &Chain| {
        let strength = |from: MemberIx, to: MemberIx| view.pair(from, to).map(ChainCost::of_pair);
        let z = walk.first[chain.first as usize].member;
        match chain.second {
            None => strength(z, to),
            Some(y) => Some(strength(z, y)?.then(strength(y, to)?)),
        }
    };
    let chains = chains.filter_map(|chain| Some((cost(chain)?, chain)));
    let (onwards, chain) = chains.min_by(|(a_cost, a), (b_cost, b)| {
        let id = |chain: &Chain| chain.second.map(|member| graph.id(member));
        a_cost.cmp(b_cost).then_with(|| id(a).cmp(&id(b)))
    })?;
    let taken = &walk.first[chain.first as usize];
    let members = [Some(walk.from), Some(taken.member), chain.second, Some(to)].into_iter().flatten().collect();
    let strength_to_target = onwards.strength();
    Some(Introducer {
        member: taken.member,
        score: comparable(taken.strength * strength_to_target * (asking.readiness)(taken.member)),
        strength_to_member: taken.strength,
        strength_to_target,
        path: Path { members, cost: ChainCost::of_pair(taken.strength).then(onwards) },
    })
}
