use rustix::io::Errno;
use thiserror::Error;

/// Why a store could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    #[error("the store is in use by another process")]
    InUse,
    #[error("the store has format {found}; this version of kith knows format {known}")]
    UnknownFormat { found: u32, known: u32 },
    /// Names the place. Nothing is served of a damaged store, and nothing of it deleted.
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
    /// An append failed, and so did taking it back: it may be there after a restart.
    #[error("{what}; whether it will be there after a restart is not known")]
    Unknown { what: String },
    #[error("{0}")]
    Io(String),
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
