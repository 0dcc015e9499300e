//! Who watches changes, and the messages that all of them get.

use std::sync::Arc;

use prost::Message;
use tokio::sync::watch;

use super::encode;
use super::live::{Live, Made};
use super::shares::Shares;
use super::streamed::MESSAGE_BYTES_ENOUGH;
use crate::domain::TimeMs;
use crate::domain::limits::BATCH_MAX;
use crate::engine::{Changed, Changes, Engine, State};
use crate::proto::v1 as pb;
use crate::proto::v1::resource_change::Change;

/// The most watchers at once; each takes a task and a few messages.
pub const WATCHERS_MAX: usize = 4_096;
/// The most watchers of one caller.
pub const WATCHERS_PER_CALLER_MAX: usize = 1_024;

/// Who watches, and what ends them.
#[derive(Clone)]
pub struct Watchers {
    pub(super) shares: Arc<Shares>,
    pub(super) live: Arc<Live>,
    /// Whether the server stops.
    pub(super) stopping: watch::Receiver<bool>,
}

impl Watchers {
    pub fn new(engine: &Engine, stopping: watch::Receiver<bool>) -> Watchers {
        let live = Live::new(WATCHERS_MAX);
        let (following, mut ended) = (live.clone().follow(engine.follow(), messages_of), stopping.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = following => {}
                _ = ended.wait_for(|stopping| *stopping) => {}
            }
        });
        Watchers { shares: Shares::new(WATCHERS_MAX, WATCHERS_PER_CALLER_MAX), live, stopping }
    }
}

/// Returns the messages of a revision, the last of which names it.
pub(super) fn messages_of(state: &State, made: Changes) -> Made {
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
    let (namespace, ends_namespace) = (made.namespace, made.ends_namespace);
    Made { namespace, ends_namespace, sequence: made.revision.sequence(), messages, bytes: bytes_of_all }
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
