//! Who makes a call, and what the listener and its handler report to each other beside the message: whom a read was made for and about,
//! and what a write was about.
//!
//! The listener puts a `Principal` into each request. A handler's `Call` cannot be made without one, so that nothing is allowed because
//! nobody said who asks.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use super::CallId;
use super::namespace_scope::NamespaceScope;
use super::subjects::{Asked, Subjects};
use crate::domain::{Change, Error, MemberId, NamespaceName};

tokio::task_local! {
    /// The log id of the call that a task works on.
    static CALL_ID: CallId;
}

/// Decides whether a caller may ask on behalf of a viewer now.
pub trait ViewerQuota: Send + Sync {
    /// Takes one from the viewer's quota. `is_member` says whether the viewer is a member; it is called only when that matters.
    fn take(
        &self,
        caller: &Arc<str>,
        namespace: &NamespaceName,
        viewer: &str,
        is_member: &dyn Fn() -> bool,
    ) -> Result<(), Error>;
}

/// Who makes one call, with what it may do and has done. Clones are of the same call.
#[derive(Clone)]
pub struct Principal(Arc<Inner>);

struct Inner {
    id: CallId,
    viewers: Arc<dyn ViewerQuota>,
    caller: CallerId,
    authorization: Authorization,
    /// The namespace that the call is about; none if that is all of them.
    about: Mutex<Option<NamespaceName>>,
    subjects: Mutex<Subjects>,
    /// None if it is not noted.
    asked: Mutex<Option<Asked>>,
}

/// Where a call is, and what its caller may do there.
#[derive(Debug, Clone, Default)]
pub struct Authorization {
    /// The namespace that the call is of.
    pub namespace: NamespaceName,
    /// The namespaces that the caller may administer; those of a call that needs the role `admin` alone.
    pub administers: NamespaceScope,
    pub behalf: Behalf,
}

/// On whose behalf a caller may read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Behalf {
    /// Any viewer's, and nobody's: the caller sees everything.
    #[default]
    Anybody,
    AnyViewer,
    /// This viewer's alone: the caller is bound to it.
    Only(MemberId),
}

/// Who makes a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerId {
    /// What the caller's share of the server's resources is counted under: its name if callers are known, its address otherwise.
    pub share: Arc<str>,
    /// The caller's name, if callers are known. What is its own alone (request ids) is kept under it.
    pub name: Option<Arc<str>>,
}

impl CallerId {
    /// Returns the id for work that no call asked for, and for callers who are not known.
    pub fn nobody() -> CallerId {
        CallerId { share: "".into(), name: None }
    }
}

#[cfg(test)]
impl Principal {
    /// Returns the principal of nobody, who may read everything, in a call without headers.
    pub fn unlimited() -> Principal {
        Principal::unlimited_in(CallId::of(&tonic::codegen::http::HeaderMap::new()))
    }

    pub fn unlimited_in(call: CallId) -> Principal {
        struct NoQuota;
        impl ViewerQuota for NoQuota {
            fn take(&self, _: &Arc<str>, _: &NamespaceName, _: &str, _: &dyn Fn() -> bool) -> Result<(), Error> {
                Ok(())
            }
        }
        Principal::new(call, Arc::new(NoQuota), CallerId::nobody(), Authorization::default())
    }
}

impl Principal {
    pub fn new(id: CallId, viewers: Arc<dyn ViewerQuota>, caller: CallerId, authorization: Authorization) -> Principal {
        let about = Mutex::new(Some(authorization.namespace.clone()));
        Principal(Arc::new(Inner {
            id,
            viewers,
            caller,
            authorization,
            about,
            subjects: Mutex::default(),
            asked: Mutex::default(),
        }))
    }

    /// Returns the namespace that the call is of.
    pub fn namespace(&self) -> &NamespaceName {
        &self.0.authorization.namespace
    }

    /// Notes which namespace the call is about, where that is not the one that it is of; none if that is all of them.
    pub fn is_about(&self, namespace: Option<&NamespaceName>) {
        *self.0.about.lock().unwrap_or_else(PoisonError::into_inner) = namespace.cloned();
    }

    /// Returns the namespace that the call is about; none if that is all of them.
    pub fn about(&self) -> Option<NamespaceName> {
        self.0.about.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the namespaces that the caller may administer.
    pub(super) fn administers(&self) -> &NamespaceScope {
        &self.0.authorization.administers
    }

    /// Has it noted, from here on, whom the call asks about.
    pub fn note_what_is_asked(&self) {
        *self.0.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Asked::default());
    }

    /// Runs a handler, whose faults are logged under the call's id.
    pub async fn scope<T>(self, handler: impl Future<Output = T>) -> T {
        CALL_ID.scope(self.0.id.clone(), handler).await
    }

    /// Returns what the caller's share of the server's resources is counted under.
    pub fn share(&self) -> Arc<str> {
        self.0.caller.share.clone()
    }

    /// Returns the caller's name, if callers are known.
    pub fn name(&self) -> Option<&str> {
        self.0.caller.name.as_deref()
    }

    /// Returns what the call has written.
    pub fn subjects(&self) -> Subjects {
        self.0.subjects.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the note of whom the call has asked about, if there is one.
    pub fn take_asked(&self) -> Option<Asked> {
        let asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Asked { viewer: self.named_or_own(&asked.viewer).to_owned(), ..asked })
    }

    /// Returns the id of the viewer that a request names. A caller who is bound to a viewer means that one where it names none.
    pub(super) fn named_or_own<'a>(&'a self, id: &'a str) -> &'a str {
        match &self.0.authorization.behalf {
            Behalf::Only(own) if id.is_empty() => own.as_str(),
            _ => id,
        }
    }

    /// Returns the id of the member for whom a question is asked, whom the request may leave out as it may the viewer. A caller who is
    /// bound to a viewer asks for no other member.
    pub(super) fn asked_for<'a>(&'a self, id: &'a str) -> Result<&'a str, Error> {
        let id = self.named_or_own(id);
        if self.is_bound_to_another(id) { Err(self.refusal()) } else { Ok(id) }
    }

    fn is_bound_to_another(&self, viewer: &str) -> bool {
        matches!(&self.0.authorization.behalf, Behalf::Only(own) if own.as_str() != viewer)
    }

    /// Returns the refusal of a read on behalf of whom the caller may not read for. It depends on the caller alone, so that it tells
    /// nothing of whom the request names.
    fn refusal(&self) -> Error {
        Error::PermissionDenied(match self.0.authorization.behalf {
            Behalf::Only(_) => "the caller may read on behalf of its own viewer alone".to_owned(),
            Behalf::Anybody | Behalf::AnyViewer => "a read without a viewer needs the role `service`".to_owned(),
        })
    }

    /// Checks that the caller may read for the viewer, if there is one. Every read calls it before anything is computed.
    pub(super) fn may_read_for(
        &self,
        viewer: Option<&MemberId>,
        is_member: impl Fn(&MemberId) -> bool,
    ) -> Result<(), Error> {
        let Inner { viewers, caller, authorization: Authorization { namespace, behalf, .. }, .. } = &*self.0;
        match viewer {
            Some(viewer) if self.is_bound_to_another(viewer.as_str()) => Err(self.refusal()),
            Some(viewer) => viewers.take(&caller.share, namespace, viewer.as_str(), &|| is_member(viewer)),
            None if *behalf == Behalf::Anybody => Ok(()),
            None => Err(self.refusal()),
        }
    }

    /// Notes what the call is about to do with a namespace.
    pub(super) fn about_to_do(&self, what: &'static str, namespace: &NamespaceName, erasures: usize) {
        let mut subjects = self.0.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        subjects.add_namespace(what, namespace, erasures);
    }

    /// Notes what the call is about to write. Every write calls it.
    pub(super) fn about_to_write(&self, changes: &[Change]) {
        self.0.subjects.lock().unwrap_or_else(PoisonError::into_inner).add(changes);
    }

    /// Notes whom the call asks about, if that is asked for. Every RPC of one message calls it, before its handler.
    pub(super) fn about_to_ask(&self, note: impl FnOnce(&mut Asked)) {
        if let Some(asked) = &mut *self.0.asked.lock().unwrap_or_else(PoisonError::into_inner) {
            note(asked);
        }
    }
}

/// Returns the log id of the call that the running task works on.
pub(super) fn current_id() -> Option<CallId> {
    CALL_ID.try_with(CallId::clone).ok()
}

#[cfg(test)]
mod tests {
    use std::io;

    use tonic::codegen::http::HeaderMap;

    use super::*;
    use crate::service::to_status;

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
        let principal = Principal::unlimited_in(CallId::of(&headers));
        let refused = principal.scope(async { to_status(Error::Internal("the cause".to_owned())) }).await;
        assert!(!refused.message().contains("the cause"));
        let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let trace = format!("trace_id=\"{}\"", "a1".repeat(16));
        assert!(
            logged.contains("call=order-17") && logged.contains(&trace) && logged.contains("cause=the cause"),
            "{logged}"
        );
    }
}
