//! Spans of calls, as a collector of traces gets them over OTLP; and a server whose collector is none.

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kith::app::{App, AppOptions, Collector, ServerOptions, StoreOptions};
use kith::proto::v1::{GetMemberRequest, PutEdgeRequest, WatchRequest};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::{Kith, edge, options};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// What a collector was sent.
#[derive(Debug, Clone, Default)]
struct Sent(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Sent {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Sent {
    async fn collected(mut server: Server) -> (Sent, SocketAddr) {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (sent, address) = (Sent::default(), socket.local_addr().unwrap());
        let served = server.add_service(TraceServiceServer::new(sent.clone()));
        tokio::spawn(served.serve_with_incoming(TcpListenerStream::new(socket)));
        (sent, address)
    }

    fn spans(&self) -> Vec<Span> {
        let sent = self.0.lock().unwrap();
        let scopes = sent.iter().flat_map(|request| &request.resource_spans).flat_map(|spans| &spans.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }
}

fn collector(endpoint: &str, sampled: f64) -> Collector {
    Collector { endpoint: endpoint.parse().unwrap(), authorities: None, sampled }
}

async fn sending_to(collector: Collector) -> Kith {
    let plain = options(StoreOptions::Memory);
    Kith::start(AppOptions { server: ServerOptions { collector: Some(collector), ..plain.server }, ..plain }).await
}

/// With the flag of W3C's that says whether its caller traces the call.
fn traced<T>(message: T, flags: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("traceparent", format!("00-{TRACE}-{PARENT}-{flags}").parse().unwrap());
    request
}

fn get(id: &str) -> GetMemberRequest {
    GetMemberRequest { id: id.to_owned(), ..Default::default() }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn value(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{key}: {other:?}"),
    }
}

#[tokio::test]
async fn a_call_is_a_span_of_its_callers_trace_and_holds_nothing_of_what_it_asked() {
    let (sent, address) = Sent::collected(Server::builder()).await;
    let kith = sending_to(collector(&format!("http://{address}"), 1.0)).await;
    let secret = edge("ana-secret", "friend", "ben-secret");
    let put = PutEdgeRequest { edge: Some(secret), allow_missing_members: true, ..Default::default() };
    kith.edges().put_edge(traced(put, "01")).await.unwrap();
    let missing = kith.members().get_member(traced(get("nobody-secret"), "01")).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    kith.members().get_member(traced(get("ana-secret"), "00")).await.unwrap();
    kith.members().get_member(get("ana-secret")).await.unwrap();
    HealthClient::new(kith.channel.clone()).check(traced(HealthCheckRequest::default(), "01")).await.unwrap();
    let watched = kith.data().watch(traced(WatchRequest::default(), "01")).await.unwrap();
    kith.stop().await.unwrap();
    drop(watched);

    let spans = sent.spans();
    assert_eq!(spans.len(), 4, "neither of what its caller does not trace nor of health: {spans:?}");
    for (name, code, status) in [
        ("kith.v1.EdgeService/PutEdge", Code::Ok, StatusCode::Unset),
        ("kith.v1.MemberService/GetMember", Code::NotFound, StatusCode::Unset),
        ("kith.v1.MemberService/GetMember", Code::Ok, StatusCode::Unset),
        ("kith.v1.DataService/Watch", Code::Unavailable, StatusCode::Error),
    ] {
        let ended = |span: &&Span| value(&span.attributes, "rpc.grpc.status_code") == (code as i32).to_string();
        let span = spans.iter().filter(|span| span.name == name).find(ended);
        let span = span.unwrap_or_else(|| panic!("no span of {name} with {code:?}: {spans:?}"));
        let (service, method) = name.split_once('/').unwrap();
        for (key, expected) in [("rpc.system", "grpc"), ("rpc.service", service), ("rpc.method", method)] {
            assert_eq!(value(&span.attributes, key), expected, "{span:?}");
        }
        assert_eq!(
            (span.kind(), span.status.as_ref().map_or(StatusCode::Unset, |s| s.code())),
            (SpanKind::Server, status)
        );
        assert!(span.start_time_unix_nano > 0 && span.end_time_unix_nano >= span.start_time_unix_nano);
        if name.ends_with("GetMember") && code == Code::Ok {
            assert!(span.parent_span_id.is_empty() && hex(&span.trace_id) != TRACE, "a trace of its own: {span:?}");
        } else {
            assert_eq!((hex(&span.trace_id).as_str(), hex(&span.parent_span_id).as_str()), (TRACE, PARENT));
        }
    }
    let sent = sent.0.lock().unwrap();
    let of = |key| value(&sent[0].resource_spans[0].resource.as_ref().unwrap().attributes, key);
    assert_eq!((of("service.name").as_str(), of("service.version").as_str()), ("kith", env!("CARGO_PKG_VERSION")));
    assert!(!format!("{sent:?}").contains("secret"), "{sent:?}");
}

#[tokio::test]
async fn where_nothing_is_sampled_callers_alone_decide() {
    let (sent, address) = Sent::collected(Server::builder()).await;
    let kith = sending_to(collector(&format!("http://{address}"), 0.0)).await;
    kith.put_chain().await;
    kith.members().get_member(traced(get("ana"), "01")).await.unwrap();
    kith.stop().await.unwrap();
    assert_eq!(sent.spans().iter().map(|span| hex(&span.trace_id)).collect::<Vec<_>>(), [TRACE]);
}

#[tokio::test]
async fn a_collector_over_tls_is_sent_spans_if_its_authority_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let identity = Identity::from_pem(made.cert.pem(), made.signing_key.serialize_pem());
    let server = Server::builder().tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
    let (sent, address) = Sent::collected(server).await;
    let endpoint = format!("https://localhost:{}", address.port());
    for (authority, spans) in [(made.cert.pem(), 1), (another_authority(), 0)] {
        let path = folder.path().join("ca.crt");
        fs::write(&path, authority).unwrap();
        let kith = sending_to(Collector { authorities: Some(path), ..collector(&endpoint, 1.0) }).await;
        kith.members().get_member(get("nobody")).await.unwrap_err();
        kith.stop().await.unwrap();
        assert_eq!(std::mem::take(&mut *sent.0.lock().unwrap()).len(), spans);
    }
}

#[tokio::test]
async fn whether_a_collector_is_encrypted_is_said_once() {
    let plain = options(StoreOptions::Memory);
    for (endpoint, authorities, reason) in [
        ("https://localhost:4317", None, "https://localhost:4317/ is encrypted: give --otlp-ca too"),
        (
            "http://localhost:4317",
            Some("ca.crt".into()),
            "http://localhost:4317/ is not encrypted: --otlp-ca has no use",
        ),
        ("https://localhost:4317", Some("/no/ca.crt".into()), "--otlp-ca /no/ca.crt: No such file"),
    ] {
        let collector = Some(Collector { authorities, ..collector(endpoint, 1.0) });
        let server = ServerOptions { collector, ..plain.server.clone() };
        let refused = App::start(AppOptions { server, ..plain.clone() }).await.err().unwrap().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
}

fn another_authority() -> String {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem()
}

/// More calls than spans wait for a collector. One that waited for it would take as long as the collector may.
#[tokio::test]
async fn a_collector_that_is_gone_or_silent_holds_up_neither_calls_nor_the_end() {
    const CALLS: usize = 3_000;
    const HELD_UP: Duration = Duration::from_secs(4);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), gone] {
        let kith = sending_to(collector(&format!("http://{address}"), 1.0)).await;
        let (mut members, mut longest) = (kith.members(), Duration::ZERO);
        for _ in 0..CALLS {
            let begun = Instant::now();
            assert_eq!(members.get_member(get("nobody")).await.unwrap_err().code(), Code::NotFound);
            longest = longest.max(begun.elapsed());
        }
        drop(members);
        assert!(longest < HELD_UP, "a call took {longest:?}");
        let begun = Instant::now();
        kith.stop().await.unwrap();
        assert!(begun.elapsed() < HELD_UP, "it took {:?} to end", begun.elapsed());
    }
}
