//! The API's messages and clients, generated from `proto/kith/v1` at build time.

/// `kith.v1`.
#[allow(clippy::all, missing_docs)]
pub mod v1 {
    tonic::include_proto!("kith.v1");
}

/// The descriptors of everything kith serves, for reflection and for protobuf's JSON.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kith.descriptors.bin"));
