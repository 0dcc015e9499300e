//! Everything one namespace holds at one revision: the fold of its commands up to it.
//!
//! A state is persistent: cloning it copies a few roots, and a clone that is changed shares all it did not touch with the
//! original. The writer changes a clone and publishes it; readers keep the one they have.

mod ahead;
mod apply;
mod apply_edge;
mod apply_edges;
mod apply_status;
mod blocks;
pub mod checkpoint;
mod compare;
mod digest;
mod edge_chunk;
mod edge_list;
mod edges;
mod erase;
mod erasures;
mod export;
mod introductions;
mod labels;
mod members;
mod pending;
mod pending_shown;
mod prepare;
mod records;
mod replay;
mod requests;
mod statuses;
mod tallies;
mod token_key;
mod topics;
mod verify;

use std::sync::Arc;

pub use ahead::{Plan, Unusable};
pub use apply::ApplyContext;
pub use digest::{Digest, Hashed, hash_of, tally_hash};
pub use erasures::{DAY_MS, Erasures};
pub use export::{Record, absent_kinds};
pub use records::Stored;
pub use replay::{Kept, has_effect};
pub use requests::{REQUEST_BYTES, Requests};
pub use token_key::{TokenKey, new_secret};
pub use topics::idf;
pub use verify::{Verified, Verifier, verify_log};

use self::ahead::Ahead;
use self::edge_list::EdgeList;
use self::edges::Edges;
use self::members::Members;
use self::records::{EdgeSlot, StatusRecord};
use self::statuses::Statuses;
use self::tallies::Tallies;
use self::topics::TopicIndex;
use super::revision::Revision;
use crate::domain::{
    Edge, EdgeKey, Kind, Member, MemberFilter, Scope, Sequence, Status, StatusId, TimeMs, Times, Topic, TopicSet,
};
use crate::graph::{Budget, Graph, KindIx, Limit, MemberIx, View, edge_strength};

/// The most members that pass a filter for each of them to be looked at, whatever else is asked.
const FEW_PASSING_MAX: usize = 4_096;

/// Everything of one namespace at one revision. Each part has its indexes, its part of the digest and of a check.
#[derive(Clone)]
pub struct State {
    store_id: u128,
    sequence: Sequence,
    /// When the last command was accepted.
    time: TimeMs,
    /// The command that created its namespace, and when that was accepted.
    create_sequence: Sequence,
    create_time: TimeMs,
    /// The caller who created it, in whose share of namespaces it counts.
    creator: Scope,
    /// The commands that erased something since they were last taken, and when those were accepted.
    erased: Vec<(Sequence, TimeMs)>,
    /// What traversals need: ids, kinds, the edges that stand, privacy and blocks.
    graph: Graph,
    members: Members,
    edges: Edges,
    statuses: Statuses,
    topics: TopicIndex,
    tallies: Tallies,
    /// The digest of the blocks, which the graph has.
    blocks: Digest,
    requests: Requests,
    erasures: Erasures,
    /// None before the first command.
    token_key: Option<Arc<TokenKey>>,
    /// What was done beforehand of the command that comes next; none in every state that is published.
    ahead: Option<Box<Ahead>>,
}

impl State {
    /// The state before the first command.
    pub fn empty(store_id: u128) -> State {
        State {
            store_id,
            sequence: 0,
            time: TimeMs(0),
            create_sequence: 0,
            create_time: TimeMs(0),
            creator: Scope::SHARED,
            erased: Vec::new(),
            graph: Graph::new(),
            members: Members::default(),
            edges: Edges::default(),
            statuses: Statuses::default(),
            topics: TopicIndex::default(),
            tallies: Tallies::default(),
            blocks: Digest::default(),
            requests: Requests::default(),
            erasures: Erasures::default(),
            token_key: None,
            ahead: None,
        }
    }

    /// Returns the state before the first command of a namespace that a caller creates.
    pub fn empty_of(store_id: u128, creator: Scope) -> State {
        State { creator, ..State::empty(store_id) }
    }

    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    pub fn store_id(&self) -> u128 {
        self.store_id
    }

    /// Returns the last command that changed it.
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
        let mut kinds = Digest::default();
        self.graph.kinds().for_each(|(_, kind)| kinds.add(kind.content_hash()));
        self.kept_digests().into_iter().fold(kinds, Digest::and).0
    }

    /// Returns the digests of members, edges, statuses, tallies and blocks, which are kept; that of kinds, which are few, is not.
    fn kept_digests(&self) -> [Digest; 5] {
        [self.members.digest(), self.edges.digest(), self.statuses.digest(), self.tallies.digest(), self.blocks]
    }

    /// Returns what page tokens are authenticated with. A state after its first command has it.
    pub fn token_key(&self) -> Option<&Arc<TokenKey>> {
        self.token_key.as_ref()
    }

    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    pub fn erasures(&self) -> &Erasures {
        &self.erasures
    }

    /// Returns the command that created its namespace.
    pub fn create_sequence(&self) -> Sequence {
        self.create_sequence
    }

    /// Returns when its namespace was created.
    pub fn create_time(&self) -> TimeMs {
        self.create_time
    }

    /// Returns the caller who created its namespace.
    pub fn creator(&self) -> Scope {
        self.creator
    }

    /// Returns the commands that erased something since this was asked for before, and when those were accepted.
    pub fn take_erased(&mut self) -> Vec<(Sequence, TimeMs)> {
        std::mem::take(&mut self.erased)
    }

    /// Counts its commands on from one of the store's.
    pub fn continue_at(&mut self, sequence: Sequence) {
        self.sequence = sequence;
    }

    /// Returns when the first status expires that does.
    pub fn first_expiry(&self) -> Option<TimeMs> {
        self.statuses.first_expiry()
    }

    /// Returns the members on a topic, by interest or by a status about it, in index order.
    pub fn members_on(&self, topic: &Topic) -> impl Iterator<Item = MemberIx> {
        self.topics.members(topic)
    }

    /// Returns how many members have a topic among their interests.
    pub fn interested(&self, topic: &Topic) -> u64 {
        self.topics.interested(topic)
    }

    /// Returns the statuses that had expired at a time, in the order that they did.
    pub fn expired_through(&self, time: TimeMs) -> impl Iterator<Item = &StatusId> {
        self.statuses.expired_through(time)
    }

    /// Returns a member's interests; none of one without any attributes.
    pub fn interests(&self, ix: MemberIx) -> Option<&TopicSet> {
        self.members.get(ix).and_then(|record| record.topics())
    }

    /// Returns a member's display name; nothing of one without any attributes.
    pub fn display_name(&self, ix: MemberIx) -> &str {
        self.members.get(ix).and_then(|record| record.attrs()).map_or("", |attrs| &attrs.display_name)
    }

    /// Returns whether a member passes a filter.
    pub fn passes(&self, filter: &MemberFilter, ix: MemberIx) -> bool {
        filter.passes(self.graph.id(ix), self.members.get(ix).and_then(|record| record.attrs()))
    }

    /// Returns all members that pass a filter and are not gone for the viewer, in index order, where its labels narrow it down and they are
    /// few. Who is gone changes nothing else.
    pub fn all_passing(
        &self,
        filter: &MemberFilter,
        view: &View<'_>,
        budget: &mut Budget<'_>,
    ) -> Result<Option<Vec<MemberIx>>, Limit> {
        let Some(narrowed) = self.members.narrow(filter) else { return Ok(None) };
        let mut found = Vec::new();
        for ix in narrowed.filter(|ix| !view.is_gone(*ix)) {
            budget.pass(1)?;
            if self.passes(filter, ix) {
                found.push(ix);
            }
            if found.len() > FEW_PASSING_MAX {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    /// Returns a status that there is, without copying it.
    pub fn status_record(&self, id: &str) -> Option<&Status> {
        self.statuses.get(id).map(|record| &record.status)
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
        self.requests.shares().total()
    }

    pub fn status_count(&self) -> u64 {
        self.statuses.len() as u64
    }

    pub fn member(&self, id: &str) -> Option<Stored<Member>> {
        self.graph.find(id).map(|ix| self.member_at(ix))
    }

    pub fn member_at(&self, ix: MemberIx) -> Stored<Member> {
        let record = self.members.get(ix).expect("every member of the graph has a record");
        Stored::of(record.member(self.graph.id(ix).clone(), self.privacy_of(ix)), record.times)
    }

    /// An edge by its key, pending or not; of a symmetric kind in either order.
    pub fn edge(&self, key: &EdgeKey) -> Option<Stored<Edge>> {
        let (from, kind, to) = self.locate(key)?;
        self.edge_at(from, kind, to)
    }

    /// An edge by its ends' indices, pending or not; of a symmetric kind in either order.
    pub fn edge_at(&self, from: MemberIx, kind: KindIx, to: MemberIx) -> Option<Stored<Edge>> {
        let (from, to) = self.kept_order(from, kind, to);
        self.kept_edge((from, kind, to))
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
        kept.iter().filter_map(|(from, ..)| self.edges.list(*from)).for_each(EdgeList::fetch);
        kept.into_iter().filter_map(|slot| self.kept_edge(slot))
    }

    /// Returns the edge in a slot, whose ends are in the order that the edge is kept in.
    fn kept_edge(&self, slot: EdgeSlot) -> Option<Stored<Edge>> {
        self.edges.get(slot, || self.key_of(slot))
    }

    /// The indices of a key's members and kind, if all exist.
    pub fn locate(&self, key: &EdgeKey) -> Option<EdgeSlot> {
        let from = self.graph.find(key.from.as_str())?;
        let to = self.graph.find(key.to.as_str())?;
        Some((from, self.graph.find_kind(key.kind.as_str())?, to))
    }

    /// The ends in the order their edge is kept in: of a symmetric kind the smaller id first.
    fn kept_order(&self, from: MemberIx, kind: KindIx, to: MemberIx) -> (MemberIx, MemberIx) {
        let swapped = self.graph.kind(kind).attrs.symmetric && self.graph.id(from) > self.graph.id(to);
        if swapped { (to, from) } else { (from, to) }
    }

    fn key_of(&self, (from, kind, to): EdgeSlot) -> EdgeKey {
        EdgeKey {
            from: self.graph.id(from).clone(),
            kind: self.graph.kind(kind).name.clone(),
            to: self.graph.id(to).clone(),
        }
    }

    /// An edge's strength at `as_of`; the edge is one of this state's.
    pub fn edge_strength(&self, edge: &Edge, as_of: TimeMs) -> f32 {
        let kind = self.graph.find_kind(edge.key.kind.as_str()).map(|ix| self.graph.kind(ix));
        kind.map_or(0.0, |kind| edge_strength(kind, records::strength_inputs(&edge.attrs), as_of))
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
        self.statuses.of_author(author, after)
    }

    /// The edges that came of a status, by `from`, kind and `to`; those after `after` if given.
    pub fn outcomes_of(&self, status: &StatusId, after: Option<&EdgeKey>) -> impl Iterator<Item = &EdgeKey> {
        self.edges.outcomes_of(status, after)
    }

    /// Returns the index of a status's author.
    pub fn author_of(&self, status: &Status) -> MemberIx {
        self.graph.find(status.author.as_str()).expect("a status goes with its author")
    }
}

fn stored_kind(kind: &Kind) -> Stored<Kind> {
    // Kinds keep no times.
    Stored::of(kind.clone(), Times::default())
}

fn stored_status(record: &StatusRecord) -> Stored<Status> {
    Stored::of(record.status.clone(), record.times)
}
