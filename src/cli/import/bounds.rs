//! Bounds how many elements a record's lists may have. A server ends the whole call for a list that has more, before it looks at any
//! record: here such a row is refused alone.

use super::report::Refusal;
use crate::domain::EdgeAttrs;
use crate::domain::limits::{
    ASK_DAYS_MAX, BATCH_MAX, EXCLUDED_MEMBERS_MAX, INTRODUCERS_PER_ORIGIN_MAX, KINDS_MAX, LABELS_MAX, SPHERES_MAX,
    TOPICS_MAX, UPDATED_FIELDS_MAX,
};
use crate::proto::v1::ErrorReason;
use crate::proto::v1::import_record::Record;

/// Returns why a record at a position is not to be sent, if one of its lists is too long.
pub fn refusal(record: &Record, paths: usize, position: u64) -> Option<Refusal> {
    let lists: Vec<(&str, usize, usize)> = match record {
        Record::Kind(_) | Record::AbsentKind(_) | Record::Block(_) => Vec::new(),
        Record::Member(member) => {
            vec![("member.topics", member.topics.len(), TOPICS_MAX), ("member.labels", member.labels.len(), LABELS_MAX)]
        }
        Record::Edge(edge) => {
            let introducers = edge.origin.as_ref().map_or(0, |origin| origin.introducer_ids.len());
            vec![
                ("edge.origin.introducer_ids", introducers, INTRODUCERS_PER_ORIGIN_MAX),
                ("edge.labels", edge.labels.len(), EdgeAttrs::LABELS_MAX),
            ]
        }
        Record::Status(status) => {
            let filter = status.audience.as_ref().and_then(|audience| audience.filter.as_ref());
            let count = |count: fn(&crate::proto::v1::EdgeFilter) -> usize| filter.map_or(0, count);
            vec![
                ("status.topics", status.topics.len(), TOPICS_MAX),
                ("status.audience.filter.kinds", count(|filter| filter.kinds.len()), KINDS_MAX),
                ("status.audience.filter.spheres", count(|filter| filter.spheres.len()), SPHERES_MAX),
                (
                    "status.audience.filter.exclude_member_ids",
                    count(|filter| filter.exclude_member_ids.len()),
                    EXCLUDED_MEMBERS_MAX,
                ),
            ]
        }
        Record::Erased(erased) => vec![("erased.members", erased.members.len(), BATCH_MAX)],
        Record::IntroducerTally(tally) => {
            vec![("introducer_tally.recent", tally.recent.len(), ASK_DAYS_MAX as usize)]
        }
    };
    let lists = lists.into_iter().chain([("update_mask", paths, UPDATED_FIELDS_MAX)]);
    let (field, _, max) = lists.into_iter().find(|(_, count, max)| count > max)?;
    Some(Refusal::new(position, ErrorReason::TooMany, field, format!("must hold at most {max}")))
}
