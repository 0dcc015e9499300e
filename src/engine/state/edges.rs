//! What is kept of edges beside the graph, which has what traversals need of those that stand.

use std::collections::BTreeSet;
use std::ops::Bound;

use imbl::OrdSet;

use super::compare::compare;
use super::digest::{Digest, Hashed, hash_of};
use super::edge_list::EdgeList;
use super::pending::{Pending, PendingEdge};
use super::records::{EdgeRecord, EdgeSlot, Stored};
use super::statuses::Statuses;
use crate::domain::{Codec, Edge, EdgeKey, Error, Inspector, KindName, MemberId, StatusId, Times};
use crate::graph::{Graph, MemberIx, Pages};

/// An index from what an edge came of to the edge.
type OriginIndex<T> = OrdSet<(T, EdgeKey)>;

/// The edges' records, the pending edges, what came of what, and the digest of all.
#[derive(Clone, Default)]
pub struct Edges {
    /// The edges that stand, by the index of their `from` end.
    lists: Pages<EdgeList>,
    pending: Pending,
    /// Statuses, each with the edges that came of it.
    outcomes: OriginIndex<StatusId>,
    /// Introducers, each with the edges they introduced.
    introduced: OriginIndex<MemberId>,
    digest: Digest,
}

impl Edges {
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the lists, outcomes and introductions, for a test to break.
    #[cfg(test)]
    pub fn parts(&mut self) -> (&mut Pages<EdgeList>, &mut OriginIndex<StatusId>, &mut OriginIndex<MemberId>) {
        (&mut self.lists, &mut self.outcomes, &mut self.introduced)
    }

    pub fn pending(&self) -> &Pending {
        &self.pending
    }

    pub fn list(&self, from: MemberIx) -> Option<&EdgeList> {
        self.lists.get(from.0 as usize)
    }

    /// Returns the record of an edge that stands.
    pub fn record(&self, (from, kind, to): EdgeSlot) -> Option<EdgeRecord> {
        self.list(from)?.get((to, kind))
    }

    /// Returns the edge in a slot, pending or not, under the key that it has.
    pub fn get(&self, slot: EdgeSlot, key: impl FnOnce() -> EdgeKey) -> Option<Stored<Edge>> {
        match self.record(slot) {
            Some(record) => Some(Stored::of(Edge { key: key(), attrs: record.attrs }, record.times)),
            None => self.pending.get(slot).map(|pending| Stored::of(pending.edge.clone(), pending.times)),
        }
    }

    /// Makes room for the edges of a member with a new index.
    pub fn add_member(&mut self) {
        self.lists.push(EdgeList::default());
    }

    /// Keeps an edge in place of the one in its slot.
    pub fn put(&mut self, graph: &Graph, slot: EdgeSlot, before: Option<&Edge>, after: &Edge, times: Times) {
        if let Some(before) = before {
            self.forget(before);
        }
        self.digest.add(after.content_hash());
        self.index_origin(after);
        if after.attrs.asked_by.is_some() {
            return self.pending.put(graph, slot, PendingEdge { edge: after.clone(), times });
        }
        if before.is_some_and(|before| before.attrs.asked_by.is_some()) {
            self.pending.remove(graph, slot);
        }
        let (from, kind, to) = slot;
        self.list_mut(from).insert(&EdgeRecord { to, kind, times, attrs: after.attrs.clone() });
    }

    /// Removes an edge that there is.
    pub fn remove(&mut self, graph: &Graph, slot: EdgeSlot, before: &Edge) {
        self.forget(before);
        let (from, kind, to) = slot;
        match before.attrs.asked_by {
            Some(_) => self.pending.remove(graph, slot),
            None => self.list_mut(from).remove((to, kind)),
        }
    }

    fn list_mut(&mut self, from: MemberIx) -> &mut EdgeList {
        self.lists.get_mut(from.0 as usize).expect("every member of the graph has a list of edges")
    }

    fn forget(&mut self, edge: &Edge) {
        self.digest.remove(edge.content_hash());
        let Some(origin) = &edge.attrs.origin else { return };
        if let Some(status) = &origin.status {
            self.outcomes.remove(&(status.clone(), edge.key.clone()));
        }
        for introducer in &origin.introducers {
            self.introduced.remove(&(introducer.clone(), edge.key.clone()));
        }
    }

    fn index_origin(&mut self, edge: &Edge) {
        let Some(origin) = &edge.attrs.origin else { return };
        self.outcomes.extend(origin.status.iter().map(|status| (status.clone(), edge.key.clone())));
        self.introduced.extend(origin.introducers.iter().map(|id| (id.clone(), edge.key.clone())));
    }

    /// Takes the lists of a checkpoint. Their digest comes with the namespace's row.
    pub fn load_lists(&mut self, lists: Pages<EdgeList>) {
        self.lists = lists;
    }

    /// Takes an edge with an origin, whose record is there already.
    pub fn load_origin(&mut self, edge: &Edge) {
        self.index_origin(edge);
    }

    pub fn load_pending(&mut self, graph: &Graph, slot: EdgeSlot, pending: PendingEdge) {
        self.index_origin(&pending.edge);
        self.pending.put(graph, slot, pending);
    }

    pub fn load_digest(&mut self, digest: Digest) {
        self.digest = digest;
    }

    pub fn lists(&self) -> &Pages<EdgeList> {
        &self.lists
    }

    /// Returns the edges that came of a status, by `from`, kind and `to`; those after `after` if it is given.
    pub fn outcomes_of(&self, status: &StatusId, after: Option<&EdgeKey>) -> impl Iterator<Item = &EdgeKey> {
        let start = match after {
            Some(key) => Bound::Excluded((status.clone(), key.clone())),
            None => Bound::Included((status.clone(), least_key())),
        };
        let outcomes = self.outcomes.range((start, Bound::Unbounded));
        let status = status.clone();
        outcomes.take_while(move |(origin, _)| *origin == status).map(|(_, key)| key)
    }

    /// Returns the edges that a member introduced.
    pub fn introduced_by(&self, introducer: &MemberId) -> impl Iterator<Item = &EdgeKey> {
        let from_here = self.introduced.range((introducer.clone(), least_key())..);
        from_here.take_while(move |(id, _)| id == introducer).map(|(_, key)| key)
    }

    /// Adds what the digest of the content does not have: when each was made and changed, and the indexes of origins.
    pub fn digest_times(&self, graph: &Graph, whole: &mut Digest) {
        for ix in graph.iter_members() {
            for record in self.list(ix).into_iter().flat_map(|list| list.iter()) {
                let ends = graph.get_id(record.to).zip(graph.get_kind(record.kind));
                let Some((to, kind)) = ends else { continue };
                let key = EdgeKey { from: graph.id(ix).clone(), kind: kind.name.clone(), to: to.clone() };
                whole.add(hash_of(b'E', |to| {
                    key.encode(to);
                    record.times.encode(to);
                }));
            }
        }
        for (half, pending) in self.pending.iter() {
            whole.add(hash_of(b'P', |to| {
                half.3.encode(to);
                pending.edge.content_hash().encode(to);
                pending.times.encode(to);
            }));
        }
        for (status, key) in &self.outcomes {
            whole.add(hash_of(b'O', |to| {
                status.encode(to);
                key.encode(to);
            }));
        }
        for (introducer, key) in &self.introduced {
            whole.add(hash_of(b'I', |to| {
                introducer.encode(to);
                key.encode(to);
            }));
        }
    }

    /// Checks the records against the graph and the statuses, and the indexes and the digest against the records.
    pub fn verify(&self, graph: &Graph, statuses: &Statuses, check: &mut dyn Inspector) -> Result<Digest, Error> {
        let mut expected = Expected::default();
        for ix in graph.iter_members() {
            let Some(list) = self.list(ix) else {
                check.find("edges", graph.id(ix).as_str(), "the member of the graph has no list of edges")?;
                continue;
            };
            let mut before = None;
            for record in list.iter() {
                check.checked()?;
                if before.is_some_and(|before| before >= record.key()) {
                    check.find("edges", graph.id(ix).as_str(), "the member's edges are out of order")?;
                }
                before = Some(record.key());
                if let Some(edge) = verify_edge(graph, statuses, ix, &record, check)? {
                    expected.add(&edge);
                }
            }
            self.verify_halves(graph, ix, check)?;
        }
        self.verify_pending(graph, &mut expected, check)?;
        let name = |(status, key): &&(StatusId, EdgeKey)| format!("{status} {}", edge_name(key));
        compare("outcomes", &expected.outcomes, &self.outcomes, name, check)?;
        let name = |(member, key): &&(MemberId, EdgeKey)| format!("{member} introduced {}", edge_name(key));
        compare("mentions", &expected.introduced, &self.introduced, name, check)?;
        expected.digest.verify("edges", self.digest, check)
    }

    /// Finds whether every edge that the graph has of a member, and that is kept with it, has a record.
    fn verify_halves(&self, graph: &Graph, from: MemberIx, check: &mut dyn Inspector) -> Result<(), Error> {
        let from_id = graph.id(from);
        for half in graph.half_edges(from).iter().filter(|half| half.leads_out()) {
            let (Some(kind), Some(to_id)) = (graph.get_kind(half.kind()), graph.get_id(half.neighbor())) else {
                continue;
            };
            let kept_here = !kind.attrs.symmetric || from_id < to_id;
            if kept_here && self.record((from, half.kind(), half.neighbor())).is_none() {
                let key = EdgeKey { from: from_id.clone(), kind: kind.name.clone(), to: to_id.clone() };
                check.find("edges", edge_name(&key), "the edge of the graph has no record")?;
            }
        }
        Ok(())
    }

    fn verify_pending(&self, graph: &Graph, expected: &mut Expected, check: &mut dyn Inspector) -> Result<(), Error> {
        for (&(end, other, kind, leads_in), pending) in self.pending.iter() {
            let key = &pending.edge.key;
            let (from, to) = if leads_in || graph.get_id(end) != Some(&key.from) { (other, end) } else { (end, other) };
            let ends = (graph.get_id(from), graph.get_kind(kind).map(|kind| &kind.name), graph.get_id(to));
            if ends != (Some(&key.from), Some(&key.kind), Some(&key.to)) {
                check.find("pending edges", edge_name(key), "an end or the kind is not there")?;
                continue;
            }
            if self.pending.get((from, kind, to)).is_none_or(|kept| kept.edge != pending.edge) {
                check.find("pending edges", edge_name(key), "it is not the same at both of its ends")?;
            }
            if end != from {
                continue;
            }
            if self.record((from, kind, to)).is_some() {
                check.find("pending edges", edge_name(key), "it stands, too")?;
            }
            if pending.edge.attrs.asked_by.as_ref().is_none_or(|id| *id != key.from && *id != key.to) {
                check.find("pending edges", edge_name(key), "neither of its ends asked for it")?;
            }
            expected.add(&pending.edge);
        }
        Ok(())
    }
}

/// What the indexes and the digest must be, gathered from the records.
#[derive(Default)]
struct Expected {
    digest: Digest,
    outcomes: BTreeSet<(StatusId, EdgeKey)>,
    introduced: BTreeSet<(MemberId, EdgeKey)>,
}

impl Expected {
    fn add(&mut self, edge: &Edge) {
        self.digest.add(edge.content_hash());
        let Some(origin) = &edge.attrs.origin else { return };
        self.outcomes.extend(origin.status.iter().map(|status| (status.clone(), edge.key.clone())));
        self.introduced.extend(origin.introducers.iter().map(|id| (id.clone(), edge.key.clone())));
    }
}

/// Returns the edge of a record, if its kind and other end exist.
fn verify_edge(
    graph: &Graph,
    statuses: &Statuses,
    from: MemberIx,
    record: &EdgeRecord,
    check: &mut dyn Inspector,
) -> Result<Option<Edge>, Error> {
    let from_id = graph.id(from);
    let (Some(kind), Some(to_id)) = (graph.get_kind(record.kind), graph.get_id(record.to)) else {
        check.find("edges", from_id.as_str(), "an edge of the member has no kind, or no other end")?;
        return Ok(None);
    };
    let key = EdgeKey { from: from_id.clone(), kind: kind.name.clone(), to: to_id.clone() };
    let attrs = &record.attrs;
    let mut find = |message| check.find("edges", edge_name(&key), message);
    if kind.attrs.symmetric && from_id > to_id {
        find("the symmetric edge is kept under its greater id")?;
    }
    let mut inputs = super::records::strength_inputs(attrs);
    if inputs.pinned.is_some() {
        // How its interactions faded is of no use to the graph.
        inputs.faded = 0.0;
    }
    match graph.strength_inputs(from, record.kind, record.to) {
        None => find("the edge is not in the graph")?,
        Some(kept) if kept != inputs => find("the graph has another strength of the edge")?,
        Some(_) => {}
    }
    if attrs.visibility != graph.edge_visibility(from, record.kind, record.to) {
        find("the graph has another visibility of the edge")?;
    }
    if let Some(status) = attrs.origin.as_ref().and_then(|origin| origin.status.as_ref())
        && !statuses.contains(status)
    {
        find("the status it came of is not there")?;
    }
    Ok(Some(Edge { key, attrs: attrs.clone() }))
}

fn edge_name(key: &EdgeKey) -> String {
    format!("{} {} {}", key.from, key.kind, key.to)
}

/// Returns the least key there is: where ranges begin.
fn least_key() -> EdgeKey {
    EdgeKey { from: MemberId::least(), kind: KindName::least(), to: MemberId::least() }
}
