//! Changes of edges and statuses, and what goes with a member that is erased.

use std::cmp::Reverse;
use std::sync::Arc;

use super::apply::{Act, check, missing};
use super::digest::Hashed;
use super::edge_list::EdgeList;
use super::erasures::member_erased;
use super::pending::PendingEdge;
use super::records::{EdgeRecord, MemberRecord, StatusRecord, Stored, strength_inputs};
use super::state::{Mention, State};
use super::{Applied, Effect};
use crate::domain::{
    Edge, EdgeKey, EdgePut, Error, Event, InteractionRecord, KindName, Member, MemberId, Origin, Precondition, Privacy,
    Reason, Resource, Status, StatusId, Times, Violation, Visibility,
};
use crate::graph::{HalfEdge, KindIx, MemberIx, add_interactions};

/// An edge's `from` end, kind and `to` end, as it is kept.
pub(super) type EdgePlace = (MemberIx, KindIx, MemberIx);

impl State {
    pub(super) fn put_edge(
        &mut self,
        act: &mut Act<'_>,
        put: &EdgePut,
        precondition: &Precondition,
        allow_missing_members: bool,
    ) -> Result<Applied, Error> {
        let kind = self.registered(&put.key.kind, "edge.kind")?;
        let key = self.kept_key(&put.key, kind);
        let ends = [self.graph.find(key.from.as_str()), self.graph.find(key.to.as_str())];
        let before = ends[0].zip(ends[1]).and_then(|(from, to)| self.edge_of(&key, (from, kind, to)));
        check(precondition, before.as_ref(), "edge")?;
        self.check_origin(put)?;
        for (id, field) in [(&put.key.from, "edge.from_id"), (&put.key.to, "edge.to_id")] {
            if self.graph.find(id.as_str()).is_some() {
                continue;
            }
            if self.erasures.contains(id, act.now) {
                return Err(member_erased(field));
            }
            if !allow_missing_members {
                self.require_member(id, field)?;
            }
        }
        let after = put.edge_after(key, before.as_ref().map(|stored| &stored.value));
        let mut applied = Applied::of(Effect::Created);
        if let Some(before) = &before {
            if before.value == after {
                return Ok(Applied::of(Effect::Unchanged));
            }
            applied.effect = Effect::Updated;
        }
        let mut end = |found: Option<MemberIx>, id: &MemberId| {
            found.unwrap_or_else(|| {
                applied.members_created += 1;
                self.add_member(act, &Member::bare(id.clone()))
            })
        };
        let place = (end(ends[0], &after.key.from), kind, end(ends[1], &after.key.to));
        self.store_edge(act, place, before.as_ref(), &after);
        Ok(applied)
    }

    pub(super) fn check_origin(&self, put: &EdgePut) -> Result<(), Error> {
        let status = put.attrs.origin.as_ref().and_then(|origin| origin.status.as_ref());
        if status.is_none_or(|status| self.statuses.contains_key(status)) {
            return Ok(());
        }
        Err(Error::precondition("edge.origin.status_id", Reason::StatusMissing, "no such status"))
    }

    pub(super) fn registered(&self, kind: &KindName, field: &str) -> Result<KindIx, Error> {
        self.graph.find_kind(kind.as_str()).ok_or_else(|| {
            let message = format!("no kind {:?} is registered", kind.as_str());
            Violation::new(field, Reason::UnknownKind, message).into()
        })
    }

    /// The key an edge is kept under.
    pub(super) fn kept_key(&self, key: &EdgeKey, kind: KindIx) -> EdgeKey {
        if self.graph.kind(kind).attrs.symmetric { key.clone().smaller_first() } else { key.clone() }
    }

    /// The edge at a place, pending or not, which has this key.
    pub(super) fn edge_of(&self, key: &EdgeKey, (from, kind, to): EdgePlace) -> Option<Stored<Edge>> {
        let Some(record) = self.edge_record(from, kind, to) else { return self.pending_edge((from, kind, to)) };
        Some(Stored::of(Edge { key: key.clone(), attrs: record.attrs }, record.times))
    }

    /// The same by the place alone.
    pub(super) fn edge_of_kind(&self, place: EdgePlace) -> Option<Stored<Edge>> {
        self.edge_of(&self.key_of(place.0, place.1, place.2), place)
    }

    pub(super) fn require_member(&self, id: &MemberId, field: &str) -> Result<(), Error> {
        self.existing(id, field).map(|_| ())
    }

    pub(super) fn existing(&self, id: &MemberId, field: &str) -> Result<MemberIx, Error> {
        let missing = || Error::precondition(field, Reason::MemberMissing, "no such member");
        self.graph.find(id.as_str()).ok_or_else(missing)
    }

    /// Writes an edge whose members and kind exist in the place of what was there.
    fn store_edge(&mut self, act: &mut Act<'_>, place: EdgePlace, before: Option<&Stored<Edge>>, after: &Edge) {
        if after.attrs.asked_by.is_none() {
            let (from, kind, to) = place;
            self.graph.put_edge(from, kind, to, strength_inputs(&after.attrs));
        }
        self.store_record(act, place, before, after);
    }

    /// The same for all but the graph's adjacency.
    pub(super) fn store_record(
        &mut self,
        act: &mut Act<'_>,
        place: EdgePlace,
        before: Option<&Stored<Edge>>,
        after: &Edge,
    ) {
        let times = match before {
            Some(before) => Times { create: before.create_time, update: act.now },
            None => Times::new(act.now),
        };
        if let Some(before) = before {
            self.digest.remove(before.value.content_hash());
            self.unindex_origin(&before.value);
        }
        self.digest.add(after.content_hash());
        self.index_origin(after);
        if after.attrs.asked_by.is_some() {
            self.put_pending(place, PendingEdge { edge: after.clone(), times });
        } else {
            let stood = before.filter(|before| before.value.attrs.asked_by.is_none());
            if before.is_some() && stood.is_none() {
                self.remove_pending(place);
            }
            let (from, kind, to) = place;
            if after.attrs.visibility != stood.map_or(Visibility::default(), |before| before.value.attrs.visibility) {
                self.graph.set_edge_visibility(from, kind, to, after.attrs.visibility);
            }
            self.edge_list(from).insert(&EdgeRecord { to, kind, times, attrs: after.attrs.clone() });
        }
        act.tell(|| Event::EdgePut { edge: after.clone(), create_time: times.create });
    }

    fn edge_list(&mut self, from: MemberIx) -> &mut EdgeList {
        self.edges.get_mut(from.0 as usize).expect("every member of the graph has a list of edges")
    }

    pub(super) fn index_origin(&mut self, edge: &Edge) {
        let Some(origin) = &edge.attrs.origin else { return };
        if let Some(status) = &origin.status {
            self.outcomes.insert((status.clone(), edge.key.clone()));
        }
        for introducer in &origin.introducers {
            self.mentions.insert((introducer.clone(), Mention::Introducer(edge.key.clone())));
        }
    }

    fn unindex_origin(&mut self, edge: &Edge) {
        let Some(origin) = &edge.attrs.origin else { return };
        if let Some(status) = &origin.status {
            self.outcomes.remove(&(status.clone(), edge.key.clone()));
        }
        for introducer in &origin.introducers {
            self.mentions.remove(&(introducer.clone(), Mention::Introducer(edge.key.clone())));
        }
    }

    pub(super) fn delete_edge(
        &mut self,
        act: &mut Act<'_>,
        key: &EdgeKey,
        precondition: &Precondition,
        allow_missing: bool,
    ) -> Result<Applied, Error> {
        let before = self.edge(key);
        check(precondition, before.as_ref(), "edge")?;
        if before.is_none() {
            return missing(Resource::Edge, format!("{}-{}-{}", key.from, key.kind, key.to), allow_missing);
        }
        let (from, kind, to) = self.locate(key).expect("the edge was found before");
        let (from, to) = self.kept_order(from, kind, to);
        self.remove_edge(from, kind, to);
        act.tell(|| Event::EdgeDeleted { key: self.key_of(from, kind, to) });
        Ok(Applied::of(Effect::Deleted))
    }

    /// Removes an edge that exists; of a symmetric kind its ends may come in either order.
    fn remove_edge(&mut self, from: MemberIx, kind: KindIx, to: MemberIx) {
        let before = self.edge_at(from, kind, to).expect("the edge exists");
        let (from, to) = self.kept_order(from, kind, to);
        self.digest.remove(before.value.content_hash());
        self.unindex_origin(&before.value);
        if before.value.attrs.asked_by.is_some() {
            return self.remove_pending((from, kind, to));
        }
        self.graph.remove_edge(from, kind, to);
        self.edge_list(from).remove((to, kind));
    }

    pub(super) fn record_interactions(
        &mut self,
        act: &mut Act<'_>,
        record: &InteractionRecord,
    ) -> Result<Applied, Error> {
        let kind = self.registered(&record.key.kind, "kind")?;
        let key = self.kept_key(&record.key, kind);
        let place = self.locate(&key);
        let found = place.and_then(|place| Some((place, self.edge_of(&key, place)?)));
        let (place, before) =
            found.ok_or_else(|| Error::not_found(Resource::Edge, format!("{}-{}-{}", key.from, key.kind, key.to)))?;
        if before.value.attrs.asked_by.is_some() {
            return Err(Error::precondition(
                "kind",
                Reason::EdgePending,
                "the edge is pending: it counts no interactions",
            ));
        }
        let mut after = before.value.clone();
        after.attrs.history = add_interactions(after.attrs.history, self.graph.kind(kind), record.count, record.time_s);
        self.store_edge(act, place, Some(&before), &after);
        Ok(Applied::of(Effect::Updated))
    }

    pub(super) fn post_status(&mut self, act: &mut Act<'_>, status: &Status) -> Result<Applied, Error> {
        if self.statuses.contains_key(&status.id) {
            return Err(Error::AlreadyExists { resource: Resource::Status, id: status.id.to_string() });
        }
        self.require_member(&status.author, "status.author_id")?;
        let unknown = status.attrs.audience.filter.kinds.iter().enumerate();
        let unknown = unknown.filter(|(_, kind)| self.graph.find_kind(kind.as_str()).is_none());
        let unknown: Vec<Violation> = unknown
            .map(|(i, kind)| {
                let message = format!("no kind {:?} is registered", kind.as_str());
                Violation::new(format!("status.audience.filter.kinds[{i}]"), Reason::UnknownKind, message)
            })
            .collect();
        if !unknown.is_empty() {
            return Err(Error::Invalid(unknown));
        }
        self.store_status(StatusRecord { status: status.clone(), times: Times::new(act.now) });
        let create_time = act.now;
        act.tell(|| Event::StatusPut { status: status.clone(), create_time });
        Ok(Applied::of(Effect::Created))
    }

    /// Stores a status whose author exists and whose id is free.
    pub(super) fn store_status(&mut self, record: StatusRecord) {
        let author = self.author_of(&record);
        let status = &record.status;
        self.by_author.insert((author, Reverse(status.attrs.post_time), status.id.clone()));
        for excluded in &status.attrs.audience.filter.exclude {
            self.mentions.insert((excluded.clone(), Mention::Excluded(status.id.clone())));
        }
        self.topics.add_subjects(author, &status.attrs.topics);
        if let Some(time) = status.attrs.expire_time {
            self.expiring.insert((time, status.id.clone()));
        }
        self.digest.add(status.content_hash());
        self.statuses.insert(status.id.clone(), Arc::new(record));
    }

    fn unstore_status(&mut self, id: &StatusId) -> Arc<StatusRecord> {
        let record = self.statuses.remove(id).expect("the status exists");
        let author = self.author_of(&record);
        let status = &record.status;
        self.by_author.remove(&(author, Reverse(status.attrs.post_time), id.clone()));
        for excluded in &status.attrs.audience.filter.exclude {
            self.mentions.remove(&(excluded.clone(), Mention::Excluded(id.clone())));
        }
        self.topics.remove_subjects(author, &status.attrs.topics);
        if let Some(time) = status.attrs.expire_time {
            self.expiring.remove(&(time, id.clone()));
        }
        self.digest.remove(status.content_hash());
        record
    }

    pub(super) fn delete_status(
        &mut self,
        act: &mut Act<'_>,
        id: &StatusId,
        precondition: &Precondition,
        allow_missing: bool,
    ) -> Result<Applied, Error> {
        let before = self.status(id.as_str());
        check(precondition, before.as_ref(), "status")?;
        if before.is_none() {
            return missing(Resource::Status, id, allow_missing);
        }
        self.erase_status(act, id);
        act.tell(|| Event::StatusDeleted { id: id.clone() });
        Ok(Applied::of(Effect::Deleted))
    }

    /// Removes a status that exists, and its name from the origins of what came of it.
    pub(super) fn erase_status(&mut self, act: &mut Act<'_>, id: &StatusId) {
        self.unstore_status(id);
        let outcomes: Vec<EdgeKey> = self.outcomes_of(id, None).cloned().collect();
        for key in outcomes {
            self.edit_origin(act, &key, |origin| origin.status = None);
        }
    }

    fn edit_origin(&mut self, act: &mut Act<'_>, key: &EdgeKey, edit: impl FnOnce(&mut Origin)) {
        let place = self.locate(key).expect("an indexed edge's members and kind exist");
        let before = self.edge_of(key, place).expect("an indexed edge exists");
        let mut after = before.value.clone();
        let mut origin = after.attrs.origin.take().unwrap_or_default();
        edit(&mut origin);
        after.attrs.origin = (origin != Origin::default()).then_some(origin);
        self.store_edge(act, place, Some(&before), &after);
    }

    /// Erases a member with its edges and statuses, and its name wherever else it stands.
    pub(super) fn delete_member(
        &mut self,
        act: &mut Act<'_>,
        id: &MemberId,
        precondition: &Precondition,
        allow_missing: bool,
    ) -> Result<Applied, Error> {
        let before = self.member(id.as_str());
        check(precondition, before.as_ref(), "member")?;
        let Some(before) = before else {
            return missing(Resource::Member, id, allow_missing);
        };
        let ix = self.graph.find(id.as_str()).expect("the member was found before");
        let mut applied = Applied::of(Effect::Deleted);
        applied.edges_deleted = self.remove_edges_of(ix) + self.removed_ahead(id);
        let statuses: Vec<StatusId> = self.statuses_of(ix, None).cloned().collect();
        applied.statuses_deleted = statuses.len() as u64;
        for status in &statuses {
            self.erase_status(act, status);
        }
        self.erase_mentions(act, id);
        self.remove_blocks_of(ix);
        self.remove_tally_of(ix);
        self.graph.set_privacy(ix, Privacy::default());
        self.topics.remove_interests(ix, &before.value.attrs.topics);
        self.digest.remove(before.value.content_hash());
        *self.members.get_mut(ix.0 as usize).expect("every member of the graph has a record") = MemberRecord::default();
        self.graph.remove_member(ix);
        self.requests.erase(id.as_str());
        self.erased = self.sequence + 1;
        self.erasures.add(id, act.now, self.erased);
        act.tell(|| Event::MemberDeleted { id: id.clone() });
        Ok(applied)
    }

    fn remove_edges_of(&mut self, ix: MemberIx) -> u64 {
        self.remove_edges_while(ix, usize::MAX, &|| true).unwrap_or_default()
    }

    /// Removes all edges of a member, so many together, as long as it is to go on; none if it was not.
    pub(super) fn remove_edges_while(
        &mut self,
        ix: MemberIx,
        together: usize,
        go_on: &dyn Fn() -> bool,
    ) -> Option<u64> {
        let edge = |half: HalfEdge| match half.leads_out() {
            true => (ix, half.kind(), half.neighbor()),
            false => (half.neighbor(), half.kind(), ix),
        };
        let mut edges: Vec<EdgePlace> = self.graph.half_edges(ix).iter().map(edge).collect();
        edges.extend(self.pending_places(ix));
        for some in edges.chunks(together) {
            if !go_on() {
                return None;
            }
            some.iter().for_each(|&(from, kind, to)| self.remove_edge(from, kind, to));
        }
        Some(edges.len() as u64)
    }

    fn erase_mentions(&mut self, act: &mut Act<'_>, id: &MemberId) {
        let from_here = self.mentions.range((id.clone(), Mention::first())..);
        let mentions: Vec<Mention> = from_here.take_while(|(named, _)| named == id).map(|(_, m)| m.clone()).collect();
        for mention in mentions {
            match mention {
                Mention::Introducer(key) => {
                    self.edit_origin(act, &key, |origin| origin.introducers.retain(|introducer| introducer != id));
                }
                Mention::Excluded(status) => {
                    let mut record = (*self.unstore_status(&status)).clone();
                    record.status.attrs.audience.filter.exclude.retain(|excluded| excluded != id);
                    record.times = record.times.updated(act.now);
                    let create_time = record.times.create;
                    act.tell(|| Event::StatusPut { status: record.status.clone(), create_time });
                    self.store_status(record);
                }
            }
        }
    }
}
