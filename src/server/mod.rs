//! The listener: what is served where, within which bounds, and how it ends.

mod calls;
mod connection;
mod health;
mod reflection;
mod routes;

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::server::TcpIncoming;

use crate::engine::Engine;
use crate::service::Service;
use calls::{Calls, Services};
use connection::Connection;
use health::Health;

/// Calls at once on one connection; more wait.
const STREAMS_PER_CONNECTION_MAX: u32 = 1_024;
/// A connection that says nothing is asked whether it lives, and ended when it does not answer.
const HTTP2_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
const HTTP2_KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);
/// When the system refuses to accept (too many files are open), it is not asked again at once.
const ACCEPT_RETRY_WAIT: Duration = Duration::from_millis(50);

#[derive(Debug, Clone)]
pub struct ServerOptions {
    pub listen: SocketAddr,
    /// Whether to listen where others can reach it, without encryption.
    pub insecure: bool,
    /// What calls under way have to end, once the server is to stop.
    pub drain: Duration,
}

#[derive(Debug, Error)]
pub enum ServerError {
    #[error(
        "{0} can be reached from other machines, and kith neither encrypts nor asks who calls: give --insecure to listen there all the same"
    )]
    NotLoopback(SocketAddr),
    #[error("cannot listen on {address}: {error}")]
    Bind { address: SocketAddr, error: std::io::Error },
    #[error("the server ended: {0}")]
    Serve(#[from] tonic::transport::Error),
    #[error("the server ended badly: {0}")]
    Panicked(#[from] JoinError),
    #[error("the API's descriptors cannot be served: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// A server that answers: at first health, which says NOT_SERVING, and reflection; every other call once it has its engine.
pub struct Server {
    address: SocketAddr,
    health: Health,
    services: Services,
    /// True ends the serving, and so does dropping it.
    stop: watch::Sender<bool>,
    serving: JoinHandle<Result<(), ServerError>>,
}

impl Server {
    /// Takes the address, and answers from here on.
    pub async fn start(options: ServerOptions) -> Result<Server, ServerError> {
        let ServerOptions { listen, insecure, drain } = options;
        if !listen.ip().to_canonical().is_loopback() && !insecure {
            return Err(ServerError::NotLoopback(listen));
        }
        let failed = |error| ServerError::Bind { address: listen, error };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;

        let (health, health_service) = health::start().await;
        let services = Services::default();
        let calls = Calls::new(routes::without_engine()?.add_service(health_service), services.clone());
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(serve(listener, calls, drain, stopped));
        Ok(Server { address, health, services, stop, serving })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers every call from here on, and health says SERVING.
    pub async fn open(&self, engine: Engine) {
        self.services.open(routes::of_engine(&Service::new(engine, self.stop.subscribe())));
        self.health.serving().await;
    }

    /// Serves until `shutdown` resolves: then health says NOT_SERVING, no connection is accepted any more, and calls under way have
    /// the drain time to end. Connections that are left then are ended.
    pub async fn run_until(mut self, shutdown: impl Future<Output = ()>) -> Result<(), ServerError> {
        tokio::select! {
            ended = &mut self.serving => return ended?,
            () = shutdown => {}
        }
        self.health.stop().await;
        let _ = self.stop.send(true);
        self.serving.await?
    }
}

async fn serve(
    listener: TcpListener,
    calls: Calls,
    drain: Duration,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), ServerError> {
    let (end_connections, connections_end) = watch::channel(false);
    let (begin_drain, drain_begun) = oneshot::channel();
    let stop = async {
        let _ = stopped.wait_for(|stopped| *stopped).await;
        let _ = begin_drain.send(());
    };
    let serving = transport().serve_with_incoming_shutdown(calls, accepted(listener, connections_end), stop);
    tokio::pin!(serving);
    let drained = async {
        // Without a sender there was no shutdown, and `serving` has ended on its own.
        let _ = drain_begun.await;
        tokio::time::sleep(drain).await;
    };
    tokio::select! {
        ended = &mut serving => return Ok(ended?),
        () = drained => tracing::warn!("connections are left after {drain:?}; ending them"),
    }
    let _ = end_connections.send(true);
    Ok(serving.await?)
}

fn transport() -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .http2_keepalive_interval(Some(HTTP2_KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(HTTP2_KEEPALIVE_TIMEOUT))
}

/// Connections as they come. Without `TCP_NODELAY` an answer could wait 40 ms for the peer's acknowledgement.
fn accepted(listener: TcpListener, end: watch::Receiver<bool>) -> impl Stream<Item = std::io::Result<Connection>> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(TCP_KEEPALIVE));
    incoming.then(move |stream| connect(stream, end.clone()))
}

async fn connect(stream: std::io::Result<TcpStream>, end: watch::Receiver<bool>) -> std::io::Result<Connection> {
    match stream {
        Ok(stream) => Ok(Connection::new(stream, end)),
        Err(error) => {
            tracing::warn!("cannot accept a connection: {error}");
            tokio::time::sleep(ACCEPT_RETRY_WAIT).await;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn accepted_connections_do_not_wait_to_send() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_end, ends) = watch::channel(false);
        let mut accepted = pin!(accepted(listener, ends));
        let _client = TcpStream::connect(address).await.unwrap();
        let connection = accepted.next().await.unwrap().unwrap();
        assert!(connection.sends_at_once());
    }
}
