//! Domain types into answers.

mod paths;
mod resources;
mod shown;

pub use resources::{
    block, content, digest, edge, edge_of_strength, kind, member, record, status, tally, timestamp, totals, totals_of,
};
pub use shown::Shown;
