//! Mutuals: whom two members both have an edge to.

use super::budget::{Budget, Limit};
use super::half_edge::{Direction, MemberIx};
use super::view::View;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mutual {
    pub member: MemberIx,
    /// Pair strength from `a`.
    pub strength_to_a: f64,
    /// Pair strength from `b`.
    pub strength_to_b: f64,
}

/// Whom both `a` and `b` have an edge to, by id; neither of them is one.
pub fn mutuals(view: &View<'_>, a: MemberIx, b: MemberIx, budget: &mut Budget<'_>) -> Result<Vec<Mutual>, Limit> {
    let mut of_a = Vec::new();
    view.for_each_pair(a, Direction::Forward, budget, |member, strength| of_a.push((member, strength)))?;
    let mut found = Vec::new();
    let mut left = of_a.iter().copied().peekable();
    // Both lists are in index order: one pass over the two.
    view.for_each_pair(b, Direction::Forward, budget, |member, strength_to_b| {
        while left.next_if(|(other, _)| *other < member).is_some() {}
        if let Some((_, strength_to_a)) = left.next_if(|(other, _)| *other == member)
            && member != a
            && member != b
        {
            found.push(Mutual { member, strength_to_a, strength_to_b });
        }
    })?;
    found.sort_unstable_by(|x, y| view.graph().id(x.member).cmp(view.graph().id(y.member)));
    Ok(found)
}
