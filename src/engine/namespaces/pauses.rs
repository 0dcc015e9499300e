//! The times in which no server ran, for what is kept for a while: nobody knows whether a server stood still for two days, or its wall clock
//! was set two days ahead before it was started again. What must not be forgotten too early counts little of either.

use std::time::Duration;

use imbl::Vector;

use crate::domain::TimeMs;

/// The most of a pause that counts as time that has passed.
const COUNTED_MS: i64 = 3_600 * 1_000;
/// The most pauses that are kept: each counts as an hour, so that they reach back for more than a month.
const PAUSES_MAX: usize = 1_024;

/// The pauses that were longer than what counts of them: from the last command before to the first after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pauses {
    pauses: Vector<(TimeMs, TimeMs)>,
    /// When the last command before this run was accepted, until one of this run has ended the pause.
    open: Option<TimeMs>,
}

impl Pauses {
    /// Begins a run after a command that was accepted then.
    pub fn begin_run(&mut self, last: TimeMs) {
        self.open = Some(last);
    }

    /// Ends the pause before the first command of this run; returns whether the command is to say so, as a replay has to know.
    pub fn resume(&mut self, time: TimeMs) -> bool {
        let Some(last) = self.open.take() else { return false };
        self.end(last, time);
        is_long(last, time)
    }

    /// Notes that a command has ended the pause since the one before it.
    pub fn end(&mut self, last: TimeMs, time: TimeMs) {
        self.open = None;
        if is_long(last, time) {
            self.pauses.push_back((last, time));
        }
        if self.pauses.len() > PAUSES_MAX {
            self.pauses.pop_front();
        }
    }

    /// Returns the time before which more than a span lies from `now`, of each pause but an hour counted.
    pub fn back_from(&self, now: TimeMs, span: Duration) -> TimeMs {
        let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let since_last = self.open.filter(|last| is_long(*last, now)).map(|last| (last, now));
        let mut time = now.0.saturating_sub(span);
        for (begin, end) in self.pauses.iter().copied().chain(since_last).rev() {
            if end.0 <= time {
                break;
            }
            time = time.saturating_sub(end.0 - begin.0 - COUNTED_MS);
        }
        TimeMs(time)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (TimeMs, TimeMs)> + '_ {
        self.pauses.iter().copied()
    }

    /// Takes one that a checkpoint holds, or says what is wrong with it.
    pub fn load(&mut self, begin: TimeMs, end: TimeMs) -> Result<(), &'static str> {
        let follows = self.pauses.last().is_none_or(|(_, before)| *before <= begin);
        if !follows || !is_long(begin, end) || self.pauses.len() >= PAUSES_MAX {
            return Err("pauses are out of order, too short, or too many");
        }
        self.pauses.push_back((begin, end));
        Ok(())
    }

    /// Returns whether no pause ends after a time.
    pub fn are_until(&self, time: TimeMs) -> bool {
        self.pauses.last().is_none_or(|(_, end)| *end <= time)
    }
}

fn is_long(begin: TimeMs, end: TimeMs) -> bool {
    end.0.saturating_sub(begin.0) > COUNTED_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = COUNTED_MS;

    /// Returns the pauses of a store with a restart between any two of its commands.
    fn noted(times: &[i64]) -> Pauses {
        let mut pauses = Pauses::default();
        times.windows(2).for_each(|two| pauses.end(TimeMs(two[0]), TimeMs(two[1])));
        pauses.begin_run(TimeMs(times[times.len() - 1]));
        pauses
    }

    fn back(pauses: &Pauses, now: i64, hours: u64) -> i64 {
        pauses.back_from(TimeMs(now), Duration::from_secs(hours * 3_600)).0
    }

    #[test]
    fn of_each_pause_an_hour_counts() {
        let busy: Vec<i64> = (1_000..1_100).map(|n| n * HOUR).collect();
        assert_eq!(back(&noted(&busy), 1_099 * HOUR, 24), 1_075 * HOUR);
        // Two days in which nobody asked, or that the clock made up.
        let begun = noted(&[busy.as_slice(), &[1_147 * HOUR]].concat());
        assert_eq!(begun.iter().collect::<Vec<_>>(), [(TimeMs(1_099 * HOUR), TimeMs(1_147 * HOUR))]);
        assert_eq!(back(&begun, 1_147 * HOUR, 24), 1_076 * HOUR);
        assert_eq!(back(&begun, 1_147 * HOUR, 1), 1_099 * HOUR, "the pause alone is an hour");
        assert!((1_099 * HOUR..1_147 * HOUR).contains(&back(&begun, 1_147 * HOUR + HOUR / 2, 1)));
        assert_eq!(back(&begun, 1_148 * HOUR, 1), 1_147 * HOUR);
        // The one that goes on counts likewise, before any command says so; time that a server ran counts whole.
        let mut open = noted(&busy);
        assert_eq!(back(&open, 1_147 * HOUR, 24), 1_076 * HOUR);
        assert!(open.clone().resume(TimeMs(1_147 * HOUR)));
        // A first command within an hour ends the pause as well.
        assert!(!open.resume(TimeMs(1_100 * HOUR)) && !open.resume(TimeMs(1_147 * HOUR)));
        assert_eq!(back(&open, 1_147 * HOUR, 24), 1_123 * HOUR);
    }

    /// Counts hour by hour.
    #[test]
    fn it_is_what_a_count_of_each_hour_says() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let mut times = vec![10 * HOUR];
            for _ in 0..random.usize(1..40) {
                let step = if random.bool() { random.i64(1..=HOUR) } else { random.i64(1..50 * HOUR) };
                times.push(times[times.len() - 1] + step);
            }
            let pauses = noted(&times);
            let (now, span) = (times[times.len() - 1] + random.i64(0..9 * HOUR), random.i64(1..30) * HOUR);
            let from = pauses.back_from(TimeMs(now), Duration::from_millis(span as u64));
            times.push(now);
            for (n, time) in times.iter().enumerate() {
                let counted: i64 = times[n..].windows(2).map(|two| (two[1] - two[0]).min(HOUR)).sum();
                assert_eq!(counted > span, *time < from.0, "{times:?} {span}");
            }
        }
    }

    #[test]
    fn they_come_back_from_rows_that_can_be() {
        let pauses = noted(&[HOUR, 5 * HOUR, 6 * HOUR, 9 * HOUR]);
        let mut read = Pauses::default();
        pauses.iter().for_each(|(begin, end)| read.load(begin, end).unwrap());
        assert_eq!((read.are_until(TimeMs(9 * HOUR)), &read.pauses), (true, &pauses.pauses));
        assert!(read.load(TimeMs(8 * HOUR), TimeMs(20 * HOUR)).is_err());
        assert!(read.load(TimeMs(9 * HOUR), TimeMs(10 * HOUR)).is_err());
        assert!(!read.are_until(TimeMs(8 * HOUR)));
    }
}
