//! What a path is, and what makes one better than another.

use super::half_edge::MemberIx;
use super::strength::ChainCost;

/// What makes a path better than another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ranking {
    /// Fewest hops, then the greatest chain strength, then the ids in order.
    Hops,
    /// Greatest chain strength, then the fewest hops, then the ids in order.
    Strength,
}

/// A path without a member twice.
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
