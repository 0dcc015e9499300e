//! What is counted while calls are served, and the page that Prometheus reads it from.
//!
//! | file | holds |
//! |---|---|
//! | `calls.rs` | `grpc_server_…`: each call from its headers to its end |
//! | `engine.rs` | how much the engine holds and does, asked when the page is read |
//! | `page.rs` | the page, on a port of its own |

mod calls;
mod engine;
mod page;

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use crate::engine::{SystemTimeSource, TimeSource};

pub use calls::{CallMetrics, Handling};
pub use engine::EngineMetrics;
pub use page::{Page, serve};

/// The listener's counters. Clones share their counts.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    pub calls: Arc<CallMetrics>,
    pub connections: ConnectionMetrics,
    /// Counts the calls refused because the viewer they were made for had used up its quota.
    pub viewer_quota_refusals: Counter,
    reloads: Family<ReloadLabels, Counter>,
    certificate_end: Gauge,
    serving: Gauge,
}

#[derive(Debug, Clone, Default)]
pub struct ConnectionMetrics {
    pub open: Gauge,
    pub accepted: Counter,
    /// Counts the connections closed because no slot was free.
    pub refused: Counter,
    /// Counts the idle connections that were ended for others.
    pub made_way: Counter,
    /// Counts the connections ended because of what their peers did.
    pub thrown_out: Counter,
    pub handshakes_failed: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    file: &'static str,
    outcome: &'static str,
}

/// Counts how often files that are followed were read anew.
#[derive(Debug, Clone, Default)]
pub struct Reloads {
    pub done: Counter,
    pub failed: Counter,
}

impl Metrics {
    /// Returns the counters for the files that a flag names.
    pub fn reloads(&self, file: &'static str) -> Reloads {
        let count = |outcome| self.reloads.get_or_create_owned(&ReloadLabels { file, outcome });
        Reloads { done: count("done"), failed: count("failed") }
    }

    pub fn serves(&self, serving: bool) {
        self.serving.set(i64::from(serving));
    }

    /// Sets when the server's certificate ends, in seconds since 1970.
    pub fn certificate_ends(&self, seconds: i64) {
        self.certificate_end.set(seconds);
    }

    /// Returns the registry of all metrics, with the engine's once there is one.
    pub fn registry(&self, engine: EngineMetrics) -> Registry {
        let mut registry = Registry::default();
        self.calls.register(&mut registry);
        let Metrics { connections, viewer_quota_refusals, reloads, certificate_end, serving, .. } = self.clone();
        registry.register("kith_connections", "Connections that are open", connections.open);
        registry.register("kith_connections_accepted", "Connections accepted", connections.accepted);
        registry.register(
            "kith_connections_refused",
            "Connections closed because no slot was free",
            connections.refused,
        );
        let help = "Connections that did nothing, ended to free a slot for a new one";
        registry.register("kith_connections_made_way", help, connections.made_way);
        registry.register("kith_connections_thrown_out", "Connections ended for abuse", connections.thrown_out);
        registry.register("kith_tls_handshakes_failed", "TLS handshakes that failed", connections.handshakes_failed);
        registry.register(
            "kith_viewer_quota_refusals",
            "Calls refused because the viewer they were made for had used up its quota",
            viewer_quota_refusals,
        );
        registry.register("kith_reloads", "Files read anew when they changed: done, or failed and not used", reloads);
        let help = "When the server's certificate, or one it is shown with, ends, in seconds since 1970; 0 without TLS";
        registry.register("kith_tls_certificate_end_timestamp_seconds", help, certificate_end);
        registry.register("kith_serving", "1 while the server says SERVING, else 0", serving);
        let start = ConstGauge::new(SystemTimeSource.wall_us() as f64 / 1_000_000.0);
        registry.register("process_start_time_seconds", "When the server started, in seconds since 1970", start);
        registry.register_collector(Box::new(engine));
        registry
    }
}
