//! The counts of calls, `grpc_server_…`, named as gRPC servers in other languages name them; and the calls that were refused before they
//! began.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tonic::Code;

use crate::domain::Error;
use crate::server::methods::{Method, Shape, method_count};
use crate::server::spans::CallSpan;
use crate::service::CallId;

/// Point reads take microseconds, long reaches seconds; streams live longer than any of these.
const SECONDS: [f64; 15] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The codes' names, as Go's gRPC writes them.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    grpc_type: &'static str,
    grpc_service: String,
    grpc_method: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    #[prometheus(flatten)]
    method: MethodLabels,
    grpc_code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

/// The counts of one method, found by its index: nothing is looked up by name while calls are served.
#[derive(Debug)]
struct OfMethod {
    labels: MethodLabels,
    started: Counter,
    handled: [OnceLock<Counter>; CODES.len()],
    seconds: Histogram,
}

#[derive(Debug)]
pub struct CallMetrics {
    /// The counts by the method's index; the last are for methods that are not served.
    methods: Box<[OnceLock<OfMethod>]>,
    started: Family<MethodLabels, Counter>,
    handled: Family<EndLabels, Counter>,
    seconds: Family<MethodLabels, Histogram, fn() -> Histogram>,
    refused: Family<ReasonLabels, Counter>,
}

impl Default for CallMetrics {
    fn default() -> CallMetrics {
        CallMetrics {
            methods: (0..=method_count()).map(|_| OnceLock::new()).collect(),
            started: Family::default(),
            handled: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            refused: Family::default(),
        }
    }
}

impl CallMetrics {
    pub fn register(&self, registry: &mut Registry) {
        registry.register("grpc_server_started", "Calls begun", self.started.clone());
        registry.register("grpc_server_handled", "Calls ended, by code", self.handled.clone());
        let help = "From a call's headers to the end of its answer; of a stream, as long as it lives";
        registry.register("grpc_server_handling_seconds", help, self.seconds.clone());
        registry.register(
            "kith_calls_refused",
            "Calls refused by their headers alone, by reason",
            self.refused.clone(),
        );
    }

    /// Counts a call that begins; `method` is none if it is not served.
    pub fn begin(self: &Arc<CallMetrics>, method: Option<Method>, id: CallId, span: Option<Box<CallSpan>>) -> Handling {
        let index = method.map_or(method_count(), |method| method.index);
        self.of_method(index, method).started.inc();
        Handling { metrics: self.clone(), id, span, index, method, begun: Instant::now(), ended: false }
    }

    pub fn refused(&self, error: &Error) {
        let reason = match error {
            Error::Overloaded { .. } => "OVERLOADED",
            Error::QuotaExceeded { .. } => "QUOTA_EXCEEDED",
            Error::Unauthenticated(_) => "UNAUTHENTICATED",
            Error::PermissionDenied(_) => "PERMISSION_DENIED",
            Error::Unavailable { .. } => "NOT_READY",
            Error::Unimplemented => "UNIMPLEMENTED",
            Error::Exhausted { .. } => "TOO_LONG",
            _ => "OTHER",
        };
        self.refused.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Counts a request that was no gRPC call, and so belongs to no RPC.
    pub fn no_grpc(&self) {
        self.refused.get_or_create(&ReasonLabels { reason: "NO_GRPC" }).inc();
    }

    fn of_method(&self, index: usize, method: Option<Method>) -> &OfMethod {
        self.methods[index].get_or_init(|| {
            let shape = method.map_or(Shape::Unary, |method| method.shape);
            let name = method.map_or_else(|| "unknown/unknown".to_owned(), |method| method.full_name());
            let (service, rpc) = name.split_once('/').unwrap_or((&name, ""));
            let labels = MethodLabels {
                grpc_type: if shape == Shape::Unary { "unary" } else { "stream" },
                grpc_service: service.to_owned(),
                grpc_method: rpc.to_owned(),
            };
            OfMethod {
                started: self.started.get_or_create_owned(&labels),
                handled: [const { OnceLock::new() }; CODES.len()],
                seconds: self.seconds.get_or_create_owned(&labels),
                labels,
            }
        })
    }
}

/// A call under way. One that is dropped without an end was given up by its caller.
#[derive(Debug)]
pub struct Handling {
    metrics: Arc<CallMetrics>,
    id: CallId,
    /// The call's span, which ends with it.
    span: Option<Box<CallSpan>>,
    index: usize,
    method: Option<Method>,
    begun: Instant,
    ended: bool,
}

impl Handling {
    /// Counts the end; only the first counts.
    pub fn ended(&mut self, code: Code) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let of_method = self.metrics.of_method(self.index, self.method);
        if let Some(span) = self.span.take() {
            span.ended(code);
        }
        let code = code as usize;
        let handled = of_method.handled[code].get_or_init(|| {
            let labels = EndLabels { method: of_method.labels.clone(), grpc_code: CODES[code] };
            self.metrics.handled.get_or_create_owned(&labels)
        });
        handled.inc();
        let seconds = self.begun.elapsed().as_secs_f64();
        of_method.seconds.observe(seconds);
        let rpc = self.method.map_or("unknown", |method| method.name);
        let (id, code) = (&self.id, CODES[code]);
        tracing::debug!(call = %id, trace_id = id.trace_id(), parent_id = id.parent_id(), rpc, code, seconds, "call");
    }
}

impl Drop for Handling {
    fn drop(&mut self) {
        self.ended(Code::Cancelled);
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::prometheus_text::encode;
    use tonic::codegen::http::HeaderMap;

    use super::*;
    use crate::server::methods::method;

    #[test]
    fn a_call_ends_once_and_one_that_is_given_up_is_canceled() {
        let metrics = Arc::new(CallMetrics::default());
        let id = || CallId::of(&HeaderMap::new());
        let mut answered = metrics.begin(method("/kith.v1.PathService/FindPaths"), id(), None);
        answered.ended(Code::Ok);
        answered.ended(Code::Internal);
        drop(answered);
        drop(metrics.begin(method("/kith.v1.DataService/Watch"), id(), None));
        metrics.begin(None, id(), None).ended(Code::Unimplemented);
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut page = String::new();
        encode(&mut page, &registry).unwrap();
        let ends: Vec<&str> = page.lines().filter(|line| line.starts_with("grpc_server_handled_total{")).collect();
        assert_eq!(ends.len(), 3, "{page}");
        for (kind, service, rpc, code) in [
            ("unary", "kith.v1.PathService", "FindPaths", "OK"),
            ("stream", "kith.v1.DataService", "Watch", "Canceled"),
            ("unary", "unknown", "unknown", "Unimplemented"),
        ] {
            let of_method = format!("grpc_type=\"{kind}\",grpc_service=\"{service}\",grpc_method=\"{rpc}\"");
            let end = format!("grpc_server_handled_total{{{of_method},grpc_code=\"{code}\"}} 1");
            assert!(ends.contains(&end.as_str()), "{end}\n{page}");
            assert!(page.contains(&format!("grpc_server_started_total{{{of_method}}} 1\n")), "{page}");
            assert!(page.contains(&format!("grpc_server_handling_seconds_count{{{of_method}}} 1\n")), "{page}");
        }
    }
}
