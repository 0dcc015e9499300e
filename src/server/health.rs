//! `grpc.health.v1`, for the whole server ("") and for each service.

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthApi, HealthServer};
use tonic_health::server::{HealthReporter, health_reporter};

use crate::proto::v1;

/// What answers for itself.
const SERVICES: [&str; 9] = [
    "",
    v1::member_service_server::SERVICE_NAME,
    v1::edge_service_server::SERVICE_NAME,
    v1::status_service_server::SERVICE_NAME,
    v1::reach_service_server::SERVICE_NAME,
    v1::path_service_server::SERVICE_NAME,
    v1::introduction_service_server::SERVICE_NAME,
    v1::data_service_server::SERVICE_NAME,
    v1::admin_service_server::SERVICE_NAME,
];

#[derive(Clone)]
pub struct Health(HealthReporter);

/// NOT_SERVING at first: the state is yet to be loaded.
pub async fn start() -> (Health, HealthServer<impl HealthApi>) {
    let (reporter, service) = health_reporter();
    let health = Health(reporter);
    health.stop().await;
    (health, service)
}

impl Health {
    /// SERVING from here on.
    pub async fn serving(&self) {
        self.set(ServingStatus::Serving).await;
    }

    /// NOT_SERVING from here on.
    pub async fn stop(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    async fn set(&self, status: ServingStatus) {
        for service in SERVICES {
            self.0.set_service_status(service, status).await;
        }
    }
}
