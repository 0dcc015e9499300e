//! What the erasure journal knows, whatever became of its file, and whatever callers import.

use kith::domain::{Change, ErasedId, NamespaceName, TimeMs};
use kith::engine::Engine;

use crate::erasures::DAY_MS;
use crate::restores::{World, acme, erased, sound, whole_store};
use crate::support::*;

fn own_key(engine: &Engine) -> kith::domain::ErasureKey {
    engine.state().unwrap().erasures().own_key().unwrap()
}

fn import_erased(engine: &Engine, hash: u128, time: TimeMs) {
    let change = Change::RememberErased { key: own_key(engine), erased: vec![ErasedId { hash, time }] };
    assert!(block_on(engine.import(vec![change])).unwrap().results[0].is_ok());
}

#[test]
fn no_import_deletes_a_namespace_and_none_makes_a_backup_unfit_for_its_journal() {
    let mut world = World::begin();
    for hash in [0, 1, u128::MAX] {
        import_erased(&world.engine("acme"), hash, TimeMs(1_000));
    }
    let bytes = world.backup(None);
    world.close();
    let other = tempfile::tempdir().unwrap();
    assert_eq!(sound(whole_store(&bytes, other.path(), &world.erasures(other.path()))), erased(0));
    for _ in 0..3 {
        world.open();
        assert!(world.has("acme", "ghostly"));
        world.close();
    }
}

#[test]
fn an_erasure_in_times_to_come_does_not_outlast_whoever_is_put_again() {
    let mut world = World::begin();
    let (acme, ann) = (world.engine("acme"), member_id("ann"));
    let far = TimeMs(world.time_now().0 + 1_000 * DAY_MS);
    let hash = acme.state().unwrap().erasures().erased(&ann, far).unwrap().1.hash;
    import_erased(&acme, hash, far);
    world.time.pass_ms(1_000);
    world.erase("acme", "ann");
    world.time.pass_ms(1_000);
    block_on(acme.write(vec![put_bare("ann")], None, kith::engine::Report::Revision)).unwrap();
    drop(acme);
    for _ in 0..2 {
        world.close();
        world.open();
        assert!(world.has("acme", "ann"));
    }
}

#[test]
fn a_deletion_is_known_to_a_journal_that_was_lost_or_damaged_meanwhile() {
    for damaged in [false, true] {
        let mut world = World::begin();
        let bytes = world.backup(None);
        block_on(world.engine("acme").delete_namespace()).unwrap();
        world.close();
        if damaged {
            let mut journal = std::fs::read(world.journal()).unwrap();
            journal[20] ^= 1;
            std::fs::write(world.journal(), journal).unwrap();
        } else {
            std::fs::remove_file(world.journal()).unwrap();
        }
        world.open();
        world.close();
        assert_eq!(world.journal().with_extension("damaged").exists(), damaged);
        let other = tempfile::tempdir().unwrap();
        let left_out = sound(whole_store(&bytes, other.path(), &world.erasures(other.path())));
        assert_eq!(left_out.namespaces, [NamespaceName::parse("name", "acme").unwrap()]);
    }
}

#[test]
fn a_restore_leaves_out_who_was_erased_however_long_ago() {
    let mut world = World::begin_ago(500 * DAY_MS);
    let bytes = world.backup(None);
    world.erase("acme", "ghostly");
    world.close();
    let other = tempfile::tempdir().unwrap();
    assert_eq!(sound(acme(&bytes, other.path(), &world.erasures(other.path()))), erased(1));
}
