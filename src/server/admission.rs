//! Bounds how many calls run at once, in all and for each caller, and keeps each caller's quota. A caller that is over a bound is refused
//! at once.
//!
//! Two callers could fill all there is with what each of them may have. So the last quarter is for callers who have less than an equal
//! share, and when even that is taken, a caller's first few calls are admitted beyond it: a caller that asks little is hardly ever refused
//! because others ask much.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::methods::Shape;
use super::quota::{Bucket, Rate, used_up};
use crate::domain::Error;

/// The number of calls that may run at once. Streams live long, so they are counted apart.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    pub calls: usize,
    pub calls_per_caller: usize,
    pub streams: usize,
    pub streams_per_caller: usize,
    /// The rate of each caller: a call is one unit, and each further KiB of its answer is another.
    pub caller_rate: Option<Rate>,
    /// The bytes that one answer may have, if answers are bounded.
    pub answer_bytes: Option<usize>,
}

impl Default for CallLimits {
    fn default() -> CallLimits {
        CallLimits {
            calls: 1_024,
            calls_per_caller: 512,
            streams: 4_096,
            streams_per_caller: 2_048,
            caller_rate: None,
            answer_bytes: None,
        }
    }
}

/// The limits of health checks. Their callers are not identified: they are counted by address, and apart from all other calls. A client
/// that balances over servers keeps a stream of `Watch` to each.
pub const HEALTH_LIMITS: CallLimits = CallLimits {
    calls: 4_096,
    calls_per_caller: 1_024,
    streams: 2_048,
    streams_per_caller: 512,
    caller_rate: None,
    answer_bytes: None,
};

/// The limits of reflection, whose answers are far longer than its questions: one call that reads the whole API takes a tenth of
/// `answer_bytes`.
pub const REFLECTION_LIMITS: CallLimits = CallLimits {
    calls: 64,
    calls_per_caller: 16,
    streams: 64,
    streams_per_caller: 16,
    // These units are KiB of answers.
    caller_rate: Some(Rate { per_second: 256, burst: 16 * 1_024 }),
    answer_bytes: Some(4 * 1_024 * 1_024),
};

/// The number of idle callers whose buckets are remembered.
const CALLERS_MAX: usize = 20_000;
/// Retries are spread over this time, or they would all come back together.
const RETRY_MS: std::ops::Range<u64> = 50..250;
const ANSWER_UNIT_BYTES: f64 = 1_024.0;
/// A caller's first calls are admitted although every permit is taken.
const FIRST_CALLS: usize = 4;

#[derive(Debug, Default)]
struct Count {
    calls: usize,
    streams: usize,
}

impl Count {
    fn of(&mut self, shape: Shape) -> &mut usize {
        match shape {
            Shape::Unary => &mut self.calls,
            Shape::Stream => &mut self.streams,
        }
    }
}

#[derive(Debug, Default)]
struct OfCaller {
    count: Count,
    bucket: Option<Bucket>,
}

#[derive(Debug, Default)]
struct UnderWay {
    all: Count,
    /// The number of callers that have calls under way.
    active: Count,
    callers: HashMap<Arc<str>, OfCaller>,
}

/// Clones share their counts.
#[derive(Debug, Clone)]
pub struct Admission {
    limits: CallLimits,
    under_way: Arc<Mutex<UnderWay>>,
}

/// Permits one call, which counts as under way until this is dropped.
#[derive(Debug)]
pub struct Permit {
    admission: Admission,
    caller: Arc<str>,
    shape: Shape,
    answer_bytes: usize,
}

impl Admission {
    pub fn new(limits: CallLimits) -> Admission {
        Admission { limits, under_way: Arc::default() }
    }

    pub fn admit(&self, caller: &Arc<str>, shape: Shape) -> Result<Permit, Error> {
        let limits = &self.limits;
        let (max, max_per_caller) = match shape {
            Shape::Unary => (limits.calls, limits.calls_per_caller),
            Shape::Stream => (limits.streams, limits.streams_per_caller),
        };
        let mut under_way = self.lock();
        let UnderWay { all, active, callers } = &mut *under_way;
        if callers.len() >= CALLERS_MAX {
            forget_idle(callers, limits.caller_rate);
        }
        let of_caller = callers.entry(caller.clone()).or_default();
        let own = *of_caller.count.of(shape);
        if own >= max_per_caller {
            return Err(overloaded("this caller"));
        }
        let others = *active.of(shape) - usize::from(own > 0);
        if !has_room(max, *all.of(shape), own, others) {
            return Err(overloaded("the server"));
        }
        if let Some(rate) = limits.caller_rate {
            let now = Instant::now();
            let bucket = of_caller.bucket.get_or_insert_with(|| Bucket::full(rate, now));
            bucket.take(rate, now).map_err(|wait| used_up(format!("caller {caller:?}"), wait))?;
        }
        *of_caller.count.of(shape) += 1;
        *all.of(shape) += 1;
        *active.of(shape) += usize::from(own == 0);
        Ok(Permit { admission: self.clone(), caller: caller.clone(), shape, answer_bytes: 0 })
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether one more call is admitted for a caller that has `own` of the `all` calls under way, beside so many other callers.
fn has_room(max: usize, all: usize, own: usize, others: usize) -> bool {
    // One share is kept for a caller that is yet to come.
    let share = max / (others + 2);
    let is_tight = all >= max - max / 4;
    (all < max && (!is_tight || own < share.max(1))) || (own < FIRST_CALLS && all < max + max / 4)
}

fn overloaded(whose: &str) -> Error {
    let message = format!("too many calls of {whose} are under way");
    Error::Overloaded { message, retry_after_ms: fastrand::u64(RETRY_MS) }
}

fn forget_idle(callers: &mut HashMap<Arc<str>, OfCaller>, rate: Option<Rate>) {
    let now = Instant::now();
    callers.retain(|_, caller| {
        let has_spent = |bucket: &mut Bucket| rate.is_some_and(|rate| !bucket.is_full(rate, now));
        caller.count.calls + caller.count.streams > 0 || caller.bucket.as_mut().is_some_and(has_spent)
    });
}

impl Permit {
    /// Charges so many more bytes of the answer, or refuses them.
    pub fn answered(&mut self, bytes: usize) -> Result<(), Error> {
        self.answer_bytes += bytes;
        match self.admission.limits.answer_bytes {
            Some(max) if self.answer_bytes > max => {
                let message = format!("one call of this RPC is answered with {max} bytes at most; make another");
                Err(Error::Overloaded { message, retry_after_ms: fastrand::u64(RETRY_MS) })
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut under_way = self.admission.lock();
        let UnderWay { all, active, callers } = &mut *under_way;
        *all.of(self.shape) -= 1;
        let many = callers.len() > CALLERS_MAX / 2;
        let Some(caller) = callers.get_mut(&self.caller) else { return };
        let left = caller.count.of(self.shape);
        *left -= 1;
        *active.of(self.shape) -= usize::from(*left == 0);
        match &mut caller.bucket {
            Some(bucket) => bucket.charge((self.answer_bytes as f64 / ANSWER_UNIT_BYTES).floor()),
            None if caller.count.calls + caller.count.streams == 0 && many => {
                callers.remove(&self.caller);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Arc<str> {
        name.into()
    }

    #[test]
    fn no_more_are_under_way_than_the_limits_say() {
        let limits =
            CallLimits { calls: 3, calls_per_caller: 2, streams: 1, streams_per_caller: 1, ..Default::default() };
        let admission = Admission::new(limits);
        let (ana, ben) = (named("ana"), named("ben"));
        let first = admission.admit(&ana, Shape::Unary).unwrap();
        let _second = admission.admit(&ana, Shape::Unary).unwrap();
        let of_caller = admission.admit(&ana, Shape::Unary).unwrap_err();
        assert!(of_caller.to_string().contains("this caller"), "{of_caller}");
        let _third = admission.admit(&ben, Shape::Unary).unwrap();
        let of_all = admission.admit(&ben, Shape::Unary).unwrap_err();
        assert!(of_all.to_string().contains("the server"), "{of_all}");
        assert!(admission.admit(&ben, Shape::Stream).is_ok());
        drop(first);
        assert!(admission.admit(&ana, Shape::Unary).is_ok());
    }

    #[test]
    fn a_long_answer_uses_up_more_of_the_quota() {
        let limits = CallLimits { caller_rate: Some(Rate { per_second: 1, burst: 3 }), ..Default::default() };
        let admission = Admission::new(limits);
        let ana = named("ana");
        admission.admit(&ana, Shape::Unary).unwrap().answered(1_000).unwrap();
        admission.admit(&ana, Shape::Unary).unwrap().answered(10 * 1_024).unwrap();
        let refused = admission.admit(&ana, Shape::Unary).unwrap_err();
        assert!(matches!(refused, Error::QuotaExceeded { retry_after_ms: 9_000..=10_100, .. }), "{refused:?}");
        assert!(admission.admit(&named("ben"), Shape::Unary).is_ok());
    }

    #[test]
    fn idle_callers_are_forgotten_and_neither_who_has_spent_units_nor_who_has_calls() {
        let rate = Some(Rate { per_second: 1, burst: 3 });
        for (caller_rate, kept) in [(rate, vec!["busy", "spent"]), (None, vec!["busy"])] {
            let admission = Admission::new(CallLimits { caller_rate, ..Default::default() });
            let _busy = admission.admit(&named("busy"), Shape::Stream).unwrap();
            admission.admit(&named("spent"), Shape::Unary).unwrap().answered(1_024 * 1_024).unwrap();
            let mut under_way = admission.lock();
            let idle = OfCaller { bucket: rate.map(|rate| Bucket::full(rate, Instant::now())), ..Default::default() };
            under_way.callers.insert(named("idle"), idle);
            forget_idle(&mut under_way.callers, caller_rate);
            let mut left: Vec<&str> = under_way.callers.keys().map(|name| &**name).collect();
            left.sort_unstable();
            assert_eq!(left, kept);
        }
    }

    #[test]
    fn a_caller_that_was_idle_for_long_takes_no_room() {
        let limits = CallLimits { caller_rate: Some(Rate { per_second: u32::MAX, burst: 1 }), ..Default::default() };
        let admission = Admission::new(limits);
        for at in 0..=CALLERS_MAX {
            drop(admission.admit(&named(&at.to_string()), Shape::Unary).unwrap());
        }
        assert!(admission.lock().callers.len() <= 2, "the last two may have units to earn");
    }

    #[test]
    fn the_last_quarter_is_for_who_has_less_than_a_share_and_what_is_beyond_all_for_first_calls() {
        let has_room = |all, own, others| super::has_room(64, all, own, others);
        assert!(has_room(47, 47, 0) && !has_room(48, 48, 0));
        assert!(has_room(48, 31, 0) && !has_room(48, 32, 0), "half of all is kept for who is yet to come");
        assert!(has_room(63, 20, 1) && !has_room(63, 21, 1));
        assert!(has_room(79, 3, 1) && !has_room(64, 4, 1) && !has_room(80, 0, 1));
    }

    #[test]
    fn who_asks_little_is_not_refused_for_those_who_ask_much() {
        let limits = CallLimits { calls: 64, calls_per_caller: 48, ..Default::default() };
        let admission = Admission::new(limits);
        let take = |name: &str| {
            let name = named(name);
            std::iter::from_fn(|| admission.admit(&name, Shape::Unary).ok()).take(1_000).collect::<Vec<_>>()
        };
        let of_ana = take("ana");
        assert_eq!(of_ana.len(), 48, "nobody else is there");
        let of_ben = take("ben");
        assert!(of_ben.len() >= 16, "{}: the rest is for those who have less", of_ben.len());
        assert!(admission.admit(&named("ana"), Shape::Unary).is_err());
        for name in ["cleo", "dan", "eva"] {
            assert!(admission.admit(&named(name), Shape::Unary).is_ok(), "{name}");
        }
        // They are taken beyond all, and not without end.
        let few: Vec<_> =
            (0..1_000).filter_map(|at| admission.admit(&named(&at.to_string()), Shape::Unary).ok()).collect();
        assert!(of_ana.len() + of_ben.len() + few.len() <= 64 + 16);
        drop((of_ana, of_ben, few));
        let under_way = admission.lock();
        assert_eq!((under_way.all.calls, under_way.active.calls), (0, 0));
    }

    #[test]
    fn an_answer_that_is_bounded_ends_there() {
        let admission = Admission::new(CallLimits { answer_bytes: Some(1_000), ..Default::default() });
        let mut permit = admission.admit(&named("ana"), Shape::Stream).unwrap();
        permit.answered(1_000).unwrap();
        assert!(matches!(permit.answered(1), Err(Error::Overloaded { .. })));
    }
}
