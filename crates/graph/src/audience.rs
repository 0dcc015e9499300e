//! How a status travels: from hop to hop along edges of symmetric kinds, and along an edge of a directed kind to whoever pays attention to
//! its author, and no further. So nobody comes to see more of others by an edge that they made alone.

use super::budget::{Budget, Extent, Limit};
use super::distance::distances;
use super::half_edge::{Direction, MemberIx};
use super::path::Ranking;
use super::paths::{PathQuery, Paths, find_paths};
use super::reach::{Direct, Passes, Reach, by_id_in_hops, reach_beside, reach_crossing, reach_list};
use super::view::View;

/// The edges along which something travels to those who see it.
#[derive(Debug, Clone)]
pub struct Ways<'g> {
    /// The edges that it may travel along at its first hop.
    first: View<'g>,
    /// The edges that it may go on along; none if they are the same ones.
    onward: Option<View<'g>>,
}

impl<'g> Ways<'g> {
    /// Travels along all edges, as members are reached.
    pub fn all(view: View<'g>) -> Ways<'g> {
        Ways { first: view, onward: None }
    }

    /// Travels as statuses do along the edges of a view.
    pub fn of_statuses(view: View<'g>) -> Ways<'g> {
        let has_directed = view.graph().kinds().any(|(ix, kind)| !kind.attrs.symmetric && view.admits_kind(ix));
        let onward = has_directed.then(|| view.clone().of_kinds(|kind| kind.attrs.symmetric));
        Ways { first: view, onward }
    }

    /// Leaves out those whom a member blocks, and those who block it.
    pub fn past_blocks_of(self, member: MemberIx) -> Ways<'g> {
        let past = |view: View<'g>| view.past_blocks_of(member);
        Ways { first: past(self.first), onward: self.onward.map(past) }
    }

    /// Returns the view for one who is so many hops away.
    pub fn at(&self, hops: u32) -> &View<'g> {
        self.onward.as_ref().filter(|_| hops > 1).unwrap_or(&self.first)
    }

    fn onward(&self) -> &View<'g> {
        self.at(u32::MAX)
    }

    /// Returns the hops from a member to each of those who post: 0 to itself, and none beyond `max_hops`.
    pub fn distances(
        &self,
        from: MemberIx,
        to: &[MemberIx],
        max_hops: u32,
        budget: &mut Budget<'_>,
    ) -> (Vec<Option<u32>>, Extent) {
        let (mut hops, extent) = distances(self.onward(), from, to, max_hops, budget);
        if self.onward.is_some() && max_hops > 0 {
            for (hops, to) in hops.iter_mut().zip(to).filter(|(hops, _)| hops.is_none_or(|hops| hops > 1)) {
                if self.first.pair(from, *to).is_some() {
                    *hops = Some(1);
                }
            }
        }
        (hops, extent)
    }

    /// Counts who sees what `of` posts within `max_hops`, hop by hop; only those that are `counted`, if it is given.
    pub fn reach(&self, of: MemberIx, max_hops: u32, counted: Option<Passes<'_>>, budget: &mut Budget<'_>) -> Reach {
        reach_beside(self.onward(), of, max_hops, counted, |budget| self.direct(of, max_hops, budget), budget)
    }

    /// Lists who sees what `of` posts within `max_hops`, by hop, then id.
    pub fn reach_list(&self, of: MemberIx, max_hops: u32, budget: &mut Budget<'_>) -> (Vec<(u32, MemberIx)>, Extent) {
        let (mut list, extent) = reach_list(self.onward(), of, max_hops, budget);
        if extent.exact_through_hop == 0 {
            return (list, extent);
        }
        match self.direct(of, max_hops, budget) {
            Ok(direct) if direct.is_empty() => (list, extent),
            Ok(direct) => {
                list.retain(|(_, member)| direct.binary_search_by_key(member, |direct| direct.0).is_err());
                list.splice(..0, direct.into_iter().map(|(member, _)| (1, member)));
                by_id_in_hops(&self.first, &list, extent, budget)
            }
            Err(limit) => (Vec::new(), Extent::ended(limit, 0)),
        }
    }

    /// Lists those who see it but whom no single sphere leads to `of`. A limit leaves none, because it is then known of nobody.
    pub fn reach_crossing(
        &self,
        of: MemberIx,
        max_hops: u32,
        budget: &mut Budget<'_>,
    ) -> (Vec<(u32, MemberIx)>, Extent) {
        let (mut list, extent) = reach_crossing(self.onward(), of, max_hops, budget);
        match self.direct(of, max_hops, budget) {
            Ok(direct) => {
                // One hop crosses nothing.
                list.retain(|(_, member)| direct.binary_search_by_key(member, |direct| direct.0).is_err());
                (list, extent)
            }
            Err(limit) => (Vec::new(), extent.and(Extent::ended(limit, 1))),
        }
    }

    /// Returns those whom an edge of a directed kind leads to `of`, in index order, each once, with the spheres of these edges. There are
    /// none where such edges go on all the same.
    fn direct(&self, of: MemberIx, max_hops: u32, budget: &mut Budget<'_>) -> Result<Direct, Limit> {
        let mut direct = Direct::new();
        if self.onward.is_none() || max_hops == 0 {
            return Ok(direct);
        }
        let directed = self.first.clone().of_kinds(|kind| !kind.attrs.symmetric);
        directed.for_each_step(of, Direction::Backward, budget, |member, spheres| direct.push((member, spheres)))?;
        direct.sort_unstable_by_key(|direct| direct.0);
        direct.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            kept.1 |= if is_same { next.1 } else { 0 };
            is_same
        });
        Ok(direct)
    }

    /// Returns the strongest of the shortest chains from a member to the one who posts, which is so many hops away.
    pub fn chain(&self, from: MemberIx, to: MemberIx, hops: u32, budget: &mut Budget<'_>) -> Paths {
        find_paths(self.at(hops), from, to, &PathQuery { k: 1, max_hops: hops, ranking: Ranking::Hops }, budget)
    }
}
