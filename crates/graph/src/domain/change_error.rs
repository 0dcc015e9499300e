use super::{Reason, Resource, Violation};

/// What of a change its refusal is about. Which field of a request that is, only `service` knows: requests of several shapes hold the same
/// change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What must hold beforehand.
    Precondition,
    MemberId,
    Labels,
    KindName,
    Sphere,
    Symmetric,
    FromId,
    EdgeKind,
    ToId,
    OriginStatus,
    AuthorId,
    /// The kind at this index of a status's audience.
    AudienceKind(usize),
    BlockingId,
    BlockedId,
    IntroducerId,
    TallyMemberId,
    /// What an introducer did.
    Stage,
    /// The key that erased ids are hashed with.
    ErasureKey,
}

/// Why a change is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeError {
    Invalid(Vec<Violation<Part>>),
    /// The store's state forbids it.
    Precondition(Violation<Part>),
    EtagMismatch,
    NotFound {
        resource: Resource,
        id: String,
    },
    AlreadyExists {
        resource: Resource,
        id: String,
    },
}

impl ChangeError {
    pub fn invalid(part: Part, reason: Reason, message: impl Into<String>) -> ChangeError {
        ChangeError::Invalid(vec![Violation { field: part, reason, message: message.into() }])
    }

    pub fn precondition(part: Part, reason: Reason, message: impl Into<String>) -> ChangeError {
        ChangeError::Precondition(Violation { field: part, reason, message: message.into() })
    }

    pub fn not_found(resource: Resource, id: impl ToString) -> ChangeError {
        ChangeError::NotFound { resource, id: id.to_string() }
    }
}
