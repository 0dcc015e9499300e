//! Operations as calls.

use kith::proto::v1::change::Change;
use kith::proto::v1::data_service_client::DataServiceClient;
use kith::proto::v1::edge_service_client::EdgeServiceClient;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::member_service_client::MemberServiceClient;
use kith::proto::v1::status_service_client::StatusServiceClient;
use kith::proto::v1::*;
use prost::Message;
use tonic::transport::Channel;
use tonic::{Response, Status as Refused};
use tonic_types::StatusExt;

use super::operation::{Operation, Via};

/// What the server said of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The whole response.
    pub bytes: Vec<u8>,
    /// The place of its last commit in the order of writes.
    pub sequence: u64,
}

/// Calls, and waits for the answer.
pub async fn call(channel: &Channel, operation: &Operation) -> Result<Answer, Refused> {
    let request_id = operation.request_id.clone();
    let data = || DataServiceClient::new(channel.clone());
    match operation.via {
        Via::Own => own(channel, operation.batches[0][0].clone(), request_id).await,
        Via::Write => {
            let changes = operation.batches[0].iter().cloned();
            let changes = changes.map(|change| kith::proto::v1::Change { change: Some(change), precondition: None });
            let request = WriteRequest { changes: changes.collect(), request_id };
            answer(data().write(request).await, |r| &r.revision)
        }
        Via::RecordInteractions => {
            let interactions = operation.batches[0].iter().map(|change| match change {
                Change::RecordInteraction(record) => record.clone(),
                other => unreachable!("{other:?} is no interaction"),
            });
            let request = RecordInteractionsRequest { interactions: interactions.collect(), request_id };
            let mut edges = EdgeServiceClient::new(channel.clone());
            answer(edges.record_interactions(request).await, |r| &r.revision)
        }
        Via::Import => {
            let messages: Vec<ImportRequest> = operation.batches.iter().map(|batch| message(batch)).collect();
            let response = data().import(tokio_stream::iter(messages)).await;
            if let Ok(response) = &response {
                assert_eq!(response.get_ref().refused, 0, "{:?}", response.get_ref().errors);
            }
            answer(response, |r| &r.revision)
        }
    }
}

async fn own(channel: &Channel, change: Change, request_id: String) -> Result<Answer, Refused> {
    let mut members = MemberServiceClient::new(channel.clone());
    let mut edges = EdgeServiceClient::new(channel.clone());
    let mut statuses = StatusServiceClient::new(channel.clone());
    match change {
        Change::PutMember(member) => {
            let request = PutMemberRequest { member: Some(member), request_id };
            answer(members.put_member(request).await, |r| &r.revision)
        }
        Change::UpdateMember(UpdateMemberChange { member, update_mask }) => {
            let request = UpdateMemberRequest { member, update_mask, request_id };
            answer(members.update_member(request).await, |r| &r.revision)
        }
        Change::DeleteMember(DeleteMemberChange { id, allow_missing }) => {
            let request = DeleteMemberRequest { id, allow_missing, request_id, ..Default::default() };
            answer(members.delete_member(request).await, |r| &r.revision)
        }
        Change::PutEdge(PutEdgeChange { edge, allow_missing_members }) => {
            let request = PutEdgeRequest { edge, allow_missing_members, request_id };
            answer(edges.put_edge(request).await, |r| &r.revision)
        }
        Change::DeleteEdge(DeleteEdgeChange { from_id, kind, to_id, allow_missing }) => {
            let request = DeleteEdgeRequest { from_id, kind, to_id, allow_missing, request_id, ..Default::default() };
            answer(edges.delete_edge(request).await, |r| &r.revision)
        }
        Change::RecordInteraction(record) => {
            let request = RecordInteractionsRequest { interactions: vec![record], request_id };
            answer(edges.record_interactions(request).await, |r| &r.revision)
        }
        Change::PostStatus(status) => {
            let request = PostStatusRequest { status: Some(status), request_id };
            answer(statuses.post_status(request).await, |r| &r.revision)
        }
        Change::DeleteStatus(DeleteStatusChange { id, allow_missing }) => {
            let request = DeleteStatusRequest { id, allow_missing, request_id, ..Default::default() };
            answer(statuses.delete_status(request).await, |r| &r.revision)
        }
        other => unreachable!("no test makes the change {other:?}"),
    }
}

fn message(batch: &[Change]) -> ImportRequest {
    let records = batch.iter().map(|change| match change {
        Change::PutMember(member) => Record::Member(member.clone()),
        Change::PutEdge(put) => Record::Edge(put.edge.clone().unwrap()),
        other => unreachable!("{other:?} can't be imported"),
    });
    let records = records.map(|record| ImportRecord { record: Some(record), ..Default::default() }).collect();
    ImportRequest { records, allow_missing_members: true, ..Default::default() }
}

fn answer<R: Message>(response: Result<Response<R>, Refused>, revision: fn(&R) -> &String) -> Result<Answer, Refused> {
    let response = response?.into_inner();
    Ok(Answer { sequence: sequence(revision(&response)), bytes: response.encode_to_vec() })
}

/// The reason an error carries; empty for one that is not the server's own.
pub fn reason(refused: &Refused) -> String {
    refused.get_details_error_info().map_or(String::new(), |info| info.reason)
}

/// A revision is opaque to callers; a test may know that its second quarter and third are the sequence.
pub fn sequence(revision: &str) -> u64 {
    u64::from_str_radix(&revision[16..32], 16).unwrap()
}
