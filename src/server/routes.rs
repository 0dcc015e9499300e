//! The routes of all that is served: `kith.v1`, health and reflection.

use tonic::service::Routes;

use super::{ServerError, reflection};
use crate::domain::limits::MESSAGE_BYTES_MAX;
use crate::proto::v1::admin_service_server::AdminServiceServer;
use crate::proto::v1::data_service_server::DataServiceServer;
use crate::proto::v1::edge_service_server::EdgeServiceServer;
use crate::proto::v1::introduction_service_server::IntroductionServiceServer;
use crate::proto::v1::member_service_server::MemberServiceServer;
use crate::proto::v1::namespace_service_server::NamespaceServiceServer;
use crate::proto::v1::path_service_server::PathServiceServer;
use crate::proto::v1::reach_service_server::ReachServiceServer;
use crate::proto::v1::status_service_server::StatusServiceServer;
use crate::service::Service;

/// Adds the services of a `Service`, each taking messages up to the bound.
macro_rules! kith_services {
    ($routes:expr, $service:expr, [$($server:ident),* $(,)?]) => {
        $routes$(.add_service($server::new($service.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)))*
    };
}

/// Returns the routes that can be answered before the state is loaded.
pub fn without_engine() -> Result<Routes, ServerError> {
    Ok(Routes::default().add_service(reflection::v1()?).add_service(reflection::v1alpha()?))
}

/// Returns the routes of `kith.v1`.
pub fn of_engine(service: &Service) -> Routes {
    kith_services!(
        Routes::default(),
        service,
        [
            AdminServiceServer,
            DataServiceServer,
            EdgeServiceServer,
            IntroductionServiceServer,
            MemberServiceServer,
            NamespaceServiceServer,
            PathServiceServer,
            ReachServiceServer,
            StatusServiceServer,
        ]
    )
}
