//! Callers take turns at the writer: however much one of them has waiting, another's write is among the next.

use std::sync::Arc;

use kith::engine::{Engine, EngineOptions, ImportStream, Report};
use kith::store::MemoryStore;

use crate::support::*;

/// Returns how many commands of others were carried out, at most, between when a write of one member was sent and its answer, while another
/// caller has `waiting` commands of 1,000 changes each waiting all the time.
fn overtaken(waiting: usize, imports: bool) -> u64 {
    let (engine, end) = Engine::open(MemoryStore::new(STORE_ID).open(), EngineOptions::default()).unwrap();
    let most = block_on(async {
        let many: Arc<str> = "many".into();
        let mut sent = Vec::new();
        for n in 0..waiting {
            let changes: Vec<_> = (0..1_000).map(|m| put_bare(&format!("m{n}-{m}"))).collect();
            let (engine, many) = (engine.clone(), many.clone());
            sent.push(tokio::spawn(async move {
                if imports {
                    let begun = engine.begin_import(changes, &ImportStream::of(many)).await;
                    begun.unwrap().end().await.unwrap();
                } else {
                    engine.write_for(many, changes, None, Report::Revision).await.unwrap();
                }
            }));
        }
        wait_until(|| engine.namespaces().sequence() > 2).await;
        let (few, mut most): (Arc<str>, u64) = ("few".into(), 0);
        // The first finds a batch under way that was begun when nobody else wrote.
        for n in 0..10 {
            let before = engine.namespaces().sequence();
            let put = vec![put_bare(&format!("few-{n}"))];
            let outcome = engine.write_for(few.clone(), put, None, Report::Revision).await.unwrap();
            if n > 0 {
                most = most.max(outcome.revision.sequence() - before);
            }
        }
        assert!(sent.iter().any(|sent| !sent.is_finished()), "nothing waited any more");
        for sent in sent {
            sent.await.unwrap();
        }
        most
    });
    drop(engine);
    end.join();
    most
}

#[test]
fn a_write_waits_for_few_of_anothers() {
    let most = overtaken(300, false);
    assert!(most <= 4, "{most} commands of 1,000 changes were carried out first");
}

#[test]
fn a_write_waits_for_few_imports_of_anothers() {
    // Their room keeps most of them from waiting at the writer.
    let most = overtaken(300, true);
    assert!(most <= 4, "{most} imports of 1,000 changes were carried out first");
}
