//! The feed of changes: what every command left behind, read from the log and then followed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::clock::Clock;
use super::records::{Stored, Times};
use super::revision::Revision;
use super::state::State;
use super::{Engine, stopped};
use crate::domain::{
    Block, Edge, EdgeKey, Error, Event, IntroducerTally, Kind, KindName, Member, MemberId, Sequence, Status, StatusId,
    TimeMs,
};
use crate::store::{Commit, LogCursor, StoreError};

/// Commits that are read from the log together, about: enough that the change of thread does not count.
const READ_TOGETHER: usize = 1_024;

/// A place in the sequence of writes, from which changes are followed. It does not keep the engine alive.
pub struct Feed {
    published: watch::Receiver<Arc<State>>,
    clock: Arc<Clock>,
    /// None while a thread reads with it.
    cursor: Option<Box<dyn LogCursor>>,
    /// The last commit read.
    read: Sequence,
    waiting: VecDeque<Commit>,
}

/// What one command left behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
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
    /// Follows the changes after a revision, given as a token found in `field`; after the newest one if it is empty.
    pub async fn feed(&self, field: &str, from: &str) -> Result<Feed, Error> {
        let after = match from {
            "" => self.state().sequence(),
            token => {
                let after = Revision::parse(field, token, self.state().store_id())?.sequence();
                self.state_at(token).await?;
                after
            }
        };
        let (earliest, store_id) = (self.log.earliest(), self.state().store_id());
        if after + 1 < earliest {
            return Err(too_old(store_id, earliest));
        }
        let cursor = Some(self.log.cursor(after));
        Ok(Feed {
            published: self.published.clone(),
            clock: self.clock.clone(),
            cursor,
            read: after,
            waiting: VecDeque::new(),
        })
    }
}

impl Feed {
    /// The newest state there is.
    pub fn state(&self) -> Arc<State> {
        self.published.borrow().clone()
    }

    /// The log's own time.
    pub fn now(&self) -> TimeMs {
        self.clock.now()
    }

    /// What the next command left behind; none if there was no command for so long.
    pub async fn next(&mut self, patience: Duration) -> Result<Option<Changes>, Error> {
        loop {
            if let Some(commit) = self.waiting.pop_front() {
                return Ok(Some(changes(self.published.borrow().store_id(), commit)));
            }
            let through = self.published.borrow().sequence();
            if self.read < through {
                self.read_through(through).await?;
                continue;
            }
            let newer = self.published.wait_for(|state| state.sequence() > through);
            match tokio::time::timeout(patience, newer).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return Err(stopped()),
                Err(_) => return Ok(None),
            }
        }
    }

    async fn read_through(&mut self, through: Sequence) -> Result<(), Error> {
        let mut cursor =
            self.cursor.take().ok_or_else(|| Error::Internal("a feed went on after it ended".to_owned()))?;
        let reading = tokio::task::spawn_blocking(move || {
            let mut commits = Vec::new();
            while commits.len() < READ_TOGETHER {
                let read = cursor.read(through)?;
                if read.is_empty() {
                    break;
                }
                commits.extend(read);
            }
            Ok((cursor, commits))
        });
        let read = reading.await.map_err(|error| Error::Internal(format!("reading the log ended badly: {error}")))?;
        let (cursor, commits) = read.map_err(|error| match error {
            StoreError::TooOld { earliest } => too_old(self.published.borrow().store_id(), earliest),
            other => Error::Internal(other.to_string()),
        })?;
        self.read = commits.last().map_or(self.read, |commit: &Commit| commit.sequence);
        self.waiting.extend(commits);
        self.cursor = Some(cursor);
        Ok(())
    }
}

fn too_old(store_id: u128, earliest: Sequence) -> Error {
    Error::RevisionTooOld { earliest: Revision::new(store_id, earliest.saturating_sub(1)).to_string() }
}

fn changes(store_id: u128, commit: Commit) -> Changes {
    let time = commit.command.time;
    let changes = commit.events.into_iter().flatten().map(|event| changed(event, time)).collect();
    Changes { revision: Revision::new(store_id, commit.sequence), time, changes }
}

fn changed(event: Event, update: TimeMs) -> Changed {
    let since = |create: TimeMs| Times { create, update };
    match event {
        Event::KindPut { kind } => Changed::Kind(Stored::of(kind, Times::default())),
        Event::KindDeleted { name } => Changed::KindDeleted(name),
        Event::MemberPut { member, create_time } => Changed::Member(Stored::of(member, since(create_time))),
        Event::MemberDeleted { id } => Changed::MemberDeleted(id),
        Event::EdgePut { edge, create_time } => Changed::Edge(Stored::of(edge, since(create_time))),
        Event::EdgeDeleted { key } => Changed::EdgeDeleted(key),
        Event::StatusPut { status, create_time } => Changed::Status(Stored::of(status, since(create_time))),
        Event::StatusDeleted { id } => Changed::StatusDeleted(id),
        Event::BlockPut { block } => Changed::Block(block),
        Event::BlockDeleted { block } => Changed::BlockDeleted(block),
        Event::IntroducerTallyPut { introducer, tally } => Changed::IntroducerTally(introducer, tally),
    }
}
