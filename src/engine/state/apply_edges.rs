//! Many puts of edges at once. What comes of them is the same as of one after the other, for a fraction of the work: members are
//! looked for in the order of their ids, records are written in the order of their slots, and the graph's segments once each.

use std::collections::HashMap;

use super::State;
use super::apply::ApplyContext;
use super::erasures::member_erased;
use super::records::{EdgeSlot, strength_inputs};
use crate::domain::{Change, ChangeError, EdgePut, Event, Member, MemberId, Part, Precondition, Reason, TimeMs, Times};
use crate::engine::outcome::{Applied, Effect};
use crate::graph::{EdgeToPut, MemberIx};

/// A change among many, when it is carried out, and where the events go that it leaves behind, if anybody asks.
pub struct PendingChange<'a> {
    pub now: TimeMs,
    pub change: &'a Change,
    pub events: Option<&'a mut Vec<Event>>,
    /// Whether the change is of an edge that is gone from this copy of the state already.
    pub left_out: bool,
}

/// An unconditional put of an edge for both its ends; it may keep that the edge is pending.
struct Put<'a> {
    context: ApplyContext<'a>,
    put: &'a EdgePut,
    allow_missing_members: bool,
}

/// Whether two changes may be carried out together, in any order but for puts of the same edge.
pub fn go_together(one: &PendingChange<'_>, next: &PendingChange<'_>) -> bool {
    let is_plain = |due: &&PendingChange<'_>| match due.change.plain() {
        Change::PutEdge { put, precondition: Precondition::None, .. } => put.attrs.asked_by.is_none() && !due.left_out,
        _ => false,
    };
    [one, next].iter().all(is_plain)
}

impl State {
    /// Carries out changes that go together, or one. A refusal in an import says whether it is for somebody who is erased by then: a change
    /// after it may bring that member back.
    pub fn apply_together(&mut self, due: &mut [PendingChange<'_>]) -> Vec<Result<Applied, ChangeError>> {
        let mut results = self.carry_out_together(due);
        for (result, PendingChange { now, change, events, .. }) in results.iter_mut().zip(due) {
            if let (Err(error), Some(_)) = (result, events) {
                *error = self.erased_instead(change, error.clone(), *now);
            }
        }
        results
    }

    fn carry_out_together(&mut self, due: &mut [PendingChange<'_>]) -> Vec<Result<Applied, ChangeError>> {
        if let [PendingChange { now, change, events, left_out }] = due {
            if *left_out {
                return vec![Ok(self.apply_left_out(*now, change))];
            }
            return vec![self.apply(&mut ApplyContext::of_import(*now, events.as_deref_mut()), change)];
        }
        let puts = due.iter_mut().filter_map(|PendingChange { now, change, events, .. }| match change.plain() {
            Change::PutEdge { put, allow_missing_members, .. } => {
                let context = ApplyContext::of_import(*now, events.as_deref_mut()).restoring(change.restored());
                Some(Put { context, put, allow_missing_members: *allow_missing_members })
            }
            _ => None,
        });
        self.put_edges(puts.collect())
    }

    fn put_edges(&mut self, mut puts: Vec<Put<'_>>) -> Vec<Result<Applied, ChangeError>> {
        let mut slots = Vec::with_capacity(puts.len());
        let mut results = self.assign_slots(&mut puts, &mut slots);
        // Puts of one edge stay in their order.
        slots.sort_unstable();
        let mut to_put: Vec<EdgeToPut> = Vec::with_capacity(slots.len());
        for (slot, at) in slots {
            let (effect, edge) = self.put_record(&mut puts[at], slot);
            if let Ok(applied) = &mut results[at] {
                applied.effect = effect;
            }
            let Some(edge) = edge else { continue };
            match to_put.last_mut() {
                Some(last) if (last.from, last.kind, last.to) == slot => last.inputs = edge.inputs,
                _ => to_put.push(edge),
            }
        }
        self.graph.put_edges(&to_put);
        results
    }

    /// Where each edge that is not refused goes, in the order of the puts. Members that are missing are added.
    fn assign_slots(
        &mut self,
        puts: &mut [Put<'_>],
        slots: &mut Vec<(EdgeSlot, usize)>,
    ) -> Vec<Result<Applied, ChangeError>> {
        let ids: Vec<&MemberId> = puts.iter().flat_map(|put| [&put.put.key.from, &put.put.key.to]).collect();
        let found = self.graph.find_all(&ids);
        let mut added = HashMap::new();
        let assigned = puts.iter_mut().zip(found.chunks_exact(2)).enumerate().map(|(at, (put, found))| {
            let (slot, applied) = self.assign_slot(put, found, &mut added)?;
            slots.push((slot, at));
            Ok(applied)
        });
        assigned.collect()
    }

    fn assign_slot<'a>(
        &mut self,
        Put { context, put, allow_missing_members }: &mut Put<'a>,
        found: &[Option<MemberIx>],
        added: &mut HashMap<&'a MemberId, MemberIx>,
    ) -> Result<(EdgeSlot, Applied), ChangeError> {
        let kind = self.registered(&put.key.kind)?;
        self.check_origin(put)?;
        let ids = [(&put.key.from, Part::FromId), (&put.key.to, Part::ToId)];
        let mut ends = [None; 2];
        for (end, (found, (id, part))) in ends.iter_mut().zip(found.iter().zip(ids)) {
            *end = found.or_else(|| added.get(id).copied());
            if end.is_none() && self.erasures.contains(id, context.now) {
                return Err(member_erased(part));
            }
            if end.is_none() && !*allow_missing_members {
                return Err(ChangeError::precondition(part, Reason::MemberMissing, "no such member"));
            }
        }
        let swapped = self.graph.kind(kind).attrs.symmetric && put.key.from > put.key.to;
        let mut applied = Applied::of(Effect::Created);
        // Members are added in the order of the key that the edge is kept under.
        for end in if swapped { [1, 0] } else { [0, 1] } {
            if ends[end].is_none() {
                applied.members_created += 1;
                let ix = self.add_member(context, &Member::bare(ids[end].0.clone()), Times::new(context.now));
                added.insert(ids[end].0, ix);
                ends[end] = Some(ix);
            }
        }
        let [Some(from), Some(to)] = ends else { unreachable!("both ends were found or added") };
        let (from, to) = if swapped { (to, from) } else { (from, to) };
        Ok(((from, kind, to), applied))
    }

    /// Writes all of an edge but its part of the graph, which is given back unless nothing changes.
    fn put_record(&mut self, put: &mut Put<'_>, slot: EdgeSlot) -> (Effect, Option<EdgeToPut>) {
        let (from, kind, to) = slot;
        let key = self.kept_key(&put.put.key, kind);
        let before = self.edges.get(slot, || key.clone());
        let after = put.put.edge_after(key, before.as_ref().map(|stored| &stored.value));
        let new = before.is_none();
        // One that was pending is new to the graph.
        let new_to_graph = before.as_ref().is_none_or(|before| before.value.attrs.asked_by.is_some());
        if before.as_ref().is_some_and(|before| before.value == after) {
            return (Effect::Unchanged, None);
        }
        self.store_record(&mut put.context, slot, before.as_ref(), &after);
        let effect = if new { Effect::Created } else { Effect::Updated };
        // An edge that stays pending is none of the graph's.
        let stands = after.attrs.asked_by.is_none();
        let inputs = strength_inputs(&after.attrs);
        (effect, stands.then_some(EdgeToPut { from, kind, to, inputs, new: new_to_graph }))
    }
}
