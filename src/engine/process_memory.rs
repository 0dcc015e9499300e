//! What the process takes of the machine's memory, as Linux says it.

use std::fs;

/// Bytes that the process has in memory; 0 where nothing says so.
pub fn resident() -> u64 {
    pages(1)
}

/// Bytes that the process has mapped, used or not; 0 where nothing says so.
pub fn mapped() -> u64 {
    pages(0)
}

/// A field of `statm`, in bytes.
fn pages(field: usize) -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(field).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}
