//! What every store must do, whatever it keeps its bytes in.

use kith::domain::{History, Kind, Member, Origin, RequestId, Sphere, Strength, TimeMs, TopicSet};
use kith::store::{CheckpointHead, Commit, EdgeRow, FinishedCheckpoint, Row, Stamps, Store, StoreError};

use crate::support::*;

/// Every sort of row, `members` of the second.
fn rows(members: u32) -> Vec<Row> {
    let stamps = |n: u32| Stamps { create_time: TimeMs(n.into()), update_time: TimeMs(i64::from(n) * 7) };
    let kind = |slot: u8| Row::Kind {
        slot,
        kind: Kind::new(kind_name(&format!("kind-{slot}")), Sphere::Public, slot == 3, 0.5, 60_000).unwrap(),
    };
    let member = |n: u32| {
        let mut member = Member::bare(member_id(&format!("member {n} ü")));
        member.display_name = format!("name {}", n % 5);
        member.topics = TopicSet::parse("topics", &["privacy", "data"]).unwrap();
        member.labels.insert("team".to_owned(), n.to_string());
        Row::Member { member, stamps: stamps(n) }
    };
    let edge = |n: u32| {
        let odd = n % 2 == 1;
        Row::Edge(EdgeRow {
            from: n / 3,
            kind: if odd { 3 } else { 0 },
            to: members - 1 - n / 3 + n % 3,
            pinned: odd.then(|| Strength::parse("strength", 0.25).unwrap()),
            history: if n.is_multiple_of(5) {
                History { count: 9, faded: 4.5, last_s: 77 }
            } else {
                History::default()
            },
            since: n.is_multiple_of(7).then_some(TimeMs(-5)),
            note: if n.is_multiple_of(11) { "met at a fair".to_owned() } else { String::new() },
            origin: n.is_multiple_of(13).then(|| Origin {
                status: Some(status_id("s")),
                introducers: vec![member_id("i"), member_id("j")],
                note: String::new(),
            }),
            stamps: stamps(n / 4),
        })
    };
    let request = |n: u32| Row::Request {
        id: RequestId(n.into()),
        fingerprint: u128::MAX - u128::from(n),
        time: TimeMs(n.into()),
        sequence: n.into(),
        answer: vec![n as u8; n as usize % 40],
    };
    let sorts = [0, 3].map(kind).into_iter().chain((0..members).map(member)).chain((0..members).map(edge));
    sorts.chain([status_row()]).chain((0..members / 10).map(request)).collect()
}

fn status_row() -> Row {
    Row::Status { status: sample_status("s", "member 1 ü"), stamps: Stamps::default() }
}

fn head_of(rows: &[Row], sequence: u64) -> CheckpointHead {
    let count = |order: usize| rows.iter().filter(|row| row.order() == order).count() as u64;
    CheckpointHead {
        sequence,
        time: TimeMs(1_234),
        kinds: count(0),
        members: count(1),
        edges: count(2),
        statuses: count(3),
        requests: count(4),
        digest: 0xfeed << 100,
    }
}

fn written(store: &dyn Store, rows: &[Row], sequence: u64) -> FinishedCheckpoint {
    let mut writer = store.begin_checkpoint(&head_of(rows, sequence)).unwrap();
    rows.iter().for_each(|row| writer.row(row.clone()).unwrap());
    writer.finish().unwrap()
}

fn commits(sequences: std::ops::RangeInclusive<u64>) -> Vec<Commit> {
    sequences.map(|sequence| commit(sequence, b"answer")).collect()
}

#[test]
fn an_empty_store_gives_nothing_and_keeps_its_id() {
    on_every_store(|open| {
        for _ in 0..2 {
            let mut store = open();
            assert_eq!(store.id(), STORE_ID);
            assert_eq!(load(store.as_mut()), Loaded::default());
            assert_eq!(store.log_bytes(), 0);
        }
    });
}

#[test]
fn commits_come_back_in_their_order() {
    on_every_store(|open| {
        let mut store = open();
        load(store.as_mut());
        store.append(&commits(1..=1)).unwrap();
        store.append(&commits(2..=300)).unwrap();
        store.append(&[]).unwrap();
        assert_eq!(load(store.as_mut()).commits, commits(1..=300));
        drop(store);
        let mut store = open();
        assert_eq!(load(store.as_mut()), Loaded { commits: commits(1..=300), ..Loaded::default() });
        store.append(&commits(301..=301)).unwrap();
        drop(store);
        assert_eq!(load(open().as_mut()).commits, commits(1..=301));
    });
}

#[test]
fn a_gap_in_the_log_is_damage() {
    on_every_store(|open| {
        let mut store = open();
        load(store.as_mut());
        store.append(&[commit(1, b""), commit(3, b"")]).unwrap();
        let error = store.load(&mut Loaded::default()).unwrap_err();
        assert_eq!(error, StoreError::Damaged { what: "log: sequence 2 is missing, 3 follows 1".to_owned() });
    });
}

#[test]
fn a_checkpoint_takes_the_place_of_the_log_before_it() {
    on_every_store(|open| {
        let mut store = open();
        load(store.as_mut());
        store.append(&commits(1..=20)).unwrap();
        let rows = rows(2_000);
        let finished = written(store.as_ref(), &rows, 20);
        // The log goes on while a checkpoint is written.
        store.append(&commits(21..=25)).unwrap();
        let before = store.log_bytes();
        store.install(finished).unwrap();
        assert!(store.log_bytes() < before);
        let whole = |last| Loaded { head: Some(head_of(&rows, 20)), rows: rows.clone(), commits: commits(21..=last) };
        assert_eq!(load(store.as_mut()), whole(25));
        store.append(&commits(26..=26)).unwrap();
        let log_bytes = store.log_bytes();
        drop(store);
        let mut store = open();
        assert_eq!(load(store.as_mut()), whole(26));
        assert_eq!(store.log_bytes(), log_bytes);
        assert_eq!(store.id(), STORE_ID);
    });
}

#[test]
fn a_checkpoint_follows_a_checkpoint() {
    on_every_store(|open| {
        for round in 1..=4 {
            let mut store = open();
            load(store.as_mut());
            store.append(&commits(round * 3 - 2..=round * 3)).unwrap();
            let rows = rows(round as u32 * 20);
            let finished = written(store.as_ref(), &rows, round * 3);
            store.install(finished).unwrap();
            assert_eq!(store.log_bytes(), 0);
            drop(store);
            let loaded = load(open().as_mut());
            assert_eq!(loaded, Loaded { head: Some(head_of(&rows, round * 3)), rows, commits: Vec::new() });
        }
    });
}

#[test]
fn a_checkpoint_that_is_not_installed_never_was() {
    on_every_store(|open| {
        let mut store = open();
        load(store.as_mut());
        store.append(&commits(1..=5)).unwrap();
        let mut half = store.begin_checkpoint(&head_of(&rows(50), 5)).unwrap();
        half.row(rows(50).remove(0)).unwrap();
        drop(half);
        drop(written(store.as_ref(), &rows(50), 5));
        drop(store);
        let mut store = open();
        assert_eq!(load(store.as_mut()), Loaded { commits: commits(1..=5), ..Loaded::default() });
        let finished = written(store.as_ref(), &rows(60), 5);
        store.install(finished).unwrap();
        assert_eq!(load(store.as_mut()).head, Some(head_of(&rows(60), 5)));
    });
}

#[test]
fn a_checkpoint_whose_counts_are_not_its_heads_is_not_taken() {
    on_every_store(|open| {
        let mut store = open();
        load(store.as_mut());
        let head = CheckpointHead { members: 51, ..head_of(&rows(50), 0) };
        let mut writer = store.begin_checkpoint(&head).unwrap();
        rows(50).into_iter().for_each(|row| writer.row(row).unwrap());
        assert!(matches!(writer.finish().err(), Some(StoreError::Damaged { .. })));
    });
}

#[test]
fn large_values_come_back() {
    on_every_store(|open| {
        let mut store = open();
        load(store.as_mut());
        let noise = |seed: u64, len: usize| {
            let mut random = fastrand::Rng::with_seed(seed);
            (0..len).map(|_| random.u8(..)).collect::<Vec<u8>>()
        };
        let large: Vec<Commit> = (1..=5).map(|n| commit(n, &noise(n, 700_000 * n as usize))).collect();
        store.append(&large).unwrap();
        assert!(store.log_bytes() > 10_000_000);
        drop(store);
        let mut store = open();
        assert_eq!(load(store.as_mut()).commits, large);
        let request = |n: u64| Row::Request {
            id: RequestId(n.into()),
            fingerprint: 1,
            time: TimeMs(n as i64),
            sequence: n,
            answer: noise(n, 1_500_000),
        };
        let mut rows = rows(40_000);
        rows.extend((10_000..10_003).map(request));
        let finished = written(store.as_ref(), &rows, 4);
        store.install(finished).unwrap();
        drop(store);
        let loaded = load(open().as_mut());
        assert!(loaded.rows == rows && loaded.commits == large[4..]);
    });
}

#[test]
fn the_figures_tell_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_sled(folder.path()).unwrap();
    load(&mut store);
    let empty = store.disk_bytes();
    let large = commit(1, &vec![7; 3_000_000]);
    store.append(&[large]).unwrap();
    assert!((3_000_000..3_001_000).contains(&store.log_bytes()), "{}", store.log_bytes());
    assert!(store.disk_bytes() > empty + 3_000_000, "{} after {empty}", store.disk_bytes());
}

#[test]
fn a_store_opens_once_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_sled(folder.path()).unwrap();
    assert_eq!(open_sled(folder.path()).err(), Some(StoreError::InUse));
    drop(store);
    assert!(open_sled(folder.path()).is_ok());
}

#[test]
fn a_generation_left_over_by_a_crash_is_removed_and_the_current_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_sled(folder.path()).unwrap();
    load(&mut store);
    store.append(&commits(1..=3)).unwrap();
    drop(store);
    let stray = folder.path().join("generation-00000000000000000002");
    std::fs::create_dir(&stray).unwrap();
    std::fs::write(stray.join("db"), b"half").unwrap();
    let mut store = open_sled(folder.path()).unwrap();
    assert!(!stray.exists());
    assert_eq!(load(&mut store).commits, commits(1..=3));
}

#[test]
fn after_a_swap_that_failed_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_sled(folder.path()).unwrap();
    load(&mut store);
    store.append(&commits(1..=3)).unwrap();
    let finished = written(&store, &rows(20), 3);
    // No file can be renamed to a folder's name.
    let (file, aside) = (folder.path().join("STORE"), folder.path().join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(store.install(finished).is_err());
    assert!(store.append(&commits(4..=4)).is_err());
    assert!(store.begin_checkpoint(&head_of(&rows(20), 3)).is_err());
    drop(store);
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(load(&mut open_sled(folder.path()).unwrap()).commits, commits(1..=3));
}

#[test]
fn a_checkpoint_that_fails_before_the_swap_leaves_the_log_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_sled(folder.path()).unwrap();
    load(&mut store);
    store.append(&commits(1..=3)).unwrap();
    let finished = written(&store, &rows(20), 3);
    std::fs::create_dir(folder.path().join("STORE.new")).unwrap();
    assert!(store.install(finished).is_err());
    store.append(&commits(4..=4)).unwrap();
    drop(store);
    assert_eq!(load(&mut open_sled(folder.path()).unwrap()).commits, commits(1..=4));
}
