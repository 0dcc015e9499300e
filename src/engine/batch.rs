//! Commands on their way to the disk: checked and applied to a copy of the state, not yet published.

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::oneshot;

use super::common::Common;
use super::namespaces::{
    CheckedOut, FORGOTTEN_TOGETHER, Namespaces, journal_name, journaled_begin, namespace_exists, no_namespace,
};
use super::orders::{ImportOrder, ImportStream, WriteOrder};
use super::outcome::{Applied, Effect, ImportedBatch, Outcome, Refusal, Report};
use super::revision::Revision;
use super::state::{ApplyContext, State, has_effect};
use super::under_way::{BatchBytes, Room, bytes_of};
use crate::domain::codec::Malformed;
use crate::domain::{
    Change, ChangeError, Command, ErasedId, ErasureKey, Error, Event, NamespaceName, Reason, Request, Scope, Sequence,
    TimeMs, Violation,
};
use crate::store::{Commit, Happened, Journaled};

/// Commands that are worth another thread and a sync of their own, with the next ones applied beside it.
pub const COMMANDS_TOGETHER: usize = 16;
/// Commands that go to disk together at most.
const COMMANDS_MAX: usize = 1_024;

/// An answer that waits for its batch to be on disk.
pub enum Answer {
    /// A refusal waits, too: it may have been judged on what is not on disk yet.
    Write(oneshot::Sender<Result<Outcome, Refusal>>, Result<Outcome, Refusal>),
    Import(oneshot::Sender<Result<ImportedBatch, Error>>, ImportedBatch, ImportStream, Option<Room>),
}

impl Answer {
    /// Gives it to its caller, or the error that kept the batch off the disk. A caller that is gone gets nothing.
    pub fn give(self, outcome: &Result<(), Error>) {
        match self {
            Answer::Write(reply, answer) => {
                drop(reply.send(outcome.clone().map_err(Refusal::Command).and(answer)));
            }
            Answer::Import(reply, imported, stream, room) => {
                if outcome.is_err() {
                    // Before the next batch begins, which may hold more of it.
                    stream.breaks();
                }
                drop(room);
                drop(reply.send(outcome.clone().map(|()| imported)));
            }
        }
    }
}

/// Commands applied to a copy of the namespaces, on their way to the disk.
pub struct Batch {
    /// All namespaces but the one that is checked out.
    namespaces: Namespaces,
    /// The namespace that the commands are of.
    at: CheckedOut,
    commits: Vec<Commit>,
    answers: Vec<Answer>,
    /// Who is erased, for the journal.
    erased: Vec<Journaled>,
    /// Taken, and not applied yet: those of a namespace between which no write lies are applied together.
    imports: Vec<ImportOrder>,
    changes: usize,
    /// What they take on their way.
    bytes: u64,
    common: Common,
}

/// What a write came to, before it is put down.
enum Judged {
    /// The request id is known, and this is the outcome that was kept under it.
    Answered(Outcome),
    Applied(Done),
}

/// The changes of a write, carried out on the state.
struct Done {
    time: TimeMs,
    applied: Vec<Applied>,
    /// What each of them left behind.
    events: Vec<Vec<Event>>,
}

/// What imports came to, before they are put down: of each change, and of each import its sequence.
struct Imported {
    time: TimeMs,
    results: Vec<Result<Applied, ChangeError>>,
    events: Vec<Vec<Event>>,
    sequences: Vec<Sequence>,
}

/// A batch that is ready to be written.
pub struct AppliedBatch {
    pub namespaces: Namespaces,
    pub commits: Vec<Commit>,
    pub answers: Vec<Answer>,
    pub erased: Vec<Journaled>,
}

impl Batch {
    pub fn new(mut namespaces: Namespaces, common: &Common) -> Batch {
        let at = namespaces.check_out_default();
        Batch {
            namespaces,
            at,
            commits: Vec::new(),
            answers: Vec::new(),
            erased: Vec::new(),
            imports: Vec::new(),
            changes: 0,
            bytes: 0,
            common: common.clone(),
        }
    }

    /// Makes a batch that begins in a namespace, whose state is replaced. None if there is no such namespace.
    pub fn on(namespaces: Namespaces, name: &NamespaceName, state: State, common: &Common) -> Option<Batch> {
        let mut batch = Batch::new(namespaces, common);
        batch.enter(name).ok()?;
        batch.at.replace(state);
        Some(batch)
    }

    /// Goes to a namespace, whose commands come next.
    fn enter(&mut self, name: &NamespaceName) -> Result<(), Error> {
        if self.at.name == *name {
            return Ok(());
        }
        let next = self.namespaces.check_out(name).ok_or_else(|| no_namespace(name))?;
        self.leave_for(next);
        Ok(())
    }

    fn leave_for(&mut self, mut next: CheckedOut) {
        std::mem::swap(&mut self.at, &mut next);
        self.namespaces.check_in(next);
        self.at.count_on(self.namespaces.sequence());
    }

    /// Returns whether more may go with it, of which there may be so many changes in all.
    pub fn has_room(&self, changes_max: usize) -> bool {
        let bytes_max = BatchBytes::of(self.common.options.memory).0;
        self.commits.len() + self.imports.len() < COMMANDS_MAX && self.changes < changes_max && self.bytes < bytes_max
    }

    /// Whether more of what waits would make more of the batch's way to the disk: enough writes do, and imports gain by numbers.
    pub fn is_worth_writing(&self) -> bool {
        self.commits.len() >= COMMANDS_TOGETHER && self.imports.is_empty()
    }

    /// All that was taken, applied.
    pub fn apply(mut self) -> AppliedBatch {
        self.apply_imports();
        let Batch { mut namespaces, at, commits, answers, erased, .. } = self;
        namespaces.check_in(at);
        AppliedBatch { namespaces, commits, answers, erased }
    }

    pub fn write(&mut self, order: WriteOrder) {
        self.apply_imports();
        let judged = self.judge(&order);
        if judged.is_err() && creator(&order.changes).is_some() && self.at.name == order.namespace && self.at.is_new() {
            self.leave_dropped();
        }
        self.conclude(order, judged);
    }

    /// Carries out a write as the first of a batch, on a state where some of it is done already. Gives the order back where that state
    /// does not take it, or has an answer for it: then the batch is good for nothing.
    pub fn write_prepared(&mut self, order: WriteOrder) -> Result<(), Box<WriteOrder>> {
        let judged = self.judge(&order);
        if self.at.state.is_ahead() {
            return Err(order.into());
        }
        self.conclude(order, judged);
        Ok(())
    }

    fn conclude(&mut self, order: WriteOrder, judged: Result<Judged, Refusal>) {
        let WriteOrder { changes, request, report, reply, .. } = order;
        let outcome = judged.map(|judged| match judged {
            Judged::Answered(outcome) => outcome,
            Judged::Applied(done) => self.commit(changes, request, report, done),
        });
        self.answers.push(Answer::Write(reply, outcome));
    }

    /// Carries out the changes of a write on the state, all or none.
    fn judge(&mut self, WriteOrder { namespace, changes, request, .. }: &WriteOrder) -> Result<Judged, Refusal> {
        self.resume(self.next_time());
        if let Some(creator) = creator(changes) {
            self.create(namespace, creator).map_err(Refusal::Command)?;
        }
        self.enter(namespace).map_err(Refusal::Command)?;
        let time = self.next_time();
        if let Some(answer) = request.and_then(|request| self.answered(request, time)) {
            return answer.map(Judged::Answered).map_err(Refusal::Command);
        }
        // A retry has its answer by now, whatever else is refused.
        self.common.clock.check_write().map_err(Refusal::Command)?;
        self.forget(time);
        if let Some(Request { scope, .. }) = *request {
            let most = self.common.options.request_ids_bytes_max;
            self.namespaces.check_request_room(&mut self.at, scope, most).map_err(Refusal::Command)?;
        }
        self.common.memory.check(&self.at.state, changes).map_err(Refusal::Command)?;
        self.keep_erased(time, changes);
        // Only a command of several changes can fail half-way; a single one is checked before it touches anything.
        let before = (changes.len() > 1).then(|| self.at.state.clone());
        let mut applied = Vec::with_capacity(changes.len());
        let mut events = Vec::with_capacity(changes.len());
        for (i, change) in changes.iter().enumerate() {
            let mut left_behind = Vec::new();
            match self.at.state.apply(&mut ApplyContext::of_write(time, &mut left_behind), change) {
                Ok(done) => {
                    applied.push(done);
                    events.push(left_behind);
                }
                Err(error) => {
                    if let Some(before) = before {
                        self.at.state = before;
                    }
                    return Err(Refusal::Change { index: i, error });
                }
            }
        }
        Ok(Judged::Applied(Done { time, applied, events }))
    }

    /// Adds a write that was applied to the batch, and returns its outcome.
    fn commit(
        &mut self,
        changes: Vec<Change>,
        request: Option<Request>,
        report: Report,
        Done { time, applied, events }: Done,
    ) -> Outcome {
        if request.is_none() && applied.iter().all(|done| done.effect == Effect::Unchanged) {
            return self.at.state.outcome(report, &changes, &applied, time);
        }
        self.at.state.advance(time);
        self.note_erased(time, &changes, &applied);
        let outcome = self.at.state.outcome(report, &changes, &applied, time);
        let kept = request.map_or_else(Vec::new, |_| outcome.encode());
        if let Some(request) = request {
            self.at.state.remember(request, time, &changes, &kept);
        }
        self.push(Command { time, request, changes }, kept, events);
        if self.commits.last().is_some_and(Commit::ends_namespace) {
            self.drop_namespace(time);
        }
        outcome
    }

    /// Makes a namespace, which its first command is about to fill.
    fn create(&mut self, name: &NamespaceName, creator: Scope) -> Result<(), Error> {
        if self.at.name == *name {
            return Err(namespace_exists(name));
        }
        self.namespaces.create(name, creator)
    }

    /// Forgets some of what is over, in this namespace and in the others.
    fn forget(&mut self, now: TimeMs) {
        let kept = self.namespaces.kept_at(now);
        self.at.state.forget(&kept, FORGOTTEN_TOGETHER);
        self.namespaces.forget(&kept, FORGOTTEN_TOGETHER);
    }

    /// Drops the namespace whose last command was just carried out.
    fn drop_namespace(&mut self, time: TimeMs) {
        let own = self.at.state.erasures().own_key();
        self.erased.extend(own.map(|own| Journaled::of_namespace(own, time)));
        self.namespaces.note_deleted(own, time);
        self.leave_dropped();
    }

    /// Leaves a namespace that is no more.
    fn leave_dropped(&mut self) {
        let next = self.namespaces.check_out_default();
        let gone = std::mem::replace(&mut self.at, next);
        self.namespaces.drop_out(gone);
        self.at.count_on(self.namespaces.sequence());
    }

    /// Returns the outcome that is kept under a request id, or the refusal of another body under it.
    fn answered(&self, request: Request, time: TimeMs) -> Option<Result<Outcome, Error>> {
        let answered =
            self.at.state.requests().get(request.scope, request.id, self.namespaces.kept_at(time).requests_from)?;
        if answered.fingerprint != request.fingerprint {
            let message = "was used with another body in the last 24 hours";
            return Some(Err(Violation::new("request_id", Reason::RequestIdReused, message).into()));
        }
        let kept = answered.answer.ok_or_else(|| {
            let message = "was carried out; its answer went with a member it named that was erased since";
            Error::precondition("request_id", Reason::AnswerErased, message)
        });
        let decode = |kept: Vec<u8>| Outcome::decode(&kept, self.at.state.store_id());
        let unreadable = |why: Malformed| Error::Internal(format!("a kept outcome can't be read: {}", why.0));
        Some(kept.and_then(|kept| decode(kept).map_err(unreadable)))
    }

    /// Has the first command of this run know that there was a pause before it, if there was.
    fn resume(&mut self, time: TimeMs) {
        if self.namespaces.resume(time) {
            self.at.state.advance(time);
            self.push(Command { time, request: None, changes: vec![Change::Resume {}] }, Vec::new(), vec![Vec::new()]);
        }
    }

    /// Has the erased ids remembered as the options say, before a command erases the first.
    fn keep_erased(&mut self, time: TimeMs, changes: &[Change]) {
        let days = self.common.options.erased_ids_days;
        let erases = changes.iter().any(|change| matches!(change, Change::DeleteMember { .. }));
        if !erases || self.at.state.erasures().are_kept(days) {
            return;
        }
        let Some(key) = self.at.state.erasures().own_key().or_else(new_key) else { return };
        self.at.state.keep_erased(key, days);
        self.at.state.advance(time);
        let changes = vec![Change::KeepErased { key, days }];
        self.push(Command { time, request: None, changes }, Vec::new(), vec![Vec::new()]);
    }

    fn note_erased(&mut self, time: TimeMs, changes: &[Change], applied: &[Applied]) {
        let deleted = changes.iter().zip(applied).filter(|(_, done)| done.effect == Effect::Deleted);
        let erased = deleted.filter_map(|(change, _)| match change {
            Change::DeleteMember { id, .. } => self.at.state.erasures().erased(id, time),
            _ => None,
        });
        let namespace = journal_name(&self.at.name, &self.at.state);
        self.erased.extend(erased.map(|(key, erased)| Journaled { namespace, key, what: Happened::Erased(erased) }));
        self.note_remembered(time, changes);
        if creator(changes).is_some() {
            self.erased.extend(journaled_begin(&self.at.name, &self.at.state));
        }
    }

    /// Has the journal know whom another store erased, as every backup from here on does.
    fn note_remembered(&mut self, time: TimeMs, changes: &[Change]) {
        let namespace = journal_name(&self.at.name, &self.at.state);
        for change in changes {
            let Change::RememberErased { key, erased } = change else { continue };
            let erased = erased.iter().map(|erased| ErasedId { time: erased.time.min(time), ..*erased });
            self.erased.extend(erased.map(|erased| Journaled { namespace, key: *key, what: Happened::Erased(erased) }));
        }
    }

    pub fn import(&mut self, order: ImportOrder) {
        if order.stream.is_broken() {
            // Its caller has heard, or hears, what the failure was.
            let message = "an earlier message of the same import failed".to_owned();
            return drop(order.reply.send(Err(Error::Internal(message))));
        }
        let is_here = self.at.name == order.namespace;
        let state =
            if is_here { Some(&self.at.state) } else { self.namespaces.get(&order.namespace).map(|state| &**state) };
        if !state.is_some_and(|state| order.stream.stays_in(state.create_sequence())) {
            order.stream.breaks();
            return drop(order.reply.send(Err(no_namespace(&order.namespace))));
        }
        self.changes += order.changes.len();
        self.bytes += bytes_of(&order.changes);
        self.imports.push(order);
    }

    /// Applies the imports that wait. Only those of one namespace depend on each other's order, so that they are applied together even
    /// where others came between.
    fn apply_imports(&mut self) {
        let mut waiting = std::mem::take(&mut self.imports);
        waiting.sort_by(|one, other| one.namespace.cmp(&other.namespace));
        let mut waiting = waiting.into_iter().peekable();
        while let Some(namespace) = waiting.peek().map(|order| order.namespace.clone()) {
            let own = std::iter::from_fn(|| waiting.next_if(|order| order.namespace == namespace));
            let mut orders: Vec<ImportOrder> = own.collect();
            match self.enter(&namespace) {
                Ok(()) => {
                    let imported = self.carry_out_imports(&mut orders);
                    self.conclude_imports(orders, imported);
                }
                Err(error) => orders.into_iter().for_each(|order| {
                    order.stream.breaks();
                    drop(order.reply.send(Err(error.clone())));
                }),
            }
        }
    }

    /// Carries out an import as the first of a batch, on a state where some of it is done already. Gives the order back where that state
    /// does not take it: then the batch is good for nothing.
    pub fn import_prepared(&mut self, order: ImportOrder) -> Result<(), ImportOrder> {
        let mut orders = [order];
        let imported = self.carry_out_imports(&mut orders);
        let [order] = orders;
        if self.at.state.is_ahead() {
            return Err(order);
        }
        self.changes += order.changes.len();
        self.conclude_imports(vec![order], imported);
        Ok(())
    }

    fn carry_out_imports(&mut self, orders: &mut [ImportOrder]) -> Imported {
        let time = self.next_time();
        self.forget(time);
        self.resume(time);
        if !self.at.state.erasures().is_empty() {
            let changes = orders.iter_mut().flat_map(|order| &mut order.changes);
            self.at.state.without_erased(changes, time);
        }
        let mut events: Vec<Vec<Event>> = vec![Vec::new(); orders.iter().map(|order| order.changes.len()).sum()];
        let imports: Vec<&[Change]> = orders.iter().map(|order| order.changes.as_slice()).collect();
        let (results, sequences) = self.at.state.import(&imports, time, &mut events);
        Imported { time, results, events, sequences }
    }

    fn conclude_imports(&mut self, orders: Vec<ImportOrder>, imported: Imported) {
        let Imported { time, results, events, sequences } = imported;
        let (mut results, mut events) = (results.into_iter(), events.into_iter());
        for (order, sequence) in orders.into_iter().zip(sequences) {
            let results = results.by_ref().take(order.changes.len()).collect();
            let events = events.by_ref().take(order.changes.len());
            self.imported(order, time, sequence, results, events);
        }
    }

    /// Puts down an import that was applied.
    fn imported(
        &mut self,
        order: ImportOrder,
        time: TimeMs,
        sequence: Sequence,
        results: Vec<Result<Applied, ChangeError>>,
        events: impl Iterator<Item = Vec<Event>>,
    ) {
        // The log holds what was carried out, so that replaying it can refuse nothing.
        let applied = order.changes.into_iter().zip(&results).zip(events);
        let applied = applied.filter(|((_, result), _)| has_effect(result));
        let (changes, events): (Vec<Change>, Vec<Vec<Event>>) =
            applied.map(|((change, _), events)| (change, events)).unzip();
        if !changes.is_empty() {
            self.at.state.date(time);
            self.note_remembered(time, &changes);
            let command = Command { time, request: None, changes };
            let namespace = self.at.name.clone();
            self.commits.push(Commit { sequence, namespace, command, answer: Vec::new(), events });
            if self.commits.last().is_some_and(Commit::ends_namespace) {
                // The erasure journal had it deleted; nothing else of it comes with that.
                self.drop_namespace(time);
            }
        }
        let revision = Revision::new(self.at.state.store_id(), sequence);
        self.answers.push(Answer::Import(order.reply, ImportedBatch { results, revision }, order.stream, order.room));
    }

    /// When a command is accepted. Time never goes back from one to the next.
    fn next_time(&self) -> TimeMs {
        self.common.clock.now().max(self.namespaces.time()).max(self.at.state.time())
    }

    fn push(&mut self, command: Command, answer: Vec<u8>, events: Vec<Vec<Event>>) {
        self.changes += command.changes.len();
        self.bytes += bytes_of(&command.changes);
        let (sequence, namespace) = (self.at.state.sequence(), self.at.name.clone());
        self.commits.push(Commit { sequence, namespace, command, answer, events });
    }
}

/// Returns the caller who makes a command's namespace, if the command does.
fn creator(changes: &[Change]) -> Option<Scope> {
    match changes.first() {
        Some(Change::CreateNamespace { creator }) => Some(*creator),
        _ => None,
    }
}

/// A key that nobody can guess. None if the machine has no randomness to give: then nothing is remembered.
pub fn new_key() -> Option<ErasureKey> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok().map(|()| ErasureKey(bytes))
}
