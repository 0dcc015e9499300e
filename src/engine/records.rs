//! What the state keeps of each resource, in the shape memory asks for: the graph holds what queries walk (ids, neighbors,
//! strengths), these hold the rest, and nothing twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::digest::{Hashed, etag};
use super::edge_list::EdgeListKey;
use crate::domain::{
    Edge, EdgeKey, EdgePut, History, Member, MemberId, Origin, Privacy, Status, Strength, TimeMs, TopicSet, Visibility,
};
use crate::graph::{KindIx, MemberIx, StrengthInputs};
use crate::store::EdgeRow;

/// A resource with what the server knows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored<T> {
    pub value: T,
    pub create_time: TimeMs,
    pub update_time: TimeMs,
}

impl<T: Hashed> Stored<T> {
    pub(super) fn of(value: T, times: Times) -> Stored<T> {
        Stored { value, create_time: times.create, update_time: times.update }
    }

    /// Opaque to callers; another one whenever the content or the time of its last change is.
    pub fn etag(&self) -> String {
        etag(self.value.content_hash(), self.update_time)
    }
}

/// When a resource was first and last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    pub create: TimeMs,
    pub update: TimeMs,
}

impl Times {
    pub fn new(now: TimeMs) -> Times {
        Times { create: now, update: now }
    }

    pub fn updated(self, now: TimeMs) -> Times {
        Times { create: self.create, update: now }
    }
}

/// A member without its id and its privacy, which the graph has. Bare members have no profile: most of an import's have none.
#[derive(Debug, Clone, Default)]
pub struct MemberRecord {
    profile: Option<Arc<Profile>>,
    pub times: Times,
}

#[derive(Debug)]
struct Profile {
    display_name: String,
    headline: String,
    topics: TopicSet,
    labels: BTreeMap<String, String>,
}

impl MemberRecord {
    pub fn new(member: &Member, times: Times) -> MemberRecord {
        let bare = member.display_name.is_empty()
            && member.headline.is_empty()
            && member.topics.is_empty()
            && member.labels.is_empty();
        let profile = (!bare).then(|| {
            Arc::new(Profile {
                display_name: member.display_name.clone(),
                headline: member.headline.clone(),
                topics: member.topics.clone(),
                labels: member.labels.clone(),
            })
        });
        MemberRecord { profile, times }
    }

    pub fn member(&self, id: MemberId, privacy: Privacy) -> Member {
        match &self.profile {
            None => Member { privacy, ..Member::bare(id) },
            Some(profile) => Member {
                id,
                display_name: profile.display_name.clone(),
                headline: profile.headline.clone(),
                topics: profile.topics.clone(),
                labels: profile.labels.clone(),
                privacy,
            },
        }
    }

    pub fn topics(&self) -> Option<&TopicSet> {
        self.profile.as_ref().map(|profile| &profile.topics)
    }
}

/// What is known of an edge that stands, beside its key and times.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EdgeFacts {
    pub pinned: Option<Strength>,
    pub history: History,
    pub since: Option<TimeMs>,
    pub visibility: Visibility,
    pub note: String,
    pub origin: Option<Origin>,
}

impl EdgeFacts {
    /// What the graph needs of them.
    pub fn tie(&self) -> StrengthInputs {
        StrengthInputs { pinned: self.pinned, faded: self.history.faded, last_s: self.history.last_s }
    }

    pub fn of(edge: &Edge) -> EdgeFacts {
        let Edge { key: _, pinned, history, since, visibility, note, origin, asked_by: _ } = edge;
        EdgeFacts {
            pinned: *pinned,
            history: *history,
            since: *since,
            visibility: *visibility,
            note: note.clone(),
            origin: origin.clone(),
        }
    }

    pub fn edge(self, key: EdgeKey) -> Edge {
        let EdgeFacts { pinned, history, since, visibility, note, origin } = self;
        Edge { key, pinned, history, since, visibility, note, origin, asked_by: None }
    }
}

impl From<EdgeRow> for EdgeFacts {
    fn from(row: EdgeRow) -> EdgeFacts {
        let EdgeRow { from: _, kind: _, to: _, pinned, history, since, visibility, note, origin, stamps: _ } = row;
        EdgeFacts { pinned, history, since, visibility, note, origin }
    }
}

/// An edge without its `from` end, in whose list it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeRecord {
    pub to: MemberIx,
    pub kind: KindIx,
    pub times: Times,
    pub facts: EdgeFacts,
}

impl EdgeRecord {
    pub fn key(&self) -> EdgeListKey {
        (self.to, self.kind)
    }
}

/// What the graph needs of an edge.
pub fn tie(edge: &Edge) -> StrengthInputs {
    StrengthInputs { pinned: edge.pinned, faded: edge.history.faded, last_s: edge.history.last_s }
}

/// The edge a put leaves behind: the put's fields, what it says to keep, and the history there was unless it brings its own. What
/// stands stays so, whoever puts it, and what is pending stands once it is put for both ends, or for the one that did not ask.
pub fn edge_after_put(put: &EdgePut, key: EdgeKey, before: Option<&Edge>) -> Edge {
    let mut after = put.edge(key);
    let Some(before) = before else { return after };
    if put.history.is_none() {
        after.history = before.history;
    }
    let kept = put.kept;
    if kept.pinned {
        after.pinned = before.pinned;
    }
    if kept.since {
        after.since = before.since;
    }
    if kept.visibility {
        after.visibility = before.visibility;
    }
    if kept.note {
        after.note.clone_from(&before.note);
    }
    if kept.origin {
        after.origin.clone_from(&before.origin);
    }
    if after.asked_by != before.asked_by {
        after.asked_by = None;
    }
    after
}

#[derive(Debug, Clone)]
pub struct StatusRecord {
    pub status: Status,
    pub times: Times,
}
