//! The journal of erasures at a start: whom it says to be erased, and who is there all the same (a backup from before was restored), is
//! erased before anything is served; and what the store knows of and the journal does not is written down there.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};

use tokio::sync::watch;

use super::batch::new_key;
use super::common::Common;
use super::state::{Erasures, State};
use crate::domain::{Change, ErasedId, ErasureKey, Precondition, TimeMs};
use crate::store::{Journaled, Store, StoreError};

const DAY_MS: i64 = 24 * 3_600 * 1_000;

impl Common {
    /// The key of the journal: a store that begins anew goes on with it.
    pub fn journal_key(&self) -> Option<ErasureKey> {
        self.journal.as_ref().and_then(|journal| journal.lock().unwrap_or_else(PoisonError::into_inner).key())
    }

    pub fn take_over_journal(&self, store: &mut Store, publish: &watch::Sender<Arc<State>>) -> Result<(), StoreError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        let state = publish.borrow().clone();
        let known = state.erasures().all().map(|Journaled { key, erased }| ((key, erased.hash), erased.time));
        let known: HashMap<_, _> = known.collect();
        let is_known = |entry: &Journaled| {
            known.get(&(entry.key, entry.erased.hash)).is_some_and(|time| *time >= entry.erased.time)
        };
        let days_ms = i64::from(self.options.erased_ids_days).saturating_mul(DAY_MS);
        let forgotten = TimeMs(self.clock.now().0.saturating_sub(days_ms));
        let mut unknown: BTreeMap<ErasureKey, HashMap<u128, TimeMs>> = BTreeMap::new();
        for entry in journal.entries().filter(|entry| entry.erased.time >= forgotten && !is_known(entry)) {
            let times = unknown.entry(entry.key).or_default();
            let time = times.entry(entry.erased.hash).or_insert(entry.erased.time);
            *time = entry.erased.time.max(*time);
        }
        let mut changes = state.changes_for(unknown);
        if !changes.is_empty() {
            let days = self.options.erased_ids_days;
            let key = state.erasures().own_key().or(journal.key()).or_else(new_key);
            let keep = key.filter(|_| !state.erasures().are_kept(days)).map(|key| Change::KeepErased { key, days });
            changes.splice(0..0, keep);
            let erased = changes.iter().filter(|change| matches!(change, Change::DeleteMember { .. })).count();
            tracing::warn!(erased, "members are erased again that the erasure journal says to be erased");
            self.carry_out(store, publish, changes)?;
        }
        let state = publish.borrow().clone();
        journal.append(state.erasures().all())
    }
}

impl State {
    /// What makes a state of it that knows these erasures. Whoever was made after its erasure was brought back, and stays; nobody was made
    /// after the last command, whatever an import said.
    fn changes_for(&self, unknown: BTreeMap<ErasureKey, HashMap<u128, TimeMs>>) -> Vec<Change> {
        let mut changes = Vec::new();
        for (key, mut times) in unknown {
            let ids = self.graph().iter_members().map(|ix| self.graph().id(ix));
            for (hash, id) in Erasures::find(key, ids, |hash| times.contains_key(&hash)) {
                let erased = times.remove(&hash).unwrap_or_default();
                let is_from_before =
                    self.member(id.as_str()).is_some_and(|member| member.create_time.min(self.time()) < erased);
                if is_from_before {
                    let precondition = Precondition::None;
                    changes.push(Change::DeleteMember { id, precondition, allow_missing: true });
                }
            }
            if !times.is_empty() {
                let mut erased: Vec<ErasedId> = times.into_iter().map(|(hash, time)| ErasedId { hash, time }).collect();
                erased.sort_unstable();
                changes.push(Change::RememberErased { key, erased });
            }
        }
        changes
    }
}
