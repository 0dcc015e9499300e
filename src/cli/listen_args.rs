//! The settings of `kith serve` that say who is served, and how much.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{BoolishValueParser, RangedU64ValueParser};
use clap::{Args, ValueEnum, value_parser};
use tonic::codegen::http::Uri;

use crate::app::{CallLimits, Collector, ConnectionLimits, Rate, ReceivedLimits, ServerOptions, TlsFiles};

/// Returns a parser of whole numbers from 1.
fn positive() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(1..)
}

/// Parses `127.0.0.1:5484`, `[::1]:5484` or `localhost:5484`. A name's first address of IPv4 is taken, if it has any: `localhost` is where
/// clients look first.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let named = text.rsplit_once(':').filter(|(name, port)| !name.is_empty() && port.parse::<u16>().is_ok());
    if named.is_none_or(|(name, _)| name.contains([':', '[', '/'])) {
        return Err("HOST:PORT is wanted, as in 127.0.0.1:5484, localhost:5484 or [::]:5484".to_owned());
    }
    let found = text.to_socket_addrs().map_err(|error| format!("the name is not known: {error}"))?;
    let found: Vec<SocketAddr> = found.collect();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first.copied().ok_or_else(|| "the name has no address".to_owned())
}

fn collector_endpoint(text: &str) -> Result<Uri, &'static str> {
    let uri = text.parse::<Uri>().ok();
    let uri = uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.port().is_some());
    uri.filter(|uri| matches!(uri.path(), "" | "/")).ok_or("http://HOST:PORT or https://HOST:PORT is wanted")
}

fn part(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|part| (0.0..=1.0).contains(part)).ok_or("a number from 0 to 1 is wanted")
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Who is served, and how much")]
pub struct ListenArgs {
    /// Where to listen: an address or a name, and a port; port 0 takes a free one. `[::]` listens on every address, of IPv4 too.
    #[arg(long, env = "KITH_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:5484", value_parser = address)]
    listen: SocketAddr,
    /// Where Prometheus can read metrics, at /metrics: unencrypted, by all who reach it. They hold counts and names of kinds and namespaces.
    #[arg(long, env = "KITH_METRICS_LISTEN", value_name = "ADDR", value_parser = address)]
    metrics_listen: Option<SocketAddr>,
    /// Where health alone can be asked, without TLS and without saying who asks: for probes. It says nothing else.
    #[arg(long, env = "KITH_HEALTH_LISTEN", value_name = "ADDR", value_parser = address)]
    health_listen: Option<SocketAddr>,
    /// The collector of traces (OpenTelemetry, OTLP over gRPC) that is sent a span of each call. Spans say which RPC it was, how it
    /// ended and when: nothing of what was asked or answered.
    #[arg(long, env = "KITH_OTLP_ENDPOINT", value_name = "URL", value_parser = collector_endpoint)]
    otlp_endpoint: Option<Uri>,
    /// The authorities that the collector's certificate must come from, in PEM: for an endpoint of https.
    #[arg(long, env = "KITH_OTLP_CA", value_name = "FILE")]
    otlp_ca: Option<PathBuf>,
    /// How many of the calls without a `traceparent` are traced: 1 is all, and so it is when not given. Others are as their callers say.
    #[arg(long, env = "KITH_OTLP_SAMPLE", value_name = "PART", value_parser = part)]
    otlp_sample: Option<f64>,
    /// Listen on an address that others can reach, without encryption or without asking who they are.
    #[arg(long, env = "KITH_INSECURE", value_parser = BoolishValueParser::new())]
    insecure: bool,
    /// The server's certificate, with those between it and its authority, in PEM. Read again when it changes, as its key is.
    #[arg(long, env = "KITH_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM.
    #[arg(long, env = "KITH_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// The authorities that callers' certificates must come from, in PEM. A caller without one has to show a token.
    #[arg(long, env = "KITH_TLS_CLIENT_CA", value_name = "FILE")]
    tls_client_ca: Option<PathBuf>,
    /// Who may call, and what they may do: a TOML file of tokens' hashes, certificates' names, and how JWTs are checked. Read again
    /// when it changes. With it, nobody else may call.
    #[arg(long, env = "KITH_AUTH", value_name = "FILE")]
    auth: Option<PathBuf>,
    /// A key of 32 bytes or more, by which ids are in the audit log as hashes. Read again when it changes.
    #[arg(long, env = "KITH_AUDIT_KEY", value_name = "FILE")]
    audit_key: Option<PathBuf>,
    /// Connections at once.
    #[arg(long, env = "KITH_MAX_CONNECTIONS", value_name = "N", value_parser = positive(), default_value_t = bound(ConnectionLimits::default().connections))]
    max_connections: u32,
    /// Connections at once from one address.
    #[arg(long, env = "KITH_MAX_CONNECTIONS_PER_ADDRESS", value_name = "N", value_parser = positive(), default_value_t = bound(ConnectionLimits::default().connections_per_address))]
    max_connections_per_address: u32,
    /// Calls under way at once, streams apart; further ones are refused at once, to be tried again.
    #[arg(long, env = "KITH_MAX_CALLS", value_name = "N", value_parser = positive(), default_value_t = bound(CallLimits::default().calls))]
    max_calls: u32,
    /// Calls under way at once of each caller.
    #[arg(long, env = "KITH_MAX_CALLS_PER_CALLER", value_name = "N", value_parser = positive(), default_value_t = bound(CallLimits::default().calls_per_caller))]
    max_calls_per_caller: u32,
    /// Streams (imports, exports, watches, checks) under way at once.
    #[arg(long, env = "KITH_MAX_STREAMS", value_name = "N", value_parser = positive(), default_value_t = bound(CallLimits::default().streams))]
    max_streams: u32,
    /// Streams under way at once of each caller.
    #[arg(long, env = "KITH_MAX_STREAMS_PER_CALLER", value_name = "N", value_parser = positive(), default_value_t = bound(CallLimits::default().streams_per_caller))]
    max_streams_per_caller: u32,
    /// Units a second that each caller may use: a call is one, each further KiB of its answer another. No bound when not given.
    #[arg(long, env = "KITH_CALLER_RATE", value_name = "N", value_parser = positive())]
    caller_rate: Option<u32>,
    /// Units that a caller may use at once after a pause; ten seconds' worth when not given.
    #[arg(long, env = "KITH_CALLER_BURST", value_name = "N", value_parser = positive())]
    caller_burst: Option<u32>,
    /// Calls a second that may be made on behalf of each viewer. No bound when not given.
    #[arg(long, env = "KITH_VIEWER_RATE", value_name = "N", value_parser = positive())]
    viewer_rate: Option<u32>,
    /// Calls that may be made on behalf of a viewer at once after a pause; ten seconds' worth when not given.
    #[arg(long, env = "KITH_VIEWER_BURST", value_name = "N", value_parser = positive())]
    viewer_burst: Option<u32>,
    /// MiB of messages that may be on their way in at once.
    #[arg(long, env = "KITH_MAX_RECEIVED_MIB", value_name = "N", value_parser = value_parser!(u32).range(4..), default_value_t = 512)]
    max_received_mib: u32,
    /// MiB of messages that may be on their way in from each caller at once; a quarter of all when not given. A caller that has more gives
    /// way: its oldest message that is not whole is ended.
    #[arg(long, env = "KITH_MAX_RECEIVED_MIB_PER_CALLER", value_name = "N", value_parser = value_parser!(u32).range(4..))]
    max_received_mib_per_caller: Option<u32>,
    /// Seconds that a connection may do nothing; then its client is asked to connect again when it has something to ask. A minute at
    /// most for one on which nobody who is known has called.
    #[arg(long, env = "KITH_MAX_IDLE_SECONDS", value_name = "S", value_parser = positive(), default_value_t = 1_800)]
    max_idle_seconds: u32,
    /// Whether tools like grpcurl can ask what the API is: of everybody, or with --auth of callers who are known.
    #[arg(long, env = "KITH_REFLECTION", value_name = "WHETHER", default_value = "on")]
    reflection: Switch,
    /// Seconds that calls under way have to end when the server is asked to stop.
    #[arg(long, env = "KITH_DRAIN_SECONDS", value_name = "S", default_value_t = 10)]
    drain_seconds: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// The settings that have no effect without another.
pub const NEEDS: [(&str, &str); 7] = [
    ("tls-cert", "tls-key"),
    ("tls-key", "tls-cert"),
    ("tls-client-ca", "tls-cert"),
    ("caller-burst", "caller-rate"),
    ("viewer-burst", "viewer-rate"),
    ("otlp-ca", "otlp-endpoint"),
    ("otlp-sample", "otlp-endpoint"),
];

const MIB: usize = 1_024 * 1_024;

/// Returns the server's own bound, as a flag's default.
fn bound(own: usize) -> u32 {
    u32::try_from(own).unwrap_or(u32::MAX)
}

/// The seconds of a rate that may be used at once.
const BURST_SECONDS: u32 = 10;

fn rate(per_second: Option<u32>, burst: Option<u32>) -> Option<Rate> {
    per_second.map(|per_second| {
        let burst = burst.unwrap_or_else(|| per_second.saturating_mul(BURST_SECONDS));
        Rate { per_second, burst }
    })
}

impl ListenArgs {
    /// Returns what is given, and the server's own values for what is no flag.
    pub fn options(&self) -> ServerOptions {
        let own = ServerOptions::at(self.listen);
        let tls = self.tls_cert.clone().zip(self.tls_key.clone()).map(|(certificate, key)| TlsFiles {
            certificate,
            key,
            client_authorities: self.tls_client_ca.clone(),
        });
        let mut received = ReceivedLimits::of(self.max_received_mib as usize * MIB);
        if let Some(mib) = self.max_received_mib_per_caller {
            received.bytes_per_caller = (mib as usize * MIB).min(received.bytes);
        }
        let idle = Duration::from_secs(self.max_idle_seconds.into());
        ServerOptions {
            metrics: self.metrics_listen,
            health: self.health_listen,
            collector: self.otlp_endpoint.clone().map(|endpoint| Collector {
                endpoint,
                authorities: self.otlp_ca.clone(),
                sampled: self.otlp_sample.unwrap_or(1.0),
            }),
            insecure: self.insecure,
            tls,
            access: self.auth.clone(),
            audit_key: self.audit_key.clone(),
            drain: Duration::from_secs(self.drain_seconds),
            connections: ConnectionLimits {
                connections: self.max_connections as usize,
                connections_per_address: self.max_connections_per_address as usize,
                idle,
                idle_unknown: own.connections.idle_unknown.min(idle),
                ..own.connections
            },
            calls: CallLimits {
                calls: self.max_calls as usize,
                calls_per_caller: self.max_calls_per_caller as usize,
                streams: self.max_streams as usize,
                streams_per_caller: self.max_streams_per_caller as usize,
                caller_rate: rate(self.caller_rate, self.caller_burst),
                ..own.calls
            },
            viewer_rate: rate(self.viewer_rate, self.viewer_burst),
            received,
            reflection: self.reflection == Switch::On,
            ..own
        }
    }
}
