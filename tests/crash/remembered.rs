//! Answers under request ids, to be asked for again.

use std::collections::BTreeSet;

use kith::proto::v1::change::Change;
use tonic::transport::Channel;

use super::call::{Answer, call, reason};
use super::content::Content;
use super::operation::Operation;

/// What was answered once.
pub struct Remembered {
    operation: Operation,
    answer: Answer,
    /// Members that it named and that were there after it. With the first that is erased the answer goes, too.
    named: BTreeSet<String>,
    erased: bool,
}

impl Remembered {
    /// `content` is what was there after it.
    pub fn new(operation: Operation, answer: Answer, content: &Content) -> Remembered {
        let mut named: BTreeSet<String> = operation.changes().flat_map(named_by).map(str::to_owned).collect();
        named.retain(|id| content.members.contains_key(id));
        Remembered { operation, answer, named, erased: false }
    }

    pub fn learn_of(&mut self, later: &Operation) {
        self.erased |= later.changes().filter_map(erased_by).any(|id| self.named.contains(id));
    }

    /// Asks again: the first answer comes, or that it went with a member that was erased.
    pub async fn check(&self, channel: &Channel) {
        match call(channel, &self.operation).await {
            Ok(again) if !self.erased => assert_eq!(again, self.answer, "not the first answer: {:?}", self.operation),
            Err(refused) if self.erased && reason(&refused) == "ANSWER_ERASED" => {}
            other => panic!("to a retry, erased {}: {other:?}: {:?}", self.erased, self.operation),
        }
    }
}

fn named_by(change: &Change) -> Vec<&str> {
    match change {
        Change::PutMember(member) => vec![&member.id],
        Change::UpdateMember(update) => update.member.iter().map(|member| member.id.as_str()).collect(),
        Change::DeleteMember(delete) => vec![&delete.id],
        Change::PutEdge(put) => put.edge.iter().flat_map(|edge| [edge.from_id.as_str(), &edge.to_id]).collect(),
        Change::DeleteEdge(delete) => vec![&delete.from_id, &delete.to_id],
        Change::RecordInteraction(record) => vec![&record.from_id, &record.to_id],
        Change::PostStatus(status) => vec![&status.author_id],
        _ => Vec::new(),
    }
}

fn erased_by(change: &Change) -> Option<&str> {
    match change {
        Change::DeleteMember(delete) => Some(&delete.id),
        _ => None,
    }
}
