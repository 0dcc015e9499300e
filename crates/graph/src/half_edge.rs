//! Half-edges: an edge as one of its ends sees it, which is all that a traversal needs.

use super::strength::StrengthInputs;
use crate::domain::Strength;

/// The index of a member's slot in the graph. Freed slots are used again, so an index never leaves the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberIx(pub u32);

/// The index of a kind's slot in the table of kinds, 0–63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindIx(pub u8);

/// The direction in which edges are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// The bits of a label: the kind in the lower six, then whether the half-edge leads out, then whether it leads in.
const KIND: u8 = 63;
const OUT: u8 = 64;
const IN: u8 = 128;
/// The number of labels there can be, which is the length of a table by label.
pub(super) const LABELS: usize = 256;
/// Marks a pinned strength in the first of the two input words: a weight is never negative, so the sign bit is free.
const PINNED: u32 = 1 << 31;

/// What half-edges are sorted by: the neighbor, then the kind, then those that lead out before those that only lead in.
pub type HalfEdgeKey = (MemberIx, KindIx, bool);

/// A neighbor, and the edge that leads to or from it. Each edge has a half-edge at each of its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HalfEdge {
    neighbor: MemberIx,
    label: u8,
    /// The pinned strength or the faded interactions, then the time of the last interaction. Both are 0 where the kind says all.
    inputs: [u32; 2],
}

impl HalfEdge {
    /// Makes the half-edge at the end that an edge leads out of; an edge of a symmetric kind also `leads_in` there.
    pub fn new(neighbor: MemberIx, kind: KindIx, leads_out: bool, leads_in: bool, inputs: StrengthInputs) -> HalfEdge {
        // The sum of no interactions is −0, whose sign bit must not be taken for the mark of a pinned strength.
        let weight = inputs.pinned.map_or(inputs.faded.abs().to_bits(), |strength| strength.get().to_bits() | PINNED);
        HalfEdge { neighbor, label: label_of(kind, leads_out, leads_in), inputs: [weight, inputs.last_s] }
    }

    pub(super) fn from_parts(neighbor: MemberIx, label: u8, inputs: [u32; 2]) -> HalfEdge {
        HalfEdge { neighbor, label, inputs }
    }

    /// Returns the other half of the edge, given the member that owns this one.
    pub(super) fn other_half(&self, owner: MemberIx) -> HalfEdge {
        let label = label_of(self.kind(), self.leads_in(), self.leads_out());
        HalfEdge { neighbor: owner, label, inputs: self.inputs }
    }

    pub(super) fn label(&self) -> u8 {
        self.label
    }

    pub(super) fn input_words(&self) -> [u32; 2] {
        self.inputs
    }

    /// Returns whether the edge's strength depends on more than its kind.
    pub(super) fn has_inputs(&self) -> bool {
        self.inputs != [0, 0]
    }

    pub fn neighbor(&self) -> MemberIx {
        self.neighbor
    }

    pub fn kind(&self) -> KindIx {
        kind_of(self.label)
    }

    /// Returns whether the edge can be walked from the owner to the neighbor.
    pub fn leads_out(&self) -> bool {
        label_leads(self.label, Direction::Forward)
    }

    /// Returns whether the edge can be walked from the neighbor to the owner.
    pub fn leads_in(&self) -> bool {
        label_leads(self.label, Direction::Backward)
    }

    /// Returns whether the edge can be walked from the owner in this direction.
    pub fn leads(&self, direction: Direction) -> bool {
        label_leads(self.label, direction)
    }

    pub fn inputs(&self) -> StrengthInputs {
        inputs_of(self.inputs)
    }

    pub(super) fn key(&self) -> HalfEdgeKey {
        HalfEdge::key_of(self.neighbor, self.label)
    }

    pub(super) fn key_of(neighbor: MemberIx, label: u8) -> HalfEdgeKey {
        (neighbor, kind_of(label), !label_leads(label, Direction::Forward))
    }
}

pub(super) fn label_of(kind: KindIx, leads_out: bool, leads_in: bool) -> u8 {
    kind.0 & KIND | if leads_out { OUT } else { 0 } | if leads_in { IN } else { 0 }
}

pub(super) fn kind_of(label: u8) -> KindIx {
    KindIx(label & KIND)
}

pub(super) fn label_leads(label: u8, direction: Direction) -> bool {
    match direction {
        Direction::Forward => label & OUT != 0,
        Direction::Backward => label & IN != 0,
    }
}

/// Returns the pinned strength that the input words hold, if they hold one.
#[inline]
pub(super) fn pinned_by(inputs: [u32; 2]) -> Option<f32> {
    (inputs[0] & PINNED != 0).then(|| f32::from_bits(inputs[0] & !PINNED))
}

/// Decodes the strength inputs from their two words.
pub(super) fn inputs_of([weight, last_s]: [u32; 2]) -> StrengthInputs {
    let amount = f32::from_bits(weight & !PINNED);
    if weight & PINNED != 0 {
        // The words were made of valid inputs, so a pinned strength parses.
        StrengthInputs { pinned: Strength::parse("pinned_strength", amount).ok(), faded: 0.0, last_s }
    } else {
        StrengthInputs { pinned: None, faded: amount, last_s }
    }
}
