//! Prints the demo: each question, the line that asks it, the answer, and whether it is right.

use std::net::SocketAddr;

use prost::Message;

use super::check::Check;
use super::grpcurl;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::json;
use crate::cli::print::{count, say};

const MARGIN: &str = "   ";

/// Prints the story, and counts what was right.
pub struct Teller {
    pub client: Client,
    address: SocketAddr,
    questions: i64,
    checks: i64,
    wrong: Vec<String>,
}

impl Teller {
    pub fn new(client: Client, address: SocketAddr) -> Teller {
        Teller { client, address, questions: 0, checks: 0, wrong: Vec::new() }
    }

    pub fn question(&mut self, question: &str) -> Result<(), Failure> {
        self.questions += 1;
        let line = format!("{}. {question}", self.questions);
        say(&format!("\n{line}\n{}\n", "═".repeat(line.chars().count())))
    }

    /// Prints how to ask this with grpcurl.
    pub fn asks<M: Message>(&self, method: &str, name: &str, request: &M) -> Result<(), Failure> {
        let command = grpcurl::command(&self.address.to_string(), method, &json::compact(name, request)?);
        say(&format!("\n{}", indented(&command)))
    }

    pub fn answers(&self, answer: &str) -> Result<(), Failure> {
        say(&indented(answer))
    }

    /// Prints which of the things that must hold of the answer do.
    pub fn checks(&mut self, checks: Vec<Check>) -> Result<(), Failure> {
        let mut text = String::from("\n");
        for check in checks {
            self.checks += 1;
            let mark = if check.holds { "[right]" } else { "[WRONG]" };
            text += &format!("{MARGIN}{mark} {}\n", check.sentence);
            if !check.holds {
                self.wrong.push(format!("{}. {}", self.questions, check.sentence));
            }
        }
        say(&text)
    }

    /// Prints that all answers were right, or fails with those that were not.
    pub fn conclude(self) -> Result<(), Failure> {
        let questions = count(self.questions, "question");
        if self.wrong.is_empty() {
            return say(&format!("\n{questions}, {} of the answers, all right.\n", count(self.checks, "check")));
        }
        let wrong = self.wrong.join("\n       ");
        let checks = self.checks;
        Err(Failure::new(format!(
            "{} of {checks} checks of the demo's answers failed:\n       {wrong}",
            self.wrong.len()
        )))
    }
}

/// Puts every line behind a margin, and leaves empty ones empty.
fn indented(text: &str) -> String {
    let line = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("{MARGIN}{line}\n") };
    text.lines().map(line).collect()
}
