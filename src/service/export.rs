//! `DataService.Export`: all there is at one revision, or all there is of one member, in messages that `Import` takes.

use prost::Message;

use super::call::Call;
use super::decode::{Violations, all_or_return};
use super::encode;
use super::services::Service;
use super::streamed::{MESSAGE_BYTES_ENOUGH, Outlet, Streamed, begin};
use crate::domain::limits::BATCH_MAX;
use crate::domain::{Error, MemberId, Resource};
use crate::engine::Record;
use crate::proto::v1 as pb;

pub async fn export(
    service: &Service,
    Call { context, message }: Call<pb::ExportRequest>,
) -> Result<Streamed<pb::ExportResponse>, Error> {
    let mut wrong = Violations::default();
    let member = (!message.member_id.is_empty()).then(|| MemberId::parse("member_id", &message.member_id));
    let member = wrong.check(member.transpose());
    wrong.check(service.engine.check_revision("min_revision", &message.min_revision));
    all_or_return!(wrong; member);
    let namespaces = service.engine.namespaces_at(&message.min_revision).await?;
    // Whoever watches from there on has the log for longer than from the namespace's own last write.
    let revision = namespaces.revision().to_string();
    let state = namespaces.find(service.engine.namespace())?.clone();
    // It is a member's own export, which has all that is kept, whether or not its processing is restricted.
    let find = |id: MemberId| state.graph().find(id.as_str()).ok_or_else(|| Error::not_found(Resource::Member, &id));
    let member = member.map(find).transpose()?;
    let lifetime = service.engine.lifetime(&state);
    begin(service.engine.streams(), &context, Some(lifetime), move |outlet| match member {
        None => send_all(&revision, encode::totals(&state), state.records(), outlet),
        Some(ix) => send_all(&revision, encode::totals_of(state.records_of(ix)), state.records_of(ix), outlet),
    })
}

fn send_all(
    revision: &str,
    totals: pb::ContentTotals,
    all: impl Iterator<Item = Record>,
    outlet: &Outlet<pb::ExportResponse>,
) -> Result<(), Error> {
    let revision = revision.to_owned();
    outlet.send(pb::ExportResponse { revision: revision.clone(), totals: Some(totals), records: Vec::new() })?;
    let mut records = Vec::new();
    let mut bytes = 0;
    for record in all {
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
