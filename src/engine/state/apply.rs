//! The fold: one command changes the state, the same way wherever and whenever it is replayed.
//!
//! Every change is checked before anything is touched, so a refused change leaves the state as it was.

use std::sync::Arc;

use super::State;
use super::digest::Hashed;
use super::erasures::member_erased;
use super::records::Stored;
use super::token_key::TokenKey;
use crate::domain::{
    Change, ChangeError, ErasedId, ErasureKey, Event, Kind, KindName, Member, MemberId, MemberPatch, Part,
    Precondition, Reason, Resource, TimeMs, Times,
};
use crate::engine::outcome::{Applied, Effect};
use crate::graph::{KindIx, MemberIx};

/// When a change is applied, for whom, and where the events go that it leaves behind.
pub struct ApplyContext<'a> {
    /// When the command was accepted.
    pub now: TimeMs,
    /// None when the log is replayed: nobody asks for events then.
    events: Option<&'a mut Vec<Event>>,
    /// Whether the change comes of an import, which brings back nobody who was erased.
    pub imported: bool,
    /// The times that the change says its resource has.
    restored: Option<Times>,
}

impl ApplyContext<'_> {
    pub fn of_write(now: TimeMs, events: &mut Vec<Event>) -> ApplyContext<'_> {
        ApplyContext { now, events: Some(events), imported: false, restored: None }
    }

    /// Returns the context of an import; without events that of a replay.
    pub fn of_import(now: TimeMs, events: Option<&mut Vec<Event>>) -> ApplyContext<'_> {
        ApplyContext { now, imported: events.is_some(), events, restored: None }
    }

    /// Returns the context of a change that restores these times.
    #[must_use]
    pub fn restoring(self, restored: Option<Times>) -> Self {
        ApplyContext { restored, ..self }
    }

    /// Returns the times of the change's resource after it, given those before.
    pub fn times(&self, before: Option<Times>) -> Times {
        match (before, self.restored) {
            (None, given) => given.unwrap_or(Times::new(self.now)),
            (Some(before), Some(given)) => before.restored(given),
            (Some(before), None) => before.updated(self.now),
        }
    }

    pub fn emit(&mut self, event: impl FnOnce() -> Event) {
        if let Some(events) = &mut self.events {
            // Most changes leave one thing behind.
            events.reserve_exact(1);
            events.push(event());
        }
    }
}

impl State {
    /// Carries out one change.
    pub fn apply(&mut self, context: &mut ApplyContext<'_>, change: &Change) -> Result<Applied, ChangeError> {
        match change {
            Change::PutKind { kind, precondition } => self.put_kind(context, kind, precondition),
            Change::DeleteKind { name, precondition, allow_missing } => {
                self.delete_kind(context, name, precondition, *allow_missing)
            }
            Change::PutMember { member, precondition } => self.put_member(context, member, precondition),
            Change::UpdateMember { id, patch, precondition } => {
                self.update_member(context, id, patch, precondition, false)
            }
            Change::MergeMember { id, patch, precondition } => {
                self.update_member(context, id, patch, precondition, true)
            }
            Change::MergeKind { merge, precondition } => {
                let before = self.kind(merge.kind.name.as_str());
                let after = merge.kind_after(before.as_ref().map(|before| &before.value))?;
                self.put_kind(context, &after, precondition)
            }
            Change::DeleteMember { id, precondition, allow_missing } => {
                self.delete_member(context, id, precondition, *allow_missing)
            }
            Change::PutEdge { put, precondition, allow_missing_members } => {
                self.put_edge(context, put, precondition, *allow_missing_members)
            }
            Change::DeleteEdge { key, precondition, allow_missing } => {
                self.delete_edge(context, key, precondition, *allow_missing)
            }
            Change::RecordInteractions { record } => self.record_interactions(context, record),
            Change::PostStatus { status } => self.post_status(context, status),
            Change::DeleteStatus { id, precondition, allow_missing } => {
                self.delete_status(context, id, precondition, *allow_missing)
            }
            Change::BlockMember { block } => self.block_member(context, block),
            Change::UnblockMember { block, allow_missing } => self.unblock_member(context, block, *allow_missing),
            Change::RecordIntroduction { introduction } => self.record_introduction(context, introduction),
            Change::PutIntroducerTally { introducer, tally } => self.put_introducer_tally(context, introducer, tally),
            Change::KeepErased { key, days } => {
                self.erasures.keep(*key, *days);
                Ok(Applied::of(Effect::Updated))
            }
            Change::RememberErased { key, erased } => self.learn_erased(*key, erased, context.now),
            Change::EraseStatus { id } => Ok(self.erase_expired(context, id)),
            Change::KeepSecret { secret } => {
                // Watchers hear nothing of it, and it is no part of the digest.
                self.token_key = Some(Arc::new(TokenKey::new(*secret)));
                Ok(Applied::of(Effect::Created))
            }
            Change::CreateNamespace { creator } => {
                self.creator = *creator;
                (self.create_sequence, self.create_time) = (self.sequence + 1, context.now);
                Ok(Applied::of(Effect::Created))
            }
            // The batch, or the replay, drops the state.
            Change::DeleteNamespace {} => {
                self.note_erasure(context);
                Ok(Applied::of(Effect::Deleted))
            }
            // It is of all namespaces, which note it.
            Change::Resume {} => Ok(Applied::of(Effect::Updated)),
            Change::Restore { times, put } => {
                context.restored = Some(*times);
                self.apply(context, put)
            }
        }
    }

    fn put_kind(
        &mut self,
        context: &mut ApplyContext<'_>,
        kind: &Kind,
        precondition: &Precondition,
    ) -> Result<Applied, ChangeError> {
        let before = self.kind(kind.name.as_str());
        check(precondition, before.as_ref())?;
        let Some(before) = before else {
            if self.graph.add_kind(kind.clone()).is_none() {
                let message = "64 kinds are registered already";
                return Err(ChangeError::precondition(Part::KindName, Reason::KindLimit, message));
            }
            context.emit(|| Event::KindPut { kind: kind.clone() });
            return Ok(Applied::of(Effect::Created));
        };
        if before.value == *kind {
            return Ok(Applied::of(Effect::Unchanged));
        }
        let ix = self.graph.find_kind(kind.name.as_str()).expect("the kind was found before");
        if before.value.attrs.symmetric != kind.attrs.symmetric && self.has_edges_of(ix) {
            let message = "can't be changed while edges of the kind exist";
            return Err(ChangeError::precondition(Part::Symmetric, Reason::KindInUse, message));
        }
        self.graph.replace_kind(ix, kind.clone());
        context.emit(|| Event::KindPut { kind: kind.clone() });
        Ok(Applied::of(Effect::Updated))
    }

    fn delete_kind(
        &mut self,
        context: &mut ApplyContext<'_>,
        name: &KindName,
        precondition: &Precondition,
        allow_missing: bool,
    ) -> Result<Applied, ChangeError> {
        let before = self.kind(name.as_str());
        check(precondition, before.as_ref())?;
        if before.is_none() {
            return missing(Resource::Kind, name, allow_missing);
        }
        let ix = self.graph.find_kind(name.as_str()).expect("the kind was found before");
        if self.has_edges_of(ix) || self.statuses.name_kind(name) {
            let message = "edges or audiences of statuses use the kind";
            return Err(ChangeError::precondition(Part::KindName, Reason::KindInUse, message));
        }
        self.graph.remove_kind(ix);
        context.emit(|| Event::KindDeleted { name: name.clone() });
        Ok(Applied::of(Effect::Deleted))
    }

    /// Whether edges are of a kind, pending ones too.
    fn has_edges_of(&self, kind: KindIx) -> bool {
        self.graph.kind_uses(kind) > 0 || self.edges.pending().has_kind(kind)
    }

    fn put_member(
        &mut self,
        context: &mut ApplyContext<'_>,
        member: &Member,
        precondition: &Precondition,
    ) -> Result<Applied, ChangeError> {
        let before = self.member(member.id.as_str());
        check(precondition, before.as_ref())?;
        match before {
            None if context.imported && self.erasures.bars(&member.id, context.now, context.restored) => {
                Err(member_erased(Part::MemberId))
            }
            None => {
                self.erasures.remove(&member.id);
                self.add_member(context, member, context.times(None));
                Ok(Applied::of(Effect::Created))
            }
            Some(before) => Ok(Applied::of(self.replace_member(context, &before, member))),
        }
    }

    fn update_member(
        &mut self,
        context: &mut ApplyContext<'_>,
        id: &MemberId,
        patch: &MemberPatch,
        precondition: &Precondition,
        create: bool,
    ) -> Result<Applied, ChangeError> {
        let before = self.member(id.as_str());
        check(precondition, before.as_ref())?;
        if before.is_none() && !create {
            return Err(ChangeError::not_found(Resource::Member, id));
        }
        let after = match &before {
            Some(before) => patch.member(&before.value),
            None => patch.member(&Member::bare(id.clone())),
        };
        // Each label is within its bounds; together with those there were they may be too many.
        if let Some(violation) =
            after.attrs.violations().into_iter().find(|violation| violation.reason == Reason::TooMany)
        {
            return Err(ChangeError::Invalid(vec![violation.at(|_| Part::Labels)]));
        }
        match before {
            Some(before) => Ok(Applied::of(self.replace_member(context, &before, &after))),
            None => self.put_member(context, &after, &Precondition::None),
        }
    }

    pub(super) fn add_member(&mut self, context: &mut ApplyContext<'_>, member: &Member, times: Times) -> MemberIx {
        let ix = self.graph.add_member(member.id.clone());
        if self.members.add(ix, member, times) {
            self.edges.add_member();
        }
        self.topics.add_interests(ix, &member.attrs);
        self.graph.set_privacy(ix, member.attrs.privacy());
        let now = context.now;
        context.emit(|| Event::member_put(member.clone(), times, now));
        ix
    }

    fn replace_member(&mut self, context: &mut ApplyContext<'_>, before: &Stored<Member>, after: &Member) -> Effect {
        if before.value == *after {
            return Effect::Unchanged;
        }
        let ix = self.graph.find(after.id.as_str()).expect("the member was found before");
        self.topics.remove_interests(ix, &before.value.attrs);
        self.topics.add_interests(ix, &after.attrs);
        let (times, now) = (context.times(Some(before.times())), context.now);
        self.members.replace(ix, &before.value, after, times);
        self.graph.set_privacy(ix, after.attrs.privacy());
        self.privacy_set(ix);
        context.emit(|| Event::member_put(after.clone(), times, now));
        Effect::Updated
    }

    fn learn_erased(&mut self, key: ErasureKey, erased: &[ErasedId], now: TimeMs) -> Result<Applied, ChangeError> {
        let is_new = self.erasures.learn(key, erased, now)?;
        Ok(Applied::of(if is_new { Effect::Created } else { Effect::Unchanged }))
    }
}

/// Whether what must hold beforehand does.
pub(super) fn check<T: Hashed>(precondition: &Precondition, stored: Option<&Stored<T>>) -> Result<(), ChangeError> {
    let failed =
        |message: &str| Err(ChangeError::precondition(Part::Precondition, Reason::PreconditionFailed, message));
    match (precondition, stored) {
        (Precondition::None, _) | (Precondition::Absent, None) | (Precondition::Present, Some(_)) => Ok(()),
        (Precondition::Etag(etag), Some(stored)) if *etag == stored.etag() => Ok(()),
        (Precondition::Etag(_), _) => Err(ChangeError::EtagMismatch),
        (Precondition::Absent, Some(_)) => failed("must not exist, but does"),
        (Precondition::Present, None) => failed("must exist, but does not"),
    }
}

/// The answer to a delete of what is not there.
pub(super) fn missing(resource: Resource, id: impl ToString, allowed: bool) -> Result<Applied, ChangeError> {
    if allowed { Ok(Applied::of(Effect::Unchanged)) } else { Err(ChangeError::not_found(resource, id)) }
}
