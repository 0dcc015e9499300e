//! A copy of a server's data, kept by applying what it tells of changes: what a user of `Watch` would write.

use std::collections::{BTreeMap, BTreeSet};

use kith::proto::v1::import_record::Record;
use kith::proto::v1::resource_change::Change;
use kith::proto::v1::*;
use tokio_stream::iter;

use super::harness::Kith;

type EdgeKey = (String, String, String);

#[derive(Debug, Default, Clone, PartialEq)]
pub struct Mirror {
    pub revision: String,
    /// Whether more changes of the revision after this one have been applied.
    within: bool,
    kinds: BTreeMap<String, Kind>,
    members: BTreeMap<String, Member>,
    edges: BTreeMap<EdgeKey, Edge>,
    statuses: BTreeMap<String, Status>,
    blocks: BTreeSet<(String, String)>,
    tallies: BTreeMap<String, IntroducerTally>,
}

fn block_key(block: Block) -> (String, String) {
    (block.member_id, block.blocked_id)
}

impl Mirror {
    /// An empty copy, to be kept from a revision on.
    pub fn at(revision: String) -> Mirror {
        Mirror { revision, ..Mirror::default() }
    }

    /// What an export told, of its revision.
    pub fn of_export(revision: String, records: Vec<ImportRecord>) -> Mirror {
        let mut mirror = Mirror::at(revision);
        for record in records {
            match record.record.expect("a record is one") {
                Record::Kind(kind) => drop(mirror.kinds.insert(kind.name.clone(), kind)),
                Record::Member(member) => drop(mirror.members.insert(member.id.clone(), member)),
                Record::Edge(edge) => {
                    let key = (edge.from_id.clone(), edge.kind.clone(), edge.to_id.clone());
                    drop(mirror.edges.insert(key, edge));
                }
                Record::Status(status) => drop(mirror.statuses.insert(status.id.clone(), status)),
                Record::Block(block) => drop(mirror.blocks.insert(block_key(block))),
                Record::IntroducerTally(tally) => drop(mirror.tallies.insert(tally.member_id.clone(), tally)),
                Record::AbsentKind(_) | Record::Erased(_) => {}
            }
        }
        mirror
    }

    /// Applies a message. Nothing is to be done for one without changes.
    pub fn apply(&mut self, message: WatchResponse) {
        self.within = message.revision.is_empty();
        for change in message.changes {
            match change.change.expect("a change is one") {
                Change::PutKind(kind) => drop(self.kinds.insert(kind.name.clone(), kind)),
                Change::DeletedKind(name) => assert!(self.kinds.remove(&name).is_some(), "{name}"),
                Change::PutMember(member) => drop(self.members.insert(member.id.clone(), member)),
                Change::DeletedMember(id) => {
                    assert!(self.members.remove(&id).is_some(), "{id}");
                    self.edges.retain(|(from, _, to), _| *from != id && *to != id);
                    self.statuses.retain(|_, status| status.author_id != id);
                    self.blocks.retain(|(by, of)| *by != id && *of != id);
                    self.tallies.remove(&id);
                }
                Change::PutEdge(edge) => {
                    let key = (edge.from_id.clone(), edge.kind.clone(), edge.to_id.clone());
                    self.edges.insert(key, edge);
                }
                Change::DeletedEdge(DeletedEdge { from_id, kind, to_id }) => {
                    assert!(self.edges.remove(&(from_id, kind, to_id)).is_some());
                }
                Change::PutStatus(status) => drop(self.statuses.insert(status.id.clone(), status)),
                Change::DeletedStatus(id) => assert!(self.statuses.remove(&id).is_some(), "{id}"),
                Change::PutBlock(block) => assert!(self.blocks.insert(block_key(block))),
                Change::DeletedBlock(block) => assert!(self.blocks.remove(&block_key(block))),
                Change::PutIntroducerTally(tally) if tally.asked == 0 => {
                    assert!(self.tallies.remove(&tally.member_id).is_some());
                }
                Change::PutIntroducerTally(tally) => drop(self.tallies.insert(tally.member_id.clone(), tally)),
            }
        }
        if !message.revision.is_empty() {
            self.revision = message.revision;
        }
    }

    /// Whether it is what there was at its revision, and no more.
    pub fn is_complete(&self) -> bool {
        !self.within
    }

    /// The digest a server has that holds the same.
    pub async fn digest(&self) -> String {
        let kith = Kith::in_memory().await;
        let built_in = kith.edges().list_kinds(ListKindsRequest::default()).await.unwrap().into_inner().kinds;
        for kind in built_in.into_iter().filter(|kind| !self.kinds.contains_key(&kind.name)) {
            kith.edges().delete_kind(DeleteKindRequest { name: kind.name, ..Default::default() }).await.unwrap();
        }
        let kinds = self.kinds.values().map(|kind| Record::Kind(Kind { etag: String::new(), ..kind.clone() }));
        let members = self.members.values().map(|m| Record::Member(Member { etag: String::new(), ..m.clone() }));
        let statuses = self.statuses.values().map(|s| Record::Status(Status { etag: String::new(), ..s.clone() }));
        let edges = self.edges.values().map(|e| Record::Edge(Edge { etag: String::new(), ..e.clone() }));
        let blocks = self.blocks.iter().cloned();
        let blocks = blocks.map(|(member_id, blocked_id)| Record::Block(Block { member_id, blocked_id }));
        let tallies = self.tallies.values().cloned().map(Record::IntroducerTally);
        let records: Vec<_> = kinds.chain(members).chain(statuses).chain(edges).chain(blocks).chain(tallies).collect();
        let messages = records.chunks(1_000).map(|records| ImportRequest {
            records: records.iter().map(|r| ImportRecord { record: Some(r.clone()), ..Default::default() }).collect(),
            allow_missing_members: false,
            ..Default::default()
        });
        let messages: Vec<ImportRequest> = messages.collect();
        let imported = kith.data().import(iter(messages)).await.unwrap().into_inner();
        assert_eq!((imported.refused, imported.errors), (0, Vec::new()));
        digest(&kith).await.0
    }

    /// What a server holds at its newest revision is held here, with etags and times.
    pub async fn same_as(&self, kith: &Kith) {
        for (id, member) in &self.members {
            let found = kith.members().get_member(GetMemberRequest { id: id.clone(), ..Default::default() }).await;
            assert_eq!(found.unwrap().into_inner().member.as_ref(), Some(member));
        }
        for ((from_id, kind, to_id), edge) in &self.edges {
            let (from_id, kind, to_id) = (from_id.clone(), kind.clone(), to_id.clone());
            let get = GetEdgeRequest { from_id, kind, to_id, ..Default::default() };
            let found = kith.edges().get_edge(get).await.unwrap().into_inner().edge.unwrap();
            // The strength is that of another moment.
            assert_eq!(Edge { strength: edge.strength, ..found }, *edge);
        }
        for (id, status) in &self.statuses {
            let found = kith.statuses().get_status(GetStatusRequest { id: id.clone(), ..Default::default() }).await;
            assert_eq!(found.unwrap().into_inner().status.as_ref(), Some(status));
        }
    }
}

/// A server's content digest and revision.
pub async fn digest(kith: &Kith) -> (String, String) {
    let info = kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner();
    (info.content_digest, info.revision)
}
