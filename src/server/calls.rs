//! What every call has in common, whichever service answers it: its caller and role, its permit, its deadline, the end of a handler that
//! panics, and errors of gRPC's own layer translated to kith's.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, ready};
use std::time::{Duration, SystemTime};

use http_body::Body as _;
use hyper::body::Incoming;
use prost::bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::header::{ALLOW, CONTENT_TYPE};
use tonic::codegen::http::{self, HeaderMap, HeaderValue, Request, Response, StatusCode};
use tonic::service::Routes;
use tonic::{Code, Status};

use super::admission::{Admission, Permit};
use super::audit::{Audit, Denied};
use super::auth::{Access, Caller, Peer, Role};
use super::body::{AnswerBody, Kept, Meter, RequestBody, Until, Waiting, panicked};
use super::call_namespace::{namespace_of, roles_of};
use super::connection_slots::Usage;
use super::methods::{Method, Shape, method};
use super::metrics::{Handling, Metrics};
use super::quota::Viewers;
use super::received::Received;
use super::reload::Newest;
use super::spans::Spans;
use super::wire::Shapes;
use crate::domain::limits::MESSAGE_BYTES_MAX;
use crate::domain::{Error, NamespaceName, Reason, Violation};
use crate::engine::no_namespace;
use crate::service::{Authorization, CallId, CallerId, Principal, grpc_timeout, to_status};

/// A call is ended a little before its caller's own clock ends it, so that the caller hears it from the server.
const WAY_BACK: Duration = Duration::from_millis(2);
const NOT_READY_RETRY_MS: u64 = 1_000;
/// A wait for a time of the wall clock looks at the clock this often, because the clock may be set meanwhile.
const WALL_CLOCK_LOOK: Duration = Duration::from_secs(30);
/// The bytes of the names and values of a call's headers. HTTP/2 itself refuses four times as much, with its own message.
pub const HEADER_BYTES_MAX: usize = 16 * 1_024;

/// A refused call's message is read and thrown away up to these bytes and for this long.
const REFUSED_BYTES_MAX: usize = 64 * 1_024;
const REFUSED_WAIT_MAX: Duration = Duration::from_millis(100);

/// The services that need the engine, empty until there is one.
#[derive(Clone, Default)]
pub struct Services(Arc<OnceLock<Routes>>);

impl Services {
    /// Serves these routes from here on. A server has one engine, so the first call decides.
    pub fn open(&self, routes: Routes) {
        let _ = self.0.set(routes.prepare());
    }
}

/// All services, behind the checks that every call passes.
pub struct Calls {
    pub without_engine: Routes,
    /// None on a listener that serves health alone.
    pub of_engine: Option<Services>,
    pub access: Newest<Access>,
    pub admission: Admission,
    /// Calls that need no role have their own admission for each kind, so that health checks keep nobody from writing.
    pub admission_of_health: Admission,
    pub admission_of_reflection: Admission,
    /// Whether reflection is served at all.
    pub reflection: bool,
    pub shapes: Arc<Shapes>,
    pub viewers: Arc<Viewers>,
    pub received: Arc<Received>,
    /// How long a call's messages may not come.
    pub silence_max: Duration,
    pub audit: Audit,
    pub metrics: Metrics,
    pub spans: Option<Spans>,
}

/// A connection, as its calls see it.
pub struct Line {
    pub peer: Peer,
    /// The connection's number, which no other connection has.
    pub number: u64,
    pub usage: Arc<Usage>,
    pub waiting: Arc<Waiting>,
}

struct Admitted {
    method: Method,
    /// None for an RPC that needs no role.
    caller: Option<Caller>,
    namespace: NamespaceName,
    permit: Permit,
    routes: Routes,
    until: Option<Until>,
}

impl Calls {
    pub async fn answer(&self, line: &Line, request: Request<Incoming>) -> Response<AnswerBody> {
        let waiting = line.waiting.clone();
        if let Some(refused) = no_grpc(&request) {
            self.metrics.calls.no_grpc();
            discard_body(request.into_body()).await;
            return refused.map(|body| AnswerBody::new(body, "", None, None, None, waiting));
        }
        let method = method(request.uri().path());
        let id = CallId::of(request.headers());
        let span = self.spans.as_ref().and_then(|spans| spans.begin(method, request.headers()));
        let mut handling = self.metrics.calls.begin(method, id.clone(), span);
        match self.admit(&id, &line.peer, method, &request) {
            Ok(admitted) => {
                if admitted.caller.is_some() {
                    line.usage.by_somebody();
                }
                self.carry_out(id, line, admitted, handling, request).await
            }
            Err(error) => {
                self.metrics.calls.refused(&error);
                let refused = to_status(error);
                handling.ended(refused.code());
                discard_body(request.into_body()).await;
                refused.into_http::<Body>().map(|body| AnswerBody::new(body, "", None, None, None, waiting))
            }
        }
    }

    /// Decides by the headers alone: nothing of a refused call's message is looked at.
    fn admit<B>(
        &self,
        id: &CallId,
        peer: &Peer,
        method: Option<Method>,
        request: &Request<B>,
    ) -> Result<Admitted, Error> {
        let headers = request.headers();
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if bytes > HEADER_BYTES_MAX {
            let message = format!("a call's headers may have {HEADER_BYTES_MAX} bytes");
            return Err(Error::Exhausted { reason: Reason::TooLong, message });
        }
        let method = method.filter(|method| self.reflection || !method.is_reflection());
        let is_for_all =
            |method: Method| method.need.is_none() && (!method.is_reflection() || self.access.borrow().is_open());
        let identified = match method {
            Some(method) if is_for_all(method) => None,
            _ => Some(self.identified(id, peer, method, headers)?),
        };
        let (caller, namespace) = identified.unzip();
        let namespace = namespace.unwrap_or_default();
        // Only a caller that may call learns whether an RPC exists.
        let method = method.ok_or(Error::Unimplemented)?;
        let share = caller.as_ref().map_or(&peer.share, |caller| &caller.share);
        let admission = match method.need {
            Some(_) => &self.admission,
            None if method.is_reflection() => &self.admission_of_reflection,
            None => &self.admission_of_health,
        };
        let permit = admission.admit(share, method.shape)?;
        let routes = match method.need {
            None => self.without_engine.clone(),
            Some(_) => {
                let services = self.of_engine.as_ref().ok_or(Error::Unimplemented)?;
                services.0.get().cloned().ok_or_else(not_ready)?
            }
        };
        let until = self.until(peer, method, &namespace, caller.as_ref(), headers);
        Ok(Admitted { method, caller, namespace, permit, routes, until })
    }

    /// Returns the caller, if it may call this method in the namespace that the call names, and that namespace. One in which the caller
    /// has no role is to it as one that is not there.
    fn identified(
        &self,
        id: &CallId,
        peer: &Peer,
        method: Option<Method>,
        headers: &HeaderMap,
    ) -> Result<(Caller, NamespaceName), Error> {
        let name = method.map_or("unknown", |method| method.name);
        let authorization = headers.get("authorization").map(|value| value.as_bytes());
        let access = self.access.borrow().clone();
        let namespace = namespace_of(method, headers);
        // An RPC that is of all namespaces says in its message which one it is about, and that of a refused call is not looked at.
        let about = namespace.as_ref().ok().filter(|_| method.is_none_or(|method| !method.is_of_all_namespaces()));
        let denied = |caller: &str, error: &Error| {
            self.audit.denied(id, peer, Denied { caller, namespace: about, rpc: name, why: error })
        };
        let caller = access.identify(peer, authorization).inspect_err(|error| denied("", error))?;
        let namespace = namespace.clone()?;
        if let Some(method) = method
            && let Some(need) = method.need
            && !roles_of(&caller, method, &namespace).allow(need)
        {
            let role = format!("{need:?}").to_lowercase();
            let error = match roles_of(&caller, method, &namespace).is_empty() && !namespace.is_default() {
                true => no_namespace(&namespace),
                false if method.is_of_all_namespaces() => {
                    Error::PermissionDenied(format!("{name} needs the role `{role}`"))
                }
                false => {
                    Error::PermissionDenied(format!("{name} needs the role `{role}` in the namespace `{namespace}`"))
                }
            };
            denied(&caller.name, &error);
            return Err(error);
        }
        Ok((caller, namespace))
    }

    /// Returns a future that ends the call before it has ended by itself: at its deadline or the expiry of its credentials; for a stream,
    /// also when its caller may call no more.
    fn until(
        &self,
        peer: &Peer,
        method: Method,
        namespace: &NamespaceName,
        caller: Option<&Caller>,
        headers: &HeaderMap,
    ) -> Option<Until> {
        let deadline = deadline(headers);
        let need = method.need.filter(|_| method.shape == Shape::Stream && !self.access.borrow().is_open());
        let expires = caller.and_then(|caller| caller.expires);
        let expired = || Error::Unauthenticated("the token or certificate has expired".to_owned());
        let (Some(need), Some(_)) = (need, caller) else {
            if deadline.is_none() && expires.is_none() {
                return None;
            }
            return Some(Box::pin(async move {
                tokio::select! {
                    () = at(deadline) => Error::DeadlineExceeded,
                    () = at_time(expires) => expired(),
                }
            }));
        };
        let authorization = headers.get("authorization").cloned();
        let (peer, namespace) = (peer.clone(), namespace.clone());
        let mut access = self.access.clone();
        access.mark_unchanged();
        Some(Box::pin(async move {
            let still_may = |access: &Access| {
                let caller = access.identify(&peer, authorization.as_ref().map(|value| value.as_bytes()));
                caller.is_ok_and(|caller| roles_of(&caller, method, &namespace).allow(need))
            };
            let revoked = async {
                while access.changed().await.is_ok() {
                    if !still_may(&access.borrow_and_update().clone()) {
                        return;
                    }
                }
                pending().await
            };
            tokio::select! {
                () = at(deadline) => Error::DeadlineExceeded,
                () = at_time(expires) => expired(),
                () = revoked => Error::Unauthenticated("the caller may not go on: who may call has changed".to_owned()),
            }
        }))
    }

    async fn carry_out(
        &self,
        id: CallId,
        line: &Line,
        admitted: Admitted,
        mut handling: Handling,
        request: Request<Incoming>,
    ) -> Response<AnswerBody> {
        let Line { peer, waiting, .. } = line;
        let Admitted { method, caller, namespace, permit, mut routes, mut until } = admitted;
        // The message's bytes are counted until the call is answered, or its answer begins.
        let kept = Kept::default();
        let body = self.request_body(line, method, caller.as_ref(), kept.clone());
        let behalf = caller.as_ref().map(|caller| caller.rights.behalf(&namespace)).unwrap_or_default();
        let admin = caller.as_ref().filter(|_| method.need == Some(Role::Admin));
        let administers = admin.map(|caller| caller.rights.administers()).unwrap_or_default();
        let caller_id = caller.as_ref().map_or_else(CallerId::nobody, Caller::id);
        let authorization = Authorization { namespace, administers, behalf };
        let principal = Principal::new(id.clone(), self.viewers.clone(), caller_id, authorization);
        if method.is_of_all_namespaces() {
            principal.is_about(None);
        }
        if method.reads() && self.audit.is_of_reads() {
            principal.note_what_is_asked();
        }
        let mut request = request.map(body);
        request.extensions_mut().insert(principal.clone());
        let handler = principal.clone().scope(catch_panic(method.name, routes.call(request)));
        let answer = match &mut until {
            None => handler.await,
            Some(until) => tokio::select! {
                biased;
                answer = handler => answer,
                error = until => refused(error),
            },
        };
        drop(kept);
        let answer = translated(answer);
        // An answer that is nothing but an error has its status in the headers.
        let status = Status::from_header_map(answer.headers());
        let ended = status.as_ref().map(Status::code);
        if let Some(caller) = &caller {
            self.audit.called(&id, peer, method, caller, &principal, status.as_ref());
        }
        if let Some(code) = ended {
            handling.ended(code);
        }
        let handling = ended.is_none().then_some(handling);
        let until = until.filter(|_| method.shape == Shape::Stream);
        answer.map(|body| AnswerBody::new(body, method.name, until, Some(permit), handling, waiting.clone()))
    }
}

/// Bounds the message of a call that needs no role: the name of a service, or of what reflection is asked for.
const OPEN_BYTES_MAX: usize = 16 * 1_024;
/// Bounds the time that such a message may take.
const OPEN_SILENCE_MAX: Duration = Duration::from_secs(10);

impl Calls {
    fn request_body(
        &self,
        line: &Line,
        method: Method,
        caller: Option<&Caller>,
        kept: Kept,
    ) -> impl FnOnce(Incoming) -> Body + use<> {
        let share = caller.map_or(&line.peer.share, |caller| &caller.share);
        let holding = self.received.holding(share.clone(), line.number);
        let message = self.shapes.request(method);
        let bytes_max = if method.need.is_some() { MESSAGE_BYTES_MAX } else { OPEN_BYTES_MAX };
        let meter = Meter { shapes: self.shapes.clone(), message, bytes_max };
        // A tool that asks by reflection waits for its user.
        let is_quick = method.need.is_none() && method.shape == Shape::Unary;
        let silence_max = if is_quick { self.silence_max.min(OPEN_SILENCE_MAX) } else { self.silence_max };
        let streamed = method.name.ends_with("DataService/Import");
        move |body| Body::new(RequestBody::new(body, meter, holding, kept, silence_max).streamed(streamed))
    }
}

/// Reads and throws away what a refused call sends right behind its headers. HTTP/2 counts a message that nobody waits for as a fault of
/// its client, and ends the connection of a client with too many of them.
async fn discard_body(mut body: Incoming) {
    let mut bytes_left = REFUSED_BYTES_MAX;
    let all = poll_fn(|context| {
        while let Some(Ok(frame)) = ready!(Pin::new(&mut body).poll_frame(context)) {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            if bytes >= bytes_left {
                break;
            }
            bytes_left -= bytes;
        }
        Poll::Ready(())
    });
    let _ = timeout(REFUSED_WAIT_MAX, all).await;
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// Resolves at a time of the wall clock, which may be set meanwhile.
pub async fn at_time(time: Option<SystemTime>) {
    let Some(time) = time else { return pending().await };
    while let Ok(left) = time.duration_since(SystemTime::now())
        && !left.is_zero()
    {
        sleep(left.min(WALL_CLOCK_LOOK)).await;
    }
}

/// Refuses what is no gRPC with a status of HTTP, because its caller does not read gRPC's. 415 is gRPC's own rule for other contents.
fn no_grpc<B>(request: &Request<B>) -> Option<Response<Body>> {
    let content = request.headers().get(CONTENT_TYPE).map_or(&b""[..], |content| content.as_bytes());
    let is_grpc =
        content.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')));
    let status = match (request.method() == http::Method::POST, is_grpc) {
        (true, true) => return None,
        (false, _) => StatusCode::METHOD_NOT_ALLOWED,
        (true, false) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
    };
    let mut refused = Response::new(Body::empty());
    *refused.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    Some(refused)
}

fn not_ready() -> Error {
    Error::Unavailable {
        reason: Reason::NotReady,
        message: "the server is loading its store".to_owned(),
        retry_after_ms: NOT_READY_RETRY_MS,
    }
}

fn deadline(headers: &HeaderMap) -> Option<Instant> {
    let timeout = grpc_timeout(headers.get("grpc-timeout")?.to_str().ok()?)?;
    Instant::now().checked_add(timeout.saturating_sub(WAY_BACK))
}

fn refused(error: Error) -> Response<Body> {
    to_status(error).into_http()
}

/// Returns the answer, or INTERNAL if its handler panics: without this the caller would see its stream reset, and not know why.
async fn catch_panic(
    method: &'static str,
    answer: impl Future<Output = Result<Response<Body>, Infallible>>,
) -> Response<Body> {
    let mut answer = pin!(answer);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
        Ok(polled) => polled.map(|Ok(answer)| answer),
        Err(panic) => Poll::Ready(refused(panicked(method, &*panic))),
    })
    .await
}

/// Replaces tonic's OUT_OF_RANGE and INTERNAL for what it cannot read by an error that says who is at fault. kith's own errors have
/// details, and stay.
fn translated(response: Response<Body>) -> Response<Body> {
    let Some(status) = Status::from_header_map(response.headers()) else { return response };
    if !status.details().is_empty() {
        return response;
    }
    let error = match status.code() {
        Code::OutOfRange => Error::Exhausted {
            reason: Reason::TooLong,
            message: format!("a message may have {MESSAGE_BYTES_MAX} bytes; group records into smaller ones"),
        },
        Code::Internal => {
            let message = format!("the message cannot be read: {}", status.message());
            Violation::new("", Reason::Malformed, message).into()
        }
        _ => return response,
    };
    to_status(error).into_http()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_internal() {
        let answer = catch_panic("Test/Test", async { panic!("for the test") }).await;
        assert_eq!(Status::from_header_map(answer.headers()).unwrap().code(), Code::Internal);
    }

    #[test]
    fn what_is_no_grpc_is_refused_as_http() {
        let status = |method: http::Method, content: Option<&str>| {
            let mut request = Request::new(());
            *request.method_mut() = method;
            if let Some(content) = content {
                request.headers_mut().insert(CONTENT_TYPE, content.parse().unwrap());
            }
            no_grpc(&request).map(|refused| refused.status().as_u16())
        };
        for right in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
            assert_eq!(status(http::Method::POST, Some(right)), None, "{right}");
        }
        for wrong in [None, Some(""), Some("application/json"), Some("application/grpc-web"), Some("application/grpcx")]
        {
            assert_eq!(status(http::Method::POST, wrong), Some(415), "{wrong:?}");
        }
        assert_eq!(status(http::Method::GET, Some("application/grpc")), Some(405));
    }

    #[test]
    fn what_tonic_cannot_read_is_the_callers_fault() {
        let code = |status: Status| Status::from_header_map(translated(status.into_http()).headers()).unwrap().code();
        assert_eq!(code(Status::out_of_range("decoded message length too large")), Code::ResourceExhausted);
        assert_eq!(code(Status::internal("invalid wire type")), Code::InvalidArgument);
        assert_eq!(code(to_status(Error::Internal("a fault".to_owned()))), Code::Internal);
        assert_eq!(code(Status::unimplemented("no such method")), Code::Unimplemented);
    }
}
