//! What every call has in common, whichever service answers it: its deadline, the end of a handler that panics, and errors
//! that gRPC's own layer made, put in kith's words.

use std::any::Any;
use std::convert::Infallible;
use std::future::{poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::service::Routes;
use tonic::{Code, Status};

use crate::domain::limits::MESSAGE_BYTES_MAX;
use crate::domain::{Error, Reason, Violation};
use crate::service::{grpc_timeout, to_status};

/// tonic ends a call at its deadline too, but as CANCELLED: kith is a little earlier.
const BEFORE_TONIC: Duration = Duration::from_millis(2);

/// Calls of these services are for the engine.
const OF_ENGINE: &str = "/kith.v1.";
const NOT_READY_RETRY_MS: u64 = 1_000;

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
#[derive(Clone)]
pub struct Calls {
    without_engine: Routes,
    of_engine: Services,
}

impl Calls {
    pub fn new(without_engine: Routes, of_engine: Services) -> Calls {
        Calls { without_engine: without_engine.prepare(), of_engine }
    }

    /// Who answers a call; nobody as long as the engine that would is not there.
    fn routes_of(&self, path: &str) -> Option<Routes> {
        if path.starts_with(OF_ENGINE) { self.of_engine.0.get().cloned() } else { Some(self.without_engine.clone()) }
    }
}

fn not_ready() -> Error {
    Error::Unavailable {
        reason: Reason::NotReady,
        message: "the server is loading its store".to_owned(),
        retry_after_ms: NOT_READY_RETRY_MS,
    }
}

type Answer = Result<Response<Body>, Infallible>;

impl Service<Request<Body>> for Calls {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.without_engine, context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let deadline = deadline(request.headers());
        let path = request.uri().path().to_owned();
        let Some(mut routes) = self.routes_of(&path) else {
            return Box::pin(ready(refused(not_ready())));
        };
        let answer = caught(path, routes.call(request));
        Box::pin(async move {
            let answer = match deadline {
                None => answer.await,
                Some(deadline) => {
                    timeout_at(deadline, answer).await.unwrap_or_else(|_| refused(Error::DeadlineExceeded))
                }
            };
            answer.map(in_kiths_words)
        })
    }
}

fn deadline(headers: &HeaderMap) -> Option<Instant> {
    let timeout = grpc_timeout(headers.get("grpc-timeout")?.to_str().ok()?)?;
    Instant::now().checked_add(timeout.saturating_sub(BEFORE_TONIC))
}

fn refused(error: Error) -> Answer {
    Ok(to_status(error).into_http())
}

/// The answer, or INTERNAL if its handler panics: without this the caller would see its stream reset, and not know why.
async fn caught(path: String, answer: impl Future<Output = Answer>) -> Answer {
    let mut answer = pin!(answer);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
        Ok(polled) => polled,
        Err(panic) => Poll::Ready(refused(Error::Internal(format!("{path} panicked: {}", words(&*panic))))),
    })
    .await
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words")
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

    async fn code_of(answer: impl Future<Output = Answer>) -> Code {
        let Ok(response) = answer.await;
        Status::from_header_map(response.headers()).unwrap().code()
    }

    #[tokio::test]
    async fn a_panic_is_internal() {
        assert_eq!(code_of(caught("/x".to_owned(), async { panic!("for the test") })).await, Code::Internal);
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
