//! What thousands of small namespaces cost: memory, a start, and those who ask beside one that imports.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kith::domain::{NamespaceName, Scope};
use kith::engine::{Engine, EngineOptions, QueryOptions, Report, State, resident};
use kith::graph::Budget;

use crate::support::*;

/// The most bytes that a namespace may take beyond its content.
const NAMESPACE_BYTES_MAX: u64 = 64 * 1_024;

fn within(engine: &Engine, n: u64) -> Engine {
    engine.within(&NamespaceName::parse("name", &format!("n{n}")).unwrap())
}

/// The times that a read of a member takes, one after the other, in ms.
async fn reads(engine: &Engine, times: usize) -> Vec<f64> {
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = Instant::now();
        let query = |state: &State, _: &mut Budget<'_>| Ok(state.member("ann").is_some());
        assert!(engine.query(QueryOptions::default(), query).await.unwrap());
        taken.push(begun.elapsed().as_secs_f64() * 1_000.0);
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    taken.sort_by(f64::total_cmp);
    taken
}

#[test]
fn many_namespaces_cost_little() {
    let (count, folder) = (setting("KITH_NAMESPACES", 300), tempfile::tempdir().unwrap());
    let (engine, end) = open_engine(folder.path(), EngineOptions::default()).unwrap();
    let (before, begun) = (resident(), Instant::now());
    block_on(async {
        let mut made = Vec::new();
        for n in 0..count {
            let engine = within(&engine, n);
            made.push(tokio::spawn(async move {
                engine.create_namespace(Scope::SHARED).await.unwrap();
                engine.write(vec![put_edge("ann", "friend", "bob")], None, Report::Revision).await.unwrap();
            }));
        }
        for made in made {
            made.await.unwrap();
        }
    });
    let made_in = begun.elapsed();
    let each = resident().saturating_sub(before) / count;
    let digest = engine.namespaces().content(None).digest;
    drop(engine);
    end.join();
    let begun = Instant::now();
    let (engine, end) = open_engine(folder.path(), EngineOptions::default()).unwrap();
    let started_in = begun.elapsed();
    assert_eq!(engine.namespaces().content(None).digest, digest);
    let (alone, beside) = block_on(async {
        let alone = reads(&within(&engine, 0), 2_000).await;
        let (imported, done) = (within(&engine, 1), Arc::new(AtomicBool::new(false)));
        let stop = done.clone();
        let importing = tokio::spawn(async move {
            let mut records = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                let edge = |n: u64| put_edge(&format!("m{}", n % 70_001), "friend", &format!("o{}", n % 9_973));
                let changes = (records..records + 1_000).map(edge).collect();
                imported.import(changes).await.unwrap();
                records += 1_000;
            }
            records
        });
        let beside = reads(&within(&engine, 0), 2_000).await;
        done.store(true, Ordering::Relaxed);
        println!("{} records were imported meanwhile", importing.await.unwrap());
        (alone, beside)
    });
    let p99 = |taken: &[f64]| taken[taken.len() * 99 / 100];
    println!(
        "{count} namespaces of two members: made in {made_in:.1?}, {each} bytes each, a start in {started_in:.1?}; a read's p99 {:.3} ms alone and \
         {:.3} ms beside an import into another",
        p99(&alone),
        p99(&beside)
    );
    if std::env::var_os("KITH_TIMES").is_some() {
        assert!(each <= NAMESPACE_BYTES_MAX, "{each} bytes");
    }
    drop(engine);
    end.join();
}
