//! What one caller takes of the server is not refused to another: bytes of messages, connections, streams. And what is open to all, to
//! those without credentials too, is bounded apart.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body::{Body as HttpBody, Frame};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kith::app::{AppOptions, CallLimits, ReceivedLimits, ServerOptions, StoreOptions};
use kith::proto::v1::*;
use prost::bytes::Bytes;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::frames::{greeted, is_ended};
use crate::harness::{Kith, PATIENCE, connect, member, options, reason};
use crate::raw::Wire;

const MIB: usize = 1_024 * 1_024;

fn served(change: impl FnOnce(&mut ServerOptions)) -> AppOptions {
    let mut served = options(StoreOptions::Memory);
    change(&mut served.server);
    served
}

/// A message of 4 MiB of which so much comes, and no more.
struct Unended {
    head: Option<Bytes>,
    left: usize,
}

impl HttpBody for Unended {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(Frame::data(head))));
        }
        let piece = self.left.min(64 * 1_024);
        self.left -= piece;
        if piece == 0 { Poll::Pending } else { Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; piece]))))) }
    }
}

async fn connection_from(address: [u8; 4], server: SocketAddr) -> SendRequest<Unended> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    let stream = socket.connect(server).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn unended(server: SocketAddr, rpc: &str, bytes: usize) -> Request<Unended> {
    let head = [vec![0], (4 * MIB as u32).to_be_bytes().to_vec()].concat();
    let uri: Uri = format!("http://{server}/kith.v1.{rpc}").parse().unwrap();
    let request = Request::post(uri).header("content-type", "application/grpc").header("te", "trailers");
    request.body(Unended { head: Some(head.into()), left: bytes }).unwrap()
}

async fn until<F: Future<Output = bool>>(mut asked: impl FnMut() -> F) {
    let begin = Instant::now();
    while !asked().await {
        assert!(begin.elapsed() < PATIENCE, "it does not come true");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn messages_of_one_caller_that_never_end_refuse_no_other() {
    let kith = Kith::start(served(|server| server.received = ReceivedLimits::of(32 * MIB))).await;
    kith.put_member(member("ana")).await;
    let mut ended = JoinSet::new();
    for _ in 0..4 {
        let mut connection = connection_from([127, 0, 0, 5], kith.address).await;
        for _ in 0..8 {
            let answer = connection.send_request(unended(kith.address, "MemberService/GetMember", 3 * MIB));
            let connection = connection.clone();
            ended.spawn(async move {
                let answer = answer.await;
                drop(connection);
                answer
            });
        }
    }
    // 96 MiB were begun, and 8 may be theirs: the oldest are ended, each with its code.
    for _ in 0..24 {
        let answer = tokio::time::timeout(PATIENCE, ended.join_next()).await.expect("the oldest give way");
        let answer = answer.unwrap().unwrap().unwrap();
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!((status.code(), &*reason(&status)), (Code::ResourceExhausted, "OVERLOADED"));
    }
    for _ in 0..20 {
        let get = GetMemberRequest { id: "ana".to_owned(), ..Default::default() };
        kith.members().get_member(get).await.unwrap();
        let long = Member { display_name: "a".repeat(2 * MIB), ..member("ana") };
        let put = PutMemberRequest { member: Some(long), ..Default::default() };
        let refused = kith.members().put_member(put).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "it was received and looked at: {refused:?}");
    }
    drop(ended);
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn a_message_that_stops_half_way_ends_its_call_and_one_in_a_stream_does_too() {
    let kith = Kith::start(served(|server| server.silence = Duration::from_millis(100))).await;
    let mut connection = connection_from([127, 0, 0, 6], kith.address).await;
    for rpc in ["MemberService/GetMember", "DataService/Import"] {
        let answer = connection.send_request(unended(kith.address, rpc, 1_000));
        let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
        let status = Status::from_header_map(answer.headers()).unwrap();
        assert_eq!((status.code(), &*reason(&status)), (Code::ResourceExhausted, "OVERLOADED"), "{rpc}");
    }
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn connections_that_do_nothing_make_way_for_a_new_one() {
    let kith = Kith::start_unconnected(served(|server| server.connections.connections = 32)).await;
    let mut idle = Vec::new();
    for _ in 0..32 {
        idle.push(greeted(kith.address, &[]).await.unwrap());
    }
    // On each a service asks whether the server lives, and on one more somebody calls.
    let mut served = Vec::new();
    for _ in 0..8 {
        let mut client = DataServiceOf::new(connect(kith.address).await);
        client.watch(WatchRequest::default()).await.unwrap();
        served.push(client);
    }
    for stream in &mut idle[..2] {
        assert!(is_ended(stream, PATIENCE).await, "the oldest that do nothing make way");
    }
    for client in &mut served {
        client.watch(WatchRequest::default()).await.unwrap();
    }
}

type DataServiceOf = data_service_client::DataServiceClient<tonic::transport::Channel>;

#[tokio::test]
async fn a_connection_without_calls_ends_and_one_that_asks_for_health_does_not() {
    let short = Duration::from_secs(1);
    let kith = Kith::start(served(|server| {
        (server.connections.idle_unknown, server.connections.idle) = (short, 2 * short);
    }))
    .await;
    let mut mute = greeted(kith.address, &[]).await.unwrap();
    let mut watching = HealthClient::new(Wire::connect(kith.address).await);
    let mut watched = watching.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    watched.message().await.unwrap().unwrap();
    assert!(is_ended(&mut mute, PATIENCE).await, "it asks nothing");
    let mut health = HealthClient::new(Wire::connect(kith.address).await);
    let begin = Instant::now();
    while begin.elapsed() < 3 * short {
        health.check(HealthCheckRequest::default()).await.expect("its connection lives on");
        tokio::time::sleep(short / 50).await;
    }
    watching.check(HealthCheckRequest::default()).await.expect("so does one with a stream");
    // A client that called before is asked to come again, and does.
    kith.members().list_members(ListMembersRequest::default()).await.unwrap();
    tokio::time::sleep(4 * short).await;
    kith.members().list_members(ListMembersRequest::default()).await.unwrap();
}

#[tokio::test]
async fn watches_of_health_take_no_streams_of_callers() {
    let limits = CallLimits { streams: 4, streams_per_caller: 4, ..CallLimits::default() };
    let kith = Kith::start(served(|server| server.calls = limits)).await;
    let mut health = HealthClient::new(connect(kith.address).await);
    let mut watched = Vec::new();
    let refused = loop {
        match health.watch(HealthCheckRequest::default()).await {
            Ok(stream) => watched.push(stream),
            Err(status) => break status,
        }
        assert!(watched.len() < 2_000, "they are bounded too");
    };
    assert_eq!((refused.code(), &*reason(&refused)), (Code::ResourceExhausted, "OVERLOADED"));
    assert!(watched.len() >= 256, "{}", watched.len());
    HealthClient::new(connect(kith.address).await).check(HealthCheckRequest::default()).await.unwrap();
    kith.data().watch(WatchRequest::default()).await.unwrap();
    let records = [ImportRecord {
        record: Some(import_record::Record::Member(member("ana"))),
        position: 1,
        ..Default::default()
    }];
    let import = ImportRequest { records: records.into(), ..Default::default() };
    kith.data().import(tokio_stream::iter([import])).await.unwrap();
    drop(watched);
    until(|| async { HealthClient::new(kith.channel.clone()).watch(HealthCheckRequest::default()).await.is_ok() })
        .await;
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn what_needs_no_role_takes_no_long_messages() {
    let kith = Kith::in_memory().await;
    let long = HealthCheckRequest { service: "a".repeat(100_000) };
    let refused = HealthClient::new(kith.channel.clone()).check(long).await.unwrap_err();
    assert_eq!((refused.code(), &*reason(&refused)), (Code::ResourceExhausted, "TOO_LONG"));
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_no_grpc_is_refused_as_http() {
    let kith = Kith::in_memory().await;
    let mut connection = connection_from([127, 0, 0, 1], kith.address).await;
    for (content, status) in [("application/json", 415), ("application/grpc-web+proto", 415), ("", 415)] {
        let mut request = unended(kith.address, "MemberService/GetMember", 0);
        request.headers_mut().insert("content-type", content.parse().unwrap());
        let answer = tokio::time::timeout(PATIENCE, connection.send_request(request)).await.unwrap().unwrap();
        assert_eq!(answer.status().as_u16(), status, "{content}");
    }
    let mut request = unended(kith.address, "MemberService/GetMember", 0);
    *request.method_mut() = hyper::Method::GET;
    let answer = tokio::time::timeout(PATIENCE, connection.send_request(request)).await.unwrap().unwrap();
    assert_eq!(answer.status().as_u16(), 405);
    kith.stop().await.unwrap();
}
