//! `kith verify`, of a server and of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Served, kith};

#[test]
fn a_server_is_checked_and_its_folder_once_it_is_stopped() {
    let story = Served::story();
    let stats = story.stats();
    let wanted = format!(
        "all is well: 7 kinds, 45 members, 1 status and 77 edges; digest of default {}, revision {}\n",
        stats["contentDigest"].as_str().unwrap(),
        stats["revision"].as_str().unwrap()
    );
    let online = story.kith(&["verify"]);
    assert_eq!((online.code, &online.out), (Some(0), &wanted), "{}", online.err);

    let data = story.path("store");
    let in_use = kith(&["verify", "--data", &data]);
    assert_eq!((in_use.code, in_use.out.as_str()), (Some(3), ""));
    assert!(in_use.err.contains("in use by another process"), "{}", in_use.err);
    let _folder = story.stop();
    let offline = kith(&["verify", "--data", &data]);
    assert_eq!((offline.code, &offline.out), (Some(0), &wanted), "{}", offline.err);
    let json = kith(&["verify", "--data", &data, "--json"]);
    let told: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&told["findings"], &told["held"]["contentDigest"]), (&0.into(), &stats["contentDigest"]));
}

/// The files that hold what was written: segments of the log.
fn segments(data: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(data).join("log")).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| fs::metadata(path).unwrap().len() > 1_000).collect()
}

#[test]
fn damage_on_disk_is_a_finding() {
    let story = Served::story();
    let data = story.path("store");
    let _folder = story.stop();
    let segment = segments(&data).pop().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[200] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let found = kith(&["verify", "--data", &data]);
    assert_eq!(found.code, Some(1), "{}{}", found.out, found.err);
    let lines: Vec<&str> = found.out.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with(&format!("storage: {data}: 00000000000000000001.log: ")),
        "{lines:?}"
    );
    assert_eq!(lines[1], "1 finding");
    let told: Value = serde_json::from_str(&kith(&["verify", "--data", &data, "--json"]).out).unwrap();
    assert_eq!((&told["findings"], &told["named"][0]["part"]), (&1.into(), &"storage".into()));
}

#[test]
fn where_there_is_no_store_none_is_made() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["nothing", "."] {
        let data = folder.path().join(name);
        let run = kith(&["verify", "--data", data.to_str().unwrap()]);
        assert_eq!(run.code, Some(3));
        assert!(run.err.contains("there is no store in"), "{}", run.err);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
