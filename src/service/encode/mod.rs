//! Domain types into answers.

mod paths;
mod resources;

pub use paths::path;
pub use resources::{edge, kind, member, status, timestamp};
