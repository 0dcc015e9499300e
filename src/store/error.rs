use rustix::io::Errno;
use thiserror::Error;

/// Why a store could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    #[error("the store is in use by another process")]
    InUse,
    #[error("the store has format {found}; this version of kith knows format {known}")]
    UnknownFormat { found: u32, known: u32 },
    /// `what` names the file and the part of it. Nothing of a damaged store is served, and nothing of it is deleted.
    #[error("the store is damaged: {what}")]
    Damaged { what: String },
    /// A store is to be restored where there is something.
    #[error("it is not empty; a backup is restored into a folder that is empty or not there")]
    NotEmpty,
    /// A reader of the log is behind what is kept of it.
    #[error("the log is kept from sequence {earliest} on")]
    TooOld { earliest: u64 },
    #[error("the disk is full")]
    Full,
    #[error("its file system is read-only")]
    ReadOnly,
    /// The process has no file descriptor left, or the system.
    #[error("too many files are open")]
    TooManyFiles,
    /// A commit was to be appended that does not follow on the log's tail.
    #[error("sequence {sequence} was to be appended where {expected} follows")]
    OutOfOrder { sequence: u64, expected: u64 },
    #[error("{0}")]
    Io(String),
}

/// Why an append did not end well.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotAppended {
    /// None of the commits is in the log, and others may be appended under their sequences.
    #[error("{0}")]
    NotThere(#[from] StoreError),
    /// Either all of the commits are in the log or none: `Log::tail` says which.
    #[error("{0}; whether it is in the log is not known")]
    Unknown(StoreError),
}

/// For those who give up either way.
impl From<NotAppended> for StoreError {
    fn from(failed: NotAppended) -> StoreError {
        match failed {
            NotAppended::NotThere(error) => error,
            NotAppended::Unknown(_) => StoreError::Io(failed.to_string()),
        }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> StoreError {
        let too_many = [Errno::MFILE, Errno::NFILE].map(|errno| Some(errno.raw_os_error()));
        match error.kind() {
            // A quota that is used up is a full disk to whoever has it.
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::Full,
            std::io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly,
            _ if too_many.contains(&error.raw_os_error()) => StoreError::TooManyFiles,
            _ => StoreError::Io(error.to_string()),
        }
    }
}
