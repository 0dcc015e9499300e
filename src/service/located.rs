//! The refusal of a change, as the error of the request that the change came in.

use crate::domain::{ChangeError, Error, Part, Violation};

/// Returns the error of a refused change whose resource is in the message at `parent`, or in the request itself where that is empty.
pub fn located(refused: ChangeError, parent: &str) -> Error {
    let at_field = |violation: Violation<Part>| violation.at(|part| field(parent, part));
    match refused {
        ChangeError::Invalid(violations) => Error::Invalid(violations.into_iter().map(at_field).collect()),
        ChangeError::Precondition(violation) => Error::Precondition(at_field(violation)),
        ChangeError::EtagMismatch => Error::EtagMismatch { field: field(parent, Part::Precondition) },
        ChangeError::NotFound { resource, id } => Error::NotFound { resource, id },
        ChangeError::AlreadyExists { resource, id } => Error::AlreadyExists { resource, id },
    }
}

fn field(parent: &str, part: Part) -> String {
    let name = match part {
        Part::Precondition => "etag",
        Part::MemberId => "id",
        Part::Labels => "labels",
        Part::KindName => "name",
        Part::Sphere => "sphere",
        Part::Symmetric => "symmetric",
        Part::FromId => "from_id",
        Part::EdgeKind => "kind",
        Part::ToId => "to_id",
        Part::OriginStatus => "origin.status_id",
        Part::AuthorId => "author_id",
        Part::AudienceKind(i) => &format!("audience.filter.kinds[{i}]"),
        Part::BlockingId | Part::TallyMemberId => "member_id",
        Part::BlockedId => "blocked_id",
        Part::IntroducerId => "introducer_id",
        Part::Stage => "stage",
        Part::ErasureKey => "key",
    };
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}
