//! The limit of a call: a tonic server that answers with as many bytes as it is asked for, and does nothing else.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use prost::bytes::{Buf, Bytes};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;

use super::raw::Raw;

/// The path of its one call.
pub const PATH: &str = "/kith.bench.Empty/Call";
/// A request says in its first bytes how many the answer is to have.
const HEAD_BYTES: usize = 4;

/// Returns a request of so many bytes, for an answer of so many.
pub fn request(request_bytes: usize, answer_bytes: usize) -> Bytes {
    let mut bytes = vec![0; request_bytes.max(HEAD_BYTES)];
    bytes[..HEAD_BYTES].copy_from_slice(&u32::try_from(answer_bytes).unwrap_or(u32::MAX).to_be_bytes());
    bytes.into()
}

#[derive(Clone)]
struct Empty;

impl NamedService for Empty {
    const NAME: &'static str = "kith.bench.Empty";
}

impl UnaryService<Bytes> for Empty {
    type Response = Bytes;
    type Future = Ready<Result<tonic::Response<Bytes>, tonic::Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let mut bytes = request.into_inner();
        let answer_bytes = if bytes.len() < HEAD_BYTES { 0 } else { bytes.get_u32() };
        ready(Ok(tonic::Response::new(Bytes::from(vec![0; answer_bytes as usize]))))
    }
}

impl Service<Request<Body>> for Empty {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move { Ok(Grpc::new(Raw).unary(Empty, request).await) })
    }
}

/// Serves on a free port until `stop` resolves; returns the address.
pub async fn serve(stop: impl Future<Output = ()> + Send + 'static) -> std::io::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let serving = tonic::transport::Server::builder().add_service(Empty).serve_with_incoming_shutdown(incoming, stop);
    // The server ends with the benchmark, which would notice a server that is gone.
    tokio::spawn(serving);
    Ok(address)
}
