//! What the single writer is asked to do. A command holds everything its effect depends on (times and ids included),
//! so that applying the same commands in the same order always gives the same state.

use xxhash_rust::xxh3::xxh3_64;

use super::codec::{Codec, Decoder, Encoder, Malformed, Read, sequence, tagged};
use super::{
    Block, EdgeKey, EdgePut, ErasedId, ErasureKey, InteractionRecord, IntroducerTally, Introduction, Kind, KindMerge,
    KindName, Member, MemberId, MemberPatch, Secret, Status, StatusId, TimeMs, Times,
};

/// One write: its changes are applied in order, all or none.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// When the server accepted it.
    pub time: TimeMs,
    pub request: Option<Request>,
    pub changes: Vec<Change>,
}

/// A caller's name for one write, so that a retry is answered instead of carried out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    pub id: RequestId,
    /// Whose it is: the same id of another caller is another request.
    pub scope: Scope,
    /// Hash of the request's body: another body under the same id is refused.
    pub fingerprint: u128,
}

/// A caller, as its request ids are told apart from those of others: a hash of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(pub u64);

impl Scope {
    /// Callers that have no name share one: a retry may come from another address.
    pub const SHARED: Scope = Scope(0);

    /// The scope of a caller's name, if callers have names.
    pub fn of(name: Option<&str>) -> Scope {
        name.map_or(Scope::SHARED, |name| Scope(xxh3_64(name.as_bytes()).max(1)))
    }
}

/// A UUID's 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u128);

/// What must hold of a resource before it is changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    #[default]
    None,
    /// The resource has this etag.
    Etag(String),
    /// The resource does not exist.
    Absent,
    /// The resource exists.
    Present,
}

tagged! {
    /// One put or delete, with what must hold of its resource beforehand.
    ///
    /// Deleting what is not there is refused unless `allow_missing`.
    pub enum Change {
        1 PutKind { kind: Kind, precondition: Precondition },
        2 DeleteKind { name: KindName, precondition: Precondition, allow_missing: bool },
        3 PutMember { member: Member, precondition: Precondition },
        4 UpdateMember { id: MemberId, patch: MemberPatch, precondition: Precondition },
        /// As an update, but of a member that need not exist: it is created with what the patch has.
        5 MergeMember { id: MemberId, patch: MemberPatch, precondition: Precondition },
        6 MergeKind { merge: KindMerge, precondition: Precondition },
        7 DeleteMember { id: MemberId, precondition: Precondition, allow_missing: bool },
        8 PutEdge { put: EdgePut, precondition: Precondition, allow_missing_members: bool },
        9 DeleteEdge { key: EdgeKey, precondition: Precondition, allow_missing: bool },
        10 RecordInteractions { record: InteractionRecord },
        11 PostStatus { status: Status },
        12 DeleteStatus { id: StatusId, precondition: Precondition, allow_missing: bool },
        /// Blocking who is blocked already changes nothing.
        13 BlockMember { block: Block },
        14 UnblockMember { block: Block, allow_missing: bool },
        /// An answer that nobody asked for is refused.
        15 RecordIntroduction { introduction: Introduction },
        /// An empty tally is that of one who was never asked.
        16 PutIntroducerTally { introducer: MemberId, tally: IntroducerTally },
        /// A status goes for good, some time after it expired: as an erasure, no byte of it stays. The writer's own; one that is gone
        /// already is no error.
        17 EraseStatus { id: StatusId },
        /// What the store keeps for itself: page tokens are authenticated with it. No caller asks for it.
        18 KeepSecret { secret: Secret },
        /// From here on erased ids are remembered for so many days; under this key, if the store has none of its own.
        19 KeepErased { key: ErasureKey, days: u32 },
        /// Remembers whom another store erased, or this one before it was lost.
        20 RememberErased { key: ErasureKey, erased: Vec<ErasedId> },
        /// A put of a member, an edge or a status by an import that says when it was created and last changed. Of one that is there
        /// and is changed neither time goes back; one that is left unchanged keeps its times.
        21 Restore { times: Times, put: Box<Change> },
        /// The command's namespace begins, and counts in its creator's share; always the first change of its first command.
        22 CreateNamespace { creator: Scope },
        /// The command's namespace goes, and all that it held is erased; the only change of its last command.
        23 DeleteNamespace {},
        /// A server resumes after a pause, of which but an hour counts for what is kept for a while. The writer's own.
        24 Resume {},
    }
}

impl Change {
    /// Returns the change without the times that it restores.
    pub fn plain(&self) -> &Change {
        match self {
            Change::Restore { put, .. } => put,
            plain => plain,
        }
    }

    /// Returns the times that it restores.
    pub fn restored(&self) -> Option<Times> {
        match self {
            Change::Restore { times, .. } => Some(*times),
            _ => None,
        }
    }

    /// The members it names. Some may come more than once.
    pub fn members(&self) -> Vec<&MemberId> {
        match self {
            Change::Restore { put, .. } => put.members(),
            Change::PutMember { member, .. } => vec![&member.id],
            Change::UpdateMember { id, .. } | Change::MergeMember { id, .. } | Change::DeleteMember { id, .. } => {
                vec![id]
            }
            Change::PutEdge { put, .. } => {
                let introducers = put.attrs.origin.iter().flat_map(|origin| &origin.introducers);
                [&put.key.from, &put.key.to].into_iter().chain(introducers).collect()
            }
            Change::DeleteEdge { key, .. } => vec![&key.from, &key.to],
            Change::RecordInteractions { record } => vec![&record.key.from, &record.key.to],
            Change::PostStatus { status } => {
                std::iter::once(&status.author).chain(&status.attrs.audience.filter.exclude).collect()
            }
            Change::BlockMember { block } | Change::UnblockMember { block, .. } => vec![&block.by, &block.of],
            Change::RecordIntroduction { introduction } => vec![&introduction.introducer],
            Change::PutIntroducerTally { introducer, .. } => vec![introducer],
            Change::PutKind { .. }
            | Change::MergeKind { .. }
            | Change::DeleteKind { .. }
            | Change::DeleteStatus { .. }
            | Change::EraseStatus { .. }
            | Change::KeepSecret { .. }
            | Change::KeepErased { .. }
            | Change::RememberErased { .. }
            | Change::CreateNamespace { .. }
            | Change::DeleteNamespace {}
            | Change::Resume {} => Vec::new(),
        }
    }
}

impl Codec for RequestId {
    fn encode(&self, to: &mut Encoder) {
        self.0.encode(to);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<RequestId> {
        Codec::decode(from).map(RequestId)
    }
}

/// A put within a restoring change. No other change is read: none has times to restore, and one within another has no bound.
impl Codec for Box<Change> {
    fn encode(&self, to: &mut Encoder) {
        (**self).encode(to);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<Box<Change>> {
        const PUTS: [u8; 4] = [3, 5, 8, 11];
        if !from.peek().is_some_and(|number| PUTS.contains(&number)) {
            return Err(Malformed("what is restored is no put of a member, an edge or a status"));
        }
        Codec::decode(from).map(Box::new)
    }
}

impl Codec for Scope {
    fn encode(&self, to: &mut Encoder) {
        self.0.encode(to);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<Scope> {
        Codec::decode(from).map(Scope)
    }
}

sequence!(Request { id, scope, fingerprint });

impl Codec for Precondition {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Precondition::None => to.byte(0),
            Precondition::Etag(etag) => {
                to.byte(1);
                etag.encode(to);
            }
            Precondition::Absent => to.byte(2),
            Precondition::Present => to.byte(3),
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Read<Precondition> {
        match from.byte()? {
            0 => Ok(Precondition::None),
            1 => Ok(Precondition::Etag(Codec::decode(from)?)),
            2 => Ok(Precondition::Absent),
            3 => Ok(Precondition::Present),
            _ => Err(Malformed("a precondition is of no known kind")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restored(put: Change) -> Change {
        Change::Restore { times: Times { create: TimeMs(1), update: TimeMs(2) }, put: Box::new(put) }
    }

    fn read_again(change: &Change) -> Read<Change> {
        let mut to = Encoder::plain(Vec::new());
        change.encode(&mut to);
        Change::decode(&mut Decoder::new(&to.bytes))
    }

    #[test]
    fn puts_are_restored_and_nothing_else_is() {
        let member = Member::bare(MemberId::parse("id", "ann").unwrap());
        let put = || restored(Change::PutMember { member: member.clone(), precondition: Precondition::None });
        assert_eq!(read_again(&put()), Ok(put()));
        let delete =
            Change::DeleteMember { id: member.id.clone(), precondition: Precondition::None, allow_missing: true };
        assert!(read_again(&restored(delete)).is_err());
        assert!(read_again(&restored(put())).is_err());
        // However many there are within each other.
        assert!(Change::decode(&mut Decoder::new(&[21, 2, 4].repeat(1_000_000))).is_err());
    }
}
