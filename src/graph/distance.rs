//! Distance: hops of a shortest path, exact, because it decides who may see what.

use super::budget::{Budget, Extent, Limit};
use super::half_edge::{Direction, MemberIx};
use super::search::Search;
use super::small_hash::SmallMap;
use super::view::View;

/// Hops from one member to each of the targets, none beyond `max_hops`; 0 to itself. Ends when all are found.
pub fn distances(
    view: &View<'_>,
    from: MemberIx,
    targets: &[MemberIx],
    max_hops: u32,
    budget: &mut Budget<'_>,
) -> (Vec<Option<u32>>, Extent) {
    let mut wanted: SmallMap<MemberIx, Option<u32>> = targets.iter().map(|&target| (target, None)).collect();
    let mut missing = wanted.len();
    if let Some(itself) = wanted.get_mut(&from) {
        *itself = Some(0);
        missing -= 1;
    }
    let mut search = Search::new(view, from, Direction::Forward);
    let mut extent = Extent::complete(max_hops);
    while missing > 0 && search.hop < max_hops && !search.frontier.is_empty() {
        if let Err(limit) = search.step(budget) {
            extent = Extent::ended(limit, search.hop);
            break;
        }
        for member in &search.frontier {
            if let Some(hops @ None) = wanted.get_mut(member) {
                *hops = Some(search.hop);
                missing -= 1;
            }
        }
    }
    (targets.iter().map(|target| wanted[target]).collect(), extent)
}

/// Hops from one member to another, searched from both ends: the side with the smaller frontier goes on, until they meet.
/// None if they are further apart than `max_hops`. On a limit, the hops that were ruled out before it.
pub fn distance(
    view: &View<'_>,
    from: MemberIx,
    to: MemberIx,
    max_hops: u32,
    budget: &mut Budget<'_>,
) -> Result<Option<u32>, (Limit, u32)> {
    if from == to {
        return Ok(Some(0));
    }
    let mut forward = Search::new(view, from, Direction::Forward);
    let mut backward = Search::new(view, to, Direction::Backward);
    while forward.hop + backward.hop < max_hops && !forward.frontier.is_empty() && !backward.frontier.is_empty() {
        let ruled_out = forward.hop + backward.hop;
        let (near, far) = if forward.frontier.len() <= backward.frontier.len() {
            (&mut forward, &backward)
        } else {
            (&mut backward, &forward)
        };
        near.step(budget).map_err(|limit| (limit, ruled_out))?;
        if near.frontier.iter().any(|&member| far.has_seen(member)) {
            return Ok(Some(ruled_out + 1));
        }
    }
    Ok(None)
}
