//! The feed of changes: what every command left behind, read from the log and then followed.

use std::sync::Arc;

use tokio::sync::watch;

use super::clock::Clock;
use super::handle::Engine;
use super::lanes::Lanes;
use super::namespaces::Namespaces;
use super::revision::Revision;
use super::state::{State, Stored};
use super::threads::stopped;
use crate::domain::{
    Block, Edge, EdgeKey, Error, Event, IntroducerTally, Kind, KindName, Member, MemberId, NamespaceName, Sequence,
    Status, StatusId, TimeMs, Times,
};
use crate::store::{Commit, LogCursor, LogSource, StoreError};

/// About how many commits are read from the log together, so that switching threads costs next to nothing.
const READ_TOGETHER: usize = 1_024;
/// About how many changes are read together, because a commit may hold many.
const CHANGES_TOGETHER: usize = 4_096;
/// About how many commits of other namespaces are passed over together.
const PASSED_TOGETHER: usize = 65_536;

/// A position in the sequence of writes, from which changes are followed. It does not keep the engine alive.
pub struct Feed {
    published: watch::Receiver<Arc<Namespaces>>,
    clock: Arc<Clock>,
    log: Arc<dyn LogSource>,
    /// The only namespace that is followed, if not all are.
    only: Option<NamespaceName>,
    /// The cursor into the log. It is none while a thread reads with it, and stays none if that thread was not waited for.
    cursor: Option<Box<dyn LogCursor>>,
    /// The last commit that was read.
    read: Sequence,
    threads: Lanes,
    caller: Arc<str>,
}

/// What one command left behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    pub namespace: NamespaceName,
    /// Whether the namespace is gone with it.
    pub ends_namespace: bool,
    pub revision: Revision,
    /// When the command was accepted.
    pub time: TimeMs,
    pub changes: Vec<Changed>,
}

/// A resource that was put, or is gone. With a member went its edges, statuses, blocks and tally.
#[derive(Debug, Clone, PartialEq)]
pub enum Changed {
    Kind(Stored<Kind>),
    KindDeleted(KindName),
    Member(Stored<Member>),
    MemberDeleted(MemberId),
    Edge(Stored<Edge>),
    EdgeDeleted(EdgeKey),
    Status(Stored<Status>),
    StatusDeleted(StatusId),
    Block(Block),
    BlockDeleted(Block),
    IntroducerTally(MemberId, IntroducerTally),
}

impl Engine {
    /// Follows the changes of the handle's namespace after a revision, given as a token found in `field`, or after the newest one if it is
    /// empty. The log is read for `caller`, on threads that all share.
    pub async fn feed(&self, field: &str, from: &str, caller: Arc<str>) -> Result<Feed, Error> {
        let after = match from {
            "" => self.namespaces().sequence(),
            token => {
                let after = Revision::parse(field, token, self.namespaces().store_id())?.sequence();
                self.namespaces_at(token).await?;
                after
            }
        };
        let (earliest, store_id) = (self.log.earliest(), self.namespaces().store_id());
        // What was done under its name before the namespace was created is of another namespace.
        let earliest = earliest.max(self.state()?.create_sequence());
        if after + 1 < earliest {
            return Err(too_old(store_id, earliest));
        }
        Ok(self.feed_after(after, Some(self.namespace.clone()), self.pools.readers.clone(), caller))
    }

    /// Follows the changes of all namespaces after the newest revision on a thread of its own, for all who watch.
    pub fn follow(&self) -> Feed {
        self.feed_after(self.namespaces().sequence(), None, self.pools.follower.clone(), Arc::default())
    }

    fn feed_after(&self, read: Sequence, only: Option<NamespaceName>, threads: Lanes, caller: Arc<str>) -> Feed {
        let (published, log, clock) = (self.published.clone(), self.log.clone(), self.clock.clone());
        Feed { published, clock, log, only, cursor: None, read, threads, caller }
    }
}

impl Feed {
    /// Returns the newest state of all namespaces.
    pub fn namespaces(&self) -> Arc<Namespaces> {
        self.published.borrow().clone()
    }

    /// Returns the log's own time.
    pub fn now(&self) -> TimeMs {
        self.clock.now()
    }

    /// Returns the last commit that was read.
    pub fn position(&self) -> Sequence {
        self.read
    }

    /// Goes on after this commit.
    pub fn seek(&mut self, position: Sequence) {
        if self.read != position {
            (self.read, self.cursor) = (position, None);
        }
    }

    /// Waits for commits and makes something of what each of the next ones left behind, on the thread that reads them. Where all of them
    /// are of other namespaces than the one that is followed, there is nothing to make.
    pub async fn next<T: Send + 'static>(&mut self, make: fn(&State, Changes) -> T) -> Result<Vec<T>, Error> {
        let read = self.read;
        loop {
            let newer = self.published.wait_for(|namespaces| namespaces.sequence() > read);
            let namespaces = newer.await.map_err(|_| stopped())?.clone();
            let made = self.read_through(namespaces, make).await?;
            if self.read > read {
                return Ok(made);
            }
        }
    }

    /// Returns a cursor that goes on after the last commit that was read.
    fn cursor(&self) -> Box<dyn LogCursor> {
        let mut cursor = self.log.cursor(self.read);
        self.only.iter().for_each(|only| cursor.only(only));
        cursor
    }

    async fn read_through<T: Send + 'static>(
        &mut self,
        namespaces: Arc<Namespaces>,
        make: fn(&State, Changes) -> T,
    ) -> Result<Vec<T>, Error> {
        let (store_id, through) = (namespaces.store_id(), namespaces.sequence());
        let mut cursor = self.cursor.take().unwrap_or_else(|| self.cursor());
        let only = self.only.clone();
        let reading = self.threads.begin(&self.caller, move |_permit| {
            let (mut made, mut last, mut events, mut passed) = (Vec::new(), None, 0, 0);
            while made.len() < READ_TOGETHER && events < CHANGES_TOGETHER && passed < PASSED_TOGETHER {
                let mut commits = cursor.read(through)?;
                let Some(newest) = commits.last() else { break };
                last = Some(newest.sequence);
                passed += commits.len();
                commits.retain(|commit| only.as_ref().is_none_or(|only| commit.namespace == *only));
                events += commits.iter().flat_map(|commit| &commit.events).map(Vec::len).sum::<usize>();
                made.extend(commits.into_iter().map(|commit| {
                    // The state of a namespace that is gone by now says nothing of what was done in it.
                    let state = namespaces.get(&commit.namespace).unwrap_or(namespaces.default_state());
                    make(state, changes(store_id, commit))
                }));
            }
            Ok((cursor, made, last))
        });
        let (cursor, made, last) = reading?.await?.map_err(|error| match error {
            StoreError::TooOld { earliest } => too_old(store_id, earliest),
            other => Error::Internal(other.to_string()),
        })?;
        self.read = last.unwrap_or(self.read);
        self.cursor = Some(cursor);
        Ok(made)
    }
}

fn too_old(store_id: u128, earliest: Sequence) -> Error {
    Error::RevisionTooOld { earliest: Revision::new(store_id, earliest.saturating_sub(1)).to_string() }
}

fn changes(store_id: u128, commit: Commit) -> Changes {
    let (time, ends_namespace) = (commit.command.time, commit.ends_namespace());
    let changes = commit.events.into_iter().flatten().map(|event| changed(event, time)).collect();
    let revision = Revision::new(store_id, commit.sequence);
    Changes { namespace: commit.namespace, ends_namespace, revision, time, changes }
}

fn changed(event: Event, update: TimeMs) -> Changed {
    let since = |create: TimeMs| Times { create, update };
    match event {
        Event::KindPut { kind } => Changed::Kind(Stored::of(kind, Times::default())),
        Event::KindDeleted { name } => Changed::KindDeleted(name),
        Event::MemberPut { member, create_time } => Changed::Member(Stored::of(member, since(create_time))),
        Event::MemberPutAt { member, times } => Changed::Member(Stored::of(member, times)),
        Event::MemberDeleted { id } => Changed::MemberDeleted(id),
        Event::EdgePut { edge, create_time } => Changed::Edge(Stored::of(edge, since(create_time))),
        Event::EdgePutAt { edge, times } => Changed::Edge(Stored::of(edge, times)),
        Event::EdgeDeleted { key } => Changed::EdgeDeleted(key),
        Event::StatusPut { status, create_time } => Changed::Status(Stored::of(status, since(create_time))),
        Event::StatusPutAt { status, times } => Changed::Status(Stored::of(status, times)),
        Event::StatusDeleted { id } => Changed::StatusDeleted(id),
        Event::BlockPut { block } => Changed::Block(block),
        Event::BlockDeleted { block } => Changed::BlockDeleted(block),
        Event::IntroducerTallyPut { introducer, tally } => Changed::IntroducerTally(introducer, tally),
    }
}
