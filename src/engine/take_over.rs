//! The journal of erasures at a start and in a restore: whom it says to be erased, and who is there all the same (a backup from before was
//! restored), is erased before anything is served or put; and what the store knows of and the journal does not is written down there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError};

use tokio::sync::watch;

use super::batch::new_key;
use super::common::Common;
use super::namespaces::{Namespaces, journal_name, journaled_begin};
use super::state::{DAY_MS, Erasures, State};
use crate::domain::{Change, Command, ErasedId, ErasureKey, NamespaceName, Precondition, TimeMs};
use crate::store::{Commit, ErasureJournal, Happened, Journaled, Store, StoreError};

/// What was erased because a journal says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erased {
    pub members: u64,
    pub namespaces: Vec<NamespaceName>,
}

/// Whether a journal can be that of the store that some namespaces were of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    Own,
    /// It lacks the erasure key of one of them.
    Foreign,
    /// It lacks so many erasures that they know of.
    Cut(usize),
}

/// When a journal is heeded, and how long an erasure is remembered.
#[derive(Debug, Clone, Copy)]
pub struct Heeding {
    pub now: TimeMs,
    pub days: u32,
    /// Whether erasures are heeded however long ago they are, as a restore does, which may be of a backup of any age. A start passes over what
    /// it has forgotten, because it would look for it among all members each time.
    pub of_any_age: bool,
}

impl Heeding {
    fn heeds(&self, erased: &ErasedId) -> bool {
        self.of_any_age || erased.time.0 >= self.now.0.saturating_sub(i64::from(self.days).saturating_mul(DAY_MS))
    }
}

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
        let heeding = Heeding { now: self.clock.now(), days: self.options.erased_ids_days, of_any_age: false };
        let lacking = publish.borrow().lacking(&journal, None, heeding);
        for (name, changes) in lacking {
            let mut erased = Erased::default();
            erased.count(&name, &changes);
            tracing::warn!(
                members = erased.members,
                namespaces = erased.namespaces.len(),
                "what the erasure journal says to be erased is erased again"
            );
            self.carry_out(store, publish, name, changes)?;
        }
        let begun = publish.borrow().clone();
        let all = begun.iter().flat_map(|(name, state)| {
            let namespace = journal_name(name, state);
            let erased = state.erasures().all();
            let erased = erased.map(move |(key, erased)| Journaled { namespace, key, what: Happened::Erased(erased) });
            journaled_begin(name, state).into_iter().chain(erased)
        });
        journal.append(all.chain(begun.deleted().map(|(own, time)| Journaled::of_namespace(own, time))))
    }
}

impl Erased {
    fn count(&mut self, name: &NamespaceName, changes: &[Change]) {
        self.members += changes.iter().filter(|change| matches!(change, Change::DeleteMember { .. })).count() as u64;
        self.namespaces.extend(changes.contains(&Change::DeleteNamespace {}).then(|| name.clone()));
    }
}

impl Namespaces {
    /// Erases what a journal says to be erased, in all namespaces or in one, each by a command of its own, as a start does.
    pub fn erase_journaled(
        &mut self,
        journal: &ErasureJournal,
        only: Option<&NamespaceName>,
        heeding: Heeding,
    ) -> Result<Erased, StoreError> {
        let mut all = Erased::default();
        for (namespace, changes) in self.lacking(journal, only, heeding) {
            all.count(&namespace, &changes);
            let (sequence, time, events) =
                (self.sequence() + 1, heeding.now.max(self.time()), vec![Vec::new(); changes.len()]);
            let command = Command { time, request: None, changes };
            self.replay(vec![Commit { sequence, namespace, command, answer: Vec::new(), events }])?;
        }
        Ok(all)
    }

    /// Returns whether a journal can be that of the store that these namespaces, or one of them, were of: it has the key of each, and whom they
    /// erased. A journal that has the key of another alone knows nothing of who was erased in this one.
    pub fn provenance(&self, journal: &ErasureJournal, only: Option<&NamespaceName>) -> Provenance {
        let own = |(name, state): (&NamespaceName, &State)| journaled_begin(name, state);
        if !self.only(only).filter_map(own).all(|key| journal.contains(&key)) {
            return Provenance::Foreign;
        }
        let journaled: HashSet<_> =
            journal.entries().filter_map(|entry| Some((entry.namespace, entry.key, entry.erased()?.hash))).collect();
        let known = self.only(only).filter_map(|each| own(each).zip(Some(each.1))).flat_map(|(own, state)| {
            let erased = state.erasures().all().filter(move |(key, _)| *key == own.key);
            erased.map(move |(key, erased)| (own.namespace, key, erased.hash))
        });
        match known.filter(|erased| !journaled.contains(erased)).count() {
            0 => Provenance::Own,
            lacking => Provenance::Cut(lacking),
        }
    }

    /// Returns, for each namespace that does not know all that is journaled of it, the changes that make it know.
    fn lacking(
        &self,
        journal: &ErasureJournal,
        only: Option<&NamespaceName>,
        heeding: Heeding,
    ) -> Vec<(NamespaceName, Vec<Change>)> {
        let mut of_each: HashMap<Option<ErasureKey>, Vec<&Journaled>> = HashMap::new();
        journal.entries().for_each(|entry| of_each.entry(entry.namespace).or_default().push(entry));
        let lacking = self.begun().filter(|(name, _)| only.is_none_or(|only| only == *name)).map(|(name, state)| {
            let journaled = of_each.get(&journal_name(name, state)).map_or(&[][..], Vec::as_slice);
            let changes = match journaled.iter().any(|entry| entry.is_of_namespace()) {
                true => vec![Change::DeleteNamespace {}],
                false => state.lacking(journaled, journal.default_key(), heeding),
            };
            (name.clone(), changes)
        });
        lacking.filter(|(_, changes)| !changes.is_empty()).collect()
    }
}

impl State {
    /// Returns the changes that make a state know what is journaled of its namespace.
    fn lacking(&self, journaled: &[&Journaled], journal_key: Option<ErasureKey>, heeding: Heeding) -> Vec<Change> {
        let known: HashMap<_, _> =
            self.erasures().all().map(|(key, erased)| ((key, erased.hash), erased.time)).collect();
        let mut unknown: BTreeMap<ErasureKey, HashMap<u128, TimeMs>> = BTreeMap::new();
        for entry in journaled {
            let Some(erased) = entry.erased().filter(|erased| heeding.heeds(erased)) else { continue };
            let key = &entry.key;
            if known.get(&(*key, erased.hash)).is_none_or(|time| *time < erased.time) {
                let time = unknown.entry(*key).or_default().entry(erased.hash).or_insert(erased.time);
                *time = erased.time.max(*time);
            }
        }
        let mut changes = self.changes_for(unknown);
        if !changes.is_empty() {
            let key = self.erasures().own_key().or(journal_key).or_else(new_key);
            let keep = key.filter(|_| !self.erasures().are_kept(heeding.days));
            changes.splice(0..0, keep.map(|key| Change::KeepErased { key, days: heeding.days }));
        }
        changes
    }

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
