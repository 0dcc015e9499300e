//! The connection that calls go through to a server.

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// What is sent with every call: the token and the namespace, where there are some.
#[derive(Debug, Clone, Default)]
pub struct CallMetadata {
    pub(crate) authorization: Option<MetadataValue<Ascii>>,
    pub(crate) namespace: Option<MetadataValue<Ascii>>,
}

impl Interceptor for CallMetadata {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.authorization {
            request.metadata_mut().insert("authorization", token.clone());
        }
        if let Some(namespace) = &self.namespace {
            request.metadata_mut().insert("kith-namespace", namespace.clone());
        }
        Ok(request)
    }
}

/// The channel that the generated clients of all services call through.
pub type Connection = InterceptedService<Channel, CallMetadata>;
