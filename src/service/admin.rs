//! `AdminService`. Backups are in `backup.rs`, the check of everything is in `verify.rs`.

use super::call::Call;
use super::encode;
use super::services::Service;
use crate::domain::Error;
use crate::domain::limits::MESSAGE_BYTES_MAX;
use crate::engine::resident;
use crate::proto::v1 as pb;

pub async fn get_server_info(
    service: &Service,
    Call { context, message }: Call<pb::GetServerInfoRequest>,
) -> Result<pb::GetServerInfoResponse, Error> {
    let state = service.engine.state_at(&message.min_revision).await?;
    let sees_all = context.principal.administers().covers_all();
    let of_all = |bytes: u64| if sees_all { i64::try_from(bytes).unwrap_or(i64::MAX) } else { 0 };
    let store = service.engine.store_metrics();
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
        disk_bytes: of_all(store.disk_bytes),
        log_bytes: of_all(store.log_bytes),
        resident_bytes: of_all(resident()),
        sequence: state.sequence() as i64,
        limits: Some(pb::Limits {
            max_edges_visited: options.edges_visited_max as i64,
            max_message_bytes: MESSAGE_BYTES_MAX as i64,
            max_queries: i32::try_from(options.query_threads).unwrap_or(i32::MAX),
        }),
    })
}
