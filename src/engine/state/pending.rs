//! Edges that one end has asked for and the other has not accepted. They stand apart from the graph, so that no query can walk them.

use std::sync::Arc;

use imbl::OrdMap;

use super::records::EdgeSlot;
use crate::domain::{Edge, Times};
use crate::graph::{Graph, KindIx, MemberIx};

/// A pending edge, as it is kept.
#[derive(Debug, Clone)]
pub struct PendingEdge {
    pub edge: Edge,
    pub times: Times,
}

/// An end, the other one, the kind, and whether the edge only leads in there: the key of a half-edge.
pub type PendingHalf = (MemberIx, MemberIx, KindIx, bool);

/// The pending edges, each at both of its ends.
#[derive(Debug, Clone, Default)]
pub struct Pending(OrdMap<PendingHalf, Arc<PendingEdge>>);

impl Pending {
    pub fn len(&self) -> usize {
        self.0.len() / 2
    }

    pub fn get(&self, (from, kind, to): EdgeSlot) -> Option<&PendingEdge> {
        // Most stores have none.
        if self.0.is_empty() { None } else { self.0.get(&(from, to, kind, false)).map(Arc::as_ref) }
    }

    fn halves(graph: &Graph, (from, kind, to): EdgeSlot) -> [PendingHalf; 2] {
        [(from, to, kind, false), (to, from, kind, !graph.kind(kind).attrs.symmetric)]
    }

    /// Returns whether any is of a kind.
    pub fn has_kind(&self, kind: KindIx) -> bool {
        self.0.keys().any(|(_, _, of, _)| *of == kind)
    }

    /// Keeps a pending edge in place of the one that was pending there.
    pub fn put(&mut self, graph: &Graph, slot: EdgeSlot, pending: PendingEdge) {
        let pending = Arc::new(pending);
        for half in Pending::halves(graph, slot) {
            self.0.insert(half, pending.clone());
        }
    }

    pub fn remove(&mut self, graph: &Graph, slot: EdgeSlot) {
        for half in Pending::halves(graph, slot) {
            self.0.remove(&half);
        }
    }

    /// Returns the halves of a member's pending edges; those to one other, if it is given.
    pub fn of(
        &self,
        member: MemberIx,
        other: Option<MemberIx>,
    ) -> impl Iterator<Item = (&PendingHalf, &Arc<PendingEdge>)> {
        let (least, most) = other.map_or((MemberIx(0), MemberIx(u32::MAX)), |other| (other, other));
        self.0.range((member, least, KindIx(0), false)..=(member, most, KindIx(u8::MAX), true))
    }

    /// Returns the slots of a member's pending edges.
    pub fn slots(&self, member: MemberIx) -> Vec<EdgeSlot> {
        let slot = |&(end, other, kind, leads_in): &PendingHalf| {
            if leads_in { (other, kind, end) } else { (end, kind, other) }
        };
        if self.0.is_empty() { Vec::new() } else { self.of(member, None).map(|(half, _)| slot(half)).collect() }
    }

    /// Returns every half, each with its edge.
    pub fn iter(&self) -> impl Iterator<Item = (&PendingHalf, &PendingEdge)> {
        self.0.iter().map(|(half, pending)| (half, pending.as_ref()))
    }
}
