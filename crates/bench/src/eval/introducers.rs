//! Finds whom a member would ask to be introduced: the first hand-over of the strongest chain of two or three steps.

use super::ties::Ties;

/// The part of a chain's odds that a hand-over leaves.
const HAND_OVER: f64 = 0.5;

/// The strongest chains of two steps from one member.
pub struct Introducers {
    /// The chains by where they end: their strength, and the member in between.
    chains: Vec<(f64, u32)>,
}

impl Introducers {
    pub fn of(ties: &Ties, member: u32) -> Introducers {
        let mut chains = vec![(0.0, 0); ties.members()];
        for &(z, to_z) in ties.of(member) {
            for &(y, to_y) in ties.of(z) {
                let strength = to_z * to_y * HAND_OVER;
                if strength > chains[y as usize].0 {
                    chains[y as usize] = (strength, z);
                }
            }
        }
        // No chain leads through its start.
        chains[member as usize] = (0.0, 0);
        Introducers { chains }
    }

    /// Returns who would be asked to introduce `to`; none if it is more than three steps away.
    pub fn best(&self, ties: &Ties, to: u32) -> Option<u32> {
        let longer = ties.of(to).iter().map(|&(y, strength)| {
            let (chain, z) = self.chains[y as usize];
            (chain * strength * HAND_OVER, z)
        });
        let chains = std::iter::once(self.chains[to as usize]).chain(longer);
        chains
            .reduce(|best, chain| if chain.0 > best.0 { chain } else { best })
            .filter(|best| best.0 > 0.0)
            .map(|best| best.1)
    }
}
