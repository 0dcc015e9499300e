//! What the state keeps of each resource, in the shape memory asks for: the graph holds what queries walk (ids, neighbors,
//! strengths), these hold the rest.

use std::sync::Arc;

use super::digest::{Hashed, etag};
use crate::domain::{EdgeAttrs, Member, MemberAttrs, MemberId, Privacy, Status, TimeMs, Times, TopicSet};
use crate::graph::{KindIx, MemberIx, StrengthInputs};

/// A resource with what the server knows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored<T> {
    pub value: T,
    pub create_time: TimeMs,
    pub update_time: TimeMs,
}

impl<T: Hashed> Stored<T> {
    pub fn of(value: T, times: Times) -> Stored<T> {
        Stored { value, create_time: times.create, update_time: times.update }
    }

    pub(super) fn times(&self) -> Times {
        Times { create: self.create_time, update: self.update_time }
    }

    /// Opaque to callers; another one whenever the content or the time of its last change is.
    pub fn etag(&self) -> String {
        etag(self.value.content_hash(), self.update_time)
    }
}

/// A member without its id and its privacy, which the graph has. Bare members have no attributes: most of an import's have none.
#[derive(Debug, Clone, Default)]
pub struct MemberRecord {
    attrs: Option<Arc<MemberAttrs>>,
    pub times: Times,
}

impl MemberRecord {
    pub fn new(member: &Member, times: Times) -> MemberRecord {
        let mut attrs = member.attrs.clone();
        attrs.set_privacy(Privacy::default());
        MemberRecord { attrs: (!attrs.set_fields().is_empty()).then(|| Arc::new(attrs)), times }
    }

    pub fn member(&self, id: MemberId, privacy: Privacy) -> Member {
        let mut attrs = self.attrs.as_deref().cloned().unwrap_or_default();
        attrs.set_privacy(privacy);
        Member { id, attrs }
    }

    /// Returns the attributes without the privacy; none of a bare member.
    pub fn attrs(&self) -> Option<&MemberAttrs> {
        self.attrs.as_deref()
    }

    pub fn topics(&self) -> Option<&TopicSet> {
        self.attrs.as_ref().map(|attrs| &attrs.topics)
    }
}

/// An edge's `from` end, kind and `to` end, as it is kept.
pub type EdgeSlot = (MemberIx, KindIx, MemberIx);

/// What the records of a list of edges are sorted by.
pub type EdgeListKey = (MemberIx, KindIx);

/// An edge without its `from` end, in whose list it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeRecord {
    pub to: MemberIx,
    pub kind: KindIx,
    pub times: Times,
    pub attrs: EdgeAttrs,
}

impl EdgeRecord {
    pub fn key(&self) -> EdgeListKey {
        (self.to, self.kind)
    }
}

/// Returns what the graph needs of an edge.
pub fn strength_inputs(attrs: &EdgeAttrs) -> StrengthInputs {
    StrengthInputs { pinned: attrs.pinned, faded: attrs.history.faded, last_s: attrs.history.last_s }
}

#[derive(Debug, Clone)]
pub struct StatusRecord {
    pub status: Status,
    pub times: Times,
}
