//! `cases/*.toml`: what a file is imported as. Each case has its input, the counts that must come of it and what must be stored then.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use serde::Deserialize;
use serde_json::Value;

use crate::harness::Kith;

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Imported before, as NDJSON.
    #[serde(default)]
    before: String,
    #[serde(default)]
    input: String,
    /// The input in hexadecimal digits, where it is no text.
    #[serde(default)]
    hex: String,
    #[serde(default)]
    pack: Pack,
    /// The file's name; standard input without one.
    file: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    /// The exit code.
    #[serde(default)]
    code: i32,
    /// `read`, `created`, `changed`, `unchanged`, `refused`, and the names of what is skipped; what is not given is 0.
    #[serde(default)]
    counts: BTreeMap<String, u64>,
    /// Every refusal: line, reason, field.
    #[serde(default)]
    refused: Vec<String>,
    /// What standard error must say.
    #[serde(default)]
    says: Vec<String>,
    /// All members, by their ids, all edges, as `from kind to`, and all statuses, if given.
    members: Option<Vec<String>>,
    edges: Option<Vec<String>>,
    statuses: Option<Vec<String>>,
    /// Records of the export, as JSON.
    #[serde(default)]
    records: Vec<String>,
    /// Nothing is imported, so there are no counts.
    #[serde(default)]
    no_counts: bool,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Pack {
    #[default]
    Plain,
    Gzip,
    GzipTwice,
    GzipZeros,
    GzipCut,
    GzipGarbage,
    Bgzf,
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Members with an extra field that says their length, and an empty one at the end, as `bgzip` writes them.
fn bgzf(bytes: &[u8]) -> Vec<u8> {
    let member = |bytes: &[u8]| {
        let mut encoder = GzBuilder::new().extra(*b"BC\x02\x00\x00\x00").write(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let members = bytes.chunks(7).chain([&b""[..]]).map(member);
    members.collect::<Vec<_>>().concat()
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        let hex = self.hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16));
        let plain = [self.input.as_bytes().to_vec(), hex.map(Result::unwrap).collect()].concat();
        let packed = gzip(&plain);
        match self.pack {
            Pack::Plain => plain,
            Pack::Gzip => packed,
            Pack::GzipTwice => [packed.clone(), packed].concat(),
            Pack::GzipZeros => [packed, vec![0; 1_500]].concat(),
            Pack::GzipCut => packed[..packed.len() - 6].to_vec(),
            Pack::GzipGarbage => [packed, b"garbage".to_vec()].concat(),
            Pack::Bgzf => bgzf(&plain),
        }
    }

    async fn run(&self) {
        let kith = Kith::start().await;
        if !self.before.is_empty() {
            let before = kith.import(&["-", "--replace"], &self.before).await;
            assert_eq!(before.code, 0, "{}: {}", self.name, before.stderr);
        }
        let errors = kith.path("errors.ndjson");
        let file = match &self.file {
            Some(name) => kith.file(name, self.bytes()),
            None => "-".to_owned(),
        };
        let mut args = vec![file.as_str(), "--json", "--errors", &errors];
        args.extend(self.args.iter().map(String::as_str));
        let stdin = if self.file.is_none() { self.bytes() } else { Vec::new() };
        let outcome = kith.import_bytes(&args, stdin).await;

        let name = &self.name;
        assert_eq!(outcome.code, self.code, "{name}: {}{}", outcome.stdout, outcome.stderr);
        for text in &self.says {
            assert!(outcome.stderr.contains(text.as_str()), "{name}: {text:?} in {}", outcome.stderr);
        }
        if !self.no_counts {
            self.check_counts(&outcome.stdout);
            self.check_refused(&std::fs::read_to_string(&errors).unwrap());
        }
        self.check_stored(&kith.export().await);
        kith.stop().await;
    }

    fn check_counts(&self, stdout: &str) {
        let name = &self.name;
        let told: Value = serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{name}: {error}: {stdout}"));
        let skipped = told["skipped"].as_object().unwrap();
        let mut counts: BTreeMap<String, u64> =
            skipped.iter().map(|(what, rows)| (what.clone(), rows.as_u64().unwrap())).collect();
        for count in ["read", "created", "changed", "unchanged", "refused", "unacknowledged"] {
            counts.insert(count.to_owned(), told[count].as_u64().unwrap());
        }
        let accounted: u64 = counts.iter().filter(|(count, _)| *count != "read").map(|(_, rows)| rows).sum();
        assert_eq!(counts["read"], accounted, "{name}: rows read = imported + refused + skipped: {told}");
        counts.retain(|_, rows| *rows > 0);
        assert_eq!(counts, self.counts, "{name}: {told}");
        assert_eq!(told["error"].is_null(), self.code < 3, "{name}: {told}");
    }

    fn check_refused(&self, errors: &str) {
        let refusal = |line: &str| {
            let refusal: Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| refusal[key].as_str().unwrap().to_owned();
            assert!(!text("message").is_empty());
            let line = refusal["line"].as_u64().or(refusal["record"].as_u64()).unwrap();
            format!("{line} {} {}", text("reason"), text("field")).trim_end().to_owned()
        };
        assert_eq!(errors.lines().map(refusal).collect::<Vec<_>>(), self.refused, "{}", self.name);
    }

    fn check_stored(&self, exported: &[Value]) {
        let name = &self.name;
        let all = |resource: &str, keys: &[&str]| -> Vec<String> {
            let found = exported.iter().filter_map(|record| record.get(resource));
            let brief =
                |value: &Value| keys.iter().map(|key| value[*key].as_str().unwrap()).collect::<Vec<_>>().join(" ");
            found.map(brief).collect()
        };
        for (wanted, resource, keys) in [
            (&self.members, "member", &["id"][..]),
            (&self.edges, "edge", &["fromId", "kind", "toId"][..]),
            (&self.statuses, "status", &["id"][..]),
        ] {
            if let Some(wanted) = wanted {
                assert_eq!(all(resource, keys), *wanted, "{name}");
            }
        }
        for record in &self.records {
            let wanted: Value =
                serde_json::from_str(record).unwrap_or_else(|error| panic!("{name}: {error}: {record}"));
            assert!(exported.contains(&wanted), "{name}: {record} in {exported:#?}");
        }
    }
}

async fn run(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/cases").join(file);
    let cases: Cases =
        toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{file}: {error}"));
    for case in &cases.case {
        case.run().await;
    }
}

#[tokio::test]
async fn lines_and_quotes() {
    run("lines_and_quotes.toml").await;
}

#[tokio::test]
async fn formats() {
    run("formats.toml").await;
}

#[tokio::test]
async fn cells() {
    run("cells.toml").await;
}

#[tokio::test]
async fn json() {
    run("json.toml").await;
}

#[tokio::test]
async fn again() {
    run("again.toml").await;
}

#[test]
fn every_file_of_cases_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/cases");
    let mut files: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["again.toml", "cells.toml", "formats.toml", "json.toml", "lines_and_quotes.toml"]);
}
