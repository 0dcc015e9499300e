//! The formulas of strength: of an edge, of a pair, of a chain.

use crate::domain::limits::INTERACTIONS_MAX;
use crate::domain::{History, Kind, Strength, TimeMs};

/// What the strength of an edge depends on, beside its kind.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StrengthInputs {
    pub pinned: Option<Strength>,
    /// The interactions, faded to `last_s`.
    pub faded: f32,
    /// The time of the latest interaction, in seconds since 1970.
    pub last_s: u32,
}

/// Returns the strength of an edge at `as_of`, in (0, 1]: the pinned one, or `0.1 + 0.9·w/(1+w)` with `w = prior + faded·0.5^((as_of −
/// last)/half-life)`. An `as_of` before the last interaction amplifies nothing.
pub fn edge_strength(kind: &Kind, inputs: StrengthInputs, as_of: TimeMs) -> f32 {
    if let Some(pinned) = inputs.pinned {
        return pinned.get();
    }
    let mut weight = kind.attrs.prior;
    if inputs.faded > 0.0 {
        let age_ms = as_of.0.saturating_sub(i64::from(inputs.last_s) * 1_000);
        weight += f64::from(inputs.faded) * fading(age_ms as f64 / kind.attrs.half_life_ms as f64);
    }
    (0.1 + 0.9 * weight / (1.0 + weight)) as f32
}

/// Returns what is left of an interaction after so many half-lives, which is all of it before its time.
fn fading(half_lives: f64) -> f64 {
    libm::exp2(-half_lives.max(0.0))
}

/// Adds `count` interactions at `time_s`, in or out of order: the history is faded to the later of the two times. Interactions beyond what
/// can be counted are left out, and rounding never makes the weight more than the count.
pub fn add_interactions(history: History, kind: &Kind, count: u64, time_s: u32) -> History {
    let last_s = history.last_s.max(time_s);
    let faded_to_last =
        |weight: f64, at_s: u32| weight * fading(f64::from(last_s - at_s) * 1_000.0 / kind.attrs.half_life_ms as f64);
    let faded = faded_to_last(f64::from(history.faded), history.last_s) + faded_to_last(count as f64, time_s);
    let count = history.count.saturating_add(count).min(INTERACTIONS_MAX);
    History { count, faded: (faded as f32).min(count as f32), last_s }
}

/// Returns the pair strength, `1 − Π(1 − strengthᵢ)`, computed edge by edge and without cancellation, so that a tiny strength stays itself.
pub fn pair_strength(strengths: impl IntoIterator<Item = f32>) -> f64 {
    strengths.into_iter().fold(0.0, |pair, strength| pair + f64::from(strength) * (1.0 - pair))
}

/// How weak a chain is: `−log₂` of its strength, in units of 2⁻³².
///
/// Costs are integers, so that equal chains are equal in whatever order they were added up. The strength of a chain is the product of its
/// pairs' × 0.5^(hops − 1), so a hand-over costs exactly one bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ChainCost(pub u64);

impl ChainCost {
    /// The cost of handing over from one step to the next, which halves the odds.
    pub const HAND_OVER: ChainCost = ChainCost(1 << 32);

    /// Returns the cost of one step, `round(−log₂(pair strength)·2³²)`. It has at most 149 bits, for the least `f32`.
    pub fn of_pair(strength: f64) -> ChainCost {
        ChainCost((-libm::log2(strength) * (1u64 << 32) as f64).round().max(0.0) as u64)
    }

    /// Returns the cost of this chain and then another, with the hand-over between them.
    pub fn then(self, next: ChainCost) -> ChainCost {
        ChainCost(self.0 + Self::HAND_OVER.0 + next.0)
    }

    pub fn strength(self) -> f64 {
        libm::exp2(-(self.0 as f64) / (1u64 << 32) as f64)
    }
}

/// How many of a score's bits are cut off: a double has 53, and 32 of them count.
const SCORE_BITS_CUT: u32 = 21;

/// Rounds a score to 32 significant bits. Sums of the same parts in another order, or along other chains, differ in their last bits;
/// rounded, equal scores compare as equal and the next rule decides.
pub fn comparable(score: f64) -> f64 {
    let half = 1u64 << (SCORE_BITS_CUT - 1);
    f64::from_bits((score.to_bits() + half) & !((1 << SCORE_BITS_CUT) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{KindName, Sphere};

    #[test]
    fn scores_that_differ_in_their_last_bits_are_equal() {
        assert_eq!((comparable(0.0), comparable(0.625), comparable(1e-300)), (0.0, 0.625, comparable(1e-300)));
        let sevenths = [1.0 / 7.0; 3].iter().sum::<f64>();
        assert_ne!(0.1 + 0.2, 0.3);
        assert_ne!(sevenths + 1.0 / 7.0, 4.0 / 7.0 + f64::EPSILON / 2.0);
        assert_eq!(comparable(0.1 + 0.2), comparable(0.3));
        assert!(comparable(0.3) < comparable(0.3 * (1.0 + 1e-9)));
        assert!((comparable(0.3) / 0.3 - 1.0).abs() < 2.4e-10);
    }

    const DAY_MS: i64 = 24 * 3_600 * 1_000;

    fn kind(prior: f64) -> Kind {
        let name = KindName::parse("name", "friend").unwrap();
        Kind::new(name, Sphere::Personal, true, prior, 10 * DAY_MS as u64).unwrap()
    }

    #[test]
    fn an_edge_is_as_strong_as_its_prior_and_what_has_not_faded() {
        assert_eq!(edge_strength(&kind(1.0), StrengthInputs::default(), TimeMs(0)), 0.55);
        assert_eq!(edge_strength(&kind(0.0), StrengthInputs::default(), TimeMs(0)), 0.1);
        let inputs = StrengthInputs { pinned: None, faded: 2.0, last_s: 0 };
        assert_eq!(edge_strength(&kind(0.0), inputs, TimeMs(10 * DAY_MS)), 0.55);
        assert_eq!(edge_strength(&kind(0.0), inputs, TimeMs(-10 * DAY_MS)), 0.7);
        let pinned = Strength::parse("s", 0.25).ok();
        assert_eq!(edge_strength(&kind(4.0), StrengthInputs { pinned, ..inputs }, TimeMs(0)), 0.25);
    }

    #[test]
    fn the_order_of_interactions_does_not_matter() {
        let kind = kind(1.0);
        let (early, late) = (86_400 * 100, 86_400 * 110);
        let forward = add_interactions(add_interactions(History::default(), &kind, 4, early), &kind, 1, late);
        let backward = add_interactions(add_interactions(History::default(), &kind, 1, late), &kind, 4, early);
        assert_eq!(forward, backward);
        assert_eq!(forward, History { count: 5, faded: 3.0, last_s: late });
    }

    #[test]
    fn counts_and_weights_stay_within_what_a_put_takes() {
        let kind = kind(1.0);
        let all = add_interactions(History::default(), &kind, INTERACTIONS_MAX, 0);
        let more = add_interactions(all, &kind, INTERACTIONS_MAX, 0);
        assert_eq!(more, History { count: INTERACTIONS_MAX, faded: INTERACTIONS_MAX as f32, last_s: 0 });
        // No `f32` is 16,777,219 or 16,777,223, so each sum is rounded up.
        let once = add_interactions(History::default(), &kind, 16_777_219, 0);
        assert_eq!(add_interactions(once, &kind, 3, 0), History { count: 16_777_222, faded: 16_777_222.0, last_s: 0 });
    }

    #[test]
    fn a_chain_halves_at_each_hand_over() {
        let half = ChainCost::of_pair(0.5);
        assert_eq!(half, ChainCost::HAND_OVER);
        assert_eq!(half.then(half).strength(), 0.125);
        assert_eq!(ChainCost::of_pair(pair_strength([1.0])), ChainCost(0));
        assert_eq!(ChainCost::of_pair(pair_strength([f32::from_bits(1)])), ChainCost(149 << 32));
    }
}
