//! What README.md says that a command prints is what it prints.

#![cfg(target_os = "linux")]

use std::time::{SystemTime, UNIX_EPOCH};

use super::harness::command;
use super::later::clock;

/// 2026-09-20T12:00:00Z, the day of the pictures: strengths fade from day to day.
const THEN_S: i64 = 1_789_905_600;

/// The block below a heading, without its port.
fn block(page: &str, heading: &str) -> String {
    let below = page.split_once(heading).unwrap_or_else(|| panic!("no {heading}")).1;
    without_port(below.split("```").nth(1).unwrap().trim_matches('\n'))
}

fn without_port(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |so_far, part| so_far + "127.0.0.1:" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[test]
fn the_demo_prints_what_the_readme_shows_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let mut demo = command(&["demo"]);
    demo.env("LD_PRELOAD", clock(folder.path())).env("KITH_CLOCK_AHEAD_S", (THEN_S - now).to_string());
    let printed = without_port(&String::from_utf8(demo.output().unwrap().stdout).unwrap());
    let mut rest = printed.as_str();
    // What is left out between two parts is not shown.
    for part in block(include_str!("../../README.md"), "## What the demo prints").split("\n…\n") {
        let part = part.trim_matches('\n');
        let at = rest.find(part).unwrap_or_else(|| panic!("the demo does not print\n{part}\nbut\n{rest}"));
        rest = &rest[at + part.len()..];
    }
}
