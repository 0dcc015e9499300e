//! Answers of many messages, made on a thread of their own as fast as the caller takes them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_stream::Stream;
use tonic::Status;

use super::to_status;
use crate::domain::{Error, Reason};
use crate::engine::Threads;

/// A message of many parts is sent when it has so many bytes; the last part may come on top.
pub const MESSAGE_BYTES_ENOUGH: usize = 1_024 * 1_024;
/// Messages made ahead of the caller.
const MESSAGES_AHEAD: usize = 4;
/// A caller that takes nothing for so long is not waited for: its snapshot takes memory while writes go on.
const PATIENCE: Duration = Duration::from_secs(120);

/// When to try again where the system has no thread to give.
const NO_THREAD_RETRY_MS: u64 = 1_000;

/// How many such answers are made at once.
#[derive(Clone)]
pub struct Streams {
    turns: Arc<Semaphore>,
    threads: Threads,
}

impl Streams {
    pub fn new(streams_max: usize, threads: Threads) -> Streams {
        Streams { turns: Arc::new(Semaphore::new(streams_max)), threads }
    }

    /// Begins an answer. `make` gives its messages to the outlet, and ends with an error that the outlet gives it.
    pub fn begin<T: Send + 'static>(
        &self,
        deadline: Option<Instant>,
        make: impl FnOnce(&Outlet<T>) -> Result<(), Error> + Send + 'static,
    ) -> Result<Streamed<T>, Error> {
        let turn = self.turns.clone().try_acquire_owned().map_err(|_| too_many())?;
        begin(&self.threads, turn, deadline, PATIENCE, make)
    }
}

fn too_many() -> Error {
    let message = "too many exports, backups and verifications are under way".to_owned();
    Error::Overloaded { message, retry_after_ms: 1_000 }
}

fn begin<T: Send + 'static>(
    threads: &Threads,
    turn: OwnedSemaphorePermit,
    deadline: Option<Instant>,
    patience: Duration,
    make: impl FnOnce(&Outlet<T>) -> Result<(), Error> + Send + 'static,
) -> Result<Streamed<T>, Error> {
    let (to_caller, messages) = mpsc::channel(MESSAGES_AHEAD);
    let outlet = Outlet { to_caller, deadline, patience, runtime: Handle::current() };
    let making = threads.job("kith-stream", move || {
        let _turn = turn;
        let made = make(&outlet);
        drop(outlet);
        made
    });
    let making = making.map_err(|error| {
        tracing::warn!("a stream has no thread: {error}");
        let message = "the system has no thread to give".to_owned();
        Error::Overloaded { message, retry_after_ms: NO_THREAD_RETRY_MS }
    })?;
    Ok(Streamed { messages, making: Some(making) })
}

/// Where the messages of an answer go.
pub struct Outlet<T> {
    to_caller: mpsc::Sender<T>,
    deadline: Option<Instant>,
    patience: Duration,
    runtime: Handle,
}

impl<T> Outlet<T> {
    /// Gives the caller a message, once there is room for it.
    pub fn send(&self, message: T) -> Result<(), Error> {
        let until = Instant::now() + self.patience;
        let until = self.deadline.map_or(until, |deadline| deadline.min(until));
        // The timer is made where the runtime is known, which this thread is no part of.
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

    /// Whether it is still worth going on: for work between messages.
    pub fn check(&self) -> Result<(), Error> {
        if self.to_caller.is_closed() {
            return Err(Error::Cancelled);
        }
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if late { Err(Error::DeadlineExceeded) } else { Ok(()) }
    }
}

/// The messages, then the error if there was one. Dropped, it ends the making.
pub struct Streamed<T> {
    messages: mpsc::Receiver<T>,
    making: Option<oneshot::Receiver<Result<(), Error>>>,
}

impl<T> Stream for Streamed<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(message) = ready!(self.messages.poll_recv(context)) {
            return Poll::Ready(Some(Ok(message)));
        }
        let Some(making) = &mut self.making else { return Poll::Ready(None) };
        let made = ready!(Pin::new(making).poll(context));
        self.making = None;
        let made = made.unwrap_or_else(|_| Err(Error::Internal("what made a stream ended badly".to_owned())));
        Poll::Ready(made.err().map(|error| Err(to_status(error))))
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt;
    use tonic::Code;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(30);

    /// What comes of numbers without end, and then the code it ends with.
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

    fn count(deadline: Option<Instant>, patience: Duration) -> (Streamed<u64>, Arc<Semaphore>) {
        let turns = Arc::new(Semaphore::new(1));
        let turn = turns.clone().try_acquire_owned().unwrap();
        let numbers = |outlet: &Outlet<u64>| (0..).try_for_each(|number| outlet.send(number));
        (begin(&Threads::default(), turn, deadline, patience, numbers).unwrap(), turns)
    }

    async fn until_free(turns: &Semaphore) {
        let free = tokio::time::timeout(LONG, turns.acquire()).await;
        assert!(free.expect("the making ends").is_ok());
    }

    #[tokio::test]
    async fn it_ends_with_its_caller() {
        let (mut stream, turns) = count(None, LONG);
        assert_eq!(stream.next().await.unwrap().unwrap(), 0);
        assert_eq!(turns.available_permits(), 0);
        drop(stream);
        until_free(&turns).await;
    }

    #[tokio::test]
    async fn it_ends_at_its_deadline_whether_messages_are_taken_or_not() {
        let (stream, _) = count(Some(Instant::now() + SHORT), LONG);
        assert_eq!(ended(stream).await, Code::DeadlineExceeded);
        let (stream, turns) = count(Some(Instant::now() + SHORT), LONG);
        until_free(&turns).await;
        assert_eq!(ended(stream).await, Code::DeadlineExceeded);
    }

    #[tokio::test]
    async fn it_does_not_wait_for_ever_for_a_caller_that_takes_nothing() {
        let (stream, turns) = count(None, SHORT);
        until_free(&turns).await;
        assert_eq!(ended(stream).await, Code::ResourceExhausted);
    }

    #[tokio::test]
    async fn its_failure_is_not_taken_for_its_end() {
        let streams = Streams::new(1, Threads::default());
        let stream = streams.begin(None, |outlet: &Outlet<u64>| {
            outlet.send(0)?;
            Err(Error::Internal("for the test".to_owned()))
        });
        assert_eq!(ended(stream.unwrap()).await, Code::Internal);
        until_free(&streams.turns).await;
        let stream = streams.begin(None, |_: &Outlet<u64>| panic!("for the test"));
        assert_eq!(ended(stream.unwrap()).await, Code::Internal);
        until_free(&streams.turns).await;
        let stream = streams.begin(None, |outlet: &Outlet<u64>| outlet.send(0));
        assert_eq!(ended(stream.unwrap()).await, Code::Ok);
    }

    #[tokio::test]
    async fn no_more_are_made_at_once_than_there_are_turns() {
        let streams = Streams::new(1, Threads::default());
        let numbers = |outlet: &Outlet<u64>| (0..).try_for_each(|number| outlet.send(number));
        let first = streams.begin(None, numbers).unwrap();
        let refused = streams.begin(None, numbers).err().unwrap();
        assert!(matches!(refused, Error::Overloaded { retry_after_ms: 1_000, .. }));
        drop(first);
        until_free(&streams.turns).await;
        assert!(streams.begin(None, numbers).is_ok());
    }
}
