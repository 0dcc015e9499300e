//! Shows how fast a query can be on a graph that never changes: static arrays, hand-tight traversals, nothing counted or polled.
//!
//! These programs know no filter, no budget and no writes. They answer the same questions as kith, and are held to its answers.

mod csr;
mod distance;
mod lists;
mod marks;
mod paths;
mod reach;
mod strongest;
mod suggest;

pub use csr::{Csr, DirectedEdge};
pub use paths::ShortestPath;

use marks::Marks;

/// The static graph, with the scratch space of all queries.
pub struct Limits {
    csr: Csr,
    seen: Marks<()>,
    behind: Marks<u32>,
    ahead: Marks<u32>,
    masks: Marks<(u8, u8)>,
    shortest: [Marks<ShortestPath>; 2],
    scores: Marks<f64>,
    arriving: Marks<f64>,
    joined: Marks<()>,
    costs: [Marks<strongest::Label>; 2],
}

impl Limits {
    pub fn new(csr: Csr) -> Limits {
        let members = csr.members();
        Limits {
            csr,
            seen: Marks::new(members),
            behind: Marks::new(members),
            ahead: Marks::new(members),
            masks: Marks::new(members),
            shortest: [Marks::new(members), Marks::new(members)],
            scores: Marks::new(members),
            arriving: Marks::new(members),
            joined: Marks::new(members),
            costs: [Marks::new(members), Marks::new(members)],
        }
    }
}
