//! `kith demo` answers its six questions, and leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::harness::{command, kith};

#[test]
fn the_demo_tells_the_story_and_finds_its_answers_right() {
    let temporary = tempfile::tempdir().unwrap();
    let output = command(&["demo"]).env("TMPDIR", temporary.path()).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let lines: Vec<&str> = out.lines().map(str::trim).collect();
    for line in [
        "1. officer -spouse- wife -family- cousin -friend,neighbor- jeremy",
        "[right] officer can see it, at hop 3",
        "[right] jeremy, before anybody else",
        "[right] wife, before anybody else",
        "[right] but never officer",
        "jeremy -client- officer, introduced by wife and cousin",
        "6 questions, 16 checks of the answers, all right.",
    ] {
        assert!(lines.contains(&line), "{line} is missing in:\n{out}");
    }
    assert!(!out.contains("[WRONG]"), "{out}");
    assert_eq!(out.lines().find(|line| line.chars().count() > 100), None);
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "the temporary store is removed");
}

#[test]
fn a_demo_whose_store_is_kept_can_be_told_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("store");
    let data = data.to_str().unwrap();
    for _ in 0..2 {
        let run = kith(&["demo", "--data", data]);
        assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    }
}

#[test]
fn a_demo_that_stays_up_answers_until_it_is_told_to_end() {
    let temporary = tempfile::tempdir().unwrap();
    let mut demo = command(&["demo", "--serve", "--listen", "127.0.0.1:0"]);
    let mut demo = demo.env("TMPDIR", temporary.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map_while(Result::ok);
    let invitation = lines.find(|line| line.contains("stays up on")).expect("it says that it stays up");
    let address = invitation.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).unwrap();
    let stats = kith(&["stats", "--server", address]);
    assert_eq!(stats.code, Some(0), "{}", stats.err);
    assert!(stats.out.contains("members               45\n"), "{}", stats.out);

    let interrupted = std::process::Command::new("kill").args(["-INT", &demo.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert_eq!(demo.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "the temporary store is removed");
}

#[test]
fn what_a_command_has_no_use_for_is_not_taken() {
    for args in [&["demo", "--json"][..], &["serve", "--data", "x", "--server", "127.0.0.1:1"]] {
        let run = kith(args);
        assert_eq!(run.code, Some(2));
        assert!(run.err.contains("unexpected argument"), "{}", run.err);
    }
}
