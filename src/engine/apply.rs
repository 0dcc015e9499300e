//! The fold: one command changes the state, the same way wherever and whenever it is replayed.
//!
//! Every change is checked before anything is touched, so a refused change leaves the state as it was.

use super::digest::Hashed;
use super::edge_list::EdgeList;
use super::erasures::member_erased;
use super::records::{MemberRecord, Stored};
use super::state::State;
use super::{Applied, Effect};
use crate::domain::{
    Change, Error, Event, Kind, KindName, Member, MemberId, MemberPatch, Precondition, Reason, Resource, TimeMs, Times,
};
use crate::graph::{KindIx, MemberIx};

/// When a change is carried out, and who is told what it leaves behind.
pub(super) struct Act<'a> {
    /// When the command was accepted.
    pub now: TimeMs,
    /// Nobody asks when the log is replayed.
    events: Option<&'a mut Vec<Event>>,
    /// Whether it comes of an import, which brings back nobody who was erased.
    pub imported: bool,
}

impl Act<'_> {
    pub fn recorded(now: TimeMs, events: &mut Vec<Event>) -> Act<'_> {
        Act { now, events: Some(events), imported: false }
    }

    /// Of an import, or of one that is replayed, which nobody is told of.
    pub fn told(now: TimeMs, events: Option<&mut Vec<Event>>) -> Act<'_> {
        Act { now, imported: events.is_some(), events }
    }

    pub fn tell(&mut self, event: impl FnOnce() -> Event) {
        if let Some(events) = &mut self.events {
            // Most changes leave one thing behind.
            events.reserve_exact(1);
            events.push(event());
        }
    }
}

impl State {
    /// Carries out one change.
    pub(super) fn apply(&mut self, act: &mut Act<'_>, change: &Change) -> Result<Applied, Error> {
        match change {
            Change::PutKind { kind, precondition } => self.put_kind(act, kind, precondition),
            Change::DeleteKind { name, precondition, allow_missing } => {
                self.delete_kind(act, name, precondition, *allow_missing)
            }
            Change::PutMember { member, precondition } => self.put_member(act, member, precondition),
            Change::UpdateMember { id, patch, precondition } => self.update_member(act, id, patch, precondition, false),
            Change::MergeMember { id, patch, precondition } => self.update_member(act, id, patch, precondition, true),
            Change::MergeKind { kind, kept, precondition } => {
                let before = self.kind(kind.name.as_str());
                let after = kind.merged(*kept, before.as_ref().map(|before| &before.value))?;
                self.put_kind(act, &after, precondition)
            }
            Change::DeleteMember { id, precondition, allow_missing } => {
                self.delete_member(act, id, precondition, *allow_missing)
            }
            Change::PutEdge { put, precondition, allow_missing_members } => {
                self.put_edge(act, put, precondition, *allow_missing_members)
            }
            Change::DeleteEdge { key, precondition, allow_missing } => {
                self.delete_edge(act, key, precondition, *allow_missing)
            }
            Change::RecordInteractions { record } => self.record_interactions(act, record),
            Change::PostStatus { status } => self.post_status(act, status),
            Change::DeleteStatus { id, precondition, allow_missing } => {
                self.delete_status(act, id, precondition, *allow_missing)
            }
            Change::BlockMember { block } => self.block_member(act, block),
            Change::UnblockMember { block, allow_missing } => self.unblock_member(act, block, *allow_missing),
            Change::RecordIntroduction { introduction } => self.record_introduction(act, introduction),
            Change::PutIntroducerTally { introducer, tally } => self.put_introducer_tally(act, introducer, tally),
            Change::KeepErased { key, days } => {
                self.erasures.keep(*key, *days);
                Ok(Applied::of(Effect::Updated))
            }
            Change::RememberErased { key, erased } => self.learn_erased(*key, erased),
            Change::EraseStatus { id } => Ok(self.erase_expired(act, id)),
            Change::KeepSecret { secret } => self.keep_secret(act, *secret),
        }
    }

    fn put_kind(&mut self, act: &mut Act<'_>, kind: &Kind, precondition: &Precondition) -> Result<Applied, Error> {
        let before = self.kind(kind.name.as_str());
        check(precondition, before.as_ref(), "kind")?;
        let Some(before) = before else {
            if self.graph.add_kind(kind.clone()).is_none() {
                return Err(Error::precondition("kind.name", Reason::KindLimit, "64 kinds are registered already"));
            }
            self.digest.add(kind.content_hash());
            act.tell(|| Event::KindPut { kind: kind.clone() });
            return Ok(Applied::of(Effect::Created));
        };
        if before.value == *kind {
            return Ok(Applied::of(Effect::Unchanged));
        }
        let ix = self.graph.find_kind(kind.name.as_str()).expect("the kind was found before");
        if before.value.attrs.symmetric != kind.attrs.symmetric && self.has_edges_of(ix) {
            let message = "can't be changed while edges of the kind exist";
            return Err(Error::precondition("kind.symmetric", Reason::KindInUse, message));
        }
        self.graph.replace_kind(ix, kind.clone());
        self.digest.remove(before.value.content_hash());
        self.digest.add(kind.content_hash());
        act.tell(|| Event::KindPut { kind: kind.clone() });
        Ok(Applied::of(Effect::Updated))
    }

    fn delete_kind(
        &mut self,
        act: &mut Act<'_>,
        name: &KindName,
        precondition: &Precondition,
        allow_missing: bool,
    ) -> Result<Applied, Error> {
        let before = self.kind(name.as_str());
        check(precondition, before.as_ref(), "name")?;
        let Some(before) = before else {
            return missing(Resource::Kind, name, allow_missing);
        };
        let ix = self.graph.find_kind(name.as_str()).expect("the kind was found before");
        let in_audience = |kinds: &[KindName]| kinds.binary_search(name).is_ok();
        if self.has_edges_of(ix) || self.statuses.values().any(|s| in_audience(&s.status.attrs.audience.filter.kinds)) {
            return Err(Error::precondition("name", Reason::KindInUse, "edges or audiences of statuses use the kind"));
        }
        self.graph.remove_kind(ix);
        self.digest.remove(before.value.content_hash());
        act.tell(|| Event::KindDeleted { name: name.clone() });
        Ok(Applied::of(Effect::Deleted))
    }

    /// Whether edges are of a kind, pending ones too.
    fn has_edges_of(&self, kind: KindIx) -> bool {
        self.graph.kind_uses(kind) > 0 || self.pending.has_kind(kind)
    }

    fn put_member(
        &mut self,
        act: &mut Act<'_>,
        member: &Member,
        precondition: &Precondition,
    ) -> Result<Applied, Error> {
        let before = self.member(member.id.as_str());
        check(precondition, before.as_ref(), "member")?;
        match before {
            None if act.imported && self.erasures.contains(&member.id, act.now) => Err(member_erased("member.id")),
            None => {
                self.erasures.remove(&member.id);
                self.add_member(act, member);
                Ok(Applied::of(Effect::Created))
            }
            Some(before) => Ok(Applied::of(self.replace_member(act, &before, member))),
        }
    }

    fn update_member(
        &mut self,
        act: &mut Act<'_>,
        id: &MemberId,
        patch: &MemberPatch,
        precondition: &Precondition,
        create: bool,
    ) -> Result<Applied, Error> {
        let before = self.member(id.as_str());
        check(precondition, before.as_ref(), "member")?;
        let Some(before) = before else {
            if !create {
                return Err(Error::not_found(Resource::Member, id));
            }
            return self.put_member(act, &patch.member(&Member::bare(id.clone())), &Precondition::None);
        };
        let after = patch.member(&before.value);
        // Each label is within its bounds; together with those there were they may be too many.
        if let Some(violation) =
            after.attrs.violations().into_iter().find(|violation| violation.reason == Reason::TooMany)
        {
            return Err(violation.within("member").into());
        }
        Ok(Applied::of(self.replace_member(act, &before, &after)))
    }

    pub(super) fn add_member(&mut self, act: &mut Act<'_>, member: &Member) -> MemberIx {
        let ix = self.graph.add_member(member.id.clone());
        let record = MemberRecord::new(member, Times::new(act.now));
        if ix.0 as usize == self.members.len() {
            self.members.push(record);
            self.edges.push(EdgeList::default());
        } else {
            *self.members.get_mut(ix.0 as usize).expect("a reused slot exists") = record;
        }
        self.topics.add_interests(ix, &member.attrs.topics);
        self.graph.set_privacy(ix, member.attrs.privacy());
        self.digest.add(member.content_hash());
        let create_time = act.now;
        act.tell(|| Event::MemberPut { member: member.clone(), create_time });
        ix
    }

    fn replace_member(&mut self, act: &mut Act<'_>, before: &Stored<Member>, after: &Member) -> Effect {
        if before.value == *after {
            return Effect::Unchanged;
        }
        let ix = self.graph.find(after.id.as_str()).expect("the member was found before");
        self.topics.remove_interests(ix, &before.value.attrs.topics);
        self.topics.add_interests(ix, &after.attrs.topics);
        let record = self.members.get_mut(ix.0 as usize).expect("every member of the graph has a record");
        *record = MemberRecord::new(after, record.times.updated(act.now));
        self.graph.set_privacy(ix, after.attrs.privacy());
        self.privacy_set(ix);
        self.digest.remove(before.value.content_hash());
        self.digest.add(after.content_hash());
        act.tell(|| Event::MemberPut { member: after.clone(), create_time: before.create_time });
        Effect::Updated
    }
}

/// Whether what must hold beforehand does. `field` is where the resource stands in a request.
pub(super) fn check<T: Hashed>(
    precondition: &Precondition,
    stored: Option<&Stored<T>>,
    field: &str,
) -> Result<(), Error> {
    let failed = |message: &str| Err(Error::precondition(field, Reason::PreconditionFailed, message));
    match (precondition, stored) {
        (Precondition::None, _) | (Precondition::Absent, None) | (Precondition::Present, Some(_)) => Ok(()),
        (Precondition::Etag(etag), Some(stored)) if *etag == stored.etag() => Ok(()),
        (Precondition::Etag(_), _) => Err(Error::EtagMismatch { field: format!("{field}.etag") }),
        (Precondition::Absent, Some(_)) => failed("must not exist, but does"),
        (Precondition::Present, None) => failed("must exist, but does not"),
    }
}

/// The answer to a delete of what is not there.
pub(super) fn missing(resource: Resource, id: impl ToString, allowed: bool) -> Result<Applied, Error> {
    if allowed { Ok(Applied::of(Effect::Unchanged)) } else { Err(Error::not_found(resource, id)) }
}
