//! The pending edges that a viewer is shown.

use super::State;
use super::pending::PendingEdge;
use super::records::strength_inputs;
use crate::graph::{HalfEdge, KindIx, MemberIx, View, Viewer};

impl State {
    /// Returns how many edges are pending.
    pub fn pending_count(&self) -> u64 {
        self.edges.pending().len() as u64
    }

    /// Returns all pending edges with their slots, in no order that means anything.
    pub(super) fn pending(&self) -> impl Iterator<Item = (MemberIx, KindIx, MemberIx, &PendingEdge)> {
        self.edges.pending().iter().filter_map(|(&(end, other, kind, leads_in), pending)| {
            let is_from = !leads_in && self.graph.get_id(end) == Some(&pending.edge.key.from);
            is_from.then_some((end, kind, other, pending))
        })
    }

    /// Returns whether a viewer is shown a pending edge: the service is, and either end unless the other is gone for it.
    pub fn shows_pending(&self, view: &View<'_>, viewer: Viewer, (from, to): (MemberIx, MemberIx)) -> bool {
        let is_an_end = match viewer {
            Viewer::Service => true,
            Viewer::Member(viewer) => viewer == from || viewer == to,
            Viewer::Stranger => false,
        };
        is_an_end && !view.is_gone(from) && !view.is_gone(to)
    }

    /// Returns a member's pending edges that a viewer is shown, as the half-edges they would be. What others ask of each other is not
    /// looked at.
    pub fn pending_halves<'s>(
        &'s self,
        member: MemberIx,
        view: &'s View<'_>,
        viewer: Viewer,
    ) -> impl Iterator<Item = HalfEdge> + 's {
        let other = match viewer {
            Viewer::Member(viewer) if viewer != member => Some(viewer),
            _ => None,
        };
        let shown = self.edges.pending().of(member, other);
        let shown = shown.filter(move |((_, other, ..), _)| self.shows_pending(view, viewer, (member, *other)));
        shown.map(|(&(_, other, kind, leads_in), pending)| {
            let both_ways = leads_in || self.graph.kind(kind).attrs.symmetric;
            HalfEdge::new(other, kind, !leads_in, both_ways, strength_inputs(&pending.edge.attrs))
        })
    }
}
