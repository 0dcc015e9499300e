use super::{Block, Edge, EdgeKey, IntroducerTally, Kind, KindName, Member, MemberId, Status, StatusId, TimeMs};

/// What a change left behind of one resource, for those who keep a copy: the whole resource, or that it is gone.
///
/// A resource that was put last changed when its command was accepted.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    KindPut {
        kind: Kind,
    },
    KindDeleted {
        name: KindName,
    },
    MemberPut {
        member: Member,
        create_time: TimeMs,
    },
    /// With it went its edges, its statuses, its tally and the blocks by and of it, which no events of their own tell. What named it elsewhere has an event.
    MemberDeleted {
        id: MemberId,
    },
    EdgePut {
        edge: Edge,
        create_time: TimeMs,
    },
    EdgeDeleted {
        key: EdgeKey,
    },
    StatusPut {
        status: Status,
        create_time: TimeMs,
    },
    StatusDeleted {
        id: StatusId,
    },
    BlockPut {
        block: Block,
    },
    BlockDeleted {
        block: Block,
    },
    /// Empty when nothing is known any more.
    IntroducerTallyPut {
        introducer: MemberId,
        tally: IntroducerTally,
    },
}
