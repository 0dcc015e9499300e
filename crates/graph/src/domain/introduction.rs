//! Introductions as they count for who makes them: how willing a member is to introduce, and how much is asked of it.
//!
//! Whom it was to introduce to whom is not kept: the counts are all the ranking needs, and they erase with the member.

use super::codec::{Codec, Decoder, Encoder, Malformed, Read, sequence};
use super::limits::{ASK_DAYS_MAX, INTRODUCTIONS_MAX};
use super::{MemberId, Reason, TimeMs, Violation};

const DAY_MS: i64 = 24 * 3_600 * 1_000;
/// So many asks of late halve a member's readiness.
const HALVING_LOAD: f64 = 5.0;

/// How far an introduction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The introducer was asked to make it.
    Asked,
    /// The introducer agreed.
    Accepted,
    /// The introducer did not.
    Declined,
}

impl Stage {
    /// By the number each has in records.
    pub const ALL: [Stage; 3] = [Stage::Asked, Stage::Accepted, Stage::Declined];

    /// Its place in `ALL`.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// A stage that an introduction has come to, to be counted for its introducer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    pub introducer: MemberId,
    pub stage: Stage,
    pub day: Day,
}

/// A day (UTC), as days since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

impl Day {
    pub fn of(time: TimeMs) -> Day {
        Day(time.0.div_euclid(DAY_MS).clamp(0, i64::from(u32::MAX)) as u32)
    }

    /// Whether it is this day or one of the 29 before it.
    fn is_recent_on(self, day: Day) -> bool {
        self <= day && day.0 - self.0 < ASK_DAYS_MAX
    }
}

/// What a member was asked for on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DayOfAsks {
    pub day: Day,
    /// At least 1.
    pub asks: u64,
}

/// What a member was asked to introduce, and what it said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct IntroducerTally {
    asked: u64,
    accepted: u64,
    declined: u64,
    /// By day: of the asks those on the 30 days that end with the latest one's.
    recent: Vec<DayOfAsks>,
}

impl IntroducerTally {
    /// Refuses more answers than asks, and days that are out of order, too far apart or without asks.
    pub fn new(
        asked: u64,
        accepted: u64,
        declined: u64,
        recent: Vec<DayOfAsks>,
    ) -> Result<IntroducerTally, Vec<Violation>> {
        let mut wrong = Vec::new();
        if asked > INTRODUCTIONS_MAX {
            let message = format!("must be from 0 to {INTRODUCTIONS_MAX}");
            wrong.push(Violation::new("asked", Reason::OutOfRange, message));
        }
        if accepted.checked_add(declined).is_none_or(|answers| answers > asked) {
            let message = "must be, together with declined, at most asked";
            wrong.push(Violation::new("accepted", Reason::OutOfRange, message));
        }
        wrong.extend(IntroducerTally::check_recent(asked, &recent).err());
        if wrong.is_empty() { Ok(IntroducerTally { asked, accepted, declined, recent }) } else { Err(wrong) }
    }

    fn check_recent(asked: u64, recent: &[DayOfAsks]) -> Result<(), Violation> {
        let in_order = recent.is_sorted_by(|a, b| a.day < b.day);
        let is_recent = |day: &DayOfAsks| recent.last().is_none_or(|last| day.day.is_recent_on(last.day));
        if !in_order || !recent.iter().all(is_recent) {
            let message = format!("must be of days in order, all within {ASK_DAYS_MAX}");
            return Err(Violation::new("recent", Reason::OutOfRange, message));
        }
        let asks = recent.iter().try_fold(0u64, |sum, day| sum.checked_add(day.asks));
        if recent.iter().any(|day| day.asks == 0) || asks.is_none_or(|asks| asks > asked) {
            let message = "must have asks on each day, and together at most asked";
            return Err(Violation::new("recent", Reason::OutOfRange, message));
        }
        Ok(())
    }

    pub fn asked(&self) -> u64 {
        self.asked
    }

    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    pub fn declined(&self) -> u64 {
        self.declined
    }

    pub fn recent(&self) -> &[DayOfAsks] {
        &self.recent
    }

    /// Counts a stage, in whatever order days come; false if it is the answer to no ask. More than can be counted is not.
    pub fn add(&mut self, stage: Stage, day: Day) -> bool {
        match stage {
            Stage::Asked => self.ask(day),
            Stage::Accepted | Stage::Declined if self.accepted + self.declined >= self.asked => return false,
            Stage::Accepted => self.accepted += 1,
            Stage::Declined => self.declined += 1,
        }
        true
    }

    fn ask(&mut self, day: Day) {
        if self.asked >= INTRODUCTIONS_MAX {
            return;
        }
        self.asked += 1;
        let last = self.recent.last().map_or(day, |last| last.day.max(day));
        if !day.is_recent_on(last) {
            return;
        }
        match self.recent.binary_search_by_key(&day, |known| known.day) {
            Ok(at) => self.recent[at].asks += 1,
            Err(at) => self.recent.insert(at, DayOfAsks { day, asks: 1 }),
        }
        self.recent.retain(|known| known.day.is_recent_on(last));
    }

    /// `ω = (1 + accepted) / (2 + asked)`, the odds that it is willing by the rule of succession: ½ of whom nothing is known.
    pub fn willingness(&self) -> f64 {
        (1 + self.accepted) as f64 / (2 + self.asked) as f64
    }

    /// `L`, how often it was asked on the 30 days that end with that of `as_of`.
    pub fn load(&self, as_of: TimeMs) -> u64 {
        let today = Day::of(as_of);
        self.recent.iter().filter(|known| known.day.is_recent_on(today)).map(|known| known.asks).sum()
    }

    /// `ω / (1 + L/5)`: what a member's score as an introducer is multiplied by, so that the willing are asked and the busy are spared.
    pub fn readiness(&self, as_of: TimeMs) -> f64 {
        self.willingness() / (1.0 + self.load(as_of) as f64 / HALVING_LOAD)
    }
}

impl Codec for Stage {
    fn encode(&self, to: &mut Encoder) {
        to.byte(self.number());
    }

    fn decode(from: &mut Decoder<'_>) -> Read<Stage> {
        Stage::ALL.get(usize::from(from.byte()?)).copied().ok_or(Malformed("a stage is none"))
    }
}

impl Codec for Day {
    fn encode(&self, to: &mut Encoder) {
        self.0.encode(to);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<Day> {
        from.small().map(Day)
    }
}

sequence! {
    Introduction { introducer, stage, day }
    DayOfAsks { day, asks }
}

impl Codec for IntroducerTally {
    fn encode(&self, to: &mut Encoder) {
        [self.asked, self.accepted, self.declined].into_iter().for_each(|count| to.number(count));
        self.recent.encode(to);
    }

    fn decode(from: &mut Decoder<'_>) -> Read<IntroducerTally> {
        let (asked, accepted, declined) = (from.number()?, from.number()?, from.number()?);
        let tally = IntroducerTally::new(asked, accepted, declined, from.list(ASK_DAYS_MAX as usize)?);
        tally.map_err(|_| Malformed("a tally does not add up"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_on(days: &[u32]) -> IntroducerTally {
        let mut tally = IntroducerTally::default();
        days.iter().for_each(|day| assert!(tally.add(Stage::Asked, Day(*day))));
        tally
    }

    fn on(day: i64) -> TimeMs {
        TimeMs(day * DAY_MS + DAY_MS - 1)
    }

    #[test]
    fn asks_count_for_thirty_days_in_whatever_order_they_come() {
        let tally = asked_on(&[100, 70, 71, 100, 85]);
        assert_eq!(tally, asked_on(&[70, 71, 85, 100, 100]));
        assert_eq!([99, 100, 101, 115, 129, 130].map(|day| tally.load(on(day))), [2, 4, 3, 2, 2, 0]);
        assert_eq!(tally.load(TimeMs(i64::MIN)), 0);
        assert_eq!(tally.load(TimeMs(i64::MAX)), 0);
        assert_eq!((tally.asked(), tally.recent().len()), (5, 3));
    }

    #[test]
    fn answers_are_no_more_than_asks() {
        let mut tally = asked_on(&[1, 1]);
        assert!(tally.add(Stage::Accepted, Day(1)) && tally.add(Stage::Declined, Day(1)));
        assert!(!tally.add(Stage::Accepted, Day(1)) && !tally.add(Stage::Declined, Day(1)));
        assert_eq!((tally.accepted(), tally.declined(), tally.willingness()), (1, 1, 0.5));
    }

    #[test]
    fn readiness_is_half_before_anything_is_known_and_halves_with_five_asks_of_late() {
        assert_eq!(IntroducerTally::default().readiness(on(1)), 0.5);
        let mut tally = asked_on(&[1; 5]);
        (0..5).for_each(|_| assert!(tally.add(Stage::Accepted, Day(1))));
        assert_eq!((tally.readiness(on(1)), tally.readiness(on(31))), (3.0 / 7.0, 6.0 / 7.0));
    }

    #[test]
    fn what_it_is_made_of_makes_it_again() {
        let tally = asked_on(&[3, 9, 9]);
        let again = IntroducerTally::new(tally.asked, tally.accepted, tally.declined, tally.recent.clone());
        assert_eq!(again, Ok(tally));
    }
}
