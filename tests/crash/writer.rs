//! Writers with keys of their own, each with a ledger of what it was answered.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;
use tonic::transport::Channel;
use tonic::{Code, Status as Refused};

use super::call::{call, reason};
use super::content::Content;
use super::ledger::{Entry, Ledger, Outcome, Return};
use super::operation::{Maker, Operation, prefix};
use super::reading::Found;
use super::remembered::Remembered;
use super::shim::Shim;

/// Answers of earlier rounds that a writer asks for again.
const REMEMBERED_MAX: usize = 4;
/// Between a refusal and the next call.
const AFTER_REFUSAL: Duration = Duration::from_millis(1);

pub struct Writer {
    maker: Maker,
    prefix: String,
    pub ledger: Ledger,
    /// What all acknowledged entries make.
    content: Content,
    remembered: Vec<Remembered>,
    /// What the last kill left without an answer, if it has a request id.
    unanswered: Option<Operation>,
}

/// What the tasks of one run share.
#[derive(Default)]
pub struct Run {
    /// The server is being killed: calls may fail from here on.
    killed: AtomicBool,
    /// No further calls are to be made.
    over: AtomicBool,
    pub acknowledged: AtomicUsize,
    /// Refusals of a disk that is full or fails, which may come if there is such a disk.
    pub refused: AtomicUsize,
    pub reasons: Mutex<BTreeSet<String>>,
    disk_fails: bool,
    /// What writes down the server's own operations.
    shim: Option<Arc<Shim>>,
}

impl Run {
    pub fn under(shim: &Arc<Shim>) -> Run {
        Run { shim: Some(shim.clone()), ..Run::default() }
    }

    /// One in which writes may be refused.
    pub fn on_failing_disk(shim: Option<&Arc<Shim>>) -> Run {
        Run { shim: shim.cloned(), disk_fails: true, ..Run::default() }
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
    }

    /// What an error makes of a write.
    fn outcome(&self, refused: &Refused) -> Option<Outcome> {
        let reason = reason(refused);
        let outcome = match (refused.code(), reason.as_str()) {
            _ if self.killed.load(Ordering::SeqCst) => return Some(Outcome::Unknown),
            (Code::ResourceExhausted, "STORAGE_FULL") if self.disk_fails => Outcome::Full,
            (Code::Internal, "INTERNAL" | "OUTCOME_UNKNOWN") if self.disk_fails => Outcome::Failed,
            _ => return None,
        };
        self.refused.fetch_add(1, Ordering::SeqCst);
        self.reasons.lock().unwrap().insert(reason);
        Some(outcome)
    }
}

impl Writer {
    fn new(index: usize, seed: u64) -> Writer {
        Writer {
            maker: Maker::new(index, seed),
            prefix: prefix(index),
            ledger: Ledger::default(),
            content: Content::default(),
            remembered: Vec::new(),
            unanswered: None,
        }
    }

    /// Calls until the server is killed or the run is over.
    async fn write(&mut self, channel: &Channel, run: &Run) {
        // A refused import may have been carried out in part; a single message is all or nothing.
        self.maker.long_imports = !run.disk_fails;
        let mut again = None;
        while !run.over.load(Ordering::SeqCst) {
            let operation = again.take().unwrap_or_else(|| self.maker.operation(&self.content));
            let outcome = match call(channel, &operation).await {
                Ok(answer) => {
                    let position = run.shim.as_ref().map_or(0, |shim| shim.operations());
                    run.acknowledged.fetch_add(1, Ordering::SeqCst);
                    operation.changes().for_each(|change| self.content.apply(change));
                    Outcome::Acknowledged { answer, position }
                }
                Err(refused) => run.outcome(&refused).unwrap_or_else(|| panic!("{refused:?}: {operation:?}")),
            };
            let killed = outcome == Outcome::Unknown;
            if matches!(outcome, Outcome::Full | Outcome::Failed) {
                sleep(AFTER_REFUSAL).await;
                again = self.maker.random.bool().then(|| operation.clone());
            }
            self.ledger.entries.push(Entry { operation, outcome });
            if killed {
                return;
            }
        }
    }

    /// Takes what is there after a kill as the beginning of the next round.
    fn settle(&mut self, found: Content) {
        let entries = std::mem::take(&mut self.ledger.entries);
        let mut content = std::mem::replace(&mut self.ledger.base, found.clone());
        self.content = found.clone();
        let failed = entries.iter().any(|entry| entry.outcome == Outcome::Failed);
        for Entry { operation, outcome } in entries {
            let before = content.clone();
            operation.changes().for_each(|change| content.apply(change));
            if matches!(outcome, Outcome::Acknowledged { .. }) || found == content {
                self.remembered.iter_mut().for_each(|remembered| remembered.learn_of(&operation));
            }
            let named = !operation.request_id.is_empty();
            match outcome {
                Outcome::Acknowledged { answer, .. } if named => {
                    self.remember(Remembered::new(operation, answer, &content));
                }
                // Whether it is there or not, a retry must have the effect of one call, unless what failed before came back.
                Outcome::Unknown if named && !failed => {
                    self.content.clone_from(&content);
                    self.unanswered = Some(operation);
                }
                Outcome::Full | Outcome::Failed => content = before,
                Outcome::Acknowledged { .. } | Outcome::Unknown => {}
            }
        }
    }

    fn remember(&mut self, remembered: Remembered) {
        if self.remembered.len() == REMEMBERED_MAX {
            self.remembered.swap_remove(self.maker.random.usize(0..REMEMBERED_MAX));
        }
        self.remembered.push(remembered);
    }

    async fn retry(&mut self, channel: &Channel) {
        for remembered in &self.remembered {
            remembered.check(channel).await;
        }
        if let Some(operation) = self.unanswered.take() {
            let answer = call(channel, &operation).await;
            let answer = answer.unwrap_or_else(|refused| panic!("a retry is refused, {refused:?}: {operation:?}"));
            self.remembered.iter_mut().for_each(|remembered| remembered.learn_of(&operation));
            self.remember(Remembered::new(operation, answer, &self.content));
        }
    }
}

/// All writers of a test.
pub struct Fleet {
    pub writers: Vec<Writer>,
}

/// What rounds came to.
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

    /// Has every writer write at once, until the run is over or the server gone.
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

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.writers.iter().flat_map(|writer| &writer.ledger.entries)
    }

    /// How many of each writer's entries are there when the power went before operation `cut`. See `Ledger::check`.
    pub fn check(&self, found: &Found, cut: u64) -> Result<Vec<usize>, String> {
        let mine: Vec<Content> = self.writers.iter().map(|writer| found.of(&writer.prefix)).collect();
        let known: usize = mine.iter().map(|content| content.members.len() + content.edges.len()).sum();
        if known != found.content.members.len() + found.content.edges.len() {
            return Err("there is what nobody wrote".to_owned());
        }
        let failures = self.entries().any(|entry| entry.outcome == Outcome::Failed);
        let at = Return { sequence: found.sequence, cut, failures };
        let check = |(writer, mine): (&Writer, &Content)| {
            writer.ledger.check(mine, at).map_err(|wrong| format!("{}: {wrong}", writer.prefix))
        };
        self.writers.iter().zip(&mine).map(check).collect()
    }

    /// Checks what is there after a kill, and begins the next round with it.
    pub fn settle(&mut self, found: &Found, tally: &mut Tally) -> Result<(), String> {
        let there = self.check(found, u64::MAX)?;
        for (writer, there) in self.writers.iter_mut().zip(there) {
            let unknown = |entry: &&Entry| entry.outcome == Outcome::Unknown;
            tally.acknowledged += writer.ledger.acknowledged();
            tally.unknown += writer.ledger.entries.iter().filter(unknown).count();
            tally.unknown_there += writer.ledger.entries[..there].iter().filter(unknown).count();
            writer.settle(found.of(&writer.prefix));
        }
        Ok(())
    }

    /// Calls again what has a request id: what was answered gets the first answer, what was not has the effect of one call.
    pub async fn retry(&mut self, channels: &[Channel]) {
        for (i, writer) in self.writers.iter_mut().enumerate() {
            writer.retry(&channels[i % channels.len()]).await;
        }
    }

    /// Whether the server holds exactly what was acknowledged, nothing being under way.
    pub fn compare(&self, found: &Found) -> Result<(), String> {
        for writer in &self.writers {
            let mine = found.of(&writer.prefix);
            if mine != writer.content {
                return Err(format!("{}: {}", writer.prefix, writer.content.difference(&mine)));
            }
        }
        Ok(())
    }

    /// Takes what is there as the beginning of the next round.
    pub fn begin(&mut self) {
        self.writers.iter_mut().for_each(|writer| writer.ledger.base.clone_from(&writer.content));
    }
}
