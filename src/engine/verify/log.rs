//! The log on disk, read from its first commit to the last.

use super::Verifier;
use crate::domain::{Error, Finding, Sequence};
use crate::store::{LogSource, StoreError};

/// Reads all commits that are kept through a sequence. Gives how many findings there are: none or, the first damage, one.
pub fn verify_log(log: &dyn LogSource, through: Sequence, verifier: &mut dyn Verifier) -> Result<u64, Error> {
    let mut first = log.earliest();
    let mut cursor = log.cursor(first - 1);
    loop {
        match cursor.read(through) {
            Ok(commits) if commits.is_empty() => return Ok(0),
            Ok(commits) => {
                let read = commits.last().map_or(first, |commit| commit.sequence);
                verifier.progress(read.min(through) - (first - 1), through - (first - 1))?;
            }
            // It was shortened meanwhile.
            Err(StoreError::TooOld { earliest }) if earliest > first => {
                first = earliest;
                cursor = log.cursor(first - 1);
            }
            Err(error) => {
                let message = error.to_string();
                verifier.found(Finding { part: "log", subject: "commits on disk".to_owned(), message })?;
                return Ok(1);
            }
        }
    }
}
