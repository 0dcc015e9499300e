//! The listener: what is served where, to whom, within which bounds, and how it ends.
//!
//! | file | holds |
//! |---|---|
//! | `listener.rs`, `connection.rs`, `connection_limits.rs` | connections: accepted, greeted, bounded, drained |
//! | `connection_slots.rs`, `abuse_guard.rs` | how many connections there may be, and which of them are ended |
//! | `tls.rs`, `certificate.rs`, `certificate_expiry.rs`, `auth/`, `reload.rs` | certificates, callers and their roles, read again when their files change |
//! | `methods.rs` | every RPC, with the role it needs |
//! | `calls.rs`, `body.rs`, `assembly.rs` | the life of a call: its caller, permit, deadline and end |
//! | `admission.rs`, `quota.rs` | how many calls may be under way, and how much each caller and viewer may ask for |
//! | `received.rs`, `wire/` | how many bytes may be on their way in, and what would be made of them |
//! | `audit.rs`, `audit_ids.rs` | the log of who wrote, who read, and who was refused |
//! | `metrics/` | what is counted, and the page it is read from |
//! | `spans.rs` | each call's span, for a collector of traces |
//! | `routes.rs`, `health.rs`, `reflection.rs` | the services |
//! | `probes.rs` | a listener for nothing but health |

mod abuse_guard;
mod admission;
mod assembly;
mod audit;
mod audit_ids;
mod auth;
mod body;
mod call_namespace;
mod calls;
mod certificate;
mod certificate_expiry;
mod connection;
mod connection_limits;
mod connection_slots;
mod health;
mod listener;
mod methods;
mod metrics;
mod probes;
mod quota;
mod received;
mod reflection;
mod reload;
mod routes;
mod spans;
mod tls;
mod wire;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::timeout;
use tonic::service::Routes;

use crate::engine::Engine;
use crate::service::Service;
use admission::Admission;
use audit::Audit;
use audit_ids::{AuditIds, AuditKeyFile};
use auth::{Access, AccessFile};
use calls::{Calls, Services};
use health::Health;
use listener::Listener;
use metrics::{EngineMetrics, Metrics, Page, Reloads};
use probes::Probes;
use quota::Viewers;
use received::Received;
use spans::Spans;
use wire::Shapes;

pub use admission::CallLimits;
pub use body::panics;
pub use connection_limits::ConnectionLimits;
pub use quota::Rate;
pub use received::ReceivedLimits;
pub use reload::read_files_again;
pub use spans::Collector;
pub use tls::TlsFiles;

/// The time that calls under way have to end, where the server can answer no more.
const AT_ONCE_MAX: Duration = Duration::from_millis(300);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Calls under way have the drain time to end.
    Drained,
    /// There is nothing to wait for.
    AtOnce,
}

/// Where and how to serve.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    pub listen: SocketAddr,
    /// Where metrics can be read, unencrypted and by all who reach it; nowhere when none.
    pub metrics: Option<SocketAddr>,
    /// Where health alone can be asked, unencrypted and by all who reach it; nowhere else than at `listen` when none.
    pub health: Option<SocketAddr>,
    /// Where each call's span goes; nowhere when none.
    pub collector: Option<Collector>,
    /// Whether to listen where others can reach it, though nothing is encrypted or nobody is asked who they are.
    pub insecure: bool,
    pub tls: Option<TlsFiles>,
    /// The file that says who may call; without it, all may.
    pub access: Option<PathBuf>,
    /// The file of the key by which ids are in the audit log as hashes; as they are when none.
    pub audit_key: Option<PathBuf>,
    /// The time that calls under way have to end, once the server is to stop.
    pub drain: Duration,
    pub connections: ConnectionLimits,
    pub calls: CallLimits,
    /// The quota of each viewer.
    pub viewer_rate: Option<Rate>,
    /// The bytes of messages that are being received at once, and of what is made of them.
    pub received: ReceivedLimits,
    /// Whether tools can ask what the API is; where callers are known, only they can.
    pub reflection: bool,
    /// How long the messages of a call may not come.
    pub silence: Duration,
}

impl ServerOptions {
    /// Returns the defaults, at an address.
    pub fn at(listen: SocketAddr) -> ServerOptions {
        ServerOptions {
            listen,
            metrics: None,
            health: None,
            collector: None,
            insecure: false,
            tls: None,
            access: None,
            audit_key: None,
            drain: Duration::from_secs(10),
            connections: ConnectionLimits::default(),
            calls: CallLimits::default(),
            viewer_rate: None,
            received: ReceivedLimits::of(512 * 1_024 * 1_024),
            reflection: true,
            silence: Duration::from_secs(120),
        }
    }

    fn check(&self) -> Result<(), ServerError> {
        let reachable = !self.listen.ip().to_canonical().is_loopback();
        if reachable && !self.insecure && self.tls.is_none() {
            return Err(ServerError::NotEncrypted(self.listen));
        }
        if reachable && !self.insecure && self.access.is_none() {
            return Err(ServerError::OpenToAll(self.listen));
        }
        let asks_for_certificates = self.tls.as_ref().is_some_and(|tls| tls.client_authorities.is_some());
        if asks_for_certificates && self.access.is_none() {
            return Err(ServerError::NobodyNamed);
        }
        Ok(())
    }
}

#[derive(Debug, Error)]
pub enum ServerError {
    #[error(
        "{0} can be reached from other machines, and nothing would be encrypted: give --tls-cert and --tls-key, or --insecure to listen there all the same"
    )]
    NotEncrypted(SocketAddr),
    #[error(
        "{0} can be reached from other machines, and nobody would be asked who they are: give --auth, or --insecure to listen there all the same"
    )]
    OpenToAll(SocketAddr),
    #[error(
        "--tls-client-ca says whose certificates are genuine; give --auth too, which says what their owners may do"
    )]
    NobodyNamed,
    #[error("{0}")]
    File(String),
    #[error("--otlp-endpoint {0}")]
    Collector(String),
    #[error("there is no thread for the audit log: {0}")]
    Audit(io::Error),
    #[error("cannot listen on {address}: {error}")]
    Bind { address: SocketAddr, error: std::io::Error },
    #[error("the server ended badly: {0}")]
    Panicked(#[from] JoinError),
    #[error("the API's descriptors cannot be served: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    #[error("the API's descriptors cannot be read: {0}")]
    Descriptors(String),
}

/// A server that answers health with NOT_SERVING, and reflection, from the start, and every other call once it has its engine.
pub struct Server {
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    metrics: Metrics,
    spans: Option<Spans>,
    /// Ends when the audit log has all that it is given.
    audited: oneshot::Receiver<()>,
    engine_metrics: EngineMetrics,
    /// The tasks that end with the server: the page of metrics, which holds the engine, and the watch over certificates.
    beside: JoinSet<()>,
    health: Health,
    probes: Option<Probes>,
    services: Services,
    /// Ends the serving when it is set to true, or dropped.
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

/// Follows a source, and returns its newest value; none if there is no source.
async fn followed<S: reload::Source>(
    source: Option<S>,
    reloads: Reloads,
) -> Result<Option<reload::Newest<S::Value>>, ServerError> {
    let Some(source) = source else { return Ok(None) };
    let name = source.name();
    let newest = reload::follow(source, reloads).await.map_err(|why| ServerError::File(format!("{name}: {why}")))?;
    Ok(Some(newest))
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |error| ServerError::Bind { address, error };
    let every_address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port()));
    let socket = match address {
        every if every == every_address => listen_everywhere(every),
        other => TcpListener::bind(other).await,
    };
    let socket = match socket {
        // This machine has no IPv6 at all.
        Err(error) if address == every_address && is_without_ipv6(&error) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        tried => tried,
    };
    let socket = socket.map_err(failed)?;
    let bound = socket.local_addr().map_err(failed)?;
    Ok((socket, bound))
}

/// Listens on `[::]`, for IPv4 too, whatever the system's default is: one setting for clusters of either kind.
fn listen_everywhere(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_only_v6(false)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The connections that wait to be accepted before the listener sets its own bound; tokio's default.
const BACKLOG: i32 = 1_024;

fn is_without_ipv6(error: &io::Error) -> bool {
    let errno = error.raw_os_error();
    [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].iter().any(|known| Some(known.raw_os_error()) == errno)
}

impl Server {
    /// Binds the address, and answers from here on.
    pub async fn start(options: ServerOptions) -> Result<Server, ServerError> {
        options.check()?;
        let metrics = Metrics::default();
        let tls = followed(options.tls, metrics.reloads("tls")).await?;
        let access = followed(options.access.map(AccessFile), metrics.reloads("auth")).await?;
        let audit_key = followed(options.audit_key.map(AuditKeyFile), metrics.reloads("audit")).await?;
        let (audit, audited) = Audit::start(AuditIds(audit_key)).map_err(ServerError::Audit)?;
        let spans = options.collector.as_ref().map(Spans::to).transpose().map_err(ServerError::Collector)?;
        let (socket, address) = bind(options.listen).await?;
        let (engine_metrics, mut beside, mut metrics_address) = (EngineMetrics::default(), JoinSet::new(), None);
        if let Some(listen) = options.metrics {
            let (socket, address) = bind(listen).await?;
            let page = Page { registry: metrics.registry(engine_metrics.clone()) };
            beside.spawn(metrics::serve(socket, page));
            metrics_address = Some(address);
        }

        if let Some(tls) = tls.clone() {
            beside.spawn(certificate_expiry::watch(tls, metrics.clone()));
        }

        let (health, health_service) = health::start().await;
        let mut probes = None;
        if let Some(listen) = options.health {
            let (socket, address) = bind(listen).await?;
            probes = Some(Probes::start(socket, address, Routes::new(health_service.clone())));
        }
        let services = Services::default();
        let calls = Calls {
            without_engine: routes::without_engine()?.add_service(health_service).prepare(),
            of_engine: Some(services.clone()),
            access: access.unwrap_or_else(|| reload::fixed(Access::Open)),
            admission: Admission::new(options.calls),
            admission_of_health: Admission::new(admission::HEALTH_LIMITS),
            admission_of_reflection: Admission::new(admission::REFLECTION_LIMITS),
            reflection: options.reflection,
            shapes: Arc::new(Shapes::of_api().map_err(ServerError::Descriptors)?),
            viewers: Arc::new(Viewers::new(options.viewer_rate, metrics.viewer_quota_refusals.clone())),
            received: Arc::new(Received::up_to(options.received)),
            silence_max: options.silence,
            audit,
            metrics: metrics.clone(),
            spans: spans.clone(),
        };
        let listener = Listener { socket, calls: Arc::new(calls), limits: options.connections, tls };
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(listener.run(options.drain, stopped));
        Ok(Server {
            address,
            metrics_address,
            metrics,
            spans,
            audited,
            engine_metrics,
            beside,
            health,
            probes,
            services,
            stop,
            serving,
        })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of the listener for health alone.
    pub fn health_addr(&self) -> Option<SocketAddr> {
        self.probes.as_ref().map(|probes| probes.address)
    }

    /// Returns the address of the page of metrics.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Answers every call from here on, and health says SERVING.
    pub async fn open(&self, engine: Engine) {
        self.engine_metrics.open(engine.clone());
        self.services.open(routes::of_engine(&Service::new(engine, self.stop.subscribe())));
        self.health.serving().await;
        self.metrics.serves(true);
    }

    /// Serves until `shutdown` resolves: then health says NOT_SERVING, no connection is accepted any more, and calls under way have the
    /// drain time to end, or `AT_ONCE_MAX`. Connections that are left then are ended.
    pub async fn run_until(mut self, shutdown: impl Future<Output = Ending>) -> Result<(), ServerError> {
        let ending = tokio::select! {
            ended = &mut self.serving => return Ok(ended?),
            ending = shutdown => ending,
        };
        self.health.stop().await;
        self.metrics.serves(false);
        let _ = self.stop.send(true);
        match ending {
            Ending::Drained => self.drained().await,
            // Tasks that do not end by themselves end with the process.
            Ending::AtOnce => timeout(AT_ONCE_MAX, self.drained()).await.unwrap_or(Ok(())),
        }
    }

    async fn drained(mut self) -> Result<(), ServerError> {
        (&mut self.serving).await?;
        // A log that nobody takes is not waited for.
        let _ = timeout(AT_ONCE_MAX, self.audited).await;
        // Probes could hear NOT_SERVING until here.
        if let Some(probes) = self.probes {
            probes.end().await?;
        }
        self.beside.shutdown().await;
        if let Some(spans) = self.spans {
            spans.end().await;
        }
        Ok(())
    }
}
