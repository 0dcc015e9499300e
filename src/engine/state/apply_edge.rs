//! Changes of one edge.

use super::State;
use super::apply::{ApplyContext, check, missing};
use super::erasures::member_erased;
use super::records::{EdgeSlot, Stored, strength_inputs};
use crate::domain::{
    ChangeError, Edge, EdgeKey, EdgePut, Event, InteractionRecord, KindName, Member, MemberId, Origin, Part,
    Precondition, Reason, Resource, Times, Visibility,
};
use crate::engine::outcome::{Applied, Effect};
use crate::graph::{KindIx, MemberIx, add_interactions};

impl State {
    pub(super) fn put_edge(
        &mut self,
        context: &mut ApplyContext<'_>,
        put: &EdgePut,
        precondition: &Precondition,
        allow_missing_members: bool,
    ) -> Result<Applied, ChangeError> {
        let kind = self.registered(&put.key.kind)?;
        let key = self.kept_key(&put.key, kind);
        let ends = [self.graph.find(key.from.as_str()), self.graph.find(key.to.as_str())];
        let before = ends[0].zip(ends[1]).and_then(|(from, to)| self.edges.get((from, kind, to), || key.clone()));
        check(precondition, before.as_ref())?;
        self.check_origin(put)?;
        for (id, part) in [(&put.key.from, Part::FromId), (&put.key.to, Part::ToId)] {
            if self.graph.find(id.as_str()).is_some() {
                continue;
            }
            if self.erasures.contains(id, context.now) {
                return Err(member_erased(part));
            }
            if !allow_missing_members {
                self.require_member(id, part)?;
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
                self.add_member(context, &Member::bare(id.clone()), Times::new(context.now))
            })
        };
        let slot = (end(ends[0], &after.key.from), kind, end(ends[1], &after.key.to));
        self.store_edge(context, slot, before.as_ref(), &after);
        Ok(applied)
    }

    pub(super) fn check_origin(&self, put: &EdgePut) -> Result<(), ChangeError> {
        let status = put.attrs.origin.as_ref().and_then(|origin| origin.status.as_ref());
        if status.is_none_or(|status| self.statuses.contains(status)) {
            return Ok(());
        }
        Err(ChangeError::precondition(Part::OriginStatus, Reason::StatusMissing, "no such status"))
    }

    pub(super) fn registered(&self, kind: &KindName) -> Result<KindIx, ChangeError> {
        self.graph.find_kind(kind.as_str()).ok_or_else(|| {
            let message = format!("no kind {:?} is registered", kind.as_str());
            ChangeError::invalid(Part::EdgeKind, Reason::UnknownKind, message)
        })
    }

    /// The key an edge is kept under.
    pub(super) fn kept_key(&self, key: &EdgeKey, kind: KindIx) -> EdgeKey {
        if self.graph.kind(kind).attrs.symmetric { key.clone().smaller_first() } else { key.clone() }
    }

    pub(super) fn require_member(&self, id: &MemberId, part: Part) -> Result<(), ChangeError> {
        self.existing(id, part).map(|_| ())
    }

    pub(super) fn existing(&self, id: &MemberId, part: Part) -> Result<MemberIx, ChangeError> {
        let missing = || ChangeError::precondition(part, Reason::MemberMissing, "no such member");
        self.graph.find(id.as_str()).ok_or_else(missing)
    }

    /// Writes an edge whose members and kind exist in place of the one in its slot.
    fn store_edge(
        &mut self,
        context: &mut ApplyContext<'_>,
        slot: EdgeSlot,
        before: Option<&Stored<Edge>>,
        after: &Edge,
    ) {
        if after.attrs.asked_by.is_none() {
            let (from, kind, to) = slot;
            self.graph.put_edge(from, kind, to, strength_inputs(&after.attrs));
        }
        self.store_record(context, slot, before, after);
    }

    /// Writes all of an edge but its half-edges.
    pub(super) fn store_record(
        &mut self,
        context: &mut ApplyContext<'_>,
        slot: EdgeSlot,
        before: Option<&Stored<Edge>>,
        after: &Edge,
    ) {
        let (times, now) = (context.times(before.map(Stored::times)), context.now);
        let before = before.map(|before| &before.value);
        let stood = before.filter(|before| before.attrs.asked_by.is_none());
        let shown_before = stood.map_or(Visibility::default(), |before| before.attrs.visibility);
        if after.attrs.asked_by.is_none() && after.attrs.visibility != shown_before {
            let (from, kind, to) = slot;
            self.graph.set_edge_visibility(from, kind, to, after.attrs.visibility);
        }
        self.edges.put(&self.graph, slot, before, after, times);
        context.emit(|| Event::edge_put(after.clone(), times, now));
    }

    pub(super) fn delete_edge(
        &mut self,
        context: &mut ApplyContext<'_>,
        key: &EdgeKey,
        precondition: &Precondition,
        allow_missing: bool,
    ) -> Result<Applied, ChangeError> {
        let before = self.edge(key);
        check(precondition, before.as_ref())?;
        if before.is_none() {
            return missing(Resource::Edge, format!("{}-{}-{}", key.from, key.kind, key.to), allow_missing);
        }
        let (from, kind, to) = self.locate(key).expect("the edge was found before");
        let (from, to) = self.kept_order(from, kind, to);
        self.remove_edge((from, kind, to));
        context.emit(|| Event::EdgeDeleted { key: self.key_of((from, kind, to)) });
        Ok(Applied::of(Effect::Deleted))
    }

    /// Removes an edge that exists, its ends in the order that it is kept in.
    pub(super) fn remove_edge(&mut self, slot: EdgeSlot) {
        let before = self.edges.get(slot, || self.key_of(slot)).expect("the edge exists").value;
        if before.attrs.asked_by.is_none() {
            let (from, kind, to) = slot;
            self.graph.remove_edge(from, kind, to);
        }
        self.edges.remove(&self.graph, slot, &before);
    }

    pub(super) fn record_interactions(
        &mut self,
        context: &mut ApplyContext<'_>,
        record: &InteractionRecord,
    ) -> Result<Applied, ChangeError> {
        let kind = self.registered(&record.key.kind)?;
        let key = self.kept_key(&record.key, kind);
        let slot = self.locate(&key);
        let found = slot.and_then(|slot| Some((slot, self.edges.get(slot, || key.clone())?)));
        let (slot, before) = found
            .ok_or_else(|| ChangeError::not_found(Resource::Edge, format!("{}-{}-{}", key.from, key.kind, key.to)))?;
        if before.value.attrs.asked_by.is_some() {
            let message = "the edge is pending: it counts no interactions";
            return Err(ChangeError::precondition(Part::EdgeKind, Reason::EdgePending, message));
        }
        let mut after = before.value.clone();
        after.attrs.history = add_interactions(after.attrs.history, self.graph.kind(kind), record.count, record.time_s);
        self.store_edge(context, slot, Some(&before), &after);
        Ok(Applied::of(Effect::Updated))
    }

    /// Changes what an edge came of.
    pub(super) fn edit_origin(
        &mut self,
        context: &mut ApplyContext<'_>,
        key: &EdgeKey,
        edit: impl FnOnce(&mut Origin),
    ) {
        let slot = self.locate(key).expect("an indexed edge's members and kind exist");
        let before = self.edges.get(slot, || key.clone()).expect("an indexed edge exists");
        let mut after = before.value.clone();
        let mut origin = after.attrs.origin.take().unwrap_or_default();
        edit(&mut origin);
        after.attrs.origin = (origin != Origin::default()).then_some(origin);
        self.store_edge(context, slot, Some(&before), &after);
    }
}
