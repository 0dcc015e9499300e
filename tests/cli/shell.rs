//! What shells and `man` are given.

use crate::harness::{Served, command, kith};

#[test]
fn completions_and_pages_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = kith(&["completions", shell]);
        assert_eq!(script.code, Some(0), "{}", script.err);
        assert!(script.out.contains("introducers") && script.out.contains("max-hops"), "{shell}");
    }
    let page = kith(&["man"]);
    assert!(page.code == Some(0) && page.out.contains(".TH kith"), "{}", page.out);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man1");
    let written = kith(&["man", "--out", out.to_str().unwrap()]);
    assert_eq!(written.code, Some(0), "{}", written.err);
    assert!(out.join("kith.1").is_file() && out.join("kith-path.1").is_file());
}

#[test]
fn help_shows_examples_and_refusals_what_to_do_next() {
    assert!(kith(&["path", "--help"]).out.contains("kith path officer jeremy -k 3"));
    let story = Served::story();
    let unknown = story.kith(&["path", "officer", "jeremy", "--kind", "fiend"]);
    assert!(unknown.err.contains("UNKNOWN_KIND") && unknown.err.contains("PutKind"), "{}", unknown.err);
}

#[test]
fn nothing_is_colored_where_no_terminal_reads() {
    let output = command(&["serve", "--data", "/dev/null/no-folder"]).env("NO_COLOR", "1").output().unwrap();
    assert!(!output.stderr.contains(&0x1b) && output.status.code() == Some(3));
}
