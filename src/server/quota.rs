//! Token buckets: how much may be asked for in a time.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;

use crate::domain::{Error, NamespaceName};
use crate::service::ViewerQuota;

/// How fast a bucket fills, in units a second, and how many units it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub per_second: u32,
    pub burst: u32,
}

/// A bucket of units. A call takes one, and more once its answer turns out to be long: the bucket may go below zero.
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

    /// Takes a unit, or returns how long it takes until there is one.
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

/// Returns the refusal of a subject that has used up its units.
pub fn used_up(subject: String, wait: Duration) -> Error {
    let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    let message = format!("the quota of {subject} is used up");
    Error::QuotaExceeded { subject, message, retry_after_ms }
}

/// The number of viewers that are kept track of; those whose bucket is full are forgotten first.
const VIEWERS_MAX: usize = 200_000;
/// The number of callers whose strangers are kept track of, likewise.
const CALLERS_MAX: usize = 20_000;

/// The quota of each viewer, whoever asks for it. Viewers that are no members share one bucket for each caller: there is no end of their
/// names, and all of them see the same.
pub struct Viewers {
    rate: Option<Rate>,
    refusals: Counter,
    buckets: Mutex<Buckets>,
}

#[derive(Default)]
struct Buckets {
    /// The buckets of members, by their namespace and id.
    of_members: HashMap<Box<str>, Bucket>,
    /// The buckets of viewers that are no members, by the caller who asks for them.
    of_strangers: HashMap<Arc<str>, Bucket>,
}

impl Viewers {
    /// Makes the quotas, which count whom they refuse.
    pub fn new(rate: Option<Rate>, refusals: Counter) -> Viewers {
        Viewers { rate, refusals, buckets: Mutex::default() }
    }
}

impl ViewerQuota for Viewers {
    fn take(
        &self,
        caller: &Arc<str>,
        namespace: &NamespaceName,
        viewer: &str,
        is_member: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        let Some(rate) = self.rate else { return Ok(()) };
        let is_member = is_member();
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Buckets { of_members, of_strangers } = &mut *buckets;
        let own =
            if is_member { bucket(of_members, &format!("{namespace}/{viewer}"), VIEWERS_MAX, rate, now) } else { None };
        let bucket = own.or_else(|| bucket(of_strangers, caller, CALLERS_MAX, rate, now));
        let taken = bucket.map_or(Err(Duration::from_secs(1)), |bucket| bucket.take(rate, now));
        // The message is the same for members and strangers, so that it does not reveal whether there is such a member.
        taken.map_err(|wait| {
            self.refusals.inc();
            used_up(format!("viewer {viewer:?}"), wait)
        })
    }
}

/// Returns the bucket of a name; none where there are too many that are not full.
fn bucket<'b, K: Hash + Eq + Borrow<str> + for<'k> From<&'k str>>(
    buckets: &'b mut HashMap<K, Bucket>,
    name: &str,
    most: usize,
    rate: Rate,
    now: Instant,
) -> Option<&'b mut Bucket> {
    if !buckets.contains_key(name) {
        if buckets.len() >= most {
            buckets.retain(|_, bucket| !bucket.is_full(rate, now));
        }
        if buckets.len() < most {
            buckets.insert(name.into(), Bucket::full(rate, now));
        }
    }
    buckets.get_mut(name)
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
    fn where_there_are_too_many_full_buckets_are_forgotten_and_no_others() {
        let begin = Instant::now();
        let later = begin + Duration::from_millis(150);
        let mut buckets: HashMap<Box<str>, Bucket> = HashMap::new();
        let mut take =
            |name: &str, now| bucket(&mut buckets, name, 2, RATE, now).map(|own| own.take(RATE, now).is_ok());
        let taken = ["ana", "ana", "ben", "cleo"].map(|name| take(name, begin));
        assert_eq!(taken, [Some(true), Some(true), Some(true), None], "there is room for two");
        // Ben's is full again by now, and Ana has earned one unit.
        let taken = ["cleo", "ana", "ana", "dan"].map(|name| take(name, later));
        assert_eq!(taken, [Some(true), Some(true), Some(false), None]);
    }

    #[test]
    fn each_viewer_has_its_own_and_strangers_one_for_each_caller() {
        let refusals = Counter::default();
        let viewers = Viewers::new(Some(Rate { per_second: 1, burst: 1 }), refusals.clone());
        let (feed, web): (Arc<str>, Arc<str>) = ("feed".into(), "web".into());
        let default = NamespaceName::default();
        let member = |viewer: &str| viewers.take(&feed, &default, viewer, &|| true);
        assert!(member("ana").is_ok() && member("ben").is_ok());
        let refused = member("ana").unwrap_err();
        assert!(matches!(refused, Error::QuotaExceeded { retry_after_ms: 900..=1_001, .. }), "{refused:?}");
        assert!(viewers.take(&web, &default, "ana", &|| true).is_err(), "whoever asks");
        assert_eq!(refusals.get(), 2);

        assert!(viewers.take(&feed, &default, "ghost 1", &|| false).is_ok());
        for ghost in 2..1_000 {
            assert!(viewers.take(&feed, &default, &format!("ghost {ghost}"), &|| false).is_err(), "{ghost}");
        }
        assert!(viewers.take(&web, &default, "ghost 2", &|| false).is_ok(), "another caller's strangers are others");
        assert!(member("cleo").is_ok());
        let elsewhere = NamespaceName::parse("name", "acme").unwrap();
        assert!(viewers.take(&feed, &elsewhere, "ana", &|| true).is_ok(), "another namespace's are others");
        assert_eq!(viewers.buckets.lock().unwrap().of_members.len(), 4);
        assert!(Viewers::new(None, refusals).take(&feed, &default, "ana", &|| panic!("nobody is looked up")).is_ok());
    }
}
