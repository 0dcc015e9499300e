//! A store that an earlier version wrote opens, and holds what it held.
//!
//! A version with a new format writes it anew: `KITH_WRITE_FIXTURE=folder cargo test --release --test durable fixture`. Its export is beside
//! it, and held against it by `tests/cli/upgrade.rs`.

use std::path::Path;

use kith::domain::{Block, Change, Day, Introduction, Member, Precondition, Stage, Visibility};
use kith::engine::{Engine, EngineOptions, Report};
use kith::store::Store;

use crate::support::*;

const FOLDER: &str = "tests/durable/fixtures/format-7";
const DIGEST: u128 = 307_847_332_698_212_149_666_234_996_661_706_132_294;
const SEQUENCE: u64 = 15;
/// Members, edges, statuses, blocks and tallies.
const COUNTS: [u64; 5] = [4, 2, 2, 2, 2];

/// What a fixture holds: everything there is, some of it under a checkpoint and the rest behind it.
fn write(folder: &Path) {
    let options = |checkpoint_log_bytes_min| EngineOptions { checkpoint_log_bytes_min, ..EngineOptions::default() };
    let post = |id: &str| Change::PostStatus { status: sample_status(id, "ann") };
    let delete = Change::DeleteMember { id: member_id("gone"), precondition: Precondition::None, allow_missing: false };
    let block = |of: &str| Change::BlockMember { block: Block { by: member_id("ann"), of: member_id(of) } };
    let hidden = |id: &str| {
        let mut member = Member::bare(member_id(id));
        member.attrs.edges_visibility = Visibility::Connections;
        put_member(member)
    };
    let introduced = |introducer: &str, stage, day| {
        let introduction = Introduction { introducer: member_id(introducer), stage, day: Day(day) };
        Change::RecordIntroduction { introduction }
    };
    let before = vec![
        put_bare("ann"),
        hidden("nosy"),
        put_edge("ann", "friend", "bob"),
        post("s1"),
        block("nosy"),
        introduced("bob", Stage::Asked, 19_675),
    ];
    let after = vec![
        put_edge("bob", "follows", "cy"),
        put_edge("ann", "client", "gone"),
        post("s2"),
        hidden("cy"),
        block("cy"),
        introduced("bob", Stage::Accepted, 19_676),
        introduced("cy", Stage::Asked, 19_676),
        delete,
    ];
    block_on(async {
        for (bytes_min, changes) in [(1, before), (u64::MAX, after)] {
            let (engine, end) = open_engine(folder, options(bytes_min)).unwrap();
            for (n, change) in changes.into_iter().enumerate() {
                let n = n as u128 + u128::from(bytes_min);
                engine.write(vec![change], Some(request(n, n)), Report::Results).await.unwrap();
            }
            let covered = || engine.metrics().checkpoint_sequence.get();
            wait_until(|| bytes_min > 1 || covered() >= 2).await;
            drop(engine);
            end.join();
        }
    });
}

#[test]
fn the_fixture_opens_to_what_it_held() {
    if let Some(folder) = std::env::var_os("KITH_WRITE_FIXTURE") {
        return write(Path::new(&folder));
    }
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER), copy.path());
    inspecting_changes_nothing(copy.path());
    let mut store = open_store(copy.path()).unwrap();
    let loaded = load(&mut store);
    let head = loaded.head.unwrap();
    assert!(head.sequence >= 2 && !loaded.commits.is_empty());
    assert_eq!(store.log.source().earliest(), 1);
    drop(store);
    let (engine, end) = Engine::open(open_store(copy.path()).unwrap(), EngineOptions::default()).unwrap();
    let state = engine.state().unwrap();
    let counts =
        [state.member_count(), state.edge_count(), state.status_count(), state.block_count(), state.tally_count()];
    assert_eq!((state.digest(), state.sequence(), counts), (DIGEST, SEQUENCE, COUNTS));
    // A day has passed since, or not: the request is remembered or forgotten.
    assert!(block_on(engine.write(vec![put_bare("ann")], Some(request(1, 1)), Report::Results)).is_ok());
    drop(engine);
    end.join();
}

/// What only reads a store writes nothing to it.
fn inspecting_changes_nothing(folder: &Path) {
    let scratch = tempfile::tempdir().unwrap();
    let bytes = || {
        let mut files = Vec::new();
        files_under(folder, &mut files);
        files.retain(|file| !file.ends_with("LOCK"));
        files.sort();
        files.into_iter().map(|file| (std::fs::read(&file).unwrap(), file)).collect::<Vec<_>>()
    };
    let before = bytes();
    let mut store = Store::inspect(folder, Some(scratch.path())).unwrap();
    assert!(load(&mut store).head.is_some());
    drop(store);
    assert!(before == bytes(), "{} was changed", folder.display());
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "the copy is gone");
}
