//! What requests have in common is refused alike by every RPC that has it: filters, ways of reading, revisions and viewers.

use kith::proto::v1::*;

use super::ask::*;
use super::bad_input::{Case, case};
use super::bad_queries::{ANOTHER_STORES, many};

pub fn cases() -> Vec<Case> {
    [filters(), member_filters(), ways_of_reading(), revisions(), viewers()].into_iter().flatten().collect()
}

/// Cases of one way to spoil a part of a request, for each RPC that has this part.
macro_rules! each {
    ($part:ident of $($method:ident)+, $spoilt:expr) => {{
        let mut cases = Vec::new();
        $(for (what, spoil, reason, field) in $spoilt {
            let ask = $method(|r| spoil(&mut r.$part));
            cases.push(case(format!("{}: {what}", stringify!($method)), ask, reason, field));
        })+
        cases
    }};
}

type Spoilt<T> = (&'static str, fn(&mut T), &'static str, &'static str);

fn filters() -> Vec<Case> {
    fn of(filter: &mut Option<EdgeFilter>) -> &mut EdgeFilter {
        filter.get_or_insert_default()
    }
    let spoilt: [Spoilt<Option<EdgeFilter>>; 13] = [
        ("kind not registered", |f| of(f).kinds = vec![text("zzz")], "UNKNOWN_KIND", "filter.kinds[0]"),
        ("empty kind", |f| of(f).kinds = vec![text("friend"), text("")], "REQUIRED", "filter.kinds[1]"),
        ("kind with a space", |f| of(f).kinds = vec![text("a b")], "MALFORMED", "filter.kinds[0]"),
        ("65 kinds", |f| of(f).kinds = vec![text("friend"); 65], "TOO_MANY", "filter.kinds"),
        ("sphere that is none", |f| of(f).spheres = vec![1, 4], "OUT_OF_RANGE", "filter.spheres[1]"),
        ("sphere not given", |f| of(f).spheres = vec![0], "REQUIRED", "filter.spheres[0]"),
        ("least strength 0", |f| of(f).min_strength = Some(0.0), "OUT_OF_RANGE", "filter.min_strength"),
        ("least strength 1.01", |f| of(f).min_strength = Some(1.01), "OUT_OF_RANGE", "filter.min_strength"),
        ("least strength NaN", |f| of(f).min_strength = Some(f32::NAN), "OUT_OF_RANGE", "filter.min_strength"),
        ("1,001 excluded", |f| of(f).exclude_member_ids = many(1_001), "TOO_MANY", "filter.exclude_member_ids"),
        ("nobody excluded", |f| of(f).exclude_member_ids = vec![text("")], "REQUIRED", "filter.exclude_member_ids[0]"),
        (
            "a bad id excluded",
            |f| of(f).exclude_member_ids = vec![text("a"), text("\u{7f}")],
            "MALFORMED",
            "filter.exclude_member_ids[1]",
        ),
        (
            "personal colleagues",
            |f| {
                of(f).kinds = vec![text("colleague")];
                of(f).spheres = vec![Sphere::Personal.into()];
            },
            "CONTRADICTORY_FILTER",
            "filter.kinds",
        ),
    ];
    each!(filter of list_edges count_edges get_reach list_reach check_reach find_paths batch_get_distances list_mutuals
        suggest_introductions find_introducers list_leaders, spoilt)
}

fn member_filters() -> Vec<Case> {
    use member_condition::Condition;
    fn condition(filter: &mut Option<MemberFilter>, condition: Option<Condition>) {
        let valid = MemberCondition { negated: false, condition: Some(Condition::IdPrefix(text("a"))) };
        let any_of = vec![valid, MemberCondition { negated: true, condition }];
        *filter = Some(MemberFilter { all_of: vec![MemberClause { any_of }] });
    }
    fn label(filter: &mut Option<MemberFilter>, key: String, values: Vec<String>) {
        condition(filter, Some(Condition::Label(LabelCondition { key, values })));
    }
    fn clauses(filter: &mut Option<MemberFilter>, clauses: usize, conditions: usize) {
        condition(filter, Some(Condition::Topic(text("dogs"))));
        let filter = filter.get_or_insert_default();
        let any_of = vec![filter.all_of[0].any_of[0].clone(); conditions];
        filter.all_of = vec![MemberClause { any_of }; clauses];
    }
    let spoilt: [Spoilt<Option<MemberFilter>>; 13] = [
        ("17 clauses", |f| clauses(f, 17, 1), "TOO_MANY", "member_filter.all_of"),
        ("17 conditions", |f| clauses(f, 1, 17), "TOO_MANY", "member_filter.all_of[0].any_of"),
        ("no condition in a clause", |f| clauses(f, 1, 0), "REQUIRED", "member_filter.all_of[0].any_of"),
        ("an empty condition", |f| condition(f, None), "REQUIRED", "member_filter.all_of[0].any_of[1].condition"),
        ("no label", |f| label(f, text(""), vec![]), "REQUIRED", "member_filter.all_of[0].any_of[1].label.key"),
        (
            "a long label",
            |f| label(f, "k".repeat(64), vec![]),
            "TOO_LONG",
            "member_filter.all_of[0].any_of[1].label.key",
        ),
        (
            "a label with a tab",
            |f| label(f, text("a\t"), vec![]),
            "MALFORMED",
            "member_filter.all_of[0].any_of[1].label.key",
        ),
        (
            "101 values of a label",
            |f| label(f, text("k"), many(101)),
            "TOO_MANY",
            "member_filter.all_of[0].any_of[1].label.values",
        ),
        (
            "a long value of a label",
            |f| label(f, text("k"), vec![text(""), "v".repeat(257)]),
            "TOO_LONG",
            "member_filter.all_of[0].any_of[1].label.values[1]",
        ),
        (
            "no topic",
            |f| condition(f, Some(Condition::Topic(text("")))),
            "REQUIRED",
            "member_filter.all_of[0].any_of[1].topic",
        ),
        (
            "a bad topic",
            |f| condition(f, Some(Condition::Topic(text("Dogs")))),
            "MALFORMED",
            "member_filter.all_of[0].any_of[1].topic",
        ),
        (
            "no beginning of an id",
            |f| condition(f, Some(Condition::IdPrefix(text("")))),
            "REQUIRED",
            "member_filter.all_of[0].any_of[1].id_prefix",
        ),
        (
            "a long beginning of an id",
            |f| condition(f, Some(Condition::IdPrefix("x".repeat(129)))),
            "TOO_LONG",
            "member_filter.all_of[0].any_of[1].id_prefix",
        ),
    ];
    each!(member_filter of list_members get_reach list_reach discover_statuses suggest_introductions find_introducers
        list_leaders, spoilt)
}

fn ways_of_reading() -> Vec<Case> {
    fn of(read: &mut Option<ReadOptions>) -> &mut ReadOptions {
        read.get_or_insert_default()
    }
    let spoilt: [Spoilt<Option<ReadOptions>>; 6] = [
        ("as of no time", |r| of(r).as_of = at(i64::MAX), "OUT_OF_RANGE", "read.as_of"),
        ("-1 edges", |r| of(r).max_edges_visited = -1, "OUT_OF_RANGE", "read.max_edges_visited"),
        ("a revision that is none", |r| of(r).min_revision = text("x"), "MALFORMED", "read.min_revision"),
        (
            "another store's revision",
            |r| of(r).min_revision = text(ANOTHER_STORES),
            "REVISION_OF_ANOTHER_STORE",
            "read.min_revision",
        ),
        ("a long viewer", |r| of(r).viewer_id = "x".repeat(129), "TOO_LONG", "read.viewer_id"),
        ("a bad viewer", |r| of(r).viewer_id = text("a\u{0}b"), "MALFORMED", "read.viewer_id"),
    ];
    each!(read of get_reach list_reach check_reach discover_statuses find_paths batch_get_distances list_mutuals
        suggest_introductions find_introducers list_leaders, spoilt)
}

fn revisions() -> Vec<Case> {
    let spoilt: [Spoilt<String>; 2] = [
        ("a revision that is none", |r| *r = text("1"), "MALFORMED", "min_revision"),
        ("another store's revision", |r| *r = text(ANOTHER_STORES), "REVISION_OF_ANOTHER_STORE", "min_revision"),
    ];
    each!(min_revision of get_member batch_get_members list_members list_blocks get_edge list_edges count_edges list_kinds
        get_status list_statuses list_outcomes export verify get_server_info, spoilt)
}

fn viewers() -> Vec<Case> {
    let spoilt: [Spoilt<String>; 2] = [
        ("a long viewer", |viewer| *viewer = "x".repeat(129), "TOO_LONG", "viewer_id"),
        ("a bad viewer", |viewer| *viewer = text("a\u{0}b"), "MALFORMED", "viewer_id"),
    ];
    let all = each!(viewer_id of get_member batch_get_members list_members get_edge list_edges count_edges get_status
        list_statuses list_outcomes discover_statuses, spoilt);
    all.into_iter().chain(for_another_viewer()).collect()
}

fn for_another_viewer() -> Vec<Case> {
    let read = |viewer: &str| Some(ReadOptions { viewer_id: text(viewer), ..Default::default() });
    let unseen = |what, ask| case(what, ask, "NOT_FOUND", "");
    vec![
        case("two who look", discover_statuses(|r| r.read = read("cy")), "VIEWER_MISMATCH", "read.viewer_id"),
        case("check for one viewer", check_reach(|r| r.read = read("cy")), "VIEWER_MISMATCH", "read.viewer_id"),
        unseen("status that is not for cy", get_status(|r| r.viewer_id = text("cy"))),
        unseen("status that is not for a stranger", get_status(|r| r.viewer_id = text("nobody"))),
        unseen("outcomes that are not for bob", list_outcomes(|r| r.viewer_id = text("bob"))),
        unseen(
            "reach that is not for bob",
            get_reach(|r| {
                r.subject = Some(get_reach_request::Subject::StatusId(text("s1")));
                r.read = read("bob");
            }),
        ),
        unseen(
            "list of reach that is not for bob",
            list_reach(|r| {
                r.subject = Some(list_reach_request::Subject::StatusId(text("s1")));
                r.read = read("bob");
            }),
        ),
    ]
}
