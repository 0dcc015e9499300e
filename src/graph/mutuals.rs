//! Mutuals: whom two members both have an edge to.

use super::budget::{Budget, Limit};
use super::half_edge::MemberIx;
use super::seeker::Seeker;
use super::view::View;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mutual {
    pub member: MemberIx,
    /// Pair strength from `a`.
    pub strength_to_a: f64,
    /// Pair strength from `b`.
    pub strength_to_b: f64,
}

/// Whom both `a` and `b` have an edge to, by id; neither of them is one. The fewer edges of the two are gone through, and looked for
/// among the others; that counts as visiting each twice.
pub fn mutuals(view: &View<'_>, a: MemberIx, b: MemberIx, budget: &mut Budget<'_>) -> Result<Vec<Mutual>, Limit> {
    let (of_a, of_b) = (view.weigh(a, budget)?, view.weigh(b, budget)?);
    let (few, many) = if of_a <= of_b { (a, b) } else { (b, a) };
    let mut among_many = Seeker::new(view.half_edges(many));
    let mut common = Vec::new();
    view.half_edges(few).try_for_each_list(|list| {
        budget.visit(2 * list.len() as u64)?;
        let neighbors = list.neighbors().iter().map(|&neighbor| MemberIx(neighbor));
        common.extend(neighbors.filter(|&neighbor| among_many.seek(neighbor)));
        Ok(())
    })?;
    common.dedup();
    let mut found: Vec<Mutual> = common
        .into_iter()
        .filter(|member| ![a, b].contains(member))
        .filter_map(|member| {
            let (strength_to_a, strength_to_b) = (view.pair(a, member)?, view.pair(b, member)?);
            Some(Mutual { member, strength_to_a, strength_to_b })
        })
        .collect();
    found.sort_unstable_by(|x, y| view.graph().id(x.member).cmp(view.graph().id(y.member)));
    Ok(found)
}
