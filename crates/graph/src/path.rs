//! What a path is, and what makes one better than another.

use super::half_edge::MemberIx;
use super::strength::ChainCost;

/// What makes a path better than another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ranking {
    /// The fewest hops come first, then the greatest chain strength, then the ids in order.
    Hops,
    /// The greatest chain strength comes first, then the fewest hops, then the ids in order.
    Strength,
}

/// A path that passes no member twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub members: Vec<MemberIx>,
    pub cost: ChainCost,
}

impl Path {
    pub fn hops(&self) -> u32 {
        self.members.len() as u32 - 1
    }
}
