//! Makes the services of the descriptors that the client's messages are made of, and what hands each RPC to its handler.

#[path = "crates/client/build/names.rs"]
mod names;

use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;
use std::{env, fs};

use names::snake_case;
use prost::Message;
use prost_types::{MethodDescriptorProto, ServiceDescriptorProto};
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
    let files = descriptors.file.iter().filter(|file| file.package() == PACKAGE);
    files.flat_map(|file| &file.service).try_for_each(|service| delegate(service, &mut code))?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("kith.delegation.rs"), code)?;
    let services = tonic_prost_build::configure().build_client(false);
    services.extern_path(".kith.v1", "::kith_client::proto::v1").compile_fds(descriptors)?;
    Ok(())
}

/// The service's trait, each of whose methods calls the handler of its name.
fn delegate(service: &ServiceDescriptorProto, code: &mut String) -> std::fmt::Result {
    let name = service.name();
    writeln!(code, "#[tonic::async_trait]\nimpl pb::{}_server::{name} for Service {{", snake_case(name))?;
    service.method.iter().try_for_each(|method| delegate_method(method, code))?;
    writeln!(code, "}}")
}

fn delegate_method(method: &MethodDescriptorProto, code: &mut String) -> std::fmt::Result {
    let [mut request, mut answer] = [method.input_type(), method.output_type()]
        .map(|name| format!("pb::{}", name.rsplit('.').next().unwrap_or(name)));
    if method.client_streaming() {
        request = format!("Streaming<{request}>");
    }
    if method.server_streaming() {
        writeln!(code, "type {}Stream = Streamed<{answer}>;", method.name())?;
        answer = format!("Streamed<{answer}>");
    }
    let handler = snake_case(method.name());
    writeln!(code, "async fn {handler}(&self, request: Request<{request}>) -> Result<Response<{answer}>, Status> {{")?;
    writeln!(code, "let call = Call::of(request)?;")?;
    writeln!(code, "respond(handlers::{handler}(&self.within(&call.context), call).await)\n}}")
}
