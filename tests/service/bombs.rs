//! Messages that are small on the wire and large in memory: of every repeated field of every RPC the worst that fits into a message,
//! against the real binary, whose memory is looked at from outside.

use std::process::Command;

use kith::proto::DESCRIPTORS;
use prost::encoding::encode_varint;
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Status};

use crate::harness::reason;
use crate::process::Process;
use crate::raw::{Bytes, Wire};

const MESSAGE_BYTES: usize = 4 * 1_024 * 1_024 - 64;
/// What a message may take in memory: so many times its bytes, and so much more.
const TIMES_MAX: u64 = 16;
const MORE_KIB_MAX: u64 = 1_024;

fn tagged(field: &FieldDescriptor, content: &[u8], bytes: &mut Vec<u8>) {
    encode_varint(u64::from(field.number() << 3 | 2), bytes);
    encode_varint(content.len() as u64, bytes);
    bytes.extend_from_slice(content);
}

fn message_of(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(message) => Some(message),
        _ => None,
    }
}

/// Ways to the repeated fields of a message, through what they are in.
fn ways(message: &MessageDescriptor, before: &[FieldDescriptor], found: &mut Vec<Vec<FieldDescriptor>>) {
    for field in message.fields() {
        let way = [before, std::slice::from_ref(&field)].concat();
        if field.is_list() || field.is_map() {
            found.push(way.clone());
        }
        if let Some(inner) = message_of(&field).filter(|_| !field.is_map()) {
            ways(&inner, &way, found);
        }
    }
}

/// As many elements as fit, without anything in them: of a packed list a byte each.
fn elements(field: &FieldDescriptor, bytes: usize) -> Vec<u8> {
    if field.is_packed() {
        let mut packed = Vec::new();
        tagged(field, &vec![1; bytes], &mut packed);
        return packed;
    }
    let mut one = Vec::new();
    tagged(field, &[], &mut one);
    one.repeat(bytes / one.len())
}

/// A message with one such list, in what it is in.
fn in_one(way: &[FieldDescriptor], bytes: usize) -> Vec<u8> {
    let (last, before) = way.split_last().unwrap();
    before.iter().rev().fold(elements(last, bytes), |content, field| {
        let mut around = Vec::new();
        tagged(field, &content, &mut around);
        around
    })
}

/// The same list in parts, which belong to one message that is given again and again.
fn in_parts(way: &[FieldDescriptor], bytes: usize) -> Vec<u8> {
    let part = in_one(way, 40);
    part.repeat(bytes / part.len())
}

async fn send(wire: &Wire, rpc: &MethodDescriptor, message: Vec<u8>) -> Option<Status> {
    let path = format!("/{}/{}", rpc.parent_service().full_name(), rpc.name());
    let path: PathAndQuery = path.parse().unwrap();
    let mut client = tonic::client::Grpc::new(wire.clone());
    client.ready().await.unwrap();
    let request = tonic::Request::new(tokio_stream::once(message));
    match client.streaming(request, path, Bytes).await {
        Err(status) => Some(status),
        Ok(answers) => answers.into_inner().message().await.err(),
    }
}

#[tokio::test]
async fn no_message_takes_many_times_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let served = Process::serve(Command::new(env!("CARGO_BIN_EXE_kith")), folder.path(), &[]);
    let wire = Wire::connect(served.address).await;
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let (mut tried, mut worst) = (0, (0.0, String::new()));
    for service in pool.services().filter(|service| service.package_name() == "kith.v1") {
        for rpc in service.methods() {
            let mut found = Vec::new();
            ways(&rpc.input(), &[], &mut found);
            for way in found {
                let name = way.iter().map(FieldDescriptor::name).collect::<Vec<_>>().join(".");
                let name = format!("{}: {name}", rpc.full_name());
                for message in [in_one(&way, MESSAGE_BYTES - 64), in_parts(&way, MESSAGE_BYTES)] {
                    let kib = message.len() as u64 / 1_024;
                    assert!(kib > 3_000, "{name}: {kib} KiB");
                    served.forget_peak();
                    let before = served.kib("VmRSS");
                    let refused = send(&wire, &rpc, message).await;
                    let more = served.kib("VmHWM").saturating_sub(before);
                    assert!(more <= TIMES_MAX * kib + MORE_KIB_MAX, "{name}: {kib} KiB take {more}");
                    let refused = refused.unwrap_or_else(|| panic!("{name} is taken"));
                    assert_eq!(refused.code(), Code::InvalidArgument, "{name}: {refused:?}");
                    assert_eq!(reason(&refused), "TOO_MANY", "{name}: {refused:?}");
                    let times = more as f64 / kib as f64;
                    if times > worst.0 {
                        worst = (times, name.clone());
                    }
                    tried += 1;
                }
            }
        }
    }
    println!("{tried} messages; the worst took {:.1} times its bytes: {}", worst.0, worst.1);
    assert!(tried > 60, "{tried}");
}
