//! An accepted connection that can be ended from outside, and that ends by itself when its peer stays silent.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// How long a peer has to say that it speaks HTTP/2; keepalive watches it from there on.
const GREETING_WAIT_MAX: Duration = Duration::from_secs(10);
/// `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`.
const GREETING_BYTES: usize = 24;

pub struct Connection {
    stream: TcpStream,
    /// Resolves when the server ends the connections that are left.
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    greeting: Option<Greeting>,
}

/// What a connection that has not greeted yet waits for.
struct Greeting {
    bytes_left: usize,
    patience: Pin<Box<Sleep>>,
}

impl Connection {
    pub fn new(stream: TcpStream, mut end: watch::Receiver<bool>) -> Connection {
        let ended = Box::pin(async move {
            // A server that is gone altogether ends its connections too.
            let _ = end.wait_for(|ended| *ended).await;
        });
        let greeting = Greeting { bytes_left: GREETING_BYTES, patience: Box::pin(sleep(GREETING_WAIT_MAX)) };
        Connection { stream, ended, greeting: Some(greeting) }
    }

    #[cfg(test)]
    pub fn sends_at_once(&self) -> bool {
        self.stream.nodelay().is_ok_and(|nodelay| nodelay)
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ended.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::new(ErrorKind::ConnectionAborted, "the server stops")));
        }
        let filled_before = to.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, to);
        let Some(greeting) = &mut self.greeting else { return read };
        greeting.bytes_left = greeting.bytes_left.saturating_sub(to.filled().len() - filled_before);
        if greeting.bytes_left == 0 {
            self.greeting = None;
        } else if greeting.patience.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "no HTTP/2 greeting")));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}
