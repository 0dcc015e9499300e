//! Random resources with every field there is, now set and now not.

use std::collections::BTreeMap;

use fastrand::Rng;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::*;
use prost_types::{Duration, Timestamp};

const KINDS: [&str; 5] = ["friend", "follows", "spouse", "reads", "plays-with"];
const TOPICS: [&str; 4] = ["privacy", "data", "gardening", "go"];

/// Kinds, members, statuses, edges, blocks and tallies, in an order in which they can be put.
pub fn whole_world(seed: u64, members: u32) -> Vec<ImportRecord> {
    let random = &mut Rng::with_seed(seed);
    let mut records: Vec<Record> = vec![
        Record::Kind(kind("reads", Sphere::Public, false, 0.1, 59)),
        Record::Kind(kind("plays-with", Sphere::Personal, true, 1.0 / 3.0, 1)),
        // Built-in ones, changed; of one all that can be as if it was not given.
        Record::Kind(kind("family", Sphere::Personal, true, 0.0, 0)),
        Record::Kind(kind("spouse", Sphere::Personal, true, 5.0, 0)),
    ];
    records.extend((0..members).map(|n| Record::Member(member(random, n))));
    records.extend((0..members / 3).map(|n| Record::Status(status(random, n, members))));
    records.extend((0..members * 4).map(|_| Record::Edge(edge(random, members))));
    records.extend((0..members / 2).filter_map(|_| block(random, members)).map(Record::Block));
    records.extend((0..members).step_by(2).map(|n| Record::IntroducerTally(tally(random, n))));
    records.into_iter().map(|record| ImportRecord { record: Some(record), ..Default::default() }).collect()
}

/// Messages of an import of these.
pub fn batches(records: &[ImportRecord]) -> Vec<ImportRequest> {
    let batch = |records: &[ImportRecord]| ImportRequest {
        records: records.to_vec(),
        allow_missing_members: false,
        ..Default::default()
    };
    records.chunks(500).map(batch).collect()
}

/// Some value or none, as likely.
fn maybe<T>(random: &mut Rng, make: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    if random.bool() { Some(make(random)) } else { None }
}

fn id(n: u32) -> String {
    // Of several lengths, with what JSON escapes and what is several bytes long.
    format!("{}{n}", ["m", "née \"", "a\\", "𝄞"][n as usize % 4])
}

fn some_id(random: &mut Rng, members: u32) -> String {
    id(random.u32(0..members))
}

fn text(random: &mut Rng) -> String {
    (0..random.usize(1..20)).map(|_| random.char('\u{20}'..='\u{7e}')).collect::<String>() + "\t\n€"
}

fn time(random: &mut Rng) -> Timestamp {
    Timestamp { seconds: random.i64(-3_000_000_000..9_000_000_000), nanos: random.i32(0..1_000) * 1_000_000 }
}

fn topics(random: &mut Rng) -> Vec<String> {
    TOPICS.into_iter().filter(|_| random.bool()).map(str::to_owned).collect()
}

fn block(random: &mut Rng, members: u32) -> Option<Block> {
    let (member_id, blocked_id) = (some_id(random, members), some_id(random, members));
    (member_id != blocked_id).then_some(Block { member_id, blocked_id })
}

/// Asked within the weeks around 1,700,000,000 s, which is day 19,675.
fn tally(random: &mut Rng, n: u32) -> IntroducerTally {
    let last = random.i32(19_650..19_690);
    let days: Vec<i32> = (last - 29..=last).filter(|_| random.u8(..) < 60).collect();
    let recent: Vec<DayOfAsks> = days.into_iter().map(|day| DayOfAsks { day, asks: random.i64(1..4) }).collect();
    let asked = recent.iter().map(|known| known.asks).sum::<i64>() + random.i64(1..9);
    let accepted = random.i64(0..=asked);
    IntroducerTally { member_id: id(n), asked, accepted, declined: random.i64(0..=asked - accepted), recent }
}

fn visibility(random: &mut Rng) -> i32 {
    // Everyone is answered as if it had not been given.
    [Visibility::Unspecified, Visibility::Connections, Visibility::Parties][random.usize(..3)].into()
}

fn privacy(random: &mut Rng) -> Privacy {
    Privacy {
        edges_visibility: visibility(random),
        hidden_from_suggestions: true,
        declines_introducing: random.bool(),
        ..Default::default()
    }
}

fn kind(name: &str, sphere: Sphere, symmetric: bool, prior: f64, extra_ms: i32) -> Kind {
    let half_life = Duration { seconds: 86_400, nanos: extra_ms * 1_000_000 };
    Kind {
        name: name.to_owned(),
        sphere: sphere.into(),
        symmetric,
        prior,
        half_life: Some(half_life),
        ..Default::default()
    }
}

fn member(random: &mut Rng, n: u32) -> Member {
    let labels: BTreeMap<_, _> = (0..random.u32(0..4)).map(|n| (format!("k{n}"), text(random))).collect();
    Member {
        id: id(n),
        display_name: maybe(random, text).unwrap_or_default(),
        headline: maybe(random, text).unwrap_or_default(),
        topics: topics(random),
        labels,
        privacy: maybe(random, privacy),
        ..Default::default()
    }
}

fn status(random: &mut Rng, n: u32, members: u32) -> Status {
    let author_id = some_id(random, members);
    let excluded = (0..random.u32(0..3)).map(|_| some_id(random, members));
    let exclude_member_ids = excluded.filter(|excluded| *excluded != author_id).collect();
    let filter = EdgeFilter {
        kinds: KINDS.into_iter().filter(|_| random.u8(0..4) == 0).map(str::to_owned).collect(),
        exclude_member_ids,
        spheres: maybe(random, |_| Sphere::Personal.into()).into_iter().collect(),
        min_strength: maybe(random, strength),
    };
    let post_time = time(random);
    let end = Timestamp { seconds: post_time.seconds + random.i64(1..1_000_000_000), ..post_time };
    Status {
        id: format!("s{n}"),
        author_id,
        text: text(random),
        link: maybe(random, |_| "https://example.com/é".to_owned()).unwrap_or_default(),
        topics: topics(random),
        audience: maybe(random, |random| Audience { filter: Some(filter), max_hops: random.i32(1..=6) }),
        post_time: Some(post_time),
        expire_time: maybe(random, |_| end),
        ..Default::default()
    }
}

/// Any single from the least to 1.
fn strength(random: &mut Rng) -> f32 {
    f32::from_bits(random.u32(1..=1f32.to_bits()))
}

fn edge(random: &mut Rng, members: u32) -> Edge {
    let from = random.u32(0..members);
    let to = (from + random.u32(1..members)) % members;
    let mut edge = Edge {
        from_id: id(from),
        kind: KINDS[random.usize(0..KINDS.len())].to_owned(),
        to_id: id(to),
        pinned_strength: maybe(random, strength),
        since: maybe(random, time),
        visibility: visibility(random),
        note: maybe(random, text).unwrap_or_default(),
        origin: maybe(random, |random| Origin {
            status_id: maybe(random, |random| format!("s{}", random.u32(0..members / 3))).unwrap_or_default(),
            introducer_ids: (0..random.u32(0..3)).map(|_| some_id(random, members)).collect(),
            note: maybe(random, text).unwrap_or_default(),
        }),
        labels: (0..random.u32(0..3)).map(|n| (format!("k{n}"), text(random))).collect(),
        ..Default::default()
    };
    if random.bool() {
        let bits = random.u32(..40);
        edge.interactions = 1 + random.i64(0..1 << bits.min(39)).min(999_999_999_999);
        let seconds = random.u32(..).into();
        edge.last_interaction_time = Some(Timestamp { seconds, nanos: 0 });
        edge.interaction_weight =
            maybe(random, |random| edge.interactions as f32 * strength(random)).unwrap_or_default();
    }
    edge
}
