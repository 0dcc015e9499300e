//! The rows of a checkpoint.

use crate::domain::{
    EdgeAttrs, ErasedId, ErasureKey, IntroducerTally, Kind, Member, RequestId, Scope, Secret, Sequence, Status, TimeMs,
    Times,
};

/// What a checkpoint is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointHead {
    /// The last command it holds the effect of, and when that was accepted.
    pub sequence: Sequence,
    pub time: TimeMs,
    pub kinds: u64,
    pub members: u64,
    pub edges: u64,
    pub statuses: u64,
    pub requests: u64,
    pub blocks: u64,
    pub tallies: u64,
    /// Keys of erased ids, the ids, and the commands that erased them.
    pub erasures: u64,
    /// Pending edges.
    pub pending: u64,
    /// The digests of members, edges, statuses, tallies and blocks.
    pub digests: [u128; 5],
    /// The last command that erased a member; 0 if none did.
    pub erased: Sequence,
    /// What the store keeps for itself; none before its first command.
    pub secret: Option<Secret>,
}

/// A row, written and read in the order of the variants.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// A kind, and its slot among the 64.
    Kind {
        slot: u8,
        kind: Kind,
    },
    /// A member; edges name it by its number among the members, from 0.
    Member {
        member: Member,
        times: Times,
    },
    /// An edge; sorted by `from`, `to`, `kind`.
    Edge(EdgeRow),
    Status {
        status: Status,
        times: Times,
    },
    Request {
        scope: Scope,
        id: RequestId,
        fingerprint: u128,
        time: TimeMs,
        /// None once a member it named was erased.
        answer: Option<Vec<u8>>,
        /// Hashes of the members that the request named, but for those who are erased.
        named: Vec<u64>,
    },
    /// One member blocks another: their numbers.
    Block {
        by: u32,
        of: u32,
    },
    /// What a member, by its number, was asked to introduce.
    Tally {
        introducer: u32,
        tally: IntroducerTally,
    },
    /// An edge that one of its ends asked for; sorted as edges are.
    Pending(EdgeRow),
    /// A key that ids of erased members are hashed with, the store's own first, and for how many days they are remembered.
    ErasureKey {
        key: ErasureKey,
        days: u32,
    },
    /// An erased member under the key of a number, from 0, and until when it is remembered.
    Erased {
        key: u8,
        erased: ErasedId,
        until: TimeMs,
    },
    /// A command that erased members, the first of a minute, and when it was accepted.
    Erasure {
        sequence: Sequence,
        time: TimeMs,
    },
}

impl Row {
    /// Returns its rank in the order of rows, from 0.
    pub fn order(&self) -> usize {
        match self {
            Row::Kind { .. } => 0,
            Row::Member { .. } => 1,
            Row::Edge(_) => 2,
            Row::Status { .. } => 3,
            Row::Request { .. } => 4,
            Row::Block { .. } => 5,
            Row::Tally { .. } => 6,
            Row::Pending(_) => 7,
            Row::ErasureKey { .. } | Row::Erased { .. } | Row::Erasure { .. } => 8,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct EdgeRow {
    pub from: u32,
    /// The kind's slot.
    pub kind: u8,
    pub to: u32,
    pub attrs: EdgeAttrs,
    pub times: Times,
}
