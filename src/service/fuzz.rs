//! What callers send, on bytes that no client of ours would make.

use prost::Message;

use super::call::{CallContext, grpc_timeout};
use super::call_id::Trace;
use super::decode::{self, AskedFilter};
use super::page::Listing;
use super::request_id::request;
use crate::domain::{Error, NamespaceName, Reason, Secret, TimeMs, Violation};
use crate::engine::{Revision, TokenKey};
use crate::fuzz::fuzz;
use crate::proto::v1 as pb;

const NOW: TimeMs = TimeMs(1_700_000_000_000);

/// Returns every resource with every field there is.
fn records() -> Vec<pb::ImportRecord> {
    use pb::import_record::Record;
    let text = str::to_owned;
    let time = Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 5_000_000 });
    let filter = pb::EdgeFilter {
        kinds: vec![text("friend")],
        spheres: vec![1, 2],
        min_strength: Some(0.5),
        exclude_member_ids: vec![text("cy")],
    };
    let kind = pb::Kind {
        name: text("reads"),
        sphere: 3,
        symmetric: true,
        prior: 0.5,
        half_life: Some(prost_types::Duration { seconds: 60, nanos: 1_000_000 }),
        etag: text("0123456789abcdef"),
        carries_statuses: Some(true),
    };
    let member = pb::Member {
        id: text("ann"),
        display_name: text("Ann"),
        headline: text("née"),
        topics: vec![text("privacy")],
        labels: [(text("team"), text("7"))].into(),
        privacy: Some(pb::Privacy {
            edges_visibility: 2,
            hidden_from_suggestions: true,
            declines_introducing: true,
            processing_restricted: true,
            objects_to_profiling: true,
        }),
        ..Default::default()
    };
    let edge = pb::Edge {
        from_id: text("ann"),
        kind: text("friend"),
        to_id: text("bob"),
        pinned_strength: Some(0.5),
        interactions: 300,
        last_interaction_time: time,
        interaction_weight: 1.5,
        since: time,
        visibility: 3,
        note: text("n"),
        origin: Some(pb::Origin { status_id: text("s"), introducer_ids: vec![text("cy")], note: text("o") }),
        asked_by_id: text("bob"),
        ..Default::default()
    };
    let status = pb::Status {
        id: text("s"),
        author_id: text("ann"),
        text: text("Who owns your data?"),
        link: text("https://example.org/data"),
        topics: vec![text("privacy")],
        audience: Some(pb::Audience { filter: Some(filter), max_hops: 3 }),
        post_time: time,
        ..Default::default()
    };
    let block = pb::Block { member_id: text("ann"), blocked_id: text("bob") };
    let all =
        [Record::Kind(kind), Record::Member(member), Record::Edge(edge), Record::Status(status), Record::Block(block)];
    all.map(|record| pb::ImportRecord { record: Some(record), ..Default::default() }).into()
}

fn decoded<M: Message + Default>(bytes: &[u8]) -> Result<M, Error> {
    M::decode(bytes).map_err(|error| Error::Internal(error.to_string()))
}

fn bytes_of(messages: impl IntoIterator<Item = impl Message>) -> Vec<Vec<u8>> {
    messages.into_iter().map(|message| message.encode_to_vec()).collect()
}

#[test]
fn no_record_breaks_an_import() {
    fuzz("import records", bytes_of(records()), |bytes| {
        let record: pb::ImportRecord = decoded(bytes)?;
        decode::import_change(record, None, true, NOW).map_err(|wrong| Error::Invalid(wrong.into_inner()))
    });
}

#[test]
fn no_change_breaks_a_batch() {
    use pb::change::Change;
    use pb::import_record::Record;
    let update = |member| pb::UpdateMemberChange {
        member: Some(member),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["headline".to_owned(), "privacy.edges_visibility".to_owned()],
        }),
    };
    let mut changes = Vec::new();
    for record in records().into_iter().filter_map(|record| record.record) {
        changes.extend(match record {
            Record::Kind(kind) => vec![Change::PutKind(kind)],
            Record::Member(member) => vec![Change::PutMember(member.clone()), Change::UpdateMember(update(member))],
            Record::Edge(edge) => {
                vec![Change::PutEdge(pb::PutEdgeChange { edge: Some(edge), allow_missing_members: true })]
            }
            Record::Status(status) => vec![Change::PostStatus(status)],
            Record::Block(block) => vec![Change::BlockMember(block)],
            _ => vec![],
        });
    }
    let key = || ("ann".to_owned(), "friend".to_owned(), "bob".to_owned());
    let (from_id, kind, to_id) = key();
    changes.push(Change::DeleteEdge(pb::DeleteEdgeChange { from_id, kind, to_id, allow_missing: true }));
    let (from_id, kind, to_id) = key();
    changes.push(Change::RecordInteraction(pb::Interaction { from_id, kind, to_id, count: 3, time: None }));
    let condition = Some(pb::precondition::Condition::Etag("0123456789abcdef".to_owned()));
    let changes = changes.into_iter().flat_map(|change| {
        [None, Some(pb::Precondition { condition: condition.clone() })]
            .map(|precondition| pb::Change { change: Some(change.clone()), precondition })
    });
    fuzz("changes", bytes_of(changes), |bytes| {
        let change: pb::Change = decoded(bytes)?;
        let changed = decode::change(0, change, NOW, || "new".to_owned());
        changed.map(|(change, _)| change).map_err(|wrong| Error::Invalid(wrong.into_inner()))
    });
}

#[test]
fn no_filter_breaks_a_query() {
    let filters = records().into_iter().filter_map(|record| match record.record {
        Some(pb::import_record::Record::Status(status)) => status.audience.and_then(|audience| audience.filter),
        _ => None,
    });
    fuzz("filters", bytes_of(filters), |bytes| {
        let filter: pb::EdgeFilter = decoded(bytes)?;
        AskedFilter::decode_about(Some(&filter), &[None]).map_err(|wrong| Error::Invalid(wrong.into_inner()))
    });
}

/// Makes a text of any bytes.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn no_token_breaks_a_list_or_a_read() {
    let key = std::sync::Arc::new(TokenKey::new(Secret([7; 32])));
    let listing = Listing::new(&key, &NamespaceName::default(), 1, "ListMembers", &pb::ListMembersRequest::default());
    let tokens = [&["ann"][..], &["ann", "friend", "in"]].map(|cursor| listing.token(NOW, cursor).into_bytes());
    fuzz("page tokens", tokens, |bytes| listing.parse(&text(bytes), 1));
    let revision = Revision::new(7 << 64, 9).to_string().into_bytes();
    fuzz("revisions", [revision], |bytes| Revision::parse("min_revision", &text(bytes), 7 << 64));
    let body = pb::ListMembersRequest::default();
    let id = b"67e55044-10b1-426f-9247-bb680e5fe0c8".to_vec();
    let context = CallContext::unlimited();
    fuzz("request ids", [id], |bytes| request(&context, "Write", &text(bytes), &body));
}

#[test]
fn no_header_breaks_a_call() {
    let none = || Violation::new("header", Reason::Malformed, "is none");
    let trace = format!("00-{}-{}-01", "a1".repeat(16), "b2".repeat(8)).into_bytes();
    fuzz("traces", [trace], |bytes| Trace::parse(&text(bytes)).map(|trace| trace.trace_id.to_owned()).ok_or_else(none));
    fuzz("timeouts", [b"100m".to_vec(), b"99999999H".to_vec()], |bytes| grpc_timeout(&text(bytes)).ok_or_else(none));
}
