//! Writers with keys of their own, the ledger of what they were answered, and what must therefore be there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use super::call::{Answer, call};
use super::content::Content;
use super::operation::{Maker, Operation, prefix};
use super::reading::Found;

/// Answers of earlier rounds that a writer asks for again.
const REMEMBERED_MAX: usize = 4;

/// One call of a writer; it makes them one after the other.
pub struct Entry {
    pub operation: Operation,
    pub outcome: Outcome,
}

#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// Answered before the disk's operation of this number.
    Acknowledged { answer: Answer, position: u64 },
    /// The server was killed meanwhile: it may have been carried out.
    Unknown,
}

pub struct Writer {
    pub maker: Maker,
    prefix: String,
    /// What was there before the first entry.
    base: Content,
    pub entries: Vec<Entry>,
    /// What all acknowledged entries make of it.
    pub content: Content,
    /// Acknowledged under a request id, some time.
    remembered: Vec<(Operation, Answer)>,
    /// What the last kill left without an answer, if it has a request id.
    unanswered: Option<Operation>,
}

/// What the tasks of one run share.
#[derive(Default)]
pub struct Run {
    /// The server is being killed: calls may fail from here on.
    killed: AtomicBool,
}

impl Run {
    pub fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
    }
}

impl Writer {
    fn new(index: usize, seed: u64) -> Writer {
        Writer {
            maker: Maker::new(index, seed),
            prefix: prefix(index),
            base: Content::default(),
            entries: Vec::new(),
            content: Content::default(),
            remembered: Vec::new(),
            unanswered: None,
        }
    }

    /// Calls until the server is killed.
    async fn write(&mut self, channel: &Channel, run: &Run) {
        loop {
            let operation = self.maker.operation(&self.content);
            let outcome = match call(channel, &operation).await {
                Ok(answer) => {
                    operation.batches.iter().flatten().for_each(|change| self.content.apply(change));
                    Outcome::Acknowledged { answer, position: 0 }
                }
                Err(_) if run.killed.load(Ordering::SeqCst) => Outcome::Unknown,
                Err(refused) => panic!("{refused:?}: {operation:?}"),
            };
            let ended = outcome == Outcome::Unknown;
            self.entries.push(Entry { operation, outcome });
            if ended {
                return;
            }
        }
    }

    /// How many entries are there, whole, of a server that came back after `cut`; how it went wrong if what is there is not
    /// exactly what some of them make, in order, with all that were acknowledged by then.
    pub fn check(&self, found: &Content, sequence: u64, cut: u64) -> Result<usize, String> {
        let by_then =
            |entry: &Entry| matches!(entry.outcome, Outcome::Acknowledged { position, .. } if position <= cut);
        let required = self.entries.iter().rposition(by_then).map_or(0, |last| last + 1);
        let mut content = self.base.clone();
        let mut earlier = (content == *found).then_some(0);
        for (done, entry) in self.entries[..required].iter().enumerate() {
            entry.operation.batches.iter().flatten().for_each(|change| content.apply(change));
            earlier = if content == *found { Some(done + 1) } else { earlier };
        }
        let wrong = match earlier {
            Some(earlier) if earlier < required => {
                format!("the last {} of {required} acknowledged writes are lost", required - earlier)
            }
            _ => content.difference(found),
        };
        if content == *found && self.in_order(required, sequence) {
            return Ok(required);
        }
        for (done, entry) in self.entries.iter().enumerate().skip(required) {
            for (i, batch) in entry.operation.batches.iter().enumerate() {
                batch.iter().for_each(|change| content.apply(change));
                let whole = done + usize::from(i + 1 == entry.operation.batches.len());
                if content == *found && self.in_order(whole, sequence) {
                    return Ok(whole);
                }
            }
        }
        Err(format!("{}: {wrong} (sequence {sequence})", self.prefix))
    }

    /// Whether the writes up to a sequence are there and no later one: a prefix of all writers' writes.
    fn in_order(&self, there: usize, sequence: u64) -> bool {
        self.entries.iter().enumerate().all(|(i, entry)| match &entry.outcome {
            Outcome::Acknowledged { answer, .. } => (answer.sequence <= sequence) == (i < there),
            Outcome::Unknown => true,
        })
    }

    /// Takes what is there after a kill as the beginning of the next round.
    fn settle(&mut self, found: Content) {
        for entry in self.entries.drain(..) {
            let named = !entry.operation.request_id.is_empty();
            match entry.outcome {
                Outcome::Acknowledged { answer, .. } if named => {
                    if self.remembered.len() == REMEMBERED_MAX {
                        self.remembered.swap_remove(self.maker.random.usize(0..REMEMBERED_MAX));
                    }
                    self.remembered.push((entry.operation, answer));
                }
                Outcome::Unknown if named => {
                    // Whether it is there or not, a retry must have the effect of one call.
                    entry.operation.batches.iter().flatten().for_each(|change| self.content.apply(change));
                    self.unanswered = Some(entry.operation);
                }
                _ => {}
            }
        }
        if self.unanswered.is_none() {
            self.content = found.clone();
        }
        self.base = found;
    }

    async fn retry(&mut self, channel: &Channel) {
        for (operation, answer) in &self.remembered {
            let again = call(channel, operation).await;
            let first = again.as_ref().ok() == Some(answer);
            assert!(first || again.as_ref().is_err_and(is_erased), "not the first answer, {again:?}: {operation:?}");
        }
        if let Some(operation) = self.unanswered.take() {
            let answer = call(channel, &operation).await;
            let answer = answer.unwrap_or_else(|refused| panic!("a retry is refused, {refused:?}: {operation:?}"));
            self.remembered.push((operation, answer));
            self.remembered.truncate(REMEMBERED_MAX);
        }
    }
}

/// All writers of a test.
pub struct Fleet {
    pub writers: Vec<Writer>,
}

/// What a round came to.
#[derive(Debug, Default)]
pub struct Tally {
    pub acknowledged: usize,
    /// Without an answer at the kill.
    pub unknown: usize,
    /// Of them, those that were there afterwards.
    pub unknown_there: usize,
}

impl Fleet {
    pub fn new(writers: usize, seed: u64) -> Fleet {
        Fleet { writers: (0..writers).map(|index| Writer::new(index, seed)).collect() }
    }

    /// Has every writer write at once, until the server is gone.
    pub fn write(&mut self, channels: &[Channel], run: &Arc<Run>) -> JoinSet<(usize, Writer)> {
        let mut tasks = JoinSet::new();
        for (i, mut writer) in self.writers.drain(..).enumerate() {
            let (channel, run) = (channels[i % channels.len()].clone(), run.clone());
            tasks.spawn(async move {
                writer.write(&channel, &run).await;
                (i, writer)
            });
        }
        tasks
    }

    pub async fn join(&mut self, tasks: JoinSet<(usize, Writer)>) {
        let mut ended = tasks.join_all().await;
        ended.sort_by_key(|(i, _)| *i);
        self.writers = ended.into_iter().map(|(_, writer)| writer).collect();
    }

    /// How many of each writer's entries are there. See `Writer::check`.
    pub fn check(&self, found: &Found, cut: u64) -> Result<Vec<usize>, String> {
        let mine: Vec<Content> = self.writers.iter().map(|writer| found.of(&writer.prefix)).collect();
        let known: usize = mine.iter().map(|content| content.members.len() + content.edges.len()).sum();
        if known != found.content.members.len() + found.content.edges.len() {
            return Err("there is what nobody wrote".to_owned());
        }
        self.writers.iter().zip(&mine).map(|(writer, mine)| writer.check(mine, found.sequence, cut)).collect()
    }

    /// Checks what is there after a kill, and begins the next round with it.
    pub fn settle(&mut self, found: &Found) -> Result<Tally, String> {
        let there = self.check(found, u64::MAX)?;
        let mut tally = Tally::default();
        for (writer, there) in self.writers.iter_mut().zip(there) {
            let unknown = writer.entries.iter().filter(|entry| entry.outcome == Outcome::Unknown).count();
            tally.acknowledged += writer.entries.len() - unknown;
            tally.unknown += unknown;
            tally.unknown_there += there.saturating_sub(writer.entries.len() - unknown);
            writer.settle(found.of(&writer.prefix));
        }
        Ok(tally)
    }

    /// Calls again what has a request id: what was answered gets the first answer, what was not has the effect of one call.
    pub async fn retry(&mut self, channels: &[Channel]) {
        for (i, writer) in self.writers.iter_mut().enumerate() {
            writer.retry(&channels[i % channels.len()]).await;
        }
    }

    /// Whether the server holds exactly what the writers expect, nothing being under way.
    pub fn compare(&mut self, found: &Found) -> Result<(), String> {
        for writer in &mut self.writers {
            let mine = found.of(&writer.prefix);
            if mine != writer.content {
                return Err(format!("{}: {}", writer.prefix, writer.content.difference(&mine)));
            }
            writer.base = mine;
        }
        Ok(())
    }
}

/// Whether an answer went with a member it named that a later operation erased.
fn is_erased(refused: &tonic::Status) -> bool {
    refused.get_details_error_info().is_some_and(|info| info.reason == "ANSWER_ERASED")
}
