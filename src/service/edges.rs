//! `EdgeService`: edges and kinds. Lists of edges are in `edge_lists.rs`.

use std::mem::take;

use super::call::Call;
use super::commit::refused;
use super::decode::{self, Mask, Violations, all_or_return, batch, edge_key, edge_put, etag_precondition, interaction};
use super::encode;
use super::read_context::{ReadContext, ReadFields};
use super::request_id::request;
use super::services::Service;
use crate::domain::limits::BATCH_MAX;
use crate::domain::{Change, Error, KindName, Resource, Violation};
use crate::engine::{Report, Snapshot, State};
use crate::graph::Budget;
use crate::proto::v1 as pb;

pub async fn put_edge(
    service: &Service,
    Call { context, mut message }: Call<pb::PutEdgeRequest>,
) -> Result<pb::PutEdgeResponse, Error> {
    let mut wrong = Violations::default();
    let request_id = take(&mut message.request_id);
    let request = wrong.check(request(&context, "PutEdge", &request_id, &message));
    let edge = message.edge.ok_or_else(|| Violation::required("edge").into());
    let kind = edge.as_ref().map(|edge| edge.kind.clone()).unwrap_or_default();
    let edge = wrong.check(edge.and_then(|edge| edge_put(edge, &Mask::ALL).map_err(|wrong| wrong.within("edge"))));
    wrong.add_unknown_kinds(&*service.engine.state()?, [("edge.kind".to_owned(), kind)]);
    all_or_return!(wrong; request, edge);
    let (put, precondition) = edge;
    let change = Change::PutEdge { put, precondition, allow_missing_members: message.allow_missing_members };
    let outcome = service.commit_one(&context, change, "edge", request, Report::Resource).await?;
    let edge = match outcome.resource.map(|resource| *resource) {
        Some(Snapshot::Edge(edge, strength)) => Some(encode::edge_of_strength(edge, strength)),
        _ => None,
    };
    Ok(pb::PutEdgeResponse { edge, revision: outcome.revision.to_string() })
}

pub async fn get_edge(service: &Service, call: Call<pb::GetEdgeRequest>) -> Result<pb::GetEdgeResponse, Error> {
    let Call { context, message } = call;
    let mut wrong = Violations::default();
    let key = wrong.check(edge_key(&message.from_id, &message.kind, &message.to_id));
    let fields = ReadFields { viewer_id: message.viewer_id, min_revision: message.min_revision, as_of: message.as_of };
    let read = wrong.check(service.read_context_of(&context, fields, None));
    all_or_return!(wrong; key, read);
    let answer = move |read: &ReadContext, state: &State, _: &mut Budget<'_>| {
        let name = || format!("{} {} {}", key.from, key.kind, key.to);
        let stored = state.edge_or_pending_in(&read.view(state), read.viewer(state), &key);
        let stored = stored.ok_or_else(|| Error::not_found(Resource::Edge, name()))?;
        let edge = Some(read.shown(state).edge(stored));
        Ok(pb::GetEdgeResponse { edge, revision: state.revision().to_string() })
    };
    service.query(read, answer).await
}

pub async fn delete_edge(
    service: &Service,
    Call { context, mut message }: Call<pb::DeleteEdgeRequest>,
) -> Result<pb::DeleteEdgeResponse, Error> {
    let mut wrong = Violations::default();
    let request_id = take(&mut message.request_id);
    let request = wrong.check(request(&context, "DeleteEdge", &request_id, &message));
    let key = wrong.check(edge_key(&message.from_id, &message.kind, &message.to_id));
    let precondition = wrong.check(etag_precondition(&message.etag));
    all_or_return!(wrong; request, key, precondition);
    let change = Change::DeleteEdge { key, precondition, allow_missing: message.allow_missing };
    let outcome = service.commit_one(&context, change, "", request, Report::Revision).await?;
    Ok(pb::DeleteEdgeResponse { revision: outcome.revision.to_string() })
}

pub async fn record_interactions(
    service: &Service,
    Call { context, mut message }: Call<pb::RecordInteractionsRequest>,
) -> Result<pb::RecordInteractionsResponse, Error> {
    let mut wrong = Violations::default();
    let request_id = take(&mut message.request_id);
    let request = wrong.check(request(&context, "RecordInteractions", &request_id, &message));
    let now = service.engine.now();
    let named = message.interactions.iter().map(|interaction| interaction.kind.clone());
    let kinds: Vec<String> = named.take(BATCH_MAX).collect();
    let records = wrong.check(batch("interactions", message.interactions, |message| interaction(message, now)));
    let kinds = kinds.into_iter().enumerate().map(|(i, kind)| (format!("interactions[{i}].kind"), kind));
    wrong.add_unknown_kinds(&*service.engine.state()?, kinds);
    all_or_return!(wrong; request, records);
    let changes = records.into_iter().map(|record| Change::RecordInteractions { record }).collect();
    let outcome = service.commit(&context, changes, request, Report::Revision).await;
    let outcome = outcome.map_err(|refusal| refused(refusal, |i| format!("interactions[{i}]")))?;
    Ok(pb::RecordInteractionsResponse { revision: outcome.revision.to_string() })
}

pub async fn put_kind(
    service: &Service,
    Call { context, mut message }: Call<pb::PutKindRequest>,
) -> Result<pb::PutKindResponse, Error> {
    let mut wrong = Violations::default();
    let request_id = take(&mut message.request_id);
    let request = wrong.check(request(&context, "PutKind", &request_id, &message));
    let kind = message.kind.ok_or_else(|| Violation::required("kind").into());
    let kind = wrong.check(kind.and_then(|kind| decode::kind(kind, &Mask::ALL).map_err(|wrong| wrong.within("kind"))));
    all_or_return!(wrong; request, kind);
    let (kind, precondition) = kind;
    let change = Change::PutKind { kind, precondition };
    let outcome = service.commit_one(&context, change, "kind", request, Report::Resource).await?;
    let kind = match outcome.resource.map(|resource| *resource) {
        Some(Snapshot::Kind(kind)) => Some(encode::kind(kind)),
        _ => None,
    };
    Ok(pb::PutKindResponse { kind, revision: outcome.revision.to_string() })
}

pub async fn list_kinds(
    service: &Service,
    Call { message, .. }: Call<pb::ListKindsRequest>,
) -> Result<pb::ListKindsResponse, Error> {
    let state = service.engine.state_at(&message.min_revision).await?;
    let kinds = state.kinds().into_iter().map(encode::kind).collect();
    Ok(pb::ListKindsResponse { kinds, revision: state.revision().to_string() })
}

pub async fn delete_kind(
    service: &Service,
    Call { context, mut message }: Call<pb::DeleteKindRequest>,
) -> Result<pb::DeleteKindResponse, Error> {
    let mut wrong = Violations::default();
    let request_id = take(&mut message.request_id);
    let request = wrong.check(request(&context, "DeleteKind", &request_id, &message));
    let name = wrong.check(KindName::parse("name", &message.name));
    let precondition = wrong.check(etag_precondition(&message.etag));
    all_or_return!(wrong; request, name, precondition);
    let change = Change::DeleteKind { name, precondition, allow_missing: message.allow_missing };
    let outcome = service.commit_one(&context, change, "", request, Report::Revision).await?;
    Ok(pb::DeleteKindResponse { revision: outcome.revision.to_string() })
}
