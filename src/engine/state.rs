//! Everything kith knows at one revision: the fold of all commands up to it.
//!
//! A state is persistent: cloning it copies a few roots, and a clone that is changed shares all it did not touch with the
//! original. The writer changes a clone and publishes it; readers keep the one they have.

use std::cmp::Reverse;
use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::ahead::Ahead;
use super::digest::Digest;
use super::edge_list::EdgeList;
use super::erasures::Erasures;
use super::pending::Pending;
use super::records::{EdgeRecord, MemberRecord, StatusRecord, Stored};
use super::requests::Requests;
use super::revision::Revision;
use super::token_key::TokenKey;
use super::topics::TopicIndex;
use crate::domain::{
    Edge, EdgeKey, IntroducerTally, Kind, KindName, Member, MemberId, Sequence, Status, StatusId, TimeMs, Times,
};
use crate::graph::{Graph, KindIx, MemberIx, Pages, edge_strength};

/// The place of a status in its author's list: newest first, then by id.
pub(super) type AuthorPlace = (MemberIx, Reverse<TimeMs>, StatusId);

/// Where a member is named outside its own record and edges.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mention {
    /// Among the introducers of an edge's origin.
    Introducer(EdgeKey),
    /// Among those a status's audience leaves out.
    Excluded(StatusId),
}

impl Mention {
    /// The least mention there is: where ranges begin.
    pub(super) fn first() -> Mention {
        Mention::Introducer(first_edge_key())
    }
}

#[derive(Clone)]
pub struct State {
    pub(super) store_id: u128,
    pub(super) sequence: Sequence,
    /// When the last command was accepted.
    pub(super) time: TimeMs,
    pub(super) graph: Graph,
    /// By member's index.
    pub(super) members: Pages<MemberRecord>,
    /// By the index of the edge's `from` end.
    pub(super) edges: Pages<EdgeList>,
    /// Edges that one end has asked for: the graph has none of them.
    pub(super) pending: Pending,
    pub(super) statuses: OrdMap<StatusId, Arc<StatusRecord>>,
    /// Statuses that expire, by when.
    pub(super) expiring: OrdSet<(TimeMs, StatusId)>,
    pub(super) by_author: OrdSet<AuthorPlace>,
    pub(super) outcomes: OrdSet<(StatusId, EdgeKey)>,
    pub(super) mentions: OrdSet<(MemberId, Mention)>,
    pub(super) topics: TopicIndex,
    /// Of those who were ever asked to introduce.
    pub(super) tallies: OrdMap<MemberIx, Arc<IntroducerTally>>,
    pub(super) requests: Requests,
    pub(super) erasures: Erasures,
    pub(super) digest: Digest,
    /// The last command that erased a member; 0 if none did.
    pub(super) erased: Sequence,
    /// None before the first command, and in a store that an older version wrote until it is served.
    pub(super) token_key: Option<Arc<TokenKey>>,
    /// What was done beforehand of the command that comes next; none in every state that is published.
    pub(super) ahead: Option<Box<Ahead>>,
}

impl State {
    /// The state before the first command.
    pub(super) fn empty(store_id: u128) -> State {
        State {
            store_id,
            sequence: 0,
            time: TimeMs(0),
            graph: Graph::new(),
            members: Pages::default(),
            edges: Pages::default(),
            pending: Pending::default(),
            statuses: OrdMap::new(),
            expiring: OrdSet::new(),
            by_author: OrdSet::new(),
            outcomes: OrdSet::new(),
            mentions: OrdSet::new(),
            topics: TopicIndex::default(),
            tallies: OrdMap::new(),
            requests: Requests::default(),
            erasures: Erasures::default(),
            digest: Digest::default(),
            erased: 0,
            token_key: None,
            ahead: None,
        }
    }

    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    pub fn store_id(&self) -> u128 {
        self.store_id
    }

    /// How many commands made this state.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// When the last command was accepted.
    pub fn time(&self) -> TimeMs {
        self.time
    }

    pub fn revision(&self) -> Revision {
        Revision::new(self.store_id, self.sequence)
    }

    /// Equal for states with equal content, whenever and in whatever order it was put.
    pub fn digest(&self) -> u128 {
        self.digest.0
    }

    pub fn member_count(&self) -> u64 {
        self.graph.members() as u64
    }

    pub fn edge_count(&self) -> u64 {
        self.graph.edges()
    }

    /// Request ids that are kept.
    pub fn request_count(&self) -> u64 {
        self.requests.len() as u64
    }

    /// What they take in memory, about.
    pub fn request_bytes(&self) -> u64 {
        self.requests.bytes()
    }

    pub fn status_count(&self) -> u64 {
        self.statuses.len() as u64
    }

    pub fn member(&self, id: &str) -> Option<Stored<Member>> {
        self.graph.find(id).map(|ix| self.member_at(ix))
    }

    pub fn member_at(&self, ix: MemberIx) -> Stored<Member> {
        let record = self.member_record(ix);
        Stored::of(record.member(self.graph.id(ix).clone(), self.privacy_of(ix)), record.times)
    }

    pub(super) fn member_record(&self, ix: MemberIx) -> &MemberRecord {
        self.members.get(ix.0 as usize).expect("every member of the graph has a record")
    }

    /// An edge by its key, pending or not; of a symmetric kind in either order.
    pub fn edge(&self, key: &EdgeKey) -> Option<Stored<Edge>> {
        let (from, kind, to) = self.locate(key)?;
        self.edge_at(from, kind, to)
    }

    /// An edge by its ends' indices, pending or not; of a symmetric kind in either order.
    pub fn edge_at(&self, from: MemberIx, kind: KindIx, to: MemberIx) -> Option<Stored<Edge>> {
        let (from, to) = self.kept_order(from, kind, to);
        self.kept_edge(from, kind, to)
    }

    /// Edges by their ends' indices, without those that there are none of. Their lists are all looked at first: what is not in the
    /// processor's cache is fetched at the same time, and not one after the other.
    pub fn edges_at(
        &self,
        ends: impl IntoIterator<Item = (MemberIx, KindIx, MemberIx)>,
    ) -> impl Iterator<Item = Stored<Edge>> {
        let kept = ends.into_iter().map(|(from, kind, to)| {
            let (from, to) = self.kept_order(from, kind, to);
            (from, kind, to)
        });
        let kept: Vec<_> = kept.collect();
        kept.iter().filter_map(|(from, ..)| self.edges.get(from.0 as usize)).for_each(EdgeList::fetch);
        kept.into_iter().filter_map(|(from, kind, to)| self.kept_edge(from, kind, to))
    }

    /// Of ends in the order that their edge is kept in.
    fn kept_edge(&self, from: MemberIx, kind: KindIx, to: MemberIx) -> Option<Stored<Edge>> {
        let Some(record) = self.edge_record(from, kind, to) else { return self.pending_edge((from, kind, to)) };
        Some(Stored::of(Edge { key: self.key_of(from, kind, to), attrs: record.attrs }, record.times))
    }

    pub(super) fn edge_record(&self, from: MemberIx, kind: KindIx, to: MemberIx) -> Option<EdgeRecord> {
        self.edges.get(from.0 as usize)?.get((to, kind))
    }

    /// The indices of a key's members and kind, if all exist.
    pub(super) fn locate(&self, key: &EdgeKey) -> Option<(MemberIx, KindIx, MemberIx)> {
        let from = self.graph.find(key.from.as_str())?;
        let to = self.graph.find(key.to.as_str())?;
        Some((from, self.graph.find_kind(key.kind.as_str())?, to))
    }

    /// The ends in the order their edge is kept in: of a symmetric kind the smaller id first.
    pub(super) fn kept_order(&self, from: MemberIx, kind: KindIx, to: MemberIx) -> (MemberIx, MemberIx) {
        let swapped = self.graph.kind(kind).attrs.symmetric && self.graph.id(from) > self.graph.id(to);
        if swapped { (to, from) } else { (from, to) }
    }

    pub(super) fn key_of(&self, from: MemberIx, kind: KindIx, to: MemberIx) -> EdgeKey {
        EdgeKey {
            from: self.graph.id(from).clone(),
            kind: self.graph.kind(kind).name.clone(),
            to: self.graph.id(to).clone(),
        }
    }

    /// An edge's strength at `as_of`; the edge is one of this state's.
    pub fn edge_strength(&self, edge: &Edge, as_of: TimeMs) -> f32 {
        let kind = self.graph.find_kind(edge.key.kind.as_str()).map(|ix| self.graph.kind(ix));
        kind.map_or(0.0, |kind| edge_strength(kind, super::records::strength_inputs(&edge.attrs), as_of))
    }

    pub fn kind(&self, name: &str) -> Option<Stored<Kind>> {
        self.graph.find_kind(name).map(|ix| stored_kind(self.graph.kind(ix)))
    }

    /// All kinds, by name.
    pub fn kinds(&self) -> Vec<Stored<Kind>> {
        let mut kinds: Vec<_> = self.graph.kinds().map(|(_, kind)| stored_kind(kind)).collect();
        kinds.sort_by(|a, b| a.value.name.cmp(&b.value.name));
        kinds
    }

    pub fn status(&self, id: &str) -> Option<Stored<Status>> {
        self.statuses.get(id).map(|record| stored_status(record))
    }

    /// The ids of an author's statuses, newest first, then by id; those after `after` if given.
    pub fn statuses_of(&self, author: MemberIx, after: Option<(TimeMs, StatusId)>) -> impl Iterator<Item = &StatusId> {
        let start = match after {
            Some((time, id)) => Bound::Excluded((author, Reverse(time), id)),
            // No id is empty, so no place is before this one but those of newer statuses.
            None => Bound::Included((author, Reverse(TimeMs(i64::MAX)), first_status_id())),
        };
        let places = self.by_author.range((start, Bound::Unbounded));
        places.take_while(move |place| place.0 == author).map(|(_, _, id)| id)
    }

    /// The edges that came of a status, by `from`, kind and `to`; those after `after` if given.
    pub fn outcomes_of(&self, status: &StatusId, after: Option<&EdgeKey>) -> impl Iterator<Item = &EdgeKey> {
        let start = match after {
            Some(key) => Bound::Excluded((status.clone(), key.clone())),
            None => Bound::Included((status.clone(), first_edge_key())),
        };
        let outcomes = self.outcomes.range((start, Bound::Unbounded));
        let status = status.clone();
        outcomes.take_while(move |(origin, _)| *origin == status).map(|(_, key)| key)
    }

    /// The author's index, and the status as stored.
    pub(super) fn author_of(&self, record: &StatusRecord) -> MemberIx {
        self.graph.find(record.status.author.as_str()).expect("a status goes with its author")
    }
}

fn stored_kind(kind: &Kind) -> Stored<Kind> {
    // Kinds keep no times.
    Stored::of(kind.clone(), Times::default())
}

fn stored_status(record: &StatusRecord) -> Stored<Status> {
    Stored::of(record.status.clone(), record.times)
}

/// The least ids there are: where ranges over ordered sets begin.
fn first_status_id() -> StatusId {
    StatusId::parse("id", " ").expect("a space is an id")
}

fn first_edge_key() -> EdgeKey {
    let id = MemberId::parse("id", " ").expect("a space is an id");
    EdgeKey { from: id.clone(), kind: KindName::parse("kind", "a").expect("a letter is a kind's name"), to: id }
}
