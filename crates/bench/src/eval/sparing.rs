//! Simulates introductions asked for one after the other: how much the busiest introducer is spared when the ranking knows the recent asks,
//! and how much weaker the chains are that are asked for instead.

use std::collections::HashMap;

use fastrand::Rng;

use super::kith_side::{Choice, Kith};
use kith::domain::limits::ASK_DAYS_MAX;
use kith::domain::{Day, IntroducerTally, Stage, TimeMs};

/// The number of introductions that are asked for.
const ASKS: usize = 30_000;
/// Each query asks to meet so many of those suggested to it, in random order; and again, if that is not enough.
const WANTED: usize = 30;
/// The asks are spread over days that all count to the end.
const SPREAD_MS: i64 = (ASK_DAYS_MAX as i64 - 1) * 24 * 3_600 * 1_000;

/// The outcome of the asks, without load in the ranking and with it.
#[derive(Debug, Clone, Copy)]
pub struct Sparing {
    pub asks: usize,
    /// The asks of the member asked most.
    pub busiest_without_load: u64,
    pub busiest_with_load: u64,
    /// The strength of the chains asked for with load, as a part of that without.
    pub strength_kept: f64,
}

impl Sparing {
    /// Returns the asks of the busiest member with load, as a part of those without.
    pub fn load_left(&self) -> f64 {
        self.busiest_with_load as f64 / self.busiest_without_load.max(1) as f64
    }
}

/// Asks by strength and willingness, and again by load too. A member that is asked agrees.
pub fn simulate(kith: &Kith, queries: &[u32], seed: u64) -> Sparing {
    let mut choices: Vec<Choice> = queries.iter().flat_map(|&query| kith.choices(query, WANTED)).collect();
    choices.retain(|choice| !choice.is_empty());
    Rng::with_seed(seed).shuffle(&mut choices);
    let asks: Vec<&Choice> = choices.iter().cycle().take(ASKS).collect();
    let without = Asked::all(&asks, kith.as_of(), |tally, _| tally.willingness());
    let with = Asked::all(&asks, kith.as_of(), IntroducerTally::readiness);
    Sparing {
        asks: asks.len(),
        busiest_without_load: without.busiest(),
        busiest_with_load: with.busiest(),
        strength_kept: with.strength / without.strength.max(f64::MIN_POSITIVE),
    }
}

/// The members that were asked, and how strong the chains were.
#[derive(Default)]
struct Asked {
    tallies: HashMap<u32, IntroducerTally>,
    strength: f64,
}

impl Asked {
    /// Asks the member with the greatest strength times factor of each choice, one after the other.
    fn all(asks: &[&Choice], begin: TimeMs, factor: impl Fn(&IntroducerTally, TimeMs) -> f64) -> Asked {
        let mut asked = Asked::default();
        for (at, choice) in asks.iter().enumerate() {
            let now = TimeMs(begin.0.saturating_add(SPREAD_MS * at as i64 / ASKS as i64));
            asked.ask(choice, now, &factor);
        }
        asked
    }

    fn ask(&mut self, choice: &Choice, now: TimeMs, factor: impl Fn(&IntroducerTally, TimeMs) -> f64) {
        let nothing = IntroducerTally::default();
        let score = |&(introducer, strength): &(u32, f64)| {
            strength * factor(self.tallies.get(&introducer).unwrap_or(&nothing), now)
        };
        // The first of equal ones is asked.
        let scored = choice.iter().map(|one| (score(one), one));
        let best = scored.reduce(|best, one| if one.0 > best.0 { one } else { best });
        if let Some((_, &(introducer, strength))) = best {
            self.strength += strength;
            let tally = self.tallies.entry(introducer).or_default();
            for stage in [Stage::Asked, Stage::Accepted] {
                tally.add(stage, Day::of(now));
            }
        }
    }

    fn busiest(&self) -> u64 {
        self.tallies.values().map(IntroducerTally::asked).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_is_spread_over_those_as_strong_and_the_far_weaker_are_left_alone() {
        let (even, uneven) = (vec![(1, 0.5), (2, 0.5)], vec![(1, 0.5), (3, 1e-9)]);
        let asks: Vec<&Choice> = [&even, &uneven].into_iter().cycle().take(200).collect();
        let without = Asked::all(&asks, TimeMs(0), |tally, _| tally.willingness());
        assert_eq!((without.busiest(), without.strength), (200, 100.0));
        let with = Asked::all(&asks, TimeMs(0), IntroducerTally::readiness);
        let asked = |member: u32| with.tallies.get(&member).map_or(0, IntroducerTally::asked);
        assert_eq!((asked(3), with.strength), (0, 100.0));
        assert!(asked(2) > 90, "{}", asked(2));
    }
}
