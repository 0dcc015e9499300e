//! What a call and the listener tell each other beside the message: whom a read was made for, and what a write was about.
//!
//! The listener runs each handler in the scope of a `CallNotes`; a handler that runs outside of one (a test's) is not limited.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::{Change, EdgeKey, Error, MemberId};

/// Resources that are told of one call; of more, how many there are.
const SUBJECTS_TOLD_MAX: usize = 8;

tokio::task_local! {
    static CURRENT: Arc<CallNotes>;
}

/// Decides whether a viewer may be asked for again now.
pub trait ViewerQuota: Send + Sync {
    fn take(&self, viewer: &str) -> Result<(), Error>;
}

/// The notes of one call.
pub struct CallNotes {
    viewers: Arc<dyn ViewerQuota>,
    subjects: Mutex<Subjects>,
}

/// What a call wrote: ids and keys alone, never names, texts or topics.
#[derive(Debug, Default, Clone)]
pub struct Subjects {
    /// The first few, as in `put_edge ana/friend/ben`.
    pub told: Vec<String>,
    pub count: usize,
    /// How many members it erases.
    pub erasures: usize,
}

impl CallNotes {
    pub fn new(viewers: Arc<dyn ViewerQuota>) -> Arc<CallNotes> {
        Arc::new(CallNotes { viewers, subjects: Mutex::default() })
    }

    /// Runs a handler that can make these notes.
    pub async fn scope<T>(self: Arc<CallNotes>, handler: impl Future<Output = T>) -> T {
        CURRENT.scope(self, handler).await
    }

    pub fn subjects(&self) -> Subjects {
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// To be called by every read with the viewer it is made for, before anything is computed.
pub(super) fn asked_for(viewer: &MemberId) -> Result<(), Error> {
    CURRENT.try_with(|notes| notes.viewers.take(viewer.as_str())).unwrap_or(Ok(()))
}

/// To be called by every write with what it is about to do.
pub(super) fn about_to_write(changes: &[Change]) {
    let _ = CURRENT.try_with(|notes| {
        let mut subjects = notes.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        subjects.count += changes.len();
        for change in changes {
            subjects.erasures += usize::from(matches!(change, Change::DeleteMember { .. }));
            if subjects.told.len() < SUBJECTS_TOLD_MAX {
                subjects.told.push(told(change));
            }
        }
    });
}

fn told(change: &Change) -> String {
    let edge = |what: &str, key: &EdgeKey| format!("{what} {}/{}/{}", key.from, key.kind, key.to);
    match change {
        Change::PutKind { kind, .. } => format!("put_kind {}", kind.name),
        Change::DeleteKind { name, .. } => format!("delete_kind {name}"),
        Change::PutMember { member, .. } => format!("put_member {}", member.id),
        Change::UpdateMember { id, .. } => format!("update_member {id}"),
        Change::DeleteMember { id, .. } => format!("delete_member {id}"),
        Change::PutEdge { put, .. } => edge("put_edge", &put.key),
        Change::DeleteEdge { key, .. } => edge("delete_edge", key),
        Change::RecordInteractions { record } => edge("record_interactions", &record.key),
        Change::PostStatus { status } => format!("post_status {}", status.id),
        Change::DeleteStatus { id, .. } => format!("delete_status {id}"),
    }
}
