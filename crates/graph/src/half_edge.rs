//! One end's view of an edge: all a traversal needs.

use super::strength::StrengthInputs;
use crate::domain::Strength;

/// A member's slot in the graph. Freed slots are used again; they never leave the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberIx(pub u32);

/// A kind's slot in the table of kinds, 0–63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindIx(pub u8);

/// Which way edges are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// A label's bits: the kind in the lower six, then whether the half-edge leads out, and whether it leads in.
const KIND: u8 = 63;
const OUT: u8 = 64;
const IN: u8 = 128;
/// Labels there can be: tables by label have so many slots.
pub(super) const LABELS: usize = 256;
/// In the first word of inputs, above the bits of a weight that is never negative: the weight is a pinned strength.
const PINNED: u32 = 1 << 31;

/// What half-edges are sorted by: neighbor, then kind, then those that lead out before those that only lead in.
pub type HalfEdgeKey = (MemberIx, KindIx, bool);

/// A neighbor, and by what edge. Each edge has one at each of its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HalfEdge {
    neighbor: MemberIx,
    label: u8,
    /// The pinned strength or the faded interactions, and the time of the last one; zeros if the kind says all.
    inputs: [u32; 2],
}

impl HalfEdge {
    /// The end an edge leads out of, and `leads_in` too where its kind is symmetric.
    pub fn new(neighbor: MemberIx, kind: KindIx, leads_out: bool, leads_in: bool, inputs: StrengthInputs) -> HalfEdge {
        // A sum of nothing is −0, and its sign is not the mark of what is pinned.
        let weight = inputs.pinned.map_or(inputs.faded.abs().to_bits(), |strength| strength.get().to_bits() | PINNED);
        HalfEdge { neighbor, label: label_of(kind, leads_out, leads_in), inputs: [weight, inputs.last_s] }
    }

    pub(super) fn from_parts(neighbor: MemberIx, label: u8, inputs: [u32; 2]) -> HalfEdge {
        HalfEdge { neighbor, label, inputs }
    }

    /// The other half of the same edge, which `owner` has this one of.
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

    /// Whether there is more to its strength than its kind.
    pub(super) fn has_inputs(&self) -> bool {
        self.inputs != [0, 0]
    }

    pub fn neighbor(&self) -> MemberIx {
        self.neighbor
    }

    pub fn kind(&self) -> KindIx {
        kind_of(self.label)
    }

    /// Whether it can be walked from here.
    pub fn leads_out(&self) -> bool {
        label_leads(self.label, Direction::Forward)
    }

    /// Whether it can be walked to here.
    pub fn leads_in(&self) -> bool {
        label_leads(self.label, Direction::Backward)
    }

    /// Whether it can be walked this way from here.
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

/// The strength that is pinned by an edge's input words, if one is.
#[inline]
pub(super) fn pinned_by(inputs: [u32; 2]) -> Option<f32> {
    (inputs[0] & PINNED != 0).then(|| f32::from_bits(inputs[0] & !PINNED))
}

/// The inputs from their words.
pub(super) fn inputs_of([weight, last_s]: [u32; 2]) -> StrengthInputs {
    let amount = f32::from_bits(weight & !PINNED);
    if weight & PINNED != 0 {
        // Words are made of inputs, whose pinned strength was checked.
        StrengthInputs { pinned: Strength::parse("pinned_strength", amount).ok(), faded: 0.0, last_s }
    } else {
        StrengthInputs { pinned: None, faded: amount, last_s }
    }
}
