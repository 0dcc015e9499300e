//! `kith backup`, `kith restore`, and `kith verify` of what they made.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Served, command, kith};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_backup_is_restored_to_the_same_digest() {
    let story = Served::story();
    let stats = story.stats();
    let file = story.path("kith.backup");
    let made = story.kith(&["backup", &file]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    assert!(
        made.out.starts_with(&format!("{file}: backed up 7 kinds, 45 members, 1 status and 77 edges in ")),
        "{}",
        made.out
    );
    assert!(made.out.contains(stats["contentDigest"].as_str().unwrap()), "{}", made.out);
    let refused = story.kith(&["backup", &file]);
    assert!(
        refused.code == Some(1) && refused.err.contains("is there already; --force replaces it"),
        "{}",
        refused.err
    );
    let forced = story.kith(&["backup", "--force", "--json", &file]);
    let told = json(&forced.out);
    assert_eq!((&told["members"], &told["contentDigest"]), (&45.into(), &stats["contentDigest"]));
    assert_eq!(told["bytes"], fs::metadata(&file).unwrap().len());
    let to_stdout = command(&["backup", "-", "--server", &story.url]).output().unwrap();
    assert!(to_stdout.stdout == fs::read(&file).unwrap(), "standard output is the same");

    let sound = kith(&["verify", "--backup", &file]);
    assert_eq!(sound.code, Some(0), "{}", sound.err);
    assert!(
        sound.out.starts_with("all is well: 7 kinds, 45 members, 1 status and 77 edges; digest of default "),
        "{}",
        sound.out
    );
    let (one, two) = (story.path("one"), story.path("two"));
    let lacking = kith(&["restore", &file, "--data", &one]);
    assert!(lacking.code == Some(3) && lacking.err.contains("--ignore-erasures"), "{}", lacking.err);
    let journal = story.path("store.erasures");
    let restored = kith(&["restore", &file, "--data", &one, "--erasure-journal", &journal]);
    assert_eq!(restored.code, Some(0), "{}", restored.err);
    assert!(restored.out.starts_with("all is well: 7 kinds, 45 members"), "{}", restored.out);
    let stdin = Stdio::from(fs::File::open(&file).unwrap());
    let piped =
        command(&["restore", "-", "--json", "--data", &two, "--ignore-erasures"]).stdin(stdin).output().unwrap();
    let held = &json(&String::from_utf8(piped.stdout).unwrap())["held"];
    assert_eq!(held["contentDigest"], stats["contentDigest"]);
    let again = kith(&["restore", &file, "--data", &one, "--ignore-erasures"]);
    assert!(again.code == Some(3) && again.err.contains("it is not empty"), "{}", again.err);
    assert_eq!(kith(&["verify", "--data", &one]).code, Some(0));
}

#[test]
fn what_is_no_whole_backup_is_named_and_makes_no_store() {
    let story = Served::story();
    let (file, data) = (story.path("kith.backup"), story.path("other"));
    assert_eq!(story.kith(&["backup", &file]).code, Some(0));
    let bytes = fs::read(&file).unwrap();
    for cut in [0, 31, 500, bytes.len() - 1] {
        fs::write(&file, &bytes[..cut]).unwrap();
        for args in [vec!["verify", "--backup", &file], vec!["restore", &file, "--data", &data, "--ignore-erasures"]] {
            let run = kith(&args);
            assert_eq!(run.code, Some(1), "{args:?} {cut} {}{}", run.out, run.err);
            assert!(run.out.starts_with(&format!("storage: {file}: the backup: ")), "{}", run.out);
            assert!(run.out.ends_with("1 finding\n"), "{}", run.out);
        }
        assert!(!fs::exists(&data).unwrap());
    }
    let missing = kith(&["restore", &story.path("nothing"), "--data", &data]);
    assert!(missing.code == Some(3) && missing.err.contains("can't read"), "{}", missing.err);
    let missing = kith(&["verify", "--backup", &story.path("nothing")]);
    assert!(missing.code == Some(3) && missing.err.contains("nothing"), "{}", missing.err);
}
