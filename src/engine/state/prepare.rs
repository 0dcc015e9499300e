//! The long part of a command, done on a copy of the state before the command comes.

use std::collections::HashMap;

use imbl::OrdMap;

use super::State;
use super::ahead::{Ahead, Plan, Unusable, changed_member};
use super::apply::{ApplyContext, check};
use crate::domain::{Change, EdgeKey, Member, MemberAttrs, MemberId, Precondition, Privacy, TimeMs, Times};
use crate::engine::outcome::{Applied, Effect};
use crate::graph::MemberIx;
use crate::store::{Commit, StoreError};

/// Edges that are removed before it is looked whether to go on.
const REMOVED_TOGETHER: usize = 1_024;

impl State {
    /// What of a command is to be done beforehand, if that is as long as so many edges. `whole` commands are all or none, and may erase.
    pub fn plan(&self, changes: &[Change], whole: bool, edges_min: u64) -> Option<Plan> {
        let shown = changes.iter().filter_map(|change| self.shown_otherwise(change));
        let shown: Vec<(MemberIx, &MemberId, Privacy)> = shown.collect();
        let erased = if whole { first_erased(changes) } else { None };
        let erased = erased.and_then(|(id, precondition)| Some((self.graph.find(id.as_str())?, id, precondition)));
        let to_move: usize = shown.iter().map(|(ix, ..)| self.graph.half_edges(*ix).len()).sum();
        let to_remove = erased.map_or(0, |(ix, ..)| self.edges_of(ix));
        if to_move as u64 + to_remove < edges_min {
            return None;
        }
        let mut times: HashMap<&MemberId, usize> = HashMap::new();
        changes.iter().filter_map(changed_member).for_each(|id| *times.entry(id).or_default() += 1);
        let erased = erased.filter(|(_, id, precondition)| {
            times.get(id) == Some(&1) && is_judged_alike(changes, id) && self.meets(id, precondition)
        });
        let shows = shown.into_iter().filter(|(_, id, _)| times.get(id) == Some(&1));
        let mut shows: Vec<(MemberId, Privacy)> = shows.map(|(_, id, after)| (id.clone(), after)).collect();
        shows.sort_unstable();
        let plan = Plan { erases: erased.map(|(_, id, _)| id.clone()), shows };
        (plan.erases.is_some() || !plan.shows.is_empty()).then_some(plan)
    }

    /// Whose edges a change of their member shows to others than before, and with what privacy.
    fn shown_otherwise<'c>(&self, change: &'c Change) -> Option<(MemberIx, &'c MemberId, Privacy)> {
        let (id, precondition, put) = match change.plain() {
            Change::PutMember { member, precondition } => (&member.id, precondition, &member.attrs),
            Change::UpdateMember { id, patch, precondition } | Change::MergeMember { id, patch, precondition }
                if patch.set.has(MemberAttrs::EDGES_SHOWN) =>
            {
                (id, precondition, &patch.attrs)
            }
            _ => return None,
        };
        if put.privacy().edges_shown() == Privacy::default().edges_shown() && !self.graph.hides_members() {
            return None;
        }
        let ix = self.graph.find(id.as_str())?;
        let before = self.graph.privacy(ix);
        let after = match change.plain() {
            Change::UpdateMember { patch, .. } | Change::MergeMember { patch, .. } => patch.privacy(before),
            _ => put.privacy(),
        };
        let changes = before.edges_shown() != after.edges_shown() && self.meets(id, precondition);
        changes.then_some((ix, id, after))
    }

    fn meets(&self, id: &MemberId, precondition: &Precondition) -> bool {
        *precondition == Precondition::None || check(precondition, self.member(id.as_str()).as_ref()).is_ok()
    }

    /// A copy for which a plan is carried out, as long as it is to go on.
    pub fn prepared(&self, plan: &Plan, go_on: &dyn Fn() -> bool) -> Result<State, Unusable> {
        let missing = || Unusable::Changed("a member is gone".to_owned());
        let mut state = self.clone();
        if let Some(id) = &plan.erases {
            let ix = state.graph.find(id.as_str()).ok_or_else(missing)?;
            state.remove_edges_while(ix, REMOVED_TOGETHER, go_on).ok_or(Unusable::Stopped)?;
        }
        let mut shown = OrdMap::new();
        for (id, privacy) in &plan.shows {
            let ix = state.graph.find(id.as_str()).ok_or_else(missing)?;
            shown.insert(ix, state.graph.privacy(ix));
            if !state.graph.set_privacy_while(ix, *privacy, go_on) {
                return Err(Unusable::Stopped);
            }
        }
        state.ahead = Some(Box::new(Ahead { plan: plan.clone(), edges: None, shown }));
        Ok(state)
    }

    /// Carries out on a copy what was carried out on the state, and is on disk.
    pub fn follow(&mut self, commits: &[Commit]) -> Result<(), Unusable> {
        let plan = self.ahead.as_ref().map(|ahead| &ahead.plan);
        let met = |commit: &Commit| plan.is_some_and(|plan| plan.meets(&commit.command.changes));
        if commits.iter().any(met) {
            return Err(Unusable::Changed("the member was changed meanwhile".to_owned()));
        }
        self.replay(commits).map_err(|error: StoreError| Unusable::Changed(error.to_string()))
    }

    /// Whether something was done of a command that has not come.
    pub fn is_ahead(&self) -> bool {
        self.ahead.is_some()
    }

    /// Takes note of how many edges the command will remove that are gone from this copy, and not from the state itself.
    pub fn count_ahead(&mut self, state: &State) {
        if let Some(ahead) = &mut self.ahead
            && let Some(id) = &ahead.plan.erases
        {
            ahead.edges = Some(state.graph.find(id.as_str()).map_or(0, |ix| state.edges_of(ix)));
        }
    }

    /// Edges of a member, pending ones too.
    fn edges_of(&self, ix: MemberIx) -> u64 {
        (self.graph.half_edges(ix).len() + self.edges.pending().slots(ix).len()) as u64
    }

    /// Whether a change is one of edges of the member whose edges are gone already.
    pub fn is_left_out(&self, change: &Change) -> bool {
        let erased = self.ahead.as_ref().and_then(|ahead| ahead.plan.erases.as_ref());
        erased.is_some_and(|erased| ends_in(change, erased))
    }

    /// All that such a change does but for its edge: members that it brought about are there from then on.
    pub(super) fn apply_left_out(&mut self, now: TimeMs, change: &Change) -> Applied {
        if let Change::PutEdge { put, .. } = change.plain() {
            for id in [&put.key.from, &put.key.to] {
                if self.graph.find(id.as_str()).is_none() {
                    self.add_member(
                        &mut ApplyContext::of_import(now, None),
                        &Member::bare(id.clone()),
                        Times::new(now),
                    );
                }
            }
        }
        Applied::of(Effect::Unchanged)
    }

    /// A member's privacy as its record has it.
    pub(super) fn privacy_of(&self, ix: MemberIx) -> Privacy {
        let ahead = self.ahead.as_ref().and_then(|ahead| ahead.shown.get(&ix));
        ahead.copied().unwrap_or_else(|| self.graph.privacy(ix))
    }

    /// A member's privacy is what was set beforehand, or another one.
    pub(super) fn privacy_set(&mut self, ix: MemberIx) {
        let Some(ahead) = &mut self.ahead else { return };
        ahead.shown.remove(&ix);
        self.forget_ahead();
    }

    /// How many edges were removed beforehand of a member that is erased now.
    pub(super) fn removed_ahead(&mut self, id: &MemberId) -> u64 {
        let Some(ahead) = self.ahead.as_mut().filter(|ahead| ahead.plan.erases.as_ref() == Some(id)) else { return 0 };
        let Some(edges) = ahead.edges else { return 0 };
        ahead.plan.erases = None;
        self.forget_ahead();
        edges
    }

    fn forget_ahead(&mut self) {
        if self.ahead.as_ref().is_some_and(|ahead| ahead.plan.erases.is_none() && ahead.shown.is_empty()) {
            self.ahead = None;
        }
    }
}

fn ends_in(change: &Change, id: &MemberId) -> bool {
    let ends = |key: &EdgeKey| key.from == *id || key.to == *id;
    match change.plain() {
        Change::PutEdge { put, .. } => ends(&put.key),
        Change::DeleteEdge { key, .. } => ends(key),
        Change::RecordInteractions { record } => ends(&record.key),
        _ => false,
    }
}

/// The member that is erased, if no erasure comes before it: one would tell of the edges whose origins it changes.
fn first_erased(changes: &[Change]) -> Option<(&MemberId, &Precondition)> {
    let mut erasures = changes.iter().filter(|change| {
        matches!(change, Change::DeleteMember { .. } | Change::DeleteStatus { .. } | Change::EraseStatus { .. })
    });
    match erasures.next()? {
        Change::DeleteMember { id, precondition, .. } => Some((id, precondition)),
        _ => None,
    }
}

/// Whether no change of a command asks for the edges of the member that it erases.
fn is_judged_alike(changes: &[Change], erased: &MemberId) -> bool {
    let asks = |change: &Change| match change {
        Change::PutKind { .. } | Change::MergeKind { .. } | Change::DeleteKind { .. } => true,
        change => ends_in(change, erased),
    };
    !changes.iter().any(asks)
}
