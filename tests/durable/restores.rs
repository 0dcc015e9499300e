//! Restores leave out who was erased since the backup, by the journal of the backup's own store, and a restored namespace is the one it was.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use kith::app::{
    Erased, Erasures, OfflineError, Restored, StoreCheck, export_store, restore_namespace, restore_store, verify_store,
};
use kith::domain::{Change, NamespaceName, Precondition, TimeMs};
use kith::engine::{Engine, EngineOptions, Namespaces, Report, SetTime, WriterEnd};
use tempfile::TempDir;

use crate::erasures::{DAY_MS, close, holds, open};
use crate::support::*;
use crate::verify::Findings;

/// A store with the namespaces `default` and `acme`, its journal, and when it is: a day ago, because a restore goes by the machine's clock.
pub struct World {
    pub folder: TempDir,
    pub time: Arc<SetTime>,
    running: Option<(Engine, WriterEnd)>,
}

impl World {
    pub fn begin() -> World {
        World::begin_ago(DAY_MS)
    }

    pub fn begin_ago(ms: i64) -> World {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let (folder, time) = (tempfile::tempdir().unwrap(), SetTime::at(TimeMs(now - ms)));
        let mut world = World { folder, time, running: None };
        world.open();
        block_on(world.engine("acme").create_namespace(kith::domain::Scope::SHARED)).unwrap();
        for (namespace, id) in [("default", "phantom"), ("acme", "ghostly")] {
            let changes = vec![put_bare("ann"), put_edge(id, "friend", "ann"), put_edge(id, "family", "bob")];
            block_on(world.engine(namespace).write(changes, None, Report::Revision)).unwrap();
        }
        world
    }

    /// A world whose store is restored.
    pub fn of(folder: TempDir, time: &Arc<SetTime>) -> World {
        let mut world = World { folder, time: time.clone(), running: None };
        world.open();
        world
    }

    pub fn open(&mut self) {
        self.running = Some(open(self.folder.path(), &self.time, EngineOptions::default()));
    }

    pub fn close(&mut self) {
        self.running.take().into_iter().for_each(close);
    }

    pub fn engine(&self, namespace: &str) -> Engine {
        self.running.as_ref().unwrap().0.within(&name(namespace))
    }

    pub fn has(&self, namespace: &str, id: &str) -> bool {
        self.engine(namespace).state().unwrap().member(id).is_some()
    }

    pub fn erase(&self, namespace: &str, id: &str) {
        self.time.pass_ms(1_000);
        let delete = Change::DeleteMember { id: member_id(id), precondition: Precondition::None, allow_missing: false };
        block_on(self.engine(namespace).write(vec![delete], None, Report::Revision)).unwrap();
    }

    pub fn backup(&self, only: Option<&str>) -> Vec<u8> {
        backup(&self.engine("default").namespaces(), only)
    }

    pub fn time_now(&self) -> TimeMs {
        self.engine("default").now()
    }

    pub fn journal(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    /// Where the erasures are, for a restore into a folder.
    pub fn erasures(&self, into: &Path) -> Erasures {
        Erasures { journal: Some(self.journal()), at_start: into.join("journal") }
    }
}

pub fn name(text: &str) -> NamespaceName {
    NamespaceName::parse("name", text).unwrap()
}

fn backup(namespaces: &Namespaces, only: Option<&str>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Ok(()) = namespaces.backup(only.map(name).as_ref(), |piece, _| {
        bytes.extend(piece);
        Ok::<_, Infallible>(())
    });
    bytes
}

pub type Restore = fn(&[u8], &Path, &Erasures) -> Result<Restored, OfflineError>;

pub fn whole_store(bytes: &[u8], into: &Path, erasures: &Erasures) -> Result<Restored, OfflineError> {
    restore_store(bytes, Path::new("backup"), &into.join("store"), erasures, &mut Findings::default())
}

fn one(only: &str, bytes: &[u8], into: &Path, erasures: &Erasures) -> Result<Restored, OfflineError> {
    let to = (&*into.join("store"), &name(only));
    restore_namespace(bytes, Path::new("backup"), to, erasures, &mut Findings::default())
}

pub fn acme(bytes: &[u8], into: &Path, erasures: &Erasures) -> Result<Restored, OfflineError> {
    one("acme", bytes, into, erasures)
}

fn beta(bytes: &[u8], into: &Path, erasures: &Erasures) -> Result<Restored, OfflineError> {
    one("beta", bytes, into, erasures)
}

/// What a restore that went well has erased.
pub fn sound(restored: Result<Restored, OfflineError>) -> Erased {
    let Restored { check, erased } = restored.unwrap();
    assert!(matches!(&check, StoreCheck::Read(checked, _) if checked.findings == 0), "{check:?}");
    erased
}

pub fn erased(members: u64) -> Erased {
    Erased { members, namespaces: Vec::new() }
}

#[test]
fn who_was_erased_since_is_never_in_what_is_restored() {
    let mut world = World::begin();
    let bytes = world.backup(None);
    world.erase("default", "phantom");
    world.erase("acme", "ghostly");
    let live = world.engine("default").namespaces();
    world.close();
    let restores: [(Restore, u64, &[&str]); 2] = [(whole_store, 2, &["default", "acme"]), (acme, 1, &["acme"])];
    for (restore, members, namespaces) in restores {
        let other = tempfile::tempdir().unwrap();
        assert_eq!(sound(restore(&bytes, other.path(), &world.erasures(other.path()))), erased(members));
        assert!(holds(other.path(), "ann") && !holds(other.path(), "ghostly") && !holds(other.path(), "phantom"));
        let restored = World::of(other, &world.time);
        for namespace in namespaces {
            let engine = restored.engine(namespace);
            assert_eq!(engine.state().unwrap().digest(), live.get(&name(namespace)).unwrap().digest());
            let gone = if *namespace == "acme" { "ghostly" } else { "phantom" };
            let results = block_on(engine.import(vec![put_bare(gone)])).unwrap().results;
            assert!(results[0].is_err(), "it is remembered that {gone} was erased");
        }
    }
}

#[test]
fn an_erasure_in_a_restored_namespace_holds_for_older_backups() {
    let mut world = World::begin();
    let bytes = world.backup(Some("acme"));
    world.close();
    let (other, third) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_eq!(sound(acme(&bytes, other.path(), &world.erasures(other.path()))), erased(0));
    world.time.pass_ms(DAY_MS);
    let mut restored = World::of(other, &world.time);
    restored.erase("acme", "ann");
    restored.close();
    assert_eq!(sound(acme(&bytes, third.path(), &restored.erasures(third.path()))), erased(1));
    assert!(!holds(third.path(), "ann") && holds(third.path(), "ghostly"));
}

#[test]
fn a_namespace_that_was_deleted_comes_back_as_a_new_one_alone() {
    let mut world = World::begin();
    let (all, own) = (world.backup(None), world.backup(Some("acme")));
    let key = |world: &World| world.engine("acme").state().unwrap().erasures().own_key();
    let before = key(&world);
    block_on(world.engine("acme").delete_namespace()).unwrap();
    world.close();
    let folder = &*world.folder.path().to_owned();
    for bytes in [&all, &own] {
        let refused = acme(bytes, folder, &world.erasures(folder));
        assert!(matches!(refused, Err(OfflineError::NamespaceErased(_))), "{refused:?}");
    }
    let other = tempfile::tempdir().unwrap();
    let left_out = sound(whole_store(&all, other.path(), &world.erasures(other.path())));
    assert_eq!(left_out, Erased { members: 0, namespaces: vec![name("acme")] });
    assert!(!holds(other.path(), "ghostly"));

    let ignored = Erasures { journal: None, ..world.erasures(folder) };
    assert_eq!(sound(acme(&all, folder, &ignored)), erased(0));
    for _ in 0..2 {
        world.open();
        assert!(world.has("acme", "ghostly"), "the journal says nothing of the new one");
        assert!(key(&world).is_some() && key(&world) != before);
        world.close();
    }
    // A start on a whole store would erase by the journal that is there.
    let stays = whole_store(&all, folder, &Erasures { journal: None, ..world.erasures(folder) });
    assert!(matches!(stays, Err(OfflineError::JournalStays { .. })), "{stays:?}");
}

#[test]
fn a_namespace_that_the_store_restored_into_has_erased_is_refused_too() {
    let mut world = World::begin();
    let bytes = world.backup(Some("acme"));
    world.close();
    let other = tempfile::tempdir().unwrap();
    sound(acme(&bytes, other.path(), &world.erasures(other.path())));
    let mut restored = World::of(other, &world.time);
    block_on(restored.engine("acme").delete_namespace()).unwrap();
    restored.close();
    let folder = restored.folder.path();
    let refused = acme(&bytes, folder, &world.erasures(folder));
    assert!(matches!(refused, Err(OfflineError::NamespaceErased(_))), "{refused:?}");
}

#[test]
fn what_a_restore_that_was_cut_short_has_put_is_a_finding_and_goes_at_the_next_start() {
    let mut world = World::begin();
    let half = world.engine("half");
    block_on(half.begin_restored()).unwrap();
    block_on(half.import(vec![put_bare("somebody")])).unwrap();
    drop(half);
    world.close();
    let store = world.folder.path().join("store");
    let check = verify_store(&store, None, &mut Findings::default()).unwrap();
    assert!(matches!(&check, StoreCheck::Read(checked, _) if checked.findings == 1), "{check:?}");
    let exported = export_store(&store, &name("half"), |_| Ok::<_, OfflineError>(()));
    assert!(matches!(exported, Err(OfflineError::NoNamespace { .. })), "{exported:?}");
    world.open();
    let names: Vec<String> = world.engine("default").namespaces().iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["acme", "default"]);
    block_on(world.engine("half").create_namespace(kith::domain::Scope::SHARED)).unwrap();
    world.close();
    world.open();
    assert!(world.engine("half").state().is_ok(), "one that is whole stays");
    world.close();
    assert!(
        matches!(&verify_store(&store, None, &mut Findings::default()), Ok(StoreCheck::Read(checked, _)) if checked.findings == 0)
    );
}

#[test]
fn a_journal_that_is_not_the_backups_own_or_lacks_what_that_knows_is_refused() {
    let mut world = World::begin();
    let begun = std::fs::read(world.journal()).unwrap();
    world.erase("acme", "ghostly");
    let (all, own) = (world.backup(None), world.backup(Some("acme")));
    world.close();
    let mut stranger = World::begin();
    stranger.erase("acme", "ann");
    stranger.close();
    let cut = tempfile::tempdir().unwrap();
    std::fs::write(cut.path().join("journal"), &begun).unwrap();
    let empty = tempfile::tempdir().unwrap();
    drop(kith::store::ErasureJournal::open(&empty.path().join("journal")).unwrap());
    let restores: [(Restore, &[u8]); 3] = [(whole_store, &all), (acme, &all), (acme, &own)];
    for (restore, bytes) in restores {
        let other = tempfile::tempdir().unwrap();
        let by = |journal: &Path| {
            let at_start = other.path().join("journal");
            restore(bytes, other.path(), &Erasures { journal: Some(journal.join("journal")), at_start })
        };
        for foreign in [stranger.folder.path(), empty.path()] {
            let refused = by(foreign);
            assert!(matches!(refused, Err(OfflineError::ForeignJournal { .. })), "{refused:?}");
        }
        let refused = by(cut.path());
        assert!(matches!(refused, Err(OfflineError::CutJournal { lacking: 1, .. })), "{refused:?}");
        assert!(!other.path().join("store").exists());
        assert_eq!(sound(by(world.folder.path())), erased(0));
    }
}

#[test]
fn a_journal_that_knows_another_namespace_of_the_backup_is_refused_too() {
    let mut world = World::begin();
    block_on(world.engine("beta").create_namespace(kith::domain::Scope::SHARED)).unwrap();
    block_on(world.engine("beta").write(vec![put_bare("zoe")], None, Report::Revision)).unwrap();
    let all = world.backup(None);
    world.erase("beta", "zoe");
    world.close();
    // A store that `acme` alone was restored into knows its key, and nothing of who was erased in `beta`.
    let (other, time) = (tempfile::tempdir().unwrap(), world.time.clone());
    let at = |folder: &Path| folder.join("journal");
    let erasures = Erasures { journal: Some(world.journal()), at_start: at(other.path()) };
    sound(acme(&all, other.path(), &erasures));
    let mut moved = World::of(other, &time);
    moved.close();
    let fresh = tempfile::tempdir().unwrap();
    for restore in [whole_store, beta] as [Restore; 2] {
        let erasures = Erasures { journal: Some(moved.journal()), at_start: at(fresh.path()) };
        let refused = restore(&all, fresh.path(), &erasures);
        assert!(matches!(refused, Err(OfflineError::ForeignJournal { .. })), "{refused:?}");
        assert!(!fresh.path().join("store").exists());
    }
    let erasures = Erasures { journal: Some(world.journal()), at_start: at(fresh.path()) };
    assert_eq!(sound(beta(&all, fresh.path(), &erasures)), erased(1));
    let restored = World::of(fresh, &time);
    assert!(!restored.has("beta", "zoe"));
}
