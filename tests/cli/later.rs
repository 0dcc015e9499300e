//! The same question of the same revision has the same answer, byte for byte, on another day.

#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::harness::Served;

const DAY_S: i64 = 86_400;
const AS_OF: [&str; 2] = ["--as-of", "2026-03-01T12:00:00Z"];
/// Every query that the story answers.
const ASKED: [&[&str]; 7] = [
    &["suggest", "officer", "--topic", "consumer-privacy"],
    &["suggest", "officer", "--exact"],
    &["introducers", "officer", "jeremy"],
    &["path", "officer", "jeremy", "-k", "5"],
    &["reach", "jeremy"],
    &["reach", "jeremy", "--list"],
    &["suggest", "wife", "--steps", "2"],
];

/// The compiled clock.
pub fn clock(folder: &Path) -> PathBuf {
    let library = folder.join("clock.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/clock.c");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O2", "-Wall", "-o"]).arg(&library).arg(source);
    let built = cc.output().expect("cc runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    library
}

fn answers(story: &Served) -> Vec<String> {
    let answer = |asked: &&[&str]| {
        let run = story.kith(&[asked, &AS_OF[..], &["--json"]].concat());
        assert_eq!(run.code, Some(0), "{asked:?}: {}", run.err);
        run.out
    };
    ASKED.iter().map(answer).collect()
}

/// The day of the server's clock.
fn today(story: &Served) -> String {
    let run = story.kith(&["reach", "jeremy", "--json"]);
    let answer: Value = serde_json::from_str(&run.out).unwrap();
    answer["info"]["asOf"].as_str().unwrap()[..10].to_owned()
}

#[test]
fn an_answer_of_a_revision_is_the_same_a_day_later() {
    let story = Served::story();
    let (first, day) = (answers(&story), today(&story));
    let folder = story.stop();
    let clock = clock(folder.path());
    let later = Served::again(folder, |serve| {
        serve.env("LD_PRELOAD", clock).env("KITH_CLOCK_AHEAD_S", (DAY_S * 2).to_string());
    });
    assert!(today(&later) > day, "the clock went on");
    assert_eq!(answers(&later), first);
}
