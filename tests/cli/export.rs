//! `kith export`, and `kith import` of what it wrote.

use std::fs;
use std::io::Read;

use kith::proto::v1::data_service_client::DataServiceClient;

use crate::harness::{Served, kith};
use crate::whole_world::{batches, whole_world};

/// Puts a random world over gRPC.
fn put_world(served: &Served, seed: u64) {
    let import = async {
        let mut data = DataServiceClient::connect(served.url.clone()).await.unwrap();
        data.import(tokio_stream::iter(batches(&whole_world(seed, 300)))).await.unwrap().into_inner()
    };
    let imported = tokio::runtime::Runtime::new().unwrap().block_on(import);
    assert_eq!(imported.refused, 0, "{:?}", imported.errors);
}

/// Imports a file elsewhere; gives the digest there is then, and what is exported from there.
fn imported(file: &str) -> (serde_json::Value, String) {
    let other = Served::empty();
    let imported = other.kith(&["import", file, "--no-create-members"]);
    assert_eq!(imported.code, Some(0), "{}{}", imported.out, imported.err);
    let exported = other.kith(&["export"]);
    assert_eq!(exported.code, Some(0), "{}", exported.err);
    (other.stats()["contentDigest"].clone(), exported.out)
}

#[test]
fn what_is_exported_is_the_same_where_it_is_imported() {
    let story = Served::story();
    put_world(&story, 7);
    let digest = story.stats()["contentDigest"].clone();
    let (plain, gzip) = (story.path("all.ndjson"), story.path("all.ndjson.gz"));
    for file in [&plain, &gzip] {
        let exported = story.kith(&["export", file]);
        assert_eq!(exported.code, Some(0), "{}", exported.err);
        assert!(exported.out.starts_with(&format!("{file}: exported 9 kinds, 345 members, 101 statuses, ")));
    }
    let text = fs::read_to_string(&plain).unwrap();
    for file in [&plain, &gzip] {
        // With the times that the records say.
        assert!(imported(file) == (digest.clone(), text.clone()), "{file}");
    }
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(fs::File::open(&gzip).unwrap()).read_to_string(&mut unpacked).unwrap();
    assert!(text == unpacked, "both hold the same");
    let to_stdout = story.kith(&["export"]);
    assert!(to_stdout.code == Some(0) && to_stdout.out == text, "standard output is the same");
    assert!(to_stdout.err.contains(digest.as_str().unwrap()), "{}", to_stdout.err);
}

#[test]
fn a_member_has_its_own_export() {
    let story = Served::story();
    let all = story.kith(&["export"]).out;
    let is_own = |line: &&str| {
        let has = |field: &str| line.contains(&format!("\"{field}\":\"jeremy\""));
        ["id", "fromId", "toId", "authorId"].iter().any(|field| has(field))
    };
    let mut expected: Vec<&str> = all.lines().filter(is_own).collect();
    let own = story.kith(&["export", "--member", "jeremy"]);
    assert_eq!(own.code, Some(0), "{}", own.err);
    let mut found: Vec<&str> = own.out.lines().collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert!(found == expected && found.len() > 5, "{found:#?} {expected:#?}");
    let nobody = story.kith(&["export", "--member", "nobody"]);
    assert!(nobody.code == Some(1) && nobody.err.contains("nobody"), "{:?} {}", nobody.code, nobody.err);
    assert_eq!(story.kith(&["export", "--member", "jeremy", "--data", "."]).code, Some(2));
}

#[test]
fn a_file_that_is_there_is_replaced_when_forced_alone() {
    let story = Served::story();
    let file = story.path("all.ndjson");
    fs::write(&file, "mine").unwrap();
    let refused = story.kith(&["export", &file]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""));
    assert!(refused.err.contains("is there already; --force replaces it"), "{}", refused.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    let forced = story.kith(&["export", "--force", &file, "--json"]);
    assert_eq!(forced.code, Some(0), "{}", forced.err);
    let told: serde_json::Value = serde_json::from_str(&forced.out).unwrap();
    assert_eq!((&told["members"], &told["contentDigest"]), (&45.into(), &story.stats()["contentDigest"]));
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 7 + 45 + 77 + 1);
}

#[test]
fn a_store_that_nobody_serves_is_exported_to_the_same_records() {
    let story = Served::story();
    put_world(&story, 11);
    let (digest, served) = (story.stats()["contentDigest"].clone(), story.path("served.ndjson"));
    assert_eq!(story.kith(&["export", &served]).code, Some(0));
    let (data, file) = (story.path("store"), story.path("stopped.ndjson"));
    let in_use = kith(&["export", &file, "--data", &data]);
    assert!(in_use.code == Some(3) && in_use.err.contains("in use by another process"), "{}", in_use.err);
    let folder = story.stop();
    let exported = kith(&["export", &file, "--data", &data, "--json"]);
    assert_eq!(exported.code, Some(0), "{}", exported.err);
    let report: serde_json::Value = serde_json::from_str(&exported.out).unwrap();
    assert_eq!(report["contentDigest"], digest);
    let sorted = |file: &str| {
        let mut lines: Vec<String> = fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&file), sorted(&served));
    assert!(imported(&file) == (digest, fs::read_to_string(&served).unwrap()));
    let none = kith(&["export", "--data", folder.path().join("elsewhere").to_str().unwrap()]);
    assert!(none.code == Some(3) && none.err.contains("there is no store in"), "{}", none.err);
}
