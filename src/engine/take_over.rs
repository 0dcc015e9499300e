//! The journal of erasures at a start: whom it says to be erased, and who is there all the same (a backup from before was restored), is
//! erased before anything is served; and what the store knows of and the journal does not is written down there.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};

use tokio::sync::watch;

use super::batch::new_key;
use super::common::Common;
use super::namespaces::{Namespaces, journal_name};
use super::state::{Erasures, State};
use crate::domain::{Change, ErasedId, ErasureKey, Precondition, TimeMs};
use crate::store::{Journaled, Store, StoreError};

const DAY_MS: i64 = 24 * 3_600 * 1_000;

impl Common {
    /// The key of the journal: a store that begins anew goes on with it.
    pub fn journal_key(&self) -> Option<ErasureKey> {
        self.journal.as_ref().and_then(|journal| journal.lock().unwrap_or_else(PoisonError::into_inner).default_key())
    }

    pub fn take_over_journal(
        &self,
        store: &mut Store,
        publish: &watch::Sender<Arc<Namespaces>>,
    ) -> Result<(), StoreError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        let mut of_each: HashMap<Option<ErasureKey>, Vec<&Journaled>> = HashMap::new();
        journal.entries().for_each(|entry| of_each.entry(entry.namespace).or_default().push(entry));
        let begun = publish.borrow().clone();
        for (name, state) in begun.iter() {
            let journaled = of_each.get(&journal_name(name, state)).map_or(&[][..], Vec::as_slice);
            let changes = match journaled.iter().any(|entry| entry.is_of_namespace()) {
                true => vec![Change::DeleteNamespace {}],
                false => self.lacking(state, journaled, journal.default_key()),
            };
            if !changes.is_empty() {
                let erases =
                    |change: &&Change| matches!(change, Change::DeleteMember { .. } | Change::DeleteNamespace {});
                let erased = changes.iter().filter(erases).count();
                tracing::warn!(erased, "what the erasure journal says to be erased is erased again");
                self.carry_out(store, publish, name.clone(), changes)?;
            }
        }
        let begun = publish.borrow().clone();
        let all = begun.iter().flat_map(|(name, state)| {
            let namespace = journal_name(name, state);
            state.erasures().all().map(move |(key, erased)| Journaled { namespace, key, erased })
        });
        journal.append(all)
    }

    /// Returns the changes that make a state know what is journaled of its namespace.
    fn lacking(&self, state: &State, journaled: &[&Journaled], journal_key: Option<ErasureKey>) -> Vec<Change> {
        let known: HashMap<_, _> =
            state.erasures().all().map(|(key, erased)| ((key, erased.hash), erased.time)).collect();
        let is_known = |entry: &Journaled| {
            known.get(&(entry.key, entry.erased.hash)).is_some_and(|time| *time >= entry.erased.time)
        };
        let days = self.options.erased_ids_days;
        let forgotten = TimeMs(self.clock.now().0.saturating_sub(i64::from(days).saturating_mul(DAY_MS)));
        let mut unknown: BTreeMap<ErasureKey, HashMap<u128, TimeMs>> = BTreeMap::new();
        for entry in journaled.iter().filter(|entry| entry.erased.time >= forgotten && !is_known(entry)) {
            let times = unknown.entry(entry.key).or_default();
            let time = times.entry(entry.erased.hash).or_insert(entry.erased.time);
            *time = entry.erased.time.max(*time);
        }
        let mut changes = state.changes_for(unknown);
        if !changes.is_empty() {
            let key = state.erasures().own_key().or(journal_key).or_else(new_key);
            let keep = key.filter(|_| !state.erasures().are_kept(days)).map(|key| Change::KeepErased { key, days });
            changes.splice(0..0, keep);
        }
        changes
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
