//! The API's messages, which are the client's, with the server traits that this package implements.

use std::sync::LazyLock;

use prost_reflect::DescriptorPool;

/// `kith.v1`.
#[allow(clippy::all, missing_docs)]
pub mod v1 {
    pub use kith_client::proto::v1::*;

    tonic::include_proto!("kith.v1");
}

pub use kith_client::proto::DESCRIPTORS;

/// The descriptors as a pool, to be asked at run time.
pub static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).expect("the build wrote these descriptors"));
