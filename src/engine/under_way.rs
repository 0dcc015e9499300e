//! How much may be under way: what changes take from when they are decoded until they are on the disk, and while the log is replayed.
//!
//! All of it is in memory beside the content and the rest of the process, so it is a part of what memory allows. Changes are weighed by
//! what they take at the peak: decoded, applied, with what they left behind, encoded for the log, and with the pages of the state that are
//! copied for them while the one before is still read.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::memory::{MemoryLimit, edge_texts, member_texts};
use super::threads::stopped;
use crate::domain::{Change, Error};
use crate::store::Commit;

/// How many bytes a change takes at the peak, beside its own texts. They were measured on imports of edges between random members, and
/// rounded up.
const CHANGE_BYTES: u64 = 2_048;
/// A text is held by the change, by what it left behind, and twice while it is encoded.
const TEXT_FACTOR: u64 = 4;
/// How many bytes each introducer of an edge, excluded member or erased id takes, beside its texts.
const ITEM_BYTES: u64 = 64;

/// The most bytes of one batch, whatever memory allows: more together are not carried out any faster.
const BATCH_BYTES_MAX: u64 = 128 * 1_024 * 1_024;
/// How many batches may be under way: one on the disk, one that is applied, and what waits meanwhile.
const BATCHES_UNDER_WAY: u64 = 3;
/// The part of the bound on memory that all of them take at most. It is about half of what the system allows beyond the bound when nothing
/// else is said, because what was accepted before memory was full is still carried out.
const PART_OF_MEMORY: u64 = 12;
/// A bound that is too small for anything else leaves room for this.
const BATCH_BYTES_MIN: u64 = 1_024 * 1_024;
/// How many bytes one permit stands for.
const PERMIT_BYTES: u64 = 1_024;

/// What a batch of changes may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchBytes(pub u64);

impl Default for BatchBytes {
    fn default() -> BatchBytes {
        BatchBytes(BATCH_BYTES_MAX)
    }
}

impl BatchBytes {
    pub fn of(limit: MemoryLimit) -> BatchBytes {
        let part = limit.bytes_max.map_or(u64::MAX, |max| max / PART_OF_MEMORY / BATCHES_UNDER_WAY);
        BatchBytes(part.clamp(BATCH_BYTES_MIN, BATCH_BYTES_MAX))
    }
}

/// What a commit takes beside its changes and its answer.
const COMMIT_BYTES: u64 = 512;

/// Returns what changes take at the peak of their way.
pub fn bytes_of(changes: &[Change]) -> u64 {
    changes.iter().map(|change| CHANGE_BYTES + TEXT_FACTOR * texts(change)).sum()
}

/// Returns what a commit takes while it is replayed.
pub fn bytes_of_commit(commit: &Commit) -> u64 {
    COMMIT_BYTES + commit.answer.len() as u64 + bytes_of(&commit.command.changes)
}

/// Returns the bytes of a change's texts. Its ids are counted among what every change takes.
fn texts(change: &Change) -> u64 {
    match change.plain() {
        Change::PutMember { member, .. } => member_texts(&member.attrs),
        Change::UpdateMember { patch, .. } | Change::MergeMember { patch, .. } => {
            let labels = patch.label_changes.iter();
            let labels =
                labels.map(|(key, value)| (key.len() + value.as_ref().map_or(0, String::len)) as u64 + ITEM_BYTES);
            member_texts(&patch.attrs) + labels.sum::<u64>()
        }
        Change::PutEdge { put, .. } => edge_texts(&put.attrs),
        Change::PostStatus { status } => {
            let topics = status.attrs.topics.iter().map(|topic| topic.as_str().len()).sum::<usize>();
            let excluded = status.attrs.audience.filter.exclude.iter().map(|id| id.as_str().len() as u64 + ITEM_BYTES);
            (status.attrs.text.len() + status.attrs.link.len() + topics) as u64 + excluded.sum::<u64>()
        }
        Change::RememberErased { erased, .. } => ITEM_BYTES * erased.len() as u64,
        _ => 0,
    }
}

/// Room for the imports that are under way, of all callers together. Whoever finds none waits for it, in the order in which they came.
#[derive(Debug, Clone)]
pub struct UnderWay {
    room: Arc<Semaphore>,
    permits: u32,
}

impl UnderWay {
    pub fn new(batch: BatchBytes) -> UnderWay {
        let permits = u32::try_from(batch.0 * BATCHES_UNDER_WAY / PERMIT_BYTES).unwrap_or(u32::MAX);
        UnderWay { room: Arc::new(Semaphore::new(permits as usize)), permits }
    }

    /// Waits for room for changes. If they need more than there is at all they get all of it, so that they go alone.
    pub async fn room_for(&self, changes: &[Change]) -> Result<OwnedSemaphorePermit, Error> {
        let permits = u32::try_from(bytes_of(changes).div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        self.room.clone().acquire_many_owned(permits.min(self.permits)).await.map_err(|_| stopped())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EdgeKey, EdgePut, KindName, Member, MemberId, Precondition};

    fn limit(bytes_max: u64) -> MemoryLimit {
        MemoryLimit { bytes_max: Some(bytes_max), taken: || 0 }
    }

    fn member(headline: usize) -> Change {
        let mut member = Member::bare(MemberId::parse("id", "a").unwrap());
        member.attrs.headline = "x".repeat(headline);
        Change::PutMember { member, precondition: Precondition::None }
    }

    fn edge(note: usize) -> Change {
        let id = |id| MemberId::parse("id", id).unwrap();
        let key = EdgeKey::new(id("a"), KindName::parse("kind", "friend").unwrap(), id("b")).unwrap();
        let mut put = EdgePut::bare(key);
        put.attrs.note = "x".repeat(note);
        Change::PutEdge { put, precondition: Precondition::None, allow_missing_members: true }
    }

    #[test]
    fn a_batch_is_a_part_of_what_memory_allows() {
        const MIB: u64 = 1_024 * 1_024;
        assert_eq!(BatchBytes::of(MemoryLimit::default()), BatchBytes(BATCH_BYTES_MAX));
        assert_eq!(BatchBytes::of(limit(360 * MIB)), BatchBytes(10 * MIB));
        assert_eq!(BatchBytes::of(limit(1_000 * 1_024 * MIB)), BatchBytes(BATCH_BYTES_MAX));
        assert_eq!(BatchBytes::of(limit(7)), BatchBytes(BATCH_BYTES_MIN));
    }

    #[test]
    fn texts_count_as_often_as_they_are_held() {
        for change in [member, edge] {
            // The length of a text and the field's bit are counted, too.
            let texts = bytes_of(&[change(500)]) - bytes_of(&[change(0)]);
            assert!((500 * TEXT_FACTOR..510 * TEXT_FACTOR).contains(&texts), "{texts}");
        }
        assert_eq!(bytes_of(&[edge(0), edge(0)]), 2 * CHANGE_BYTES);
    }

    #[tokio::test]
    async fn what_finds_no_room_waits_and_what_needs_all_of_it_comes_alone() {
        let under_way = UnderWay::new(BatchBytes(BATCH_BYTES_MIN));
        let most = (BATCHES_UNDER_WAY * BATCH_BYTES_MIN / bytes_of(&[edge(0)])) as usize;
        let half = under_way.room_for(&vec![edge(0); most / 2]).await.unwrap();
        let changes = vec![edge(0); 100 * most];
        let mut all = Box::pin(under_way.room_for(&changes));
        assert!(at_once(&mut all).is_none());
        drop(half);
        let all = all.await.unwrap();
        assert_eq!(all.num_permits(), under_way.permits as usize);
        let one = [edge(0)];
        assert!(at_once(&mut Box::pin(under_way.room_for(&one))).is_none());
        drop(all);
        drop(under_way.room_for(&one).await.unwrap());
    }

    /// Returns what a task gives, if it need not wait.
    fn at_once<T>(task: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(task).poll(&mut context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }
}
