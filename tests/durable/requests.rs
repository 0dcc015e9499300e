//! Request ids, revisions, many writers at once, and a store that fails.

use std::collections::BTreeMap;
use std::sync::Arc;

use kith::domain::{Change, EdgePut, Error, Member, Origin, Precondition, Reason, Request, Scope, TimeMs};
use kith::engine::{Effect, Engine, EngineOptions, Outcome, Report, Revision, SetTime, WriterEnd};
use kith::store::{MemoryStore, Store, StoreError};

use crate::support::*;
use crate::watched::Watch;

pub const HOUR_MS: i64 = 3_600 * 1_000;
pub const BEGUN: TimeMs = TimeMs(1_800_000_000_000);

fn open(store: Store) -> (Engine, kith::engine::WriterEnd) {
    Engine::open(store, EngineOptions::default()).unwrap()
}

/// Puts a member; answers with the sequence after it.
pub async fn write(engine: &Engine, id: &str, request: Option<Request>) -> Result<u64, Error> {
    let outcome = engine.write(vec![put_bare(id)], request, Report::Revision).await;
    outcome.map(|outcome| outcome.revision.sequence()).map_err(whole)
}

pub fn reason(error: Error) -> (Reason, String) {
    match error {
        Error::Invalid(mut violations) => (violations[0].reason, violations.remove(0).field),
        Error::Unavailable { reason, .. } | Error::Exhausted { reason, .. } => (reason, String::new()),
        Error::Internal(_) => (Reason::Internal, String::new()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_retry_gets_the_first_answer_and_another_body_is_refused() {
    on_every_store(|reopen| {
        let options = EngineOptions { checkpoint_log_bytes_min: 1, ..EngineOptions::default() };
        let watch = Watch::default();
        for round in 0..3 {
            let (engine, end) = Engine::open(watch.on(reopen()), options).unwrap();
            block_on(async {
                assert_eq!(write(&engine, "first", Some(request(1, 11))).await, Ok(2));
                let before = engine.state().unwrap();
                let refusal = write(&engine, "other", Some(request(1, 12))).await.unwrap_err();
                assert_eq!(reason(refusal), (Reason::RequestIdReused, "request_id".to_owned()));
                assert_eq!(engine.state().unwrap().sequence(), before.sequence());
                assert!(engine.state().unwrap().member("other").is_none());
                for n in 0..200 {
                    write(&engine, &format!("member-{round}-{n}"), None).await.unwrap();
                }
                // The log outgrows its checkpoint: the next round reads the request from one.
                wait_until(|| watch.installed() > 0).await;
            });
            drop(engine);
            end.join();
        }
    });
}

#[test]
fn a_write_without_effect_is_remembered_under_its_request_too() {
    block_on(async {
        let (engine, _end) = open(MemoryStore::new(STORE_ID).open());
        write(&engine, "a", None).await.unwrap();
        let sequence = engine.state().unwrap().sequence();
        assert_eq!(write(&engine, "a", None).await, Ok(sequence), "nothing changed, nothing is kept");
        let answer = write(&engine, "a", Some(request(5, 5))).await;
        write(&engine, "b", None).await.unwrap();
        assert_eq!(write(&engine, "a", Some(request(5, 5))).await, answer);
    });
}

#[test]
fn a_refused_write_is_not_remembered() {
    block_on(async {
        let (engine, _end) = open(MemoryStore::new(STORE_ID).open());
        let (id, precondition) = (member_id("a"), Precondition::None);
        let delete = Change::DeleteMember { id, precondition, allow_missing: false };
        let again = || engine.write(vec![delete.clone()], Some(request(1, 1)), Report::Results);
        assert!(again().await.is_err());
        write(&engine, "a", None).await.unwrap();
        let deleted = again().await;
        assert_eq!(deleted.as_ref().unwrap().results[0].applied.effect, Effect::Deleted);
        assert_eq!(again().await, deleted);
    });
}

/// An engine whose clocks are set by hand.
pub fn open_at(store: &MemoryStore, time: &Arc<SetTime>) -> (Engine, WriterEnd) {
    Engine::open_at(store.open(), EngineOptions::default(), time.clone()).unwrap()
}

#[test]
fn a_request_is_answered_for_a_day_and_carried_out_anew_after_it() {
    for (hours, answered) in [(23, true), (25, false)] {
        let (memory, time) = (MemoryStore::new(STORE_ID), SetTime::at(BEGUN));
        block_on(async {
            let (engine, _end) = open_at(&memory, &time);
            assert_eq!(write(&engine, "a", Some(request(1, 1))).await, Ok(2));
            time.pass_ms(hours * HOUR_MS);
            let answer = write(&engine, "a", Some(request(1, 1))).await;
            assert_eq!(answer, Ok(if answered { 2 } else { 3 }), "after {hours} hours");
        });
    }
}

/// Asks for an edge that came of an introduction by somebody who is not there yet.
async fn put_introduced(engine: &Engine, by: &str, request: Request) -> Result<Outcome, Error> {
    let mut put = EdgePut::bare(edge_key("a", "friend", "b"));
    put.attrs.origin = Some(Origin { introducers: vec![member_id(by)], ..Origin::default() });
    let change = Change::PutEdge { put, precondition: Precondition::None, allow_missing_members: true };
    engine.write(vec![change], Some(request), Report::Resource).await.map_err(whole)
}

fn delete(id: &str) -> Change {
    Change::DeleteMember { id: member_id(id), precondition: Precondition::None, allow_missing: false }
}

#[test]
fn who_was_named_before_it_existed_takes_its_answers_along_live_and_replayed() {
    on_every_store(|reopen| {
        let (engine, end) = Engine::open(reopen(), EngineOptions::default()).unwrap();
        let (live, gone) = block_on(async {
            let put = put_introduced(&engine, "ghostly", request(1, 1)).await;
            assert_eq!(put_introduced(&engine, "ghostly", request(1, 1)).await, put);
            // Imports that make the introducer are replayed together with what came before them.
            engine.import(vec![put_edge("ghostly", "friend", "c")]).await.unwrap();
            let gone = engine.write(vec![delete("ghostly")], Some(request(2, 2)), Report::Results).await;
            assert_eq!(gone.as_ref().unwrap().results[0].applied.edges_deleted, 1);
            (engine.state().unwrap(), gone)
        });
        drop(engine);
        end.join();
        let (engine, end) = Engine::open(reopen(), EngineOptions::default()).unwrap();
        assert_eq!(engine.state().unwrap().state_digest(), live.state_digest());
        assert!(engine.state().unwrap().edge(&edge_key("a", "friend", "b")).unwrap().value.attrs.origin.is_none());
        block_on(async {
            let again = put_introduced(&engine, "ghostly", request(1, 1)).await;
            assert!(matches!(again, Err(Error::Precondition(refused)) if refused.reason == Reason::AnswerErased));
            let again = engine.write(vec![delete("ghostly")], Some(request(2, 2)), Report::Results).await;
            assert_eq!(again, gone, "the answer to the delete itself names nobody");
        });
        drop(engine);
        end.join();
    });
}

#[test]
fn ids_expire_in_a_store_that_only_imports_live_and_replayed() {
    let (memory, time) = (MemoryStore::new(STORE_ID), SetTime::at(BEGUN));
    let (engine, end) = open_at(&memory, &time);
    let live = block_on(async {
        for n in 0..200 {
            write(&engine, "a", Some(request(n, n))).await.unwrap();
        }
        assert_eq!(engine.state().unwrap().request_count(), 200);
        time.pass_ms(25 * HOUR_MS);
        for (n, left) in [(0, 136), (1, 72), (2, 8), (3, 0)] {
            engine.import(vec![put_bare(&format!("imported {n}"))]).await.unwrap();
            assert_eq!(engine.state().unwrap().request_count(), left, "after import {n}");
        }
        write(&engine, "a", Some(request(7, 7))).await.unwrap();
        engine.state().unwrap()
    });
    drop(engine);
    end.join();
    let (engine, _end) = open_at(&memory, &time);
    assert_eq!(
        (engine.state().unwrap().request_count(), engine.state().unwrap().state_digest()),
        (1, live.state_digest())
    );
}

#[test]
fn an_id_is_its_callers_own_and_when_they_fill_their_room_new_ones_are_refused() {
    let options = EngineOptions { request_ids_bytes_max: 64 * 1_024, ..EngineOptions::default() };
    let (engine, _end) = Engine::open(MemoryStore::new(STORE_ID).open(), options).unwrap();
    let of = |name: &str, id| Request { scope: Scope::of(Some(name)), ..request(id, id) };
    block_on(async {
        assert_eq!(write(&engine, "a", Some(of("mallory", 1))).await, Ok(2));
        assert_eq!(write(&engine, "b", Some(of("alice", 1))).await, Ok(3), "an id cannot be squatted");
        assert_eq!(write(&engine, "a", Some(of("mallory", 1))).await, Ok(2));
        let mut full = None;
        for id in 2..1_000 {
            full = write(&engine, "a", Some(of("mallory", id))).await.err();
            if full.is_some() {
                break;
            }
        }
        assert_eq!(reason(full.unwrap()).0, Reason::RequestIdsFull);
        assert_eq!(write(&engine, "a", Some(of("mallory", 1))).await, Ok(2), "what is kept is answered all the same");
        assert!(write(&engine, "c", Some(of("alice", 2))).await.is_ok(), "one caller never fills another's room");
        assert!(write(&engine, "d", None).await.is_ok());
        assert!(engine.state().unwrap().request_bytes() <= options.request_ids_bytes_max);
    });
}

#[test]
fn a_refusal_waits_for_what_it_was_judged_on() {
    let (memory, watch) = (MemoryStore::new(STORE_ID), Watch::default());
    let (engine, end) = Engine::open(watch.on(memory.open()), EngineOptions::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        write(&engine, "x", None).await.unwrap();
        let hold = watch.hold();
        let put = |id: String| {
            let engine = engine.clone();
            tokio::spawn(async move { write(&engine, &id, None).await })
        };
        // The first goes to the disk alone; what comes meanwhile goes together, on the disk's own thread.
        let mut first = vec![put("w".to_owned())];
        wait_until(|| watch.appending()).await;
        first.extend((0..20).map(|n| put(format!("g{n}"))));
        let remove = || {
            let engine = engine.clone();
            tokio::spawn(async move { engine.write(vec![delete("x")], None, Report::Revision).await })
        };
        let deleted = remove();
        wait_until(|| engine.orders_waiting() >= 21).await;
        hold.let_one_through();
        wait_until(|| watch.appending() && engine.orders_waiting() == 0).await;
        let judged = [
            remove(),
            tokio::spawn({
                let engine = engine.clone();
                async move {
                    let member = Member::bare(member_id("g3"));
                    let put = Change::PutMember { member, precondition: Precondition::Absent };
                    engine.write(vec![put], None, Report::Revision).await
                }
            }),
        ];
        wait_until(|| engine.orders_waiting() == 0).await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(judged.iter().all(|answer| !answer.is_finished()), "nothing of it is on disk");
        watch.fail(StoreError::Full);
        drop(hold);
        for answer in judged {
            assert_eq!(reason(whole(answer.await.unwrap().unwrap_err())).0, Reason::StorageFull);
        }
        assert_eq!(reason(whole(deleted.await.unwrap().unwrap_err())).0, Reason::StorageFull);
        watch.recover();
        assert!(engine.state().unwrap().member("x").is_some() && engine.state().unwrap().member("g3").is_none());
        assert!(engine.write(vec![delete("x")], None, Report::Revision).await.is_ok());
    });
    drop(engine);
    end.join();
}

#[test]
fn a_read_waits_for_its_revision() {
    block_on(async {
        let (engine, _end) = open(MemoryStore::new(STORE_ID).open());
        let next = Revision::new(STORE_ID.0, engine.state().unwrap().sequence() + 1).to_string();
        let reader = tokio::spawn({
            let (engine, next) = (engine.clone(), next.clone());
            async move { engine.state_at(&next).await }
        });
        tokio::task::yield_now().await;
        assert!(!reader.is_finished());
        write(&engine, "a", None).await.unwrap();
        let state = reader.await.unwrap().unwrap();
        assert_eq!(state.revision().to_string(), next);
        assert!(state.member("a").is_some());
        let later = Revision::new(STORE_ID.0, engine.state().unwrap().sequence() + 1).to_string();
        let refused = engine.state_at(&later).await.err().unwrap();
        assert!(matches!(refused, Error::Unavailable { retry_after_ms: 1.., .. }));
        assert_eq!(reason(refused).0, Reason::RevisionNotReached);
    });
}

#[test]
fn a_revision_of_another_store_is_refused_at_once() {
    block_on(async {
        let (engine, _end) = open(MemoryStore::new(STORE_ID).open());
        let refused = async |token: &str| reason(engine.state_at(token).await.err().unwrap());
        let field = "min_revision".to_owned();
        let other = Revision::new(!STORE_ID.0, 1).to_string();
        assert_eq!(refused(&other).await, (Reason::RevisionOfAnotherStore, field.clone()));
        assert_eq!(refused("1").await, (Reason::Malformed, field));
        assert!(engine.state_at("").await.is_ok());
    });
}

#[test]
fn many_writers_at_once_are_all_answered_in_order() {
    on_every_store(|reopen| {
        let (engine, end) = Engine::open(reopen(), EngineOptions::default()).unwrap();
        let mut given = block_on(async {
            let writer = |task: u32| {
                let engine = engine.clone();
                async move {
                    let mut revisions = Vec::new();
                    for n in 0..40 {
                        let revision = write(&engine, &format!("member-{task}-{n}"), None).await.unwrap();
                        assert!(engine.state().unwrap().sequence() >= revision, "answered before it was published");
                        revisions.push(revision);
                    }
                    revisions
                }
            };
            let tasks: Vec<_> = (0..48).map(|task| tokio::spawn(writer(task))).collect();
            let mut given = Vec::new();
            for task in tasks {
                let revisions = task.await.unwrap();
                assert!(revisions.is_sorted_by(|a, b| a < b), "{revisions:?}");
                given.extend(revisions);
            }
            given
        });
        given.sort_unstable();
        assert_eq!(given, (2..2 + 48 * 40).collect::<Vec<u64>>(), "each write has a revision of its own");
        let digest = engine.state().unwrap().digest();
        drop(engine);
        end.join();
        let (engine, end) = Engine::open(reopen(), EngineOptions::default()).unwrap();
        assert_eq!((engine.state().unwrap().digest(), engine.state().unwrap().member_count()), (digest, 48 * 40));
        drop(engine);
        end.join();
    });
}

#[test]
fn after_a_failed_append_nothing_is_published_and_the_next_write_is_taken() {
    let failures = [(StoreError::Full, Reason::StorageFull), (StoreError::Io("lost".to_owned()), Reason::Internal)];
    for (failure, expected) in failures {
        let (memory, watch) = (MemoryStore::new(STORE_ID), Watch::default());
        let (engine, end) = Engine::open(watch.on(memory.open()), EngineOptions::default()).unwrap();
        block_on(async {
            write(&engine, "before", None).await.unwrap();
            let state = engine.state().unwrap();
            watch.fail(failure);
            let refusal = write(&engine, "a", Some(request(1, 1))).await.unwrap_err();
            assert_eq!(reason(refusal).0, expected);
            assert_eq!(reason(engine.import(vec![put_bare("c")]).await.unwrap_err()).0, expected);
            assert_eq!(engine.state().unwrap().revision(), state.revision());
            assert_eq!((engine.state().unwrap().digest(), engine.state().unwrap().member_count()), (state.digest(), 1));
            watch.recover();
            assert_eq!(write(&engine, "b", None).await, Ok(3));
        });
        drop(engine);
        end.join();
        let (engine, _end) = open(memory.open());
        block_on(async {
            assert!(engine.state().unwrap().member("a").is_none());
            assert!(engine.state().unwrap().member("c").is_none() && engine.state().unwrap().member("b").is_some());
            assert_eq!(write(&engine, "a", Some(request(1, 1))).await, Ok(4), "it was never answered");
        });
    }
}

#[test]
fn what_was_applied_upon_a_batch_that_failed_has_never_happened_either() {
    let (memory, watch) = (MemoryStore::new(STORE_ID), Watch::default());
    let (engine, end) = Engine::open(watch.on(memory.open()), EngineOptions::default()).unwrap();
    watch.fail_one_in(3);
    let (mut kept, mut refused) = (BTreeMap::new(), Vec::new());
    // Until one was refused that the store had not been asked for: it stood upon one that failed.
    for round in 0.. {
        assert!(round < 10_000, "no batch was applied while another was on its way");
        let writers: Vec<_> = (0..128).map(|n| format!("{round}-{n}")).collect();
        for (id, answer) in at_once(&engine, writers) {
            match answer {
                Ok(sequence) => assert_eq!(kept.insert(sequence, id), None, "two writes at one revision"),
                Err(refusal) => {
                    assert_eq!(reason(refusal).0, Reason::StorageFull);
                    refused.push(id);
                }
            }
        }
        if refused.len() as u64 > watch.commits_refused() {
            break;
        }
    }
    let published = engine.state().unwrap();
    assert_eq!(published.sequence(), kept.len() as u64 + 1);
    drop(engine);
    end.join();
    let (engine, _end) = open(memory.open());
    for state in [published, engine.state().unwrap()] {
        assert_eq!(state.member_count(), kept.len() as u64);
        assert!(kept.values().all(|id| state.member(id).is_some()));
        assert!(refused.iter().all(|id| state.member(id).is_none()));
    }
}

/// Puts members, each from a task of its own.
fn at_once(engine: &Engine, ids: Vec<String>) -> Vec<(String, Result<u64, Error>)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let write_one = |id: String| {
            let engine = engine.clone();
            tokio::spawn(async move {
                let answer = write(&engine, &id, None).await;
                (id, answer)
            })
        };
        let writers: Vec<_> = ids.into_iter().map(write_one).collect();
        let mut answers = Vec::new();
        for writer in writers {
            answers.push(writer.await.unwrap());
        }
        answers
    })
}

#[test]
fn a_retry_has_its_answer_while_the_clock_waits() {
    let (memory, time) = (MemoryStore::new(STORE_ID), SetTime::at(BEGUN));
    let put = async |engine: &Engine, id: u128, fingerprint: u128| {
        let (changes, request) = (vec![put_bare(&format!("m{id}"))], Some(request(id, fingerprint)));
        engine.write(changes, request, Report::Resource).await.map_err(whole)
    };
    let (engine, end) = open_at(&memory, &time);
    let first = block_on(put(&engine, 1, 1)).unwrap();
    drop(engine);
    end.join();
    time.jump_ms(31 * 24 * 3_600_000);
    let (engine, end) = open_at(&memory, &time);
    assert!(engine.clock_metrics().waits);
    block_on(async {
        assert_eq!(put(&engine, 1, 1).await.unwrap(), first);
        let reused = put(&engine, 1, 2).await.unwrap_err();
        assert!(matches!(&reused, Error::Invalid(wrong) if wrong[0].reason == Reason::RequestIdReused), "{reused:?}");
        let waits = |error: &Error| matches!(error, Error::Unavailable { reason: Reason::ClockNotAccepted, .. });
        let refused = put(&engine, 2, 2).await.unwrap_err();
        assert!(waits(&refused), "{refused:?}");
        let refused = write(&engine, "new", None).await.unwrap_err();
        assert!(waits(&refused), "{refused:?}");
        let refused = engine.import(vec![put_bare("new")]).await.unwrap_err();
        assert!(waits(&refused), "{refused:?}");
    });
    assert_eq!(engine.state().unwrap().member_count(), 1);
    drop(engine);
    end.join();
}
