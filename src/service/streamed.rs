//! Answers of many messages, made on a thread for streams as fast as the caller takes them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tonic::Status;

use super::call::CallContext;
use super::to_status;
use crate::domain::{Error, Reason};
use crate::engine::{Lanes, Lifetime};

/// A message of many parts is sent when it has so many bytes; the last part may come on top.
pub const MESSAGE_BYTES_ENOUGH: usize = 1_024 * 1_024;
/// How many messages are made ahead of the caller.
const MESSAGES_AHEAD: usize = 4;
/// How long a caller that takes nothing is waited for: its snapshot takes memory while writes go on.
const PATIENCE: Duration = Duration::from_secs(120);

/// Begins an answer on one of the threads for streams. `make` sends its messages to the outlet, and ends with an error that the outlet
/// returns: where the answer is of one namespace, it ends with that. The answer is refused if all threads are taken, or as many as its
/// caller may have.
pub fn begin<T: Send + 'static>(
    streams: &Lanes,
    context: &CallContext,
    lifetime: Option<Lifetime>,
    make: impl FnOnce(&Outlet<T>) -> Result<(), Error> + Send + 'static,
) -> Result<Streamed<T>, Error> {
    begin_with(streams, &context.principal.share(), context.deadline, PATIENCE, lifetime, make)
}

fn begin_with<T: Send + 'static>(
    streams: &Lanes,
    share: &Arc<str>,
    deadline: Option<Instant>,
    patience: Duration,
    lifetime: Option<Lifetime>,
    make: impl FnOnce(&Outlet<T>) -> Result<(), Error> + Send + 'static,
) -> Result<Streamed<T>, Error> {
    let (to_caller, messages) = mpsc::channel(MESSAGES_AHEAD);
    let outlet = Outlet { to_caller, deadline, patience, lifetime, runtime: Handle::current() };
    let making = streams.begin(share, move |_permit| make(&outlet))?;
    Ok(Streamed::new(messages, async { making.await? }))
}

/// Where the messages of an answer go.
pub struct Outlet<T> {
    to_caller: mpsc::Sender<T>,
    deadline: Option<Instant>,
    patience: Duration,
    /// The lifetime of the namespace that the answer is of, if it is of one alone.
    lifetime: Option<Lifetime>,
    runtime: Handle,
}

impl<T> Outlet<T> {
    /// Sends the caller a message, once there is room for it.
    pub fn send(&self, message: T) -> Result<(), Error> {
        self.check_lifetime()?;
        let until = Instant::now() + self.patience;
        let until = self.deadline.map_or(until, |deadline| deadline.min(until));
        // The timer is made inside the future, because only there is a runtime at hand.
        let sent = async { tokio::time::timeout_at(until.into(), self.to_caller.send(message)).await };
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Error::Cancelled),
            Err(_) => self.check().and(Err(Error::Exhausted {
                reason: Reason::Overloaded,
                message: format!("nothing was taken of the stream for {} s", self.patience.as_secs()),
            })),
        }
    }

    /// Returns an error if the caller has gone, or the namespace, for work between messages.
    pub fn check(&self) -> Result<(), Error> {
        if self.to_caller.is_closed() {
            return Err(Error::Cancelled);
        }
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if late { Err(Error::DeadlineExceeded) } else { self.check_lifetime() }
    }

    fn check_lifetime(&self) -> Result<(), Error> {
        self.lifetime.as_ref().map_or(Ok(()), Lifetime::check)
    }
}

/// Ends when the messages have been made.
type Making = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// The messages, then the error if there was one. It ends the making when it is dropped.
pub struct Streamed<T> {
    messages: mpsc::Receiver<T>,
    making: Option<Making>,
}

impl<T> Streamed<T> {
    /// Makes the stream of messages, and of how their making ended: without the latter a stream whose making broke off would end as if it
    /// were whole.
    pub fn new(
        messages: mpsc::Receiver<T>,
        making: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) -> Streamed<T> {
        Streamed { messages, making: Some(Box::pin(making)) }
    }
}

impl<T> Stream for Streamed<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(message) = ready!(self.messages.poll_recv(context)) {
            return Poll::Ready(Some(Ok(message)));
        }
        let Some(making) = &mut self.making else { return Poll::Ready(None) };
        let made = ready!(making.as_mut().poll(context));
        self.making = None;
        Poll::Ready(made.err().map(|error| Err(to_status(error))))
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use tokio_stream::StreamExt;
    use tonic::Code;

    use super::*;
    use crate::domain::{NamespaceName, Scope};
    use crate::engine::{Bounds, Engine, EngineOptions, Length, Priority, Threads};
    use crate::store::{MemoryStore, StoreId};

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(30);

    /// Returns the code that a stream of numbers without end ends with.
    async fn ended(mut stream: Streamed<u64>) -> Code {
        let code = async {
            let mut next = 0;
            while let Some(message) = stream.next().await {
                match message {
                    Ok(number) => assert_eq!(number, next),
                    Err(status) => return status.code(),
                }
                next += 1;
            }
            Code::Ok
        };
        tokio::time::timeout(LONG, code).await.expect("the stream ends")
    }

    fn streams(permits: usize) -> Lanes {
        let bounds = Bounds { permits, threads: permits, begun_per_caller: permits, waiting_per_caller: 0 };
        Lanes::start(&Threads::default(), "test", "streams", bounds, Priority::Stream, Counter::default()).unwrap()
    }

    fn count(deadline: Option<Instant>, patience: Duration) -> (Streamed<u64>, Lanes) {
        let streams = streams(1);
        let numbers = |outlet: &Outlet<u64>| (0..).try_for_each(|number| outlet.send(number));
        (begin_with(&streams, &"".into(), deadline, patience, None, numbers).unwrap(), streams)
    }

    async fn until_free(streams: &Lanes) {
        let begun = Instant::now();
        while streams.load(Length::Short).running > 0 {
            assert!(begun.elapsed() < LONG, "the making ends");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn it_ends_with_its_caller() {
        let (mut stream, streams) = count(None, LONG);
        assert_eq!(stream.next().await.unwrap().unwrap(), 0);
        assert_eq!(streams.load(Length::Short).running, 1);
        drop(stream);
        until_free(&streams).await;
    }

    #[tokio::test]
    async fn it_ends_at_its_deadline_whether_messages_are_taken_or_not() {
        let (stream, _) = count(Some(Instant::now() + SHORT), LONG);
        assert_eq!(ended(stream).await, Code::DeadlineExceeded);
        let (stream, streams) = count(Some(Instant::now() + SHORT), LONG);
        until_free(&streams).await;
        assert_eq!(ended(stream).await, Code::DeadlineExceeded);
    }

    #[tokio::test]
    async fn it_does_not_wait_for_ever_for_a_caller_that_takes_nothing() {
        let (stream, streams) = count(None, SHORT);
        until_free(&streams).await;
        assert_eq!(ended(stream).await, Code::ResourceExhausted);
    }

    #[tokio::test]
    async fn work_between_messages_ends_with_the_namespace() {
        let (engine, _end) = Engine::open(MemoryStore::new(StoreId(1)).open(), EngineOptions::default()).unwrap();
        let own = engine.within(&NamespaceName::parse("name", "own").unwrap());
        own.create_namespace(Scope::SHARED).await.unwrap();
        let (lifetime, streams) = (own.lifetime(&own.state().unwrap()), streams(1));
        let work = |outlet: &Outlet<u64>| {
            outlet.send(0)?;
            loop {
                outlet.check()?;
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        let mut stream = begin(&streams, &CallContext::unlimited(), Some(lifetime), work).unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), 0);
        own.delete_namespace().await.unwrap();
        own.create_namespace(Scope::SHARED).await.unwrap();
        let end = tokio::time::timeout(LONG, stream.next()).await.expect("it ends");
        assert_eq!(end.unwrap().unwrap_err().code(), Code::NotFound);
    }

    #[tokio::test]
    async fn its_failure_is_not_taken_for_its_end() {
        let streams = streams(1);
        let stream = begin(&streams, &CallContext::unlimited(), None, |outlet: &Outlet<u64>| {
            outlet.send(0)?;
            Err(Error::Internal("for the test".to_owned()))
        });
        assert_eq!(ended(stream.unwrap()).await, Code::Internal);
        until_free(&streams).await;
        let stream = begin(&streams, &CallContext::unlimited(), None, |_: &Outlet<u64>| panic!("for the test"));
        assert_eq!(ended(stream.unwrap()).await, Code::Internal);
        until_free(&streams).await;
        let stream = begin(&streams, &CallContext::unlimited(), None, |outlet: &Outlet<u64>| outlet.send(0));
        assert_eq!(ended(stream.unwrap()).await, Code::Ok);
    }

    #[tokio::test]
    async fn no_more_are_made_at_once_than_there_are_streams() {
        let streams = streams(1);
        let numbers = |outlet: &Outlet<u64>| (0..).try_for_each(|number| outlet.send(number));
        let first = begin(&streams, &CallContext::unlimited(), None, numbers).unwrap();
        let refused = begin(&streams, &CallContext::unlimited(), None, numbers).err().unwrap();
        assert!(matches!(refused, Error::Overloaded { .. }));
        drop(first);
        until_free(&streams).await;
        assert!(begin(&streams, &CallContext::unlimited(), None, numbers).is_ok());
    }
}
