//! Makes the services of the descriptors that the client's messages are made of.

use std::error::Error;
use std::{env, fs};

use prost::Message;
use tonic_prost_build::FileDescriptorSet;

/// Where the build script of `kith-client` says that they are.
const DESCRIPTORS: &str = "DEP_KITH_API_DESCRIPTORS";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={DESCRIPTORS}");
    let file = env::var(DESCRIPTORS)?;
    println!("cargo:rerun-if-changed={file}");
    let descriptors = FileDescriptorSet::decode(fs::read(file)?.as_slice())?;
    let services = tonic_prost_build::configure().build_client(false);
    services.extern_path(".kith.v1", "::kith_client::proto::v1").compile_fds(descriptors)?;
    Ok(())
}
