//! The log on disk, read from its first commit to the last.

use super::Verifier;
use crate::domain::{Error, Finding, Sequence};
use crate::store::LogSource;

/// Reads all commits that are kept through a sequence. Gives how many findings there are: none or, the first damage, one.
pub fn verify_log(log: &dyn LogSource, through: Sequence, verifier: &mut dyn Verifier) -> Result<u64, Error> {
    let (total, mut read) = (log.bytes(), 0);
    let found = log.scrub(through, &mut |bytes| {
        read += bytes;
        verifier.progress(read.min(total), total)
    })?;
    let Some((_, error)) = found else { return Ok(0) };
    verifier.found(Finding { part: "log", subject: "commits on disk".to_owned(), message: error.to_string() })?;
    Ok(1)
}
