//! Token buckets: how much may be asked for in a time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;

use crate::domain::Error;
use crate::service::ViewerQuota;

/// How fast a bucket fills, in units a second, and how many it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u32,
    pub burst: u32,
}

/// Units that may be taken. A call takes one, and more once its answer turns out to be long: it may go below zero.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    units: f64,
    filled: Instant,
}

impl Bucket {
    pub fn full(rate: Rate, now: Instant) -> Bucket {
        Bucket { units: f64::from(rate.burst), filled: now }
    }

    fn fill(&mut self, rate: Rate, now: Instant) {
        let earned = now.saturating_duration_since(self.filled).as_secs_f64() * f64::from(rate.per_second);
        self.units = (self.units + earned).min(f64::from(rate.burst));
        self.filled = now;
    }

    pub fn is_full(&mut self, rate: Rate, now: Instant) -> bool {
        self.fill(rate, now);
        self.units >= f64::from(rate.burst)
    }

    /// Takes a unit, or tells when there is one.
    pub fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        self.fill(rate, now);
        if self.units < 1.0 {
            let wait = (1.0 - self.units) / f64::from(rate.per_second);
            return Err(Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX));
        }
        self.units -= 1.0;
        Ok(())
    }

    /// Takes what has been used already.
    pub fn charge(&mut self, units: f64) {
        self.units -= units;
    }
}

/// The refusal of whoever has used up its units.
pub fn used_up(subject: String, wait: Duration) -> Error {
    let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    let message = format!("the quota of {subject} is used up");
    Error::QuotaExceeded { subject, message, retry_after_ms }
}

/// Viewers that are kept track of; those whose bucket is full are forgotten first.
const VIEWERS_MAX: usize = 200_000;

/// The quota of each viewer, whoever asks for it.
pub struct Viewers {
    rate: Option<Rate>,
    refusals: Counter,
    buckets: Mutex<HashMap<Box<str>, Bucket>>,
}

impl Viewers {
    /// Counts whom it refuses.
    pub fn new(rate: Option<Rate>, refusals: Counter) -> Viewers {
        Viewers { rate, refusals, buckets: Mutex::default() }
    }
}

impl ViewerQuota for Viewers {
    fn take(&self, viewer: &str) -> Result<(), Error> {
        let Some(rate) = self.rate else { return Ok(()) };
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if !buckets.contains_key(viewer) {
            if buckets.len() >= VIEWERS_MAX {
                buckets.retain(|_, bucket| !bucket.is_full(rate, now));
            }
            if buckets.len() >= VIEWERS_MAX {
                buckets.clear();
            }
            buckets.insert(viewer.into(), Bucket::full(rate, now));
        }
        let taken = buckets.get_mut(viewer).map_or(Ok(()), |bucket| bucket.take(rate, now));
        taken.map_err(|wait| {
            self.refusals.inc();
            used_up(format!("viewer {viewer:?}"), wait)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 2 };

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut bucket = Bucket::full(RATE, begin);
        assert!(bucket.take(RATE, at(0)).is_ok() && bucket.take(RATE, at(0)).is_ok());
        assert_eq!(bucket.take(RATE, at(0)), Err(Duration::from_millis(100)));
        assert!(bucket.take(RATE, at(50)).is_err());
        assert!(bucket.take(RATE, at(101)).is_ok());
        assert!(!bucket.is_full(RATE, at(201)));
        assert!(bucket.is_full(RATE, at(400)));
        bucket.charge(7.0);
        assert_eq!(bucket.take(RATE, at(400)), Err(Duration::from_millis(600)));
    }

    #[test]
    fn each_viewer_has_its_own() {
        let refusals = Counter::default();
        let viewers = Viewers::new(Some(Rate { per_second: 1, burst: 1 }), refusals.clone());
        assert!(viewers.take("ana").is_ok() && viewers.take("ben").is_ok());
        let refused = viewers.take("ana").unwrap_err();
        assert!(matches!(refused, Error::QuotaExceeded { retry_after_ms: 900..=1_001, .. }), "{refused:?}");
        assert_eq!(refusals.get(), 1);
        assert!(Viewers::new(None, refusals).take("ana").is_ok());
    }
}
