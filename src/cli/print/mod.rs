//! Prints what people read: numbers, tables, trees, and names beside ids.
//!
//! Everything a caller of the server wrote is cleaned before it is printed: a terminal obeys control characters.

mod clean;
mod names;
mod paths;
mod table;
mod totals;

use std::io::{ErrorKind, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub use clean::clean;
pub use names::{Directory, Names};
pub use paths::{chain_line, path_tree, spheres_of};
pub use table::{Align, Table};
pub use totals::{Written, held, held_json, records};

use super::failure::Failure;
use crate::proto::v1::{AnswerInfo, Completeness, Limit};

pub fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::OutputClosed),
        Err(error) => Err(Failure::new(format!("can't write the output: {error}"))),
    }
}

/// Returns how many columns of a terminal a text takes.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Returns a text cut to so many columns.
pub fn fitted(text: &str, width_max: usize) -> String {
    if width(text) <= width_max {
        return text.to_owned();
    }
    let mut fitted = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width_max {
            break;
        }
        fitted.push(c);
    }
    fitted + "…"
}

/// Returns a part of one as `83.1 %`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        p if p < 0.01 => "<0.01 %".to_owned(),
        p if p < 1.0 => format!("{p:.2} %"),
        p => format!("{p:.1} %"),
    }
}

/// Returns a score, which has no unit, with as many digits as distinguish scores.
pub fn score(score: f64) -> String {
    if score == 0.0 || score >= 0.0001 { format!("{score:.4}") } else { format!("{score:.1e}") }
}

/// Returns `1 member`, `2 members`, `3 statuses`.
pub fn count(n: impl Into<i64>, one: &str) -> String {
    let n = n.into();
    let ending = if one.ends_with('s') { "es" } else { "s" };
    if n == 1 { format!("1 {one}") } else { format!("{} {one}{ending}", thousands(n)) }
}

/// Returns `12,345`.
pub fn thousands(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if n < 0 { format!("-{text}") } else { text }
}

/// Returns a line about an answer that is incomplete; an empty one for a complete answer.
pub fn completeness(info: Option<&AnswerInfo>) -> String {
    let Some(info) = info.filter(|info| info.completeness() != Completeness::Complete) else { return String::new() };
    let edges = count(info.edges_visited, "edge");
    let limit = match info.limit_hit() {
        Limit::EdgesVisited => format!("the budget after {edges}"),
        Limit::Deadline => format!("the deadline after {edges}"),
        Limit::AnswerBytes => return "PARTIAL: these are the first; more do not fit into one answer\n".to_owned(),
        Limit::Unspecified => edges,
    };
    format!("PARTIAL: stopped at {limit}, exact through hop {}\n", info.exact_through_hop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_keep_the_digits_that_matter() {
        let shown: Vec<_> = [0.0, 0.00001, 0.0042, 0.831_26, 1.0].into_iter().map(percent).collect();
        assert_eq!(shown, ["0 %", "<0.01 %", "0.42 %", "83.1 %", "100.0 %"]);
    }

    #[test]
    fn scores_stay_apart_when_small() {
        assert_eq!([score(0.0), score(0.12345), score(0.000012)], ["0.0000", "0.1235", "1.2e-5"]);
    }

    #[test]
    fn counts_agree_with_their_noun() {
        assert_eq!([count(1, "hop"), count(0, "hop"), count(1_234_567, "hop")], ["1 hop", "0 hops", "1,234,567 hops"]);
        assert_eq!([count(1, "status"), count(2, "status")], ["1 status", "2 statuses"]);
        assert_eq!(thousands(-1_000), "-1,000");
    }

    #[test]
    fn clean_takes_out_what_a_terminal_obeys() {
        assert_eq!(clean("a\u{1b}[31m\nb\u{202e}c", 99), "a [31m b c");
        assert_eq!(clean("abcdef", 4), "abc…");
        assert_eq!(clean("abcd", 4), "abcd");
        assert_eq!(clean("", 4), "");
    }

    #[test]
    fn a_partial_answer_says_where_it_stopped() {
        let mut info = AnswerInfo { edges_visited: 1_200, exact_through_hop: 2, ..AnswerInfo::default() };
        info.set_completeness(Completeness::Partial);
        info.set_limit_hit(Limit::EdgesVisited);
        assert_eq!(
            completeness(Some(&info)),
            "PARTIAL: stopped at the budget after 1,200 edges, exact through hop 2\n"
        );
        info.set_completeness(Completeness::Complete);
        assert_eq!(completeness(Some(&info)), "");
        assert_eq!(completeness(None), "");
    }
}
