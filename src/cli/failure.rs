//! The failure of a command that ends without its answer, as words and as an exit code.

use std::fmt::Write;
use std::process::ExitCode;

use kith_client::{Refusal, Violation, code_name};
use serde_json::{Map, Value, json};
use tonic::Status;

use super::print::clean;

const MESSAGE_CHARS_MAX: usize = 2_000;

#[derive(Debug)]
pub enum Failure {
    /// The server refused the call: exit code 1.
    Refused(Box<Refusal>),
    /// Something went wrong on this side, or an answer is not what it must be.
    Local { message: String, exit_code: u8 },
    /// No server answers at this address: exit code 3.
    Unreachable {
        server: String,
        /// What kept the server from answering.
        why: String,
    },
    /// The reader of the output has closed it (`| head`): nothing to complain about.
    OutputClosed,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(Box::new(refusal))
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Failure {
        Failure::from(Refusal::from(&status))
    }
}

impl Failure {
    /// Returns a failure of the command: exit code 1.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure::Local { message: message.into(), exit_code: 1 }
    }

    /// Returns the failure of a server that could not start: exit code 3. (2 is a wrong command line.)
    pub fn of_start(message: impl Into<String>) -> Failure {
        Failure::Local { message: message.into(), exit_code: 3 }
    }

    /// Reports on stderr, to a person or to the program that asked for JSON, and to the shell by the exit code.
    pub fn report(&self, as_json: bool) -> ExitCode {
        match self {
            Failure::OutputClosed => {}
            failure if as_json => eprintln!("{}", failure.as_json()),
            failure => eprintln!("error: {}", failure.in_words()),
        }
        ExitCode::from(self.exit_code())
    }

    /// Returns `{"error":{"code":…,"reason":…,"message":…,"violations":[…],"metadata":{…},"retryAfterSeconds":…,"exitCode":…}}`, without
    /// the fields that are empty.
    fn as_json(&self) -> Value {
        let mut error = Map::new();
        let message = match self {
            Failure::Refused(refusal) if !refusal.is_unreachable() => {
                let Refusal { code, reason, message, violations, metadata, retry_after } = &**refusal;
                error.insert("code".to_owned(), code_name(*code).into());
                error.extend(reason.as_ref().map(|reason| ("reason".to_owned(), reason.clone().into())));
                if !metadata.is_empty() {
                    error.insert("metadata".to_owned(), json!(metadata));
                }
                if !violations.is_empty() {
                    let violation = |Violation { field, reason, message }: &Violation| json!({ "field": field, "reason": reason, "message": message });
                    error.insert("violations".to_owned(), violations.iter().map(violation).collect());
                }
                if let Some(delay) = retry_after {
                    error.insert("retryAfterSeconds".to_owned(), delay.as_secs_f64().into());
                }
                message.clone()
            }
            failure => failure.in_words(),
        };
        error.insert("message".to_owned(), message.into());
        error.insert("exitCode".to_owned(), self.exit_code().into());
        json!({ "error": error })
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::OutputClosed => 0,
            Failure::Local { exit_code, .. } => *exit_code,
            failure if failure.is_unreachable() => 3,
            Failure::Refused(_) | Failure::Unreachable { .. } => 1,
        }
    }

    fn is_unreachable(&self) -> bool {
        match self {
            Failure::Unreachable { .. } => true,
            Failure::Refused(refusal) => refusal.is_unreachable(),
            Failure::Local { .. } | Failure::OutputClosed => false,
        }
    }

    /// Returns the failure as text for a person.
    pub fn in_words(&self) -> String {
        match self {
            Failure::Refused(_) if self.is_unreachable() => "the connection to the server was lost".to_owned(),
            Failure::Refused(refusal) => in_words(refusal),
            Failure::Local { message, .. } => message.clone(),
            Failure::Unreachable { server, why } => format!(
                "no kith server answers at {server} ({why})\n       \
                 start one with `kith serve`, or name another with --server or KITH_SERVER"
            ),
            Failure::OutputClosed => "the output was closed".to_owned(),
        }
    }
}

/// Returns `INVALID_ARGUMENT (OUT_OF_RANGE) k: must be from 1 to 50`, and the fields that are to blame. A reason that is the code is not
/// repeated.
fn in_words(refusal: &Refusal) -> String {
    let code = code_name(refusal.code);
    let reason = refusal.reason.as_deref().filter(|reason| *reason != code);
    let reason = reason.map(|reason| format!(" ({})", clean(reason, 64))).unwrap_or_default();
    let mut text = format!("{code}{reason} {}", clean(&refusal.message, MESSAGE_CHARS_MAX));
    // The message of a refusal with one violation is that violation's.
    for violation in refusal.violations.iter().filter(|violation| !said(&refusal.message, violation)) {
        let field = clean(&violation.field, 200);
        let _ = write!(text, "\n       {field}: {}", clean(&violation.message, MESSAGE_CHARS_MAX));
    }
    if let Some(advice) = refusal.reason.as_deref().and_then(advice_on) {
        let _ = write!(text, "\n       {advice}");
    }
    if let Some(delay) = refusal.retry_after {
        let _ = write!(text, "\n       worth another try in {:.1} s", delay.as_secs_f64());
    }
    text
}

/// Returns what to do next, where the message does not say it.
fn advice_on(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "BUDGET_EXHAUSTED" => {
            "ask for less: --max-hops, --sphere, --kind or --min-strength; or let the server do more: kith serve --max-edges-visited"
        }
        "DEADLINE_EXCEEDED" => "ask for less: --max-hops, --sphere, --kind or --min-strength",
        "UNKNOWN_KIND" => "a kind is registered by EdgeService.PutKind, or by an import of NDJSON that holds it",
        "MEMORY_FULL" => {
            "the server goes on to answer queries; delete content, or give it more memory (--memory-max), then write again"
        }
        "STORAGE_FULL" => "the server goes on to answer queries; make room on its disk, then write again",
        "INTERNAL" => "the server's log says more; `kith verify` checks everything it holds",
        "REVISION_TOO_OLD" => "export everything, and watch on from the revision it was made at",
        "NOT_READY" => "the server still loads its store, or is about to stop",
        "ANSWER_TOO_LARGE" => "an answer holds 3 MiB: ask for less at once",
        _ => return None,
    })
}

fn said(message: &str, violation: &Violation) -> bool {
    message.strip_prefix(&violation.field).and_then(|rest| rest.strip_prefix(": ")) == Some(&violation.message)
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

    use super::*;

    fn not_found() -> Status {
        let mut details = ErrorDetails::new();
        details.set_error_info("NOT_FOUND", "kith", std::collections::HashMap::<String, String>::new());
        Status::with_error_details(Code::NotFound, "member \"x\" not found", details)
    }

    #[test]
    fn a_refusal_names_code_reason_and_message() {
        assert_eq!(in_words(&Refusal::from(&not_found())), "NOT_FOUND member \"x\" not found");
        let mut details = ErrorDetails::new();
        details.set_error_info("TOO_MANY", "kith", std::collections::HashMap::<String, String>::new());
        let status = Status::with_error_details(Code::InvalidArgument, "ids: too many", details);
        assert_eq!(in_words(&Refusal::from(&status)), "INVALID_ARGUMENT (TOO_MANY) ids: too many");
    }

    #[test]
    fn a_program_is_told_in_json() {
        let mut details = ErrorDetails::new();
        details.set_error_info("OUT_OF_RANGE", "kith", [("a".to_owned(), "b".to_owned())]);
        details.set_retry_info(Some(std::time::Duration::from_millis(1_500)));
        details.set_bad_request(vec![FieldViolation {
            field: "k".to_owned(),
            description: "must be from 1 to 50".to_owned(),
            reason: "OUT_OF_RANGE".to_owned(),
            localized_message: None,
        }]);
        let status = Status::with_error_details(Code::InvalidArgument, "k: must be from 1 to 50", details);
        let wanted = json!({ "error": {
            "code": "INVALID_ARGUMENT",
            "reason": "OUT_OF_RANGE",
            "message": "k: must be from 1 to 50",
            "violations": [{ "field": "k", "reason": "OUT_OF_RANGE", "message": "must be from 1 to 50" }],
            "metadata": { "a": "b" },
            "retryAfterSeconds": 1.5,
            "exitCode": 1,
        }});
        assert_eq!(Failure::from(status).as_json(), wanted);
        let unreachable = Failure::Unreachable { server: "x:1".to_owned(), why: "refused".to_owned() };
        assert_eq!(unreachable.as_json()["error"]["exitCode"], 3);
    }

    #[test]
    fn a_refusal_says_what_to_do_next() {
        let mut details = ErrorDetails::new();
        details.set_error_info("STORAGE_FULL", "kith", std::collections::HashMap::<String, String>::new());
        let status = Status::with_error_details(Code::ResourceExhausted, "the disk is full", details);
        assert!(in_words(&Refusal::from(&status)).ends_with("make room on its disk, then write again"));
    }

    #[test]
    fn every_reason_with_advice_is_one_of_the_api() {
        let reasons = [
            "BUDGET_EXHAUSTED",
            "DEADLINE_EXCEEDED",
            "UNKNOWN_KIND",
            "STORAGE_FULL",
            "INTERNAL",
            "REVISION_TOO_OLD",
            "NOT_READY",
            "ANSWER_TOO_LARGE",
        ];
        for reason in reasons {
            assert!(advice_on(reason).is_some());
            let name = format!("ERROR_REASON_{reason}");
            assert!(crate::proto::v1::ErrorReason::from_str_name(&name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_refusal_lists_the_fields_to_blame() {
        let mut details = ErrorDetails::new();
        details.set_error_info("OUT_OF_RANGE", "kith", std::collections::HashMap::<String, String>::new());
        details.add_bad_request_violation("max_hops", "7 is over 6");
        let status = Status::with_error_details(Code::InvalidArgument, "one field is wrong", details);
        let wanted = "INVALID_ARGUMENT (OUT_OF_RANGE) one field is wrong\n       max_hops: 7 is over 6";
        assert_eq!(in_words(&Refusal::from(&status)), wanted);
    }

    #[test]
    fn what_the_message_says_is_not_said_twice() {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("k", "must be from 1 to 50");
        let status = Status::with_error_details(Code::InvalidArgument, "k: must be from 1 to 50", details);
        assert_eq!(in_words(&Refusal::from(&status)), "INVALID_ARGUMENT k: must be from 1 to 50");
    }

    #[test]
    fn unavailable_without_a_reason_is_the_connection() {
        assert!(Failure::from(Status::unavailable("broken pipe")).is_unreachable());
        assert!(Failure::from(Status::unknown("transport error")).is_unreachable());
        assert!(!Failure::from(not_found()).is_unreachable());
    }

    #[test]
    fn nothing_a_server_says_reaches_the_terminal_as_a_control_sequence() {
        let status = Status::not_found("member \"\u{1b}[2J\" not found");
        assert!(!in_words(&Refusal::from(&status)).contains('\u{1b}'));
    }
}
