//! How much may be under way: what changes take from when they are decoded until they are on the disk, and while the log is replayed.
//!
//! All of it is in memory beside the content and the rest of the process, so it is a part of what memory allows. Changes are weighed by
//! what they take at the peak: decoded, applied, with what they left behind, encoded for the log, and with the pages of the state that are
//! copied for them while the one before is still read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

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

/// Room for the imports that are under way. A caller has that of all batches but one, because its imports can wait long, for a hub that is
/// prepared, and another caller's go on meanwhile. Whoever finds no room waits for it, in the order of coming.
#[derive(Debug, Clone)]
pub struct UnderWay {
    room: Arc<Semaphore>,
    /// The room of each caller that has some or waits for it.
    callers: Arc<Mutex<HashMap<Arc<str>, Weak<Semaphore>>>>,
    permits_of_batch: u32,
}

/// Room that changes take until this is dropped.
#[derive(Debug)]
pub struct Room {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl UnderWay {
    pub fn new(batch: BatchBytes) -> UnderWay {
        let permits_of_batch = u32::try_from(batch.0 / PERMIT_BYTES).unwrap_or(u32::MAX);
        let room = Semaphore::new(permits_of_batch as usize * BATCHES_UNDER_WAY as usize);
        UnderWay { room: Arc::new(room), callers: Arc::default(), permits_of_batch }
    }

    /// Waits for room for changes of a caller. If they need more than a batch has they get a batch's.
    pub async fn room_for(&self, caller: &Arc<str>, changes: &[Change]) -> Result<Room, Error> {
        let permits = u32::try_from(bytes_of(changes).div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        let permits = permits.min(self.permits_of_batch);
        let acquire = async |from: Arc<Semaphore>| from.acquire_many_owned(permits).await.map_err(|_| stopped());
        let own = acquire(self.of_caller(caller)).await?;
        Ok(Room { _all: acquire(self.room.clone()).await?, _own: own })
    }

    fn of_caller(&self, caller: &Arc<str>) -> Arc<Semaphore> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = callers.get(caller).and_then(Weak::upgrade) {
            return own;
        }
        callers.retain(|_, own| own.strong_count() > 0);
        let own = Semaphore::new(self.permits_of_batch as usize * (BATCHES_UNDER_WAY as usize - 1));
        let own = Arc::new(own);
        callers.insert(caller.clone(), Arc::downgrade(&own));
        own
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
    async fn what_finds_no_room_waits_and_what_needs_much_gets_a_batch() {
        let under_way = UnderWay::new(BatchBytes(BATCH_BYTES_MIN));
        let ana: Arc<str> = "ana".into();
        let changes = vec![edge(0); 4 * (BATCH_BYTES_MIN / bytes_of(&[edge(0)])) as usize];
        let first = under_way.room_for(&ana, &changes).await.unwrap();
        assert_eq!(first._all.num_permits(), under_way.permits_of_batch as usize);
        let second = under_way.room_for(&ana, &changes).await.unwrap();
        let one = [edge(0)];
        let mut third = Box::pin(under_way.room_for(&ana, &one));
        assert!(at_once(&mut third).is_none());
        drop(second);
        drop((third.await.unwrap(), first));
    }

    #[tokio::test]
    async fn a_caller_whose_imports_wait_leaves_room_for_others_and_is_forgotten() {
        let under_way = UnderWay::new(BatchBytes(BATCH_BYTES_MIN));
        let (ana, ben): (Arc<str>, Arc<str>) = ("ana".into(), "ben".into());
        let changes = vec![edge(0); 4 * (BATCH_BYTES_MIN / bytes_of(&[edge(0)])) as usize];
        let mut of_ana: Vec<_> = (0..8).map(|_| Box::pin(under_way.room_for(&ana, &changes))).collect();
        let taken: Vec<_> = of_ana.iter_mut().filter_map(at_once).collect();
        assert_eq!(taken.len(), 2);
        for _ in 0..3 {
            assert!(at_once(&mut Box::pin(under_way.room_for(&ben, &changes))).is_some());
        }
        drop((taken, of_ana));
        drop(under_way.room_for(&"cy".into(), &[edge(0)]).await.unwrap());
        assert_eq!(under_way.callers.lock().unwrap().len(), 1);
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
