//! Mutuals: whom two members both have an edge to.

use super::budget::{Budget, Limit};
use super::galloping_cursor::GallopingCursor;
use super::half_edge::MemberIx;
use super::view::View;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mutual {
    pub member: MemberIx,
    /// Pair strength from `a`.
    pub strength_to_a: f64,
    /// Pair strength from `b`.
    pub strength_to_b: f64,
}

/// Returns whom both `a` and `b` have an edge to, by id, but neither of the two. The shorter list is gone through and looked up in the
/// longer one, which counts as visiting each of its half-edges twice.
pub fn mutuals(view: &View<'_>, a: MemberIx, b: MemberIx, budget: &mut Budget<'_>) -> Result<Vec<Mutual>, Limit> {
    view.prepare(budget)?;
    let a_is_less = view.degree(a) <= view.degree(b);
    let (of_a, of_b) = (view.half_edges(a), view.half_edges(b));
    let (few, many) = if a_is_less { (of_a, of_b) } else { (of_b, of_a) };
    let mut among_many = GallopingCursor::new(many);
    let mut found = Vec::new();
    let mut last = None;
    budget.visit(2 * few.len() as u64)?;
    let mut chunk = 0;
    few.try_for_each_run(|list| {
        budget.heed(&mut chunk)?;
        for member in list.neighbors().iter().map(|&neighbor| MemberIx(neighbor)) {
            // A neighbor counts once, however many edges lead there.
            if last.replace(member) == Some(member) || [a, b].contains(&member) || !among_many.seek(member) {
                continue;
            }
            let strengths = (view.pair_among(of_a, member), view.pair_among(of_b, member));
            if let (Some(strength_to_a), Some(strength_to_b)) = strengths {
                found.push(Mutual { member, strength_to_a, strength_to_b });
            }
        }
        Ok(())
    })?;
    found.sort_unstable_by(|x, y| view.graph().id(x.member).cmp(view.graph().id(y.member)));
    Ok(found)
}
