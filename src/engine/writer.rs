//! The single writer: a thread that turns orders into commits, in the order they come.
//!
//! It drains what is waiting into one batch, applies it to a copy of the state, has the store put the batch on disk, and
//! only then publishes the copy and answers. What the store refuses has never happened.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread;

use tokio::sync::{mpsc, oneshot, watch};

use super::requests::Answered;
use super::state::State;
use super::{Applied, Effect, ImportedBatch, Refusal, StoreFigures, checkpoint, now};
use crate::domain::{Change, Command, Error, Precondition, Reason, Request, TimeMs, Violation, builtin_kinds};
use crate::store::{Commit, FinishedCheckpoint, Store, StoreError};

/// Commands that go to disk together at most.
const BATCH_COMMANDS_MAX: usize = 1_024;
/// Changes in them at most, so that a batch of imports stays in memory's bounds.
const BATCH_CHANGES_MAX: usize = 16_384;
/// A checkpoint is due when the log takes so many bytes for each member and edge: about what the checkpoint itself takes.
const CHECKPOINT_BYTES_PER_RESOURCE: u64 = 16;

pub type Respond = Box<dyn FnOnce(&State, &[Applied]) -> Vec<u8> + Send>;

pub struct WriteOrder {
    pub changes: Vec<Change>,
    pub request: Option<Request>,
    pub respond: Respond,
    pub reply: oneshot::Sender<Result<Vec<u8>, Refusal>>,
}

pub struct ImportOrder {
    pub changes: Vec<Change>,
    pub reply: oneshot::Sender<Result<ImportedBatch, Error>>,
}

pub enum Order {
    Write(WriteOrder),
    Import(ImportOrder),
    Figures(oneshot::Sender<StoreFigures>),
    CheckpointWritten(Result<FinishedCheckpoint, StoreError>),
}

/// An answer that waits for its batch to be on disk.
enum Answer {
    Write(oneshot::Sender<Result<Vec<u8>, Refusal>>, Vec<u8>),
    Import(oneshot::Sender<Result<ImportedBatch, Error>>, ImportedBatch),
}

pub struct Writer {
    store: Box<dyn Store>,
    publish: watch::Sender<Arc<State>>,
    /// For the checkpoint thread's report; weak, so that the writer ends when no engine handle is left.
    orders: mpsc::WeakSender<Order>,
    checkpoint_log_bytes_min: u64,
    checkpoint_under_way: bool,
    /// After a failed append what is on disk is unknown: no further write is taken until a restart reads it.
    failed: bool,
}

impl Writer {
    /// Takes over a loaded store; a new one gets the built-in kinds.
    pub fn new(
        store: Box<dyn Store>,
        publish: watch::Sender<Arc<State>>,
        orders: mpsc::WeakSender<Order>,
        checkpoint_log_bytes_min: u64,
    ) -> Result<Writer, StoreError> {
        let mut writer =
            Writer { store, publish, orders, checkpoint_log_bytes_min, checkpoint_under_way: false, failed: false };
        if writer.publish.borrow().sequence() == 0 {
            writer.register_builtin_kinds()?;
        }
        Ok(writer)
    }

    fn register_builtin_kinds(&mut self) -> Result<(), StoreError> {
        let put = |kind| Change::PutKind { kind, precondition: Precondition::None };
        let changes = builtin_kinds().into_iter().map(put).collect();
        let mut state = State::clone(&self.publish.borrow());
        let command = Command { time: now(), request: None, changes };
        let commit = Commit { sequence: 1, command, answer: Vec::new() };
        state.replay(&commit)?;
        self.store.append(&[commit])?;
        self.publish.send_replace(Arc::new(state));
        Ok(())
    }

    /// Serves orders until every engine handle is gone.
    pub fn run(mut self, mut inbox: mpsc::Receiver<Order>) {
        while let Some(first) = inbox.blocking_recv() {
            let mut batch = Batch::new(&self.publish.borrow());
            self.take(&mut batch, first);
            while batch.has_room() {
                match inbox.try_recv() {
                    Ok(order) => self.take(&mut batch, order),
                    Err(_) => break,
                }
            }
            self.commit(batch);
            self.checkpoint_if_due();
        }
    }

    fn take(&mut self, batch: &mut Batch, order: Order) {
        match order {
            // A caller that has gone away before its turn finds no one to answer; the write is still carried out.
            Order::Write(order) => batch.write(order),
            Order::Import(order) => batch.import(order),
            Order::Figures(reply) => {
                let figures = StoreFigures { disk_bytes: self.store.disk_bytes(), log_bytes: self.store.log_bytes() };
                let _ = reply.send(figures);
            }
            Order::CheckpointWritten(written) => self.install(written),
        }
    }

    fn commit(&mut self, batch: Batch) {
        let outcome = if batch.commits.is_empty() {
            Ok(())
        } else if self.failed {
            Err(Error::Internal("an earlier write failed".to_owned()))
        } else {
            self.store.append(&batch.commits).map_err(|error| self.fail(&error))
        };
        if outcome.is_ok() && !batch.commits.is_empty() {
            self.publish.send_replace(Arc::new(batch.state));
        }
        for answer in batch.answers {
            // A receiver that is gone has nobody to tell.
            match answer {
                Answer::Write(reply, bytes) => {
                    drop(reply.send(outcome.clone().map(|()| bytes).map_err(Refusal::of_all)))
                }
                Answer::Import(reply, imported) => drop(reply.send(outcome.clone().map(|()| imported))),
            }
        }
    }

    fn fail(&mut self, error: &StoreError) -> Error {
        tracing::error!(%error, "the store refused a batch; no more writes are taken until a restart");
        self.failed = true;
        match error {
            StoreError::Full => {
                Error::Exhausted { reason: Reason::StorageFull, message: "the disk is full".to_owned() }
            }
            other => Error::Internal(other.to_string()),
        }
    }

    fn checkpoint_if_due(&mut self) {
        let state = self.publish.borrow().clone();
        let resources = state.member_count() + state.edge_count();
        let due = self.checkpoint_log_bytes_min.max(resources * CHECKPOINT_BYTES_PER_RESOURCE);
        if self.failed || self.checkpoint_under_way || self.store.log_bytes() < due {
            return;
        }
        match self.store.begin_checkpoint(&checkpoint::head(&state)) {
            Ok(writer) => {
                self.checkpoint_under_way = true;
                let orders = self.orders.clone();
                thread::spawn(move || {
                    let written = checkpoint::write(&state, writer);
                    drop(state);
                    if let Some(orders) = orders.upgrade() {
                        let _ = orders.blocking_send(Order::CheckpointWritten(written));
                    }
                });
            }
            Err(error) => tracing::warn!(%error, "a checkpoint could not be begun"),
        }
    }

    fn install(&mut self, written: Result<FinishedCheckpoint, StoreError>) {
        self.checkpoint_under_way = false;
        match written.and_then(|finished| self.store.install(finished)) {
            Ok(()) => tracing::info!("checkpoint installed"),
            Err(error) => tracing::warn!(%error, "a checkpoint could not be written; the log goes on"),
        }
    }
}

/// Commands applied to a copy of the state, on their way to the disk.
struct Batch {
    state: State,
    commits: Vec<Commit>,
    answers: Vec<Answer>,
    changes: usize,
}

impl Batch {
    fn new(state: &State) -> Batch {
        Batch { state: state.clone(), commits: Vec::new(), answers: Vec::new(), changes: 0 }
    }

    fn has_room(&self) -> bool {
        self.commits.len() < BATCH_COMMANDS_MAX && self.changes < BATCH_CHANGES_MAX
    }

    fn write(&mut self, order: WriteOrder) {
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
        for (i, change) in changes.iter().enumerate() {
            match self.state.apply(time, change) {
                Ok(done) => applied.push(done),
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
            self.state.remember(request, time, &answer);
        }
        let kept = if request.is_some() { answer.clone() } else { Vec::new() };
        self.push(Command { time, request, changes }, kept);
        Ok(answer)
    }

    /// The answer a request was given before, or the refusal of another body under its id.
    fn answered(&self, request: Request) -> Option<Result<Vec<u8>, Error>> {
        let answered = self.state.requests.get(request.id)?;
        Some(if answered.fingerprint == request.fingerprint {
            Ok(answered.answer.to_vec())
        } else {
            let message = "was used with another body in the last 24 hours";
            Err(Violation::new("request_id", Reason::RequestIdReused, message).into())
        })
    }

    fn import(&mut self, order: ImportOrder) {
        let time = self.next_time();
        let mut results = Vec::with_capacity(order.changes.len());
        let mut kept = HashSet::new();
        for (i, change) in order.changes.iter().enumerate() {
            let result = self.state.apply(time, change);
            if result.as_ref().is_ok_and(|done| done.effect != Effect::Unchanged) {
                kept.insert(i);
            }
            results.push(result);
        }
        if !kept.is_empty() {
            // The log holds what was carried out, so that replaying it can refuse nothing.
            let changes = order.changes.into_iter().enumerate().filter(|(i, _)| kept.contains(i)).map(|(_, c)| c);
            let command = Command { time, request: None, changes: changes.collect() };
            self.state.sequence += 1;
            self.state.time = time;
            self.push(command, Vec::new());
        }
        let imported = ImportedBatch { results, revision: self.state.revision() };
        self.answers.push(Answer::Import(order.reply, imported));
    }

    /// Time never goes back from one command to the next, whatever the clock does.
    fn next_time(&self) -> TimeMs {
        now().max(self.state.time)
    }

    fn push(&mut self, command: Command, answer: Vec<u8>) {
        self.changes += command.changes.len();
        self.commits.push(Commit { sequence: self.state.sequence, command, answer });
    }
}

impl State {
    /// Applies a commit read from the log. It was accepted once, so a refusal means damage.
    pub(super) fn replay(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let command = &commit.command;
        self.requests.expire(command.time);
        for change in &command.changes {
            self.apply(command.time, change).map_err(|error| StoreError::Damaged {
                what: format!("log, sequence {}: a change that was accepted is refused: {error}", commit.sequence),
            })?;
        }
        self.sequence = commit.sequence;
        self.time = command.time;
        if let Some(request) = command.request {
            self.remember(request, command.time, &commit.answer);
        }
        Ok(())
    }

    fn remember(&mut self, request: Request, time: TimeMs, answer: &[u8]) {
        let answered =
            Answered { fingerprint: request.fingerprint, time, sequence: self.sequence, answer: answer.into() };
        self.requests.insert(request.id, answered);
    }
}
