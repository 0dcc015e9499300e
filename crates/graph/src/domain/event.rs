use super::codec::tagged;
use super::{Block, Edge, EdgeKey, IntroducerTally, Kind, KindName, Member, MemberId, Status, StatusId, TimeMs, Times};

tagged! {
    /// What a change left behind of one resource, for those who keep a copy: the whole resource, or that it is gone.
    ///
    /// A resource that was put last changed when its command was accepted, unless the event says when.
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
        12 MemberPutAt { member: Member, times: Times },
        13 EdgePutAt { edge: Edge, times: Times },
        14 StatusPutAt { status: Status, times: Times },
    }
}

impl Event {
    /// A member was put by a command that was accepted at `now`.
    pub fn member_put(member: Member, times: Times, now: TimeMs) -> Event {
        match times.update == now {
            true => Event::MemberPut { member, create_time: times.create },
            false => Event::MemberPutAt { member, times },
        }
    }

    /// An edge was put by a command that was accepted at `now`.
    pub fn edge_put(edge: Edge, times: Times, now: TimeMs) -> Event {
        match times.update == now {
            true => Event::EdgePut { edge, create_time: times.create },
            false => Event::EdgePutAt { edge, times },
        }
    }

    /// A status was put by a command that was accepted at `now`.
    pub fn status_put(status: Status, times: Times, now: TimeMs) -> Event {
        match times.update == now {
            true => Event::StatusPut { status, create_time: times.create },
            false => Event::StatusPutAt { status, times },
        }
    }

    /// Returns when the resource was created, where the event says it.
    pub fn create_time(&self) -> Option<TimeMs> {
        match self {
            Event::MemberPut { create_time, .. }
            | Event::EdgePut { create_time, .. }
            | Event::StatusPut { create_time, .. } => Some(*create_time),
            Event::MemberPutAt { times, .. } | Event::EdgePutAt { times, .. } | Event::StatusPutAt { times, .. } => {
                Some(times.create)
            }
            _ => None,
        }
    }
}
