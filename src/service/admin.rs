//! `AdminService`. Backups are in `backup.rs`, the check of everything is in `verify.rs`.

use tonic::{Request, Response, Status};

use super::backup::backup;
use super::call::respond;
use super::streamed::Streamed;
use super::verify::verify;
use super::{Service, encode};
use crate::domain::Error;
use crate::domain::limits::MESSAGE_BYTES_MAX;
use crate::engine::resident;
use crate::proto::v1 as pb;
use crate::proto::v1::admin_service_server::AdminService;

#[tonic::async_trait]
impl AdminService for Service {
    async fn get_server_info(
        &self,
        call: Request<pb::GetServerInfoRequest>,
    ) -> Result<Response<pb::GetServerInfoResponse>, Status> {
        respond(get_server_info(self, call.into_inner()).await)
    }

    type BackupStream = Streamed<pb::BackupResponse>;

    async fn backup(&self, call: Request<pb::BackupRequest>) -> Result<Response<Self::BackupStream>, Status> {
        let (metadata, _, message) = call.into_parts();
        respond(backup(self, &metadata, message).await)
    }

    type VerifyStream = Streamed<pb::VerifyResponse>;

    async fn verify(&self, call: Request<pb::VerifyRequest>) -> Result<Response<Self::VerifyStream>, Status> {
        let (metadata, _, message) = call.into_parts();
        respond(verify(self, &metadata, message).await)
    }
}

async fn get_server_info(
    service: &Service,
    message: pb::GetServerInfoRequest,
) -> Result<pb::GetServerInfoResponse, Error> {
    let state = service.engine.state_at(&message.min_revision).await?;
    let store = service.engine.store_figures();
    let options = service.engine.options();
    Ok(pb::GetServerInfoResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        start_time: Some(encode::timestamp(service.start_time)),
        store_id: uuid::Uuid::from_u128(state.store_id()).to_string(),
        revision: state.revision().to_string(),
        members: state.member_count() as i64,
        edges: state.edge_count() as i64,
        statuses: state.status_count() as i64,
        kinds: state.kinds().len() as i32,
        content_digest: encode::digest(state.digest()),
        disk_bytes: store.disk_bytes as i64,
        log_bytes: store.log_bytes as i64,
        resident_bytes: i64::try_from(resident()).unwrap_or(i64::MAX),
        sequence: state.sequence() as i64,
        limits: Some(pb::Limits {
            max_edges_visited: options.edges_visited_max as i64,
            max_message_bytes: MESSAGE_BYTES_MAX as i64,
            max_queries: i32::try_from(options.query_threads).unwrap_or(i32::MAX),
        }),
    })
}
