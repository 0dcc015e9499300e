//! `AdminService.Backup`: all there is at one revision, in the bytes of one file.

use super::call::Call;
use super::encode;
use super::services::Service;
use super::streamed::{MESSAGE_BYTES_ENOUGH, Outlet, Streamed, begin};
use crate::domain::Error;
use crate::engine::State;
use crate::proto::v1 as pb;

pub async fn backup(
    service: &Service,
    Call { context, message }: Call<pb::BackupRequest>,
) -> Result<Streamed<pb::BackupResponse>, Error> {
    let state = service.engine.state_at(&message.min_revision).await?;
    begin(service.engine.streams(), &context, move |outlet| send_all(&state, outlet))
}

fn send_all(state: &State, outlet: &Outlet<pb::BackupResponse>) -> Result<(), Error> {
    let revision = state.revision().to_string();
    let message = |data, records_done: u64| pb::BackupResponse {
        revision: revision.clone(),
        totals: None,
        data,
        records_done: records_done as i64,
    };
    outlet.send(pb::BackupResponse { totals: Some(encode::totals(state)), ..message(Vec::new(), 0) })?;
    let mut data = Vec::new();
    let mut records_done = 0;
    state.backup(|piece, done| {
        data.extend(piece);
        records_done = done;
        if data.len() < MESSAGE_BYTES_ENOUGH {
            return Ok(());
        }
        outlet.send(message(std::mem::take(&mut data), done))
    })?;
    if data.is_empty() { Ok(()) } else { outlet.send(message(data, records_done)) }
}
