//! Makes the services of the descriptors that the client's messages are made of, and what hands each RPC to its handler.

#[path = "crates/client/build/names.rs"]
mod names;

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;
use std::{env, fs};

use names::snake_case;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto};
use tonic_prost_build::FileDescriptorSet;

/// Where the build script of `kith-client` says that they are.
const DESCRIPTORS: &str = "DEP_KITH_API_DESCRIPTORS";
const PACKAGE: &str = "kith.v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=crates/client/build/names.rs");
    println!("cargo:rerun-if-env-changed={DESCRIPTORS}");
    let file = env::var(DESCRIPTORS)?;
    println!("cargo:rerun-if-changed={file}");
    let descriptors = FileDescriptorSet::decode(fs::read(file)?.as_slice())?;
    let mut code = String::new();
    let files: Vec<_> = descriptors.file.iter().filter(|file| file.package() == PACKAGE).collect();
    let messages = files.iter().flat_map(|file| &file.message_type).map(|message| (message.name(), message)).collect();
    files.iter().flat_map(|file| &file.service).try_for_each(|service| delegate(service, &messages, &mut code))?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("kith.delegation.rs"), code)?;
    let services = tonic_prost_build::configure().build_client(false);
    services.extern_path(".kith.v1", "::kith_client::proto::v1").compile_fds(descriptors)?;
    Ok(())
}

type Messages<'d> = HashMap<&'d str, &'d DescriptorProto>;

/// The service's trait, each of whose methods calls the handler of its name.
fn delegate(service: &ServiceDescriptorProto, messages: &Messages<'_>, code: &mut String) -> std::fmt::Result {
    let name = service.name();
    writeln!(code, "#[tonic::async_trait]\nimpl pb::{}_server::{name} for Service {{", snake_case(name))?;
    service.method.iter().try_for_each(|method| delegate_method(method, messages, code))?;
    writeln!(code, "}}")
}

fn delegate_method(method: &MethodDescriptorProto, messages: &Messages<'_>, code: &mut String) -> std::fmt::Result {
    let [message, answer] =
        [method.input_type(), method.output_type()].map(|name| name.rsplit('.').next().unwrap_or(name));
    let [mut request, mut answer] = [message, answer].map(|name| format!("pb::{name}"));
    let mut notes = messages.get(message).map(|message| noted(message)).unwrap_or_default();
    if method.client_streaming() {
        request = format!("Streaming<{request}>");
        notes.clear();
    }
    if method.server_streaming() {
        writeln!(code, "type {}Stream = Streamed<{answer}>;", method.name())?;
        answer = format!("Streamed<{answer}>");
    }
    let handler = snake_case(method.name());
    writeln!(code, "async fn {handler}(&self, request: Request<{request}>) -> Result<Response<{answer}>, Status> {{")?;
    writeln!(code, "let call = Call::of(request)?{notes};")?;
    writeln!(code, "respond(handlers::{handler}(&self.within(&call.context), call).await)\n}}")
}

/// The note of whom a request asks about: its viewer, and the ids of members and statuses among its fields, which names tell.
fn noted(request: &DescriptorProto) -> String {
    let notes: Vec<String> = request.field.iter().filter_map(|field| note(request, field)).collect();
    if notes.is_empty() { String::new() } else { format!(".noted(|message, asked| {{\n{}\n}})", notes.join("\n")) }
}

fn note(request: &DescriptorProto, field: &FieldDescriptorProto) -> Option<String> {
    let name = field.name();
    let is_id = field.r#type() == Type::String
        && (matches!(name, "id" | "ids") || name.ends_with("_id") || name.ends_with("_ids"));
    match name {
        "read" => Some("if let Some(read) = &message.read { asked.viewer(&read.viewer_id); }".to_owned()),
        "viewer_id" => Some("asked.viewer(&message.viewer_id);".to_owned()),
        // Who is left out is not asked about, and the other names a write.
        "exclude_ids" | "request_id" => None,
        _ if !is_id => None,
        _ if field.label() == Label::Repeated => Some(format!("message.{name}.iter().for_each(|id| asked.id(id));")),
        _ if field.oneof_index.is_some() => {
            let oneof = request.oneof_decl[field.oneof_index() as usize].name();
            let (module, [group, choice]) = (snake_case(request.name()), [oneof, name].map(camel_case));
            Some(format!("if let Some(pb::{module}::{group}::{choice}(id)) = &message.{oneof} {{ asked.id(id); }}"))
        }
        _ => Some(format!("asked.id(&message.{name});")),
    }
}

/// Returns `MemberId` for `member_id`.
fn camel_case(name: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('_').map(capital).collect()
}
