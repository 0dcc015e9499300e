//! The erasure of a member, with all that goes with it.

use std::collections::HashSet;

use super::State;
use super::apply::{ApplyContext, check, missing};
use super::erasures::member_erased;
use super::records::EdgeSlot;
use crate::domain::{
    Change, ChangeError, EdgeKey, Event, Member, MemberId, Precondition, Privacy, Reason, Resource, StatusId, TimeMs,
    Violation,
};
use crate::engine::outcome::{Applied, Effect};
use crate::graph::{HalfEdge, MemberIx};

impl State {
    /// Erases a member with its edges and statuses, and its name wherever else it stands.
    pub(super) fn delete_member(
        &mut self,
        context: &mut ApplyContext<'_>,
        id: &MemberId,
        precondition: &Precondition,
        allow_missing: bool,
    ) -> Result<Applied, ChangeError> {
        let before = self.member(id.as_str());
        check(precondition, before.as_ref())?;
        let Some(before) = before else {
            return missing(Resource::Member, id, allow_missing);
        };
        let ix = self.graph.find(id.as_str()).expect("the member was found before");
        let mut applied = Applied::of(Effect::Deleted);
        applied.edges_deleted = self.remove_edges_of(ix) + self.removed_ahead(id);
        let statuses: Vec<StatusId> = self.statuses.of_author(ix, None).cloned().collect();
        applied.statuses_deleted = statuses.len() as u64;
        for status in &statuses {
            self.erase_status(context, status);
        }
        self.erase_mentions(context, id);
        self.remove_blocks_of(ix);
        self.tallies.remove(ix, id);
        self.graph.set_privacy(ix, Privacy::default());
        self.topics.remove_interests(ix, &before.value.attrs);
        self.members.remove(ix, &before.value);
        self.graph.remove_member(ix);
        self.requests.erase(id.as_str());
        self.note_erasure(context);
        self.erasures.add(id, context.now);
        context.emit(|| Event::MemberDeleted { id: id.clone() });
        Ok(applied)
    }

    /// Notes that the command under way erases something, whose bytes are to leave the disk in time.
    pub(super) fn note_erasure(&mut self, context: &ApplyContext<'_>) {
        let erasure = (self.sequence + 1, context.now);
        if self.erased.last() != Some(&erasure) {
            self.erased.push(erasure);
        }
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
        let edges = self.slots_of(ix);
        for some in edges.chunks(together) {
            if !go_on() {
                return None;
            }
            some.iter().for_each(|slot| self.remove_edge(*slot));
        }
        Some(edges.len() as u64)
    }

    /// The slots of a member's edges, with those of pending ones at the end.
    pub(super) fn slots_of(&self, ix: MemberIx) -> Vec<EdgeSlot> {
        let edge = |half: HalfEdge| match half.leads_out() {
            true => (ix, half.kind(), half.neighbor()),
            false => (half.neighbor(), half.kind(), ix),
        };
        let edges = self.graph.half_edges(ix).iter().map(edge).chain(self.edges.pending().slots(ix));
        let kept = |(from, kind, to)| {
            let (from, to) = self.kept_order(from, kind, to);
            (from, kind, to)
        };
        edges.map(kept).collect()
    }

    /// Takes a member's name out of the origins of edges and the audiences of statuses.
    fn erase_mentions(&mut self, context: &mut ApplyContext<'_>, id: &MemberId) {
        let introduced: Vec<EdgeKey> = self.edges.introduced_by(id).cloned().collect();
        for key in introduced {
            self.edit_origin(context, &key, |origin| origin.introducers.retain(|introducer| introducer != id));
        }
        let excluding: Vec<StatusId> = self.statuses.excluding(id).cloned().collect();
        for status in excluding {
            let mut record = self.unstore_status(&status);
            record.status.attrs.audience.filter.exclude.retain(|excluded| excluded != id);
            record.times = record.times.updated(context.now);
            let now = context.now;
            context.emit(|| Event::status_put(record.status.clone(), record.times, now));
            self.store_status(record);
        }
    }
}

impl State {
    /// Erased members whose ids are remembered.
    pub fn erased_count(&self) -> u64 {
        self.erasures.len() as u64
    }

    /// Takes out of imported changes the names of those who were erased, where they only stand beside; what is about them is refused
    /// when it is carried out. Who is brought back by a change may be named by those after it.
    pub fn without_erased<'c>(&self, changes: impl Iterator<Item = &'c mut Change>, now: TimeMs) {
        let mut brought_back = HashSet::new();
        for change in changes {
            let restored = change.restored();
            let is_erased = |id: &MemberId| {
                self.graph.find(id.as_str()).is_none() && self.erasures.contains(id, now) && !brought_back.contains(id)
            };
            let put = match change {
                Change::Restore { put, .. } => put,
                plain => plain,
            };
            match put {
                Change::PutEdge { put, .. } => {
                    if let Some(origin) = &mut put.attrs.origin {
                        origin.introducers.retain(|id| !is_erased(id));
                    }
                }
                Change::PostStatus { status } => status.attrs.audience.filter.exclude.retain(|id| !is_erased(id)),
                Change::PutMember {
                    member: Member { id, .. },
                    precondition: Precondition::None | Precondition::Absent,
                }
                | Change::MergeMember { id, precondition: Precondition::None | Precondition::Absent, .. }
                    if is_erased(id) && !self.erasures.bars(id, now, restored) =>
                {
                    brought_back.insert(id.clone());
                }
                _ => {}
            }
        }
    }

    /// The refusal of what would bring somebody back who was erased, if that is what is refused here.
    pub fn erased_instead(&self, change: &Change, error: ChangeError, now: TimeMs) -> ChangeError {
        let erased = || change.members().into_iter().any(|id| self.erasures.contains(id, now));
        match error {
            ChangeError::Precondition(Violation { field, reason: Reason::MemberMissing, .. }) if erased() => {
                member_erased(field)
            }
            error => error,
        }
    }
}
