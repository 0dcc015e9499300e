//! Errors become gRPC statuses here and nowhere else, with their reason, fields and retry hint in the details.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use super::CallId;
use super::principal::current_id;
use crate::domain::{Error, Reason, Resource, Violation};
use crate::proto::v1::ErrorReason;

/// The domain of every `google.rpc.ErrorInfo`.
const DOMAIN: &str = "kith";

/// Turns an error into the status that a caller gets.
pub fn to_status(error: Error) -> Status {
    status(error, None)
}

/// Turns an error of one change in a batch into a status: `field` names the change where the error names no field.
pub(super) fn to_status_at(error: Error, field: String) -> Status {
    status(error, Some(field))
}

fn status(error: Error, field: Option<String>) -> Status {
    let mut message = error.to_string();
    let names_a_field = matches!(error, Error::Invalid(_) | Error::Precondition(_) | Error::EtagMismatch { .. });
    let field = field.filter(|_| !names_a_field).map(|field| ("field".to_owned(), field));
    let mut metadata: HashMap<String, String> = field.into_iter().collect();
    let mut details = ErrorDetails::new();
    let (code, reason, message) = match error {
        Error::Invalid(violations) => {
            let reason = violations.first().map_or(Reason::Malformed, |violation| violation.reason);
            let reported = with_room(&violations);
            let left_out = violations.len() - reported;
            if left_out > 0 {
                metadata.insert("violations_left_out".to_owned(), left_out.to_string());
                message = format!("{}; and {left_out} more", Error::Invalid(violations[..reported].to_vec()));
            }
            details.set_bad_request(violations.into_iter().take(reported).map(field_violation).collect::<Vec<_>>());
            (Code::InvalidArgument, reason, message)
        }
        Error::Precondition(violation) => {
            let reason = violation.reason;
            details.set_bad_request(vec![field_violation(violation)]);
            (Code::FailedPrecondition, reason, message)
        }
        Error::NotFound { resource, id } => {
            metadata.insert("resource".to_owned(), resource_name(resource).to_owned());
            let message = format!("{} {id:?} not found", resource_name(resource));
            metadata.insert("id".to_owned(), id);
            (Code::NotFound, Reason::NotFound, message)
        }
        Error::AlreadyExists { resource, id } => {
            metadata.insert("resource".to_owned(), resource_name(resource).to_owned());
            let message = format!("{} {id:?} already exists", resource_name(resource));
            metadata.insert("id".to_owned(), id);
            (Code::AlreadyExists, Reason::AlreadyExists, message)
        }
        Error::EtagMismatch { field } => {
            let message = format!("{field}: is not the stored etag");
            metadata.insert("field".to_owned(), field);
            (Code::Aborted, Reason::EtagMismatch, message)
        }
        Error::Unavailable { reason, message, retry_after_ms } => {
            details.set_retry_info(Some(Duration::from_millis(retry_after_ms)));
            (Code::Unavailable, reason, message)
        }
        Error::RevisionTooOld { earliest } => {
            metadata.insert("earliest_revision".to_owned(), earliest);
            (Code::OutOfRange, Reason::RevisionTooOld, message)
        }
        Error::Exhausted { reason, message } => (Code::ResourceExhausted, reason, message),
        Error::AnswerTooLarge { fits, .. } => {
            metadata.insert("fits".to_owned(), fits.to_string());
            (Code::ResourceExhausted, Reason::AnswerTooLarge, message)
        }
        Error::Overloaded { message, retry_after_ms } => {
            details.set_retry_info(Some(Duration::from_millis(retry_after_ms)));
            (Code::ResourceExhausted, Reason::Overloaded, message)
        }
        Error::QuotaExceeded { subject, message, retry_after_ms } => {
            details.set_retry_info(Some(Duration::from_millis(retry_after_ms)));
            details.add_quota_failure_violation(subject, message.clone());
            (Code::ResourceExhausted, Reason::QuotaExceeded, message)
        }
        Error::Unauthenticated(message) => (Code::Unauthenticated, Reason::Unauthenticated, message),
        Error::PermissionDenied(message) => (Code::PermissionDenied, Reason::PermissionDenied, message),
        // gRPC's own code says it all, as it does where the server does not know kith's services.
        Error::Unimplemented => return Status::unimplemented(message),
        Error::DeadlineExceeded => (Code::DeadlineExceeded, Reason::DeadlineExceeded, message),
        Error::Cancelled => (Code::Cancelled, Reason::Cancelled, message),
        Error::OutcomeUnknown => (Code::Internal, Reason::OutcomeUnknown, message),
        Error::Internal(cause) => {
            let id = current_id();
            let trace_id = id.as_ref().and_then(CallId::trace_id);
            tracing::error!(call = id.as_ref().map(tracing::field::display), trace_id, %cause, "a call failed");
            (Code::Internal, Reason::Internal, "a fault of the server; its log says why".to_owned())
        }
    };
    details.set_error_info(reason_name(reason), DOMAIN, metadata);
    Status::with_error_details(code, message, details)
}

/// The most bytes of the violations that an error names. They come in headers twice, with the message, and the least that clients take of
/// those is 8 KiB.
const VIOLATIONS_BYTES_MAX: usize = 1_536;

/// Returns how many of the violations have room in an error; the first always has.
fn with_room(violations: &[Violation]) -> usize {
    let mut bytes = 0;
    let fits = violations.iter().take_while(|violation| {
        bytes += violation.field.len() + violation.message.len() + reason_name(violation.reason).len();
        bytes <= VIOLATIONS_BYTES_MAX
    });
    fits.count().max(1).min(violations.len())
}

fn field_violation(violation: Violation) -> FieldViolation {
    FieldViolation {
        field: violation.field,
        description: violation.message,
        reason: reason_name(violation.reason).to_owned(),
        localized_message: None,
    }
}

/// Returns the name that callers see: that of the enum's value without its prefix.
fn reason_name(reason: Reason) -> &'static str {
    let name = reason_proto(reason).as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

fn resource_name(resource: Resource) -> &'static str {
    match resource {
        Resource::Member => "member",
        Resource::Edge => "edge",
        Resource::Status => "status",
        Resource::Kind => "kind",
        Resource::Block => "block",
        Resource::Namespace => "namespace",
    }
}

/// Returns the reason as messages hold it.
pub(super) fn reason_proto(reason: Reason) -> ErrorReason {
    match reason {
        Reason::Required => ErrorReason::Required,
        Reason::TooLong => ErrorReason::TooLong,
        Reason::TooMany => ErrorReason::TooMany,
        Reason::OutOfRange => ErrorReason::OutOfRange,
        Reason::Malformed => ErrorReason::Malformed,
        Reason::UnknownKind => ErrorReason::UnknownKind,
        Reason::UnknownField => ErrorReason::UnknownField,
        Reason::SelfEdge => ErrorReason::SelfEdge,
        Reason::ContradictoryFilter => ErrorReason::ContradictoryFilter,
        Reason::PageTokenMismatch => ErrorReason::PageTokenMismatch,
        Reason::RevisionOfAnotherStore => ErrorReason::RevisionOfAnotherStore,
        Reason::RequestIdReused => ErrorReason::RequestIdReused,
        Reason::AnswerErased => ErrorReason::AnswerErased,
        Reason::RevisionTooOld => ErrorReason::RevisionTooOld,
        Reason::NotFound => ErrorReason::NotFound,
        Reason::AlreadyExists => ErrorReason::AlreadyExists,
        Reason::MemberMissing => ErrorReason::MemberMissing,
        Reason::NotAsked => ErrorReason::NotAsked,
        Reason::StatusDiffers => ErrorReason::StatusDiffers,
        Reason::StatusMissing => ErrorReason::StatusMissing,
        Reason::KindInUse => ErrorReason::KindInUse,
        Reason::KindLimit => ErrorReason::KindLimit,
        Reason::EtagMismatch => ErrorReason::EtagMismatch,
        Reason::PreconditionFailed => ErrorReason::PreconditionFailed,
        Reason::RevisionNotReached => ErrorReason::RevisionNotReached,
        Reason::BudgetExhausted => ErrorReason::BudgetExhausted,
        Reason::DeadlineExceeded => ErrorReason::DeadlineExceeded,
        Reason::Cancelled => ErrorReason::Cancelled,
        Reason::Overloaded => ErrorReason::Overloaded,
        Reason::NotReady => ErrorReason::NotReady,
        Reason::StorageFull => ErrorReason::StorageFull,
        Reason::MemoryFull => ErrorReason::MemoryFull,
        Reason::Internal => ErrorReason::Internal,
        Reason::Unauthenticated => ErrorReason::Unauthenticated,
        Reason::PermissionDenied => ErrorReason::PermissionDenied,
        Reason::QuotaExceeded => ErrorReason::QuotaExceeded,
        Reason::ViewerMismatch => ErrorReason::ViewerMismatch,
        Reason::MemberErased => ErrorReason::MemberErased,
        Reason::RequestIdsFull => ErrorReason::RequestIdsFull,
        Reason::ClockNotAccepted => ErrorReason::ClockNotAccepted,
        Reason::EdgePending => ErrorReason::EdgePending,
        Reason::OutcomeUnknown => ErrorReason::OutcomeUnknown,
        Reason::AnswerTooLarge => ErrorReason::AnswerTooLarge,
    }
}

/// Returns the field, reason and words of an error, as an import reports them.
pub(super) fn in_import(error: Error) -> (String, Reason, String) {
    match error {
        Error::Invalid(mut violations) if !violations.is_empty() => {
            let first = violations.swap_remove(0);
            (first.field, first.reason, first.message)
        }
        Error::Precondition(violation) => (violation.field, violation.reason, violation.message),
        Error::EtagMismatch { field } => (field, Reason::EtagMismatch, "is not the stored etag".to_owned()),
        Error::NotFound { resource, id } => {
            let message = format!("{} {id:?} not found", resource_name(resource));
            (resource_name(resource).to_owned(), Reason::NotFound, message)
        }
        other => {
            tracing::error!(error = %other, "an import's record failed");
            (String::new(), Reason::Internal, "a fault of the server; its log says why".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::codegen::http::HeaderMap;

    use super::*;

    fn refusal(violations: usize) -> Status {
        let violation = |at| {
            let message = "must be of letters, digits and - alone, and not begin with one of them";
            Violation::new(format!("changes[{at}].put_member.topics[{at}]"), Reason::Malformed, message)
        };
        to_status(Error::Invalid((0..violations).map(violation).collect()))
    }

    #[test]
    fn a_refusal_fits_into_the_headers_that_every_client_takes() {
        let status = refusal(5_000);
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        assert!(bytes < 8_000, "{bytes} bytes");
        let reported = status.get_details_bad_request().unwrap().field_violations.len();
        assert!(
            reported >= 10 && status.message().ends_with(&format!("; and {} more", 5_000 - reported)),
            "{status:?}"
        );
        assert_eq!(refusal(10).get_details_bad_request().unwrap().field_violations.len(), 10);
    }
}
