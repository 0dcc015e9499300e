//! `DataService.Export`: all there is at one revision, in messages that `Import` takes.

use prost::Message;

use super::call::Call;
use super::encode;
use super::services::Service;
use super::streamed::{MESSAGE_BYTES_ENOUGH, Outlet, Streamed, begin};
use crate::domain::Error;
use crate::domain::limits::BATCH_MAX;
use crate::engine::State;
use crate::proto::v1 as pb;

pub async fn export(
    service: &Service,
    Call { context, message }: Call<pb::ExportRequest>,
) -> Result<Streamed<pb::ExportResponse>, Error> {
    let namespaces = service.engine.namespaces_at(&message.min_revision).await?;
    // Whoever watches from there on has the log for longer than from the namespace's own last write.
    let revision = namespaces.revision().to_string();
    let state = namespaces.find(service.engine.namespace())?.clone();
    begin(service.engine.streams(), &context, move |outlet| send_all(&state, &revision, outlet))
}

fn send_all(state: &State, revision: &str, outlet: &Outlet<pb::ExportResponse>) -> Result<(), Error> {
    let revision = revision.to_owned();
    outlet.send(pb::ExportResponse {
        revision: revision.clone(),
        totals: Some(encode::totals(state)),
        records: Vec::new(),
    })?;
    let mut records = Vec::new();
    let mut bytes = 0;
    for record in state.records() {
        let record = encode::record(record);
        bytes += record.encoded_len();
        records.push(record);
        if records.len() >= BATCH_MAX || bytes >= MESSAGE_BYTES_ENOUGH {
            let records = std::mem::take(&mut records);
            outlet.send(pb::ExportResponse { revision: revision.clone(), totals: None, records })?;
            bytes = 0;
        }
    }
    if records.is_empty() { Ok(()) } else { outlet.send(pb::ExportResponse { revision, totals: None, records }) }
}
