//! Every bound broken one by one: the documented code, reason and field.

use std::collections::BTreeMap;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::ask::*;
use super::harness::Kith;
use super::{bad_introductions, bad_queries, bad_shared, bad_writes};

/// A request with one thing wrong, the reason it is to be refused for, and the field that is to be named.
pub struct Case {
    pub what: String,
    pub ask: Ask,
    pub reason: &'static str,
    pub field: &'static str,
}

pub fn case(what: impl Into<String>, ask: Ask, reason: &'static str, field: &'static str) -> Case {
    Case { what: what.into(), ask, reason, field }
}

pub async fn served_world() -> Kith {
    let served = Kith::in_memory().await;
    for ask in world() {
        ask.send(served.channel.clone()).await.unwrap();
    }
    served
}

/// The code each reason comes with, as `errors.proto` documents it.
fn documented_codes() -> BTreeMap<String, String> {
    let proto = include_str!("../../proto/kith/v1/errors.proto");
    let mut codes = BTreeMap::new();
    let mut code = "";
    for line in proto.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("// ") {
            code = comment.split_once(':').map_or(code, |(code, _)| code);
        } else if let Some(value) = line.strip_prefix("ERROR_REASON_") {
            codes.insert(value.split(' ').next().unwrap().to_owned(), code.to_owned());
        }
    }
    codes
}

fn code_name(code: Code) -> String {
    let camel = format!("{code:?}");
    let mut name = String::new();
    for (i, c) in camel.chars().enumerate() {
        if c.is_uppercase() && i > 0 {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

/// What a caller can read of an error: its code, reason and fields.
fn read(status: &Status) -> (String, String, Vec<String>) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "kith", "{status:?}");
    let mut fields: Vec<String> = info.metadata.get("field").into_iter().cloned().collect();
    if let Some(bad_request) = details.bad_request() {
        for violation in &bad_request.field_violations {
            assert!(!violation.description.is_empty() && !violation.reason.is_empty(), "{status:?}");
            fields.push(violation.field.clone());
        }
    }
    (code_name(status.code()), info.reason.clone(), fields)
}

#[tokio::test]
async fn every_broken_bound_has_its_code_reason_and_field() {
    let served = served_world().await;
    let codes = documented_codes();
    let mut wrong = Vec::new();
    let cases = [bad_writes::cases(), bad_introductions::cases(), bad_queries::cases(), bad_shared::cases()];
    let cases: Vec<Case> = cases.into_iter().flatten().collect();
    println!("{} cases", cases.len());
    assert!(cases.len() >= 500);
    for Case { what, ask, reason, field } in cases {
        let Err(status) = ask.send(served.channel.clone()).await else {
            wrong.push(format!("{what}: was accepted"));
            continue;
        };
        let expected_fields: Vec<String> = (!field.is_empty()).then(|| field.to_owned()).into_iter().collect();
        let expected = (codes[reason].clone(), reason.to_owned(), expected_fields);
        let got = read(&status);
        if got != expected {
            wrong.push(format!("{what}: expected {expected:?}, got {got:?}: {}", status.message()));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    served.stop().await.unwrap();
}

#[tokio::test]
async fn every_request_that_is_spoilt_is_valid_before() {
    let served = served_world().await;
    let valid = [
        put_member(|_| {}),
        update_member(|_| {}),
        get_member(|_| {}),
        batch_get_members(|_| {}),
        list_members(|_| {}),
        delete_member(|_| {}),
        put_edge(|_| {}),
        get_edge(|_| {}),
        delete_edge(|_| {}),
        list_edges(|_| {}),
        count_edges(|_| {}),
        record_interactions(|_| {}),
        put_kind(|_| {}),
        list_kinds(|_| {}),
        delete_kind(|_| {}),
        post_status(|r| status_of(r).id = text("s2")),
        get_status(|_| {}),
        delete_status(|_| {}),
        list_statuses(|_| {}),
        list_outcomes(|_| {}),
        get_reach(|_| {}),
        list_reach(|_| {}),
        check_reach(|_| {}),
        discover_statuses(|_| {}),
        find_paths(|_| {}),
        batch_get_distances(|_| {}),
        list_mutuals(|_| {}),
        suggest_introductions(|_| {}),
        find_introducers(|_| {}),
        record_introductions(|_| {}),
        write(|_| {}),
        get_server_info(|_| {}),
    ];
    for (i, ask) in valid.into_iter().enumerate() {
        ask.send(served.channel.clone()).await.unwrap_or_else(|status| panic!("request {i}: {status:?}"));
    }
    served.stop().await.unwrap();
}

#[tokio::test]
async fn all_that_is_wrong_with_a_request_is_reported_at_once() {
    let served = served_world().await;
    let ask = put_edge(|r| {
        r.request_id = text("1");
        *edge_of(r) = kith::proto::v1::Edge { pinned_strength: Some(2.0), interactions: -1, ..Default::default() };
    });
    let (code, _, fields) = read(&ask.send(served.channel.clone()).await.unwrap_err());
    assert_eq!(code, "INVALID_ARGUMENT");
    let expected =
        ["request_id", "edge.from_id", "edge.kind", "edge.to_id", "edge.pinned_strength", "edge.interactions"];
    assert_eq!(fields, expected);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_sixty_fifth_kind_is_refused() {
    let served = Kith::in_memory().await;
    let kind = |i: usize| put_kind(|r| kind_of(r).name = format!("kind-{i}"));
    for i in 7..64 {
        kind(i).send(served.channel.clone()).await.unwrap();
    }
    let refused = kind(64).send(served.channel.clone()).await.unwrap_err();
    let expected = ("FAILED_PRECONDITION".to_owned(), "KIND_LIMIT".to_owned(), vec!["kind.name".to_owned()]);
    assert_eq!(read(&refused), expected);
    served.stop().await.unwrap();
}
