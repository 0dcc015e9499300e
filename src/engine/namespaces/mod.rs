//! Everything kith knows at one revision: a state for each namespace, none of which knows of another.
//!
//! It is persistent as a state is. There is one log and one order of commands for all namespaces: a command is of one namespace, and its
//! sequence is that of the store.

pub mod checkpoint;
mod deadlines;
mod indexes;
mod pauses;
mod totals;
mod verify;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use imbl::{OrdMap, Vector};

use self::deadlines::Deadlines;
use self::indexes::Indexes;
use self::pauses::Pauses;
use self::totals::Counted;
pub use self::totals::Totals;
pub use self::verify::Content;
use super::revision::Revision;
use super::state::{Kept, REQUEST_BYTES, State};
use crate::domain::limits::{NAMESPACES_MAX, REQUEST_ID_KEPT_MS};
use crate::domain::{Change, ErasureKey, Error, NamespaceName, Reason, Resource, Scope, Sequence, TimeMs};
use crate::store::{Commit, Happened, Journaled, StoreError};

/// How many request ids and erased ids are forgotten with one command at most in other namespaces than its own, and as many in its own. It brings
/// one, so that what is old does not pile up.
pub const FORGOTTEN_TOGETHER: usize = 64;

/// The most deleted namespaces that are known by their keys.
const DELETED_MAX: usize = 65_536;

/// All namespaces at one revision. The default one is always there.
#[derive(Clone)]
pub struct Namespaces {
    store_id: u128,
    /// The last command of all.
    sequence: Sequence,
    /// When the last command was accepted.
    time: TimeMs,
    states: OrdMap<NamespaceName, Arc<State>>,
    totals: Totals,
    deadlines: Deadlines,
    pauses: Pauses,
    /// The last namespaces that were deleted, by their own erasure keys, and when.
    deleted: Vector<(ErasureKey, TimeMs)>,
    indexes: Indexes,
}

/// A namespace's state while commands are carried out on it, apart from the others. It counts the store's commands on.
pub struct CheckedOut {
    pub name: NamespaceName,
    pub state: State,
    /// The last command that had changed it.
    own: Sequence,
    /// The store's last command then.
    begun_at: Sequence,
    /// What the totals have counted of it.
    counted: Counted,
}

impl Namespaces {
    /// Returns what there is before the first command.
    pub fn empty(store_id: u128) -> Namespaces {
        let mut namespaces = Namespaces {
            store_id,
            sequence: 0,
            time: TimeMs(0),
            states: OrdMap::new(),
            totals: Totals::default(),
            deadlines: Deadlines::default(),
            pauses: Pauses::default(),
            deleted: Vector::new(),
            indexes: Indexes::default(),
        };
        namespaces.put(NamespaceName::default(), State::empty(store_id), &Counted::default());
        namespaces
    }

    pub fn store_id(&self) -> u128 {
        self.store_id
    }

    /// Returns how many commands there were.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    pub fn time(&self) -> TimeMs {
        self.time
    }

    pub fn revision(&self) -> Revision {
        Revision::new(self.store_id, self.sequence)
    }

    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    pub fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    pub fn namespace_count(&self) -> usize {
        self.states.len()
    }

    pub fn get(&self, name: &NamespaceName) -> Option<&Arc<State>> {
        self.states.get(name)
    }

    /// Returns the state of a namespace, or the error that there is none, which is that of a namespace that the caller may not know of.
    pub fn find(&self, name: &NamespaceName) -> Result<&Arc<State>, Error> {
        self.get(name).ok_or_else(|| no_namespace(name))
    }

    /// Returns the state of the default namespace.
    pub fn default_state(&self) -> &Arc<State> {
        self.states.get(&NamespaceName::default()).expect("the default namespace is always there")
    }

    /// Returns the namespaces by name, from a bound on.
    pub fn iter_from(&self, begin: Bound<&NamespaceName>) -> impl Iterator<Item = (&NamespaceName, &Arc<State>)> {
        self.states.range::<_, NamespaceName>((begin, Bound::Unbounded))
    }

    /// Returns all namespaces by name.
    pub fn iter(&self) -> impl Iterator<Item = (&NamespaceName, &Arc<State>)> {
        self.iter_from(Bound::Unbounded)
    }

    /// Returns the namespaces with statuses that had expired at a time, by when the first did.
    pub fn expired_through(&self, time: TimeMs) -> impl Iterator<Item = (&NamespaceName, &Arc<State>)> {
        let due = self.indexes.expiring.iter().take_while(move |(expires, _)| *expires <= time);
        due.filter_map(|(_, name)| self.states.get_key_value(name))
    }

    /// Returns the namespaces by how many members they have, those with the most first.
    pub fn largest(&self) -> impl Iterator<Item = (u64, &NamespaceName)> {
        self.indexes.by_size.iter().rev().map(|(members, name)| (*members, name))
    }

    /// Makes a namespace, without anything in it.
    pub fn create(&mut self, name: &NamespaceName, creator: Scope) -> Result<(), Error> {
        if self.states.contains_key(name) {
            return Err(namespace_exists(name));
        }
        if !self.totals.created.has_room(creator, 1, NAMESPACES_MAX) {
            let message =
                format!("the caller has as many of the {NAMESPACES_MAX} namespaces as leave room for others'");
            return Err(Error::precondition("name", Reason::TooMany, message));
        }
        self.put(name.clone(), State::empty_of(self.store_id, creator), &Counted::default());
        Ok(())
    }

    /// Checks that there is room within `most` bytes for one more request id of a caller, in the namespace that is checked out.
    pub fn check_request_room(&mut self, out: &mut CheckedOut, scope: Scope, most: u64) -> Result<(), Error> {
        self.recount(out);
        if self.totals.request_bytes.has_room(scope, REQUEST_BYTES, most) {
            return Ok(());
        }
        let message = "no more request ids of the last 24 hours are kept; write without one, later, or with --request-ids-mib raised";
        Err(Error::Exhausted { reason: Reason::RequestIdsFull, message: message.to_owned() })
    }

    fn recount(&mut self, out: &mut CheckedOut) {
        let now = Counted::of(&out.state);
        self.totals.recount(&out.counted, &now);
        out.counted = now;
    }

    /// Gives back the memory of some of what is over in any namespace: of so many request ids and erased ids at most.
    pub fn forget(&mut self, kept: &Kept, at_most: usize) {
        let mut left = at_most;
        while left > 0 {
            let request = self.indexes.by_request.get_min().filter(|(time, _)| *time < kept.requests_from);
            let erased = self.indexes.by_erased.get_min().filter(|(until, _)| *until < kept.now);
            let Some((_, name)) = request.or(erased).cloned() else { return };
            let Some(mut state) = self.take(&name) else { return };
            let counted = Counted::of(&state);
            left -= state.forget(kept, left);
            self.put(name, state, &counted);
        }
    }

    /// Returns what is kept for a while at a time.
    pub fn kept_at(&self, now: TimeMs) -> Kept {
        Kept { now, requests_from: self.back_from(now, Duration::from_millis(REQUEST_ID_KEPT_MS)) }
    }

    /// Returns the time before which more than a span lies from `now`, of each pause between commands but an hour counted.
    pub fn back_from(&self, now: TimeMs, span: Duration) -> TimeMs {
        self.pauses.back_from(now, span)
    }

    /// Begins a run: until its first command, nobody knows how long none was.
    pub fn begin_run(&mut self) {
        if self.sequence > 0 {
            self.pauses.begin_run(self.time);
        }
    }

    /// Notes a command; returns whether it is the first of this run, and is to say that there was a pause before it.
    pub fn resume(&mut self, time: TimeMs) -> bool {
        self.pauses.resume(time)
    }

    /// Puts a state, of which the totals have counted something before.
    fn put(&mut self, name: NamespaceName, state: State, counted: &Counted) {
        self.totals.recount(counted, &Counted::of(&state));
        self.totals.add(&state);
        self.indexes.add(&name, &state);
        self.states.insert(name, Arc::new(state));
    }

    /// Takes a state, which the shares of callers count on.
    fn take(&mut self, name: &NamespaceName) -> Option<State> {
        let state = self.states.remove(name)?;
        self.totals.subtract(&state);
        self.indexes.remove(name, &state);
        Some(Arc::unwrap_or_clone(state))
    }

    /// Takes a namespace's state out, to carry out commands on it. Until it is checked in again it is not there.
    pub fn check_out(&mut self, name: &NamespaceName) -> Option<CheckedOut> {
        let mut state = self.take(name)?;
        let (own, begun_at, counted) = (state.sequence(), self.sequence, Counted::of(&state));
        state.continue_at(begun_at);
        Some(CheckedOut { name: name.clone(), state, own, begun_at, counted })
    }

    /// Takes the state of the default namespace out, likewise.
    pub fn check_out_default(&mut self) -> CheckedOut {
        self.check_out(&NamespaceName::default()).expect("the default namespace is always there")
    }

    /// Puts a state back, with what was carried out on it.
    pub fn check_in(&mut self, out: CheckedOut) {
        let CheckedOut { name, mut state, own, begun_at, counted } = out;
        self.count(&mut state, begun_at);
        if state.sequence() == begun_at {
            state.continue_at(own);
        }
        self.put(name, state, &counted);
    }

    /// Drops a namespace whose last command was carried out.
    pub fn drop_out(&mut self, mut out: CheckedOut) {
        self.count(&mut out.state, out.begun_at);
        self.totals.recount(&out.counted, &Counted::default());
    }

    /// Notes that a namespace was deleted: a start has the erasure journal know it, wherever that lost it.
    pub fn note_deleted(&mut self, own: Option<ErasureKey>, time: TimeMs) {
        self.deleted.extend(own.map(|own| (own, time)));
        if self.deleted.len() > DELETED_MAX {
            self.deleted.pop_front();
        }
    }

    /// Returns the namespaces that were deleted, by their own keys, and when.
    pub fn deleted(&self) -> impl ExactSizeIterator<Item = (ErasureKey, TimeMs)> + '_ {
        self.deleted.iter().copied()
    }

    fn count(&mut self, state: &mut State, begun_at: Sequence) {
        state.take_erased().into_iter().for_each(|(sequence, time)| self.deadlines.note(sequence, time));
        if state.sequence() > begun_at {
            (self.sequence, self.time) = (state.sequence(), state.time());
        }
    }

    /// Applies commits read from the log, those of each namespace together: one does not know of another.
    pub fn replay(&mut self, commits: Vec<Commit>) -> Result<(), StoreError> {
        let count = commits.len();
        let Some(last) = commits.last().map(|last| (last.sequence, last.command.time)) else { return Ok(()) };
        let mut before = self.time;
        for commit in &commits {
            if commit.resumes() {
                self.pauses.end(before, commit.command.time);
            }
            before = commit.command.time;
        }
        let mut of_each: BTreeMap<NamespaceName, Vec<Commit>> = BTreeMap::new();
        for commit in commits {
            match of_each.get_mut(&commit.namespace) {
                Some(own) => own.push(commit),
                None => drop(of_each.insert(commit.namespace.clone(), vec![commit])),
            }
        }
        let mut erased = Vec::new();
        for (name, commits) in of_each {
            for lifetime in commits.chunk_by(|one, next| !one.ends_namespace() && !next.begins_namespace()) {
                erased.extend(self.replay_in(&name, lifetime)?);
            }
        }
        erased.sort_unstable();
        erased.into_iter().for_each(|(sequence, time)| self.deadlines.note(sequence, time));
        (self.sequence, self.time) = last;
        self.forget(&self.kept_at(self.time), FORGOTTEN_TOGETHER * count);
        Ok(())
    }

    /// Applies commits of one namespace, of which none but the first begins it and none but the last ends it. The default one is there before
    /// its first command, and begins all the same.
    fn replay_in(&mut self, name: &NamespaceName, commits: &[Commit]) -> Result<Vec<(Sequence, TimeMs)>, StoreError> {
        let at = commits.first().map_or(0, |first| first.sequence);
        let damaged = |what: &str| StoreError::Damaged { what: format!("log, sequence {at}: {what}") };
        let state = self.take(name);
        let counted = state.as_ref().map_or_else(Counted::default, Counted::of);
        let mut state = match (state, commits.first().is_some_and(Commit::begins_namespace)) {
            (None, true) => State::empty(self.store_id),
            (Some(state), begins) if !begins || state.sequence() == 0 => state,
            (None, _) => return Err(damaged("its namespace is not there")),
            (Some(_), _) => return Err(damaged("a namespace is created that is there")),
        };
        state.replay(commits)?;
        let erased = state.take_erased();
        match commits.last().is_some_and(Commit::ends_namespace) {
            false => self.put(name.clone(), state, &counted),
            true if name.is_default() => return Err(damaged("the default namespace is deleted")),
            true => {
                self.totals.recount(&counted, &Counted::default());
                self.note_deleted(state.erasures().own_key(), state.time());
            }
        }
        Ok(erased)
    }
}

/// Returns the error that a namespace is not there, or is none that the caller may know of: nobody can tell which.
pub fn no_namespace(name: &NamespaceName) -> Error {
    Error::not_found(Resource::Namespace, name)
}

pub fn namespace_exists(name: &NamespaceName) -> Error {
    Error::AlreadyExists { resource: Resource::Namespace, id: name.to_string() }
}

impl CheckedOut {
    /// Replaces the state by one on which more was done of what comes next.
    pub fn replace(&mut self, state: State) {
        self.state = state;
        self.state.take_erased();
        self.count_on(self.begun_at);
    }

    /// Counts on from a later command of the store, before anything was carried out.
    pub fn count_on(&mut self, sequence: Sequence) {
        self.begun_at = sequence;
        self.state.continue_at(sequence);
    }

    /// Returns whether nothing was ever carried out in it.
    pub fn is_new(&self) -> bool {
        self.own == 0 && self.state.sequence() == self.begun_at
    }
}

/// Returns what the erasure journal knows a namespace by: its own key, which is no name; none for the default one.
pub fn journal_name(name: &NamespaceName, state: &State) -> Option<ErasureKey> {
    if name.is_default() { None } else { state.erasures().own_key() }
}

/// Returns what the erasure journal holds of a namespace from its begin on: its own key. None of one that has no key yet.
pub fn journaled_begin(name: &NamespaceName, state: &State) -> Option<Journaled> {
    let key = state.erasures().own_key()?;
    Some(Journaled { namespace: journal_name(name, state), key, what: Happened::Begun })
}

impl Commit {
    /// Returns whether it is the first of its namespace.
    pub fn begins_namespace(&self) -> bool {
        matches!(self.command.changes.first(), Some(Change::CreateNamespace { .. }))
    }

    /// Returns whether it is the first of a run, after a pause.
    pub fn resumes(&self) -> bool {
        matches!(self.command.changes.first(), Some(Change::Resume {}))
    }

    /// Returns whether it is the last of its namespace.
    pub fn ends_namespace(&self) -> bool {
        matches!(self.command.changes.last(), Some(Change::DeleteNamespace {}))
    }
}
