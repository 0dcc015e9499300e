//! Introductions that must not be counted, and tallies that do not add up.

use kith::proto::v1::*;

use super::ask::*;
use super::bad_input::{Case, case};

pub fn cases() -> Vec<Case> {
    recorded().into_iter().chain(tallies()).collect()
}

fn recorded() -> Vec<Case> {
    let record = |what, spoil: fn(&mut Introduction), reason, field| {
        case(what, record_introductions(|r| spoil(&mut r.introductions[1])), reason, field)
    };
    let introductions = |many| {
        move |r: &mut RecordIntroductionsRequest| {
            r.introductions = vec![introduction("bob", IntroductionStage::Asked); many];
        }
    };
    const YEAR_2100: i64 = 4_102_444_800;
    vec![
        case("no introductions", record_introductions(introductions(0)), "REQUIRED", "introductions"),
        case("1,001 introductions", record_introductions(introductions(1_001)), "TOO_MANY", "introductions"),
        case(
            "introductions under no id",
            record_introductions(|r| r.request_id = text("x")),
            "MALFORMED",
            "request_id",
        ),
        record("introducer without an id", |i| i.introducer_id.clear(), "REQUIRED", "introductions[1].introducer_id"),
        record("nobody's", |i| i.introducer_id = text("nobody"), "MEMBER_MISSING", "introductions[1].introducer_id"),
        record("no stage", |i| i.stage = 0, "REQUIRED", "introductions[1].stage"),
        record("a stage that is none", |i| i.stage = 4, "OUT_OF_RANGE", "introductions[1].stage"),
        record("introduced in 1969", |i| i.time = at(-1), "OUT_OF_RANGE", "introductions[1].time"),
        record("introduced in 2100", |i| i.time = at(YEAR_2100), "OUT_OF_RANGE", "introductions[1].time"),
        record(
            "answered unasked",
            |i| *i = introduction("cy", IntroductionStage::Accepted),
            "NOT_ASKED",
            "introductions[1].stage",
        ),
    ]
}

fn tallies() -> Vec<Case> {
    let tally = |asked, accepted, declined, recent: &[(i32, i64)]| IntroducerTally {
        member_id: text("bob"),
        asked,
        accepted,
        declined,
        recent: recent.iter().map(|&(day, asks)| DayOfAsks { day, asks }).collect(),
    };
    let put = |what, tally, reason, field: &'static str| {
        let asked = change::Change::PutIntroducerTally(tally);
        case(what, write(|r| r.changes[1].change = Some(asked)), reason, field)
    };
    let of = |id: &str| IntroducerTally { member_id: text(id), ..tally(1, 0, 0, &[]) };
    let asked = |id: &str| {
        let asked = change::Change::RecordIntroduction(introduction(id, IntroductionStage::Declined));
        write(|r| r.changes[1].change = Some(asked))
    };
    vec![
        put("tally of nobody", of(""), "REQUIRED", "changes[1].put_introducer_tally.member_id"),
        put("tally of a stranger", of("nobody"), "MEMBER_MISSING", "changes[1].put_introducer_tally.member_id"),
        put("-1 asks", tally(-1, 0, 0, &[]), "OUT_OF_RANGE", "changes[1].put_introducer_tally.asked"),
        put(
            "10¹² + 1 asks",
            tally(1_000_000_000_001, 0, 0, &[]),
            "OUT_OF_RANGE",
            "changes[1].put_introducer_tally.asked",
        ),
        put("-1 accepted", tally(1, -1, 0, &[]), "OUT_OF_RANGE", "changes[1].put_introducer_tally.accepted"),
        put("-1 declined", tally(1, 0, -1, &[]), "OUT_OF_RANGE", "changes[1].put_introducer_tally.declined"),
        put("more answers", tally(2, 2, 1, &[]), "OUT_OF_RANGE", "changes[1].put_introducer_tally.accepted"),
        put(
            "endless answers",
            tally(2, i64::MAX, i64::MAX, &[]),
            "OUT_OF_RANGE",
            "changes[1].put_introducer_tally.accepted",
        ),
        put(
            "a day before 1970",
            tally(2, 0, 0, &[(-1, 1)]),
            "OUT_OF_RANGE",
            "changes[1].put_introducer_tally.recent[0].day",
        ),
        put("a day without asks", tally(2, 0, 0, &[(3, 0)]), "OUT_OF_RANGE", "changes[1].put_introducer_tally.recent"),
        put("a day twice", tally(2, 0, 0, &[(3, 1), (3, 1)]), "OUT_OF_RANGE", "changes[1].put_introducer_tally.recent"),
        put("31 days", tally(2, 0, 0, &[(3, 1), (33, 1)]), "OUT_OF_RANGE", "changes[1].put_introducer_tally.recent"),
        put("more by day", tally(2, 0, 0, &[(3, 1), (4, 2)]), "OUT_OF_RANGE", "changes[1].put_introducer_tally.recent"),
        put(
            "endless by day",
            tally(2, 0, 0, &[(3, i64::MAX), (4, i64::MAX), (5, i64::MAX)]),
            "OUT_OF_RANGE",
            "changes[1].put_introducer_tally.recent",
        ),
        case("second answer unasked", asked("cy"), "NOT_ASKED", "changes[1].record_introduction.stage"),
        case("second of a stranger", asked("nobody"), "MEMBER_MISSING", "changes[1].record_introduction.introducer_id"),
    ]
}
