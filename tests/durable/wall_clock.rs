//! What a wall clock that jumps, or is set while no server runs, does not do.

use kith::domain::{Change, Error, InteractionRecord, Reason, TimeMs};
use kith::engine::{ClockMetrics, Engine, EngineOptions, Report, SetTime};
use kith::store::MemoryStore;

use crate::requests::{BEGUN, HOUR_MS, open_at, reason, write};
use crate::support::*;

#[test]
fn a_retry_is_never_counted_twice_whatever_the_clock_does() {
    let year = 365 * 24 * HOUR_MS;
    let (memory, time) = (MemoryStore::new(STORE_ID), SetTime::at(BEGUN));
    let dated = |engine: &Engine, id: &str| engine.state().unwrap().member(id).unwrap().create_time;
    block_on(async {
        let (engine, end) = open_at(&memory, &time);
        let first = write(&engine, "a", Some(request(1, 1))).await;
        for jump in [year, -year, -year, year] {
            time.jump_ms(jump);
            time.pass_ms(100);
            write(&engine, &format!("at {jump}"), None).await.unwrap();
            engine.import(vec![put_bare(&format!("imported at {jump}"))]).await.unwrap();
            assert_eq!(write(&engine, "a", Some(request(1, 1))).await, first, "after a jump of {jump} ms");
        }
        write(&engine, "b", None).await.unwrap();
        assert_eq!(dated(&engine, "b"), TimeMs(BEGUN.0 + 400));
        assert_eq!(engine.clock_metrics(), ClockMetrics { apart_ms: 0, jumps: 4, waits: false });
        drop(engine);
        end.join();
        time.jump_ms(year);
        let (engine, end) = open_at(&memory, &time);
        let refused = |error: Error| assert_eq!(reason(error).0, Reason::ClockNotAccepted);
        assert_eq!(write(&engine, "a", Some(request(1, 1))).await, first);
        refused(write(&engine, "c", Some(request(2, 2))).await.unwrap_err());
        refused(engine.import(vec![put_bare("c")]).await.unwrap_err());
        assert!(engine.state().unwrap().member("a").is_some(), "reads are served");
        drop(engine);
        end.join();
        let options = EngineOptions { accept_clock: true, ..EngineOptions::default() };
        let (engine, _end) = Engine::open_at(memory.open(), options, time).unwrap();
        write(&engine, "c", None).await.unwrap();
        assert_eq!(dated(&engine, "c"), TimeMs(BEGUN.0 + 400 + year), "it was accepted");
    });
}

#[test]
fn a_clock_that_is_set_ahead_while_the_server_is_down_has_no_retry_counted_twice() {
    let memory = MemoryStore::new(STORE_ID);
    let mut now = BEGUN;
    let record = |engine: &Engine| {
        let record = InteractionRecord { key: edge_key("ann", "friend", "bob"), count: 1, time_s: 1_700_000_000 };
        let changes = vec![Change::RecordInteractions { record }];
        block_on(engine.write(changes, Some(request(9, 9)), Report::Revision)).unwrap().revision.sequence()
    };
    let mut first = None;
    // Two days at each of 20 starts, and not a minute of them passed.
    for start in 0..20 {
        let (engine, end) = open_at(&memory, &SetTime::at(now));
        if start == 0 {
            block_on(engine.import(vec![put_edge("ann", "friend", "bob")])).unwrap();
        }
        let sequence = record(&engine);
        assert_eq!(*first.get_or_insert(sequence), sequence, "start {start}");
        block_on(write(&engine, &format!("m{start}"), Some(request(start + 100, 1)))).unwrap();
        let state = engine.state().unwrap();
        assert_eq!(state.edge(&edge_key("ann", "friend", "bob")).unwrap().value.attrs.history.count, 1);
        drop(engine);
        end.join();
        now = TimeMs(now.0 + 48 * HOUR_MS);
    }
    let time = SetTime::at(now);
    let (engine, end) = open_at(&memory, &time);
    for _ in 0..24 {
        time.pass_ms(HOUR_MS);
        block_on(write(&engine, "hourly", None)).unwrap();
    }
    assert_ne!(Some(record(&engine)), first, "a day that has passed is over");
    drop(engine);
    end.join();
}

#[test]
fn the_log_is_kept_for_watchers_by_its_own_time() {
    let folder = tempfile::tempdir().unwrap();
    let time = SetTime::at(BEGUN);
    let options = EngineOptions { checkpoint_log_bytes_min: 1, ..EngineOptions::default() };
    let (engine, end) = Engine::open_at(open_store(folder.path()).unwrap(), options, time.clone()).unwrap();
    block_on(async {
        let from = engine.state().unwrap().revision().to_string();
        let covered = || engine.metrics().checkpoint_sequence.get();
        time.jump_ms(48 * HOUR_MS);
        for n in 0..20 {
            let before = covered();
            write(&engine, &n.to_string(), None).await.unwrap();
            wait_until(|| covered() > before || n < 10).await;
        }
        assert!(engine.feed("from", &from, "".into()).await.is_ok(), "a jump of two days takes nothing from a watcher");
        time.pass_ms(48 * HOUR_MS);
        let before = covered();
        write(&engine, "later", None).await.unwrap();
        wait_until(|| covered() > before).await;
        assert!(engine.feed("from", &from, "".into()).await.is_err(), "two days that have passed do");
    });
    drop(engine);
    end.join();
}
