//! Compiles every `.proto` under `proto/` in Rust (no protoc): messages and clients, the descriptors that reflection and the JSON
//! mapping use at run time, and for each unary RPC how its request is sent.

#[path = "build/names.rs"]
mod names;

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use names::snake_case;
use prost_types::{FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto};

const PROTOS: &str = "../../proto";
const PACKAGE: &str = "kith.v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build/names.rs");
    println!("cargo:rerun-if-changed={PROTOS}");
    let mut protos = Vec::new();
    collect_protos(Path::new(PROTOS), &mut protos)?;
    protos.sort();

    let mut compiler = protox::Compiler::new([PROTOS])?;
    compiler.include_imports(true).include_source_info(false).open_files(&protos)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let file = out.join("kith.descriptors.bin");
    // As bytes they hold the options that are kith's own; as messages they would not.
    fs::write(&file, compiler.encode_file_descriptor_set())?;
    let descriptors = compiler.file_descriptor_set();
    // The server's build script makes its services of the same descriptors, as `DEP_KITH_API_DESCRIPTORS`.
    println!("cargo:descriptors={}", file.display());
    fs::write(out.join("kith.unary.rs"), unary(&descriptors)?)?;
    tonic_prost_build::configure().build_server(false).btree_map(".").compile_fds(descriptors)?;
    Ok(())
}

fn collect_protos(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect_protos(&path, found)?;
        } else if path.extension().is_some_and(|ext| ext == "proto") {
            found.push(path);
        }
    }
    Ok(())
}

/// An `impl Unary` for the request of each unary RPC.
fn unary(descriptors: &FileDescriptorSet) -> Result<String, Box<dyn Error>> {
    let files = || descriptors.file.iter().filter(|file| file.package() == PACKAGE);
    let has_field = |message: &str, field: &str| {
        let messages = files().flat_map(|file| &file.message_type);
        let mut fields = messages.filter(|known| known.name() == message).flat_map(|known| &known.field);
        fields.any(|known| known.name() == field)
    };
    let mut code = String::new();
    for (service, method) in files().flat_map(unary_methods) {
        let [request, answer] =
            [method.input_type(), method.output_type()].map(|name| name.rsplit('.').next().unwrap_or(name));
        let client = format!("{}_client::{service}Client", snake_case(service));
        writeln!(code, "impl Unary for v1::{request} {{ type Answer = v1::{answer};")?;
        let min_revision = match ["read", "min_revision"].map(|field| has_field(request, field)) {
            [true, _] => Some("self.read.get_or_insert_default().min_revision"),
            [_, true] => Some("self.min_revision"),
            _ => None,
        };
        if let Some(field) = min_revision {
            writeln!(code, "fn min_revision(&mut self) -> Option<&mut String> {{ Some(&mut {field}) }}")?;
        }
        if has_field(request, "request_id") {
            writeln!(code, "fn request_id(&mut self) -> Option<&mut String> {{ Some(&mut self.request_id) }}")?;
            writeln!(code, "fn revision(answer: &Self::Answer) -> &str {{ &answer.revision }}")?;
        }
        writeln!(
            code,
            "async fn send(request: Request<Self>, connection: Connection) -> Result<Response<Self::Answer>, Status> {{"
        )?;
        writeln!(
            code,
            "v1::{client}::new(connection).max_decoding_message_size(ANSWER_BYTES_MAX).{}(request).await }} }}",
            snake_case(method.name())
        )?;
    }
    Ok(code)
}

fn unary_methods(file: &FileDescriptorProto) -> impl Iterator<Item = (&str, &MethodDescriptorProto)> {
    let methods = file.service.iter().flat_map(|service| service.method.iter().map(|method| (service.name(), method)));
    methods.filter(|(_, method)| !method.client_streaming() && !method.server_streaming())
}
