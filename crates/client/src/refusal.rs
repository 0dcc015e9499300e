//! The refusal of a call, as fields.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// A refused call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: Code,
    /// The reason as `ErrorReason` names it, without its prefix; none if the refusal is not kith's: the connection was lost.
    pub reason: Option<String>,
    pub message: String,
    /// The fields of the request that are wrong.
    pub violations: Vec<Violation>,
    /// The subject of the reason, as in the resource that was not found.
    pub metadata: HashMap<String, String>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

/// The error in one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's path in the request, as in `changes[3].put_edge.edge.to_id`.
    pub field: String,
    pub reason: String,
    pub message: String,
}

impl From<&Status> for Refusal {
    fn from(status: &Status) -> Refusal {
        let details = status.get_error_details();
        let info = details.error_info();
        let violations = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
        let violations = violations.iter().map(|violation| Violation {
            field: violation.field.clone(),
            reason: violation.reason.clone(),
            message: violation.description.clone(),
        });
        Refusal {
            code: status.code(),
            reason: info.map(|info| info.reason.clone()),
            message: status.message().to_owned(),
            violations: violations.collect(),
            metadata: info.map(|info| info.metadata.clone()).unwrap_or_default(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
        }
    }
}

impl Refusal {
    /// Returns whether the refusal is for this reason, as in `ETAG_MISMATCH`.
    pub fn is(&self, reason: &str) -> bool {
        self.reason.as_deref() == Some(reason)
    }

    /// Returns whether no server has answered. kith names a reason in everything it answers: an error without a reason is the connection's.
    pub fn is_unreachable(&self) -> bool {
        matches!(self.code, Code::Unavailable | Code::Unknown) && self.reason.is_none()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = code_name(self.code);
        match self.reason.as_deref().filter(|reason| *reason != code) {
            Some(reason) => write!(f, "{code} ({reason}) {}", self.message),
            None => write!(f, "{code} {}", self.message),
        }
    }
}

impl Error for Refusal {}

/// Returns gRPC's own spelling: `NOT_FOUND` for `NotFound`.
pub fn code_name(code: Code) -> String {
    let mut name = String::new();
    for (at, letter) in format!("{code:?}").char_indices() {
        if letter.is_uppercase() && at > 0 {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
