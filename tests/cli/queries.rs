//! The queries, for a person and for a script.

use std::net::TcpListener;

use serde_json::Value;

use crate::harness::{Served, kith};

/// When every interaction of the story has faded.
const MUCH_LATER: [&str; 2] = ["--as-of", "2060-01-01T00:00:00Z"];

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in:\n{text}"))
}

#[test]
fn paths_are_trees_or_json() {
    let story = Served::story();
    let tree = story.kith(&[&["path", "officer", "jeremy"][..], &MUCH_LATER].concat());
    assert_eq!(tree.code, Some(0), "{}", tree.err);
    let wanted = [
        "1. 3 hops, chain strength 10.5 %, all PERSONAL",
        "   officer (The officer)",
        "   └─spouse── wife                      82.0 %  PERSONAL",
        "      └─family── cousin                 70.0 %  PERSONAL",
        "         └─friend, neighbor── jeremy    73.0 %  PERSONAL",
        "3 paths have 3 hops.",
    ];
    assert_eq!(tree.out.lines().collect::<Vec<_>>(), wanted);

    let json = parsed(&story.kith(&["path", "officer", "jeremy", "-k", "3", "--json"]).out);
    let ends = |path: &Value| path["steps"].as_array().unwrap().last().unwrap()["toId"].clone();
    let paths = json["paths"].as_array().unwrap();
    assert_eq!((paths.len(), ends(&paths[2])), (3, "jeremy".into()));
    assert_eq!((&json["optimal"], &json["shortestPathCount"]), (&true.into(), &"3".into()));

    let none = story.kith(&["path", "officer", "jeremy", "--sphere", "professional"]);
    assert_eq!(
        (none.code, none.out.as_str()),
        (Some(4), "There is no path from officer to jeremy that passes the filter.\n")
    );
    let one = story.kith(&["path", "officer", "officer"]);
    assert_eq!((one.code, one.out.as_str()), (Some(0), "The two are one and the same: 0 hops.\n"));
}

#[test]
fn reach_is_counted_and_listed() {
    let story = Served::story();
    let run = story.kith(&["reach", "--status", "who-owns-your-data", "--list"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let total = run.out.lines().find(|line| line.trim_start().starts_with("all")).unwrap();
    assert_eq!(total.split_whitespace().collect::<Vec<_>>(), ["all", "29", "14", "7", "9", "2"]);
    let third = run.out.split("\n3 hops away\n").nth(1).expect("the third hop is listed");
    assert!(third.contains("  officer (The officer)\n"), "{}", run.out);

    let personal = story.kith(&["reach", "jeremy", "--sphere", "personal", "--max-hops", "1", "--list", "--json"]);
    let items: Vec<Value> = parsed(&personal.out)["items"].as_array().unwrap().clone();
    let ids: Vec<&str> = items.iter().map(|item| item["memberId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["cousin", "neighbor-1", "neighbor-2", "neighbor-3"]);

    let stopped = story.kith(&["reach", "jeremy", "--max-edges", "20"]);
    assert!(stopped.out.contains("PARTIAL: stopped at the budget after "), "{}", stopped.out);
}

#[test]
fn suggestions_and_introducers_hold_when_all_interactions_have_faded() {
    let story = Served::story();
    let suggest = [&["suggest", "officer", "--topic", "consumer-privacy"][..], &MUCH_LATER].concat();
    let run = story.kith(&suggest);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("posted who-owns-your-data \"Who owns your data?\""), "{}", run.out);
    let json = parsed(&story.kith(&[&suggest[..], &["--json"]].concat()).out);
    let best = &json["suggestions"][0];
    assert_eq!((&best["memberId"], &best["introducers"][0]["memberId"]), (&"jeremy".into(), &"wife".into()));

    let introducers = story.kith(&[&["introducers", "officer", "jeremy"][..], &MUCH_LATER].concat());
    let chain = "1. officer -spouse- wife -family- cousin -friend,neighbor- jeremy\n";
    assert!(introducers.out.contains(chain), "{}", introducers.out);
}

#[test]
fn a_refusal_names_its_reason_and_field() {
    let story = Served::story();
    let missing = story.kith(&["path", "officer", "nobody"]);
    assert_eq!((missing.code, missing.out.as_str()), (Some(1), ""));
    assert!(missing.err.starts_with("error: NOT_FOUND "), "{}", missing.err);
    assert!(missing.err.contains("nobody"), "{}", missing.err);
    let far = story.kith(&["reach", "jeremy", "--max-hops", "7"]);
    assert_eq!(far.code, Some(1));
    assert_eq!(far.err, "error: INVALID_ARGUMENT (OUT_OF_RANGE) max_hops: must be from 1 to 6\n");
    // All that is wrong is told, each field on a line of its own.
    let worse = story.kith(&["reach", "jeremy", "--max-hops", "7", "--min-strength", "2"]);
    for field in ["\n       max_hops: ", "\n       filter.min_strength: "] {
        assert!(worse.err.contains(field), "{}", worse.err);
    }
}

#[test]
fn a_server_that_is_not_there_is_said_so() {
    // The port was free a moment ago, and nobody listens on it now.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let run = kith(&["stats", "--server", &address]);
    assert_eq!(run.code, Some(3));
    assert!(run.err.starts_with(&format!("error: no kith server answers at {address} (")), "{}", run.err);
    assert_eq!(kith(&["stats", "--server", "ftp://localhost"]).code, Some(1));
    assert_eq!(kith(&["reach"]).code, Some(2));
}
