//! The page of metrics: plain HTTP on a port of its own, for Prometheus to read. It holds counts, and names of kinds, RPCs and namespaces.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::prometheus_text::{CONTENT_TYPE, encode};
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::codegen::http::{Method, Request, Response, StatusCode};

const PATH: &str = "/metrics";
/// The readers at once; a further one is closed.
const READERS_MAX: usize = 16;
/// How long a reader has to ask and to take its answer.
const READER_WAIT_MAX: Duration = Duration::from_secs(10);
const ACCEPT_RETRY_WAIT: Duration = Duration::from_millis(50);

pub struct Page {
    pub registry: Registry,
}

/// Serves the page until it is dropped.
pub async fn serve(socket: TcpListener, page: Page) {
    let page = Arc::new(page);
    let mut readers = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = readers.join_next() => {}
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) if readers.len() < READERS_MAX => {
                    readers.spawn(timeout(READER_WAIT_MAX, answer(stream, page.clone())));
                }
                Ok(_) => tracing::debug!("too many read the metrics at once"),
                Err(error) => {
                    tracing::warn!("cannot accept a reader of metrics: {error}");
                    sleep(ACCEPT_RETRY_WAIT).await;
                }
            },
        }
    }
}

async fn answer(stream: TcpStream, page: Arc<Page>) {
    let service = service_fn(|request| read(request, page.clone()));
    let mut http1 = http1::Builder::new();
    http1.timer(TokioTimer::new()).keep_alive(false);
    if let Err(error) = http1.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!("a reader of metrics ended badly: {error}");
    }
}

async fn read(request: Request<Incoming>, page: Arc<Page>) -> Result<Response<String>, Infallible> {
    let refused = |code, text: &str| {
        let mut response = Response::new(format!("{text}\n"));
        *response.status_mut() = code;
        Ok(response)
    };
    if request.uri().path() != PATH {
        return refused(StatusCode::NOT_FOUND, "the metrics are at /metrics");
    }
    if request.method() != Method::GET {
        return refused(StatusCode::METHOD_NOT_ALLOWED, "the metrics can only be read");
    }
    let mut text = String::new();
    if encode(&mut text, &page.registry).is_err() {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written");
    }
    let mut response = Response::new(text);
    if let Ok(kind) = CONTENT_TYPE.parse() {
        response.headers_mut().insert("content-type", kind);
    }
    Ok(response)
}
