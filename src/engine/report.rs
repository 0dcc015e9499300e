//! Outcomes are read off the state right after the command.

use super::outcome::{Applied, ChangeResult, Outcome, Report, Snapshot};
use super::state::State;
use crate::domain::{Change, EdgeKey, KindMerge, TimeMs};

impl State {
    /// Returns the outcome of a command that was accepted at `time` and has just been applied.
    pub(super) fn outcome(&self, report: Report, changes: &[Change], applied: &[Applied], time: TimeMs) -> Outcome {
        let result = |(change, applied): (&Change, &Applied)| ChangeResult {
            applied: *applied,
            etag: self.subject(change, time).and_then(|subject| subject.etag()),
            posted: match change {
                Change::PostStatus { status } => Some(status.id.clone()),
                _ => None,
            },
        };
        let (mut results, mut resource) = (Vec::new(), None);
        match report {
            Report::Revision => {}
            Report::Results => results = changes.iter().zip(applied).map(result).collect(),
            Report::Resource => resource = changes.last().and_then(|change| self.subject(change, time)).map(Box::new),
        }
        Outcome { revision: self.revision(), results, resource }
    }

    /// Returns the resource that a change is about, if it exists; an edge has its strength at `as_of`.
    fn subject(&self, change: &Change, as_of: TimeMs) -> Option<Snapshot> {
        let edge = |key: &EdgeKey| {
            let edge = self.edge(key)?;
            let strength = self.edge_strength(&edge.value, as_of);
            Some(Snapshot::Edge(edge, strength))
        };
        match change {
            Change::Restore { put, .. } => self.subject(put, as_of),
            Change::PutKind { kind, .. } | Change::MergeKind { merge: KindMerge { kind, .. }, .. } => {
                self.kind(kind.name.as_str()).map(Snapshot::Kind)
            }
            Change::DeleteKind { name, .. } => self.kind(name.as_str()).map(Snapshot::Kind),
            Change::PutMember { member, .. } => self.member(member.id.as_str()).map(Snapshot::Member),
            Change::UpdateMember { id, .. } | Change::MergeMember { id, .. } | Change::DeleteMember { id, .. } => {
                self.member(id.as_str()).map(Snapshot::Member)
            }
            Change::PutEdge { put, .. } => edge(&put.key),
            Change::DeleteEdge { key, .. } => edge(key),
            Change::RecordInteractions { record } => edge(&record.key),
            Change::PostStatus { status } => self.status(status.id.as_str()).map(Snapshot::Status),
            Change::DeleteStatus { id, .. } | Change::EraseStatus { id } => {
                self.status(id.as_str()).map(Snapshot::Status)
            }
            Change::BlockMember { block } | Change::UnblockMember { block, .. } => {
                self.find_block(&block.by, &block.of).map(Snapshot::Block)
            }
            Change::RecordIntroduction { .. }
            | Change::PutIntroducerTally { .. }
            | Change::KeepSecret { .. }
            | Change::KeepErased { .. }
            | Change::RememberErased { .. }
            | Change::CreateNamespace { .. }
            | Change::DeleteNamespace {}
            | Change::Resume {} => None,
        }
    }
}
