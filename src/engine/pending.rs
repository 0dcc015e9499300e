//! Edges that one end has asked for and the other has not accepted. They stand apart from the graph, so that no query can walk them.

use std::sync::Arc;

use imbl::OrdMap;

use super::apply_edge::EdgePlace;
use super::digest::Hashed;
use super::records::Stored;
use super::state::State;
use super::verify::Expected;
use crate::domain::{Edge, Error, Inspector, Times};
use crate::graph::{Graph, HalfEdge, KindIx, MemberIx, View, Viewer};

/// A pending edge, as it is kept.
#[derive(Debug, Clone)]
pub struct PendingEdge {
    pub edge: Edge,
    pub times: Times,
}

/// An end, the other one, the kind, and whether the edge only leads in there: the key of a half-edge.
type HalfPlace = (MemberIx, MemberIx, KindIx, bool);

/// Each at both of its ends.
#[derive(Debug, Clone, Default)]
pub struct Pending(OrdMap<HalfPlace, Arc<PendingEdge>>);

impl Pending {
    fn get(&self, (from, kind, to): EdgePlace) -> Option<&PendingEdge> {
        // Most stores have none.
        if self.0.is_empty() { None } else { self.0.get(&(from, to, kind, false)).map(Arc::as_ref) }
    }

    fn halves(graph: &Graph, (from, kind, to): EdgePlace) -> [HalfPlace; 2] {
        [(from, to, kind, false), (to, from, kind, !graph.kind(kind).attrs.symmetric)]
    }

    /// Whether any is of a kind.
    pub fn has_kind(&self, kind: KindIx) -> bool {
        self.0.keys().any(|(_, _, of, _)| *of == kind)
    }

    /// The halves of a member's; those to one other, if it is given.
    fn of(&self, member: MemberIx, other: Option<MemberIx>) -> impl Iterator<Item = (&HalfPlace, &Arc<PendingEdge>)> {
        let (least, most) = other.map_or((MemberIx(0), MemberIx(u32::MAX)), |other| (other, other));
        self.0.range((member, least, KindIx(0), false)..=(member, most, KindIx(u8::MAX), true))
    }
}

impl State {
    /// How many edges are pending.
    pub fn pending_count(&self) -> u64 {
        self.pending.0.len() as u64 / 2
    }

    /// All pending edges with their places, in no order that means anything.
    pub(super) fn pending(&self) -> impl Iterator<Item = (MemberIx, KindIx, MemberIx, &PendingEdge)> {
        self.pending.0.iter().filter_map(|(&(end, other, kind, leads_in), pending)| {
            let is_from = !leads_in && self.graph.get_id(end) == Some(&pending.edge.key.from);
            is_from.then_some((end, kind, other, pending.as_ref()))
        })
    }

    pub(super) fn pending_edge(&self, place: EdgePlace) -> Option<Stored<Edge>> {
        let pending = self.pending.get(place)?;
        Some(Stored::of(pending.edge.clone(), pending.times))
    }

    /// Keeps a pending edge in the place of the one that was pending there.
    pub(super) fn put_pending(&mut self, place: EdgePlace, pending: PendingEdge) {
        let pending = Arc::new(pending);
        for half in Pending::halves(&self.graph, place) {
            self.pending.0.insert(half, pending.clone());
        }
    }

    pub(super) fn remove_pending(&mut self, place: EdgePlace) {
        for half in Pending::halves(&self.graph, place) {
            self.pending.0.remove(&half);
        }
    }

    /// How many of a member's edges are pending.
    pub(super) fn pending_of(&self, member: MemberIx) -> usize {
        if self.pending.0.is_empty() { 0 } else { self.pending.of(member, None).count() }
    }

    /// The places of a member's pending edges.
    pub(super) fn pending_places(&self, member: MemberIx) -> Vec<EdgePlace> {
        let place = |&(end, other, kind, leads_in): &HalfPlace| {
            if leads_in { (other, kind, end) } else { (end, kind, other) }
        };
        self.pending.of(member, None).map(|(half, _)| place(half)).collect()
    }

    /// Whether a viewer is shown a pending edge: the service is, and either end unless the other is gone for it.
    pub fn shows_pending(&self, view: &View<'_>, viewer: Viewer, (from, to): (MemberIx, MemberIx)) -> bool {
        let is_an_end = match viewer {
            Viewer::Service => true,
            Viewer::Member(viewer) => viewer == from || viewer == to,
            Viewer::Stranger => false,
        };
        is_an_end && !view.is_gone(from) && !view.is_gone(to)
    }

    /// A member's pending edges that a viewer is shown, as the half-edges they would be. Of what others ask of each other nothing is
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
        let shown = self.pending.of(member, other);
        let shown = shown.filter(move |((_, other, ..), _)| self.shows_pending(view, viewer, (member, *other)));
        shown.map(|(&(_, other, kind, leads_in), pending)| {
            let symmetric = self.graph.kind(kind).attrs.symmetric;
            HalfEdge::new(
                other,
                kind,
                !leads_in,
                leads_in || symmetric,
                super::records::strength_inputs(&pending.edge.attrs),
            )
        })
    }

    pub(super) fn verify_pending(&self, expected: &mut Expected, check: &mut dyn Inspector) -> Result<(), Error> {
        for (&(end, other, kind, leads_in), pending) in &self.pending.0 {
            let key = &pending.edge.key;
            let name = || format!("{} {} {}", key.from, key.kind, key.to);
            let (from, to) =
                if leads_in || self.graph.get_id(end) != Some(&key.from) { (other, end) } else { (end, other) };
            let ends =
                (self.graph.get_id(from), self.graph.get_kind(kind).map(|kind| &kind.name), self.graph.get_id(to));
            if ends != (Some(&key.from), Some(&key.kind), Some(&key.to)) {
                check.find("pending edges", name(), "an end or the kind is not there")?;
                continue;
            }
            if self.pending.get((from, kind, to)).is_none_or(|kept| kept.edge != pending.edge) {
                check.find("pending edges", name(), "it is not the same at both of its ends")?;
            }
            if end != from {
                continue;
            }
            if self.edge_record(from, kind, to).is_some() {
                check.find("pending edges", name(), "it stands, too")?;
            }
            if pending.edge.attrs.asked_by.as_ref().is_none_or(|id| *id != key.from && *id != key.to) {
                check.find("pending edges", name(), "neither of its ends asked for it")?;
            }
            expected.digest.add(pending.edge.content_hash());
            expected.origin(&pending.edge);
        }
        Ok(())
    }
}
