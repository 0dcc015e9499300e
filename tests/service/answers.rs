//! Resources as a server answers them, to be compared with those of another server.

use kith::proto::v1::edge_service_client::EdgeServiceClient;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::member_service_client::MemberServiceClient;
use kith::proto::v1::status_service_client::StatusServiceClient;
use kith::proto::v1::*;
use prost_types::Timestamp;
use tonic::transport::Channel;

/// Every resource of an export, with its etag and times, and an edge's strength at one time; and the kinds.
pub async fn answers(channel: Channel, records: &[ImportRecord]) -> Vec<String> {
    let mut members = MemberServiceClient::new(channel.clone());
    let mut edges = EdgeServiceClient::new(channel.clone());
    let mut statuses = StatusServiceClient::new(channel);
    let kinds = edges.list_kinds(ListKindsRequest::default()).await.unwrap().into_inner().kinds;
    let mut answers = vec![format!("{kinds:?}")];
    for record in records {
        answers.push(match record.record.clone().unwrap() {
            Record::Member(Member { id, .. }) => {
                let get = GetMemberRequest { id, ..Default::default() };
                format!("{:?}", members.get_member(get).await.unwrap().into_inner().member)
            }
            Record::Edge(Edge { from_id, kind, to_id, .. }) => {
                let as_of = Some(Timestamp { seconds: 1_900_000_000, nanos: 0 });
                let get = GetEdgeRequest { from_id, kind, to_id, as_of, ..Default::default() };
                format!("{:?}", edges.get_edge(get).await.unwrap().into_inner().edge)
            }
            Record::Status(Status { id, .. }) => {
                let get = GetStatusRequest { id, ..Default::default() };
                format!("{:?}", statuses.get_status(get).await.unwrap().into_inner().status)
            }
            _ => continue,
        });
    }
    answers
}
