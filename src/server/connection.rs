//! An accepted connection's bytes, plain or encrypted. The connection ends by itself when its peer does not greet, and however much its
//! peer sends, it lets other connections be served.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::coop;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;

use super::abuse_guard::AbuseGuard;

/// A greeting is `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n` and the head of the SETTINGS that must follow it.
const GREETING_BYTES: usize = 24 + 9;

/// Reading so many bytes takes one more unit of the budget that tokio gives a task before it serves others. tokio counts reads alone: 128
/// of 8 KiB, which is 13,000 calls begun at once, and 10 ms in which no other connection is looked at.
const BYTES_PER_UNIT: usize = 128;

const THROWN_AWAY_BYTES: usize = 4 * 1_024;
/// How long a connection that the server has ended still takes what its peer sends, and throws it away. If it were closed at once, it would
/// be reset, and what the peer has not read yet would be lost: why its calls ended.
const LINGER: Duration = Duration::from_millis(250);

pub struct Connection {
    stream: Stream,
    greeting: Option<Greeting>,
    guard: AbuseGuard,
    /// Ends the time in which the peer's bytes are thrown away; none until the server has sent all.
    lingering: Option<Pin<Box<Sleep>>>,
}

enum Stream {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// What a connection that has not greeted yet waits for.
struct Greeting {
    bytes_left: usize,
    patience: Pin<Box<Sleep>>,
}

impl Connection {
    /// Wraps a plain stream whose peer has `greeting_max` to say that it speaks HTTP/2; keepalive watches it from there on.
    pub fn plain(stream: TcpStream, greeting_max: Duration, guard: AbuseGuard) -> Connection {
        Connection::new(Stream::Plain(stream), greeting_max, guard)
    }

    pub fn encrypted(stream: TlsStream<TcpStream>, greeting_max: Duration, guard: AbuseGuard) -> Connection {
        Connection::new(Stream::Encrypted(Box::new(stream)), greeting_max, guard)
    }

    fn new(stream: Stream, greeting_max: Duration, guard: AbuseGuard) -> Connection {
        let greeting = Greeting { bytes_left: GREETING_BYTES, patience: Box::pin(sleep(greeting_max)) };
        Connection { stream, greeting: Some(greeting), guard, lingering: None }
    }
}

/// Calls the same method on whichever stream it is.
macro_rules! on_stream {
    ($connection:expr, $stream:ident => $does:expr) => {
        match &mut $connection.stream {
            Stream::Plain($stream) => $does,
            Stream::Encrypted($stream) => $does,
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let filled_before = to.filled().len();
        let read = on_stream!(self, stream => Pin::new(stream).poll_read(context, to));
        let bytes = to.filled().len() - filled_before;
        consume_budget(bytes / BYTES_PER_UNIT, context);
        self.guard.read(&to.filled()[filled_before..])?;
        let Some(greeting) = &mut self.greeting else { return read };
        greeting.bytes_left = greeting.bytes_left.saturating_sub(bytes);
        if greeting.bytes_left == 0 {
            self.greeting = None;
        } else if greeting.patience.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "no HTTP/2 greeting")));
        }
        read
    }
}

/// Takes units of the task's budget. The bytes just read are handed on all the same; without budget left, the next read waits until other
/// tasks were served.
fn consume_budget(units: usize, context: &mut Context<'_>) {
    for _ in 0..units {
        match coop::poll_proceed(context) {
            Poll::Ready(unit) => unit.made_progress(),
            Poll::Pending => return,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        on_stream!(self, stream => Pin::new(stream).poll_write(context, from))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(on_stream!(self, stream => Pin::new(stream).poll_shutdown(context)))?;
        }
        let connection = &mut *self;
        let lingering = connection.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let mut thrown_away = [0; THROWN_AWAY_BYTES];
        loop {
            // A peer that never ends sending does not keep the connection.
            if lingering.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut thrown_away);
            match on_stream!(connection, stream => Pin::new(stream).poll_read(context, &mut buffer)) {
                // The peer has closed the connection too, or is gone.
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(Err(_)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_stream!(self, stream => Pin::new(stream).poll_write_vectored(context, from))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Encrypted(stream) => stream.is_write_vectored(),
        }
    }
}
