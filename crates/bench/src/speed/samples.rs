//! The times that were taken, and their statistics.

use std::time::{Duration, Instant};

/// The times of one round, in nanoseconds.
#[derive(Debug, Default)]
pub struct Samples(Vec<u64>);

impl Samples {
    pub fn time<T>(&mut self, run: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = run();
        self.add(begun.elapsed());
        done
    }

    pub fn add(&mut self, elapsed: Duration) {
        self.0.push(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
    }

    pub fn append(&mut self, mut other: Samples) {
        self.0.append(&mut other.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the samples that were taken first.
    pub fn first(&self, count: usize) -> Samples {
        Samples(self.0[..count.min(self.0.len())].to_vec())
    }

    /// Returns the round's percentiles; none if nothing was timed.
    pub fn round(mut self) -> Option<Round> {
        self.0.sort_unstable();
        let us = |permille: usize| {
            self.0.get((self.0.len() * permille / 1_000).min(self.0.len() - 1)).map(|ns| *ns as f64 / 1_000.0)
        };
        if self.0.is_empty() {
            return None;
        }
        Some(Round { p50: us(500)?, p99: us(990)?, p999: us(999)? })
    }
}

/// Percentiles of one round, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Round {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
}

/// A number over all rounds: the median, the least and the greatest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub greatest: f64,
}

impl Spread {
    /// Returns none without rounds.
    pub fn of(rounds: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut rounds: Vec<f64> = rounds.into_iter().collect();
        rounds.sort_unstable_by(f64::total_cmp);
        let (first, last) = (rounds.first()?, rounds.last()?);
        Some(Spread { median: rounds[rounds.len() / 2], least: *first, greatest: *last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let mut samples = Samples::default();
        (1..=1_000).rev().for_each(|us| samples.add(Duration::from_micros(us)));
        assert_eq!(samples.round(), Some(Round { p50: 501.0, p99: 991.0, p999: 1_000.0 }));
        assert_eq!(Samples::default().round(), None);
        let spread = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!(spread, Some(Spread { median: 2.0, least: 1.0, greatest: 3.0 }));
    }
}
