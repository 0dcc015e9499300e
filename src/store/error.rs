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
    #[error("{0}")]
    Io(String),
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> StoreError {
        match error.kind() {
            std::io::ErrorKind::StorageFull => StoreError::Full,
            _ => StoreError::Io(error.to_string()),
        }
    }
}
