//! Introducers: who could bring two members together, each with the whole chain.

use super::budget::{Budget, Extent, Limit};
use super::half_edge::MemberIx;
use super::path::{Path, Ranking};
use super::path_search::PathSearch;
use super::strength::{ChainCost, comparable};
use super::view::View;

#[derive(Debug, Clone, PartialEq)]
pub struct Introducer {
    /// The member that the chain is first handed over by.
    pub member: MemberIx,
    /// `I(z) = s(u,z) · chain strength from z to v · readiness(z)`.
    pub score: f64,
    /// Pair strength from the one who asks.
    pub strength_to_member: f64,
    /// Chain strength from the introducer to the target, which is the pair strength if the two are joined.
    pub strength_to_target: f64,
    /// The strongest chain through the introducer, from the one who asks to the target.
    pub path: Path,
}

/// Returns who could introduce `member` to `target` by a chain of at most `max_hops` hops, the greatest score first, then by id. Nobody in
/// a chain is one who introduces nobody, or whom a block parts from either of the two, or from the next in the chain.
///
/// The bound on hops is raised step by step, so that a limit leaves the answer for the last bound that was searched whole.
pub fn introducers(
    view: &View<'_>,
    member: MemberIx,
    target: MemberIx,
    max_hops: u32,
    readiness: &dyn Fn(MemberIx) -> f64,
    budget: &mut Budget<'_>,
) -> (Vec<Introducer>, Extent) {
    let view = &view.clone().for_introductions_of(member).introducing(member, target);
    let mut found = Vec::new();
    for hops_max in 2..=max_hops {
        match budget.whole(|budget| introducers_within(view, member, target, hops_max, readiness, budget)) {
            Ok(deeper) => found = deeper,
            Err(limit) => return (found, Extent::ended(limit, hops_max - 1)),
        }
    }
    (found, Extent::complete(max_hops))
}

fn introducers_within(
    view: &View<'_>,
    member: MemberIx,
    target: MemberIx,
    hops_max: u32,
    readiness: &dyn Fn(MemberIx) -> f64,
    budget: &mut Budget<'_>,
) -> Result<Vec<Introducer>, Limit> {
    let paths = PathSearch::new(view, member, target, hops_max, Ranking::Strength).best_by_first_step(budget)?;
    let mut found: Vec<Introducer> = paths
        .into_iter()
        .map(|path| {
            let introducer = path.members[1];
            let strength_to_member = view.pair(member, introducer).expect("a path walks along edges");
            let first = ChainCost::of_pair(strength_to_member);
            let onwards = ChainCost(path.cost.0 - first.0 - ChainCost::HAND_OVER.0);
            let strength_to_target = onwards.strength();
            let score = comparable(strength_to_member * strength_to_target * readiness(introducer));
            Introducer { member: introducer, score, strength_to_member, strength_to_target, path }
        })
        .collect();
    let id = |introducer: &Introducer| view.graph().id(introducer.member);
    found.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| id(a).cmp(id(b))));
    Ok(found)
}
