//! What the log says of calls: how they are known there, and by which trace.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use kith::proto::v1::edge_service_client::EdgeServiceClient;
use kith::proto::v1::member_service_client::MemberServiceClient;
use kith::proto::v1::{GetMemberRequest, PutEdgeRequest};
use serde_json::Value;
use tonic::{Code, Request};

use crate::harness::{connect, edge};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn known_as<T>(name: &'static str, token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert("x-request-id", name.parse().unwrap());
    metadata.insert("traceparent", format!("00-{TRACE}-{PARENT}-01").parse().unwrap());
    metadata.insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

#[tokio::test]
async fn a_call_is_known_by_its_callers_name_and_trace() {
    let folder = tempfile::tempdir().unwrap();
    let hash = ring::digest::digest(&ring::digest::SHA256, b"the-token");
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let callers = folder.path().join("callers.toml");
    let caller =
        format!("[[callers]]\nname = \"feed\"\nroles = [\"write\", \"service\"]\ntoken_sha256 = [\"{hash}\"]\n");
    fs::write(&callers, caller).unwrap();
    let mut serve = Command::new(env!("CARGO_BIN_EXE_kith"));
    serve.args(["serve", "--listen", "127.0.0.1:0", "--drain-seconds", "1", "--log", "debug", "--log-format", "json"]);
    serve.arg("--data").arg(folder.path().join("store")).arg("--auth").arg(&callers);
    let mut server = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let address = said.split(' ').find_map(|word| word.parse().ok()).unwrap_or_else(|| panic!("{said:?}"));

    let channel = connect(address).await;
    let put =
        PutEdgeRequest { edge: Some(edge("ana", "friend", "ben")), allow_missing_members: true, ..Default::default() };
    let mut edges = EdgeServiceClient::new(channel.clone());
    edges.put_edge(known_as("order-17", "the-token", put)).await.unwrap();
    let mut members = MemberServiceClient::new(channel);
    let get = || GetMemberRequest { id: "nobody".to_owned(), ..Default::default() };
    let missing = members.get_member(known_as("two words", "the-token", get())).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    let denied = members.get_member(known_as("order-18", "another-token", get())).await.unwrap_err();
    assert_eq!(denied.code(), Code::Unauthenticated);
    drop((edges, members));
    assert!(Command::new("kill").arg(server.id().to_string()).status().unwrap().success());
    let mut log = String::new();
    server.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(server.wait().unwrap().success(), "{log}");

    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |message: &str, rpc: &str| {
        let mut found = lines.iter().map(|line| &line["fields"]);
        let found = found.find(|fields| fields["message"] == message && fields["rpc"] == rpc);
        found.unwrap_or_else(|| panic!("no {message} of {rpc} in {log}"))
    };
    let write = of("write", "EdgeService/PutEdge");
    assert_eq!((&write["call"], &write["trace_id"]), (&"order-17".into(), &TRACE.into()), "{write}");
    let denied = of("denied", "MemberService/GetMember");
    assert_eq!((&denied["call"], &denied["trace_id"]), (&"order-18".into(), &TRACE.into()), "{denied}");
    let call = of("call", "EdgeService/PutEdge");
    let trace = (&call["call"], &call["trace_id"], &call["parent_id"], &call["code"]);
    assert_eq!(trace, (&"order-17".into(), &TRACE.into(), &PARENT.into(), &"OK".into()), "{call}");
    assert!(call["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{call}");
    let unnamed = of("call", "MemberService/GetMember");
    assert!(unnamed["call"].as_str().unwrap().starts_with('#') && unnamed["code"] == "NotFound", "{unnamed}");
    assert!(!log.contains("the-token") && !log.contains("another-token"), "{log}");
}
