//! Which changes a watcher wants.

use std::borrow::Cow;

use super::decode::{Decoded, Violations, all_or_return, each};
use super::live::Made;
use crate::domain::limits::RESOURCE_TYPES_MAX;
use crate::domain::{MemberId, Reason, Violation};
use crate::proto::v1 as pb;
use pb::ResourceType;
use pb::resource_change::Change;

/// The types of resources, all if there are none, and the beginning of members' ids.
pub struct WatchFilter {
    types: Vec<ResourceType>,
    id_prefix: String,
}

impl WatchFilter {
    pub fn decode(types: &[i32], id_prefix: String) -> Decoded<WatchFilter> {
        let mut wrong = Violations::default();
        let types = wrong.check(self::types(types));
        if !id_prefix.is_empty() {
            // The beginning of an id is bounded as an id is.
            wrong.check(MemberId::parse("id_prefix", &id_prefix));
        }
        all_or_return!(wrong; types);
        Ok(WatchFilter { types, id_prefix })
    }

    /// Returns the messages with what is wanted of a commit; none if nothing is. The last of them names the revision.
    pub fn messages<'m>(&self, made: &'m Made) -> Cow<'m, [pb::WatchResponse]> {
        if self.types.is_empty() && self.id_prefix.is_empty() {
            return Cow::Borrowed(&made.messages);
        }
        let wanted = made.messages.iter().map(|message| {
            let changes = message.changes.iter().filter(|change| self.passes(change)).cloned().collect();
            pb::WatchResponse { revision: message.revision.clone(), commit_time: message.commit_time, changes }
        });
        let mut wanted: Vec<pb::WatchResponse> = wanted.collect();
        if wanted.iter().all(|message| message.changes.is_empty()) {
            return Cow::Borrowed(&[]);
        }
        wanted.retain(|message| !message.changes.is_empty() || !message.revision.is_empty());
        Cow::Owned(wanted)
    }

    fn passes(&self, change: &pb::ResourceChange) -> bool {
        let Some(change) = &change.change else { return false };
        let (of, members) = subject(change);
        let is_wanted = self.types.is_empty() || self.types.contains(&of);
        is_wanted && members.is_none_or(|members| members.iter().any(|id| id.starts_with(&self.id_prefix)))
    }
}

fn types(values: &[i32]) -> Decoded<Vec<ResourceType>> {
    if values.len() > RESOURCE_TYPES_MAX {
        return Err(Violation::too_many("resource_types", RESOURCE_TYPES_MAX, "types").into());
    }
    each(values, |i, value| {
        let field = format!("resource_types[{i}]");
        match ResourceType::try_from(*value) {
            Ok(ResourceType::Unspecified) => Err(Violation::required(field)),
            Ok(of) => Ok(of),
            Err(_) => Err(Violation::new(field, Reason::OutOfRange, "is no type of resource")),
        }
    })
}

/// Returns what a change is of, and the ids of its members; none where it has no members, or does not say them.
fn subject(change: &Change) -> (ResourceType, Option<[&str; 2]>) {
    let (one, two) = (|id| Some([id, id]), |a, b| Some([a, b]));
    match change {
        Change::PutKind(_) | Change::DeletedKind(_) => (ResourceType::Kind, None),
        Change::PutMember(member) => (ResourceType::Member, one(member.id.as_str())),
        Change::DeletedMember(id) => (ResourceType::Member, one(id)),
        Change::PutEdge(edge) => (ResourceType::Edge, two(edge.from_id.as_str(), edge.to_id.as_str())),
        Change::DeletedEdge(edge) => (ResourceType::Edge, two(&edge.from_id, &edge.to_id)),
        Change::PutStatus(status) => (ResourceType::Status, one(&status.author_id)),
        Change::DeletedStatus(_) => (ResourceType::Status, None),
        Change::PutBlock(block) | Change::DeletedBlock(block) => {
            (ResourceType::Block, two(&block.member_id, &block.blocked_id))
        }
        Change::PutIntroducerTally(tally) => (ResourceType::IntroducerTally, one(&tally.member_id)),
    }
}
