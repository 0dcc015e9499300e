//! `grpc.health.v1`, for the whole server ("") and for each service.

use std::pin::Pin;

use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthApi, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::proto::v1;

/// The services that answer for themselves.
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

/// All services live and end together, so they share one status. Once it changes no more there is nothing to watch, and no watcher is to
/// keep its connection from ending: then nobody holds the sender.
pub struct Health(Option<watch::Sender<ServingStatus>>);

/// Starts at NOT_SERVING: the state is yet to be loaded.
pub async fn start() -> (Health, HealthServer<impl HealthApi>) {
    let (sender, newest) = watch::channel(ServingStatus::NotServing);
    (Health(Some(sender)), HealthServer::new(Answers(newest)))
}

impl Health {
    /// Reports SERVING from here on.
    pub async fn serving(&self) {
        if let Some(status) = &self.0 {
            status.send_replace(ServingStatus::Serving);
        }
    }

    /// Reports NOT_SERVING from here on, to those who watch too, and ends their streams.
    pub async fn stop(&mut self) {
        if let Some(status) = self.0.take() {
            status.send_replace(ServingStatus::NotServing);
        }
    }
}

struct Answers(watch::Receiver<ServingStatus>);

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl HealthApi for Answers {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        if !SERVICES.contains(&&*request.get_ref().service) {
            return Err(Status::not_found("there is no such service"));
        }
        let status = *self.0.borrow();
        Ok(Response::new(answer(status)))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// By the protocol of `grpc.health.v1`, a service that is not there is SERVICE_UNKNOWN on a stream that stays open, since it might
    /// come. Here no service ever comes, and the stream ends with the server.
    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        if !SERVICES.contains(&&*request.get_ref().service) {
            let unknown = tokio_stream::once(Ok(answer(ServingStatus::ServiceUnknown)));
            let none = WatchStream::from_changes(self.0.clone()).filter_map(|_| None);
            return Ok(Response::new(Box::pin(unknown.chain(none))));
        }
        let statuses = WatchStream::new(self.0.clone()).map(|status| Ok(answer(status)));
        Ok(Response::new(Box::pin(statuses)))
    }
}
