//! Domain types into answers.

mod paths;
mod resources;

pub use paths::path;
pub use resources::{block, digest, edge, kind, member, record, status, timestamp, totals};
