//! Stores that earlier versions wrote open, and hold what they held. `fixtures/format-1` is one of format 1.
//!
//! A version with a new format adds a folder of its own: `KITH_WRITE_FIXTURE=folder cargo test --release --test durable fixture`.

use std::path::{Path, PathBuf};

use kith::domain::{Change, Precondition};
use kith::engine::{Engine, EngineOptions};
use kith::store::Store;

use crate::support::*;

/// The content digest and the sequence of the store that was written.
const DIGEST: u128 = 246_777_730_035_447_432_230_909_114_662_769_055_003;
const SEQUENCE: u64 = 9;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/durable/fixtures/format-1")
}

/// What a fixture holds: everything there is, some of it under a checkpoint and the rest behind it.
fn write(folder: &Path) {
    let options = |checkpoint_log_bytes_min| EngineOptions { checkpoint_log_bytes_min, ..EngineOptions::default() };
    let post = |id: &str| Change::PostStatus { status: sample_status(id, "ann") };
    let delete = Change::DeleteMember { id: member_id("gone"), precondition: Precondition::None, allow_missing: false };
    let before = vec![put_bare("ann"), put_bare("nosy"), put_edge("ann", "friend", "bob"), post("s1")];
    let after = vec![put_edge("bob", "follows", "cy"), put_edge("ann", "client", "gone"), post("s2"), delete];
    block_on(async {
        for (bytes_min, changes) in [(1, before), (u64::MAX, after)] {
            let (engine, end) = open_engine(folder, options(bytes_min)).unwrap();
            for (n, change) in changes.into_iter().enumerate() {
                let n = n as u128 + u128::from(bytes_min);
                engine.write(vec![change], Some(request(n, n)), |_, _| b"answer".to_vec()).await.unwrap();
            }
            let first = folder.join("generation-00000000000000000001");
            wait_until(|| bytes_min > 1 || !first.exists()).await;
            drop(engine);
            end.join();
        }
    });
}

#[test]
fn a_store_of_format_1_opens_to_what_it_held() {
    if let Some(folder) = std::env::var_os("KITH_WRITE_FIXTURE") {
        return write(Path::new(&folder));
    }
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&fixture(), copy.path());
    let mut store = open_sled(copy.path()).unwrap();
    let loaded = load(&mut store);
    let head = loaded.head.unwrap();
    assert!(head.sequence >= 2 && !loaded.commits.is_empty());
    assert_eq!(store.log().earliest(), 1);
    drop(store);
    let (engine, end) = Engine::open(Box::new(open_sled(copy.path()).unwrap()), EngineOptions::default()).unwrap();
    let state = engine.state();
    assert_eq!((state.digest(), state.sequence()), (DIGEST, SEQUENCE));
    assert_eq!((state.member_count(), state.edge_count(), state.status_count()), (4, 2, 2));
    let again = block_on(engine.write(vec![put_bare("ann")], Some(request(1, 1)), |_, _| b"another".to_vec()));
    // A day has passed since, or not: the request is remembered or forgotten.
    assert!([b"answer".to_vec(), b"another".to_vec()].contains(&again.unwrap()));
    drop(engine);
    end.join();
}
