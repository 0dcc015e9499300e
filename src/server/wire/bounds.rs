//! The number of elements that each repeated field of a request may hold, and what the elements are called. The handlers check the same
//! bounds.

use crate::domain::EdgeAttrs;
use crate::domain::limits::{
    ASK_DAYS_MAX, BATCH_MAX, CLAUSES_MAX, CONDITIONS_MAX, EXCLUDED_MEMBERS_MAX, INTRODUCERS_PER_ORIGIN_MAX, KINDS_MAX,
    LABEL_VALUES_MAX, LABELS_MAX, RESOURCE_TYPES_MAX, SPHERES_MAX, TOPICS_MAX, UPDATED_FIELDS_MAX,
};

/// The bounds by the field's full name: how many elements, and of what.
const BOUNDS: [(&str, usize, &str); 25] = [
    ("google.protobuf.FieldMask.paths", UPDATED_FIELDS_MAX, "fields"),
    ("kith.v1.BatchGetDistancesRequest.to_ids", BATCH_MAX, "members"),
    ("kith.v1.BatchGetMembersRequest.ids", BATCH_MAX, "members"),
    ("kith.v1.CheckReachRequest.viewer_ids", BATCH_MAX, "members"),
    ("kith.v1.DiscoverStatusesRequest.topics", TOPICS_MAX, "topics"),
    ("kith.v1.Edge.labels", EdgeAttrs::LABELS_MAX, "labels"),
    ("kith.v1.EdgeFilter.exclude_member_ids", EXCLUDED_MEMBERS_MAX, "members"),
    ("kith.v1.EdgeFilter.kinds", KINDS_MAX, "kinds"),
    ("kith.v1.EdgeFilter.spheres", SPHERES_MAX, "spheres"),
    ("kith.v1.ErasedMembers.members", BATCH_MAX, "members"),
    ("kith.v1.ImportRequest.records", BATCH_MAX, "records"),
    ("kith.v1.IntroducerTally.recent", ASK_DAYS_MAX as usize, "days"),
    ("kith.v1.LabelCondition.values", LABEL_VALUES_MAX, "values"),
    ("kith.v1.Member.labels", LABELS_MAX, "labels"),
    ("kith.v1.Member.topics", TOPICS_MAX, "topics"),
    ("kith.v1.MemberClause.any_of", CONDITIONS_MAX, "conditions"),
    ("kith.v1.MemberFilter.all_of", CLAUSES_MAX, "clauses"),
    ("kith.v1.Origin.introducer_ids", INTRODUCERS_PER_ORIGIN_MAX, "members"),
    ("kith.v1.RecordInteractionsRequest.interactions", BATCH_MAX, "interactions"),
    ("kith.v1.RecordIntroductionsRequest.introductions", BATCH_MAX, "introductions"),
    ("kith.v1.Status.topics", TOPICS_MAX, "topics"),
    ("kith.v1.SuggestIntroductionsRequest.exclude_ids", EXCLUDED_MEMBERS_MAX, "members"),
    ("kith.v1.SuggestIntroductionsRequest.topics", TOPICS_MAX, "topics"),
    ("kith.v1.WatchRequest.resource_types", RESOURCE_TYPES_MAX, "types"),
    ("kith.v1.WriteRequest.changes", BATCH_MAX, "changes"),
];

/// Returns the bound of a field. A field that is not listed may hold as much as a batch; a test checks that all are listed.
pub fn bound(field: &str) -> (usize, &'static str) {
    listed(field).unwrap_or((BATCH_MAX, "elements"))
}

pub fn listed(field: &str) -> Option<(usize, &'static str)> {
    BOUNDS.iter().find(|(name, ..)| *name == field).map(|(_, max, what)| (*max, *what))
}
