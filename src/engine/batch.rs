//! Commands on their way to the disk: checked and applied to a copy of the state, not yet published.

use tokio::sync::oneshot;

use super::apply::Act;
use super::requests::Answered;
use super::state::State;
use super::writer::{ImportOrder, Respond, WriteOrder};
use super::{Effect, ImportedBatch, Refusal, now};
use crate::domain::{Change, Command, Error, Event, Reason, Request, TimeMs, Violation};
use crate::store::{Commit, StoreError};

/// Commands that go to disk together at most.
const COMMANDS_MAX: usize = 1_024;
/// Changes in them at most, so that a batch of imports stays in memory's bounds.
const CHANGES_MAX: usize = 16_384;

/// An answer that waits for its batch to be on disk.
pub enum Answer {
    Write(oneshot::Sender<Result<Vec<u8>, Refusal>>, Vec<u8>),
    Import(oneshot::Sender<Result<ImportedBatch, Error>>, ImportedBatch),
}

impl Answer {
    /// Gives it to its caller, or the error that kept the batch off the disk. A caller that is gone has nobody to tell.
    pub fn give(self, outcome: &Result<(), Error>) {
        match self {
            Answer::Write(reply, bytes) => drop(reply.send(outcome.clone().map(|()| bytes).map_err(Refusal::of_all))),
            Answer::Import(reply, imported) => drop(reply.send(outcome.clone().map(|()| imported))),
        }
    }
}

/// Commands applied to a copy of the state, on their way to the disk.
pub struct Batch {
    pub state: State,
    pub commits: Vec<Commit>,
    pub answers: Vec<Answer>,
    changes: usize,
}

impl Batch {
    pub fn new(state: &State) -> Batch {
        Batch { state: state.clone(), commits: Vec::new(), answers: Vec::new(), changes: 0 }
    }

    pub fn has_room(&self) -> bool {
        self.commits.len() < COMMANDS_MAX && self.changes < CHANGES_MAX
    }

    pub fn write(&mut self, order: WriteOrder) {
        match self.write_answer(order.changes, order.request, order.respond) {
            Ok(bytes) => self.answers.push(Answer::Write(order.reply, bytes)),
            Err(error) => drop(order.reply.send(Err(error))),
        }
    }

    fn write_answer(
        &mut self,
        changes: Vec<Change>,
        request: Option<Request>,
        respond: Respond,
    ) -> Result<Vec<u8>, Refusal> {
        let time = self.next_time();
        self.state.requests.expire(time);
        if let Some(answer) = request.and_then(|request| self.answered(request)) {
            return answer.map_err(Refusal::of_all);
        }
        // Only a command of several changes can fail half-way; a single one is checked before it touches anything.
        let before = (changes.len() > 1).then(|| self.state.clone());
        let mut applied = Vec::with_capacity(changes.len());
        let mut events = Vec::with_capacity(changes.len());
        for (i, change) in changes.iter().enumerate() {
            let mut left_behind = Vec::new();
            match self.state.apply(&mut Act::recorded(time, &mut left_behind), change) {
                Ok(done) => {
                    applied.push(done);
                    events.push(left_behind);
                }
                Err(error) => {
                    if let Some(before) = before {
                        self.state = before;
                    }
                    return Err(Refusal { change: Some(i), error });
                }
            }
        }
        if request.is_none() && applied.iter().all(|done| done.effect == Effect::Unchanged) {
            return Ok(respond(&self.state, &applied));
        }
        self.state.sequence += 1;
        self.state.time = time;
        let answer = respond(&self.state, &applied);
        if let Some(request) = request {
            self.state.remember(request, time, &changes, &answer);
        }
        let kept = if request.is_some() { answer.clone() } else { Vec::new() };
        self.push(Command { time, request, changes }, kept, events);
        Ok(answer)
    }

    /// The answer a request was given before, or the refusal of another body under its id.
    fn answered(&self, request: Request) -> Option<Result<Vec<u8>, Error>> {
        let answered = self.state.requests.get(request.id)?;
        if answered.fingerprint != request.fingerprint {
            let message = "was used with another body in the last 24 hours";
            return Some(Err(Violation::new("request_id", Reason::RequestIdReused, message).into()));
        }
        Some(answered.answer.as_deref().map(<[u8]>::to_vec).ok_or_else(|| {
            let message = "was carried out; its answer went with a member it named that was erased since";
            Error::precondition("request_id", Reason::AnswerErased, message)
        }))
    }

    pub fn import(&mut self, order: ImportOrder) {
        let time = self.next_time();
        let mut results = Vec::with_capacity(order.changes.len());
        // The log holds what was carried out, so that replaying it can refuse nothing.
        let (mut changes, mut events) = (Vec::new(), Vec::new());
        for change in order.changes {
            let mut left_behind = Vec::new();
            let result = self.state.apply(&mut Act::recorded(time, &mut left_behind), &change);
            if result.as_ref().is_ok_and(|done| done.effect != Effect::Unchanged) {
                changes.push(change);
                events.push(left_behind);
            }
            results.push(result);
        }
        if !changes.is_empty() {
            self.state.sequence += 1;
            self.state.time = time;
            self.push(Command { time, request: None, changes }, Vec::new(), events);
        }
        let imported = ImportedBatch { results, revision: self.state.revision() };
        self.answers.push(Answer::Import(order.reply, imported));
    }

    /// Time never goes back from one command to the next, whatever the clock does.
    fn next_time(&self) -> TimeMs {
        now().max(self.state.time)
    }

    fn push(&mut self, command: Command, answer: Vec<u8>, events: Vec<Vec<Event>>) {
        self.changes += command.changes.len();
        self.commits.push(Commit { sequence: self.state.sequence, command, answer, events });
    }
}

impl State {
    /// Applies a commit read from the log. It was accepted once, so a refusal means damage.
    pub(super) fn replay(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let command = &commit.command;
        self.requests.expire(command.time);
        let mut act = Act::replayed(command.time);
        for change in &command.changes {
            self.apply(&mut act, change).map_err(|error| StoreError::Damaged {
                what: format!("log, sequence {}: a change that was accepted is refused: {error}", commit.sequence),
            })?;
        }
        self.sequence = commit.sequence;
        self.time = command.time;
        if let Some(request) = command.request {
            self.remember(request, command.time, &command.changes, &commit.answer);
        }
        Ok(())
    }

    fn remember(&mut self, request: Request, time: TimeMs, changes: &[Change], answer: &[u8]) {
        let mut members: Vec<_> = changes.iter().flat_map(Change::members).cloned().collect();
        // What is erased already is not written down again.
        members.retain(|id| self.graph.find(id.as_str()).is_some());
        members.sort_unstable();
        members.dedup();
        let (fingerprint, sequence) = (request.fingerprint, self.sequence);
        let answered = Answered { fingerprint, time, sequence, answer: Some(answer.into()), members: members.into() };
        self.requests.insert(request.id, answered);
    }
}
