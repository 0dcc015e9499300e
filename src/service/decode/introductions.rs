//! Introductions and what is counted of them.

use super::bounds::time;
use super::violations::{Decoded, Violations, all_or_return};
use crate::domain::limits::{ASK_DAYS_MAX, INTRODUCTION_AHEAD_MS, INTRODUCTIONS_MAX};
use crate::domain::{Day, DayOfAsks, IntroducerTally, Introduction, MemberId, Reason, Stage, TimeMs, Violation};
use crate::proto::v1 as pb;

/// `now` is the time of one without.
pub fn introduction(message: pb::Introduction, now: TimeMs) -> Decoded<Introduction> {
    let mut wrong = Violations::default();
    let introducer = wrong.check(MemberId::parse("introducer_id", &message.introducer_id));
    let stage = wrong.check(stage(message.stage));
    let day = wrong.check(day(message.time, now));
    all_or_return!(wrong; introducer, stage, day);
    Ok(Introduction { introducer, stage, day })
}

fn stage(value: i32) -> Result<Stage, Violation> {
    match pb::IntroductionStage::try_from(value) {
        Ok(pb::IntroductionStage::Unspecified) => Err(Violation::required("stage")),
        Ok(pb::IntroductionStage::Asked) => Ok(Stage::Asked),
        Ok(pb::IntroductionStage::Accepted) => Ok(Stage::Accepted),
        Ok(pb::IntroductionStage::Declined) => Ok(Stage::Declined),
        Err(_) => Err(Violation::new("stage", Reason::OutOfRange, "is no stage")),
    }
}

/// A time far ahead would make all asks before it old.
fn day(given: Option<prost_types::Timestamp>, now: TimeMs) -> Result<Day, Violation> {
    let when = given.map_or(Ok(now), |value| time("time", value))?;
    if !(0..=now.0.saturating_add(INTRODUCTION_AHEAD_MS)).contains(&when.0) {
        let message = "must be from 1970-01-01T00:00:00Z to a day after the server's time";
        return Err(Violation::new("time", Reason::OutOfRange, message));
    }
    Ok(Day::of(when))
}

/// Whose, and what was counted.
pub fn tally(message: pb::IntroducerTally) -> Decoded<(MemberId, IntroducerTally)> {
    let mut wrong = Violations::default();
    let introducer = wrong.check(MemberId::parse("member_id", &message.member_id));
    let asked = wrong.check(count("asked", message.asked));
    let accepted = wrong.check(count("accepted", message.accepted));
    let declined = wrong.check(count("declined", message.declined));
    if message.recent.len() > ASK_DAYS_MAX as usize {
        wrong.add(Violation::too_many("recent", ASK_DAYS_MAX as usize, "days"));
    }
    let recent = message.recent.into_iter().take(ASK_DAYS_MAX as usize).enumerate();
    let recent =
        Some(recent.filter_map(|(i, day)| wrong.check_in(&format!("recent[{i}]"), day_of_asks(day))).collect());
    all_or_return!(wrong; introducer, asked, accepted, declined, recent);
    Ok((introducer, IntroducerTally::new(asked, accepted, declined, recent)?))
}

fn count(field: &str, value: i64) -> Result<u64, Violation> {
    let out_of_range = || Violation::new(field, Reason::OutOfRange, format!("must be from 0 to {INTRODUCTIONS_MAX}"));
    u64::try_from(value).map_err(|_| out_of_range())
}

fn day_of_asks(message: pb::DayOfAsks) -> Decoded<DayOfAsks> {
    let mut wrong = Violations::default();
    let out_of_range = |field, message| Violation::new(field, Reason::OutOfRange, message);
    let day = wrong.check(u32::try_from(message.day).map_err(|_| out_of_range("day", "must be a day since 1970")));
    let asks = wrong.check(u64::try_from(message.asks).map_err(|_| out_of_range("asks", "must be at least 1")));
    all_or_return!(wrong; day, asks);
    Ok(DayOfAsks { day: Day(day), asks })
}
