//! `DataService`: atomic batches. Imports are in `import.rs`, exports in `export.rs`.

use std::collections::HashSet;
use std::mem::take;

use tonic::Status;

use super::call::Call;
use super::decode::{ChangePath, Violations, change, named_kinds};
use super::request_id::request;
use super::services::Service;
use super::status::to_status_at;
use super::statuses::new_status_id;
use super::to_status;
use crate::domain::limits::BATCH_MAX;
use crate::domain::{Change, Violation};
use crate::engine::{ChangeResult, Effect, Outcome, Refusal, Report};
use crate::proto::v1 as pb;

pub async fn write(
    service: &Service,
    Call { context, mut message }: Call<pb::WriteRequest>,
) -> Result<pb::WriteResponse, Status> {
    let request_id = take(&mut message.request_id);
    let mut wrong = Violations::default();
    let request = wrong.check(request(&context, "Write", &request_id, &message));
    let changes = wrong.check(decode(service, message));
    let (Some(request), Some((changes, paths)), true) = (request, changes, wrong.is_empty()) else {
        return Err(to_status(wrong.into()));
    };
    let outcome = service.commit(&context, changes, request, Report::Results).await;
    let Outcome { results, revision, .. } = outcome.map_err(|refusal| refused(refusal, &paths))?;
    Ok(pb::WriteResponse { results: results.into_iter().map(result).collect(), revision: revision.to_string() })
}

/// Returns the error of the change that was refused, with its index in the batch.
fn refused(refusal: Refusal, paths: &[ChangePath]) -> Status {
    match refusal {
        Refusal::Command(error) => to_status(error),
        Refusal::Change { index, error } => {
            let path = &paths[index];
            to_status_at(path.locate(error), path.as_str().to_owned())
        }
    }
}

fn decode(service: &Service, message: pb::WriteRequest) -> Result<(Vec<Change>, Vec<ChangePath>), Violations> {
    if message.changes.is_empty() {
        return Err(Violation::required("changes").into());
    }
    if message.changes.len() > BATCH_MAX {
        return Err(Violation::too_many("changes", BATCH_MAX, "changes").into());
    }
    let now = service.engine.now();
    let mut wrong = Violations::default();
    let decoded = message.changes.into_iter().enumerate();
    let mut kinds = Kinds::default();
    let decoded = decoded.filter_map(|(i, given)| {
        kinds.note(i, given.change.as_ref());
        wrong.check(change(i, given, now, new_status_id))
    });
    let decoded: Vec<(Change, ChangePath)> = decoded.collect();
    let named = kinds.named.into_iter().filter(|(_, kind)| !kinds.put.contains(kind));
    if let Ok(state) = service.engine.state() {
        wrong.add_unknown_kinds(&state, named);
    }
    if wrong.is_empty() { Ok(decoded.into_iter().unzip()) } else { Err(wrong) }
}

/// The kinds that a batch is about.
#[derive(Default)]
struct Kinds {
    /// The kinds that the batch puts itself.
    put: HashSet<String>,
    /// The kinds that its edges are of and its audiences name, each with its field.
    named: Vec<(String, String)>,
}

impl Kinds {
    fn note(&mut self, index: usize, change: Option<&pb::change::Change>) {
        let named = match change {
            Some(pb::change::Change::PutKind(kind)) => {
                self.put.insert(kind.name.clone());
                None
            }
            Some(pb::change::Change::PutEdge(put)) => put.edge.as_ref().map(|edge| ("put_edge.edge", &edge.kind)),
            Some(pb::change::Change::RecordInteraction(record)) => Some(("record_interaction", &record.kind)),
            Some(pb::change::Change::PostStatus(status)) => {
                let filter = status.audience.as_ref().and_then(|audience| audience.filter.as_ref());
                let parent = format!("changes[{index}].post_status.audience.filter");
                self.named.extend(named_kinds(&parent, filter));
                None
            }
            _ => None,
        };
        let named = named.map(|(parent, kind)| (format!("changes[{index}].{parent}.kind"), kind.clone()));
        self.named.extend(named);
    }
}

fn result(result: ChangeResult) -> pb::ChangeResult {
    let ChangeResult { applied, etag, posted } = result;
    let status_id = posted.map(|id| id.to_string()).unwrap_or_default();
    pb::ChangeResult { effect: effect(applied.effect).into(), etag: etag.unwrap_or_default(), status_id }
}

fn effect(effect: Effect) -> pb::Effect {
    match effect {
        Effect::Created => pb::Effect::Created,
        Effect::Updated => pb::Effect::Updated,
        Effect::Unchanged => pb::Effect::Unchanged,
        Effect::Deleted => pb::Effect::Deleted,
    }
}
