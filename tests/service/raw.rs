//! Calls without a client's help: nothing is checked, retried or timed out on this side.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Error, Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::bytes::{Buf, BufMut};
use tonic::Status;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::Service;

/// One HTTP/2 connection, as a transport for the generated clients.
#[derive(Clone)]
pub struct Wire {
    sender: SendRequest<Body>,
    origin: SocketAddr,
}

impl Wire {
    pub async fn connect(origin: SocketAddr) -> Wire {
        let stream = tokio::net::TcpStream::connect(origin).await.unwrap();
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Wire { sender, origin }
    }
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Incoming>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.sender.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let uri = format!("http://{}{}", self.origin, request.uri().path());
        *request.uri_mut() = uri.parse::<Uri>().unwrap();
        Box::pin(self.sender.send_request(request))
    }
}

/// Messages as bytes, whatever they are.
#[derive(Clone, Copy, Default)]
pub struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Bytes;
    type Decoder = Bytes;

    fn encoder(&mut self) -> Bytes {
        Bytes
    }

    fn decoder(&mut self) -> Bytes {
        Bytes
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; from.remaining()];
        from.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}

/// Calls a method with a message's bytes.
pub async fn call(address: SocketAddr, path: &'static str, message: Vec<u8>) -> Result<Vec<u8>, Status> {
    let mut client = tonic::client::Grpc::new(Wire::connect(address).await);
    client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = tonic::codegen::http::uri::PathAndQuery::from_static(path);
    Ok(client.unary(tonic::Request::new(message), path, Bytes).await?.into_inner())
}
