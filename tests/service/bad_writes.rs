//! What writes refuse.

use kith::proto::v1::*;

use super::ask::*;
use super::bad_input::{Case, case};

pub fn cases() -> Vec<Case> {
    [members(), blocks(), edges(), kinds(), statuses(), batches()].into_iter().flatten().collect()
}

fn long(chars: usize) -> String {
    "x".repeat(chars)
}

fn many(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{prefix}{i}")).collect()
}

fn members() -> Vec<Case> {
    let put =
        |what, spoil: fn(&mut Member), reason, field| case(what, put_member(|r| spoil(member_of(r))), reason, field);
    vec![
        case("no member", put_member(|r| r.member = None), "REQUIRED", "member"),
        put("no id", |m| m.id.clear(), "REQUIRED", "member.id"),
        put("id of 129 bytes", |m| m.id = long(129), "TOO_LONG", "member.id"),
        put("id of 65 two-byte characters", |m| m.id = "é".repeat(65), "TOO_LONG", "member.id"),
        put("id with a line break", |m| m.id = text("a\nb"), "MALFORMED", "member.id"),
        put("id with a C1 control", |m| m.id = text("a\u{85}b"), "MALFORMED", "member.id"),
        put("name of 257 characters", |m| m.display_name = long(257), "TOO_LONG", "member.display_name"),
        put("name with NUL", |m| m.display_name = text("a\0"), "MALFORMED", "member.display_name"),
        put("headline of 513 characters", |m| m.headline = "é".repeat(513), "TOO_LONG", "member.headline"),
        put("headline with NUL", |m| m.headline = text("\0"), "MALFORMED", "member.headline"),
        put("65 topics", |m| m.topics = many("t", 65), "TOO_MANY", "member.topics"),
        put("empty topic", |m| m.topics.push(text("")), "REQUIRED", "member.topics[1]"),
        put("topic with a space", |m| m.topics.push(text("a b")), "MALFORMED", "member.topics[1]"),
        put("topic in capitals", |m| m.topics = vec![text("Maths")], "MALFORMED", "member.topics[0]"),
        put("topic that starts with a dash", |m| m.topics = vec![text("-a")], "MALFORMED", "member.topics[0]"),
        put("topic of 65 characters", |m| m.topics = vec!["é".repeat(65)], "TOO_LONG", "member.topics[0]"),
        put("topic not in NFC", |m| m.topics = vec![text("cafe\u{301}")], "MALFORMED", "member.topics[0]"),
        put("topic with a dot", |m| m.topics = vec![text("a.b")], "MALFORMED", "member.topics[0]"),
        put(
            "65 labels",
            |m| m.labels = many("k", 65).into_iter().map(|key| (key, text(""))).collect(),
            "TOO_MANY",
            "member.labels",
        ),
        put("label without a key", |m| drop(m.labels.insert(text(""), text("v"))), "REQUIRED", "member.labels"),
        put("label key of 64 bytes", |m| drop(m.labels.insert(long(64), text(""))), "TOO_LONG", "member.labels"),
        put("label key with a tab", |m| drop(m.labels.insert(text("a\t"), text(""))), "MALFORMED", "member.labels"),
        put("label of 257 bytes", |m| drop(m.labels.insert(text("k"), long(257))), "TOO_LONG", "member.labels[\"k\"]"),
        put("another etag", |m| m.etag = text("old"), "ETAG_MISMATCH", "member.etag"),
        put("etag of 65 bytes", |m| m.etag = long(65), "TOO_LONG", "member.etag"),
        case("request id that is no UUID", put_member(|r| r.request_id = text("1")), "MALFORMED", "request_id"),
        case(
            "request id in braces",
            put_member(|r| r.request_id = text("{6f1e4b1c-8f0a-4c38-9d59-3a1d2f0c7b11}")),
            "MALFORMED",
            "request_id",
        ),
        case("update of no member", update_member(|r| r.member = None), "REQUIRED", "member"),
        case("update without a mask", update_member(|r| r.update_mask = None), "REQUIRED", "update_mask"),
        put(
            "visibility that is none",
            |m| m.privacy = Some(privacy(3 + 1)),
            "OUT_OF_RANGE",
            "member.privacy.edges_visibility",
        ),
        case(
            "update of a field that privacy has not",
            update_member(|r| mask(r, "privacy.age")),
            "UNKNOWN_FIELD",
            "update_mask",
        ),
        case("update of the id", update_member(|r| mask(r, "id")), "UNKNOWN_FIELD", "update_mask"),
        case("update of what is no field", update_member(|r| mask(r, "age")), "UNKNOWN_FIELD", "update_mask"),
        case("update of nobody", update_member(|r| updated(r).id.clear()), "REQUIRED", "member.id"),
        case("update of a stranger", update_member(|r| updated(r).id = text("nobody")), "NOT_FOUND", ""),
        case("update over a bound", update_member(|r| updated(r).headline = long(513)), "TOO_LONG", "member.headline"),
        case(
            "update with another etag",
            update_member(|r| updated(r).etag = text("old")),
            "ETAG_MISMATCH",
            "member.etag",
        ),
        case("delete of nobody", delete_member(|r| r.id.clear()), "REQUIRED", "id"),
        case("delete of a stranger", delete_member(|r| r.allow_missing = false), "NOT_FOUND", ""),
        case(
            "delete with another etag",
            delete_member(|r| (r.id, r.etag) = (text("cy"), text("old"))),
            "ETAG_MISMATCH",
            "etag",
        ),
        case("delete with a long etag", delete_member(|r| r.etag = long(65)), "TOO_LONG", "etag"),
        case("delete with a bad request id", delete_member(|r| r.request_id = text("x")), "MALFORMED", "request_id"),
    ]
}

fn blocks() -> Vec<Case> {
    let by = |change: fn(&mut Block)| block_member(move |r| change(r.block.get_or_insert_default()));
    vec![
        case("no block", block_member(|r| r.block = None), "REQUIRED", "block"),
        case("block by nobody", by(|b| b.member_id.clear()), "REQUIRED", "block.member_id"),
        case("block of nobody", by(|b| b.blocked_id.clear()), "REQUIRED", "block.blocked_id"),
        case("block of 129 bytes", by(|b| b.blocked_id = long(129)), "TOO_LONG", "block.blocked_id"),
        case("block of oneself", by(|b| b.blocked_id = text("ada")), "SELF_EDGE", "block.blocked_id"),
        case("block by a stranger", by(|b| b.member_id = text("nobody")), "MEMBER_MISSING", "block.member_id"),
        case("block of a stranger", by(|b| b.blocked_id = text("nobody")), "MEMBER_MISSING", "block.blocked_id"),
        case("block with a bad request id", block_member(|r| r.request_id = text("x")), "MALFORMED", "request_id"),
        case("nothing to unblock", unblock_member(|r| r.block = None), "REQUIRED", "block"),
        case("unblock by nobody", unblock_member(|r| r.block = block("", "cy")), "REQUIRED", "block.member_id"),
        case("unblock of oneself", unblock_member(|r| r.block = block("cy", "cy")), "SELF_EDGE", "block.blocked_id"),
        case("unblock what is not blocked", unblock_member(|r| r.allow_missing = false), "NOT_FOUND", ""),
        case("unblock with a bad request id", unblock_member(|r| r.request_id = text("x")), "MALFORMED", "request_id"),
        case("blocks of nobody", list_blocks(|r| r.member_id.clear()), "REQUIRED", "member_id"),
        case("blocks of a stranger", list_blocks(|r| r.member_id = text("nobody")), "NOT_FOUND", ""),
        case("blocks, a negative page", list_blocks(|r| r.page_size = -1), "OUT_OF_RANGE", "page_size"),
        case("blocks, no token", list_blocks(|r| r.page_token = text("zz")), "MALFORMED", "page_token"),
        case("blocks of another store", list_blocks(|r| r.min_revision = text("x")), "MALFORMED", "min_revision"),
    ]
}

fn privacy(edges_visibility: i32) -> Privacy {
    Privacy { edges_visibility, ..Default::default() }
}

fn mask(request: &mut UpdateMemberRequest, path: &str) {
    request.update_mask = Some(prost_types::FieldMask { paths: vec![text(path)] });
}

fn updated(request: &mut UpdateMemberRequest) -> &mut Member {
    request.member.get_or_insert_default()
}

fn edges() -> Vec<Case> {
    let put = |what, spoil: fn(&mut Edge), reason, field| case(what, put_edge(|r| spoil(edge_of(r))), reason, field);
    let record = |what, spoil: fn(&mut Interaction), reason, field| {
        case(what, record_interactions(|r| spoil(&mut r.interactions[1])), reason, field)
    };
    const YEAR_2107: i64 = 4_323_283_200;
    vec![
        case("no edge", put_edge(|r| r.edge = None), "REQUIRED", "edge"),
        put("no from", |e| e.from_id.clear(), "REQUIRED", "edge.from_id"),
        put("no to", |e| e.to_id.clear(), "REQUIRED", "edge.to_id"),
        put("no kind", |e| e.kind.clear(), "REQUIRED", "edge.kind"),
        put("from of 129 bytes", |e| e.from_id = long(129), "TOO_LONG", "edge.from_id"),
        put("to with a control character", |e| e.to_id = text("\u{7f}"), "MALFORMED", "edge.to_id"),
        put("kind in capitals", |e| e.kind = text("Friend"), "MALFORMED", "edge.kind"),
        put("kind of 64 bytes", |e| e.kind = long(64), "TOO_LONG", "edge.kind"),
        put("kind that is not registered", |e| e.kind = text("freind"), "UNKNOWN_KIND", "edge.kind"),
        put("edge to oneself", |e| e.to_id = text("ada"), "SELF_EDGE", "edge.to_id"),
        put("edge from a stranger", |e| e.from_id = text("nobody"), "MEMBER_MISSING", "edge.from_id"),
        put("edge to a stranger", |e| e.to_id = text("nobody"), "MEMBER_MISSING", "edge.to_id"),
        put("visibility that is none", |e| e.visibility = -1, "OUT_OF_RANGE", "edge.visibility"),
        put("strength 0", |e| e.pinned_strength = Some(0.0), "OUT_OF_RANGE", "edge.pinned_strength"),
        put("strength -0.5", |e| e.pinned_strength = Some(-0.5), "OUT_OF_RANGE", "edge.pinned_strength"),
        put("strength 1.5", |e| e.pinned_strength = Some(1.5), "OUT_OF_RANGE", "edge.pinned_strength"),
        put("strength NaN", |e| e.pinned_strength = Some(f32::NAN), "OUT_OF_RANGE", "edge.pinned_strength"),
        put("strength ∞", |e| e.pinned_strength = Some(f32::INFINITY), "OUT_OF_RANGE", "edge.pinned_strength"),
        put("-1 interactions", |e| e.interactions = -1, "OUT_OF_RANGE", "edge.interactions"),
        put("10¹² + 1 interactions", |e| history(e, 1_000_000_000_001, 1), "OUT_OF_RANGE", "edge.interactions"),
        put("interactions at no time", |e| e.interactions = 1, "REQUIRED", "edge.last_interaction_time"),
        put("interactions before 1970", |e| history(e, 1, -1), "OUT_OF_RANGE", "edge.last_interaction_time"),
        put("interactions after 2106", |e| history(e, 1, YEAR_2107), "OUT_OF_RANGE", "edge.last_interaction_time"),
        put("no interactions at a time", |e| history(e, 0, 1), "OUT_OF_RANGE", "edge.interactions"),
        put("weight of no interactions", |e| e.interaction_weight = 1.0, "REQUIRED", "edge.interactions"),
        put("weight -1", |e| weight(e, -1.0), "OUT_OF_RANGE", "edge.interaction_weight"),
        put("weight NaN", |e| weight(e, f32::NAN), "OUT_OF_RANGE", "edge.interaction_weight"),
        put("weight ∞", |e| weight(e, f32::INFINITY), "OUT_OF_RANGE", "edge.interaction_weight"),
        put("weight 2.5 of 2 interactions", |e| weight(e, 2.5), "OUT_OF_RANGE", "edge.interaction_weight"),
        put("since the year 10000", |e| e.since = at(253_402_300_800), "OUT_OF_RANGE", "edge.since"),
        put("since a negative fraction", |e| e.since = nanos(-1), "OUT_OF_RANGE", "edge.since"),
        put("note of 1,001 characters", |e| e.note = long(1_001), "TOO_LONG", "edge.note"),
        put(
            "17 labels",
            |e| e.labels = many("k", 17).into_iter().map(|key| (key, text(""))).collect(),
            "TOO_MANY",
            "edge.labels",
        ),
        put(
            "edge's label of 257 bytes",
            |e| drop(e.labels.insert(text("k"), long(257))),
            "TOO_LONG",
            "edge.labels[\"k\"]",
        ),
        put("note with NUL", |e| e.note = text("a\0b"), "MALFORMED", "edge.note"),
        put("origin in no status", |e| origin(e).status_id = text("none"), "STATUS_MISSING", "edge.origin.status_id"),
        put("origin in a long id", |e| origin(e).status_id = long(129), "TOO_LONG", "edge.origin.status_id"),
        put("17 introducers", |e| origin(e).introducer_ids = many("i", 17), "TOO_MANY", "edge.origin.introducer_ids"),
        put(
            "nobody introduces",
            |e| origin(e).introducer_ids = vec![text("")],
            "REQUIRED",
            "edge.origin.introducer_ids[0]",
        ),
        put("origin's note too long", |e| origin(e).note = long(1_001), "TOO_LONG", "edge.origin.note"),
        put("another etag of an edge", |e| e.etag = text("old"), "ETAG_MISMATCH", "edge.etag"),
        put(
            "etag of an edge that is not",
            |e| (e.to_id, e.etag) = (text("cy"), text("old")),
            "ETAG_MISMATCH",
            "edge.etag",
        ),
        case("delete from nobody", delete_edge(|r| r.from_id.clear()), "REQUIRED", "from_id"),
        case("delete of a bad kind", delete_edge(|r| r.kind = text("a b")), "MALFORMED", "kind"),
        case("delete to oneself", delete_edge(|r| r.to_id = text("ada")), "SELF_EDGE", "to_id"),
        case("delete of no edge", delete_edge(|r| r.allow_missing = false), "NOT_FOUND", ""),
        case(
            "delete of an edge by etag",
            delete_edge(|r| (r.to_id, r.etag) = (text("bob"), text("old"))),
            "ETAG_MISMATCH",
            "etag",
        ),
        case("no interactions", record_interactions(|r| r.interactions.clear()), "REQUIRED", "interactions"),
        case(
            "1,001 interactions",
            record_interactions(|r| r.interactions = vec![interaction(); 1_001]),
            "TOO_MANY",
            "interactions",
        ),
        record("interaction from nobody", |i| i.from_id.clear(), "REQUIRED", "interactions[1].from_id"),
        record("interaction with oneself", |i| i.to_id = text("ada"), "SELF_EDGE", "interactions[1].to_id"),
        record("-1 times", |i| i.count = -1, "OUT_OF_RANGE", "interactions[1].count"),
        record("10¹² + 1 times", |i| i.count = 1_000_000_000_001, "OUT_OF_RANGE", "interactions[1].count"),
        record("in 1969", |i| i.time = at(-1), "OUT_OF_RANGE", "interactions[1].time"),
        record("in 2107", |i| i.time = at(YEAR_2107), "OUT_OF_RANGE", "interactions[1].time"),
        record("over a kind that is not", |i| i.kind = text("freind"), "UNKNOWN_KIND", "interactions[1].kind"),
        record("over an edge that is not", |i| i.to_id = text("cy"), "NOT_FOUND", ""),
    ]
}

fn history(edge: &mut Edge, count: i64, last: i64) {
    (edge.interactions, edge.last_interaction_time) = (count, at(last));
}

fn weight(edge: &mut Edge, weight: f32) {
    history(edge, 2, 1);
    edge.interaction_weight = weight;
}

fn nanos(nanos: i32) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: 0, nanos })
}

fn origin(edge: &mut Edge) -> &mut Origin {
    edge.origin.get_or_insert_default()
}

fn kinds() -> Vec<Case> {
    let put = |what, spoil: fn(&mut Kind), reason, field| case(what, put_kind(|r| spoil(kind_of(r))), reason, field);
    vec![
        case("no kind to put", put_kind(|r| r.kind = None), "REQUIRED", "kind"),
        put("kind without a name", |k| k.name.clear(), "REQUIRED", "kind.name"),
        put("kind that starts with a digit", |k| k.name = text("1st"), "MALFORMED", "kind.name"),
        put("kind's name of 64 bytes", |k| k.name = long(64), "TOO_LONG", "kind.name"),
        put("kind without a sphere", |k| k.sphere = 0, "REQUIRED", "kind.sphere"),
        put("kind of a sphere that is not", |k| k.sphere = 9, "OUT_OF_RANGE", "kind.sphere"),
        put("prior -1", |k| k.prior = -1.0, "OUT_OF_RANGE", "kind.prior"),
        put("prior 1,001", |k| k.prior = 1_001.0, "OUT_OF_RANGE", "kind.prior"),
        put("prior NaN", |k| k.prior = f64::NAN, "OUT_OF_RANGE", "kind.prior"),
        put("half-life of 59 s", |k| half_life(k, 59, 0), "OUT_OF_RANGE", "kind.half_life"),
        put("half-life of 101 years", |k| half_life(k, 101 * 365 * 86_400, 0), "OUT_OF_RANGE", "kind.half_life"),
        put("negative half-life", |k| half_life(k, -60, 0), "OUT_OF_RANGE", "kind.half_life"),
        put("half-life with a negative part", |k| half_life(k, 60, -1), "OUT_OF_RANGE", "kind.half_life"),
        put("endless half-life", |k| half_life(k, i64::MAX, 0), "OUT_OF_RANGE", "kind.half_life"),
        put("a used kind made directed", |k| k.name = text("friend"), "KIND_IN_USE", "kind.symmetric"),
        put(
            "another etag of a kind",
            |k| (k.name, k.etag) = (text("spouse"), text("old")),
            "ETAG_MISMATCH",
            "kind.etag",
        ),
        case("delete of a kind without a name", delete_kind(|r| r.name.clear()), "REQUIRED", "name"),
        case("delete of a malformed kind", delete_kind(|r| r.name = text("A")), "MALFORMED", "name"),
        case("delete of no kind", delete_kind(|r| r.allow_missing = false), "NOT_FOUND", ""),
        case("delete of a used kind", delete_kind(|r| r.name = text("friend")), "KIND_IN_USE", "name"),
        case("delete of an audience's kind", delete_kind(|r| r.name = text("family")), "KIND_IN_USE", "name"),
        case(
            "delete of a kind by etag",
            delete_kind(|r| (r.name, r.etag) = (text("spouse"), text("old"))),
            "ETAG_MISMATCH",
            "etag",
        ),
    ]
}

fn half_life(kind: &mut Kind, seconds: i64, nanos: i32) {
    kind.half_life = Some(prost_types::Duration { seconds, nanos });
}

fn statuses() -> Vec<Case> {
    type Post = kith::proto::v1::Status;
    let post = |what, spoil: fn(&mut Post), reason, field| {
        let ask = post_status(|r| {
            status_of(r).id = text("s9");
            spoil(status_of(r));
        });
        case(what, ask, reason, field)
    };
    fn filter(status: &mut Post) -> &mut EdgeFilter {
        status.audience.get_or_insert_default().filter.get_or_insert_default()
    }
    vec![
        case("no status", post_status(|r| r.status = None), "REQUIRED", "status"),
        post("status by no one", |s| s.author_id.clear(), "REQUIRED", "status.author_id"),
        post("status by a stranger", |s| s.author_id = text("nobody"), "MEMBER_MISSING", "status.author_id"),
        post("status's id of 129 bytes", |s| s.id = long(129), "TOO_LONG", "status.id"),
        post("status's id is taken", |s| s.id = text("s1"), "ALREADY_EXISTS", ""),
        post("no text", |s| s.text.clear(), "REQUIRED", "status.text"),
        post("text of 2,001 characters", |s| s.text = long(2_001), "TOO_LONG", "status.text"),
        post("text with NUL", |s| s.text = text("\0"), "MALFORMED", "status.text"),
        post("link that is none", |s| s.link = text("example"), "MALFORMED", "status.link"),
        post("link by ftp", |s| s.link = text("ftp://example.com"), "MALFORMED", "status.link"),
        post("link without a host", |s| s.link = text("https:///a"), "MALFORMED", "status.link"),
        post("link with a space", |s| s.link = text("https://example.com/a b"), "MALFORMED", "status.link"),
        post("link of 2,049 bytes", |s| s.link = format!("https://{}", long(2_041)), "TOO_LONG", "status.link"),
        post("65 topics of a status", |s| s.topics = many("t", 65), "TOO_MANY", "status.topics"),
        post("status on a bad topic", |s| s.topics = vec![text("É")], "MALFORMED", "status.topics[0]"),
        post(
            "audience within 7 hops",
            |s| s.audience.as_mut().unwrap().max_hops = 7,
            "OUT_OF_RANGE",
            "status.audience.max_hops",
        ),
        post(
            "audience within -1 hops",
            |s| s.audience.as_mut().unwrap().max_hops = -1,
            "OUT_OF_RANGE",
            "status.audience.max_hops",
        ),
        post(
            "audience along no kind",
            |s| filter(s).kinds = vec![text("freind")],
            "UNKNOWN_KIND",
            "status.audience.filter.kinds[0]",
        ),
        post("audience of no sphere", |s| filter(s).spheres = vec![0], "REQUIRED", "status.audience.filter.spheres[0]"),
        post(
            "audience without the author",
            |s| filter(s).exclude_member_ids = vec![text("ada")],
            "CONTRADICTORY_FILTER",
            "status.audience.filter.exclude_member_ids",
        ),
        post("expired before it is posted", |s| s.expire_time = at(1), "OUT_OF_RANGE", "status.expire_time"),
        post("posted at no time", |s| s.post_time = nanos(1_000_000_000), "OUT_OF_RANGE", "status.post_time"),
        case("delete of a status without an id", delete_status(|r| r.id.clear()), "REQUIRED", "id"),
        case("delete of no status", delete_status(|r| r.allow_missing = false), "NOT_FOUND", ""),
        case(
            "delete of a status by etag",
            delete_status(|r| (r.id, r.etag) = (text("s1"), text("old"))),
            "ETAG_MISMATCH",
            "etag",
        ),
    ]
}

fn batches() -> Vec<Case> {
    use change::Change as Asked;
    use precondition::Condition;
    let second =
        |what, asked: Asked, reason, field| case(what, write(|r| r.changes[1].change = Some(asked)), reason, field);
    let on_condition = |what, condition, reason, field| {
        case(what, write(|r| r.changes[1].precondition = Some(Precondition { condition })), reason, field)
    };
    let status = kith::proto::v1::Status { author_id: text("nobody"), text: text("t"), ..Default::default() };
    let member = |id: &str, etag: &str| Member { id: text(id), etag: text(etag), ..Default::default() };
    let edge = PutEdgeChange { edge: Some(friend("ada", "nobody")), allow_missing_members: false };
    let stranger = DeleteMemberChange { id: text("nobody"), allow_missing: false };
    let update = UpdateMemberChange { member: Some(member("ada", "")), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec![text("headline")] });
    let outdated_update = UpdateMemberChange { member: Some(member("ada", "old")), update_mask };
    let outdated = Edge { etag: text("old"), ..friend("ada", "bob") };
    let outdated_edge = PutEdgeChange { edge: Some(outdated), allow_missing_members: false };
    vec![
        case("no changes", write(|r| r.changes.clear()), "REQUIRED", "changes"),
        case("1,001 changes", write(|r| r.changes = vec![r.changes[0].clone(); 1_001]), "TOO_MANY", "changes"),
        case("a change of nothing", write(|r| r.changes[1].change = None), "REQUIRED", "changes[1]"),
        case("bad request id of a batch", write(|r| r.request_id = text("?")), "MALFORMED", "request_id"),
        second("second member without an id", Asked::PutMember(member("", "")), "REQUIRED", "changes[1].put_member.id"),
        second(
            "second member by etag",
            Asked::PutMember(member("bob", "old")),
            "PRECONDITION_FAILED",
            "changes[1].put_member.etag",
        ),
        second(
            "second update by etag",
            Asked::UpdateMember(outdated_update),
            "PRECONDITION_FAILED",
            "changes[1].update_member.member.etag",
        ),
        second(
            "second edge by etag",
            Asked::PutEdge(outdated_edge),
            "PRECONDITION_FAILED",
            "changes[1].put_edge.edge.etag",
        ),
        second(
            "second block by a stranger",
            Asked::BlockMember(block("nobody", "ada").unwrap()),
            "MEMBER_MISSING",
            "changes[1].block_member.member_id",
        ),
        second(
            "second change an edge to nobody",
            Asked::PutEdge(edge),
            "MEMBER_MISSING",
            "changes[1].put_edge.edge.to_id",
        ),
        second(
            "second change without an edge",
            Asked::PutEdge(PutEdgeChange::default()),
            "REQUIRED",
            "changes[1].put_edge.edge",
        ),
        second(
            "second change deletes a stranger",
            Asked::DeleteMember(stranger),
            "NOT_FOUND",
            "changes[1].delete_member",
        ),
        second(
            "second change without a mask",
            Asked::UpdateMember(update),
            "REQUIRED",
            "changes[1].update_member.update_mask",
        ),
        second(
            "second status by a stranger",
            Asked::PostStatus(status),
            "MEMBER_MISSING",
            "changes[1].post_status.author_id",
        ),
        second(
            "second kind without a name",
            Asked::PutKind(Kind { sphere: 1, ..Default::default() }),
            "REQUIRED",
            "changes[1].put_kind.name",
        ),
        on_condition("no condition", None, "REQUIRED", "changes[1].precondition"),
        on_condition("an empty etag", Some(Condition::Etag(text(""))), "REQUIRED", "changes[1].precondition.etag"),
        on_condition("a long etag", Some(Condition::Etag(long(65))), "TOO_LONG", "changes[1].precondition.etag"),
        on_condition(
            "an old etag",
            Some(Condition::Etag(text("old"))),
            "PRECONDITION_FAILED",
            "changes[1].precondition",
        ),
        on_condition(
            "that it is not there",
            Some(Condition::Exists(false)),
            "PRECONDITION_FAILED",
            "changes[1].precondition",
        ),
        case(
            "a condition beside an etag",
            write(|r| {
                r.changes[1].change = Some(Asked::PutMember(member("bob", "old")));
                r.changes[1].precondition = Some(Precondition { condition: Some(Condition::Exists(true)) });
            }),
            "MALFORMED",
            "changes[1].precondition",
        ),
        case(
            "a condition on an interaction",
            write(|r| {
                r.changes[1].change = Some(Asked::RecordInteraction(interaction()));
                r.changes[1].precondition = Some(Precondition { condition: Some(Condition::Exists(true)) });
            }),
            "MALFORMED",
            "changes[1].precondition",
        ),
    ]
}
