//! What callers share of a store is counted over all namespaces, and what is over is forgotten in those that nobody writes to as well.

use kith::domain::{Change, Error, NamespaceName, Precondition, Reason, Request, Scope};
use kith::engine::{Engine, EngineOptions, Namespaces, Report, SetTime};
use kith::store::MemoryStore;

use crate::erasures::{BEGUN, DAY_MS};
use crate::support::*;
use crate::verify::Findings;

fn within(engine: &Engine, name: &str) -> Engine {
    engine.within(&NamespaceName::parse("name", name).unwrap())
}

/// Asserts that what was read of a store is what was live, and that both are sound.
fn assert_alike(memory: &MemoryStore, live: &Namespaces) {
    let read = Namespaces::load(&mut memory.open()).unwrap();
    let checked = [live, &read].map(|all| all.verify(&mut Findings::default()).unwrap());
    assert_eq!((checked[0].findings, checked[0]), (0, checked[1]));
}

#[test]
fn a_caller_has_one_share_of_request_ids_in_however_many_namespaces() {
    let memory = MemoryStore::new(STORE_ID);
    let options = EngineOptions { request_ids_bytes_max: 64 * 1_024, ..EngineOptions::default() };
    let (engine, end) = Engine::open(memory.open(), options).unwrap();
    let fill = async |caller: &str| {
        let mut taken = 0_u64;
        for n in 0..2_000_u128 {
            let request = Request { scope: Scope::of(Some(caller)), ..request(n, n) };
            let own = within(&engine, &format!("n{}", n % 20));
            match own.write(vec![put_bare("ann")], Some(request), Report::Revision).await.map_err(whole) {
                Ok(_) => taken += 1,
                Err(Error::Exhausted { reason: Reason::RequestIdsFull, .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        taken
    };
    block_on(async {
        for n in 0..20 {
            within(&engine, &format!("n{n}")).create_namespace(Scope::SHARED).await.unwrap();
        }
        let (first, second) = (fill("mallory").await, fill("alice").await);
        let left = first as f64 / second as f64;
        assert!(
            (1.9..2.2).contains(&left),
            "{first} ids were taken, and then {second}: half of what was left each time"
        );
        // With a namespace all that was kept of it goes.
        let before = engine.namespaces().totals().request_bytes.total();
        within(&engine, "n7").delete_namespace().await.unwrap();
        let after = engine.namespaces().totals().request_bytes.total();
        assert!((0.9..0.98).contains(&(after as f64 / before as f64)), "{before} {after}");
    });
    let live = engine.namespaces();
    drop(engine);
    end.join();
    assert_alike(&memory, &live);
}

#[test]
fn request_ids_that_come_together_take_no_more_than_their_share() {
    let options = EngineOptions { request_ids_bytes_max: 64 * 1_024, ..EngineOptions::default() };
    let (engine, end) = Engine::open(MemoryStore::new(STORE_ID).open(), options).unwrap();
    block_on(async {
        let scope = Scope::of(Some("mallory"));
        let mut writes = Vec::new();
        for n in 0..1_000_u128 {
            let (engine, request) = (engine.clone(), Request { scope, ..request(n, n) });
            writes.push(tokio::spawn(async move {
                drop(engine.write(vec![put_bare("ann")], Some(request), Report::Revision).await);
            }));
        }
        for write in writes {
            write.await.unwrap();
        }
        let taken = engine.namespaces().totals().request_bytes.of(scope);
        assert!((31 * 1_024..=33 * 1_024).contains(&taken), "{taken} bytes are not half of 64 KiB");
    });
    drop(engine);
    end.join();
}

#[test]
fn what_is_over_is_forgotten_in_namespaces_that_nobody_writes_to() {
    let (memory, time) = (MemoryStore::new(STORE_ID), SetTime::at(BEGUN));
    let options = EngineOptions { erased_ids_days: 1, ..EngineOptions::default() };
    let (engine, end) = Engine::open_at(memory.open(), options, time.clone()).unwrap();
    let delete =
        |id| Change::DeleteMember { id: member_id(id), precondition: Precondition::None, allow_missing: false };
    block_on(async {
        for n in 0..5 {
            let own = within(&engine, &format!("n{n}"));
            own.create_namespace(Scope::SHARED).await.unwrap();
            for id in 0..60_u128 {
                own.write(vec![put_bare("ann")], Some(request(id, id)), Report::Revision).await.unwrap();
            }
            own.write(vec![delete("ann")], None, Report::Revision).await.unwrap();
        }
        let kept = || (engine.namespaces().totals().rows.requests, engine.namespaces().totals().erased);
        assert_eq!(kept(), (300, 5));
        time.pass_ms(DAY_MS + 1_000);
        // A command of another namespace forgets 64 at most.
        for left in [241, 177, 113, 49, 0] {
            engine.write(vec![put_bare(&format!("m{left}"))], None, Report::Revision).await.unwrap();
            let (requests, erased) = kept();
            assert_eq!(requests + erased, left);
        }
        assert_eq!(kept(), (0, 0));
    });
    let live = engine.namespaces();
    drop(engine);
    end.join();
    assert_alike(&memory, &live);
}

#[test]
fn a_namespace_counts_in_its_creators_share_until_it_is_deleted() {
    let memory = MemoryStore::new(STORE_ID);
    let options = EngineOptions { checkpoint_log_bytes_min: 1, ..EngineOptions::default() };
    let (ann, bob) = (Scope::of(Some("ann")), Scope::of(Some("bob")));
    for round in 0..3 {
        let (engine, end) = Engine::open(memory.open(), options).unwrap();
        block_on(async {
            for (n, creator) in [ann, bob, ann].into_iter().enumerate() {
                within(&engine, &format!("r{round}n{n}")).create_namespace(creator).await.unwrap();
            }
            within(&engine, &format!("r{round}n0")).delete_namespace().await.unwrap();
            let again = within(&engine, &format!("r{round}n1")).create_namespace(ann).await;
            assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
        });
        let live = engine.namespaces();
        let created = &live.totals().created;
        assert_eq!((created.of(ann), created.of(bob), created.of(Scope::SHARED)), (round + 1, round + 1, 1));
        assert_eq!(live.largest().next().map(|(members, _)| members), Some(0));
        drop(engine);
        end.join();
        assert_alike(&memory, &live);
    }
}
