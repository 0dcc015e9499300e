//! How much of the machine's memory the process takes, as Linux reports it.

use std::fs;

/// Returns how many bytes the process has in memory; 0 where nothing says so.
pub fn resident() -> u64 {
    pages(1)
}

/// Returns how many bytes the process has mapped, used or not; 0 where nothing says so.
pub fn mapped() -> u64 {
    pages(0)
}

/// Returns a field of `statm`, in bytes.
fn pages(field: usize) -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().nth(field).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}
