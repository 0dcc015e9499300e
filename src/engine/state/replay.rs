//! Many changes at once: imports, and commits that are read from the log.

use std::collections::BTreeMap;

use super::State;
use super::apply_edges::{PendingChange, go_together};
use super::requests::{Answered, named};
use crate::domain::limits::REQUEST_ID_KEPT_MS;
use crate::domain::{Change, ChangeError, ErasureKey, Event, Request, Sequence, TimeMs};
use crate::engine::outcome::{Applied, Effect};
use crate::store::{Commit, StoreError};

pub fn has_effect(result: &Result<Applied, ChangeError>) -> bool {
    result.as_ref().is_ok_and(|done| done.effect != Effect::Unchanged)
}

/// Returns where each of some pieces ends that lie one after the other.
fn ends_of(lengths: impl Iterator<Item = usize>) -> impl Iterator<Item = usize> {
    lengths.scan(0, |end, length| {
        *end += length;
        Some(*end)
    })
}

/// What is kept for a while at a time: erased ids that are remembered until `now` or later, and request ids from a time on.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    pub now: TimeMs,
    pub requests_from: TimeMs,
}

impl Kept {
    /// Returns it for a store whose commands followed each other without a pause.
    pub fn without_pauses(now: TimeMs) -> Kept {
        Kept { now, requests_from: TimeMs(now.0.saturating_sub(REQUEST_ID_KEPT_MS as i64)) }
    }
}

impl State {
    /// Counts a command, and dates it.
    pub fn advance(&mut self, time: TimeMs) {
        self.sequence += 1;
        self.date(time);
    }

    /// Dates a command.
    pub fn date(&mut self, time: TimeMs) {
        self.time = time;
    }

    /// Gives back the memory of some of what is over, of so many at most, and returns how many they were. It is no part of any command: what
    /// is over counts no more, whether it is there or not.
    pub fn forget(&mut self, kept: &Kept, at_most: usize) -> usize {
        let requests = self.requests.forget(kept.requests_from, at_most);
        requests + self.erasures.forget(kept.now, at_most - requests)
    }

    /// Remembers erased ids from here on.
    pub fn keep_erased(&mut self, key: ErasureKey, days: u32) {
        self.erasures.keep(key, days);
    }

    /// Applies imports: what came of each change, what it left behind, and the sequence after each import.
    pub fn import(
        &mut self,
        imports: &[&[Change]],
        time: TimeMs,
        events: &mut [Vec<Event>],
    ) -> (Vec<Result<Applied, ChangeError>>, Vec<Sequence>) {
        let pending = imports.iter().copied().flatten().zip(events).map(|(change, events)| PendingChange {
            now: time,
            change,
            events: Some(events),
            left_out: false,
        });
        let mut pending: Vec<PendingChange<'_>> = pending.collect();
        let (mut results, mut sequences) = (Vec::with_capacity(pending.len()), Vec::with_capacity(imports.len()));
        let (mut begin, mut ends) = (0, ends_of(imports.iter().map(|changes| changes.len())).peekable());
        for together in pending.chunk_by_mut(|one, next| go_together(one, next)) {
            results.extend(self.apply_together(together));
            // Only edges are put before the import before them has its sequence, and they do not ask for it.
            while let Some(end) = ends.next_if(|end| *end <= results.len()) {
                self.sequence += u64::from(results[begin..end].iter().any(has_effect));
                sequences.push(self.sequence);
                begin = end;
            }
        }
        sequences.resize(imports.len(), self.sequence);
        (results, sequences)
    }

    /// Applies commits read from the log. They were accepted once, so a refusal means damage.
    pub fn replay(&mut self, commits: &[Commit]) -> Result<(), StoreError> {
        let changes = commits.iter().flat_map(|Commit { command, .. }| {
            let pending =
                |change| PendingChange { left_out: self.is_left_out(change), now: command.time, change, events: None };
            command.changes.iter().map(pending)
        });
        let mut pending: Vec<PendingChange<'_>> = changes.collect();
        let ends = ends_of(commits.iter().map(|commit| commit.command.changes.len()));
        let (mut done, mut left) = (0, commits.iter().zip(ends).peekable());
        for together in pending.chunk_by_mut(|one, next| go_together(one, next)) {
            if let Some((commit, _)) = left.peek() {
                // Commits of other namespaces may lie between, and an erasure is noted under its own sequence.
                self.sequence = commit.sequence.saturating_sub(1);
            }
            for result in self.apply_together(together) {
                done += 1;
                result.map_err(|error| {
                    let sequence = left.find(|(_, end)| *end >= done).map_or(0, |(commit, _)| commit.sequence);
                    let what = format!("log, sequence {sequence}: a change that was accepted is refused: {error:?}");
                    StoreError::Damaged { what }
                })?;
            }
            while let Some((commit, _)) = left.next_if(|(_, end)| *end <= done) {
                self.replayed(commit);
            }
        }
        left.for_each(|(commit, _)| self.replayed(commit));
        Ok(())
    }

    /// Notes that a commit is applied.
    fn replayed(&mut self, commit: &Commit) {
        let command = &commit.command;
        self.date(command.time);
        self.sequence = commit.sequence;
        if let Some(request) = command.request {
            self.remember(request, command.time, &command.changes, &commit.answer);
        }
    }

    /// Remembers the outcome of a request, in its storage encoding, for a retry.
    pub fn remember(&mut self, request: Request, time: TimeMs, changes: &[Change], outcome: &[u8]) {
        let Request { id, scope, fingerprint } = request;
        let (answer, named) = (Some(outcome.to_vec()), named_by(changes));
        self.requests.insert(&Answered { scope, id, fingerprint, time, answer, named });
    }
}

/// Returns whom a request names, whether there is such a member or not: it may be made, and erased, later. Those whom the request
/// itself erases are not among them: they are not written down again.
fn named_by(changes: &[Change]) -> Vec<u64> {
    let mut names = BTreeMap::new();
    for change in changes {
        let erases = matches!(change, Change::DeleteMember { .. });
        names.extend(change.members().into_iter().map(|id| (named(id.as_str()), !erases)));
    }
    names.into_iter().filter_map(|(hash, stays)| stays.then_some(hash)).collect()
}
