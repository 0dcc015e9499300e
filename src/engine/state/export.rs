//! All that callers have put, in an order in which it can be put again.

use std::iter::once;

use super::pending::PendingEdge;
use super::records::{EdgeRecord, EdgeSlot, Stored};
use super::{State, stored_status};
use crate::domain::limits::KINDS_MAX;
use crate::domain::{
    Block, Edge, ErasedId, ErasureKey, IntroducerTally, Kind, KindName, Member, MemberId, Status, builtin_kinds,
};
use crate::graph::MemberIx;

/// A resource as it was put, with the times of a member, a status and an edge.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A kind that a new store has, and this one not.
    AbsentKind(KindName),
    Kind(Kind),
    Member(Stored<Member>),
    Status(Stored<Status>),
    Edge(Stored<Edge>),
    Block(Block),
    IntroducerTally(MemberId, IntroducerTally),
    /// Erased members, by the key that their ids are hashed with.
    Erased(ErasureKey, Vec<ErasedId>),
}

/// The built-in kinds that are not there, as records.
pub fn absent_kinds(is_there: impl Fn(&KindName) -> bool) -> impl Iterator<Item = Record> {
    let names = builtin_kinds().into_iter().map(|kind| kind.name);
    names.filter(move |name| !is_there(name)).map(Record::AbsentKind)
}

impl State {
    /// Built-in kinds that there are none of; kinds by name; members and statuses by id; edges by `from`, kind and `to`, then the pending ones; blocks by who blocks whom; tallies by whose they are; erased ids.
    /// What a record names comes before it: a status's author and kinds, an edge's ends, kind and the status it came of.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let absent = absent_kinds(|name| self.graph.find_kind(name.as_str()).is_some());
        let kinds = self.kinds().into_iter().map(|stored| Record::Kind(stored.value));
        let by_id = || self.graph.members_after(None);
        let members = by_id().map(|ix| Record::Member(self.member_at(ix)));
        let statuses = self.statuses.iter().map(|record| Record::Status(stored_status(record)));
        let ranks = self.kind_ranks();
        let edges = by_id().flat_map(move |ix| self.edges_from(ix, &ranks)).map(Record::Edge);
        let pending = self.pending_by_key().into_iter().map(Record::Edge);
        let blocks = by_id().flat_map(|ix| self.blocks_by(ix)).map(Record::Block);
        let tallies = by_id().filter_map(|ix| Some((self.graph.id(ix).clone(), self.introducer_tally(ix)?.clone())));
        let tallies = tallies.map(|(introducer, tally)| Record::IntroducerTally(introducer, tally));
        let erased = self.erasures.together(self.time).into_iter().map(|(key, erased)| Record::Erased(key, erased));
        absent
            .chain(kinds)
            .chain(members)
            .chain(statuses)
            .chain(edges)
            .chain(pending)
            .chain(blocks)
            .chain(tallies)
            .chain(erased)
    }

    /// What is kept of one member: itself, its statuses, newest first, its edges by `from`, kind and `to`, pending ones among them, whom it
    /// blocks, and its tally.
    pub fn records_of(&self, ix: MemberIx) -> impl Iterator<Item = Record> + '_ {
        let statuses = self.statuses_of(ix, None).filter_map(|id| self.status(id.as_str())).map(Record::Status);
        let mut edges: Vec<EdgeSlot> = self.slots_of(ix);
        let name = |ix: MemberIx| self.graph.id(ix);
        edges.sort_unstable_by_key(|&(from, kind, to)| (name(from), &self.graph.kind(kind).name, name(to)));
        let edges = edges.into_iter().filter_map(|slot| self.kept_edge(slot)).map(Record::Edge);
        let blocks = self.blocks_by(ix).into_iter().map(Record::Block);
        let tally = self.introducer_tally(ix).cloned();
        let tally = tally.map(|tally| Record::IntroducerTally(self.graph.id(ix).clone(), tally));
        once(Record::Member(self.member_at(ix))).chain(statuses).chain(edges).chain(blocks).chain(tally)
    }

    /// Pending edges by `from`, kind and `to`.
    fn pending_by_key(&self) -> Vec<Stored<Edge>> {
        let pending = self.pending().map(|(.., PendingEdge { edge, times })| Stored::of(edge.clone(), *times));
        let mut pending: Vec<Stored<Edge>> = pending.collect();
        pending.sort_unstable_by(|one, other| one.value.key.cmp(&other.value.key));
        pending
    }

    /// Each kind's place in the order of names, by its index.
    fn kind_ranks(&self) -> [u8; KINDS_MAX] {
        let mut names: Vec<(&KindName, usize)> =
            self.graph.kinds().map(|(ix, kind)| (&kind.name, usize::from(ix.0))).collect();
        names.sort_unstable();
        let mut ranks = [0; KINDS_MAX];
        names.iter().zip(0..).for_each(|((_, ix), rank)| ranks[*ix] = rank);
        ranks
    }

    /// The edges kept with a member, by kind and `to`.
    fn edges_from<'s>(
        &'s self,
        from: MemberIx,
        ranks: &[u8; KINDS_MAX],
    ) -> impl Iterator<Item = Stored<Edge>> + use<'s> {
        let list = self.edges.list(from).into_iter().flat_map(|list| list.iter());
        let mut records: Vec<EdgeRecord> = list.collect();
        records.sort_unstable_by_key(|record| (ranks[usize::from(record.kind.0)], self.graph.id(record.to)));
        let edge = move |EdgeRecord { to, kind, times, attrs }: EdgeRecord| {
            Stored::of(Edge { key: self.key_of((from, kind, to)), attrs }, times)
        };
        records.into_iter().map(edge)
    }
}
