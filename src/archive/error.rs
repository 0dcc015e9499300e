use thiserror::Error;

use crate::store::StoreError;

/// Why something could not be done with an archive.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ArchiveError {
    #[error("{url} is no archive: {why}")]
    Url { url: String, why: String },
    /// An object of the archive cannot be read or written.
    #[error("{object}: {why}")]
    Object { object: String, why: String },
    /// The archive does not hold what is to be restored.
    #[error("{0}")]
    NotHeld(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the server ends")]
    Ended,
}
