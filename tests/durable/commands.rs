//! Random changes over few names, so that they meet: the same member put, updated, named in origins, deleted.

use std::collections::BTreeMap;

use fastrand::Rng;
use kith::domain::{
    Audience, Block, Change, Day, DayOfAsks, EdgeAttrs, EdgeFilter, EdgeKey, EdgePut, Fields, History,
    InteractionRecord, IntroducerTally, Introduction, Kind, KindAttrs, KindMerge, Member, MemberAttrs, MemberId,
    MemberPatch, Origin, Precondition, Sphere, Stage, Status, StatusAttrs, Strength, TimeMs, Times, TopicSet,
    Visibility,
};
use kith::engine::State;

use crate::support::*;

const MEMBERS: u32 = 9;
const STATUSES: u32 = 8;
const KINDS: [&str; 7] = ["friend", "spouse", "follows", "client", "reads", "cites", "nowhere"];
const TOPICS: [&str; 4] = ["privacy", "data", "rust", "gardening"];

/// Some value or none, as likely.
fn maybe<T>(random: &mut Rng, make: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    if random.bool() { Some(make(random)) } else { None }
}

fn some_member(random: &mut Rng) -> MemberId {
    // Ids that share a prefix, and that order by bytes.
    member_id(["a", "a ", "aa", "b", "é", "z", "Z", "0", "~"][random.u32(0..MEMBERS) as usize])
}

fn some_status(random: &mut Rng) -> kith::domain::StatusId {
    status_id(&format!("s{}", random.u32(0..STATUSES)))
}

fn some_key(random: &mut Rng) -> EdgeKey {
    loop {
        // Now and then of a kind that is never put.
        let kinds = if random.u8(0..8) == 0 { KINDS.len() } else { KINDS.len() - 1 };
        let kind = kind_name(KINDS[random.usize(0..kinds)]);
        if let Ok(key) = EdgeKey::new(some_member(random), kind, some_member(random)) {
            return key;
        }
    }
}

fn some_topics(random: &mut Rng) -> TopicSet {
    let topics: Vec<&str> = TOPICS.into_iter().filter(|_| random.bool()).collect();
    TopicSet::parse("topics", &topics).unwrap()
}

fn some_labels(random: &mut Rng) -> BTreeMap<String, String> {
    (0..random.u32(0..3)).map(|n| (format!("k{n}"), random.u8(0..3).to_string())).collect()
}

fn some_kind(random: &mut Rng) -> Kind {
    let sphere = Sphere::ALL[random.usize(0..3)];
    // "nowhere" is never put.
    let name = kind_name(KINDS[random.usize(0..KINDS.len() - 1)]);
    let mut kind =
        Kind::new(name, sphere, random.bool(), f64::from(random.u8(0..3)), 60_000 << random.u32(0..12)).unwrap();
    kind.attrs.carries_statuses = random.bool();
    kind
}

fn some_origin(random: &mut Rng) -> Origin {
    Origin {
        status: maybe(random, some_status),
        introducers: (0..random.u32(0..3)).map(|_| some_member(random)).collect(),
        note: if random.u8(0..4) == 0 { "at a fair".to_owned() } else { String::new() },
    }
}

fn some_history(random: &mut Rng) -> History {
    let count = random.u64(1..9);
    History { count, faded: count as f32 * random.f32().max(0.01), last_s: random.u32(..) }
}

fn some_put(random: &mut Rng) -> EdgePut {
    let key = some_key(random);
    let asked_by = [None, None, None, Some(key.from.clone()), Some(key.to.clone())][random.usize(0..5)].clone();
    let history = maybe(random, some_history);
    let unsaid = if history.is_some() { Fields::NONE } else { EdgeAttrs::HISTORY };
    let attrs = EdgeAttrs {
        asked_by,
        pinned: maybe(random, |random| Strength::parse("s", random.f32().max(0.01)).unwrap()),
        history: history.unwrap_or_default(),
        since: maybe(random, |random| TimeMs(random.i64(-9_000..9_000))),
        visibility: some_visibility(random),
        note: if random.bool() { random.u8(0..3).to_string() } else { String::new() },
        origin: maybe(random, some_origin),
        labels: some_labels(random),
    };
    let kept = maybe(random, |random| some_fields(random, EdgeAttrs::ALL)).unwrap_or_default();
    EdgePut { key, attrs, kept: kept.without(EdgeAttrs::HISTORY).and(unsaid) }
}

fn some_fields(random: &mut Rng, all: Fields) -> Fields {
    Fields(random.u32(..) & all.0)
}

fn some_patch(random: &mut Rng) -> MemberPatch {
    MemberPatch {
        set: some_fields(random, MemberAttrs::ALL),
        attrs: some_attrs(random),
        label_changes: (0..random.u32(0..3)).map(|n| (format!("k{n}"), maybe(random, |_| "x".to_owned()))).collect(),
    }
}

/// What imports mostly are made of: many edges, the same one several times among them. `now` is about the time of the import.
pub fn some_puts(random: &mut Rng, now: TimeMs) -> Vec<Change> {
    let some = |random: &mut Rng| {
        let (put, allow_missing_members) = (some_put(random), random.bool());
        let put = Change::PutEdge { put, precondition: Precondition::None, allow_missing_members };
        if random.u8(0..4) == 0 { restored(random, put, now) } else { put }
    };
    (0..random.usize(1..30)).map(|_| some(random)).collect()
}

/// A put as an import that says its times: of long ago, of about now and of a time to come.
fn restored(random: &mut Rng, put: Change, now: TimeMs) -> Change {
    let all = [-62_135_596_800_000, 0, now.0 - 3, now.0 - 1, now.0, now.0 + 1, now.0 + 2, now.0 + 1_000_000];
    let mut times = [all[random.usize(0..all.len())], all[random.usize(0..all.len())]];
    times.sort_unstable();
    let [create, update] = times.map(TimeMs);
    Change::Restore { times: Times { create, update }, put: Box::new(put) }
}

fn some_visibility(random: &mut Rng) -> Visibility {
    // Mostly everyone, as it is.
    Visibility::ALL[[0, 0, 1, 2][random.usize(0..4)]]
}

fn some_attrs(random: &mut Rng) -> MemberAttrs {
    let private = random.bool();
    MemberAttrs {
        display_name: random.u8(0..2).to_string(),
        headline: if random.bool() { random.u8(0..2).to_string() } else { String::new() },
        topics: some_topics(random),
        labels: some_labels(random),
        edges_visibility: if private { some_visibility(random) } else { Visibility::default() },
        hidden_from_suggestions: private && random.bool(),
        declines_introducing: private && random.bool(),
        processing_restricted: private && random.u8(..4) == 0,
        objects_to_profiling: private && random.bool(),
    }
}

fn some_block(random: &mut Rng) -> Block {
    loop {
        let (by, of) = (some_member(random), some_member(random));
        if by != of {
            return Block { by, of };
        }
    }
}

/// Within and beyond the days that count.
fn some_day(random: &mut Rng) -> Day {
    Day(random.u32(0..70))
}

fn some_introduction(random: &mut Rng) -> Introduction {
    // Mostly asks, so that there is something to answer.
    let stage = Stage::ALL[[0, 0, 0, 1, 2][random.usize(0..5)]];
    Introduction { introducer: some_member(random), stage, day: some_day(random) }
}

fn some_tally(random: &mut Rng) -> IntroducerTally {
    let last = some_day(random).0;
    let days = (last.saturating_sub(random.u32(0..30))..=last).filter(|_| random.u8(0..3) == 0);
    let recent: Vec<DayOfAsks> = days.map(|day| DayOfAsks { day: Day(day), asks: u64::from(day % 3 + 1) }).collect();
    let asked = recent.iter().map(|known| known.asks).sum::<u64>() + random.u64(0..3);
    let accepted = random.u64(0..=asked);
    IntroducerTally::new(asked, accepted, random.u64(0..=asked - accepted), recent).unwrap()
}

fn some_post(random: &mut Rng) -> Status {
    let author = some_member(random);
    let count = random.u32(0..3);
    let kinds = (0..count).map(|_| some_key(random).kind).collect();
    let exclude = (0..count).map(|_| some_member(random)).filter(|id| *id != author).collect();
    let strength = maybe(random, |_| Strength::parse("s", 0.5).unwrap());
    let attrs = StatusAttrs {
        text: format!("text {}", random.u8(..)),
        link: String::new(),
        topics: some_topics(random),
        audience: Audience {
            filter: EdgeFilter::new(kinds, vec![Sphere::Personal], strength, exclude).unwrap(),
            max_hops: random.u32(1..=6),
        },
        // Few times, so that some are equal.
        post_time: TimeMs(random.i64(0..4)),
        expire_time: maybe(random, |_| TimeMs(1_000)),
    };
    Status { id: some_status(random), author, attrs }
}

/// Mostly none; etags are the resource's, another's, an old one or none at all.
fn some_precondition(random: &mut Rng, own: Option<String>, old: &[String]) -> Precondition {
    match random.u8(0..24) {
        0 => Precondition::Absent,
        1 => Precondition::Present,
        2 | 3 => Precondition::Etag(own.unwrap_or_default()),
        4 if !old.is_empty() => Precondition::Etag(old[random.usize(0..old.len())].clone()),
        5 => Precondition::Etag("no such etag".to_owned()),
        _ => Precondition::None,
    }
}

/// One change of any sort. `old` are etags given before.
pub fn some_change(random: &mut Rng, state: &State, old: &[String]) -> Change {
    let change = some_plain_change(random, state, old);
    let is_restorable = matches!(
        change,
        Change::PutMember { .. } | Change::MergeMember { .. } | Change::PutEdge { .. } | Change::PostStatus { .. }
    );
    if is_restorable && random.u8(0..3) == 0 { restored(random, change, state.time()) } else { change }
}

fn some_plain_change(random: &mut Rng, state: &State, old: &[String]) -> Change {
    let allow_missing = random.bool();
    match random.u8(0..26) {
        0..3 => {
            let member = Member { id: some_member(random), attrs: some_attrs(random) };
            let own = state.member(member.id.as_str()).map(|stored| stored.etag());
            Change::PutMember { precondition: some_precondition(random, own, old), member }
        }
        3 => {
            let id = some_member(random);
            let patch = some_patch(random);
            let own = state.member(id.as_str()).map(|stored| stored.etag());
            let precondition = some_precondition(random, own, old);
            if random.bool() {
                Change::MergeMember { id, patch, precondition }
            } else {
                Change::UpdateMember { id, patch, precondition }
            }
        }
        4 => {
            let id = some_member(random);
            let own = state.member(id.as_str()).map(|stored| stored.etag());
            Change::DeleteMember { precondition: some_precondition(random, own, old), id, allow_missing }
        }
        5..11 => {
            let put = some_put(random);
            let own = state.edge(&put.key).map(|stored| stored.etag());
            let precondition = some_precondition(random, own, old);
            Change::PutEdge { put, precondition, allow_missing_members: random.u8(0..4) > 0 }
        }
        11 => {
            let key = some_key(random);
            let own = state.edge(&key).map(|stored| stored.etag());
            Change::DeleteEdge { precondition: some_precondition(random, own, old), key, allow_missing }
        }
        12..14 => {
            let time = TimeMs(random.i64(0..4_000_000_000) * 1_000);
            let record = InteractionRecord::new(some_key(random), random.u64(1..50), time).unwrap();
            Change::RecordInteractions { record }
        }
        14..16 => Change::PostStatus { status: some_post(random) },
        16 => {
            let id = some_status(random);
            let own = state.status(id.as_str()).map(|stored| stored.etag());
            Change::DeleteStatus { precondition: some_precondition(random, own, old), id, allow_missing }
        }
        17..19 => {
            let kind = some_kind(random);
            let own = state.kind(kind.name.as_str()).map(|stored| stored.etag());
            let precondition = some_precondition(random, own, old);
            if random.bool() {
                return Change::PutKind { kind, precondition };
            }
            let kept = some_fields(random, KindAttrs::ALL);
            Change::MergeKind { merge: KindMerge { kind, kept }, precondition }
        }
        19..21 => Change::BlockMember { block: some_block(random) },
        21 => Change::UnblockMember { block: some_block(random), allow_missing },
        22..24 => Change::RecordIntroduction { introduction: some_introduction(random) },
        24 => {
            let tally = maybe(random, some_tally).unwrap_or_default();
            Change::PutIntroducerTally { introducer: some_member(random), tally }
        }
        _ => {
            let name = some_key(random).kind;
            let own = state.kind(name.as_str()).map(|stored| stored.etag());
            Change::DeleteKind { precondition: some_precondition(random, own, old), name, allow_missing }
        }
    }
}
