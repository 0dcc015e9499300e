use thiserror::Error as ThisError;

/// One field of a request, or one `Part` of a change, that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation<F = String> {
    /// In a request the field's path, as in `edge.from_id` or `changes[3].put_member.id`.
    pub field: F,
    pub reason: Reason,
    pub message: String,
}

impl Violation {
    pub fn new(field: impl Into<String>, reason: Reason, message: impl Into<String>) -> Violation {
        Violation { field: field.into(), reason, message: message.into() }
    }

    pub fn required(field: impl Into<String>) -> Violation {
        Violation::new(field, Reason::Required, "must be given")
    }

    /// Returns the violation of a list with more items than it may hold.
    pub fn too_many(field: impl Into<String>, max: usize, what: &str) -> Violation {
        Violation::new(field, Reason::TooMany, format!("must hold at most {max} {what}"))
    }

    /// Returns the violation with its field `parent` deeper in the request.
    pub fn within(self, parent: &str) -> Violation {
        self.at(|field| format!("{parent}.{field}"))
    }
}

impl<F> Violation<F> {
    /// Returns the violation with its field named another way.
    pub fn at<G>(self, rename: impl FnOnce(F) -> G) -> Violation<G> {
        let Violation { field, reason, message } = self;
        Violation { field: rename(field), reason, message }
    }
}

/// Why a call was refused: the value of `google.rpc.ErrorInfo.reason`, mirrored in the proto enum `ErrorReason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    Required,
    TooLong,
    TooMany,
    OutOfRange,
    Malformed,
    UnknownKind,
    UnknownField,
    SelfEdge,
    ContradictoryFilter,
    PageTokenMismatch,
    RevisionOfAnotherStore,
    RequestIdReused,
    AnswerErased,
    RevisionTooOld,
    NotFound,
    AlreadyExists,
    MemberMissing,
    NotAsked,
    StatusMissing,
    KindInUse,
    KindLimit,
    EtagMismatch,
    PreconditionFailed,
    RevisionNotReached,
    BudgetExhausted,
    DeadlineExceeded,
    Cancelled,
    Overloaded,
    NotReady,
    StorageFull,
    MemoryFull,
    Internal,
    Unauthenticated,
    PermissionDenied,
    QuotaExceeded,
    ViewerMismatch,
    ClockNotAccepted,
    EdgePending,
    RequestIdsFull,
    OutcomeUnknown,
    AnswerTooLarge,
    MemberErased,
    StatusDiffers,
}

/// What a request names that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    Member,
    Edge,
    Status,
    Kind,
    Block,
    Namespace,
}

/// Why a request was refused. One place (`service::status`) turns it into a gRPC status.
#[derive(Debug, Clone, PartialEq, ThisError)]
pub enum Error {
    #[error("{}", list(.0))]
    Invalid(Vec<Violation>),
    #[error("{resource:?} {id:?} not found")]
    NotFound { resource: Resource, id: String },
    #[error("{resource:?} {id:?} already exists")]
    AlreadyExists { resource: Resource, id: String },
    /// The request is well-formed, but the store's state forbids it.
    #[error("{}: {}", .0.field, .0.message)]
    Precondition(Violation),
    /// The etag given is not the resource's.
    #[error("etag does not match")]
    EtagMismatch { field: String },
    #[error("{message}")]
    Unavailable { reason: Reason, message: String, retry_after_ms: u64 },
    /// Changes are kept from a revision on that is later than the one asked for.
    #[error("changes are kept no longer from there on; export, then watch")]
    RevisionTooOld { earliest: String },
    #[error("{message}")]
    Exhausted { reason: Reason, message: String },
    /// The answer would be longer than an answer may be: so many of the things asked for fit.
    #[error(
        "the answer is longer than an answer may be: the first {fits} of the {asked} asked for fit, ask for no more at once"
    )]
    AnswerTooLarge { fits: usize, asked: usize },
    /// More is under way than the server, or this caller, may have at once; nothing was done.
    #[error("{message}")]
    Overloaded { message: String, retry_after_ms: u64 },
    /// The caller, or the viewer it asks for, has had what it may have in this time.
    #[error("{message}")]
    QuotaExceeded { subject: String, message: String, retry_after_ms: u64 },
    /// Who calls is not known.
    #[error("{0}")]
    Unauthenticated(String),
    /// Who calls is known, and may not do this.
    #[error("{0}")]
    PermissionDenied(String),
    /// There is no such RPC.
    #[error("there is no such RPC")]
    Unimplemented,
    #[error("the deadline passed before the answer was complete")]
    DeadlineExceeded,
    #[error("the call was cancelled")]
    Cancelled,
    /// The write was begun, and whether it is carried out cannot be told.
    #[error("whether this was carried out is not known: send it again under its request_id, or read before you do")]
    OutcomeUnknown,
    /// Something is wrong on the server's side; the text is for its log, never for a caller.
    #[error("{0}")]
    Internal(String),
}

fn list(violations: &[Violation]) -> String {
    violations.iter().map(|v| format!("{}: {}", v.field, v.message)).collect::<Vec<_>>().join("; ")
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Error {
        Error::Invalid(vec![violation])
    }
}

impl Error {
    pub fn not_found(resource: Resource, id: impl ToString) -> Error {
        Error::NotFound { resource, id: id.to_string() }
    }

    pub fn precondition(field: impl Into<String>, reason: Reason, message: impl Into<String>) -> Error {
        Error::Precondition(Violation::new(field, reason, message))
    }
}
