//! What every kind of checkpoints must do, wherever it keeps its bytes.

use std::collections::BTreeMap;

use kith::domain::{
    Day, DayOfAsks, EdgeAttrs, ErasureKey, History, IntroducerTally, Kind, Member, NamespaceName, Origin, Privacy,
    RequestId, Scope, Secret, Sphere, Strength, TimeMs, Times, TopicSet, Visibility,
};
use kith::store::{CheckpointHead, Checkpoints, EdgeRow, FinishedCheckpoint, NamespaceRow, Row, RowCounts, StoreError};

use crate::support::*;

/// Opens checkpoints again and again; what it opened before must be closed.
type Opener<'a> = &'a dyn Fn() -> Box<dyn Checkpoints>;

fn on_all_checkpoints(test: impl Fn(Opener)) {
    on_every_store(|open| test(&|| open().checkpoints));
}

/// Every sort of row, `members` of the second.
pub fn rows(members: u32) -> Vec<Row> {
    let times = |n: u32| Times { create: TimeMs(n.into()), update: TimeMs(i64::from(n) * 7) };
    let kind = |slot: u8| Row::Kind {
        slot,
        kind: Kind::new(kind_name(&format!("kind-{slot}")), Sphere::Public, slot == 3, 0.5, 60_000).unwrap(),
    };
    let member = |n: u32| {
        let mut member = Member::bare(member_id(&format!("member {n} ü")));
        member.attrs.display_name = format!("name {}", n % 5);
        member.attrs.topics = TopicSet::parse("topics", &["privacy", "data"]).unwrap();
        member.attrs.labels.insert("team".to_owned(), n.to_string());
        member.attrs.set_privacy(Privacy::from_bits(n as u8 % 64).unwrap_or_default());
        Row::Member { member, times: times(n) }
    };
    let edge = |n: u32| {
        let odd = n % 2 == 1;
        let attrs = EdgeAttrs {
            pinned: odd.then(|| Strength::parse("strength", 0.25).unwrap()),
            history: if n.is_multiple_of(5) {
                History { count: 9, faded: 4.5, last_s: 77 }
            } else {
                History::default()
            },
            since: n.is_multiple_of(7).then_some(TimeMs(-5)),
            visibility: Visibility::ALL[n as usize / 3 % 3],
            note: if n.is_multiple_of(11) { "met at a fair".to_owned() } else { String::new() },
            origin: n.is_multiple_of(13).then(|| Origin {
                status: Some(status_id("s")),
                introducers: vec![member_id("i"), member_id("j")],
                note: String::new(),
            }),
            asked_by: None,
            labels: if n.is_multiple_of(17) { [("team".to_owned(), "7".to_owned())].into() } else { BTreeMap::new() },
        };
        let to = members - 1 - n / 3 + n % 3;
        Row::Edge(EdgeRow { from: n / 3, kind: if odd { 3 } else { 0 }, to, attrs, times: times(n / 4) })
    };
    let request = |n: u32| Row::Request {
        scope: Scope(u64::from(n % 4) << 40),
        id: RequestId(n.into()),
        fingerprint: u128::MAX - u128::from(n),
        time: TimeMs(n.into()),
        answer: (!n.is_multiple_of(9)).then(|| vec![n as u8; n as usize % 40]),
        named: (0..n % 3).map(|m| u64::MAX - u64::from(m)).collect(),
    };
    let sorts = [0, 3].map(kind).into_iter().chain((0..members).map(member)).chain((0..members).map(edge));
    let block = |n: u32| Row::Block { by: n, of: n + 1 };
    let tally = |n: u32| {
        let recent = (0..n % 3).map(|day| DayOfAsks { day: Day(n + day), asks: u64::from(day) + 1 }).collect();
        let tally = IntroducerTally::new(u64::from(n) + 3, 1, u64::from(n) % 2, recent).unwrap();
        Row::Tally { introducer: n, tally }
    };
    let rest = [status_row()].into_iter().chain((0..members / 10).map(request)).chain((0..members / 20).map(block));
    let pause = Row::Pause { begin: TimeMs(9), end: TimeMs(4_000_000) };
    let deleted = Row::Deleted { key: ErasureKey([5; 32]), time: TimeMs(8) };
    let namespace = [Row::Erasure { sequence: 3, time: TimeMs(9) }, pause, deleted, namespace_row()].into_iter();
    namespace.chain(sorts).chain(rest).chain((0..members / 15).map(tally)).collect()
}

fn namespace_row() -> Row {
    Row::Namespace(NamespaceRow {
        name: NamespaceName::default(),
        create_sequence: 1,
        create_time: TimeMs(2),
        sequence: 5,
        time: TimeMs(1_000),
        digests: [0xfeed << 100, 1, 2, 3, 4],
        secret: Some(Secret([7; 32])),
        creator: Scope(9),
    })
}

fn status_row() -> Row {
    Row::Status { status: sample_status("s", "member 1 ü"), times: Times::default() }
}

pub fn head_of(rows: &[Row], sequence: u64) -> CheckpointHead {
    let count = |index: usize| rows.iter().filter(|row| row.count_index() == index).count() as u64;
    CheckpointHead { sequence, time: TimeMs(1_234), rows: RowCounts::from_index(std::array::from_fn(count)) }
}

/// Writes a checkpoint and makes it the newest.
fn install(checkpoints: &mut dyn Checkpoints, rows: &[Row], sequence: u64) {
    let finished = written(checkpoints, rows, sequence);
    checkpoints.install(finished).unwrap();
}

pub fn written(checkpoints: &mut dyn Checkpoints, rows: &[Row], sequence: u64) -> FinishedCheckpoint {
    let mut writer = checkpoints.begin(&head_of(rows, sequence)).unwrap();
    rows.iter().for_each(|row| writer.row(row.clone()).unwrap());
    let finished = writer.finish().unwrap();
    assert_eq!(finished.sequence(), sequence);
    finished
}

fn read(checkpoints: &mut dyn Checkpoints) -> (u64, Loaded) {
    let mut loaded = Loaded::default();
    let covered = checkpoints.read(&mut loaded).unwrap();
    (covered, loaded)
}

fn holds(rows: &[Row], sequence: u64) -> (u64, Loaded) {
    (sequence, Loaded { head: Some(head_of(rows, sequence)), rows: rows.to_vec(), commits: Vec::new() })
}

#[test]
fn there_is_none_at_first() {
    on_all_checkpoints(|open| {
        for _ in 0..2 {
            assert_eq!(read(open().as_mut()), (0, Loaded::default()));
        }
    });
}

#[test]
fn the_newest_comes_back() {
    on_all_checkpoints(|open| {
        for round in 1..=4 {
            let rows = rows(if round == 2 { 2_000 } else { round * 20 });
            let mut checkpoints = open();
            read(checkpoints.as_mut());
            install(checkpoints.as_mut(), &rows, round.into());
            assert!(read(checkpoints.as_mut()) == holds(&rows, round.into()));
            assert_eq!(checkpoints.scrub().check(&mut |_| Ok(())), Ok(None));
            drop(checkpoints);
            assert!(read(open().as_mut()) == holds(&rows, round.into()));
        }
    });
}

#[test]
fn one_that_is_not_installed_never_was() {
    on_all_checkpoints(|open| {
        let mut checkpoints = open();
        install(checkpoints.as_mut(), &rows(20), 3);
        let mut half = checkpoints.begin(&head_of(&rows(50), 5)).unwrap();
        half.row(rows(50).remove(0)).unwrap();
        drop(half);
        drop(written(checkpoints.as_mut(), &rows(50), 5));
        assert_eq!(read(checkpoints.as_mut()), holds(&rows(20), 3));
        drop(checkpoints);
        let mut checkpoints = open();
        assert_eq!(read(checkpoints.as_mut()), holds(&rows(20), 3));
        install(checkpoints.as_mut(), &rows(60), 5);
        assert_eq!(read(checkpoints.as_mut()), holds(&rows(60), 5));
    });
}

#[test]
fn one_whose_counts_are_not_its_heads_is_not_taken() {
    on_all_checkpoints(|open| {
        let mut checkpoints = open();
        let mut head = head_of(&rows(50), 0);
        head.rows.members = 51;
        let mut writer = checkpoints.begin(&head).unwrap();
        rows(50).into_iter().for_each(|row| writer.row(row).unwrap());
        assert!(matches!(writer.finish().err(), Some(StoreError::Damaged { .. })));
        assert_eq!(read(checkpoints.as_mut()), (0, Loaded::default()));
    });
}

#[test]
fn one_of_another_kind_is_not_taken() {
    let mut finished = Vec::new();
    on_every_store(|open| finished.push(written(open().checkpoints.as_mut(), &rows(20), 3)));
    finished.rotate_left(1);
    on_every_store(|open| assert!(open().checkpoints.install(finished.remove(0)).is_err()));
}

#[test]
fn large_rows_come_back() {
    on_all_checkpoints(|open| {
        let request = |n: u64| Row::Request {
            scope: Scope::SHARED,
            id: RequestId(n.into()),
            fingerprint: 1,
            time: TimeMs(n as i64),
            answer: Some(noise(n, 1_500_000)),
            named: Vec::new(),
        };
        let mut rows = rows(40_000);
        rows.extend((10_000..10_003).map(request));
        install(open().as_mut(), &rows, 4);
        assert!(read(open().as_mut()) == holds(&rows, 4));
    });
}
