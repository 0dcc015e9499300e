//! Parses times as tables write them.

use jiff::Timestamp as Instant;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use prost_types::Timestamp;

/// What a time that is a bare number counts from 1970 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum TimeUnit {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

impl TimeUnit {
    fn per_second(self) -> i64 {
        match self {
            TimeUnit::S => 1,
            TimeUnit::Ms => 1_000,
            TimeUnit::Us => 1_000_000,
            TimeUnit::Ns => 1_000_000_000,
        }
    }
}

/// The accepted forms, for the message about a time of none of them.
pub const ACCEPTED: &str = "2025-08-03T23:10:50Z (RFC 3339), 2025-08-03 23:10:50.123+00, 2025-08-03 23:10:50 (UTC), 2025-08-03, \
                            20250803, 20250803T231050Z, or a number with --time-unit s, ms, us or ns";

/// The last second of the year 9999, as far as a protobuf timestamp goes.
const SECONDS_MAX: i64 = 253_402_300_799;

/// Returns a time, or none if the text is not one. A time without its offset is UTC.
pub fn time(text: &str, unit: Option<TimeUnit>) -> Option<Timestamp> {
    if let Some(unit) = unit
        && let Some(time) = of_number(text, unit)
    {
        return Some(time);
    }
    // An annotation names a time zone, which is not looked up: the time would be another one.
    if !text.is_ascii() || text.contains('[') {
        return None;
    }
    let instant = text.parse::<Instant>().or_else(|error| match text.parse::<DateTime>() {
        Ok(time) => time.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()),
        Err(_) => Err(error),
    });
    let nanos = instant.ok()?.as_nanosecond();
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    of_parts(seconds, i32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?)
}

fn of_number(text: &str, unit: TimeUnit) -> Option<Timestamp> {
    let per_second = unit.per_second();
    if let Ok(count) = text.parse::<i64>() {
        let nanos = count.rem_euclid(per_second) * (1_000_000_000 / per_second);
        return of_parts(count.div_euclid(per_second), i32::try_from(nanos).ok()?);
    }
    // Text that is no number at all is refused later; NaN and infinities are refused here.
    let seconds = text.parse::<f64>().ok()? / per_second as f64;
    if !(-(SECONDS_MAX as f64)..=SECONDS_MAX as f64).contains(&seconds) {
        return None;
    }
    of_parts(seconds.floor() as i64, ((seconds - seconds.floor()) * 1e9) as i32)
}

fn of_parts(seconds: i64, nanos: i32) -> Option<Timestamp> {
    (-62_135_596_800..=SECONDS_MAX).contains(&seconds).then_some(Timestamp { seconds, nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str, unit: Option<TimeUnit>) -> Option<(i64, i32)> {
        time(text, unit).map(|time| (time.seconds, time.nanos))
    }

    #[test]
    fn what_databases_and_data_frames_print_is_read() {
        let at = 1_754_262_650;
        for text in [
            "2025-08-03T23:10:50Z",
            "2025-08-03t23:10:50z",
            "2025-08-03 23:10:50+00",
            "2025-08-03 23:10:50+00:00",
            "2025-08-03 23:10:50",
            "2025-08-03T23:10:50",
            "2025-08-04T04:40:50+05:30",
            "2025-08-04 04:40:50+0530",
            "20250803T231050Z",
        ] {
            assert_eq!(parts(text, None), Some((at, 0)), "{text}");
        }
        assert_eq!(parts("2025-08-03 23:10:50.123+00", None), Some((at, 123_000_000)));
        assert_eq!(parts("2025-08-03 23:10:50.123456", None), Some((at, 123_456_000)));
        assert_eq!(parts("2025-08-03", None), Some((1_754_179_200, 0)));
        assert_eq!(parts("20250803", None), Some((1_754_179_200, 0)));
        assert_eq!(parts("1969-12-31T23:59:59.5Z", None), Some((-1, 500_000_000)));
    }

    #[test]
    fn a_number_is_a_time_in_the_unit_that_is_given_alone() {
        use TimeUnit::{Ms, Ns, S, Us};
        assert_eq!(parts("1289241911.5", Some(S)), Some((1_289_241_911, 500_000_000)));
        assert_eq!(parts("1289241911500", Some(Ms)), Some((1_289_241_911, 500_000_000)));
        assert_eq!(parts("1289241911500000", Some(Us)), Some((1_289_241_911, 500_000_000)));
        assert_eq!(parts("1289241911500000000", Some(Ns)), Some((1_289_241_911, 500_000_000)));
        assert_eq!(parts("20150601", Some(S)), Some((20_150_601, 0)));
        assert_eq!(parts("-1", Some(Ms)), Some((-1, 999_000_000)));
        assert_eq!(parts("2025-08-03", Some(S)), Some((1_754_179_200, 0)));
        for text in ["1289241911", "1289241911.5", "2015", "201506", "0", "1e9"] {
            assert_eq!(parts(text, None), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "yesterday",
            "nan",
            "inf",
            "1e300",
            "1e400",
            "08/03/2025",
            "03.08.2025",
            "2025-02-30",
            "0000-00-00 00:00:00",
            "2020-01-01T00:00:00+99999999999999999999:00",
            "2020-01-01T00:00:00[Europe/Rome]",
            "2025-08-03 23:10:50 UTC",
            "２０２５-08-03",
            "infinity",
            "45872.96",
            "99999999999999999999",
            "",
        ] {
            assert_eq!(parts(text, None), None, "{text}");
            let known_unit = ["45872.96"].contains(&text);
            assert_eq!(parts(text, Some(TimeUnit::S)).is_some(), known_unit, "{text}");
        }
    }
}
