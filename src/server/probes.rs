//! A listener for nothing but health. Probes know no TLS and have no token: this listener asks for neither, and answers nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tonic::service::Routes;

use super::admission::{Admission, CallLimits};
use super::auth::Access;
use super::calls::Calls;
use super::connection_limits::ConnectionLimits;
use super::listener::Listener;
use super::metrics::Metrics;
use super::quota::Viewers;
use super::received::{Received, ReceivedLimits};
use super::reload::fixed;

/// Probes are few and small.
const CONNECTIONS_MAX: usize = 64;
const CALLS_MAX: usize = 64;
const RECEIVED_BYTES_MAX: usize = 1_024 * 1_024;
const SILENCE_MAX: Duration = Duration::from_secs(10);

pub struct Probes {
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Probes {
    pub fn start(socket: TcpListener, address: SocketAddr, health: Routes) -> Probes {
        let limits = CallLimits {
            calls: CALLS_MAX,
            calls_per_caller: CALLS_MAX,
            streams: CALLS_MAX,
            streams_per_caller: CALLS_MAX,
            ..CallLimits::default()
        };
        // Probes are counted apart from callers, and nobody reads the counts.
        let metrics = Metrics::default();
        let calls = Calls {
            without_engine: health.prepare(),
            of_engine: None,
            access: fixed(Access::Open),
            admission: Admission::new(limits),
            admission_of_health: Admission::new(limits),
            admission_of_reflection: Admission::new(limits),
            reflection: false,
            shapes: Arc::default(),
            viewers: Arc::new(Viewers::new(None, metrics.viewer_quota_refusals.clone())),
            received: Arc::new(Received::up_to(ReceivedLimits::of(RECEIVED_BYTES_MAX))),
            silence_max: SILENCE_MAX,
            audit: Default::default(),
            metrics,
            spans: None,
        };
        let limits = ConnectionLimits {
            connections: CONNECTIONS_MAX,
            connections_per_address: CONNECTIONS_MAX,
            ..ConnectionLimits::default()
        };
        let listener = Listener { socket, calls: Arc::new(calls), limits, tls: None };
        let (stop, stopped) = watch::channel(false);
        // Whoever watches health has heard NOT_SERVING when this listener is to end: nothing is left to wait for.
        let serving = tokio::spawn(listener.run(Duration::ZERO, stopped));
        Probes { address, stop, serving }
    }

    pub async fn end(self) -> Result<(), JoinError> {
        let _ = self.stop.send(true);
        self.serving.await
    }
}
