//! The accept loop: how many connections there are, how long they may be silent, and how they end.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tonic::codegen::http::{Request, Response};

use super::abuse_guard::{AbuseGuard, LetThrough, is_abuse};
use super::auth::{Peer, Shown};
use super::body::{AnswerBody, Waiting};
use super::calls::{Calls, HEADER_BYTES_MAX, Line, at_time};
use super::connection::Connection;
use super::connection_limits::ConnectionLimits;
use super::connection_slots::{ConnectionSlot, ConnectionSlots, Leave};
use super::reload::Newest;
use super::tls::{Tls, shown};

/// A connection that says nothing is asked whether it lives, and ended when it does not answer.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// When the system refuses to accept (too many files are open), it is not asked again at once.
const ACCEPT_RETRY_WAIT: Duration = Duration::from_millis(50);
/// The bytes that a peer may send ahead of what is read, on one call and on a whole connection.
const WINDOW_BYTES: u32 = 1_024 * 1_024;
/// The bytes of one answer that HTTP/2 keeps ahead of its peer.
const SEND_BUFFER_BYTES: usize = 64 * 1_024;
/// A connection is ended with more streams than this that were reset before they were looked at, or that HTTP/2 itself reset.
const RESETS_PENDING_MAX: usize = 64;
const RESETS_OWN_MAX: usize = 1_024;

pub struct Listener {
    pub socket: TcpListener,
    pub calls: Arc<Calls>,
    pub limits: ConnectionLimits,
    pub tls: Option<Newest<Tls>>,
}

impl Listener {
    /// Serves until `stop` is true or gone; then calls under way have the drain time, and connections that are left are ended.
    pub async fn run(self, drain: Duration, mut stop: watch::Receiver<bool>) {
        let slots = Arc::new(ConnectionSlots::new(self.calls.metrics.connections.clone()));
        let stopping = stop.clone();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(_) = connections.join_next() => {}
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, address)) => {
                        let address = address.ip().to_canonical();
                        // A connection without a slot is closed at once: its client finds out, and tries elsewhere or later.
                        if let Some((slot, leave)) = ConnectionSlot::take(&slots, address, &self.limits) {
                            let connection = self.connection(stopping.clone());
                            connections.spawn(connection.run(stream, slot, leave));
                        }
                    }
                    Err(error) => {
                        tracing::warn!("cannot accept a connection: {error}");
                        sleep(ACCEPT_RETRY_WAIT).await;
                    }
                },
            }
        }
        drop(self.socket);
        let drained = async { while connections.join_next().await.is_some() {} };
        if timeout(drain, drained).await.is_err() {
            tracing::warn!("{} connections are left after {drain:?}; ending them", connections.len());
            connections.shutdown().await;
        }
    }

    fn connection(&self, stop: watch::Receiver<bool>) -> Serving {
        Serving { calls: self.calls.clone(), limits: self.limits, tls: self.tls.clone(), stop }
    }
}

struct Serving {
    calls: Arc<Calls>,
    limits: ConnectionLimits,
    tls: Option<Newest<Tls>>,
    stop: watch::Receiver<bool>,
}

impl Serving {
    async fn run(mut self, stream: TcpStream, slot: ConnectionSlot, mut leave: Leave) {
        set_up(&stream);
        tokio::select! {
            () = slot.forgiven() => {}
            _ = &mut leave => return,
            () = stopped(&mut self.stop) => return,
        }
        let let_through = LetThrough::default();
        let greeted = tokio::select! {
            greeted = self.greeted(stream, &let_through) => greeted,
            _ = &mut leave => return,
        };
        let Some((connection, certificate)) = greeted else { return };
        let waiting = Arc::new(Waiting::default());
        let mut expired = pin!(at_time(certificate.expires));
        let peer = Peer::new(slot.address, certificate);
        let line = Line { peer, number: slot.number, usage: slot.usage.clone(), waiting: waiting.clone() };
        let answering = Answering { calls: self.calls.clone(), line: Arc::new(line), let_through };
        let served = http2(&self.limits).serve_connection(TokioIo::new(connection), answering);
        let mut served = pin!(served);
        let mut look = interval((self.limits.stall.min(self.limits.idle_unknown) / 4).max(Duration::from_millis(10)));
        let mut leaving = false;
        loop {
            tokio::select! {
                ended = served.as_mut() => return left(ended, &slot),
                _ = look.tick() => {
                    if waiting.longer_than(self.limits.stall) {
                        return tracing::debug!("a connection that takes no answers is ended");
                    }
                    let idle_max = if slot.usage.is_known() { self.limits.idle } else { self.limits.idle_unknown };
                    if slot.usage.idle().is_some_and(|idle| idle > idle_max) {
                        if leaving || !slot.usage.is_known() {
                            return tracing::debug!("a connection that does nothing is ended");
                        }
                        leaving = true;
                        served.as_mut().graceful_shutdown();
                    }
                }
                // Another connection has been given its slot.
                _ = &mut leave => return tracing::debug!("a connection makes way for another"),
                () = stopped(&mut self.stop), if !leaving => {
                    leaving = true;
                    served.as_mut().graceful_shutdown();
                }
                // The client comes back with a handshake, and a new certificate if it has one.
                () = expired.as_mut(), if !leaving => {
                    leaving = true;
                    served.as_mut().graceful_shutdown();
                }
                // Who is trusted may have changed: clients come back with a handshake under the new rules.
                () = changed(&mut self.tls), if !leaving => {
                    leaving = true;
                    served.as_mut().graceful_shutdown();
                }
            }
        }
    }

    /// Returns the connection, after its handshake if it is to be encrypted, and what its peer showed there.
    async fn greeted(&mut self, stream: TcpStream, let_through: &LetThrough) -> Option<(Connection, Shown)> {
        let greeting = self.limits.greeting;
        let guard = AbuseGuard::new(self.limits.streams, let_through.clone());
        let Some(tls) = &mut self.tls else {
            return Some((Connection::plain(stream, greeting, guard), Shown::default()));
        };
        let acceptor = TlsAcceptor::from(tls.borrow_and_update().config.clone());
        let failed = || {
            self.calls.metrics.connections.handshakes_failed.inc();
        };
        match timeout(greeting, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                let certificate = shown(stream.get_ref().1);
                Some((Connection::encrypted(stream, greeting, guard), certificate))
            }
            Ok(Err(error)) => {
                failed();
                tracing::debug!("a TLS handshake failed: {error}");
                None
            }
            Err(_) => {
                failed();
                None
            }
        }
    }
}

/// Reports why a connection ended by itself, and makes its address wait if its peer abused it.
fn left(ended: Result<(), hyper::Error>, slot: &ConnectionSlot) {
    if let Err(error) = ended {
        tracing::debug!("a connection ended badly: {error}");
        if is_abuse(&error) {
            slot.thrown_out();
        }
    }
}

/// Resolves when the server stops, or is gone altogether.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn changed(tls: &mut Option<Newest<Tls>>) {
    if let Some(tls) = tls
        && tls.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Sets the socket's options. Without `TCP_NODELAY` an answer could wait 40 ms for the peer's acknowledgement.
fn set_up(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_INTERVAL);
    let set = stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = set {
        tracing::debug!("a connection's options cannot be set: {error}");
    }
}

fn http2(limits: &ConnectionLimits) -> http2::Builder<TokioExecutor> {
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(4 * HEADER_BYTES_MAX as u32)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(RESETS_OWN_MAX)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    http2
}

struct Answering {
    calls: Arc<Calls>,
    line: Arc<Line>,
    let_through: LetThrough,
}

impl Service<Request<Incoming>> for Answering {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.let_through.one_more();
        let (calls, line) = (self.calls.clone(), self.line.clone());
        Box::pin(async move {
            let in_use = line.usage.call();
            Ok(calls.answer(&line, request).await.map(|body| body.using(in_use)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_connections_do_not_wait_to_send() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        assert!(!accepted.nodelay().unwrap());
        set_up(&accepted);
        assert!(accepted.nodelay().unwrap());
        assert!(SockRef::from(&accepted).keepalive().unwrap());
    }
}
