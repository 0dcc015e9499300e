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
use tokio_stream::{Stream, StreamExt};
use tonic::transport::server::TcpIncoming;

use crate::engine::Engine;
use crate::service::Service;
use calls::Calls;
use connection::Connection;

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
    #[error("the API's descriptors cannot be served: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// A server that has its address.
pub struct Server {
    engine: Engine,
    listener: TcpListener,
    address: SocketAddr,
    drain: Duration,
}

impl Server {
    /// Takes the address. Who connects from here on waits until `serve`.
    pub async fn bind(engine: Engine, options: ServerOptions) -> Result<Server, ServerError> {
        let ServerOptions { listen, insecure, drain } = options;
        if !listen.ip().to_canonical().is_loopback() && !insecure {
            return Err(ServerError::NotLoopback(listen));
        }
        let failed = |error| ServerError::Bind { address: listen, error };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Server { engine, listener, address, drain })
    }

    pub fn engine(&self) -> Engine {
        self.engine.clone()
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` resolves: then health says NOT_SERVING, no connection is accepted any more, and calls under way have
    /// the drain time to end. Connections that are left then are ended.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), ServerError> {
        let (health, health_service) = health::start().await;
        let (stop_streams, stopping) = watch::channel(false);
        let routes = routes::routes(&Service::new(self.engine, stopping))?.add_service(health_service);

        let (end_connections, connections_end) = watch::channel(false);
        let (begin_drain, drain_begun) = oneshot::channel();
        let stop = async {
            shutdown.await;
            health.stop().await;
            let _ = stop_streams.send(true);
            let _ = begin_drain.send(());
        };
        let serving = transport().serve_with_incoming_shutdown(
            Calls::new(routes),
            accepted(self.listener, connections_end),
            stop,
        );
        tokio::pin!(serving);
        let drained = async {
            // Without a sender there was no shutdown, and `serving` has ended on its own.
            let _ = drain_begun.await;
            tokio::time::sleep(self.drain).await;
        };
        tokio::select! {
            ended = &mut serving => return Ok(ended?),
            () = drained => tracing::warn!("connections are left after {:?}; ending them", self.drain),
        }
        let _ = end_connections.send(true);
        Ok(serving.await?)
    }
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
