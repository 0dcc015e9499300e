//! `grpc.reflection`: a tool that has no protos finds the API and calls it.

use std::net::SocketAddr;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tonic::{Code, Status};

use crate::harness::{Kith, member, reason};
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

const SERVICES: [&str; 12] = [
    "grpc.health.v1.Health",
    "kith.v1.AdminService",
    "kith.v1.DataService",
    "kith.v1.EdgeService",
    "kith.v1.IntroductionService",
    "kith.v1.MemberService",
    "kith.v1.NamespaceService",
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
    let found = ask!(v1, kith, FileContainingSymbol("google.rpc.ErrorInfo") => FileDescriptorResponse);
    assert_has_details(&found.file_descriptor_proto);
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
    let found = ask!(v1alpha, kith, FileContainingSymbol("google.rpc.ErrorInfo") => FileDescriptorResponse);
    assert_has_details(&found.file_descriptor_proto);
}

/// The details of kith's errors are messages that a tool can print.
fn assert_has_details(found: &[Vec<u8>]) {
    let mut files = Vec::new();
    add(&mut files, found);
    let messages: Vec<&str> = files.iter().flat_map(|file| &file.message_type).map(|message| message.name()).collect();
    for detail in ["ErrorInfo", "BadRequest", "RetryInfo", "QuotaFailure"] {
        assert!(messages.contains(&detail), "{detail}: {messages:?}");
    }
}

async fn asked<const N: usize>(kith: &Kith, symbols: [&str; N]) -> Result<(usize, usize), Status> {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest,
    };
    let ask = |symbol: &str| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::FileContainingSymbol(symbol.to_owned())),
    };
    let questions: Vec<_> = symbols.into_iter().map(ask).collect();
    let questions = questions.into_iter().cycle().take(if N > 1 { 20_000 } else { 1 });
    let mut client = ServerReflectionClient::new(kith.channel.clone()).max_decoding_message_size(usize::MAX);
    let mut answers = client.server_reflection_info(tokio_stream::iter(questions)).await?.into_inner();
    let (mut count, mut bytes) = (0, 0);
    while let Some(answer) = answers.message().await? {
        count += 1;
        bytes += answer.encoded_len();
        assert!(bytes < 5 * 1_024 * 1_024, "{bytes} bytes of answers");
    }
    Ok((count, bytes))
}

#[tokio::test]
async fn one_call_is_not_answered_without_end_nor_are_many() {
    let kith = Kith::in_memory().await;
    let symbols = ["kith.v1.MemberService", "kith.v1.DataService"];
    let mut refusals = Vec::new();
    for _ in 0..8 {
        let refused = asked(&kith, symbols).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
        refusals.push(reason(&refused));
    }
    assert_eq!(refusals[0], "OVERLOADED");
    // As time passes there is more of the quota again: which of them it refuses depends on the machine.
    assert!(refusals.iter().any(|reason| reason == "QUOTA_EXCEEDED"), "{refusals:?}");
    kith.put_member(member("ana")).await;
}

#[tokio::test]
async fn it_is_for_callers_who_are_known_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let access = crate::secured::roles_file(folder.path());
    let kith = Kith::start(crate::secured::served_with(|server| server.access = Some(access))).await;
    let refused = asked(&kith, ["kith.v1.MemberService"]).await.unwrap_err();
    assert_eq!((refused.code(), &*reason(&refused)), (Code::Unauthenticated, "UNAUTHENTICATED"));
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo".parse().unwrap();
    let mut client = tonic::client::Grpc::new(kith.channel.clone());
    client.ready().await.unwrap();
    // `list_services`, of a caller whose role is any.
    let asked_for = crate::secured::bearing(tokio_stream::once(vec![0x3a, 0]), "read-token");
    let mut answers = client.streaming(asked_for, path, crate::raw::Bytes).await.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());
    drop(answers);
    kith.stop().await.unwrap();

    let kith = Kith::start(crate::secured::served_with(|server| server.reflection = false)).await;
    assert_eq!(asked(&kith, ["kith.v1.MemberService"]).await.unwrap_err().code(), Code::Unimplemented);
    kith.stop().await.unwrap();
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
