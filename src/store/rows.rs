//! The rows of a checkpoint.

use crate::domain::{
    EdgeAttrs, ErasedId, ErasureKey, IntroducerTally, Kind, Member, NamespaceName, RequestId, Scope, Secret, Sequence,
    Status, TimeMs, Times,
};

/// What a checkpoint is of: all namespaces, whose rows it counts together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckpointHead {
    /// The last command it holds the effect of, and when that was accepted.
    pub sequence: Sequence,
    pub time: TimeMs,
    pub rows: RowCounts,
}

/// How many rows there are of each sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowCounts {
    pub namespaces: u64,
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
    pub pauses: u64,
    /// Namespaces that were deleted.
    pub deleted: u64,
}

impl RowCounts {
    /// Returns the counts by `Row::count_index`.
    pub fn by_index(&self) -> [u64; 12] {
        let RowCounts { namespaces, kinds, members, edges, statuses, requests, blocks, .. } = *self;
        let RowCounts { tallies, erasures, pending, pauses, deleted, .. } = *self;
        [kinds, members, edges, statuses, requests, blocks, tallies, pending, erasures, namespaces, pauses, deleted]
    }

    pub fn from_index(counts: [u64; 12]) -> RowCounts {
        let [kinds, members, edges, statuses, requests, blocks, tallies, pending, erasures, ..] = counts;
        let [.., namespaces, pauses, deleted] = counts;
        let of_resources = RowCounts { kinds, members, edges, statuses, requests, blocks, ..RowCounts::default() };
        RowCounts { namespaces, tallies, erasures, pending, pauses, deleted, ..of_resources }
    }

    /// Adds or subtracts others.
    pub fn change(&mut self, by: &RowCounts, change: impl Fn(u64, u64) -> u64) {
        let (mut own, by) = (self.by_index(), by.by_index());
        own.iter_mut().zip(by).for_each(|(own, by)| *own = change(*own, by));
        *self = RowCounts::from_index(own);
    }
}

/// What begins a namespace; its rows follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceRow {
    pub name: NamespaceName,
    /// The command that created it, and when that was accepted.
    pub create_sequence: Sequence,
    pub create_time: TimeMs,
    /// The last command that changed it, and when that was accepted.
    pub sequence: Sequence,
    pub time: TimeMs,
    /// The digests of members, edges, statuses, tallies and blocks.
    pub digests: [u128; 5],
    /// What the namespace keeps for itself; none before its first command.
    pub secret: Option<Secret>,
    /// The caller who made it.
    pub creator: Scope,
}

/// A row. Those of a namespace are written and read in the order of the variants, one namespace after the other, by name.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// A command that erased something, the last of a minute, and when the first of that minute was accepted. They come before all
    /// namespaces.
    Erasure {
        sequence: Sequence,
        time: TimeMs,
    },
    /// A pause between two commands of the store: when they were accepted. They follow the erasures.
    Pause {
        begin: TimeMs,
        end: TimeMs,
    },
    /// A namespace that was deleted, by its own erasure key, and when: what the erasure journal is to know. They follow the pauses.
    Deleted {
        key: ErasureKey,
        time: TimeMs,
    },
    Namespace(NamespaceRow),
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
}

impl Row {
    /// Returns which of the head's counts it is of, from 0.
    pub fn count_index(&self) -> usize {
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
            Row::Namespace(_) => 9,
            Row::Pause { .. } => 10,
            Row::Deleted { .. } => 11,
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
