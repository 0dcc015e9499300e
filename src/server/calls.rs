//! What every call has in common, whichever service answers it: who makes it and whether it may, its turn, its deadline, the end
//! of a handler that panics, and errors that gRPC's own layer made, put in kith's words.

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
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::service::Routes;
use tonic::{Code, Status};

use super::admission::{Admission, Turn};
use super::audit::Audit;
use super::auth::{Access, Caller, Peer, Role};
use super::body::{AnswerBody, Received, RequestBody, Until, Waiting, panicked};
use super::methods::{Method, Shape, method};
use super::metrics::{Handling, Metrics};
use super::quota::Viewers;
use super::reload::Newest;
use super::spans::Spans;
use crate::domain::limits::MESSAGE_BYTES_MAX;
use crate::domain::{Error, Reason, Violation};
use crate::service::{CallId, CallNotes, CallerId, grpc_timeout, to_status, without_viewer};

/// A call is ended a little before its caller's own clock ends it, so that the caller hears it from the server.
const WAY_BACK: Duration = Duration::from_millis(2);
const NOT_READY_RETRY_MS: u64 = 1_000;
/// Names and values of a call's headers. HTTP/2 itself refuses four times as much, in its own words.
pub const HEADER_BYTES_MAX: usize = 16 * 1_024;

/// Of a refused call's message so much is read and thrown away, for so long.
const REFUSED_BYTES_MAX: usize = 64 * 1_024;
const REFUSED_WAIT_MAX: Duration = Duration::from_millis(100);

/// The services that need the engine, once there is one.
#[derive(Clone, Default)]
pub struct Services(Arc<OnceLock<Routes>>);

impl Services {
    /// From here on they answer; there is but one engine.
    pub fn open(&self, routes: Routes) {
        let _ = self.0.set(routes.prepare());
    }
}

/// All services, behind what they have in common.
pub struct Calls {
    pub without_engine: Routes,
    /// None where nothing but the others is served.
    pub of_engine: Option<Services>,
    pub access: Newest<Access>,
    pub admission: Admission,
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
    pub waiting: Arc<Waiting>,
}

/// A call that may go on.
struct Admitted {
    method: Method,
    /// Nobody of an RPC that is open to all.
    caller: Option<Caller>,
    turn: Option<Turn>,
    routes: Routes,
    until: Option<Until>,
}

impl Calls {
    pub async fn answer(&self, line: &Line, request: Request<Incoming>) -> Response<AnswerBody> {
        let waiting = line.waiting.clone();
        let method = method(request.uri().path());
        let id = CallId::of(request.headers());
        let span = self.spans.as_ref().and_then(|spans| spans.begin(method, request.headers()));
        let mut handling = self.metrics.calls.begin(method, id.clone(), span);
        match self.admit(&id, &line.peer, method, &request) {
            Ok(admitted) => self.carry_out(id, line, admitted, handling, request).await,
            Err(error) => {
                self.metrics.calls.refused(&error);
                let refused = to_status(error);
                handling.ended(refused.code());
                taken_off_the_line(request.into_body()).await;
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
        let caller = match method {
            Some(Method { need: None, .. }) => None,
            _ => Some(self.identified(id, peer, method, headers)?),
        };
        // Whether an RPC exists is told to those alone who may call.
        let method = method.ok_or(Error::Unimplemented)?;
        let turn = match (&caller, method.shape) {
            (None, Shape::Unary) => None,
            (None, Shape::Stream) => Some(self.admission.admit(&peer.address_text, Shape::Stream)?),
            (Some(caller), shape) => Some(self.admission.admit(&caller.name, shape)?),
        };
        let routes = match caller {
            None => self.without_engine.clone(),
            Some(_) => {
                let services = self.of_engine.as_ref().ok_or(Error::Unimplemented)?;
                services.0.get().cloned().ok_or_else(not_ready)?
            }
        };
        let until = self.until(peer, method, caller.as_ref(), headers);
        Ok(Admitted { method, caller, turn, routes, until })
    }

    /// Who calls, if it may do what it asks for.
    fn identified(
        &self,
        id: &CallId,
        peer: &Peer,
        method: Option<Method>,
        headers: &HeaderMap,
    ) -> Result<Caller, Error> {
        let name = method.map_or("unknown", |method| method.name);
        let authorization = headers.get("authorization").map(|value| value.as_bytes());
        let access = self.access.borrow().clone();
        let caller = access.identify(peer, authorization).inspect_err(|error| {
            self.audit.denied(id, "", peer, name, error);
        })?;
        if let Some(need) = method.and_then(|method| method.need)
            && !caller.roles.allow(need)
        {
            let role = format!("{need:?}").to_lowercase();
            let error = Error::PermissionDenied(format!("{name} needs the role `{role}`"));
            self.audit.denied(id, &caller.name, peer, name, &error);
            return Err(error);
        }
        Ok(caller)
    }

    /// What ends the call before it has ended by itself: its deadline; of a stream, also that its caller may call no more.
    fn until(&self, peer: &Peer, method: Method, caller: Option<&Caller>, headers: &HeaderMap) -> Option<Until> {
        let deadline = deadline(headers);
        let need = method.need.filter(|_| method.shape == Shape::Stream && !self.access.borrow().is_open());
        let (Some(need), Some(caller)) = (need, caller) else {
            let deadline = deadline?;
            return Some(Box::pin(async move {
                sleep_until(deadline).await;
                Error::DeadlineExceeded
            }));
        };
        let authorization = headers.get("authorization").cloned();
        let peer = peer.clone();
        let (mut access, expires) = (self.access.clone(), caller.expires);
        access.mark_unchanged();
        Some(Box::pin(async move {
            let still_may = |access: &Access| {
                let caller = access.identify(&peer, authorization.as_ref().map(|value| value.as_bytes()));
                caller.is_ok_and(|caller| caller.roles.allow(need))
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
                () = at_time(expires) => Error::Unauthenticated("the token has expired".to_owned()),
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
        let Line { peer, waiting } = line;
        let Admitted { method, caller, turn, mut routes, mut until } = admitted;
        let body = |body| Body::new(RequestBody::new(body, self.received.clone(), self.silence_max));
        let sees_all = caller.as_ref().is_none_or(|caller| caller.roles.allow(Role::Service));
        let caller_id = caller.as_ref().map_or_else(CallerId::nobody, Caller::id);
        let notes = CallNotes::new(id.clone(), self.viewers.clone(), caller_id, sees_all);
        let handler = notes.clone().scope(caught(method.name, routes.call(request.map(body))));
        let answer = match &mut until {
            None => handler.await,
            Some(until) => tokio::select! {
                biased;
                answer = handler => answer,
                error = until => refused(error),
            },
        };
        let answer = in_kiths_words(answer);
        // In the headers of an answer that is nothing but an error.
        let ended = Status::from_header_map(answer.headers()).map(|status| status.code());
        if let Some(caller) = caller.as_ref().filter(|_| ended == Some(Code::PermissionDenied)) {
            // A read without a viewer: its handler knows that there is none.
            self.audit.denied(&id, &caller.name, peer, method.name, &without_viewer());
        }
        if let Some(caller) = caller.filter(|_| method.writes()) {
            self.audit.written(&id, &caller.name, method.name, &notes.subjects(), ended.unwrap_or(Code::Ok));
        }
        if let Some(code) = ended {
            handling.ended(code);
        }
        let handling = ended.is_none().then_some(handling);
        let until = until.filter(|_| method.shape == Shape::Stream);
        answer.map(|body| AnswerBody::new(body, method.name, until, turn, handling, waiting.clone()))
    }
}

/// What a refused call sends: it comes right behind its headers. HTTP/2 takes a message that nobody waits for any more as a fault of
/// its client's, and ends the connection of a client with too many of those.
async fn taken_off_the_line(mut body: Incoming) {
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

/// The same by the wall clock.
async fn at_time(time: Option<SystemTime>) {
    match time {
        Some(time) => sleep(time.duration_since(SystemTime::now()).unwrap_or_default()).await,
        None => pending().await,
    }
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

/// The answer, or INTERNAL if its handler panics: without this the caller would see its stream reset, and not know why.
async fn caught(
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

/// tonic refuses what it cannot read with OUT_OF_RANGE and INTERNAL; kith says who is at fault. Its own errors have details.
fn in_kiths_words(response: Response<Body>) -> Response<Body> {
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
        let answer = caught("Test/Test", async { panic!("for the test") }).await;
        assert_eq!(Status::from_header_map(answer.headers()).unwrap().code(), Code::Internal);
    }

    #[test]
    fn what_tonic_cannot_read_is_the_callers_fault() {
        let code =
            |status: Status| Status::from_header_map(in_kiths_words(status.into_http()).headers()).unwrap().code();
        assert_eq!(code(Status::out_of_range("decoded message length too large")), Code::ResourceExhausted);
        assert_eq!(code(Status::internal("invalid wire type")), Code::InvalidArgument);
        assert_eq!(code(to_status(Error::Internal("a fault".to_owned()))), Code::Internal);
        assert_eq!(code(Status::unimplemented("no such method")), Code::Unimplemented);
    }
}
