//! What every store must do, whatever it keeps its bytes in.

use std::time::Duration;

use kith::domain::{
    Day, DayOfAsks, History, IntroducerTally, Kind, Member, Origin, Privacy, RequestId, Scope, Secret, Sphere,
    Strength, TimeMs, TopicSet, Visibility,
};
use kith::store::{
    CheckpointHead, Commit, EdgeRow, FinishedCheckpoint, LogKeep, LogSource, Row, Stamps, Store, StoreError,
};

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
        member.privacy = Privacy::from_bits(n as u8 % 12).unwrap_or_default();
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
            visibility: Visibility::ALL[n as usize / 3 % 3],
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
    sorts.chain(rest).chain((0..members / 15).map(tally)).collect()
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
        blocks: count(5),
        tallies: count(6),
        pending: count(7),
        erasures: count(8),
        digest: 0xfeed << 100,
        erased: sequence / 2,
        secret: Some(Secret([sequence as u8; 32])),
    }
}

fn written(store: &mut dyn Store, rows: &[Row], sequence: u64) -> FinishedCheckpoint {
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
fn a_gap_is_refused() {
    on_every_store(|open| {
        let mut store = open();
        load(store.as_mut());
        let wrong = "sequence 3 was to be appended in the place of 2".to_owned();
        assert_eq!(store.append(&[commit(1, b""), commit(3, b"")]), Err(StoreError::Io(wrong.clone())));
        store.append(&commits(1..=1)).unwrap();
        assert_eq!(store.append(&commits(3..=4)), Err(StoreError::Io(wrong)));
        assert_eq!(load(store.as_mut()).commits, commits(1..=1));
    });
}

#[test]
fn a_checkpoint_takes_the_place_of_the_log_before_it() {
    on_every_store(|open| {
        let mut store = open();
        load(store.as_mut());
        store.append(&commits(1..=20)).unwrap();
        let rows = rows(2_000);
        let finished = written(store.as_mut(), &rows, 20);
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
            let finished = written(store.as_mut(), &rows, round * 3);
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
        drop(written(store.as_mut(), &rows(50), 5));
        drop(store);
        let mut store = open();
        assert_eq!(load(store.as_mut()), Loaded { commits: commits(1..=5), ..Loaded::default() });
        let finished = written(store.as_mut(), &rows(60), 5);
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
            scope: Scope::SHARED,
            id: RequestId(n.into()),
            fingerprint: 1,
            time: TimeMs(n as i64),
            answer: Some(noise(n, 1_500_000)),
            named: Vec::new(),
        };
        let mut rows = rows(40_000);
        rows.extend((10_000..10_003).map(request));
        let finished = written(store.as_mut(), &rows, 4);
        store.install(finished).unwrap();
        drop(store);
        let loaded = load(open().as_mut());
        assert!(loaded.rows == rows && loaded.commits == large[4..]);
    });
}

#[test]
fn the_metrics_say_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_sled(folder.path()).unwrap();
    load(&mut store);
    let large = commit(1, &vec![7; 3_000_000]);
    store.append(&[large]).unwrap();
    assert!((3_000_000..3_001_000).contains(&store.log_bytes()), "{}", store.log_bytes());
    assert!(store.disk_bytes() > 3_000_000, "{}", store.disk_bytes());
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
fn after_a_swap_that_failed_the_next_start_finds_all_in_either_generation() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_sled(folder.path()).unwrap();
    load(&mut store);
    store.append(&commits(1..=3)).unwrap();
    let finished = written(&mut store, &rows(20), 3);
    // No file can be renamed to a folder's name.
    let (file, aside) = (folder.path().join("STORE"), folder.path().join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(store.install(finished).is_err());
    store.append(&commits(4..=4)).unwrap();
    // One that failed leaves its number: `STORE` may name it all the same.
    drop(written(&mut store, &rows(30), 4));
    store.append(&commits(5..=5)).unwrap();
    store.trim_log(&KEEP_NOTHING).unwrap();
    drop(store);
    std::fs::remove_dir(&file).unwrap();
    let beside = folder.path().join("STORE.new");
    let (before, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy_folder(folder.path(), before.path());
    copy_folder(folder.path(), after.path());
    std::fs::copy(&aside, before.path().join("STORE")).unwrap();
    assert_eq!(load(&mut open_sled(before.path()).unwrap()).commits, commits(1..=5));
    std::fs::copy(&beside, after.path().join("STORE")).unwrap();
    let loaded = load(&mut open_sled(after.path()).unwrap());
    assert_eq!((loaded.head, loaded.commits), (Some(head_of(&rows(20), 3)), commits(4..=5)));
}

#[test]
fn a_checkpoint_that_fails_before_the_swap_leaves_the_log_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_sled(folder.path()).unwrap();
    load(&mut store);
    store.append(&commits(1..=3)).unwrap();
    let finished = written(&mut store, &rows(20), 3);
    std::fs::create_dir(folder.path().join("STORE.new")).unwrap();
    assert!(store.install(finished).is_err());
    store.append(&commits(4..=4)).unwrap();
    drop(store);
    assert_eq!(load(&mut open_sled(folder.path()).unwrap()).commits, commits(1..=4));
}

const NOW: TimeMs = TimeMs(1_800_000_000_000);
const KEEP_NOTHING: LogKeep = LogKeep { bytes_max: 0, age_max: Duration::ZERO, now: NOW, erased: 0 };
const KEEP_ALL: LogKeep = LogKeep { bytes_max: u64::MAX, age_max: Duration::MAX, now: NOW, erased: 0 };

/// All that a cursor gives of a log, up to a sequence.
fn read_log(log: &dyn LogSource, after: u64, through: u64) -> Result<Vec<Commit>, StoreError> {
    let mut cursor = log.cursor(after);
    let mut found = Vec::new();
    while found.last().map_or(after, |commit: &Commit| commit.sequence) < through {
        let read = cursor.read(through)?;
        assert!(!read.is_empty(), "nothing comes after {}", found.len());
        found.extend(read);
    }
    assert_eq!(cursor.read(found.last().map_or(after, |commit| commit.sequence)), Ok(Vec::new()));
    Ok(found)
}

#[test]
fn the_log_is_read_from_anywhere_while_it_grows() {
    on_every_store(|open| {
        let mut store = open();
        load(store.as_mut());
        let log = store.log();
        assert_eq!(log.earliest(), 1);
        let mut following = log.cursor(0);
        for round in 0..40u64 {
            let sequences = round * 5 + 1..=round * 5 + 5;
            store.append(&commits(sequences.clone())).unwrap();
            if round % 10 == 9 {
                let finished = written(store.as_mut(), &rows(20), round * 5 + 5);
                store.install(finished).unwrap();
                store.trim_log(&KEEP_ALL).unwrap();
            }
            let mut read = Vec::new();
            while read.len() < 5 {
                read.extend(following.read(*sequences.end()).unwrap());
            }
            assert_eq!(read, commits(sequences));
        }
        for after in [0, 1, 4, 5, 6, 49, 50, 51, 120, 199, 200] {
            assert_eq!(read_log(log.as_ref(), after, 200).unwrap(), commits(after + 1..=200), "after {after}");
        }
        drop(store);
        let mut store = open();
        load(store.as_mut());
        assert_eq!(read_log(store.log().as_ref(), 17, 200).unwrap(), commits(18..=200));
    });
}

#[test]
fn a_trimmed_log_tells_from_where_it_is_kept() {
    on_every_store(|open| {
        let mut store = open();
        load(store.as_mut());
        store.append(&commits(1..=20)).unwrap();
        let log = store.log();
        let mut slow = log.cursor(3);
        store.trim_log(&KEEP_NOTHING).unwrap();
        assert_eq!(log.earliest(), 1, "no checkpoint covers it");
        let finished = written(store.as_mut(), &rows(20), 20);
        store.append(&commits(21..=30)).unwrap();
        store.install(finished).unwrap();
        store.trim_log(&KEEP_ALL).unwrap();
        assert_eq!(log.earliest(), 1, "all is to be kept");
        // A member was erased by the 7th: what the checkpoint covers goes.
        store.trim_log(&LogKeep { erased: 7, ..KEEP_ALL }).unwrap();
        let earliest = log.earliest();
        assert!((8..=21).contains(&earliest), "{earliest}");
        assert_eq!(slow.read(30), Err(StoreError::TooOld { earliest }));
        assert_eq!(log.cursor(earliest - 2).read(30), Err(StoreError::TooOld { earliest }));
        assert_eq!(read_log(log.as_ref(), earliest - 1, 30).unwrap(), commits(earliest..=30));
        store.trim_log(&KEEP_NOTHING).unwrap();
        assert_eq!(log.earliest(), 21);
        assert_eq!(read_log(log.as_ref(), 20, 30).unwrap(), commits(21..=30));
        drop(store);
        assert_eq!(load(open().as_mut()).commits, commits(21..=30));
    });
}

/// Without `STORE` and `TAIL` what is left looks like a store whose creation a crash cut short, but for what is in its log.
#[test]
fn a_log_whose_store_is_no_longer_named_is_damage_and_no_new_store() {
    for commits in [0, 3] {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open_sled(folder.path()).unwrap();
        load(&mut store);
        let appended: Vec<Commit> = (1..=commits).map(|n| commit(n, b"")).collect();
        store.append(&appended).unwrap();
        drop(store);
        for name in ["STORE", "TAIL"] {
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
        match open_sled(folder.path()) {
            Ok(mut store) => assert_eq!((commits, load(&mut store).commits.len()), (0, 0)),
            Err(error) => {
                assert!(commits > 0 && error.to_string().contains("STORE is missing"), "{commits} commits: {error}");
            }
        }
    }
}
