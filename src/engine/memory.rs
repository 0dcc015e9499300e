//! A bound on memory: writes that would grow the content are refused while there is still enough for a restart.
//!
//! A start takes more than what is served afterwards, because the checkpoint's rows, the graph that is laid out of them and the log that is
//! read again are in memory at the same time. So two amounts are held to the bound: what the process takes now, and what a start of the
//! content as it is would take at its peak. The second is estimated from the rows of the newest checkpoint, which are weighed while they
//! are read or written, and from what came after it: how many members, edges, statuses and namespaces more there are, and the bytes of the log.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::namespaces::Totals;
use super::state::State;
use crate::domain::codec::{Encoder, encoded_len};
use crate::domain::{Change, Edge, EdgeAttrs, Error, Fields, History, Member, MemberAttrs, Reason};
use crate::store::{Row, RowCounts};

/// The least time between two readings of what the process takes.
const READ_EVERY: Duration = Duration::from_millis(20);

/// How many bytes a start takes for a row at its peak, beside the row's own texts. They were measured on stores of 1 million members and 3
/// to 10 million edges, and rounded up.
const MEMBER_BYTES: u64 = 240;
const PROFILE_BYTES: u64 = 320;
const EDGE_BYTES: u64 = 80;
/// More for an edge that had interactions or has a strength of its own, because its strength inputs are kept at both ends.
const INPUTS_BYTES: u64 = 48;
/// What the id of an introducer takes beside its text.
const ID_BYTES: u64 = 48;
const STATUS_BYTES: u64 = 640;
const OTHER_BYTES: u64 = 256;
const NAMESPACE_BYTES: u64 = 16 * 1_024;
/// A text is held once where it is served, and once more in the row that it is read from.
const TEXT_FACTOR: u64 = 2;
/// How many bytes a start takes for each byte of the log after the checkpoint, beside the members, edges and statuses that it added: their
/// texts, and the commands that are read together.
const LOG_FACTOR: u64 = 2;

/// How much memory the engine may take.
#[derive(Debug, Clone, Copy)]
pub struct MemoryLimit {
    /// The bound; nothing is refused when there is none.
    pub bytes_max: Option<u64>,
    /// Returns what the process takes now, in the sense of the bound.
    pub taken: fn() -> u64,
}

impl Default for MemoryLimit {
    fn default() -> MemoryLimit {
        MemoryLimit { bytes_max: None, taken: || 0 }
    }
}

/// What a start of rows takes at its peak, and how many rows of the most frequent sorts there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weight {
    bytes: u64,
    members: u64,
    edges: u64,
    statuses: u64,
    namespaces: u64,
}

impl Weight {
    pub fn add(&mut self, row: &Row) {
        self.bytes += match row {
            Row::Member { member, .. } => {
                self.members += 1;
                member_bytes(member)
            }
            Row::Edge(edge) | Row::Pending(edge) => {
                self.edges += 1;
                edge_bytes(&edge.attrs)
            }
            Row::Status { status, .. } => {
                self.statuses += 1;
                let texts = status.attrs.text.len() + status.attrs.link.len() + status.id.as_str().len();
                STATUS_BYTES + TEXT_FACTOR * texts as u64
            }
            Row::Request { answer, .. } => OTHER_BYTES + answer.as_ref().map_or(0, Vec::len) as u64,
            Row::Namespace(_) => {
                self.namespaces += 1;
                NAMESPACE_BYTES
            }
            _ => OTHER_BYTES,
        };
    }
}

impl Weight {
    /// Returns what a start takes at its peak for a store whose newest checkpoint has these rows. What was deleted since counts until the
    /// next checkpoint is without it, because a start reads the rows first.
    fn at_start(&self, totals: &Totals, log_bytes: u64) -> u64 {
        let RowCounts { members, edges, statuses, namespaces, .. } = totals.rows;
        let more = [
            (members, self.members, MEMBER_BYTES),
            (edges, self.edges, EDGE_BYTES),
            (statuses, self.statuses, STATUS_BYTES),
            (namespaces, self.namespaces, NAMESPACE_BYTES),
        ];
        let more = more.map(|(now, then, bytes)| now.saturating_sub(then) * bytes);
        self.bytes + more.iter().sum::<u64>() + LOG_FACTOR * log_bytes
    }
}

/// Returns about what a namespace takes of memory, without the texts that it holds.
pub fn namespace_bytes(state: &State) -> u64 {
    let resources = [
        (state.member_count(), MEMBER_BYTES),
        (state.edge_count() + state.pending_count(), EDGE_BYTES),
        (state.status_count(), STATUS_BYTES),
    ];
    NAMESPACE_BYTES + state.request_bytes() + resources.map(|(count, bytes)| count * bytes).iter().sum::<u64>()
}

fn member_bytes(member: &Member) -> u64 {
    let id = TEXT_FACTOR * 2 * member.id.as_str().len() as u64;
    let texts = member_texts(&member.attrs);
    MEMBER_BYTES + id + if texts > 0 { PROFILE_BYTES + TEXT_FACTOR * texts } else { 0 }
}

/// Returns what a member's attributes take beside its privacy, which takes nothing.
pub fn member_texts(attrs: &MemberAttrs) -> u64 {
    if attrs.set_fields().without(MemberAttrs::PRIVACY).is_empty() { 0 } else { encoded_len(attrs) as u64 }
}

/// Returns what an edge's attributes take beside those that take always as much.
pub fn edge_texts(attrs: &EdgeAttrs) -> u64 {
    const FIXED: Fields =
        Fields(EdgeAttrs::PINNED.0 | EdgeAttrs::HISTORY.0 | EdgeAttrs::SINCE.0 | EdgeAttrs::VISIBILITY.0);
    let texts = attrs.set_fields().without(FIXED);
    if texts.is_empty() {
        return 0;
    }
    let mut to = Encoder::plain(Vec::new());
    attrs.write_fields(texts, &mut to);
    let introducers = attrs.origin.as_ref().map_or(0, |origin| origin.introducers.len() as u64);
    to.bytes.len() as u64 + ID_BYTES * introducers
}

fn has_strength(attrs: &EdgeAttrs) -> bool {
    attrs.history != History::default() || attrs.pinned.is_some()
}

fn edge_bytes(attrs: &EdgeAttrs) -> u64 {
    EDGE_BYTES + if has_strength(attrs) { INPUTS_BYTES } else { 0 } + TEXT_FACTOR * edge_texts(attrs)
}

/// The bound, and how near the engine is to it.
#[derive(Debug)]
pub struct Memory {
    limit: MemoryLimit,
    /// What the process took before the store was read.
    base: u64,
    start_bytes: AtomicU64,
    is_full: AtomicBool,
    /// What the process took, and when that was read.
    taken: Mutex<Option<(u64, Instant)>>,
}

/// The bound and what is held to it, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryMetrics {
    /// The bound; 0 without one.
    pub bytes_max: u64,
    /// What a start of the content would take at its peak.
    pub start_bytes: u64,
    /// Whether writes that grow the content are refused.
    pub is_full: bool,
}

impl Memory {
    pub fn new(limit: MemoryLimit) -> Memory {
        let base = (limit.taken)();
        let (start_bytes, is_full) = (AtomicU64::new(base), AtomicBool::new(false));
        Memory { limit, base, start_bytes, is_full, taken: Mutex::default() }
    }

    /// Looks again how near the bound is. It is to be called after the content has changed.
    pub fn refresh(&self, checkpoint: &Weight, totals: &Totals, log_bytes: u64) {
        let Some(bytes_max) = self.limit.bytes_max else { return };
        let start = self.base + checkpoint.at_start(totals, log_bytes);
        self.start_bytes.store(start, Ordering::Relaxed);
        let is_full = start > bytes_max || self.taken() > bytes_max;
        if self.is_full.swap(is_full, Ordering::Relaxed) != is_full {
            match is_full {
                true => tracing::error!(start, bytes_max, "memory is full: writes that grow the content are refused"),
                false => tracing::info!(start, bytes_max, "there is memory again for all writes"),
            }
        }
    }

    /// Returns what the process takes, as it was read a moment ago: after a batch of one write, reading it anew would cost as much as
    /// applying the batch.
    fn taken(&self) -> u64 {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match *taken {
            Some((bytes, read)) if read.elapsed() < READ_EVERY => bytes,
            _ => taken.insert(((self.limit.taken)(), Instant::now())).0,
        }
    }

    pub fn metrics(&self) -> MemoryMetrics {
        MemoryMetrics {
            bytes_max: self.limit.bytes_max.unwrap_or(0),
            start_bytes: self.start_bytes.load(Ordering::Relaxed),
            is_full: self.is_full(),
        }
    }

    pub fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Refuses changes that would grow the content while memory is full. Deletes go on, and so does whatever makes nothing larger: a member
    /// can be hidden, an interaction counted, a block made.
    pub fn check(&self, state: &State, changes: &[Change]) -> Result<(), Error> {
        if !self.is_full() || !changes.iter().any(|change| grows(state, change)) {
            return Ok(());
        }
        let message = "there is too little memory for more content; delete some, or give the server more".to_owned();
        Err(Error::Exhausted { reason: Reason::MemoryFull, message })
    }
}

/// Returns whether a change would leave more behind than there is.
fn grows(state: &State, change: &Change) -> bool {
    match change {
        Change::Restore { put, .. } => grows(state, put),
        Change::PutMember { member, .. } => {
            state.member(member.id.as_str()).is_none_or(|before| member_bytes(&before.value) < member_bytes(member))
        }
        Change::UpdateMember { id, patch, .. } | Change::MergeMember { id, patch, .. } => {
            let before = state.member(id.as_str());
            let grown = before.map(|before| member_bytes(&before.value) < member_bytes(&patch.member(&before.value)));
            grown.unwrap_or(matches!(change, Change::MergeMember { .. }))
        }
        Change::PutEdge { put, .. } => state.edge(&put.key).is_none_or(|before| {
            let after = put.edge_after(before.value.key.clone(), Some(&before.value));
            size(&before.value) < size(&after)
        }),
        Change::RecordInteractions { record } => {
            state.edge(&record.key).is_some_and(|before| before.value.attrs.history == History::default())
        }
        Change::PostStatus { .. } => true,
        Change::PutKind { .. }
        | Change::MergeKind { .. }
        | Change::DeleteKind { .. }
        | Change::DeleteMember { .. }
        | Change::DeleteEdge { .. }
        | Change::DeleteStatus { .. }
        | Change::EraseStatus { .. }
        | Change::BlockMember { .. }
        | Change::UnblockMember { .. }
        | Change::RecordIntroduction { .. }
        | Change::PutIntroducerTally { .. }
        | Change::KeepSecret { .. }
        | Change::KeepErased { .. }
        | Change::DeleteNamespace {}
        | Change::Resume {} => false,
        Change::RememberErased { .. } | Change::CreateNamespace { .. } => true,
    }
}

/// Returns what an edge takes beside its key and times, for comparison alone.
fn size(Edge { attrs, .. }: &Edge) -> u64 {
    let strength = if has_strength(attrs) { INPUTS_BYTES } else { 0 };
    strength + if attrs.since.is_some() { 8 } else { 0 } + edge_texts(attrs)
}
