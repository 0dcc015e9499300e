//! The page of metrics: what it counts under a load that is known, and to whom it answers.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use kith::app::{AppOptions, ArchiveOptions, EngineOptions, Rate, ServerOptions, StoreOptions};
use kith::proto::v1::{
    DiscoverStatusesRequest, GetMemberRequest, GetReachRequest, ReadOptions, WatchRequest, get_reach_request,
};
use tonic::Code;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_prost::ProstCodec;

use crate::harness::{Kith, PATIENCE, edge, options};

/// Each sample's value by its name with its labels.
pub type Page = BTreeMap<String, f64>;

/// Head and body of what a path answers.
pub async fn get(address: SocketAddr, method: &str, path: &str) -> (String, String) {
    let request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\n\r\n");
    let read = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

pub async fn scrape(address: SocketAddr) -> Page {
    let (head, body) = get(address, "GET", "/metrics").await;
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("text/plain; version=0.0.4"), "{head}");
    let samples = body.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")))
    };
    samples.map(sample).collect()
}

/// Calls an RPC that no server has.
pub async fn ask_for_what_is_not_there(kith: &Kith) {
    let mut grpc = Grpc::new(kith.channel.clone());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static("/kith.v1.PathService/NoSuchMethod");
    let refused = grpc.unary::<(), (), _>(tonic::Request::new(()), path, ProstCodec::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

/// Scrapes until a sample is as it should be.
async fn becomes(address: SocketAddr, name: &str, is_right: impl Fn(f64) -> bool) -> Page {
    let begin = Instant::now();
    loop {
        let page = scrape(address).await;
        if page.get(name).is_some_and(|value| is_right(*value)) {
            return page;
        }
        assert!(begin.elapsed() < PATIENCE, "{name} stays as it is: {page:#?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub fn measured(store: StoreOptions) -> AppOptions {
    let metrics = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let plain = options(store);
    AppOptions { server: ServerOptions { metrics, ..plain.server }, ..plain }
}

fn of(service: &str, rpc: &str, kind: &str) -> String {
    format!("grpc_type=\"{kind}\",grpc_service=\"kith.v1.{service}\",grpc_method=\"{rpc}\"")
}

fn handled(service: &str, rpc: &str, kind: &str, code: &str) -> String {
    format!("grpc_server_handled_total{{{},grpc_code=\"{code}\"}}", of(service, rpc, kind))
}

#[tokio::test]
async fn counters_move_as_the_load_does() {
    let folder = tempfile::tempdir().unwrap();
    let options = measured(StoreOptions::Folder(folder.path().to_owned()));
    let scrub_every = Duration::from_millis(100);
    let engine = EngineOptions { checkpoint_log_bytes_min: 1, scrub_every, ..options.engine };
    let viewer_rate = Some(Rate { per_second: 1, burst: 1 });
    let server = ServerOptions { viewer_rate, ..options.server };
    let apart = tempfile::tempdir().unwrap();
    let (url, day) = (apart.path().join("archive").display().to_string(), Duration::from_secs(24 * 3_600));
    let archive = Some(ArchiveOptions { url, every: Duration::from_millis(10), backup_every: day, keep: day });
    let kith = Kith::start(AppOptions { engine, server, archive, ..options }).await;
    let metrics = kith.metrics.unwrap();
    let before = scrape(metrics).await;
    assert_eq!((before["kith_serving"], before["kith_members"], before["kith_commands_total"]), (1.0, 0.0, 0.0));

    kith.put_chain().await;
    let missing = GetMemberRequest { id: "nobody".to_owned(), ..Default::default() };
    assert_eq!(kith.members().get_member(missing).await.unwrap_err().code(), Code::NotFound);
    let subject = Some(get_reach_request::Subject::MemberId("ana".to_owned()));
    let read = Some(ReadOptions { max_edges_visited: 1, ..Default::default() });
    kith.reach().get_reach(GetReachRequest { subject, read, ..Default::default() }).await.unwrap();
    for _ in 0..3 {
        let discover = DiscoverStatusesRequest { viewer_id: "ana".to_owned(), ..Default::default() };
        let _ = kith.reach().discover_statuses(discover).await;
    }
    ask_for_what_is_not_there(&kith).await;
    let watched = kith.data().watch(WatchRequest::default()).await.unwrap();
    drop(watched);

    let page = becomes(metrics, &handled("DataService", "Watch", "stream", "Canceled"), |count| count == 1.0).await;
    for (name, value) in [
        (format!("grpc_server_started_total{{{}}}", of("EdgeService", "PutEdge", "unary")), 4.0),
        (handled("EdgeService", "PutEdge", "unary", "OK"), 4.0),
        (format!("grpc_server_handling_seconds_count{{{}}}", of("EdgeService", "PutEdge", "unary")), 4.0),
        (handled("MemberService", "GetMember", "unary", "NotFound"), 1.0),
        (handled("ReachService", "DiscoverStatuses", "unary", "ResourceExhausted"), 2.0),
        ("kith_viewer_quota_refusals_total".to_owned(), 2.0),
        ("kith_calls_refused_total{reason=\"UNIMPLEMENTED\"}".to_owned(), 1.0),
        ("kith_queries_ended_early_total{limit=\"edges_visited\"}".to_owned(), 1.0),
        ("kith_connections".to_owned(), 1.0),
        ("kith_members".to_owned(), 5.0),
        ("kith_edges{kind=\"friend\"}".to_owned(), 1.0),
        ("kith_edges{kind=\"spouse\"}".to_owned(), 0.0),
        ("kith_commands_total".to_owned(), 4.0),
        ("kith_batch_commands_sum".to_owned(), 4.0),
        ("kith_batches_refused_total".to_owned(), 0.0),
        ("kith_prepared_total".to_owned(), 0.0),
        ("kith_prepared_anew_total".to_owned(), 0.0),
        ("kith_clock_waits".to_owned(), 0.0),
        ("kith_memory_full".to_owned(), 0.0),
    ] {
        assert_eq!(page.get(&name), Some(&value), "{name} of {page:#?}");
    }
    let grown = |name: &str| page[name] > before.get(name).copied().unwrap_or_default();
    for name in [
        "kith_revision",
        "kith_append_seconds_sum",
        "kith_query_edges_visited_total{lane=\"at_once\"}",
        "kith_queries_total{lane=\"at_once\"}",
    ] {
        assert!(grown(name), "{name} of {page:#?}");
    }
    // A checkpoint's report passes through the queue too.
    becomes(metrics, "kith_write_queue", |waiting| waiting == 0.0).await;
    becomes(metrics, "kith_checkpoints_total", |count| count >= 1.0).await;
    becomes(metrics, "kith_checkpoint_due_seconds", |seconds| seconds == 0.0).await;
    let page = becomes(metrics, "kith_scrubs_total", |count| count >= 1.0).await;
    assert_eq!(page["kith_scrub_findings_total"], 0.0, "{page:#?}");
    assert!(page["kith_store_disk_bytes"] > 0.0, "{page:#?}");
    assert!(page["kith_checkpoint_timestamp_seconds"] > 0.0 && page["kith_checkpoint_revision"] > 0.0, "{page:#?}");
    let page = becomes(metrics, "kith_archive_revision", |revision| revision == page["kith_revision"]).await;
    assert!(page["kith_backup_timestamp_seconds"] > 0.0 && page["kith_archive_failures_total"] == 0.0, "{page:#?}");
    assert_eq!((page["kith_archive_lag_commands"], page["kith_archive_lag_seconds"]), (0.0, 0.0));
    std::fs::remove_dir_all(apart.path()).unwrap();
    std::fs::write(apart.path(), "no folder").unwrap();
    becomes(metrics, "kith_archive_failures_total", |failures| failures > 0.0).await;
    kith.put_edge(edge("ana", "friend", "eva")).await;
    becomes(metrics, "kith_archive_lag_commands", |commands| commands > 0.0).await;
    becomes(metrics, "kith_archive_lag_seconds", |seconds| seconds > 0.0).await;
    std::fs::remove_file(apart.path()).unwrap();
    kith.stop().await.unwrap();
}

#[tokio::test]
async fn the_page_is_all_there_is_on_its_port_and_ends_with_the_server() {
    let kith = Kith::start(measured(StoreOptions::Memory)).await;
    let metrics = kith.metrics.unwrap();
    for (method, path, code) in [("GET", "/", "404"), ("GET", "/metricsx", "404"), ("POST", "/metrics", "405")] {
        let (head, _) = get(metrics, method, path).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {code} ")), "{method} {path}: {head}");
    }
    // Who connects and says nothing keeps nobody from reading.
    let silent: Vec<_> = (0..8).map(|_| TcpStream::connect(metrics).unwrap()).collect();
    assert_eq!(scrape(metrics).await["kith_serving"], 1.0);
    kith.stop().await.unwrap();
    drop(silent);
    assert!(TcpStream::connect(metrics).is_err(), "the port is free again");
}
