//! Outcomes are values: the writer thread makes them, the log keeps them for retries, and the caller's handler encodes them.

use super::revision::Revision;
use super::state::Stored;
use crate::domain::{Block, ChangeError, Edge, Error, Kind, Member, Status, StatusId};

/// What one change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    pub effect: Effect,
    pub edges_deleted: u64,
    pub statuses_deleted: u64,
    /// Members created bare for an edge.
    pub members_created: u64,
}

impl Applied {
    pub(super) fn of(effect: Effect) -> Applied {
        Applied { effect, edges_deleted: 0, statuses_deleted: 0, members_created: 0 }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Created,
    Updated,
    Unchanged,
    Deleted,
}

impl Effect {
    /// Every effect, at the index that stands for it in kept outcomes.
    pub(super) const ALL: [Effect; 4] = [Effect::Created, Effect::Updated, Effect::Unchanged, Effect::Deleted];
}

/// How much of an outcome the response shows. The outcome holds no more than that, since a day of outcomes is kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// The response shows the revision alone.
    Revision,
    /// The response shows the result of each change.
    Results,
    /// The response shows the resource of the last change, whole.
    Resource,
}

/// The outcome of a command. A retry gets the same outcome as the first call.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub revision: Revision,
    /// The result of each change, for `Report::Results`.
    pub results: Vec<ChangeResult>,
    /// The resource as it is after the command, for `Report::Resource`.
    pub resource: Option<Box<Snapshot>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeResult {
    pub applied: Applied,
    /// The etag of the change's resource after the command; none if the resource is gone or has no etag.
    pub etag: Option<String>,
    /// The id of the status that the change posts.
    pub posted: Option<StatusId>,
}

/// A resource as it is at one revision.
#[derive(Debug, Clone, PartialEq)]
pub enum Snapshot {
    Kind(Stored<Kind>),
    Member(Stored<Member>),
    /// The strength is that at the time when the command was accepted.
    Edge(Stored<Edge>, f32),
    Status(Stored<Status>),
    Block(Block),
}

impl Snapshot {
    /// Returns the resource's etag; a block has none.
    pub fn etag(&self) -> Option<String> {
        match self {
            Snapshot::Kind(kind) => Some(kind.etag()),
            Snapshot::Member(member) => Some(member.etag()),
            Snapshot::Edge(edge, _) => Some(edge.etag()),
            Snapshot::Status(status) => Some(status.etag()),
            Snapshot::Block(_) => None,
        }
    }
}

/// What an import's batch did, change by change.
#[derive(Debug)]
pub struct ImportedBatch {
    pub results: Vec<Result<Applied, ChangeError>>,
    pub revision: Revision,
}

/// Why a command was refused: as a whole, or for one of its changes.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    Command(Error),
    Change { index: usize, error: ChangeError },
}
