//! Stores that earlier versions wrote open, and hold what they held. `fixtures/format-1` is one of format 1; 3 has privacy, blocks and
//! tallies besides. None was kept of format 2, which no version was released with.
//!
//! A version with a new format adds a folder of its own: `KITH_WRITE_FIXTURE=folder cargo test --release --test durable fixture`.

use std::path::Path;

use kith::domain::{Block, Change, Day, Introduction, Member, Precondition, Privacy, Stage, Visibility};
use kith::engine::{Engine, EngineOptions};
use kith::store::{SledStore, Store};

use crate::support::*;

/// A store that was written.
struct Fixture {
    folder: &'static str,
    digest: u128,
    sequence: u64,
    /// Members, edges, statuses, blocks and tallies.
    counts: [u64; 5],
    /// Formats 1 to 3 know of none.
    lacks_secret: bool,
}

const FIXTURES: [Fixture; 2] = [
    Fixture {
        folder: "format-1",
        digest: 246_777_730_035_447_432_230_909_114_662_769_055_003,
        sequence: 9,
        counts: [4, 2, 2, 0, 0],
        lacks_secret: true,
    },
    Fixture {
        folder: "format-3",
        digest: 221_981_523_348_187_849_406_663_955_856_384_759_168,
        sequence: 15,
        counts: [4, 2, 2, 2, 2],
        lacks_secret: true,
    },
];

/// What a fixture holds: everything there is, some of it under a checkpoint and the rest behind it.
fn write(folder: &Path) {
    let options = |checkpoint_log_bytes_min| EngineOptions { checkpoint_log_bytes_min, ..EngineOptions::default() };
    let post = |id: &str| Change::PostStatus { status: sample_status(id, "ann") };
    let delete = Change::DeleteMember { id: member_id("gone"), precondition: Precondition::None, allow_missing: false };
    let block = |of: &str| Change::BlockMember { block: Block { by: member_id("ann"), of: member_id(of) } };
    let hidden = |id: &str| {
        let privacy = Privacy { edges_visibility: Visibility::Connections, ..Privacy::default() };
        put_member(Member { privacy, ..Member::bare(member_id(id)) })
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
                engine.write(vec![change], Some(request(n, n)), |_, _| b"answer".to_vec()).await.unwrap();
            }
            let covered = || engine.metrics().checkpoint_sequence.get();
            wait_until(|| bytes_min > 1 || covered() >= 2).await;
            drop(engine);
            end.join();
        }
    });
}

#[test]
fn fixtures_open_to_what_they_held() {
    if let Some(folder) = std::env::var_os("KITH_WRITE_FIXTURE") {
        return write(Path::new(&folder));
    }
    FIXTURES.iter().for_each(opens_to_what_it_held);
}

fn opens_to_what_it_held(fixture: &Fixture) {
    let copy = tempfile::tempdir().unwrap();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/durable/fixtures").join(fixture.folder);
    copy_folder(&kept, copy.path());
    inspecting_changes_nothing(copy.path());
    let mut store = open_sled(copy.path()).unwrap();
    let loaded = load(&mut store);
    let head = loaded.head.unwrap();
    assert!(head.sequence >= 2 && !loaded.commits.is_empty());
    assert_eq!(store.log().earliest(), 1);
    drop(store);
    let (engine, end) = Engine::open(Box::new(open_sled(copy.path()).unwrap()), EngineOptions::default()).unwrap();
    let state = engine.state();
    let counts =
        [state.member_count(), state.edge_count(), state.status_count(), state.block_count(), state.tally_count()];
    // One command more: a store without a secret gets one.
    let sequence = fixture.sequence + u64::from(fixture.lacks_secret);
    assert_eq!((state.digest(), state.sequence(), counts), (fixture.digest, sequence, fixture.counts));
    let again = block_on(engine.write(vec![put_bare("ann")], Some(request(1, 1)), |_, _| b"another".to_vec()));
    // A day has passed since, or not: the request is remembered or forgotten.
    assert!([b"answer".to_vec(), b"another".to_vec()].contains(&again.unwrap()));
    drop(engine);
    end.join();
}

/// What only reads a store does not bring it to this version's format, nor write anything else to it.
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
    let mut store = SledStore::inspect(folder, Some(scratch.path())).unwrap();
    assert!(load(&mut store).head.is_some());
    drop(store);
    assert!(before == bytes(), "{} was changed", folder.display());
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "the copy is gone");
}
