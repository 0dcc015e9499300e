use super::codec::tagged;
use super::{Block, Edge, EdgeKey, IntroducerTally, Kind, KindName, Member, MemberId, Status, StatusId, TimeMs};

tagged! {
    /// What a change left behind of one resource, for those who keep a copy: the whole resource, or that it is gone.
    ///
    /// A resource that was put last changed when its command was accepted.
    pub enum Event {
        1 KindPut { kind: Kind },
        2 KindDeleted { name: KindName },
        3 MemberPut { member: Member, create_time: TimeMs },
        /// With it went its edges, its statuses, its tally and the blocks by and of it, which have no events of their own. What named
        /// it elsewhere has an event.
        4 MemberDeleted { id: MemberId },
        5 EdgePut { edge: Edge, create_time: TimeMs },
        6 EdgeDeleted { key: EdgeKey },
        7 StatusPut { status: Status, create_time: TimeMs },
        8 StatusDeleted { id: StatusId },
        9 BlockPut { block: Block },
        10 BlockDeleted { block: Block },
        /// The tally is empty when nothing is known any more.
        11 IntroducerTallyPut { introducer: MemberId, tally: IntroducerTally },
    }
}

impl Event {
    /// Returns when the resource was created, where the event says it.
    pub fn create_time(&self) -> Option<TimeMs> {
        match self {
            Event::MemberPut { create_time, .. }
            | Event::EdgePut { create_time, .. }
            | Event::StatusPut { create_time, .. } => Some(*create_time),
            _ => None,
        }
    }
}
