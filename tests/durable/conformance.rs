//! What every store must do: a log and checkpoints, one following on the other.

use kith::store::{Commit, FinishedCheckpoint, Row, Store, StoreError};

use crate::checkpoints::{head_of, rows};
use crate::logs::KEEP_NOTHING;
use crate::support::*;

fn written(store: &mut Store, rows: &[Row], sequence: u64) -> FinishedCheckpoint {
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
            assert_eq!(store.id, STORE_ID);
            assert_eq!(load(&mut store), Loaded::default());
            assert_eq!(store.log_bytes(), 0);
        }
    });
}

#[test]
fn a_checkpoint_takes_the_place_of_the_log_before_it() {
    on_every_store(|open| {
        let mut store = open();
        load(&mut store);
        store.log.append(&commits(1..=20)).unwrap();
        let rows = rows(2_000);
        let finished = written(&mut store, &rows, 20);
        // The log goes on while a checkpoint is written.
        store.log.append(&commits(21..=25)).unwrap();
        let before = store.log_bytes();
        store.install(finished).unwrap();
        assert!(store.log_bytes() < before);
        let whole = |last| Loaded { head: Some(head_of(&rows, 20)), rows: rows.clone(), commits: commits(21..=last) };
        assert_eq!(load(&mut store), whole(25));
        store.log.append(&commits(26..=26)).unwrap();
        let log_bytes = store.log_bytes();
        drop(store);
        let mut store = open();
        assert_eq!(load(&mut store), whole(26));
        assert_eq!(store.log_bytes(), log_bytes);
        assert_eq!(store.id, STORE_ID);
    });
}

#[test]
fn a_checkpoint_follows_a_checkpoint() {
    on_every_store(|open| {
        for round in 1..=4 {
            let mut store = open();
            load(&mut store);
            store.log.append(&commits(round * 3 - 2..=round * 3)).unwrap();
            let rows = rows(round as u32 * 20);
            let finished = written(&mut store, &rows, round * 3);
            store.install(finished).unwrap();
            assert_eq!(store.log_bytes(), 0);
            drop(store);
            let loaded = load(&mut open());
            assert_eq!(loaded, Loaded { head: Some(head_of(&rows, round * 3)), rows, commits: Vec::new() });
        }
    });
}

#[test]
fn a_checkpoint_that_is_not_installed_never_was() {
    on_every_store(|open| {
        let mut store = open();
        load(&mut store);
        store.log.append(&commits(1..=5)).unwrap();
        let mut half = store.begin_checkpoint(&head_of(&rows(50), 5)).unwrap();
        half.row(rows(50).remove(0)).unwrap();
        drop(half);
        drop(written(&mut store, &rows(50), 5));
        drop(store);
        let mut store = open();
        assert_eq!(load(&mut store), Loaded { commits: commits(1..=5), ..Loaded::default() });
        let finished = written(&mut store, &rows(60), 5);
        store.install(finished).unwrap();
        assert_eq!(load(&mut store).head, Some(head_of(&rows(60), 5)));
    });
}

#[test]
fn the_metrics_say_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_store(folder.path()).unwrap();
    load(&mut store);
    let large = commit(1, &vec![7; 3_000_000]);
    store.log.append(&[large]).unwrap();
    assert!((3_000_000..3_001_000).contains(&store.log_bytes()), "{}", store.log_bytes());
    assert!(store.disk_bytes() > 3_000_000, "{}", store.disk_bytes());
}

#[test]
fn a_store_opens_once_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path()).unwrap();
    assert_eq!(open_store(folder.path()).err(), Some(StoreError::InUse));
    drop(store);
    assert!(open_store(folder.path()).is_ok());
}

#[test]
fn a_generation_left_over_by_a_crash_is_removed_and_the_current_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_store(folder.path()).unwrap();
    load(&mut store);
    store.log.append(&commits(1..=3)).unwrap();
    drop(store);
    let stray = folder.path().join("generation-00000000000000000002");
    std::fs::create_dir(&stray).unwrap();
    std::fs::write(stray.join("db"), b"half").unwrap();
    let mut store = open_store(folder.path()).unwrap();
    assert!(!stray.exists());
    assert_eq!(load(&mut store).commits, commits(1..=3));
}

#[test]
fn after_a_swap_that_failed_the_next_start_finds_all_in_either_generation() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_store(folder.path()).unwrap();
    load(&mut store);
    store.log.append(&commits(1..=3)).unwrap();
    let finished = written(&mut store, &rows(20), 3);
    // No file can be renamed to a folder's name.
    let (file, aside) = (folder.path().join("STORE"), folder.path().join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(store.install(finished).is_err());
    store.log.append(&commits(4..=4)).unwrap();
    // One that failed leaves its number: `STORE` may name it all the same.
    drop(written(&mut store, &rows(30), 4));
    store.log.append(&commits(5..=5)).unwrap();
    store.trim_log(&KEEP_NOTHING).unwrap();
    drop(store);
    std::fs::remove_dir(&file).unwrap();
    let beside = folder.path().join("STORE.new");
    let (before, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    copy_folder(folder.path(), before.path());
    copy_folder(folder.path(), after.path());
    std::fs::copy(&aside, before.path().join("STORE")).unwrap();
    assert_eq!(load(&mut open_store(before.path()).unwrap()).commits, commits(1..=5));
    std::fs::copy(&beside, after.path().join("STORE")).unwrap();
    let loaded = load(&mut open_store(after.path()).unwrap());
    assert_eq!((loaded.head, loaded.commits), (Some(head_of(&rows(20), 3)), commits(4..=5)));
}

#[test]
fn a_checkpoint_that_fails_before_the_swap_leaves_the_log_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_store(folder.path()).unwrap();
    load(&mut store);
    store.log.append(&commits(1..=3)).unwrap();
    let finished = written(&mut store, &rows(20), 3);
    std::fs::create_dir(folder.path().join("STORE.new")).unwrap();
    assert!(store.install(finished).is_err());
    store.log.append(&commits(4..=4)).unwrap();
    drop(store);
    assert_eq!(load(&mut open_store(folder.path()).unwrap()).commits, commits(1..=4));
}

/// Without `STORE` and `TAIL` what is left looks like a store whose creation a crash cut short, but for what is in its log.
#[test]
fn a_log_whose_store_is_no_longer_named_is_damage_and_no_new_store() {
    for commits in [0, 3] {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open_store(folder.path()).unwrap();
        load(&mut store);
        let appended: Vec<Commit> = (1..=commits).map(|n| commit(n, b"")).collect();
        store.log.append(&appended).unwrap();
        drop(store);
        for name in ["STORE", "TAIL"] {
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
        match open_store(folder.path()) {
            Ok(mut store) => assert_eq!((commits, load(&mut store).commits.len()), (0, 0)),
            Err(error) => {
                assert!(commits > 0 && error.to_string().contains("STORE is missing"), "{commits} commits: {error}");
            }
        }
    }
}
