use super::codec::{Codec, Decoder, Encoder, Malformed, Read, default_fields, sequence};
use super::{Reason, Violation};

/// Milliseconds since 1970-01-01T00:00:00Z. Times with a finer part are cut to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimeMs(pub i64);

/// A length of time in milliseconds.
pub type DurationMs = u64;

impl TimeMs {
    /// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z, the range of `google.protobuf.Timestamp`.
    pub const FIRST: TimeMs = TimeMs(-62_135_596_800_000);
    pub const LAST: TimeMs = TimeMs(253_402_300_799_999);

    /// Reads a protobuf timestamp's two fields.
    pub fn from_parts(field: &str, seconds: i64, nanos: i32) -> Result<TimeMs, Violation> {
        let in_range = (TimeMs::FIRST.0 / 1_000..=TimeMs::LAST.0 / 1_000).contains(&seconds);
        if !in_range || !(0..1_000_000_000).contains(&nanos) {
            return Err(Violation::new(
                field,
                Reason::OutOfRange,
                "must be a timestamp from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z",
            ));
        }
        Ok(TimeMs(seconds * 1_000 + i64::from(nanos / 1_000_000)))
    }

    /// Returns the time that was written as its difference to this one.
    pub fn later(self, by_ms: i64) -> Read<TimeMs> {
        let time = self.0.checked_add(by_ms).map(TimeMs).filter(|time| (TimeMs::FIRST..=TimeMs::LAST).contains(time));
        time.ok_or(Malformed("a time is out of range"))
    }

    /// Seconds and nanoseconds, as a protobuf timestamp holds them.
    pub fn to_parts(self) -> (i64, i32) {
        (self.0.div_euclid(1_000), (self.0.rem_euclid(1_000) * 1_000_000) as i32)
    }
}

impl Codec for TimeMs {
    fn encode(&self, to: &mut Encoder) {
        to.signed(self.0);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<TimeMs> {
        TimeMs(0).later(from.signed()?)
    }
}

default_fields!(TimeMs);

/// When a resource was created and last changed: by the log's time, or as an import says. It was not created after its last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    pub create: TimeMs,
    pub update: TimeMs,
}

sequence!(Times { create, update });

impl Times {
    pub fn new(now: TimeMs) -> Times {
        Times { create: now, update: now }
    }

    /// Returns the times after a change. The last one may be later, since an import may have said so: no time goes back.
    #[must_use]
    pub fn updated(self, now: TimeMs) -> Times {
        Times { create: self.create, update: now.max(self.update) }
    }

    /// Returns the times after a change that says which they are. Neither goes back.
    #[must_use]
    pub fn restored(self, given: Times) -> Times {
        Times { create: self.create.max(given.create), update: self.update.max(given.update) }
    }
}
