//! What reads and queries refuse.

use kith::proto::v1::*;

use super::ask::*;
use super::bad_input::{Case, case};

pub fn cases() -> Vec<Case> {
    [reads(), lists(), filters(), reach(), paths(), introductions(), cut_short(), checks()]
        .into_iter()
        .flatten()
        .collect()
}

pub fn many(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("m{i}")).collect()
}

/// A well-formed revision, of a store that is not this one: of id 0 and sequence 0.
pub const ANOTHER_STORES: &str = "00000000000000000000000000000000ecbb4b55";

fn reads() -> Vec<Case> {
    vec![
        case("member without an id", get_member(|r| r.id.clear()), "REQUIRED", "id"),
        case("member of a long id", get_member(|r| r.id = "x".repeat(129)), "TOO_LONG", "id"),
        case("member of a bad id", get_member(|r| r.id = text("\r")), "MALFORMED", "id"),
        case("a stranger", get_member(|r| r.id = text("nobody")), "NOT_FOUND", ""),
        case("revision that is none", get_member(|r| r.min_revision = text("1")), "MALFORMED", "min_revision"),
        case(
            "revision of another store",
            get_member(|r| r.min_revision = text(ANOTHER_STORES)),
            "REVISION_OF_ANOTHER_STORE",
            "min_revision",
        ),
        case("no members", batch_get_members(|r| r.ids.clear()), "REQUIRED", "ids"),
        case("1,001 members", batch_get_members(|r| r.ids = many(1_001)), "TOO_MANY", "ids"),
        case("second of no members", batch_get_members(|r| r.ids[1].clear()), "REQUIRED", "ids[1]"),
        case("edge from nobody", get_edge(|r| r.from_id.clear()), "REQUIRED", "from_id"),
        case("edge to oneself", get_edge(|r| r.to_id = text("ada")), "SELF_EDGE", "to_id"),
        case("edge of a bad kind", get_edge(|r| r.kind = text("é")), "MALFORMED", "kind"),
        case("edge at no time", get_edge(|r| r.as_of = at(i64::MIN)), "OUT_OF_RANGE", "as_of"),
        case("no such edge", get_edge(|r| r.to_id = text("cy")), "NOT_FOUND", ""),
        case("edge of another kind", get_edge(|r| r.kind = text("spouse")), "NOT_FOUND", ""),
        case(
            "kinds of another store",
            list_kinds(|r| r.min_revision = text(ANOTHER_STORES)),
            "REVISION_OF_ANOTHER_STORE",
            "min_revision",
        ),
        case("status without an id", get_status(|r| r.id.clear()), "REQUIRED", "id"),
        case("no such status", get_status(|r| r.id = text("none")), "NOT_FOUND", ""),
        case("export of no member's id", export(|r| r.member_id = text("a\n")), "MALFORMED", "member_id"),
        case("export of no revision", export(|r| r.min_revision = text("1")), "MALFORMED", "min_revision"),
        case("check of no revision", verify(|r| r.min_revision = text("1")), "MALFORMED", "min_revision"),
        case("server of another store", get_server_info(|r| r.min_revision = text("zz")), "MALFORMED", "min_revision"),
    ]
}

fn lists() -> Vec<Case> {
    vec![
        case("members on a negative page", list_members(|r| r.page_size = -1), "OUT_OF_RANGE", "page_size"),
        case("members after no token", list_members(|r| r.page_token = text("0")), "MALFORMED", "page_token"),
        case(
            "members after a long token",
            list_members(|r| r.page_token = "00".repeat(600)),
            "MALFORMED",
            "page_token",
        ),
        case(
            "members whose names begin with 257 characters",
            list_members(|r| r.display_name_prefix = "é".repeat(257)),
            "TOO_LONG",
            "display_name_prefix",
        ),
        case(
            "members whose names begin with NUL",
            list_members(|r| r.display_name_prefix = text("a\0")),
            "MALFORMED",
            "display_name_prefix",
        ),
        case(
            "members whose names begin with an accent alone",
            list_members(|r| r.display_name_prefix = text("\u{301}")),
            "MALFORMED",
            "display_name_prefix",
        ),
        case("edges of nobody", list_edges(|r| r.member_id.clear()), "REQUIRED", "member_id"),
        case("edges of a stranger", list_edges(|r| r.member_id = text("nobody")), "NOT_FOUND", ""),
        case("edges in no direction", list_edges(|r| r.direction = 3), "OUT_OF_RANGE", "direction"),
        case("edges on a negative page", list_edges(|r| r.page_size = -1), "OUT_OF_RANGE", "page_size"),
        case("edges after no token", list_edges(|r| r.page_token = text("zz")), "MALFORMED", "page_token"),
        case("edges at no time", list_edges(|r| r.as_of = at(i64::MAX)), "OUT_OF_RANGE", "as_of"),
        case(
            "edges without their member",
            list_edges(|r| r.filter = excluding("bob")),
            "CONTRADICTORY_FILTER",
            "filter.exclude_member_ids",
        ),
        case("edge count of nobody", count_edges(|r| r.member_id.clear()), "REQUIRED", "member_id"),
        case("edge count of a stranger", count_edges(|r| r.member_id = text("nobody")), "NOT_FOUND", ""),
        case("edge count in no direction", count_edges(|r| r.direction = -1), "OUT_OF_RANGE", "direction"),
        case("edge count at no time", count_edges(|r| r.as_of = at(i64::MAX)), "OUT_OF_RANGE", "as_of"),
        case("statuses of nobody", list_statuses(|r| r.author_id.clear()), "REQUIRED", "author_id"),
        case("statuses of a stranger", list_statuses(|r| r.author_id = text("nobody")), "NOT_FOUND", ""),
        case("statuses on a negative page", list_statuses(|r| r.page_size = i32::MIN), "OUT_OF_RANGE", "page_size"),
        case("statuses after no token", list_statuses(|r| r.page_token = text("é")), "MALFORMED", "page_token"),
        case("outcomes of nothing", list_outcomes(|r| r.status_id.clear()), "REQUIRED", "status_id"),
        case("outcomes of no status", list_outcomes(|r| r.status_id = text("none")), "NOT_FOUND", ""),
        case("outcomes on a negative page", list_outcomes(|r| r.page_size = -1), "OUT_OF_RANGE", "page_size"),
        case("outcomes at no time", list_outcomes(|r| r.as_of = at(i64::MAX)), "OUT_OF_RANGE", "as_of"),
    ]
}

fn excluding(id: &str) -> Option<EdgeFilter> {
    Some(EdgeFilter { exclude_member_ids: vec![text(id)], ..Default::default() })
}

/// What else filters refuse is in `bad_shared.rs`.
fn filters() -> Vec<Case> {
    let filtered = |what, spoil: fn(&mut EdgeFilter), reason, field| {
        case(what, find_paths(|r| spoil(r.filter.get_or_insert_default())), reason, field)
    };
    let personal = i32::from(Sphere::Personal);
    vec![
        filtered(
            "start excluded",
            |f| f.exclude_member_ids = vec![text("ada")],
            "CONTRADICTORY_FILTER",
            "filter.exclude_member_ids",
        ),
        filtered(
            "end excluded",
            |f| f.exclude_member_ids = vec![text("cy")],
            "CONTRADICTORY_FILTER",
            "filter.exclude_member_ids",
        ),
        case(
            "colleagues of the PERSONAL sphere",
            find_paths(|r| {
                let kinds = vec![text("colleague")];
                r.filter = Some(EdgeFilter { kinds, spheres: vec![personal], ..Default::default() });
            }),
            "CONTRADICTORY_FILTER",
            "filter.kinds",
        ),
        case(
            "edges of a kind not registered",
            list_edges(|r| r.filter = Some(EdgeFilter { kinds: vec![text("zzz")], ..Default::default() })),
            "UNKNOWN_KIND",
            "filter.kinds[0]",
        ),
    ]
}

fn reach() -> Vec<Case> {
    let of_member = |id: &str| Some(get_reach_request::Subject::MemberId(text(id)));
    let of_status = |id: &str| Some(get_reach_request::Subject::StatusId(text(id)));
    let listed = |id: &str| Some(list_reach_request::Subject::StatusId(text(id)));
    vec![
        case("reach of nothing", get_reach(|r| r.subject = None), "REQUIRED", "subject"),
        case("reach of nobody", get_reach(|r| r.subject = of_member("")), "REQUIRED", "member_id"),
        case("reach of a stranger", get_reach(|r| r.subject = of_member("nobody")), "NOT_FOUND", ""),
        case("reach of an empty status", get_reach(|r| r.subject = of_status("")), "REQUIRED", "status_id"),
        case("reach of no status", get_reach(|r| r.subject = of_status("none")), "NOT_FOUND", ""),
        case("reach of 7 hops", get_reach(|r| r.max_hops = 7), "OUT_OF_RANGE", "max_hops"),
        case("reach of -1 hops", get_reach(|r| r.max_hops = -1), "OUT_OF_RANGE", "max_hops"),
        case(
            "reach without its member",
            get_reach(|r| r.filter = excluding("ada")),
            "CONTRADICTORY_FILTER",
            "filter.exclude_member_ids",
        ),
        case(
            "reach without its author",
            get_reach(|r| (r.subject, r.filter) = (of_status("s1"), excluding("ada"))),
            "CONTRADICTORY_FILTER",
            "filter.exclude_member_ids",
        ),
        case("list of nothing", list_reach(|r| r.subject = None), "REQUIRED", "subject"),
        case("list of no status", list_reach(|r| r.subject = listed("none")), "NOT_FOUND", ""),
        case("list of 7 hops", list_reach(|r| r.max_hops = 7), "OUT_OF_RANGE", "max_hops"),
        case("list on a negative page", list_reach(|r| r.page_size = -1), "OUT_OF_RANGE", "page_size"),
        case("list after no token", list_reach(|r| r.page_token = text("01")), "MALFORMED", "page_token"),
        case("nobody looks", discover_statuses(|r| r.viewer_id.clear()), "REQUIRED", "viewer_id"),
        case("a stranger looks", discover_statuses(|r| r.viewer_id = text("nobody")), "NOT_FOUND", ""),
        case("65 topics to look for", discover_statuses(|r| r.topics = many(65)), "TOO_MANY", "topics"),
        case("bad topic to look for", discover_statuses(|r| r.topics = vec![text("A")]), "MALFORMED", "topics[0]"),
        case("look 7 hops far", discover_statuses(|r| r.max_hops = 7), "OUT_OF_RANGE", "max_hops"),
        case("look since no time", discover_statuses(|r| r.since = at(i64::MIN)), "OUT_OF_RANGE", "since"),
        case("look on a negative page", discover_statuses(|r| r.page_size = -1), "OUT_OF_RANGE", "page_size"),
        case("look after no token", discover_statuses(|r| r.page_token = text("x")), "MALFORMED", "page_token"),
    ]
}

fn paths() -> Vec<Case> {
    vec![
        case("path from nobody", find_paths(|r| r.from_id.clear()), "REQUIRED", "from_id"),
        case("path to nobody", find_paths(|r| r.to_id.clear()), "REQUIRED", "to_id"),
        case("path from a stranger", find_paths(|r| r.from_id = text("nobody")), "NOT_FOUND", ""),
        case("path to a stranger", find_paths(|r| r.to_id = text("nobody")), "NOT_FOUND", ""),
        case("51 paths", find_paths(|r| r.k = 51), "OUT_OF_RANGE", "k"),
        case("-1 paths", find_paths(|r| r.k = -1), "OUT_OF_RANGE", "k"),
        case("paths of 7 hops", find_paths(|r| r.max_hops = 7), "OUT_OF_RANGE", "max_hops"),
        case("paths in no order", find_paths(|r| r.ranking = 3), "OUT_OF_RANGE", "ranking"),
        case("distances from nobody", batch_get_distances(|r| r.from_id.clear()), "REQUIRED", "from_id"),
        case("distances from a stranger", batch_get_distances(|r| r.from_id = text("nobody")), "NOT_FOUND", ""),
        case("distances to none", batch_get_distances(|r| r.to_ids.clear()), "REQUIRED", "to_ids"),
        case("distances to 1,001", batch_get_distances(|r| r.to_ids = many(1_001)), "TOO_MANY", "to_ids"),
        case("distance to nobody", batch_get_distances(|r| r.to_ids[1].clear()), "REQUIRED", "to_ids[1]"),
        case("distances of 7 hops", batch_get_distances(|r| r.max_hops = 7), "OUT_OF_RANGE", "max_hops"),
        case(
            "distances without their start",
            batch_get_distances(|r| r.filter = excluding("ada")),
            "CONTRADICTORY_FILTER",
            "filter.exclude_member_ids",
        ),
        case("mutuals of nobody", list_mutuals(|r| r.a_id.clear()), "REQUIRED", "a_id"),
        case("mutuals with nobody", list_mutuals(|r| r.b_id.clear()), "REQUIRED", "b_id"),
        case("mutuals with oneself", list_mutuals(|r| r.b_id = text("ada")), "SELF_EDGE", "b_id"),
        case("mutuals of a stranger", list_mutuals(|r| r.a_id = text("nobody")), "NOT_FOUND", ""),
        case("mutuals on a negative page", list_mutuals(|r| r.page_size = -1), "OUT_OF_RANGE", "page_size"),
        case("mutuals after no token", list_mutuals(|r| r.page_token = text("x")), "MALFORMED", "page_token"),
    ]
}

fn near(member_id: &str, max_hops: i32) -> Option<Near> {
    Some(Near { member_id: text(member_id), max_hops })
}

fn introductions() -> Vec<Case> {
    vec![
        case("nobody to introduce", suggest_introductions(|r| r.member_id.clear()), "REQUIRED", "member_id"),
        case("a stranger to introduce", suggest_introductions(|r| r.member_id = text("nobody")), "NOT_FOUND", ""),
        case("101 suggestions", suggest_introductions(|r| r.limit = 101), "OUT_OF_RANGE", "limit"),
        case("walks of 1 step", suggest_introductions(|r| r.max_steps = 1), "OUT_OF_RANGE", "max_steps"),
        case("walks of 4 steps", suggest_introductions(|r| r.max_steps = 4), "OUT_OF_RANGE", "max_steps"),
        case(
            "101 by one introducer",
            suggest_introductions(|r| r.max_per_introducer = 101),
            "OUT_OF_RANGE",
            "max_per_introducer",
        ),
        case("-1 suggestions", suggest_introductions(|r| r.limit = -1), "OUT_OF_RANGE", "limit"),
        case("65 topics to talk about", suggest_introductions(|r| r.topics = many(65)), "TOO_MANY", "topics"),
        case(
            "bad topic to talk about",
            suggest_introductions(|r| r.topics = vec![text("a_b")]),
            "MALFORMED",
            "topics[0]",
        ),
        case("1,001 not to meet", suggest_introductions(|r| r.exclude_ids = many(1_001)), "TOO_MANY", "exclude_ids"),
        case(
            "nobody not to meet",
            suggest_introductions(|r| r.exclude_ids = vec![text("")]),
            "REQUIRED",
            "exclude_ids[0]",
        ),
        case(
            "suggestions without oneself",
            suggest_introductions(|r| r.filter = excluding("ada")),
            "CONTRADICTORY_FILTER",
            "filter.exclude_member_ids",
        ),
        case("leaders of nothing", list_leaders(|r| r.topic.clear()), "REQUIRED", "topic"),
        case("leaders of no topic", list_leaders(|r| r.topic = text("a_b")), "MALFORMED", "topic"),
        case("leaders near nobody", list_leaders(|r| r.near = near("", 1)), "REQUIRED", "near.member_id"),
        case("leaders near a stranger", list_leaders(|r| r.near = near("nobody", 1)), "NOT_FOUND", ""),
        case("leaders 7 hops near", list_leaders(|r| r.near = near("ada", 7)), "OUT_OF_RANGE", "near.max_hops"),
        case("101 leaders", list_leaders(|r| r.limit = 101), "OUT_OF_RANGE", "limit"),
        case("-1 leaders", list_leaders(|r| r.limit = -1), "OUT_OF_RANGE", "limit"),
        case(
            "leaders near one left out",
            list_leaders(|r| {
                r.near = near("ada", 1);
                r.filter = excluding("ada");
            }),
            "CONTRADICTORY_FILTER",
            "filter.exclude_member_ids",
        ),
        case("introducers of nobody", find_introducers(|r| r.member_id.clear()), "REQUIRED", "member_id"),
        case("introducers to nobody", find_introducers(|r| r.target_id.clear()), "REQUIRED", "target_id"),
        case("introducers to oneself", find_introducers(|r| r.target_id = text("ada")), "SELF_EDGE", "target_id"),
        case("introducers to a stranger", find_introducers(|r| r.target_id = text("nobody")), "NOT_FOUND", ""),
        case("introducers of 7 hops", find_introducers(|r| r.max_hops = 7), "OUT_OF_RANGE", "max_hops"),
        case("101 introducers", find_introducers(|r| r.limit = 101), "OUT_OF_RANGE", "limit"),
    ]
}

/// Answers that have to be complete, and can't be.
fn cut_short() -> Vec<Case> {
    fn at_most_one_edge(read: &mut ReadOptions) {
        (read.max_edges_visited, read.require_complete) = (1, true);
    }
    let whole_reach = get_reach(|r| at_most_one_edge(r.read.get_or_insert_default()));
    vec![
        case("whole reach of one edge", whole_reach, "BUDGET_EXHAUSTED", ""),
        case(
            "whole list of one edge",
            list_reach(|r| at_most_one_edge(r.read.get_or_insert_default())),
            "BUDGET_EXHAUSTED",
            "",
        ),
        case(
            "whole paths of one edge",
            find_paths(|r| at_most_one_edge(r.read.get_or_insert_default())),
            "BUDGET_EXHAUSTED",
            "",
        ),
        case(
            "whole distances of one edge",
            batch_get_distances(|r| at_most_one_edge(r.read.get_or_insert_default())),
            "BUDGET_EXHAUSTED",
            "",
        ),
        case(
            "all mutuals of one edge",
            list_mutuals(|r| at_most_one_edge(r.read.get_or_insert_default())),
            "BUDGET_EXHAUSTED",
            "",
        ),
        case(
            "whole suggestions of one edge",
            suggest_introductions(|r| at_most_one_edge(r.read.get_or_insert_default())),
            "BUDGET_EXHAUSTED",
            "",
        ),
        case(
            "all introducers of one edge",
            find_introducers(|r| at_most_one_edge(r.read.get_or_insert_default())),
            "BUDGET_EXHAUSTED",
            "",
        ),
    ]
}

fn checks() -> Vec<Case> {
    use check_reach_request::Subject;
    vec![
        case("check of nothing", check_reach(|r| r.subject = None), "REQUIRED", "subject"),
        case(
            "check of no member's id",
            check_reach(|r| r.subject = Some(Subject::MemberId(text("")))),
            "REQUIRED",
            "member_id",
        ),
        case(
            "check of a long status",
            check_reach(|r| r.subject = Some(Subject::StatusId("x".repeat(129)))),
            "TOO_LONG",
            "status_id",
        ),
        case(
            "check of a stranger",
            check_reach(|r| r.subject = Some(Subject::MemberId(text("nobody")))),
            "NOT_FOUND",
            "",
        ),
        case("check of no status", check_reach(|r| r.subject = Some(Subject::StatusId(text("none")))), "NOT_FOUND", ""),
        case("check of 7 hops", check_reach(|r| r.max_hops = 7), "OUT_OF_RANGE", "max_hops"),
        case("check of -1 hops", check_reach(|r| r.max_hops = -1), "OUT_OF_RANGE", "max_hops"),
        case("check for nobody", check_reach(|r| r.viewer_ids.clear()), "REQUIRED", "viewer_ids"),
        case("check for 1,001", check_reach(|r| r.viewer_ids = many(1_001)), "TOO_MANY", "viewer_ids"),
        case("check for an empty id", check_reach(|r| r.viewer_ids[1].clear()), "REQUIRED", "viewer_ids[1]"),
        case("check for a bad id", check_reach(|r| r.viewer_ids[0] = text("\n")), "MALFORMED", "viewer_ids[0]"),
        case(
            "check without its author",
            check_reach(|r| r.filter = excluding("ada")),
            "CONTRADICTORY_FILTER",
            "filter.exclude_member_ids",
        ),
        case(
            "check of a kind that is none",
            check_reach(|r| r.filter = Some(EdgeFilter { kinds: vec![text("freind")], ..Default::default() })),
            "UNKNOWN_KIND",
            "filter.kinds[0]",
        ),
        case(
            "check at no time",
            check_reach(|r| r.read.get_or_insert_default().as_of = at(i64::MAX)),
            "OUT_OF_RANGE",
            "read.as_of",
        ),
        case(
            "whole check of one edge",
            check_reach(|r| {
                r.subject = Some(Subject::MemberId(text("bob")));
                r.read = Some(ReadOptions { max_edges_visited: 1, require_complete: true, ..Default::default() });
            }),
            "BUDGET_EXHAUSTED",
            "",
        ),
    ]
}
