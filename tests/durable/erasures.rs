//! Who was erased stays so: imports do not bring it back, nor do restores, and its bytes go within their time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kith::domain::{Block, Change, ChangeError, EdgePut, Origin, Precondition, Reason, TimeMs, Times};
use kith::engine::{Engine, EngineOptions, Refusal, Report, SetTime, WriterEnd};
use kith::store::{ErasureJournal, MemoryStore};

use crate::support::*;

pub const BEGUN: TimeMs = TimeMs(1_800_000_000_000);
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
pub const DAY_MS: i64 = 24 * HOUR_MS;

pub fn open(folder: &Path, time: &Arc<SetTime>, options: EngineOptions) -> (Engine, WriterEnd) {
    let journal = ErasureJournal::open(&folder.join("journal")).unwrap();
    let store = open_store(&folder.join("store")).unwrap();
    Engine::open_with(store, options, time.clone(), Some(journal)).unwrap()
}

pub fn close((engine, end): (Engine, WriterEnd)) {
    drop(engine);
    end.join();
}

async fn write(engine: &Engine, change: Change) -> Result<(), ChangeError> {
    engine.write(vec![change], None, Report::Revision).await.map(drop).map_err(|refusal| match refusal {
        Refusal::Change { error, .. } => error,
        Refusal::Command(error) => panic!("{error}"),
    })
}

fn delete(id: &str) -> Change {
    Change::DeleteMember { id: member_id(id), precondition: Precondition::None, allow_missing: false }
}

fn is_erased<T>(result: &Result<T, ChangeError>) -> bool {
    matches!(result, Err(ChangeError::Precondition(violation)) if violation.reason == Reason::MemberErased)
}

/// Records that name a member, each in another way.
fn records(id: &str) -> Vec<Change> {
    let introduced = || {
        let mut put = EdgePut::bare(edge_key("ann", "friend", "bob"));
        put.attrs.origin = Some(Origin { introducers: vec![member_id(id), member_id("cy")], ..Origin::default() });
        Change::PutEdge { put, precondition: Precondition::None, allow_missing_members: true }
    };
    let with = |allow_missing_members| {
        let put = EdgePut::bare(edge_key("ann", "friend", id));
        Change::PutEdge { put, precondition: Precondition::None, allow_missing_members }
    };
    let mut excluding = sample_status("s", "ann");
    excluding.attrs.audience.filter.exclude = vec![member_id("nosy"), member_id(id)];
    excluding.attrs.audience.filter.exclude.sort();
    vec![
        put_bare("ann"),
        put_bare("bob"),
        put_bare(id),
        with(true),
        with(false),
        Change::PostStatus { status: sample_status("t", id) },
        Change::BlockMember { block: Block { by: member_id("ann"), of: member_id(id) } },
        introduced(),
        Change::PostStatus { status: excluding },
    ]
}

#[test]
fn an_import_does_not_bring_back_who_was_erased_and_a_put_does() {
    on_every_store(|reopen| {
        let (engine, end) = Engine::open(reopen(), EngineOptions::default()).unwrap();
        block_on(async {
            let imported = engine.import(records("gone")).await.unwrap();
            assert!(imported.results.iter().all(Result::is_ok), "{imported:?}");
            write(&engine, delete("gone")).await.unwrap();
            let imported = engine.import(records("gone")).await.unwrap();
            let skipped: Vec<bool> = imported.results.iter().map(is_erased).collect();
            assert_eq!(skipped, [false, false, true, true, true, true, true, false, false], "{imported:?}");
            let state = engine.state().unwrap();
            assert!(state.member("gone").is_none());
            let origin = state.edge(&edge_key("ann", "friend", "bob")).unwrap().value.attrs.origin.unwrap();
            assert_eq!(origin.introducers, [member_id("cy")]);
            assert!(is_erased(&write(&engine, put_edge("ann", "friend", "gone")).await), "nor does an edge");
        });
        let live = engine.state().unwrap();
        drop(engine);
        end.join();
        let (engine, end) = Engine::open(reopen(), EngineOptions::default()).unwrap();
        assert_eq!(engine.state().unwrap().state_digest(), live.state_digest());
        block_on(async {
            assert!(is_erased(&engine.import(vec![put_bare("gone")]).await.unwrap().results[0]));
            write(&engine, put_bare("gone")).await.unwrap();
            assert!(engine.import(vec![put_edge("ann", "friend", "gone")]).await.unwrap().results[0].is_ok());
        });
        drop(engine);
        end.join();
    });
}

#[test]
fn an_erasure_is_forgotten_after_its_days_live_and_replayed() {
    let (memory, time) = (MemoryStore::new(STORE_ID), SetTime::at(BEGUN));
    let options = EngineOptions { erased_ids_days: 10, ..EngineOptions::default() };
    let open = || Engine::open_at(memory.open(), options, time.clone()).unwrap();
    let (engine, end) = open();
    let live = block_on(async {
        write(&engine, put_bare("gone")).await.unwrap();
        write(&engine, delete("gone")).await.unwrap();
        time.pass_ms(10 * DAY_MS);
        assert!(is_erased(&engine.import(vec![put_bare("gone")]).await.unwrap().results[0]));
        time.pass_ms(1);
        assert!(engine.import(vec![put_bare("gone")]).await.unwrap().results[0].is_ok());
        assert_eq!(engine.state().unwrap().erased_count(), 0);
        engine.state().unwrap()
    });
    close((engine, end));
    let (engine, end) = open();
    assert_eq!(engine.state().unwrap().state_digest(), live.state_digest());
    close((engine, end));
}

#[test]
fn a_store_from_before_an_erasure_learns_of_it_from_the_journal() {
    let (folder, older, time) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), SetTime::at(BEGUN));
    let options = EngineOptions::default();
    let (engine, end) = open(folder.path(), &time, options);
    block_on(async {
        write(&engine, put_edge("ann", "friend", "gone")).await.unwrap();
        write(&engine, put_edge("ann", "friend", "back")).await.unwrap();
        // It is made now, whatever its import says.
        let times = Times::new(TimeMs(BEGUN.0 + DAY_MS));
        let late = Change::Restore { times, put: Box::new(put_bare("late")) };
        assert!(engine.import(vec![late]).await.unwrap().results[0].is_ok());
    });
    close((engine, end));
    copy_folder(folder.path(), older.path());
    time.pass_ms(MINUTE_MS);
    let (engine, end) = open(folder.path(), &time, options);
    block_on(async {
        write(&engine, delete("gone")).await.unwrap();
        write(&engine, delete("back")).await.unwrap();
        write(&engine, delete("late")).await.unwrap();
        let now_journaled = ErasureJournal::read(&folder.path().join("journal")).unwrap().unwrap();
        let erased = now_journaled.iter().filter(|entry| entry.erased().is_some());
        assert_eq!(erased.count(), 3, "they are in the journal when the deletes are answered");
    });
    close((engine, end));
    std::fs::copy(folder.path().join("journal"), older.path().join("journal")).unwrap();
    let (engine, end) = open(older.path(), &time, options);
    let is_there = ["ann", "gone", "late"].map(|id| engine.state().unwrap().member(id).is_some());
    assert_eq!(is_there, [true, false, false]);
    assert_eq!((engine.state().unwrap().edge_count(), engine.state().unwrap().erased_count()), (0, 3));
    time.pass_ms(MINUTE_MS);
    block_on(write(&engine, put_bare("back"))).unwrap();
    close((engine, end));
    let (engine, end) = open(older.path(), &time, options);
    assert!(engine.state().unwrap().member("back").is_some(), "who was brought back stays");
    close((engine, end));
    // A store that begins anew beside the journal knows of it, too.
    std::fs::remove_dir_all(older.path().join("store")).unwrap();
    let (engine, end) = open(older.path(), &time, options);
    let imported = block_on(engine.import(vec![put_bare("gone"), put_bare("new")])).unwrap();
    assert_eq!(imported.results.iter().map(is_erased).collect::<Vec<_>>(), [true, false]);
    close((engine, end));
}

/// Whether any byte under a folder's store is left of a name.
pub fn holds(folder: &Path, name: &str) -> bool {
    let mut files = Vec::new();
    files_under(&folder.join("store"), &mut files);
    let holds = |bytes: Vec<u8>| bytes.windows(name.len()).any(|window| window == name.as_bytes());
    files.into_iter().filter_map(|file| std::fs::read(file).ok()).any(holds)
}

#[test]
fn the_time_that_the_bytes_of_an_erased_member_have_runs_on_across_restarts() {
    let (folder, time) = (tempfile::tempdir().unwrap(), SetTime::at(BEGUN));
    let options = EngineOptions { erase_within: Duration::from_secs(30 * 60), ..EngineOptions::default() };
    let (engine, end) = open(folder.path(), &time, options);
    block_on(async {
        write(&engine, put_bare("ghostly")).await.unwrap();
        write(&engine, delete("ghostly")).await.unwrap();
    });
    close((engine, end));
    for _ in 0..4 {
        time.pass_ms(7 * MINUTE_MS);
        let (engine, end) = open(folder.path(), &time, options);
        block_on(write(&engine, put_bare("other"))).unwrap();
        close((engine, end));
        assert!(holds(folder.path(), "ghostly"), "it is not due yet");
    }
    time.pass_ms(3 * MINUTE_MS);
    let (engine, end) = open(folder.path(), &time, options);
    block_on(async {
        write(&engine, put_bare("another")).await.unwrap();
        wait_until(|| !holds(folder.path(), "ghostly")).await;
    });
    close((engine, end));
}

/// Lets time pass, and finds that bytes leave the disk when it is over and not before.
async fn assert_gone_after(ms: i64, name: &str, folder: &Path, time: &Arc<SetTime>, engine: &Engine) {
    time.pass_ms(ms - 1);
    for other in ["one", "two"] {
        write(engine, put_bare(other)).await.unwrap();
        assert!(holds(folder, name), "it is not due yet");
    }
    time.pass_ms(1);
    // The writer is never idle: what is due is done beside writes.
    let gone = async {
        while holds(folder, name) {
            write(engine, put_bare("three")).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
}

#[test]
fn the_bytes_of_an_erased_member_have_a_day_unless_it_is_said_otherwise() {
    let (folder, time) = (tempfile::tempdir().unwrap(), SetTime::at(BEGUN));
    let (engine, end) = open(folder.path(), &time, EngineOptions::default());
    block_on(async {
        write(&engine, put_bare("ghostly")).await.unwrap();
        write(&engine, delete("ghostly")).await.unwrap();
        assert_gone_after(DAY_MS, "ghostly", folder.path(), &time, &engine).await;
    });
    close((engine, end));
}

#[test]
fn the_bytes_of_an_erased_status_have_as_long_though_others_were_erased_before() {
    let (folder, time) = (tempfile::tempdir().unwrap(), SetTime::at(BEGUN));
    let kept = open(folder.path(), &time, EngineOptions::default());
    let status = sample_status("s", "author");
    let text = status.attrs.text.clone();
    block_on(async {
        write(&kept.0, put_bare("ghostly")).await.unwrap();
        write(&kept.0, delete("ghostly")).await.unwrap();
        assert_gone_after(DAY_MS, "ghostly", folder.path(), &time, &kept.0).await;
        write(&kept.0, put_bare("author")).await.unwrap();
        write(&kept.0, Change::PostStatus { status }).await.unwrap();
    });
    close(kept);
    // It has expired by then.
    let options = EngineOptions { status_retention: Duration::ZERO, ..EngineOptions::default() };
    let (engine, end) = open(folder.path(), &time, options);
    block_on(async {
        write(&engine, put_bare("other")).await.unwrap();
        wait_until(|| engine.state().unwrap().status("s").is_none()).await;
        assert_gone_after(DAY_MS, &text, folder.path(), &time, &engine).await;
    });
    close((engine, end));
}

#[test]
fn what_is_erased_right_behind_a_checkpoint_goes_and_the_log_before_one_that_is_without_it() {
    for covered in [false, true] {
        let (folder, time) = (tempfile::tempdir().unwrap(), SetTime::at(BEGUN));
        let at_once = EngineOptions {
            checkpoint_log_bytes_min: 1,
            checkpoint_log_bytes_per_resource: 0,
            ..EngineOptions::default()
        };
        let (before, end) = open(folder.path(), &time, at_once);
        block_on(async {
            write(&before, put_bare("ghostly")).await.unwrap();
            if covered {
                write(&before, delete("ghostly")).await.unwrap();
            }
            let covers = || before.metrics().checkpoint_sequence.get() as u64;
            wait_until(|| covers() == before.state().unwrap().sequence()).await;
        });
        close((before, end));
        // After a start the log's age is that of its files, by another clock than the test's.
        let options = EngineOptions { log_keep_age_max: Duration::MAX, ..EngineOptions::default() };
        let (engine, end) = open(folder.path(), &time, options);
        block_on(async {
            if !covered {
                write(&engine, delete("ghostly")).await.unwrap();
            }
            assert_gone_after(DAY_MS, "ghostly", folder.path(), &time, &engine).await;
        });
        close((engine, end));
    }
}
