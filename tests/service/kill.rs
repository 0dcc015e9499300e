//! SIGKILL at a random moment of an import: the service starts again, has every acknowledged write, and the import, run
//! again, completes to the same digest.
//!
//! `KITH_KILL_ROUNDS` sets how many times (6 when not given), `KITH_SEED` from which moments on.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kith::proto::v1::import_record::Record;
use kith::proto::v1::*;
use tokio::time::{sleep, timeout};
use tokio_stream::iter;
use tonic::transport::Channel;

use super::harness::{Kith, PATIENCE, connect, edge, member};

/// The import: so many calls of so many messages of so many records.
const CALLS: usize = 40;
const MESSAGES: usize = 2;
const RECORDS: usize = 100;
const RECORDS_IN_ALL: i64 = (CALLS * MESSAGES * RECORDS) as i64;

struct Process(Child, SocketAddr);

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL; one that has ended already is gone either way.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(data: &Path) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split(' ').find_map(|word| word.parse().ok());
    let address = address.unwrap_or_else(|| panic!("kith did not start: {line:?}"));
    Process(child, address)
}

/// The records of one call: edges among 2,000 members, some of them more than once, with what edges may have.
fn call(index: usize) -> Vec<ImportRequest> {
    let mut random = fastrand::Rng::with_seed(index as u64);
    let mut record = || {
        let (from, to) = (random.u32(0..2_000), random.u32(2_000..4_000));
        let kind = ["friend", "colleague", "follows"][random.usize(0..3)];
        let mut edge = edge(&format!("m{from}"), kind, &format!("m{to}"));
        // The same every time the same edge comes: an import that is run again must not flip values back and forth.
        edge.note = if (from + to) % 3 == 0 { format!("{from}-{to}") } else { String::new() };
        ImportRecord { record: Some(Record::Edge(edge)), ..Default::default() }
    };
    let mut message = || (0..RECORDS).map(|_| record()).collect();
    (0..MESSAGES)
        .map(|_| ImportRequest { records: message(), allow_missing_members: true, ..Default::default() })
        .collect()
}

fn edges_of(messages: &[ImportRequest]) -> impl Iterator<Item = &Edge> {
    messages.iter().flat_map(|message| &message.records).filter_map(|record| match &record.record {
        Some(Record::Edge(edge)) => Some(edge),
        _ => None,
    })
}

/// Imports call after call until the server is gone; how many calls, and members put beside them, were acknowledged.
async fn import_until_killed(channel: Channel) -> (usize, usize) {
    let mut data = data_service_client::DataServiceClient::new(channel.clone());
    let mut members = member_service_client::MemberServiceClient::new(channel);
    for index in 0..CALLS {
        if data.import(iter(call(index))).await.is_err() {
            return (index, index);
        }
        let put = PutMemberRequest { member: Some(member(&format!("beside-{index}"))), ..Default::default() };
        if members.put_member(put).await.is_err() {
            return (index + 1, index);
        }
    }
    (CALLS, CALLS)
}

async fn info(channel: Channel) -> GetServerInfoResponse {
    let mut admin = admin_service_client::AdminServiceClient::new(channel);
    admin.get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner()
}

async fn check_acknowledged(channel: Channel, calls: usize, members: usize) {
    let mut edges = edge_service_client::EdgeServiceClient::new(channel.clone());
    for index in 0..calls {
        for edge in edges_of(&call(index)) {
            let get = GetEdgeRequest {
                from_id: edge.from_id.clone(),
                kind: edge.kind.clone(),
                to_id: edge.to_id.clone(),
                ..Default::default()
            };
            let found = edges.get_edge(get).await.unwrap_or_else(|status| panic!("call {index}, {edge:?}: {status:?}"));
            assert_eq!(found.into_inner().edge.unwrap().note, edge.note);
        }
    }
    let mut service = member_service_client::MemberServiceClient::new(channel);
    for index in 0..members {
        let get = GetMemberRequest { id: format!("beside-{index}"), ..Default::default() };
        service.get_member(get).await.unwrap();
    }
}

async fn whole_import(channel: Channel) -> GetServerInfoResponse {
    let (calls, members) = import_until_killed(channel.clone()).await;
    assert_eq!((calls, members), (CALLS, CALLS));
    info(channel).await
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_import_loses_nothing_and_completes_to_the_same_digest() {
    let reference = Kith::in_memory().await;
    let begin = std::time::Instant::now();
    let expected = whole_import(reference.channel.clone()).await;
    reference.stop().await.unwrap();
    assert!(expected.edges > RECORDS_IN_ALL / 2);
    let whole = begin.elapsed().max(Duration::from_millis(100));

    let mut random = fastrand::Rng::with_seed(setting("KITH_SEED", 1));
    let mut cut_off = Vec::new();
    for round in 0..setting("KITH_KILL_ROUNDS", 6) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("store");
        let moment = whole.mul_f64(random.f64() * 1.5);
        let process = serve(&data);
        let importing = tokio::spawn(import_until_killed(connect(process.1).await));
        sleep(moment).await;
        drop(process);
        let (calls, members) = timeout(PATIENCE, importing).await.expect("the import ends").unwrap();
        cut_off.extend((calls < CALLS).then_some(calls));

        let process = serve(&data);
        let channel = connect(process.1).await;
        check_acknowledged(channel.clone(), calls, members).await;
        let again = whole_import(channel).await;
        assert_eq!(again.content_digest, expected.content_digest, "round {round}, killed after {moment:?}");
        assert_eq!((again.members, again.edges), (expected.members, expected.edges));
    }
    println!("cut off after so many of {CALLS} acknowledged calls: {cut_off:?}");
    assert!(!cut_off.is_empty(), "no round was cut off");
}
