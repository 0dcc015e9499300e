//! Changes as they are made, for all who watch: read from the log and made into messages once, and kept a while.
//!
//! One task follows the log, as long as somebody watches. It keeps the newest messages in a ring and wakes the watchers, a few at a time.
//! So what a commit costs does not depend on how many watch it, and what its delivery costs is spread, so that other calls go on between. A
//! watcher that is behind the ring reads the log for itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::domain::{Error, NamespaceName, Sequence};
use crate::engine::{Changes, Feed, State};
use crate::proto::v1 as pb;

/// About how many encoded bytes of messages are kept, and of how many commits.
const RING_BYTES_MAX: usize = 16 * 1_024 * 1_024;
const RING_COMMITS_MAX: usize = 8_192;
/// How many watchers are woken together.
const GROUP: usize = 32;
/// How long other tasks have the threads after `GROUP` deliveries of one small message, or what takes as long.
const PAUSE: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(50);
/// How many bytes take about as long as one more message.
const BYTES_PER_MESSAGE: usize = 4_096;
/// How many commits a watcher takes at a time.
const TAKEN_TOGETHER: usize = 64;

/// What a commit left behind, in the messages that watchers get.
pub struct Made {
    pub namespace: NamespaceName,
    /// Whether the namespace is gone with it.
    pub ends_namespace: bool,
    pub sequence: Sequence,
    /// The messages; the last of them names the revision.
    pub messages: Vec<pb::WatchResponse>,
    /// The encoded length of all of them.
    pub bytes: usize,
}

/// Makes messages of changes.
pub type Make = fn(&State, Changes) -> Made;

pub struct Live {
    ring: Mutex<Ring>,
    /// The newest commit in the ring, one sender for each group of watchers.
    groups: Vec<watch::Sender<Sequence>>,
    watchers: watch::Sender<usize>,
}

/// The commits after one, through another.
#[derive(Default)]
struct Ring {
    after: Sequence,
    through: Sequence,
    made: VecDeque<Arc<Made>>,
    bytes: usize,
}

/// What there is for a watcher.
pub enum Since {
    Made(Vec<Arc<Made>>),
    UpToDate,
    /// The ring begins later, so the watcher has to read the log.
    Behind,
}

/// A watcher of the ring.
pub struct Watcher {
    live: Arc<Live>,
    newest: watch::Receiver<Sequence>,
}

impl Live {
    pub fn new(watchers_max: usize) -> Arc<Live> {
        let groups = (0..watchers_max.div_ceil(GROUP)).map(|_| watch::Sender::new(0)).collect();
        Arc::new(Live { ring: Mutex::default(), groups, watchers: watch::Sender::new(0) })
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a watcher.
    pub fn join(self: &Arc<Live>) -> Watcher {
        // Two that join at the same time may choose the same group, which then has one more than it should.
        let group = self.groups.iter().find(|group| group.receiver_count() < GROUP).or(self.groups.first());
        let newest = group.map_or_else(|| watch::Sender::new(0).subscribe(), watch::Sender::subscribe);
        self.watchers.send_modify(|watchers| *watchers += 1);
        Watcher { live: self.clone(), newest }
    }

    /// Follows the log as long as somebody watches, until the engine ends.
    pub async fn follow(self: Arc<Live>, mut feed: Feed, make: Make) {
        let mut watchers = self.watchers.subscribe();
        loop {
            if watchers.wait_for(|watchers| *watchers > 0).await.is_err() {
                return;
            }
            feed.seek(feed.namespaces().sequence());
            self.ring().restart(feed.position());
            let read = tokio::select! {
                read = self.read(&mut feed, make) => read,
                _ = watchers.wait_for(|watchers| *watchers == 0) => Ok(()),
            };
            self.ring().restart(feed.position());
            match read {
                Ok(()) => {}
                Err(Error::Unavailable { .. }) => return,
                // Those who watch read the log for themselves until it can be followed again.
                Err(error) => {
                    tracing::error!(%error, "changes cannot be read for all who watch");
                    tokio::time::sleep(PAUSE_MAX).await;
                }
            }
        }
    }

    async fn read(&self, feed: &mut Feed, make: Make) -> Result<(), Error> {
        loop {
            let made = feed.next(make).await?;
            let cost: usize = made.iter().map(|made| 1 + made.bytes / BYTES_PER_MESSAGE).sum();
            self.ring().push(made);
            self.wake(feed.position(), cost).await;
        }
    }

    /// Wakes all who watch, with time for other tasks in between.
    async fn wake(&self, newest: Sequence, cost: usize) {
        let mut delivered = 0;
        for group in &self.groups {
            let watchers = group.receiver_count();
            if watchers == 0 {
                continue;
            }
            group.send_replace(newest);
            delivered += watchers * cost;
            if delivered >= GROUP {
                let times = u32::try_from(delivered / GROUP).unwrap_or(u32::MAX);
                tokio::time::sleep(PAUSE.saturating_mul(times).min(PAUSE_MAX)).await;
                delivered = 0;
            }
        }
    }
}

impl Ring {
    /// Empties the ring.
    fn restart(&mut self, after: Sequence) {
        *self = Ring { after, through: after, ..Ring::default() };
    }

    fn push(&mut self, made: Vec<Made>) {
        for made in made {
            self.through = made.sequence;
            self.bytes += made.bytes;
            self.made.push_back(Arc::new(made));
        }
        while self.made.len() > RING_COMMITS_MAX || self.bytes > RING_BYTES_MAX {
            let Some(oldest) = self.made.pop_front() else { break };
            self.after = oldest.sequence;
            self.bytes -= oldest.bytes;
        }
    }

    fn since(&self, position: Sequence) -> Since {
        if position < self.after {
            return Since::Behind;
        }
        let begin = self.made.partition_point(|made| made.sequence <= position);
        let made: Vec<_> = self.made.iter().skip(begin).take(TAKEN_TOGETHER).cloned().collect();
        if made.is_empty() { Since::UpToDate } else { Since::Made(made) }
    }
}

impl Watcher {
    /// Returns what came after a commit.
    pub fn since(&self, position: Sequence) -> Since {
        self.live.ring().since(position)
    }

    /// Waits until there is more in the ring.
    pub async fn newer(&mut self, position: Sequence) {
        let newer = self.newest.wait_for(|newest| *newest > position);
        if newer.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.live.watchers.send_modify(|watchers| *watchers -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(sequence: Sequence, bytes: usize) -> Made {
        Made { namespace: NamespaceName::default(), ends_namespace: false, sequence, messages: Vec::new(), bytes }
    }

    fn sequences(since: Since) -> Option<Vec<Sequence>> {
        match since {
            Since::Made(made) => Some(made.iter().map(|made| made.sequence).collect()),
            Since::UpToDate => Some(Vec::new()),
            Since::Behind => None,
        }
    }

    #[test]
    fn a_ring_has_all_that_came_after_a_commit_or_says_that_it_has_not() {
        let mut ring = Ring::default();
        ring.restart(10);
        assert_eq!((sequences(ring.since(9)), sequences(ring.since(10))), (None, Some(vec![])));
        // A watcher that is ahead of what was read waits.
        assert_eq!(sequences(ring.since(12)), Some(vec![]));
        ring.push(vec![made(11, RING_BYTES_MAX / 2), made(12, 1), made(13, 1)]);
        assert_eq!((sequences(ring.since(10)), sequences(ring.since(12))), (Some(vec![11, 12, 13]), Some(vec![13])));
        ring.push(vec![made(14, RING_BYTES_MAX / 2)]);
        assert_eq!((sequences(ring.since(10)), sequences(ring.since(11))), (None, Some(vec![12, 13, 14])));
        ring.push((15..15 + RING_COMMITS_MAX as u64).map(|sequence| made(sequence, 0)).collect());
        assert_eq!((sequences(ring.since(13)), ring.made.len()), (None, RING_COMMITS_MAX));
        assert_eq!(sequences(ring.since(14)), Some((15..15 + TAKEN_TOGETHER as u64).collect()));
        ring.restart(90_000);
        assert_eq!((sequences(ring.since(89_999)), sequences(ring.since(90_000))), (None, Some(vec![])));
    }
}
