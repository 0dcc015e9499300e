//! Appends that do not say whether they are in the log: the engine finds it out, and its callers hear what is so.

use std::time::Duration;

use kith::domain::{Change, Error, Precondition, Request};
use kith::engine::{Engine, EngineOptions, ImportStream, Report, WriterEnd};
use kith::store::MemoryStore;

use crate::faulty::{Fault, Faulty};
use crate::over::over;
use crate::support::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// Puts a member; answers with the sequence after it.
async fn write(engine: &Engine, id: &str, request: Option<Request>) -> Result<u64, Error> {
    let written = engine.write(vec![put_bare(id)], request, Report::Results).await;
    written.map(|outcome| outcome.revision.sequence()).map_err(whole)
}

fn open(memory: &MemoryStore, faulty: &Faulty) -> (Engine, WriterEnd) {
    Engine::open(over(memory.open(), faulty), EngineOptions::default()).unwrap()
}

/// Ends an engine, and gives the members that another start finds.
fn found_by_a_start(memory: &MemoryStore, (engine, end): (Engine, WriterEnd)) -> (u64, u64) {
    let ended = engine.state().unwrap();
    drop(engine);
    end.join();
    let (engine, _end) = open(memory, &Faulty::default());
    assert_eq!(engine.state().unwrap().state_digest(), ended.state_digest());
    (engine.state().unwrap().sequence(), engine.state().unwrap().member_count())
}

#[test]
fn a_tail_that_can_be_read_says_what_an_append_did_not() {
    let (memory, faulty) = (MemoryStore::new(STORE_ID), Faulty::default());
    let engine = open(&memory, &faulty);
    block_on(async {
        faulty.next(&[Fault::UnknownThere]);
        assert_eq!(write(&engine.0, "there", Some(request(1, 1))).await, Ok(2));
        assert_eq!(write(&engine.0, "there", Some(request(1, 1))).await, Ok(2), "it is there once");
        faulty.next(&[Fault::UnknownNotThere]);
        let refused = write(&engine.0, "not there", Some(request(2, 2))).await;
        assert!(matches!(&refused, Err(Error::Internal(why)) if why.contains("no answer came")), "{refused:?}");
        assert_eq!(engine.0.state().unwrap().sequence(), 2);
        assert_eq!(write(&engine.0, "not there", Some(request(2, 2))).await, Ok(3));
        assert_eq!(engine.0.metrics().batches_refused.get(), 1);
    });
    assert_eq!(found_by_a_start(&memory, engine), (3, 2));
}

#[test]
fn while_the_tail_cannot_be_read_nothing_else_is_appended() {
    for (fault, is_there) in [(Fault::UnknownThere, true), (Fault::UnknownNotThere, false)] {
        let (memory, faulty) = (MemoryStore::new(STORE_ID), Faulty::default());
        let engine = open(&memory, &faulty);
        block_on(async {
            faulty.next(&[fault]);
            faulty.tail_fails(true);
            assert_eq!(write(&engine.0, "lost", Some(request(1, 1))).await, Err(Error::OutcomeUnknown));
            for round in 0..2 {
                let refused = write(&engine.0, &format!("later-{round}"), None).await;
                let waits = matches!(refused, Err(Error::Internal(_)));
                assert!(waits, "{refused:?}");
                assert!(engine.0.state().unwrap().member("lost").is_none());
            }
            assert_eq!(memory.commits().len(), if is_there { 2 } else { 1 });
            faulty.tail_fails(false);
            // A retry has its answer, or is carried out now: it is there once.
            assert_eq!(write(&engine.0, "lost", Some(request(1, 1))).await, Ok(2));
            assert_eq!(write(&engine.0, "later", None).await, Ok(3));
        });
        assert_eq!(found_by_a_start(&memory, engine), (3, 2));
    }
}

#[test]
fn a_long_command_is_not_prepared_without_what_may_be_in_the_log() {
    let (memory, faulty) = (MemoryStore::new(STORE_ID), Faulty::default());
    let options = EngineOptions { long_change_edges: 1_000, ..EngineOptions::default() };
    let (engine, end) = Engine::open(over(memory.open(), &faulty), options).unwrap();
    block_on(async {
        engine.import((0..20_000).map(|n| put_edge("hub", "friend", &format!("fan-{n}"))).collect()).await.unwrap();
        let (id, patch, precondition) =
            (member_id("hub"), patch(|attrs| attrs.processing_restricted = true), Precondition::None);
        let long = vec![Change::MergeMember { id, patch, precondition }];
        faulty.next(&[Fault::UnknownThere]);
        faulty.tail_fails(true);
        assert_eq!(write(&engine, "lost", None).await, Err(Error::OutcomeUnknown));
        let mut begun = engine.begin_import(long.clone(), &ImportStream::default()).await.unwrap();
        assert!(write(&engine, "refused", None).await.is_err());
        faulty.tail_fails(false);
        write(&engine, "later", None).await.unwrap();
        // It was refused as any other while the batch was in doubt, or it came when that was over: then it is on top of what was in the log.
        let _ = tokio::time::timeout(PATIENCE, begun.end()).await.expect("it is answered");
        assert!(engine.state().unwrap().member("lost").is_some(), "what was in the log stays");
        engine.import(long).await.unwrap();
        assert_eq!(engine.metrics().prepared.get(), 1);
        let state = engine.state().unwrap();
        assert_eq!(["lost", "refused", "later"].map(|id| state.member(id).is_some()), [true, false, true]);
    });
    assert_eq!(found_by_a_start(&memory, (engine, end)).1, 20_003);
}

/// Many at once, so that a batch is applied while the one before it is on its way and is lost.
#[test]
fn whatever_an_append_says_what_was_acknowledged_is_there_once() {
    let (memory, faulty) = (MemoryStore::new(STORE_ID), Faulty::default());
    let engine = open(&memory, &faulty);
    let mut acknowledged = 0;
    block_on(async {
        for round in 0..40u128 {
            let fault = [Fault::UnknownThere, Fault::UnknownNotThere, Fault::Full][round as usize % 3];
            faulty.next(&[Fault::None, fault, Fault::None, fault]);
            faulty.tail_fails(round % 4 == 3);
            let writers = (0..96u128).map(|n| {
                let (engine, id) = (engine.0.clone(), round * 1_000 + n);
                let put = async move |engine: &Engine| write(engine, &format!("m{id}"), Some(request(id, id))).await;
                tokio::spawn(async move {
                    let mut answer = put(&engine).await;
                    while answer.is_err() {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        answer = put(&engine).await;
                    }
                    answer.unwrap()
                })
            });
            let writers: Vec<_> = writers.collect();
            tokio::time::sleep(Duration::from_millis(5)).await;
            faulty.tail_fails(false);
            let mut sequences = Vec::new();
            for writer in writers {
                sequences.push(writer.await.unwrap());
            }
            sequences.sort_unstable();
            sequences.dedup();
            assert_eq!(sequences.len(), 96, "each has a sequence of its own");
            acknowledged += 96;
            assert_eq!(engine.0.state().unwrap().member_count(), acknowledged);
        }
    });
    assert_eq!(found_by_a_start(&memory, engine), (acknowledged + 1, acknowledged));
}
