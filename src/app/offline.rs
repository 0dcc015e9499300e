//! What is done to a store that nobody serves.

use std::path::Path;

use thiserror::Error;
use uuid::Uuid;

use crate::domain::Error;
use crate::engine::State;
pub use crate::engine::{Verified, Verifier};
use crate::store::{SledStore, StoreError, StoreId};

/// Why something could not be done to a store.
#[derive(Debug, Error)]
pub enum OfflineError {
    #[error("there is no store in {folder}")]
    NoStore { folder: String },
    #[error("{folder}: {error}")]
    Store { folder: String, error: StoreError },
    /// Whoever ran it ended it.
    #[error(transparent)]
    Ended(#[from] Error),
}

/// What a store holds, and what checking it came to.
#[derive(Debug, Clone)]
pub struct CheckedStore {
    pub store_id: Uuid,
    pub revision: String,
    pub kinds: u64,
    pub members: u64,
    pub statuses: u64,
    pub edges: u64,
    pub verified: Verified,
}

/// What came of checking a store.
#[derive(Debug, Clone)]
pub enum StoreCheck {
    /// It cannot be read; here is what is wrong with it.
    Damaged(String),
    Read(CheckedStore),
}

/// Reads all of a store as a start does, then checks what was read against itself.
pub fn verify_store(folder: &Path, verifier: &mut dyn Verifier) -> Result<StoreCheck, OfflineError> {
    let name = || folder.display().to_string();
    if !SledStore::is_there(folder) {
        return Err(OfflineError::NoStore { folder: name() });
    }
    // It is there, so none is made.
    let read = SledStore::open(folder, || StoreId(0)).and_then(|mut store| State::load(&mut store));
    let state = match read {
        Ok(state) => state,
        Err(StoreError::Damaged { what }) => return Ok(StoreCheck::Damaged(what)),
        Err(error) => return Err(OfflineError::Store { folder: name(), error }),
    };
    let verified = state.verify(verifier)?;
    Ok(StoreCheck::Read(CheckedStore {
        store_id: Uuid::from_u128(state.store_id()),
        revision: state.revision().to_string(),
        kinds: state.kinds().len() as u64,
        members: state.member_count(),
        statuses: state.status_count(),
        edges: state.edge_count(),
        verified,
    }))
}
