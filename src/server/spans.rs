//! A span of each call of kith's own API, for a collector of traces: OpenTelemetry's, over OTLP. A span holds the RPC, its outcome and its
//! times; nothing of what was asked or answered.
//!
//! Spans leave on a thread of the library's own, through a queue that is never waited for: a span that the collector does not take in time
//! is left out.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, Span};
use tonic::Code;
use tonic::codegen::http::{HeaderMap, Uri};
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use super::methods::Method;
use crate::engine::Threads;

/// How long a collector may take for a batch of spans.
const EXPORT_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long the collector may take for the last spans, while the server waits to end.
const LAST_WAIT_MAX: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub struct Collector {
    pub endpoint: Uri,
    /// The authorities that the collector's certificate must come from, in PEM; given exactly when the endpoint is https.
    pub authorities: Option<PathBuf>,
    /// The part of the calls without a caller's trace that are traced: 1 is all. Other calls are traced if their callers say so.
    pub sampled: f64,
}

#[derive(Debug, Clone)]
pub struct Spans {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

#[derive(Debug)]
pub struct CallSpan(Span);

impl Collector {
    /// Returns a channel that connects when there is something to send, and again after a break.
    fn channel(&self) -> Result<Channel, String> {
        let endpoint = Channel::builder(self.endpoint.clone());
        let endpoint =
            endpoint.user_agent(concat!("kith/", env!("CARGO_PKG_VERSION"))).map_err(|error| error.to_string())?;
        let encrypted = self.endpoint.scheme_str() == Some("https");
        let endpoint = match &self.authorities {
            None if encrypted => {
                return Err(format!(
                    "{} is encrypted: give --otlp-ca too, the authorities that its certificate must come from",
                    self.endpoint
                ));
            }
            Some(_) if !encrypted => {
                return Err(format!("{} is not encrypted: --otlp-ca has no use there", self.endpoint));
            }
            None => endpoint,
            Some(path) => {
                let pem = fs::read(path).map_err(|error| format!("--otlp-ca {}: {error}", path.display()))?;
                let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
                endpoint.tls_config(tls).map_err(|error| format!("--otlp-ca {}: {error}", path.display()))?
            }
        };
        Ok(endpoint.connect_timeout(EXPORT_WAIT_MAX).timeout(EXPORT_WAIT_MAX).connect_lazy())
    }
}

impl Spans {
    pub fn to(collector: &Collector) -> Result<Spans, String> {
        let exporter = SpanExporter::builder().with_tonic().with_channel(collector.channel()?);
        let exporter = exporter.with_timeout(EXPORT_WAIT_MAX).build().map_err(|error| error.to_string())?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let provider = SdkTracerProvider::builder()
            .with_resource(Resource::builder().with_service_name("kith").with_attribute(version).build())
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(collector.sampled))))
            .with_batch_exporter(exporter)
            .build();
        let tracer = provider.tracer("kith");
        Ok(Spans { provider, tracer })
    }

    /// Begins the span of a call with these headers. Health, reflection and what is not served leave no spans.
    pub fn begin(&self, method: Option<Method>, headers: &HeaderMap) -> Option<Box<CallSpan>> {
        let name = method.filter(|method| method.need.is_some())?.full_name();
        let (service, rpc) = name.split_once('/')?;
        let attributes = [("rpc.system", "grpc"), ("rpc.service", service), ("rpc.method", rpc)];
        let attributes = attributes.map(|(key, value)| KeyValue::new(key, value.to_owned()));
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
        let span = self.tracer.span_builder(name.clone()).with_kind(SpanKind::Server).with_attributes(attributes);
        Some(Box::new(CallSpan(span.start_with_context(&self.tracer, &parent))))
    }

    /// Sends the last spans, or gives them up after a while.
    pub async fn end(self) {
        let ending = Threads::default().job("kith-spans", move || self.provider.shutdown_with_timeout(LAST_WAIT_MAX));
        let failed = match ending {
            // A panic was reported where it was caught.
            Ok(ended) => ended.await.ok().and_then(Result::err).map(|error| error.to_string()),
            Err(error) => Some(format!("no thread can be made: {error}")),
        };
        if let Some(error) = failed {
            tracing::warn!(%error, "the last spans did not get to their collector");
        }
    }
}

impl CallSpan {
    pub fn ended(mut self, code: Code) {
        self.0.set_attribute(KeyValue::new("rpc.grpc.status_code", code as i64));
        if is_servers_fault(code) {
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}

/// Returns whether a code is the server's fault, by OpenTelemetry's conventions; all other codes may be the caller's doing.
fn is_servers_fault(code: Code) -> bool {
    use Code::{DataLoss, DeadlineExceeded, Internal, Unavailable, Unimplemented, Unknown};
    matches!(code, Unknown | DeadlineExceeded | Unimplemented | Internal | Unavailable | DataLoss)
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_faults_alone_are_errors() {
        let faults: Vec<i32> = (0..17).filter(|code| is_servers_fault(Code::from(*code))).collect();
        // UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and DATA_LOSS.
        assert_eq!(faults, [2, 4, 12, 13, 14, 15]);
    }
}
