//! `grpc.reflection`: a tool that has no protos finds the API and calls it.

use std::net::SocketAddr;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use prost_types::{FileDescriptorProto, FileDescriptorSet};

use crate::harness::Kith;
use crate::raw::call;

/// Asks a version of the reflection service, and gives its answer.
macro_rules! ask {
    ($version:ident, $kith:expr, $question:ident($text:expr) => $answer:ident) => {{
        use tonic_reflection::pb::$version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let message_request = Some(MessageRequest::$question($text.to_owned()));
        let request = ServerReflectionRequest { host: String::new(), message_request };
        let mut client = ServerReflectionClient::new($kith.channel.clone());
        let answers = client.server_reflection_info(tokio_stream::iter([request])).await.unwrap();
        match answers.into_inner().message().await.unwrap().unwrap().message_response {
            Some(MessageResponse::$answer(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }};
}

const SERVICES: [&str; 11] = [
    "grpc.health.v1.Health",
    "kith.v1.AdminService",
    "kith.v1.DataService",
    "kith.v1.EdgeService",
    "kith.v1.IntroductionService",
    "kith.v1.MemberService",
    "kith.v1.PathService",
    "kith.v1.ReachService",
    "kith.v1.StatusService",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

fn assert_lists_all(mut names: Vec<String>) {
    names.sort();
    let mut expected = SERVICES.to_vec();
    expected.sort();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn v1_lists_describes_and_calls() {
    let kith = Kith::in_memory().await;
    kith.put_chain().await;
    let listed = ask!(v1, kith, ListServices("") => ListServicesResponse);
    assert_lists_all(listed.service.into_iter().map(|service| service.name).collect());

    let mut files = Vec::<FileDescriptorProto>::new();
    let found = ask!(v1, kith, FileContainingSymbol("kith.v1.PathService.FindPaths") => FileDescriptorResponse);
    let mut wanted = add(&mut files, &found.file_descriptor_proto);
    while let Some(name) = wanted.pop() {
        if files.iter().all(|file| *file.name() != *name) {
            let found = ask!(v1, kith, FileByFilename(name) => FileDescriptorResponse);
            wanted.extend(add(&mut files, &found.file_descriptor_proto));
        }
    }
    assert_calls_dynamically(kith.address, files).await;
}

#[tokio::test]
async fn v1alpha_lists_and_describes() {
    let kith = Kith::in_memory().await;
    let listed = ask!(v1alpha, kith, ListServices("") => ListServicesResponse);
    assert_lists_all(listed.service.into_iter().map(|service| service.name).collect());
    let found = ask!(v1alpha, kith, FileContainingSymbol("kith.v1.PathService") => FileDescriptorResponse);
    let mut files = Vec::new();
    let imports = add(&mut files, &found.file_descriptor_proto);
    assert_eq!(files[0].service[0].method[0].name(), "FindPaths");
    assert!(imports.contains(&"kith/v1/query.proto".to_owned()));
}

/// Adds files; gives what they import.
fn add(files: &mut Vec<FileDescriptorProto>, found: &[Vec<u8>]) -> Vec<String> {
    let mut imports = Vec::new();
    for bytes in found {
        let file = FileDescriptorProto::decode(&**bytes).unwrap();
        imports.extend(file.dependency.iter().cloned());
        files.push(file);
    }
    imports
}

async fn assert_calls_dynamically(address: SocketAddr, file: Vec<FileDescriptorProto>) {
    let pool = DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file }).unwrap();
    let service = pool.get_service_by_name("kith.v1.PathService").unwrap();
    let method = service.methods().find(|method| method.name() == "FindPaths").unwrap();
    let mut request = DynamicMessage::new(method.input());
    request.set_field_by_name("from_id", Value::String("ana".to_owned()));
    request.set_field_by_name("to_id", Value::String("dan".to_owned()));
    let answer = call(address, "/kith.v1.PathService/FindPaths", request.encode_to_vec()).await.unwrap();
    let answer = DynamicMessage::decode(method.output(), &*answer).unwrap();
    let paths = answer.get_field_by_name("paths").unwrap();
    let first = paths.as_list().unwrap()[0].as_message().unwrap();
    assert_eq!(*first.get_field_by_name("hops").unwrap(), Value::I32(3));
}
