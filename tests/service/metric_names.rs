//! What dashboards, alerts and docs name is on the page of metrics, and what is on the page is in the docs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kith::app::StoreOptions;
use kith::proto::v1::GetServerInfoRequest;
use serde_json::Value;

use crate::harness::Kith;
use crate::metrics::{ask_for_what_is_not_there, get, measured};

/// Words of PromQL that are no metrics.
const PROMQL: [&str; 12] =
    ["sum", "by", "rate", "increase", "histogram_quantile", "min", "max", "time", "and", "or", "abs", "label_values"];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The metrics of an expression: its words without those in braces, brackets and quotes, or after `by`.
fn metrics(expression: &str) -> BTreeSet<String> {
    let mut bare = String::new();
    let mut inside: Option<char> = None;
    let mut labels_follow = false;
    for c in expression.chars() {
        match (inside, c) {
            (Some(end), _) if c == end => inside = None,
            (Some(_), _) => {}
            (None, '{') => inside = Some('}'),
            (None, '[') => inside = Some(']'),
            (None, '(') if labels_follow => {
                inside = Some(')');
                bare.push(',');
            }
            (None, _) => bare.push(c),
        }
        labels_follow = bare.trim_end().ends_with(" by");
    }
    let words = bare.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let words = words.filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()) && !PROMQL.contains(word));
    words.map(str::to_owned).collect()
}

/// Every value of a key, however deep.
fn values<'a>(json: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == key => found.push(text),
                    other => values(other, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| values(item, key, found)),
        _ => {}
    }
}

/// Names of samples and of families on a server's page.
async fn on_the_page() -> (BTreeSet<String>, BTreeSet<String>) {
    let folder = tempfile::tempdir().unwrap();
    let kith = Kith::start(measured(StoreOptions::Folder(folder.path().to_owned()))).await;
    kith.admin().get_server_info(GetServerInfoRequest::default()).await.unwrap();
    // Refusals are on the page once there has been one.
    ask_for_what_is_not_there(&kith).await;
    let (_, body) = get(kith.metrics.unwrap(), "GET", "/metrics").await;
    kith.stop().await.unwrap();
    let samples = body.lines().filter(|line| !line.starts_with('#'));
    let samples = samples.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect();
    let families = body.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    (samples, families.map(|line| line.split(' ').next().unwrap().to_owned()).collect())
}

/// What a page of docs names in code: words of metrics' form, with a prefix that is theirs.
fn in_docs(page: &str) -> BTreeSet<String> {
    let prefixes = ["kith_", "grpc_server_", "process_"];
    let code = page.split('`').skip(1).step_by(2).filter(|code| !code.contains(char::is_whitespace));
    code.filter(|code| prefixes.iter().any(|prefix| code.starts_with(prefix))).map(str::to_owned).collect()
}

#[test]
fn an_expression_gives_its_metrics() {
    let expression = "sum by (kith_no) (rate(kith_a_total{b=\"kith_no\"}[5m])) / 2 > kith_c";
    assert_eq!(metrics(expression), BTreeSet::from(["kith_a_total".to_owned(), "kith_c".to_owned()]));
}

#[tokio::test]
async fn what_is_named_is_there() {
    let (samples, families) = on_the_page().await;
    let dashboard: Value = serde_json::from_str(&read("helm/kith/files/dashboard.json")).unwrap();
    let mut expressions = Vec::new();
    values(&dashboard, "expr", &mut expressions);
    values(&dashboard["templating"], "query", &mut expressions);
    expressions.retain(|expression| *expression != "prometheus");
    let alerts = read("helm/kith/files/alerts.yaml");
    expressions.extend(alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: ")));
    assert!(expressions.len() > 40, "{} expressions were found", expressions.len());
    let mut named = BTreeSet::new();
    for expression in expressions {
        let mut of_expression = metrics(expression);
        // A label, which `label_values` takes beside its metric.
        of_expression.remove("instance");
        assert!(!of_expression.is_empty(), "no metric in {expression}");
        for name in &of_expression {
            assert!(samples.contains(name), "{name} of {expression} is not on the page");
        }
        named.extend(of_expression);
    }
    assert!(named.len() > 25, "{named:?}");

    let docs = in_docs(&read("docs/OPERATIONS.md"));
    let unknown: Vec<_> = docs.difference(&families).collect();
    assert!(unknown.is_empty(), "OPERATIONS names what is not on the page: {unknown:?}");
    let undocumented: Vec<_> = families.difference(&docs).collect();
    assert!(undocumented.is_empty(), "OPERATIONS does not document {undocumented:?}");
    let operations = read("docs/OPERATIONS.md");
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(operations.contains(alert), "OPERATIONS does not say what to do at {alert}");
    }
}
