//! `DataService.Watch`: changes as they are made.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::call::deadline;
use super::streamed::MESSAGE_BYTES_ENOUGH;
use super::{Service, encode, to_status};
use crate::domain::limits::BATCH_MAX;
use crate::domain::{Error, Reason, TimeMs, Violation};
use crate::engine::{Changed, Changes, Feed, State, stopped};
use crate::proto::v1 as pb;
use crate::proto::v1::resource_change::Change;

/// Watchers at once; each takes a task and a few messages.
pub const WATCHERS_MAX: usize = 1_024;
const HEARTBEAT_DEFAULT_S: i64 = 10;
const HEARTBEAT_MAX_S: i64 = 60;
/// Messages made before the first of them is taken.
const MESSAGES_AHEAD: usize = 4;
pub type WatchStream = ReceiverStream<Result<pb::WatchResponse, Status>>;

/// Who watches, and what ends them.
#[derive(Clone)]
pub struct Watchers {
    places: Arc<Semaphore>,
    /// Whether the server stops.
    stopping: watch::Receiver<bool>,
}

impl Watchers {
    pub fn new(stopping: watch::Receiver<bool>) -> Watchers {
        Watchers { places: Arc::new(Semaphore::new(WATCHERS_MAX)), stopping }
    }
}

pub async fn watch(service: &Service, metadata: &MetadataMap, message: pb::WatchRequest) -> Result<WatchStream, Error> {
    let heartbeat = heartbeat(message.heartbeat_interval)?;
    let place = service.watchers.places.clone().try_acquire_owned().map_err(|_| Error::Exhausted {
        reason: Reason::Overloaded,
        message: format!("{WATCHERS_MAX} streams of changes are open already"),
    })?;
    let feed = service.engine.feed("from_revision", &message.from_revision).await?;
    let (outlet, stream) = mpsc::channel(MESSAGES_AHEAD);
    let mut stopping = service.watchers.stopping.clone();
    let deadline = deadline(metadata);
    tokio::spawn(async move {
        let _place = place;
        let passed = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => pending().await,
            }
        };
        let ended = tokio::select! {
            ended = send_all(feed, heartbeat, &outlet) => ended,
            () = passed => Err(Error::DeadlineExceeded),
            _ = stopping.wait_for(|stopping| *stopping) => Err(stopped()),
            () = outlet.closed() => Ok(()),
        };
        if let Err(error) = ended {
            let _ = outlet.send(Err(to_status(error))).await;
        }
    });
    Ok(ReceiverStream::new(stream))
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

type Outlet = mpsc::Sender<Result<pb::WatchResponse, Status>>;

/// Sends until the watcher is gone.
async fn send_all(mut feed: Feed, heartbeat: Duration, outlet: &Outlet) -> Result<(), Error> {
    loop {
        match feed.next(heartbeat).await? {
            Some(changes) => {
                for message in messages(&feed.state(), changes) {
                    if outlet.send(Ok(message)).await.is_err() {
                        return Ok(());
                    }
                }
            }
            None => {
                let revision = feed.state().revision().to_string();
                let commit_time = Some(encode::timestamp(feed.now()));
                // A watcher that takes nothing knows already that the stream lives.
                let _ = outlet.try_send(Ok(pb::WatchResponse { revision, commit_time, changes: Vec::new() }));
            }
        }
    }
}

/// The messages of a revision; the last one names it.
fn messages(state: &State, made: Changes) -> Vec<pb::WatchResponse> {
    let commit_time = Some(encode::timestamp(made.time));
    let mut messages = vec![pb::WatchResponse { commit_time, ..Default::default() }];
    let mut bytes = 0;
    for changed in made.changes {
        let change = pb::ResourceChange { change: Some(change(state, changed, made.time)) };
        let full = messages.last().is_some_and(|last| last.changes.len() >= BATCH_MAX || bytes >= MESSAGE_BYTES_ENOUGH);
        if full {
            messages.push(pb::WatchResponse { commit_time, ..Default::default() });
            bytes = 0;
        }
        bytes += change.encoded_len();
        if let Some(last) = messages.last_mut() {
            last.changes.push(change);
        }
    }
    if let Some(last) = messages.last_mut() {
        last.revision = made.revision.to_string();
    }
    messages
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
