//! `DataService.Watch`: changes as they are made.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio::sync::{mpsc, watch};
use tonic::metadata::MetadataMap;

use super::call::deadline;
use super::caller::current_caller;
use super::decode::{Violations, all_or_return};
use super::live::{Live, Made, Since, Watcher};
use super::shares::Shares;
use super::streamed::{MESSAGE_BYTES_ENOUGH, Streamed};
use super::{Service, encode};
use crate::domain::limits::BATCH_MAX;
use crate::domain::{Error, Reason, Sequence, TimeMs, Violation};
use crate::engine::{Changed, Changes, Engine, Feed, State, stopped};
use crate::proto::v1 as pb;
use crate::proto::v1::resource_change::Change;

/// Watchers at once; each takes a task and a few messages.
pub const WATCHERS_MAX: usize = 4_096;
/// The same of one caller.
pub const WATCHERS_PER_CALLER_MAX: usize = 1_024;
/// When to ask again if there are as many.
const RETRY_AFTER_MS: u64 = 1_000;
const HEARTBEAT_DEFAULT_S: i64 = 10;
const HEARTBEAT_MAX_S: i64 = 60;
/// Messages made before the first of them is taken.
const MESSAGES_AHEAD: usize = 4;
pub type WatchStream = Streamed<pb::WatchResponse>;

/// Who watches, and what ends them.
#[derive(Clone)]
pub struct Watchers {
    shares: Arc<Shares>,
    live: Arc<Live>,
    /// Whether the server stops.
    stopping: watch::Receiver<bool>,
}

impl Watchers {
    pub fn new(engine: &Engine, stopping: watch::Receiver<bool>) -> Watchers {
        let live = Live::new(WATCHERS_MAX);
        let (following, mut ended) = (live.clone().follow(engine.follow(), made), stopping.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = following => {}
                _ = ended.wait_for(|stopping| *stopping) => {}
            }
        });
        Watchers { shares: Shares::new(WATCHERS_MAX, WATCHERS_PER_CALLER_MAX), live, stopping }
    }
}

pub async fn watch(service: &Service, metadata: &MetadataMap, message: pb::WatchRequest) -> Result<WatchStream, Error> {
    let mut wrong = Violations::default();
    let heartbeat = wrong.check(heartbeat(message.heartbeat_interval));
    wrong.check(service.engine.check_revision("from_revision", &message.from_revision));
    all_or_return!(wrong; heartbeat);
    let (Watchers { shares, live, stopping }, caller) = (&service.watchers, current_caller().share);
    let share = shares.take(caller.clone()).ok_or_else(|| Error::Overloaded {
        message: format!("{WATCHERS_PER_CALLER_MAX} streams of changes of this caller, or {WATCHERS_MAX}, are open"),
        retry_after_ms: RETRY_AFTER_MS,
    })?;
    let watcher = live.join();
    let feed = service.engine.feed("from_revision", &message.from_revision, caller).await?;
    let (outlet, messages) = mpsc::channel(MESSAGES_AHEAD);
    let (mut stopping, deadline) = (stopping.clone(), deadline(metadata));
    let sending = tokio::spawn(async move {
        let _share = share;
        let passed = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            ended = send_all(feed, watcher, heartbeat, &outlet) => ended,
            () = passed => Err(Error::DeadlineExceeded),
            _ = stopping.wait_for(|stopping| *stopping) => Err(stopped()),
            () = outlet.closed() => Ok(()),
        }
    });
    Ok(Streamed::new(messages, async {
        sending.await.unwrap_or_else(|error| Err(Error::Internal(format!("a stream of changes ended badly: {error}"))))
    }))
}

fn heartbeat(asked: Option<prost_types::Duration>) -> Result<Duration, Violation> {
    let asked = asked.unwrap_or(prost_types::Duration { seconds: HEARTBEAT_DEFAULT_S, nanos: 0 });
    let least_and_most = Duration::from_secs(1)..=Duration::from_secs(HEARTBEAT_MAX_S as u64);
    let interval = Duration::try_from(asked).ok().filter(|interval| least_and_most.contains(interval));
    interval.ok_or_else(|| {
        let message = format!("must be from 1 to {HEARTBEAT_MAX_S} s");
        Violation::new("heartbeat_interval", Reason::OutOfRange, message)
    })
}

type Outlet = mpsc::Sender<pb::WatchResponse>;

/// Sends until the watcher is gone.
async fn send_all(mut feed: Feed, mut watcher: Watcher, heartbeat: Duration, outlet: &Outlet) -> Result<(), Error> {
    let mut position = feed.position();
    loop {
        let is_sent = match watcher.since(position) {
            Since::Made(made) => send(made.iter().map(|made| &**made), &mut position, outlet).await,
            Since::Behind => catch_up(&mut feed, &mut position, outlet).await?,
            Since::UpToDate => match tokio::time::timeout(heartbeat, watcher.newer(position)).await {
                Ok(()) => true,
                Err(_) => {
                    let state = feed.state();
                    // What is there is told, whatever keeps those from it who read for all.
                    if state.sequence() > position {
                        catch_up(&mut feed, &mut position, outlet).await?
                    } else {
                        let (revision, commit_time) =
                            (state.revision().to_string(), Some(encode::timestamp(feed.now())));
                        // A watcher that takes nothing knows already that the stream lives.
                        let _ = outlet.try_send(pb::WatchResponse { revision, commit_time, changes: Vec::new() });
                        true
                    }
                }
            },
        };
        if !is_sent {
            return Ok(());
        }
    }
}

/// Reads the log for this watcher alone. False if it is gone.
async fn catch_up(feed: &mut Feed, position: &mut Sequence, outlet: &Outlet) -> Result<bool, Error> {
    feed.seek(*position);
    let made = feed.next(made).await?;
    Ok(send(made.iter(), position, outlet).await)
}

/// False if the watcher is gone.
async fn send(made: impl Iterator<Item = &Made>, position: &mut Sequence, outlet: &Outlet) -> bool {
    for made in made {
        for message in &made.messages {
            if outlet.send(message.clone()).await.is_err() {
                return false;
            }
        }
        *position = made.sequence;
    }
    true
}

/// The messages of a revision; the last one names it.
fn made(state: &State, made: Changes) -> Made {
    let commit_time = Some(encode::timestamp(made.time));
    let mut messages = vec![pb::WatchResponse { commit_time, ..Default::default() }];
    let (mut bytes, mut bytes_of_all) = (0, 0);
    for changed in made.changes {
        let change = pb::ResourceChange { change: Some(change(state, changed, made.time)) };
        let full = messages.last().is_some_and(|last| last.changes.len() >= BATCH_MAX || bytes >= MESSAGE_BYTES_ENOUGH);
        if full {
            messages.push(pb::WatchResponse { commit_time, ..Default::default() });
            bytes = 0;
        }
        let more = change.encoded_len();
        (bytes, bytes_of_all) = (bytes + more, bytes_of_all + more);
        if let Some(last) = messages.last_mut() {
            last.changes.push(change);
        }
    }
    if let Some(last) = messages.last_mut() {
        last.revision = made.revision.to_string();
    }
    Made { sequence: made.revision.sequence(), messages, bytes: bytes_of_all }
}

fn change(state: &State, changed: Changed, as_of: TimeMs) -> Change {
    match changed {
        Changed::Kind(kind) => Change::PutKind(encode::kind(kind)),
        Changed::KindDeleted(name) => Change::DeletedKind(name.to_string()),
        Changed::Member(member) => Change::PutMember(encode::member(member)),
        Changed::MemberDeleted(id) => Change::DeletedMember(id.to_string()),
        Changed::Edge(edge) => Change::PutEdge(encode::edge(state, edge, as_of)),
        Changed::EdgeDeleted(key) => Change::DeletedEdge(pb::DeletedEdge {
            from_id: key.from.to_string(),
            kind: key.kind.to_string(),
            to_id: key.to.to_string(),
        }),
        Changed::Status(status) => Change::PutStatus(encode::status(status)),
        Changed::StatusDeleted(id) => Change::DeletedStatus(id.to_string()),
        Changed::Block(block) => Change::PutBlock(encode::block(&block)),
        Changed::IntroducerTally(introducer, tally) => Change::PutIntroducerTally(encode::tally(&introducer, &tally)),
        Changed::BlockDeleted(block) => Change::DeletedBlock(encode::block(&block)),
    }
}
