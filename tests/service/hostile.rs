//! Clients that mean harm, or are broken: each is at it while a bystander asks, and while the server is told to stop.
//!
//! `KITH_HOSTILE_SECONDS` makes each attack longer than the short form that every run has. Figures are printed; the bounds that are
//! asserted leave room for machines that do other work too. `KITH_TIMES=1 KITH_HOSTILE_SECONDS=10 … -- --test-threads 1`, on a machine
//! that does nothing else, holds them to the bar: twice what the bystander waits alone.

use std::net::SocketAddr;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kith::app::{AppOptions, ConnectionLimits, StoreOptions};
use kith::proto::v1::member_service_client::MemberServiceClient;
use kith::proto::v1::{GetMemberRequest, ListMembersRequest, PutMemberRequest};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tonic::{Code, Request};

use crate::frames::*;
use crate::harness::{Kith, PATIENCE, bars_hold, connect, member, options, reason};
use crate::process::Process;
use crate::raw;

/// A bystander's slowest answers may take so long, whatever goes on.
const BYSTANDER_P99_MAX: Duration = Duration::from_millis(500);
const RESIDENT_MIB_MAX: u64 = 700;
const STOP_MAX: Duration = Duration::from_secs(4);

/// A server that leaves the processor to the bystander when that asks for it, as if the two had a machine each.
fn serve(folder: &std::path::Path) -> Process {
    let mut nice = Command::new("nice");
    nice.args(["-n", "10", env!("CARGO_BIN_EXE_kith")]);
    Process::serve(nice, folder, &["--drain-seconds", "1"])
}

fn attack_time() -> Duration {
    let seconds = std::env::var("KITH_HOSTILE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    seconds.map_or(Duration::from_millis(800), Duration::from_secs)
}

/// The bystander's p99 over the time. Every call is answered.
async fn p99(address: SocketAddr, time: Duration) -> Duration {
    let mut members = MemberServiceClient::new(connect(address).await);
    let begin = Instant::now();
    let mut took = Vec::new();
    while begin.elapsed() < time {
        let asked = Instant::now();
        let answer = members.get_member(GetMemberRequest { id: "ana".to_owned(), ..Default::default() });
        tokio::time::timeout(PATIENCE, answer).await.expect("the bystander is answered").unwrap();
        took.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    took.sort();
    took[took.len() * 99 / 100]
}

/// An attack that goes on, again and again until it is dropped: whatever the server does to it is right. An attacker has a machine
/// of its own; this one has a thread, and what is left of the processor when the server and the bystander want none.
struct Attack {
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Attack {
    fn on<F: Future<Output = std::io::Result<()>>>(
        address: SocketAddr,
        attack: impl Fn(SocketAddr) -> F + Send + 'static,
    ) -> Attack {
        let (end, mut ended) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let thread = std::fs::read_link("/proc/thread-self").unwrap();
            let idle = Command::new("chrt").args(["--idle", "--pid", "0"]).arg(thread.file_name().unwrap()).output();
            if !idle.is_ok_and(|output| output.status.success()) {
                println!("no chrt here: the attack competes for the processor");
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                while ended.try_recv() == Err(TryRecvError::Empty) {
                    tokio::select! {
                        _ = attack(address) => tokio::task::yield_now().await,
                        _ = &mut ended => return,
                    }
                }
            });
        });
        Attack { end, thread }
    }

    fn end(self) {
        let _ = self.end.send(());
        self.thread.join().unwrap();
    }
}

/// Runs it beside a bystander, then stops the server while it goes on.
async fn withstands<F: Future<Output = std::io::Result<()>>>(
    name: &str,
    attack: impl Fn(SocketAddr) -> F + Send + 'static,
) {
    let folder = tempfile::tempdir().unwrap();
    let mut served = serve(folder.path());
    let mut members = MemberServiceClient::new(connect(served.address).await);
    members.put_member(PutMemberRequest { member: Some(member("ana")), ..Default::default() }).await.unwrap();
    let time = attack_time();
    let alone = p99(served.address, time).await;
    let going_on = Attack::on(served.address, attack);
    let beside = p99(served.address, time).await;
    let resident = served.kib("VmHWM") / 1_024;
    let stop = served.stopped().await;
    going_on.end();
    println!(
        "{name}: bystander's p99 {alone:?} alone, {beside:?} beside it; {resident} MiB at most; stopped in {stop:?}"
    );
    // Of times alone: other tests run beside this one.
    let bar = if bars_hold() { 2 * alone } else { BYSTANDER_P99_MAX };
    assert!(beside <= bar, "{name}: the bystander waits {beside:?}");
    assert!(resident < RESIDENT_MIB_MAX, "{name}: {resident} MiB");
    assert!(stop < STOP_MAX, "{name}: it stops in {stop:?}");
}

const IMPORT: &str = "/kith.v1.DataService/Import";
const LIST: &str = "/kith.v1.MemberService/ListMembers";

async fn hold(streams: Vec<TcpStream>) -> std::io::Result<()> {
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(streams);
    Ok(())
}

#[tokio::test]
async fn silent_connections() {
    withstands("silent connections", |server| async move {
        let mut streams = Vec::new();
        while streams.len() < 1_500 {
            streams.push(silent(server).await?);
        }
        hold(streams).await
    })
    .await;
}

#[tokio::test]
async fn headers_that_come_byte_by_byte() {
    withstands("slow headers", |server| async move {
        let mut streams = Vec::new();
        for _ in 0..200 {
            let mut stream = greeted(server, &[]).await?;
            let block = call(LIST);
            // Headers that do not end: the rest would come in CONTINUATION frames.
            stream.write_all(&frame(HEADERS, 0, 1, &block[..8])).await?;
            streams.push(stream);
        }
        hold(streams).await
    })
    .await;
}

#[tokio::test]
async fn twenty_thousand_streams() {
    withstands("20,000 streams", |server| async move {
        let mut stream = greeted(server, &[]).await?;
        let block = call(IMPORT);
        for id in 0..20_000 {
            stream.write_all(&frame(HEADERS, END_HEADERS, 2 * id + 1, &block)).await?;
        }
        hold(vec![stream]).await
    })
    .await;
}

#[tokio::test]
async fn streams_that_are_reset_at_once() {
    withstands("rapid reset", |server| async move {
        let mut stream = greeted(server, &[]).await?;
        let block = call(LIST);
        for id in 0..20_000 {
            let mut frames = frame(HEADERS, END_HEADERS | END_STREAM, 2 * id + 1, &block);
            frames.extend(frame(RST_STREAM, 0, 2 * id + 1, &8_u32.to_be_bytes()));
            stream.write_all(&frames).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn huge_metadata() {
    withstands("huge metadata", |server| async move {
        let mut stream = greeted(server, &[]).await?;
        for id in 0..100 {
            let mut block = call(LIST);
            header(&mut block, "x", &"y".repeat(16_000));
            stream.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 2 * id + 1, &block)).await?;
        }
        hold(vec![stream]).await
    })
    .await;
}

#[tokio::test]
async fn messages_that_never_end() {
    withstands("endless client streams", |server| async move {
        let mut stream = greeted(server, &[]).await?;
        let block = call(IMPORT);
        for id in 0..64 {
            let id = 2 * id + 1;
            stream.write_all(&frame(HEADERS, END_HEADERS, id, &block)).await?;
            // The head of a message of 4 MiB, and a little of it.
            let mut data = vec![0, 0, 0x3f, 0xff, 0xff];
            data.resize(8_000, 7);
            stream.write_all(&frame(DATA, 0, id, &data)).await?;
        }
        hold(vec![stream]).await
    })
    .await;
}

#[tokio::test]
async fn windows_that_never_open() {
    withstands("ignored windows", |server| async move {
        // SETTINGS_INITIAL_WINDOW_SIZE of 0: no answer can be sent.
        let mut stream = greeted(server, &[(4, 0)]).await?;
        let block = call(LIST);
        for id in 0..400 {
            stream.write_all(&frame(HEADERS, END_HEADERS, 2 * id + 1, &block)).await?;
            stream.write_all(&frame(DATA, END_STREAM, 2 * id + 1, &[0; 5])).await?;
        }
        hold(vec![stream]).await
    })
    .await;
}

#[tokio::test]
async fn bytes_that_are_no_http() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    withstands("noise", move |server| async move {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut stream = greeted(server, &[]).await?;
        let noise: Vec<u8> = (0..4_096).map(|_| random.u8(..)).collect();
        stream.write_all(&noise).await?;
        is_ended(&mut stream, Duration::from_secs(1)).await;
        Ok(())
    })
    .await;
}

fn impatient(change: impl FnOnce(&mut ConnectionLimits)) -> AppOptions {
    let mut served = options(StoreOptions::Memory);
    change(&mut served.server.connections);
    served
}

#[tokio::test]
async fn a_connection_that_does_not_greet_or_take_is_ended() {
    let short = Duration::from_millis(200);
    let kith = Kith::start(impatient(|limits| (limits.greeting, limits.stall) = (short, short))).await;
    let mut mute = silent(kith.address).await.unwrap();
    assert!(is_ended(&mut mute, PATIENCE).await, "it says nothing");
    let mut slow = silent(kith.address).await.unwrap();
    slow.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    assert!(is_ended(&mut slow, PATIENCE).await, "it says too little");

    let mut shut = greeted(kith.address, &[(4, 0)]).await.unwrap();
    shut.write_all(&frame(HEADERS, END_HEADERS, 1, &call(LIST))).await.unwrap();
    shut.write_all(&frame(DATA, END_STREAM, 1, &[0; 5])).await.unwrap();
    assert!(is_ended(&mut shut, PATIENCE).await, "it takes no answer");

    // Whoever waits for changes that do not come has nothing to take.
    let mut idle = greeted(kith.address, &[]).await.unwrap();
    idle.write_all(&frame(HEADERS, END_HEADERS, 1, &call("/kith.v1.DataService/Watch"))).await.unwrap();
    idle.write_all(&frame(DATA, END_STREAM, 1, &[0; 5])).await.unwrap();
    assert!(!is_ended(&mut idle, 4 * short).await, "it waits in good faith");
    kith.members().list_members(ListMembersRequest::default()).await.unwrap();
}

#[tokio::test]
async fn a_connection_too_many_is_closed() {
    let kith = Kith::start(impatient(|limits| limits.connections_per_address = 2)).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut stream = greeted(kith.address, &[]).await.unwrap();
        stream.write_all(&frame(HEADERS, END_HEADERS, 1, &call("/kith.v1.DataService/Watch"))).await.unwrap();
        stream.write_all(&frame(DATA, END_STREAM, 1, &[0; 5])).await.unwrap();
        // Its call is under way when its answer has begun.
        while !answer_began(&mut stream).await {}
        busy.push(stream);
    }
    let mut third = silent(kith.address).await.unwrap();
    assert!(is_ended(&mut third, PATIENCE).await);
    // The bystander is at another address.
    kith.members().list_members(ListMembersRequest::default()).await.unwrap();
}

#[tokio::test]
async fn each_abuse_has_its_code() {
    let kith = Kith::start(options(StoreOptions::Memory)).await;
    let mut long = Request::new(ListMembersRequest::default());
    long.metadata_mut().insert("x", "y".repeat(20_000).parse().unwrap());
    let refused = kith.members().list_members(long).await.unwrap_err();
    assert_eq!((refused.code(), &*reason(&refused)), (Code::ResourceExhausted, "TOO_LONG"), "metadata");

    let nested = raw::call(kith.address, "/kith.v1.MemberService/PutMember", vec![0x0b; 1_000_000]).await.unwrap_err();
    assert_eq!((nested.code(), &*reason(&nested)), (Code::InvalidArgument, "MALFORMED"), "groups without end");

    let channel = connect(kith.address).await;
    let mut compressing = MemberServiceClient::with_interceptor(channel, |mut request: Request<()>| {
        request.metadata_mut().insert("grpc-encoding", "gzip".parse().unwrap());
        Ok(request)
    });
    let refused = compressing.list_members(ListMembersRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented, "nothing compressed is taken, so that no bomb goes off");
    kith.stop().await.unwrap();
}
