//! The bodies of requests and answers, watched for as long as they take: their bytes, silence, deadline and panics.

use std::any::Any;
use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::{Body as HttpBody, Frame};
use hyper::body::Incoming;
use prost::bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep};
use tonic::body::Body;
use tonic::codegen::http::HeaderMap;
use tonic::{Code, Status};

use super::admission::Permit;
use super::assembly::{Assembly, HEAD_BYTES, first_message};
use super::connection_slots::InUse;
use super::metrics::Handling;
use super::received::Holding;
use super::wire::Shapes;
use crate::domain::{Error, Reason};
use crate::service::to_status;

/// Resolves with the error that a call ends with: its deadline has passed, or its caller may call no more.
pub type Until = Pin<Box<dyn Future<Output = Error> + Send>>;

/// What the messages of a call are measured against.
#[derive(Clone)]
pub struct Meter {
    pub shapes: Arc<Shapes>,
    /// The index of the call's message among the shapes; none for a call that needs no role.
    pub message: Option<usize>,
    pub bytes_max: usize,
}

impl Meter {
    /// Measures the messages that came whole, up to the first that is refused: returns their bytes, the bytes that would be made of them
    /// beside their texts, and the refusal.
    fn measure(&self, all: &[u8]) -> (usize, usize, Option<Error>) {
        let (mut rest, mut good, mut takes) = (all, 0, 0_usize);
        while let Some((compressed, message)) = first_message(&mut rest) {
            match self.measure_one(compressed, message) {
                Ok(more) => takes = takes.saturating_add(more),
                Err(error) => return (good, takes, Some(error)),
            }
            good = all.len() - rest.len();
        }
        (all.len(), takes, None)
    }

    fn measure_one(&self, compressed: bool, message: &[u8]) -> Result<usize, Error> {
        if message.len() > self.bytes_max {
            let message = format!("a message of this RPC may have {} bytes", self.bytes_max);
            return Err(Error::Exhausted { reason: Reason::TooLong, message });
        }
        match self.message.filter(|_| !compressed) {
            Some(shape) => Ok(self.shapes.measure(shape, message)?),
            None => Ok(0),
        }
    }
}

/// Holds the bytes of a call's last message for as long as the call is being answered.
pub type Kept = Arc<Mutex<Option<Holding>>>;

pub struct RequestBody {
    inner: Incoming,
    assembly: Assembly,
    meter: Meter,
    holding: Option<Holding>,
    /// The error that ends the call once the messages before it are handed on.
    refused: Option<Error>,
    kept: Kept,
    silence_max: Duration,
    silence: Option<Pin<Box<Sleep>>>,
    /// Whether messages may come one after the other, as late as their caller likes: keepalive finds out whether the caller is there.
    streamed: bool,
    /// Whether anything has come.
    begun: bool,
}

const RETRY_MS: u64 = 250;

impl RequestBody {
    pub fn new(inner: Incoming, meter: Meter, holding: Holding, kept: Kept, silence_max: Duration) -> RequestBody {
        let assembly = Assembly::default();
        RequestBody {
            inner,
            assembly,
            meter,
            holding: Some(holding),
            refused: None,
            kept,
            silence_max,
            silence: None,
            streamed: false,
            begun: false,
        }
    }

    /// Allows any number of messages, with any silence between two of them.
    pub fn streamed(mut self, streamed: bool) -> RequestBody {
        self.streamed = streamed;
        self
    }

    /// Takes the next piece, and returns the messages that are now whole if there is room for their bytes.
    fn take(&mut self, piece: Bytes) -> Result<Option<Bytes>, Error> {
        let mut messages = self.assembly.push(piece);
        let Some(holding) = &mut self.holding else { return Ok(messages) };
        if let Some(messages) = &mut messages {
            let (good, takes, refused) = self.meter.measure(messages);
            match refused {
                Some(error) if good == 0 => return Err(error),
                refused => self.refused = refused,
            }
            messages.truncate(good);
            holding.whole(good.saturating_add(takes))?;
        }
        if !self.assembly.is_empty() {
            if self.assembly.len() > self.meter.bytes_max.saturating_add(HEAD_BYTES) {
                let message = format!("a message of this RPC may have {} bytes", self.meter.bytes_max);
                return Err(Error::Exhausted { reason: Reason::TooLong, message });
            }
            holding.unfinished(self.assembly.len())?;
        }
        Ok(messages)
    }

    /// Returns ready with an error when this message has to give way to other callers' messages.
    fn has_to_end(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        self.holding.as_mut().map_or(Poll::Pending, |holding| holding.poll_ended(context))
    }

    fn silent(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        if self.streamed && self.begun && self.assembly.is_empty() {
            return Poll::Pending;
        }
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(self.silence_max)));
        ready!(silence.as_mut().poll(context));
        let message = format!("nothing came of the call's messages for {} s", self.silence_max.as_secs());
        Poll::Ready(Error::Overloaded { message, retry_after_ms: RETRY_MS })
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(error) = self.refused.take() {
            return Poll::Ready(Some(Err(to_status(error))));
        }
        loop {
            if let Poll::Ready(error) = self.has_to_end(context) {
                return Poll::Ready(Some(Err(to_status(error))));
            }
            let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) else {
                return self.silent(context).map(|error| Some(Err(to_status(error))));
            };
            self.silence = None;
            self.begun = true;
            let piece = match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(piece))) => piece,
                Some(Err(error)) => return Poll::Ready(Some(Err(Status::from_error(Box::new(error))))),
                // A caller's trailers say nothing.
                Some(Ok(Err(_))) => continue,
                None => return Poll::Ready(self.assembly.rest().map(|rest| Ok(Frame::data(rest)))),
            };
            match self.take(piece) {
                Ok(None) => {}
                Ok(Some(messages)) => return Poll::Ready(Some(Ok(Frame::data(messages)))),
                Err(error) => return Poll::Ready(Some(Err(to_status(error)))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.refused.is_none() && self.assembly.is_empty() && self.inner.is_end_stream()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = self.holding.take();
    }
}

/// The answers of a connection that wait for its peer to take them, and since when.
#[derive(Debug, Default)]
pub struct Waiting(Mutex<(u64, HashMap<u64, Instant>)>);

impl Waiting {
    /// Returns whether an answer has waited for longer than `patience`.
    pub fn longer_than(&self, patience: Duration) -> bool {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.1.values().any(|since| since.elapsed() > patience)
    }

    fn new_key(&self) -> u64 {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.0 += 1;
        let key = waiting.0;
        waiting.1.insert(key, Instant::now());
        key
    }

    fn set(&self, key: u64, waits: bool) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waits {
            waiting.1.insert(key, Instant::now());
        } else {
            waiting.1.remove(&key);
        }
    }
}

/// HTTP/2 is given no more than this ahead of its peer's window; the rest of a message waits here, where it is counted.
const PIECE_BYTES: usize = 64 * 1_024;

pub struct AnswerBody {
    inner: Body,
    /// The rest of a message that was sent in part.
    rest: Bytes,
    until: Option<Until>,
    permit: Option<Permit>,
    /// Counts how the call ends; none once that is counted.
    handling: Option<Handling>,
    waiting: Arc<Waiting>,
    key: u64,
    method: &'static str,
    ended: bool,
    /// Marks the connection as in use until this body is dropped.
    _in_use: Option<InUse>,
}

impl AnswerBody {
    pub fn new(
        inner: Body,
        method: &'static str,
        until: Option<Until>,
        permit: Option<Permit>,
        handling: Option<Handling>,
        waiting: Arc<Waiting>,
    ) -> Self {
        let key = waiting.new_key();
        AnswerBody {
            inner,
            rest: Bytes::new(),
            until,
            permit,
            handling,
            waiting,
            key,
            method,
            ended: false,
            _in_use: None,
        }
    }

    /// Marks the connection as in use for as long as the body lives.
    pub fn using(mut self, in_use: InUse) -> AnswerBody {
        self._in_use = Some(in_use);
        self
    }

    fn next(&mut self, context: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.rest.is_empty() {
            let inner = &mut self.inner;
            let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll_frame(context)));
            let frame = match polled {
                Err(panic) => return Poll::Ready(Some(self.broken_off(to_status(panicked(self.method, &*panic))))),
                Ok(Poll::Pending) => return self.poll_until(context),
                Ok(Poll::Ready(None)) => return Poll::Ready(None),
                Ok(Poll::Ready(Some(Err(status)))) => return Poll::Ready(Some(self.broken_off(status))),
                Ok(Poll::Ready(Some(Ok(frame)))) => frame,
            };
            match frame.into_data() {
                Ok(data) => self.rest = data,
                Err(trailers) => {
                    let code = trailers.trailers_ref().and_then(|trailers| trailers.get(Status::GRPC_STATUS));
                    self.handled(code.map_or(Code::Unknown, |code| Code::from_bytes(code.as_bytes())));
                    return Poll::Ready(Some(trailers));
                }
            }
        }
        // The deadline is checked first: a caller that takes slowly must not put its end off.
        if let Poll::Ready(ended) = self.poll_until(context) {
            return Poll::Ready(ended);
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
        if let Some(Err(error)) = self.permit.as_mut().map(|permit| permit.answered(piece.len())) {
            return Poll::Ready(Some(self.broken_off(to_status(error))));
        }
        Poll::Ready(Some(Frame::data(piece)))
    }

    fn poll_until(&mut self, context: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        let Some(until) = &mut self.until else { return Poll::Pending };
        let error = ready!(until.as_mut().poll(context));
        Poll::Ready(Some(self.broken_off(to_status(error))))
    }

    fn handled(&mut self, code: Code) {
        if let Some(mut handling) = self.handling.take() {
            handling.ended(code);
        }
    }

    /// Returns the last frame of an answer that ends before it is whole. Callers ignore half a message in front of it, and see the status.
    fn broken_off(&mut self, status: Status) -> Frame<Bytes> {
        self.ended = true;
        self.handled(status.code());
        self.inner = Body::empty();
        let mut trailers = HeaderMap::new();
        let _ = status.add_header(&mut trailers);
        Frame::trailers(trailers)
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.next(context);
        self.waiting.set(self.key, next.is_ready());
        next.map(|frame| frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || (self.rest.is_empty() && self.inner.is_end_stream())
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.waiting.set(self.key, false);
    }
}

/// Counts the handlers that have panicked since the process started.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Returns how many handlers have panicked since the process started.
pub fn panics() -> usize {
    PANICS.load(Ordering::Relaxed)
}

/// Counts a panic, and returns the error that its caller gets.
pub fn panicked(method: &str, panic: &(dyn Any + Send)) -> Error {
    let count = 1 + PANICS.fetch_add(1, Ordering::Relaxed);
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words");
    Error::Internal(format!("{method} panicked ({count} since the start): {text}"))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn, ready};

    use super::*;

    /// An answer's messages from a closure.
    struct Made<F>(F);

    impl<F: FnMut() -> Poll<Option<Bytes>> + Unpin> HttpBody for Made<F> {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            (self.0)().map(|data| data.map(|data| Ok(Frame::data(data))))
        }
    }

    fn answer(
        until: Option<Until>,
        make: impl FnMut() -> Poll<Option<Bytes>> + Send + Unpin + 'static,
    ) -> (AnswerBody, Arc<Waiting>) {
        let waiting = Arc::new(Waiting::default());
        (AnswerBody::new(Body::new(Made(make)), "Test/Test", until, None, None, waiting.clone()), waiting)
    }

    async fn next(answer: &mut AnswerBody) -> Frame<Bytes> {
        let Ok(frame) = poll_fn(|context| Pin::new(&mut *answer).poll_frame(context)).await.unwrap();
        frame
    }

    async fn code(answer: &mut AnswerBody) -> Code {
        let frame = next(answer).await;
        assert!(answer.is_end_stream());
        Status::from_header_map(frame.trailers_ref().unwrap()).unwrap().code()
    }

    #[tokio::test]
    async fn a_panic_inside_a_stream_is_internal_and_counted() {
        let before = panics();
        let (mut stream, _) = answer(None, || panic!("for the test"));
        assert_eq!(code(&mut stream).await, Code::Internal);
        assert!(panics() > before);
    }

    #[tokio::test]
    async fn a_deadline_ends_a_stream_that_is_silent_and_one_that_goes_on() {
        let passed = || -> Option<Until> { Some(Box::pin(ready(Error::DeadlineExceeded))) };
        let (mut silent, _) = answer(passed(), || Poll::Pending);
        assert_eq!(code(&mut silent).await, Code::DeadlineExceeded);
        let (mut endless, _) = answer(passed(), || Poll::Ready(Some(Bytes::from_static(b"more"))));
        assert_eq!(code(&mut endless).await, Code::DeadlineExceeded);
    }

    #[tokio::test]
    async fn a_large_message_is_given_in_pieces() {
        let mut large = Some(Bytes::from(vec![7; 3 * PIECE_BYTES + 1]));
        let until: Until = Box::pin(pending());
        let (mut stream, waiting) = answer(Some(until), move || Poll::Ready(large.take()));
        for bytes in [PIECE_BYTES, PIECE_BYTES, PIECE_BYTES, 1] {
            assert_eq!(next(&mut stream).await.into_data().unwrap().len(), bytes);
            assert!(waiting.longer_than(Duration::ZERO), "its peer has yet to take it");
        }
        drop(stream);
        assert!(!waiting.longer_than(Duration::ZERO));
    }

    #[tokio::test]
    async fn an_answer_that_has_nothing_to_give_does_not_wait_for_its_peer() {
        let (mut stream, waiting) = answer(None, || Poll::Pending);
        assert!(waiting.longer_than(Duration::ZERO));
        let polled = poll_fn(|context| Poll::Ready(Pin::new(&mut stream).poll_frame(context))).await;
        assert!(polled.is_pending() && !waiting.longer_than(Duration::ZERO));
    }
}
