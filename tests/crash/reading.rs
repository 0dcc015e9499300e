//! All that a server holds, read over the API.

use std::collections::BTreeMap;

use kith::proto::v1::admin_service_client::AdminServiceClient;
use kith::proto::v1::edge_service_client::EdgeServiceClient;
use kith::proto::v1::member_service_client::MemberServiceClient;
use kith::proto::v1::status_service_client::StatusServiceClient;
use kith::proto::v1::*;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::content::{Content, EdgeValue};

/// What was found, and which writes it is the sum of.
pub struct Found {
    pub content: Content,
    /// How many writes there have been.
    pub sequence: u64,
    pub log_bytes: u64,
}

impl Found {
    /// What is there of one writer's.
    pub fn of(&self, prefix: &str) -> Content {
        let mine = |id: &str| id.starts_with(prefix);
        let Content { members, edges, statuses } = &self.content;
        Content {
            members: picked(members, |id| mine(id)),
            edges: picked(edges, |(from, _, _)| mine(from)),
            statuses: picked(statuses, |id| mine(id)),
        }
    }
}

fn picked<K: Ord + Clone, V: Clone>(all: &BTreeMap<K, V>, mine: impl Fn(&K) -> bool) -> BTreeMap<K, V> {
    all.iter().filter(|(key, _)| mine(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The digest over all that a server holds, what cannot be read over the API too.
pub async fn state_digest(channel: &Channel) -> String {
    let mut events =
        AdminServiceClient::new(channel.clone()).verify(VerifyRequest::default()).await.unwrap().into_inner();
    while let Some(message) = events.message().await.unwrap() {
        if let Some(verify_response::Event::Summary(summary)) = message.event {
            assert_eq!(summary.findings, 0);
            return summary.state_digest;
        }
    }
    panic!("no summary came")
}

/// Reads everything. Nothing is to be written meanwhile.
pub async fn read(channels: &[Channel]) -> Found {
    let info = info(&channels[0]).await;
    let mut content = Content::default();
    for member in list_members(&channels[0]).await {
        content.members.insert(member.id.clone(), member.into());
    }
    let ids: Vec<String> = content.members.keys().cloned().collect();
    let mut parts = JoinSet::new();
    for (i, part) in ids.chunks(ids.len().div_ceil(channels.len()).max(1)).enumerate() {
        parts.spawn(read_part(channels[i].clone(), part.to_vec()));
    }
    while let Some(part) = parts.join_next().await {
        let part = part.unwrap();
        content.edges.extend(part.edges);
        content.statuses.extend(part.statuses);
    }
    let counts = (content.members.len() as i64, content.edges.len() as i64, content.statuses.len() as i64);
    assert_eq!(counts, (info.members, info.edges, info.statuses), "what is listed is not as much as is counted");
    Found { content, sequence: info.sequence as u64, log_bytes: info.log_bytes as u64 }
}

pub async fn info(channel: &Channel) -> GetServerInfoResponse {
    let mut admin = AdminServiceClient::new(channel.clone());
    admin.get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner()
}

async fn list_members(channel: &Channel) -> Vec<Member> {
    let mut service = MemberServiceClient::new(channel.clone());
    let (mut members, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListMembersRequest { page_size: 1_000, page_token, ..Default::default() };
        let page = service.list_members(request).await.unwrap().into_inner();
        members.extend(page.members);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return members;
        }
    }
}

/// The edges that go out from some members, and their statuses.
async fn read_part(channel: Channel, ids: Vec<String>) -> Content {
    let mut edges = EdgeServiceClient::new(channel.clone());
    let mut statuses = StatusServiceClient::new(channel);
    let mut content = Content::default();
    for id in ids {
        let request = ListEdgesRequest { member_id: id.clone(), page_size: 1_000, ..Default::default() };
        let page = edges.list_edges(request).await.unwrap().into_inner();
        assert!(page.next_page_token.is_empty());
        // A member's list has the edges that others have to it, too.
        for edge in page.edges.into_iter().filter(|edge| edge.from_id == id) {
            let last_s = edge.last_interaction_time.map_or(0, |time| time.seconds);
            let value = EdgeValue { note: edge.note, interactions: edge.interactions, last_s };
            content.edges.insert((edge.from_id, edge.kind, edge.to_id), value);
        }
        let request = ListStatusesRequest { author_id: id, page_size: 1_000, ..Default::default() };
        for status in statuses.list_statuses(request).await.unwrap().into_inner().statuses {
            content.statuses.insert(status.id.clone(), status.into());
        }
    }
    content
}
