//! What the single writer is asked to do. A command holds everything its effect depends on (times and ids included),
//! so that applying the same commands in the same order always gives the same state.

use std::collections::BTreeMap;
use std::fmt;

use xxhash_rust::xxh3::xxh3_64;

use super::edge::{check_count, check_interaction_time, check_weight, edge_violations};
use super::{
    Block, Edge, EdgeKey, History, IntroducerTally, Introduction, Kind, KindName, Member, MemberId, Origin, Privacy,
    Reason, Secret, Status, StatusId, Strength, TimeMs, TopicSet, Violation, Visibility,
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
    /// Of requests from before there were scopes: whoever has the id.
    pub const ANY: Scope = Scope(1);

    /// The scope of a caller's name, if callers have names.
    pub fn of(name: Option<&str>) -> Scope {
        name.map_or(Scope::SHARED, |name| Scope(xxh3_64(name.as_bytes()).max(2)))
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

/// One put or delete, with what must hold of its resource beforehand.
///
/// Deleting what is not there is refused unless `allow_missing`.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    PutKind {
        kind: Kind,
        precondition: Precondition,
    },
    DeleteKind {
        name: KindName,
        precondition: Precondition,
        allow_missing: bool,
    },
    PutMember {
        member: Member,
        precondition: Precondition,
    },
    UpdateMember {
        id: MemberId,
        patch: MemberPatch,
        precondition: Precondition,
    },
    /// As an update, but of a member that need not exist: it is created with what the patch has.
    MergeMember {
        id: MemberId,
        patch: MemberPatch,
        precondition: Precondition,
    },
    /// As a put, but what is not said stays as it is.
    MergeKind {
        kind: Kind,
        kept: KindFieldsKept,
        precondition: Precondition,
    },
    DeleteMember {
        id: MemberId,
        precondition: Precondition,
        allow_missing: bool,
    },
    PutEdge {
        put: EdgePut,
        precondition: Precondition,
        allow_missing_members: bool,
    },
    DeleteEdge {
        key: EdgeKey,
        precondition: Precondition,
        allow_missing: bool,
    },
    RecordInteractions {
        record: InteractionRecord,
    },
    PostStatus {
        status: Status,
    },
    DeleteStatus {
        id: StatusId,
        precondition: Precondition,
        allow_missing: bool,
    },
    /// Blocking who is blocked already changes nothing.
    BlockMember {
        block: Block,
    },
    UnblockMember {
        block: Block,
        allow_missing: bool,
    },
    /// An answer that nobody asked for is refused.
    RecordIntroduction {
        introduction: Introduction,
    },
    /// An empty tally is that of one who was never asked.
    PutIntroducerTally {
        introducer: MemberId,
        tally: IntroducerTally,
    },
    /// A status goes for good, some time after it expired: as an erasure, no byte of it stays. The writer's own; one that is gone already
    /// is no error.
    EraseStatus {
        id: StatusId,
    },
    /// What the store keeps for itself: page tokens are authenticated with it. No caller asks for it.
    KeepSecret {
        secret: Secret,
    },
    /// From here on erased ids are remembered for so many days; under this key, if the store has none of its own.
    KeepErased {
        key: ErasureKey,
        days: u32,
    },
    /// Remembers whom another store erased, or this one before it was lost.
    RememberErased {
        key: ErasureKey,
        erased: Vec<ErasedId>,
    },
}

impl Change {
    /// The members it names. Some may come more than once.
    pub fn members(&self) -> Vec<&MemberId> {
        match self {
            Change::PutMember { member, .. } => vec![&member.id],
            Change::UpdateMember { id, .. } | Change::MergeMember { id, .. } | Change::DeleteMember { id, .. } => {
                vec![id]
            }
            Change::PutEdge { put, .. } => {
                let introducers = put.origin.iter().flat_map(|origin| &origin.introducers);
                [&put.key.from, &put.key.to].into_iter().chain(introducers).collect()
            }
            Change::DeleteEdge { key, .. } => vec![&key.from, &key.to],
            Change::RecordInteractions { record } => vec![&record.key.from, &record.key.to],
            Change::PostStatus { status } => {
                std::iter::once(&status.author).chain(&status.audience.filter.exclude).collect()
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
            | Change::RememberErased { .. } => Vec::new(),
        }
    }
}

/// The key that ids of erased members are hashed with: without it nobody can try ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErasureKey(pub [u8; 32]);

impl fmt::Debug for ErasureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErasureKey")
    }
}

/// What is remembered of an erased member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ErasedId {
    /// The first 128 bits of the HMAC-SHA256 of its id.
    pub hash: u128,
    /// When it was erased.
    pub time: TimeMs,
}

/// The fields of a member to replace; the others stay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberPatch {
    pub display_name: Option<String>,
    pub headline: Option<String>,
    pub topics: Option<TopicSet>,
    pub labels: Option<BTreeMap<String, String>>,
    /// Single labels to set, or to remove; each is applied after `labels`.
    pub label_changes: BTreeMap<String, Option<String>>,
    pub edges_visibility: Option<Visibility>,
    pub hidden_from_suggestions: Option<bool>,
    pub declines_introducing: Option<bool>,
}

impl MemberPatch {
    /// Replaces what it has of a member.
    pub fn apply_to(&self, member: &mut Member) {
        if let Some(display_name) = &self.display_name {
            member.display_name.clone_from(display_name);
        }
        if let Some(headline) = &self.headline {
            member.headline.clone_from(headline);
        }
        if let Some(topics) = &self.topics {
            member.topics.clone_from(topics);
        }
        if let Some(labels) = &self.labels {
            member.labels.clone_from(labels);
        }
        for (key, value) in &self.label_changes {
            match value {
                Some(value) => drop(member.labels.insert(key.clone(), value.clone())),
                None => drop(member.labels.remove(key)),
            }
        }
        member.privacy = self.privacy(member.privacy);
    }

    /// The member that the patch leaves behind. Its labels may be too many: only that can be wrong with it.
    pub fn member(&self, before: &Member) -> Member {
        let mut after = before.clone();
        self.apply_to(&mut after);
        after
    }

    /// Replaces what it has of a privacy.
    pub fn privacy(&self, before: Privacy) -> Privacy {
        Privacy {
            edges_visibility: self.edges_visibility.unwrap_or(before.edges_visibility),
            hidden_from_suggestions: self.hidden_from_suggestions.unwrap_or(before.hidden_from_suggestions),
            declines_introducing: self.declines_introducing.unwrap_or(before.declines_introducing),
        }
    }
}

/// Fields of a kind that a merge leaves as they are, where there is a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KindFieldsKept {
    /// A kind that is new must say its sphere.
    pub sphere: bool,
    pub symmetric: bool,
    pub prior: bool,
    pub half_life: bool,
    pub carries_statuses: bool,
}

impl KindFieldsKept {
    /// The kind that a merge of `kind` leaves behind.
    pub fn merged(self, kind: &Kind, before: Option<&Kind>) -> Result<Kind, Violation> {
        let mut after = kind.clone();
        let Some(before) = before else {
            return if self.sphere { Err(Violation::required("kind.sphere")) } else { Ok(after) };
        };
        if self.sphere {
            after.sphere = before.sphere;
        }
        if self.symmetric {
            after.symmetric = before.symmetric;
        }
        if self.prior {
            after.prior = before.prior;
        }
        if self.half_life {
            after.half_life_ms = before.half_life_ms;
        }
        if self.carries_statuses {
            after.carries_statuses = before.carries_statuses;
        }
        Ok(after)
    }
}

/// Fields of an edge that a put leaves as they are, where there is an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EdgeFieldsKept {
    pub pinned: bool,
    pub since: bool,
    pub visibility: bool,
    pub note: bool,
    pub origin: bool,
}

/// An edge to store in place of the one under its key.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgePut {
    pub key: EdgeKey,
    pub pinned: Option<Strength>,
    /// Replaces what is known of interactions; without it the history stays.
    pub history: Option<History>,
    pub since: Option<TimeMs>,
    pub visibility: Visibility,
    pub note: String,
    pub origin: Option<Origin>,
    /// The end on whose behalf alone it is put: a new edge waits for the other end's put. None: for both.
    pub asked_by: Option<MemberId>,
    /// What of these is not said, and stays as it is.
    pub kept: EdgeFieldsKept,
}

impl EdgePut {
    /// An edge of which only the key is known.
    pub fn bare(key: EdgeKey) -> EdgePut {
        let (visibility, kept) = (Visibility::default(), EdgeFieldsKept::default());
        EdgePut {
            key,
            pinned: None,
            history: None,
            since: None,
            visibility,
            note: String::new(),
            origin: None,
            asked_by: None,
            kept,
        }
    }

    /// The history by its three fields as an edge message has them, or all that is wrong with them; a weight of 0 stands for all of
    /// `count`.
    pub fn history_of(count: u64, weight: f32, last: Option<TimeMs>) -> Result<Option<History>, Vec<Violation>> {
        let last_s = match (count, last) {
            (0, None) if weight == 0.0 => return Ok(None),
            (0, None) => return Err(vec![Violation::required("interactions")]),
            (_, None) => Err(Violation::required("last_interaction_time")),
            (_, Some(last)) => check_interaction_time("last_interaction_time", last),
        };
        let counted = check_count("interactions", count);
        let faded = check_weight("interaction_weight", weight, count);
        match (counted, last_s, faded) {
            (Ok(()), Ok(last_s), Ok(faded)) => Ok(Some(History { count, faded, last_s })),
            // What a weight may be at most is not known of a count that is wrong.
            (Err(wrong), last_s, _) => Err([wrong].into_iter().chain(last_s.err()).collect()),
            (Ok(()), last_s, faded) => Err(last_s.err().into_iter().chain(faded.err()).collect()),
        }
    }

    /// The put that leaves an edge as it is behind.
    pub fn of(edge: &Edge) -> EdgePut {
        let Edge { key, pinned, history, since, visibility, note, origin, asked_by } = edge.clone();
        let history = (history != History::default()).then_some(history);
        EdgePut { key, pinned, history, since, visibility, note, origin, asked_by, kept: EdgeFieldsKept::default() }
    }

    /// The edge it leaves behind under a key, where there was none before.
    pub fn edge(&self, key: EdgeKey) -> Edge {
        // An origin without anything in it is none.
        let origin = self.origin.clone().filter(|origin| *origin != Origin::default());
        let (pinned, since, visibility, note) = (self.pinned, self.since, self.visibility, self.note.clone());
        let (history, asked_by) = (self.history.unwrap_or_default(), self.asked_by.clone());
        Edge { key, pinned, history, since, visibility, note, origin, asked_by }
    }

    pub fn violations(&self) -> Vec<Violation> {
        let mut found = edge_violations(&self.note, self.origin.as_ref());
        if self.asked_by.as_ref().is_some_and(|id| *id != self.key.from && *id != self.key.to) {
            found.push(Violation::new("asked_by_id", Reason::OutOfRange, "must be from_id or to_id"));
        }
        found
    }
}

/// Interactions to add to an edge's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InteractionRecord {
    pub key: EdgeKey,
    pub count: u64,
    pub time_s: u32,
}

impl InteractionRecord {
    /// The time in seconds of interactions to be recorded, or all that is wrong with their number and time.
    pub fn check(count: u64, time: TimeMs) -> Result<u32, Vec<Violation>> {
        match (check_count("count", count), check_interaction_time("time", time)) {
            (Ok(()), Ok(time_s)) => Ok(time_s),
            (counted, timed) => Err(counted.err().into_iter().chain(timed.err()).collect()),
        }
    }

    pub fn new(key: EdgeKey, count: u64, time: TimeMs) -> Result<InteractionRecord, Vec<Violation>> {
        InteractionRecord::check(count, time).map(|time_s| InteractionRecord { key, count, time_s })
    }
}
