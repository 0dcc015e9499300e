//! Orders are what the writer thread is asked to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::oneshot;

use super::memory::Weight;
use super::outcome::{ImportedBatch, Outcome, Refusal, Report};
use super::under_way::Room;
use crate::domain::{Change, Error, NamespaceName, Request, Sequence};
use crate::store::{FinishedCheckpoint, StoreError};

pub struct WriteOrder {
    /// Whose turn it takes.
    pub caller: Arc<str>,
    pub namespace: NamespaceName,
    pub changes: Vec<Change>,
    pub request: Option<Request>,
    pub report: Report,
    pub reply: oneshot::Sender<Result<Outcome, Refusal>>,
}

pub struct ImportOrder {
    pub namespace: NamespaceName,
    pub changes: Vec<Change>,
    pub stream: ImportStream,
    pub reply: oneshot::Sender<Result<ImportedBatch, Error>>,
    /// The order holds its room until it is answered; the engine's own imports need none.
    pub room: Option<Room>,
}

impl Order {
    /// Returns whose turn a command takes.
    pub fn caller(&self) -> Option<&Arc<str>> {
        match self {
            Order::Write(order) => Some(&order.caller),
            Order::Import(order) => Some(order.stream.caller()),
            _ => None,
        }
    }

    /// Returns whether it is a write whose caller has gone away.
    pub fn is_abandoned(&self) -> bool {
        matches!(self, Order::Write(order) if order.reply.is_closed())
    }

    /// Returns how many changes a command has.
    pub fn changes(&self) -> usize {
        match self {
            Order::Write(order) => order.changes.len(),
            Order::Import(order) => order.changes.len(),
            _ => 0,
        }
    }

    /// Returns the namespace that a command is of.
    pub fn namespace(&self) -> Option<&NamespaceName> {
        match self {
            Order::Write(order) => Some(&order.namespace),
            Order::Import(order) => Some(&order.namespace),
            _ => None,
        }
    }
}

impl ImportOrder {
    /// Makes an import of the engine's own, whose answer nobody waits for.
    pub fn of_its_own(namespace: NamespaceName, changes: Vec<Change>) -> ImportOrder {
        let (reply, _) = oneshot::channel();
        ImportOrder { namespace, changes, stream: ImportStream::default(), reply, room: None }
    }
}

/// Imports of one caller that depend on each other: when one fails on its way to the disk, those after it are not carried out.
#[derive(Debug, Clone)]
pub struct ImportStream(Arc<StreamOfImports>);

#[derive(Debug)]
struct StreamOfImports {
    caller: Arc<str>,
    broken: AtomicBool,
    /// The command that created the namespace that the first was carried out in; 0 before.
    created: AtomicU64,
}

impl ImportStream {
    /// Begins a stream. `caller` is whom the room that its imports take is counted for.
    pub fn of(caller: Arc<str>) -> ImportStream {
        ImportStream(Arc::new(StreamOfImports { caller, broken: AtomicBool::new(false), created: AtomicU64::new(0) }))
    }

    pub fn caller(&self) -> &Arc<str> {
        &self.0.caller
    }

    /// Returns whether a namespace that was created by a command is the one that the stream began in, and no other of its name.
    pub fn stays_in(&self, created: Sequence) -> bool {
        let known = self.0.created.compare_exchange(0, created, Ordering::AcqRel, Ordering::Acquire);
        known.is_ok() || known == Err(created)
    }

    pub fn is_broken(&self) -> bool {
        self.0.broken.load(Ordering::Acquire)
    }

    /// Returns whether both are the same stream.
    pub fn is(&self, other: &ImportStream) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Notes that an import of the stream has failed.
    pub fn breaks(&self) {
        self.0.broken.store(true, Ordering::Release);
    }
}

impl Default for ImportStream {
    /// Begins a stream that nobody called for.
    fn default() -> ImportStream {
        ImportStream::of("".into())
    }
}

pub enum Order {
    Write(WriteOrder),
    Import(ImportOrder),
    CheckpointWritten(CheckpointWritten),
    Rotten(Rot),
    /// A long order is prepared, so that the writer looks for it.
    Prepared,
}

/// A checkpoint that is on disk, and the memory that its rows take while a start reads them.
pub type CheckpointWritten = Result<(FinishedCheckpoint, Weight), StoreError>;

/// What was found on disk to differ from what was written.
#[derive(Debug)]
pub struct Rot {
    pub what: String,
    /// The commit of the log that cannot be read; 0 if it is the checkpoint.
    pub log: Sequence,
}

/// An import that was begun. It is carried out even if nobody waits for its end.
pub struct ImportUnderWay(pub(super) oneshot::Receiver<Result<ImportedBatch, Error>>);

impl ImportUnderWay {
    /// Returns what the import did, which is on disk by then. The call can be dropped, and made again.
    pub async fn end(&mut self) -> Result<ImportedBatch, Error> {
        (&mut self.0).await.map_err(|_| Error::OutcomeUnknown)?
    }
}
