//! A backup restored is the state it was of, and a damaged one is refused and leaves nothing.

use std::convert::Infallible;
use std::fs;
use std::path::Path;

use fastrand::Rng;
use kith::engine::{Engine, EngineOptions, Namespaces, Outcome, Report};
use kith::store::{BackupReader, Discard, MemoryStore, StoreError, StoreId, read_backup, restore};

use crate::support::*;
use crate::verify::{assert_sound, some_commands};

/// The restored store's own id.
const NEW_ID: StoreId = StoreId(0x7777);

/// All of a state, byte by byte.
pub fn backup(namespaces: &Namespaces) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Ok(()) = namespaces.backup(None, |piece, _| {
        bytes.extend(piece);
        Ok::<_, Infallible>(())
    });
    bytes
}

fn restored(folder: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    restore(folder, NEW_ID, &mut BackupReader::open(bytes)?)
}

fn read(bytes: &[u8]) -> Result<Namespaces, StoreError> {
    Namespaces::from_backup(&mut BackupReader::open(bytes)?)
}

/// What some commands made, and answers under request ids.
async fn some_state(random: &mut Rng) -> (std::sync::Arc<Namespaces>, Outcome) {
    let (engine, end) = Engine::open(MemoryStore::new(STORE_ID).open(), EngineOptions::default()).unwrap();
    some_commands(&engine, random).await;
    let ann = engine.write(vec![put_bare("ann")], Some(request(1, 1)), Report::Resource).await.unwrap();
    let namespaces = engine.namespaces();
    drop(engine);
    end.join();
    (namespaces, ann)
}

#[test]
fn what_is_restored_is_what_was_backed_up_and_goes_on_from_there() {
    let seed = setting("KITH_SEED", 5_000);
    for seed in seed..seed + 60 {
        block_on(async {
            let (namespaces, ann) = some_state(&mut Rng::with_seed(seed)).await;
            let (state, bytes) = (namespaces.default_state(), backup(&namespaces));
            let of_backup = read(&bytes).unwrap().default_state().clone();
            assert_sound(&of_backup);
            assert_eq!((of_backup.digest(), of_backup.sequence()), (state.digest(), state.sequence()), "seed {seed}");

            let folder = tempfile::tempdir().unwrap();
            restored(folder.path(), &bytes).unwrap();
            for round in 0..2 {
                let mut store = open_store(folder.path()).unwrap();
                assert_eq!((store.id, store.log.source().earliest()), (NEW_ID, state.sequence() + 1));
                let all = Namespaces::load(&mut store).unwrap();
                let loaded = all.default_state();
                drop(store);
                assert_sound(loaded);
                assert_eq!(loaded.sequence(), state.sequence() + round, "seed {seed}");
                assert!(loaded.records().eq(state.records()) || round > 0, "seed {seed}");
                assert_eq!(backup(&all) == bytes_of(NEW_ID, &namespaces), round == 0, "seed {seed}");
                let (engine, end) = open_engine(folder.path(), EngineOptions::default()).unwrap();
                // A request that was answered before the backup is answered as it was, at a revision of the new store.
                let again = engine.write(vec![put_bare("ann")], Some(request(1, 1)), Report::Resource).await.unwrap();
                assert_eq!((again.revision.sequence(), &again.resource), (ann.revision.sequence(), &ann.resource));
                engine.write(vec![put_bare(&format!("later-{round}"))], None, Report::Revision).await.unwrap();
                drop(engine);
                end.join();
            }
        });
    }
}

/// The backup that a store of another id would make of the same state.
fn bytes_of(id: StoreId, namespaces: &Namespaces) -> Vec<u8> {
    let mut bytes = backup(namespaces);
    bytes[12..28].copy_from_slice(&id.0.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..28]).to_le_bytes();
    bytes[28..32].copy_from_slice(&crc);
    bytes
}

#[test]
fn a_backup_with_any_damage_is_refused() {
    let seed = setting("KITH_SEED", 11);
    let random = &mut Rng::with_seed(seed);
    let bytes = block_on(async { backup(&some_state(random).await.0) });
    assert!(bytes.len() > 300, "{}", bytes.len());
    let refused = |bytes: &[u8]| {
        let rows = BackupReader::open(bytes).and_then(|mut backup| read_backup(&mut backup, &mut Discard));
        let error = rows.expect_err("damage is found");
        assert!(matches!(error, StoreError::Damaged { .. } | StoreError::UnknownFormat { .. }), "{error}");
        assert!(read(bytes).is_err());
    };
    for at in 0..bytes.len() {
        refused(&bytes[..at]);
        let mut changed = bytes.clone();
        changed[at] ^= 1 << random.u8(0..8);
        refused(&changed);
    }
    refused(&[&bytes[..], &[0]].concat());
    refused(&[&bytes[..], &bytes[32..]].concat());
    println!("{} cases, seed {seed}", 2 * bytes.len() + 2);
}

#[test]
fn a_restore_that_is_refused_leaves_nothing_and_takes_nothing_away() {
    let bytes = block_on(async { backup(&some_state(&mut Rng::with_seed(3)).await.0) });
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("store");
    for damaged in [&bytes[..bytes.len() - 1], &bytes[..40], &[&bytes[..], &[7]].concat()] {
        assert!(matches!(restored(&folder, damaged), Err(StoreError::Damaged { .. })));
        assert!(!folder.exists(), "it was not there before");
    }
    fs::create_dir_all(folder.join("lost+found")).unwrap();
    assert!(restored(&folder, &bytes[..bytes.len() - 1]).is_err());
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["lost+found"]);
    restored(&folder, &bytes).unwrap();
    // Where there is a store, or anything else, none is made.
    assert_eq!(restored(&folder, &bytes), Err(StoreError::NotEmpty));
    let digest = |all: &Namespaces| all.content(None).digest;
    assert_eq!(digest(&Namespaces::load(&mut open_store(&folder).unwrap()).unwrap()), digest(&read(&bytes).unwrap()));
    let other = parent.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("mine"), "mine").unwrap();
    assert_eq!(restored(&other, &bytes), Err(StoreError::NotEmpty));
    assert_eq!((fs::read_dir(&other).unwrap().count(), fs::read(other.join("mine")).unwrap()), (1, b"mine".to_vec()));
}

#[test]
fn what_an_interrupted_restore_leaves_is_no_store() {
    let bytes = block_on(async { backup(&some_state(&mut Rng::with_seed(4)).await.0) });
    let folder = tempfile::tempdir().unwrap();
    restored(folder.path(), &bytes).unwrap();
    // `STORE` is written last.
    fs::rename(folder.path().join("STORE"), folder.path().join("STORE.new")).unwrap();
    assert!(matches!(open_store(folder.path()).err(), Some(StoreError::Damaged { .. })));
    fs::remove_file(folder.path().join("TAIL")).unwrap();
    assert!(matches!(open_store(folder.path()).err(), Some(StoreError::Damaged { .. })));
    assert_eq!(restored(folder.path(), &bytes), Err(StoreError::NotEmpty));
}
