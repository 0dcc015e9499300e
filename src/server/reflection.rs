//! `grpc.reflection`, in both of its versions: tools call the API without its protos at hand, and read the details of its errors, which
//! come as `google.protobuf.Any`.

use tonic_reflection::server::{Builder, Error, v1, v1alpha};

use crate::proto::DESCRIPTORS;

fn described() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
}

pub fn v1() -> Result<v1::ServerReflectionServer<impl v1::ServerReflection>, Error> {
    described().build_v1()
}

pub fn v1alpha() -> Result<v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection>, Error> {
    described().build_v1alpha()
}
