//! The log's own time.
//!
//! Request ids, expiries and retention count by the times that commands carry, so one wrong reading of the wall clock that reached
//! the log would stay in it for good. Time therefore never goes back; within a run it advances by what really elapsed, as the
//! kernel counts it whatever anybody sets the wall clock to; and it approaches the wall clock by one part in twenty at most. A wall
//! clock that has jumped is reported, and not believed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::{Error, Reason, TimeMs};

/// A wall clock this far from the log's time is not approached any more.
const APART_MAX_US: i64 = 5 * 60 * 1_000_000;
/// A start this far after the last command is not believed: whoever runs the server says whether the clock is right.
const AHEAD_AT_START_MAX_US: i64 = 30 * 24 * 3_600 * 1_000_000;
/// The part of what elapsed by which the wall clock is approached: 5 %.
const APPROACH_DIVISOR: i64 = 20;
/// The wall clock may differ from what elapsed by so much between two readings before that counts as a jump.
const JUMP_MIN_US: i64 = 1_000_000;
/// Readings closer to each other than this advance the time, and approach nothing: one part in twenty of less is lost to rounding.
const READ_MIN_US: i64 = 1_000;
/// When a caller is to retry a write that was refused because nobody has accepted the clock.
const RETRY_MS: u64 = 30_000;

/// Where time comes from.
pub trait TimeSource: Send + Sync {
    /// Returns the wall clock, in microseconds since 1970; negative before.
    fn wall_us(&self) -> i64;

    /// Returns what elapsed since some fixed moment, in microseconds, sleep of the machine included. It never goes back.
    fn elapsed_us(&self) -> i64;
}

/// The machine's clocks.
pub struct SystemTimeSource;

impl TimeSource for SystemTimeSource {
    fn wall_us(&self) -> i64 {
        let micros = |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => micros(since),
            Err(before) => -micros(before.duration()),
        }
    }

    fn elapsed_us(&self) -> i64 {
        #[cfg(target_os = "linux")]
        let clock = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = rustix::time::ClockId::Monotonic;
        let read = rustix::time::clock_gettime(clock);
        read.tv_sec.saturating_mul(1_000_000).saturating_add(read.tv_nsec / 1_000)
    }
}

/// The log's time. All who ask for it share one.
pub struct Clock {
    source: Arc<dyn TimeSource>,
    reading: Mutex<Reading>,
    jumps: AtomicU64,
}

/// The last reading.
struct Reading {
    log_us: i64,
    wall_us: i64,
    elapsed_us: i64,
    /// Whether the wall clock was too far ahead at the start, so that writes wait until it is accepted, or set right.
    waits: bool,
    /// Whether it was reported that the two clocks are too far apart.
    apart_reported: bool,
}

/// What there is to report about the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockMetrics {
    /// The wall clock less the log's time.
    pub apart_ms: i64,
    /// How often the wall clock was seen to jump.
    pub jumps: u64,
    /// Whether writes are refused until the wall clock is accepted or set right.
    pub waits: bool,
}

impl Clock {
    /// Starts the time of a log whose last command was accepted at `last`, if there was one. With `accept` the wall clock is believed,
    /// however far ahead it is.
    pub fn start(source: Arc<dyn TimeSource>, last: Option<TimeMs>, accept: bool) -> Clock {
        let (wall_us, elapsed_us) = (source.wall_us(), source.elapsed_us());
        let last_us = last.map(|last| last.0.saturating_mul(1_000));
        let ahead = last_us.map_or(0, |last| wall_us.saturating_sub(last));
        let waits = ahead > AHEAD_AT_START_MAX_US && !accept;
        let first = if waits { i64::MIN } else { wall_us.max(0) };
        let log_us = first.max(last_us.unwrap_or(0));
        let mut reading = Reading { log_us, wall_us, elapsed_us, waits, apart_reported: false };
        if waits {
            tracing::error!(
                days_ahead = ahead / (24 * 3_600 * 1_000_000),
                "the wall clock is more than 30 days ahead of the last command: writes are refused until it is set right, \
                 or the server is started with --accept-clock"
            );
            reading.apart_reported = true;
        }
        reading.report_if_apart();
        Clock { source, reading: Mutex::new(reading), jumps: AtomicU64::new(0) }
    }

    /// Returns the log's time, which is never earlier than one returned before.
    pub fn now(&self) -> TimeMs {
        // What is beyond the last time there is would not be read from the log.
        TimeMs(self.read(|reading| reading.log_us).div_euclid(1_000)).min(TimeMs::LAST)
    }

    /// Refuses writes while the wall clock of the start is neither accepted nor set right.
    pub fn check_write(&self) -> Result<(), Error> {
        if !self.read(|reading| reading.waits) {
            return Ok(());
        }
        let message = "the wall clock is more than 30 days ahead of the last write; it is to be set right, or the server started \
                       with --accept-clock";
        let (reason, message) = (Reason::ClockNotAccepted, message.to_owned());
        Err(Error::Unavailable { reason, message, retry_after_ms: RETRY_MS })
    }

    pub fn metrics(&self) -> ClockMetrics {
        let (apart_us, waits) = self.read(|reading| (reading.apart_us(), reading.waits));
        ClockMetrics { apart_ms: apart_us / 1_000, jumps: self.jumps.load(Ordering::Relaxed), waits }
    }

    fn read<T>(&self, give: impl FnOnce(&Reading) -> T) -> T {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed_us = self.source.elapsed_us();
        let is_new = elapsed_us.saturating_sub(reading.elapsed_us) >= READ_MIN_US;
        if is_new && reading.advance(self.source.wall_us(), elapsed_us) {
            self.jumps.fetch_add(1, Ordering::Relaxed);
        }
        give(&reading)
    }
}

impl Reading {
    fn apart_us(&self) -> i64 {
        self.wall_us.saturating_sub(self.log_us)
    }

    /// Takes a new reading of both clocks, and returns whether the wall clock has jumped since the last.
    fn advance(&mut self, wall_us: i64, elapsed_us: i64) -> bool {
        let elapsed = elapsed_us - self.elapsed_us;
        let jump_us = wall_us.saturating_sub(self.wall_us).saturating_sub(elapsed);
        (self.wall_us, self.elapsed_us) = (wall_us, elapsed_us);
        self.log_us = self.log_us.saturating_add(elapsed);
        let apart = self.apart_us();
        if self.waits && (-APART_MAX_US..=AHEAD_AT_START_MAX_US).contains(&apart) {
            tracing::info!("the wall clock was set right: writes are taken");
            self.waits = false;
            self.log_us = self.log_us.max(wall_us);
        }
        if apart.abs() <= APART_MAX_US {
            let most = elapsed / APPROACH_DIVISOR;
            self.log_us = self.log_us.saturating_add(apart.clamp(-most, most));
        }
        let jumped = jump_us.abs() >= JUMP_MIN_US;
        if jumped {
            let seconds = jump_us / 1_000_000;
            tracing::warn!(seconds, "the wall clock jumped; the log's time goes on by what elapsed");
        }
        self.report_if_apart();
        jumped
    }

    /// Reports once each time that the clocks part.
    fn report_if_apart(&mut self) {
        let apart = self.apart_us();
        let is_apart = apart.abs() > APART_MAX_US;
        if is_apart && !self.apart_reported {
            let seconds = apart / 1_000_000;
            tracing::warn!(
                seconds,
                "the wall clock is more than 5 minutes from the log's time and is not followed: it is to be set right; if it is \
                 right, start the server with --accept-clock"
            );
        } else if !is_apart && self.apart_reported {
            tracing::info!("the wall clock is within 5 minutes of the log's time again");
        }
        self.apart_reported = is_apart;
    }
}

/// Clocks that are set by hand, for tests.
#[derive(Debug, Default)]
pub struct SetTime(Mutex<(i64, i64)>);

impl SetTime {
    /// Returns clocks that both show a time.
    pub fn at(time: TimeMs) -> Arc<SetTime> {
        Arc::new(SetTime(Mutex::new((time.0 * 1_000, 0))))
    }

    fn change(&self, change: impl FnOnce(&mut (i64, i64))) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Lets time pass on both clocks.
    pub fn pass_ms(&self, ms: i64) {
        self.change(|(wall, elapsed)| {
            *wall += ms * 1_000;
            *elapsed += ms * 1_000;
        });
    }

    /// Makes the wall clock alone jump.
    pub fn jump_ms(&self, ms: i64) {
        self.change(|(wall, _)| *wall += ms * 1_000);
    }
}

impl TimeSource for SetTime {
    fn wall_us(&self) -> i64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    fn elapsed_us(&self) -> i64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000;
    const MINUTE: i64 = 60 * SECOND;
    const DAY: i64 = 24 * 60 * MINUTE;
    const T: TimeMs = TimeMs(1_800_000_000_000);

    fn started(wall_after_last: i64, accept: bool) -> (Arc<SetTime>, Clock) {
        let source = SetTime::at(TimeMs(T.0 + wall_after_last));
        let clock = Clock::start(source.clone(), Some(T), accept);
        (source, clock)
    }

    #[test]
    fn a_jump_of_a_year_for_a_moment_leaves_no_trace() {
        let (source, clock) = started(SECOND, false);
        source.jump_ms(365 * DAY);
        source.pass_ms(100);
        assert_eq!(clock.now(), TimeMs(T.0 + SECOND + 100));
        assert!(clock.check_write().is_ok());
        source.jump_ms(-365 * DAY);
        source.pass_ms(100);
        assert_eq!(clock.now(), TimeMs(T.0 + SECOND + 200));
        assert_eq!(clock.metrics(), ClockMetrics { apart_ms: 0, jumps: 2, waits: false });
    }

    #[test]
    fn the_wall_clock_is_approached_by_a_twentieth_at_most() {
        for (jump, after_20_s) in [(10 * SECOND, 21 * SECOND), (-10 * SECOND, 19 * SECOND), (500, 20_500)] {
            let (source, clock) = started(0, false);
            source.jump_ms(jump);
            source.pass_ms(20 * SECOND);
            assert_eq!(clock.now().0 - T.0, after_20_s);
        }
    }

    #[test]
    fn time_never_goes_back() {
        let (source, clock) = started(0, false);
        let mut before = clock.now();
        for jump in [-DAY, DAY, -5 * SECOND, -400 * DAY, 0, 401 * DAY] {
            source.jump_ms(jump);
            source.pass_ms(3);
            assert!(clock.now() > before, "after a jump of {jump} ms");
            before = clock.now();
        }
        let (_, clock) = started(-DAY, true);
        assert_eq!(clock.now(), T, "a start behind the last command begins with it");
        let (_, clock) = started(TimeMs::LAST.0, true);
        assert_eq!(clock.now(), TimeMs::LAST, "no later time would be read from the log");
    }

    #[test]
    fn a_start_a_month_later_is_believed_and_one_after_that_waits() {
        let (_, clock) = started(30 * DAY, false);
        assert_eq!((clock.now().0 - T.0, clock.check_write()), (30 * DAY, Ok(())));
        let (source, clock) = started(31 * DAY, false);
        source.pass_ms(MINUTE);
        assert_eq!(clock.now().0 - T.0, MINUTE);
        let refused = clock.check_write().unwrap_err();
        assert!(matches!(refused, Error::Unavailable { reason: Reason::ClockNotAccepted, .. }), "{refused:?}");
        assert!(clock.metrics().waits);
        source.jump_ms(-30 * DAY);
        source.pass_ms(MINUTE);
        assert_eq!((clock.now().0 - T.0, clock.check_write()), (DAY + 2 * MINUTE, Ok(())), "it was set right");
        let (_, clock) = started(400 * DAY, true);
        assert_eq!((clock.now().0 - T.0, clock.check_write()), (400 * DAY, Ok(())), "it was accepted");
    }

    #[test]
    fn more_than_five_minutes_apart_nothing_is_approached() {
        for jump in [6 * MINUTE, -6 * MINUTE] {
            let (source, clock) = started(0, false);
            source.jump_ms(jump);
            source.pass_ms(60 * MINUTE);
            assert_eq!((clock.now().0 - T.0, clock.metrics().apart_ms), (60 * MINUTE, jump));
        }
    }

    #[test]
    fn a_clock_before_1970_starts_a_new_log_at_1970() {
        let source = SetTime::at(TimeMs(-DAY));
        let clock = Clock::start(source.clone(), None, false);
        source.pass_ms(5);
        assert_eq!((clock.now(), clock.check_write()), (TimeMs(5), Ok(())));
    }
}
