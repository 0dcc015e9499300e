//! What a call and the listener tell each other beside the message: whom a read was made for, and what a write was about.
//!
//! The listener runs each handler in the scope of a `CallNotes`; a handler that runs outside of one (a test's) is not limited.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use super::CallId;
use crate::domain::{Change, EdgeKey, Error, MemberId};

/// Resources that are told of one call; of more, how many there are.
const SUBJECTS_TOLD_MAX: usize = 8;

tokio::task_local! {
    static CURRENT: Arc<CallNotes>;
}

/// Decides whether a viewer may be asked for again now.
pub trait ViewerQuota: Send + Sync {
    /// `is_member` tells whether the viewer is one; it is asked when that matters alone.
    fn take(&self, caller: &Arc<str>, viewer: &str, is_member: &dyn Fn() -> bool) -> Result<(), Error>;
}

/// The notes of one call.
pub struct CallNotes {
    id: CallId,
    viewers: Arc<dyn ViewerQuota>,
    caller: CallerId,
    /// Whether the caller may read on nobody's behalf.
    sees_all: bool,
    subjects: Mutex<Subjects>,
}

/// Who makes a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerId {
    /// What its share of the server's resources is counted under: its name if callers are known, its address otherwise.
    pub share: Arc<str>,
    /// Its name, if callers are known: what is its own alone (request ids) is kept under it.
    pub name: Option<Arc<str>>,
}

impl CallerId {
    /// Counted for work that no call asked for, and for handlers that run without a listener.
    pub fn nobody() -> CallerId {
        CallerId { share: "".into(), name: None }
    }
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
    pub fn new(id: CallId, viewers: Arc<dyn ViewerQuota>, caller: CallerId, sees_all: bool) -> Arc<CallNotes> {
        Arc::new(CallNotes { id, viewers, caller, sees_all, subjects: Mutex::default() })
    }

    /// Runs a handler that can make these notes.
    pub async fn scope<T>(self: Arc<CallNotes>, handler: impl Future<Output = T>) -> T {
        CURRENT.scope(self, handler).await
    }

    pub fn subjects(&self) -> Subjects {
        self.subjects.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the logs know the call by that a handler works on.
pub(super) fn current_id() -> Option<CallId> {
    CURRENT.try_with(|notes| notes.id.clone()).ok()
}

/// Who makes the call that a handler works on.
pub(super) fn current_caller() -> CallerId {
    CURRENT.try_with(|notes| notes.caller.clone()).unwrap_or_else(|_| CallerId::nobody())
}

/// To be called by every read with the viewer it is made for, if any, before anything is computed.
pub(super) fn asked_for(viewer: Option<&MemberId>, is_member: impl Fn(&MemberId) -> bool) -> Result<(), Error> {
    let may = |notes: &Arc<CallNotes>| match viewer {
        Some(viewer) => notes.viewers.take(&notes.caller.share, viewer.as_str(), &|| is_member(viewer)),
        None if notes.sees_all => Ok(()),
        None => Err(without_viewer()),
    };
    CURRENT.try_with(may).unwrap_or(Ok(()))
}

/// The refusal of who may read on a viewer's behalf alone, and names none.
pub fn without_viewer() -> Error {
    Error::PermissionDenied("a read without a viewer needs the role `service`".to_owned())
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
        Change::MergeMember { id, .. } => format!("merge_member {id}"),
        Change::MergeKind { kind, .. } => format!("merge_kind {}", kind.name),
        Change::DeleteMember { id, .. } => format!("delete_member {id}"),
        Change::PutEdge { put, .. } => edge("put_edge", &put.key),
        Change::DeleteEdge { key, .. } => edge("delete_edge", key),
        Change::RecordInteractions { record } => edge("record_interactions", &record.key),
        Change::PostStatus { status } => format!("post_status {}", status.id),
        Change::DeleteStatus { id, .. } => format!("delete_status {id}"),
        Change::BlockMember { block } => format!("block_member {}/{}", block.by, block.of),
        Change::UnblockMember { block, .. } => format!("unblock_member {}/{}", block.by, block.of),
        Change::RecordIntroduction { introduction } => format!("record_introduction {}", introduction.introducer),
        Change::PutIntroducerTally { introducer, .. } => format!("put_introducer_tally {introducer}"),
        Change::KeepErased { .. } => "keep_erased".to_owned(),
        Change::RememberErased { erased, .. } => format!("remember_erased {}", erased.len()),
        Change::EraseStatus { id } => format!("erase_status {id}"),
        Change::KeepSecret { .. } => "keep_secret".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tonic::codegen::http::HeaderMap;

    use super::*;
    use crate::service::to_status;

    struct NoQuota;

    impl ViewerQuota for NoQuota {
        fn take(&self, _: &Arc<str>, _: &str, _: &dyn Fn() -> bool) -> Result<(), Error> {
            Ok(())
        }
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_fault_is_logged_with_what_its_call_is_known_by() {
        let log = Log::default();
        let to = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || to.clone()).finish();
        let _logging = tracing::subscriber::set_default(subscriber);
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", "order-17".parse().unwrap());
        headers.insert("traceparent", format!("00-{}-{}-01", "a1".repeat(16), "b2".repeat(8)).parse().unwrap());
        let notes = CallNotes::new(CallId::of(&headers), Arc::new(NoQuota), CallerId::nobody(), true);
        let refused = notes.scope(async { to_status(Error::Internal("the cause".to_owned())) }).await;
        assert!(!refused.message().contains("the cause"));
        let told = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let trace = format!("trace_id=\"{}\"", "a1".repeat(16));
        assert!(told.contains("call=order-17") && told.contains(&trace) && told.contains("cause=the cause"), "{told}");
    }
}
