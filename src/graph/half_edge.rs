//! One end's view of an edge: all a traversal needs, in 16 bytes.

use super::runs::Keyed;
use super::strength::Tie;
use crate::domain::Strength;

/// A member's place in the graph. Freed places are used again; they never leave the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberIx(pub u32);

/// A kind's place in the table of kinds, 0–63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindIx(pub u8);

/// Which way edges are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

const OUT: u8 = 1;
const IN: u8 = 2;
const PINNED: u8 = 4;

/// A neighbor, and by what edge. Each edge has one at each of its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HalfEdge {
    neighbor: MemberIx,
    kind: KindIx,
    flags: u8,
    /// The pinned strength, or the faded interactions.
    weight: f32,
    last_s: u32,
}

const _: () = assert!(size_of::<HalfEdge>() == 16);

impl HalfEdge {
    /// The end an edge leads out of, and `leads_in` too where its kind is symmetric.
    pub(super) fn new(neighbor: MemberIx, kind: KindIx, leads_out: bool, leads_in: bool, tie: Tie) -> HalfEdge {
        let mut flags = if leads_out { OUT } else { 0 } | if leads_in { IN } else { 0 };
        if tie.pinned.is_some() {
            flags |= PINNED;
        }
        let weight = tie.pinned.map_or(tie.faded, Strength::get);
        HalfEdge { neighbor, kind, flags, weight, last_s: tie.last_s }
    }

    pub fn neighbor(&self) -> MemberIx {
        self.neighbor
    }

    pub fn kind(&self) -> KindIx {
        self.kind
    }

    /// Whether it can be walked from here.
    pub fn leads_out(&self) -> bool {
        self.flags & OUT != 0
    }

    /// Whether it can be walked to here.
    pub fn leads_in(&self) -> bool {
        self.flags & IN != 0
    }

    /// Whether it can be walked this way from here.
    pub fn leads(&self, direction: Direction) -> bool {
        match direction {
            Direction::Forward => self.leads_out(),
            Direction::Backward => self.leads_in(),
        }
    }

    pub fn tie(&self) -> Tie {
        if self.flags & PINNED != 0 {
            // A half-edge is made of a tie, whose pinned strength was checked.
            Tie { pinned: Strength::parse("pinned_strength", self.weight).ok(), faded: 0.0, last_s: self.last_s }
        } else {
            Tie { pinned: None, faded: self.weight, last_s: self.last_s }
        }
    }
}

/// Neighbor, then kind, then those that lead out before those that only lead in.
impl Keyed for HalfEdge {
    type Key = (MemberIx, KindIx, bool);

    fn key(&self) -> Self::Key {
        (self.neighbor, self.kind, !self.leads_out())
    }
}
