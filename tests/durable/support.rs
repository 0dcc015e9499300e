//! Stores to open again, values to put, and what a store gives back.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kith::domain::{
    Audience, Change, Command, EdgeAttrs, EdgeFilter, EdgeKey, EdgePut, Error, KindName, Member, MemberAttrs, MemberId,
    MemberPatch, NamespaceName, Precondition, Request, RequestId, Scope, Sphere, Status, StatusAttrs, StatusId,
    Strength, TimeMs, TopicSet,
};
use kith::engine::{Engine, EngineOptions, Namespaces, Refusal, State, WriterEnd};
use kith::store::{CheckpointHead, CheckpointLoader, Commit, Loader, MemoryStore, Row, Store, StoreError, StoreId};

pub const STORE_ID: StoreId = StoreId(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);

/// Opens a store again and again; what it opened before must be closed.
pub type Opener<'a> = &'a dyn Fn() -> Store;

/// Runs a test on every store there is.
pub fn on_every_store(mut test: impl FnMut(Opener)) {
    let memory = MemoryStore::new(STORE_ID);
    test(&|| memory.open());
    let folder = tempfile::tempdir().unwrap();
    test(&|| open_store(&folder.path().join("store")).unwrap());
}

pub fn open_store(folder: &Path) -> Result<Store, StoreError> {
    Store::open(folder, || STORE_ID)
}

/// The error of a command that was refused as a whole.
pub fn whole(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Command(error) => error,
        Refusal::Change { index, error } => panic!("change {index}: {error:?}"),
    }
}

/// All that a store gives back.
#[derive(Debug, Default, PartialEq)]
pub struct Loaded {
    pub head: Option<CheckpointHead>,
    pub rows: Vec<Row>,
    pub commits: Vec<Commit>,
}

impl CheckpointLoader for Loaded {
    fn head(&mut self, head: &CheckpointHead) -> Result<(), StoreError> {
        assert_eq!(*self, Loaded::default(), "the head comes first");
        self.head = Some(head.clone());
        Ok(())
    }

    fn row(&mut self, row: Row) -> Result<(), StoreError> {
        assert!(self.head.is_some() && self.commits.is_empty(), "rows come between the head and the commits");
        self.rows.push(row);
        Ok(())
    }
}

impl Loader for Loaded {
    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        self.commits.push(commit);
        Ok(())
    }
}

pub fn load(store: &mut Store) -> Loaded {
    let mut loaded = Loaded::default();
    store.load(&mut loaded).unwrap();
    loaded
}

/// The state of the default namespace of a store that no engine serves.
pub fn state_of(store: &mut Store) -> Arc<State> {
    Namespaces::load(store).unwrap().default_state().clone()
}

pub fn member_id(text: &str) -> MemberId {
    MemberId::parse("id", text).unwrap()
}

pub fn status_id(text: &str) -> StatusId {
    StatusId::parse("id", text).unwrap()
}

pub fn kind_name(text: &str) -> KindName {
    KindName::parse("kind", text).unwrap()
}

pub fn edge_key(from: &str, kind: &str, to: &str) -> EdgeKey {
    EdgeKey::new(member_id(from), kind_name(kind), member_id(to)).unwrap()
}

pub fn put_member(member: Member) -> Change {
    Change::PutMember { member, precondition: Precondition::None }
}

pub fn put_bare(id: &str) -> Change {
    put_member(Member::bare(member_id(id)))
}

/// Puts an edge, and its members where they are missing.
pub fn put_edge(from: &str, kind: &str, to: &str) -> Change {
    let put = EdgePut::bare(edge_key(from, kind, to));
    Change::PutEdge { put, precondition: Precondition::None, allow_missing_members: true }
}

pub fn request(id: u128, fingerprint: u128) -> Request {
    Request { id: RequestId(id), scope: Scope::SHARED, fingerprint }
}

/// A commit that puts one member, answered with `answer` under a request id.
pub fn commit(sequence: u64, answer: &[u8]) -> Commit {
    let request = request(u128::from(sequence), u128::from(sequence) << 64);
    let changes = vec![put_bare(&format!("member-{sequence}")), put_edge("a", "friend", "b")];
    let command = Command { time: TimeMs(1_700_000_000_000 + sequence as i64), request: Some(request), changes };
    Commit {
        sequence,
        namespace: NamespaceName::default(),
        command,
        answer: answer.to_vec(),
        events: vec![Vec::new(), Vec::new()],
    }
}

/// A status with every field set.
pub fn sample_status(id: &str, author: &str) -> Status {
    let strength = Strength::parse("min_strength", 0.125).unwrap();
    let (kinds, exclude) = (vec![kind_name("friend"), kind_name("family")], vec![member_id("nosy")]);
    let filter = EdgeFilter::new(kinds, vec![Sphere::Personal], Some(strength), exclude).unwrap();
    let attrs = StatusAttrs {
        text: "Who owns your data?".to_owned(),
        link: "https://example.org/data".to_owned(),
        topics: TopicSet::parse("topics", &["consumer-privacy"]).unwrap(),
        audience: Audience { filter, max_hops: 3 },
        post_time: TimeMs(1_700_000_000_000),
        expire_time: Some(TimeMs(1_800_000_000_000)),
    };
    Status { id: status_id(id), author: member_id(author), attrs }
}

/// A patch that sets what `change` sets.
pub fn patch(change: impl FnOnce(&mut MemberAttrs)) -> MemberPatch {
    let mut attrs = MemberAttrs::default();
    change(&mut attrs);
    MemberPatch { set: attrs.set_fields(), attrs, ..MemberPatch::default() }
}

/// A put of an edge with what `change` gives it.
pub fn edge_with(key: EdgeKey, change: impl FnOnce(&mut EdgeAttrs)) -> EdgePut {
    let mut put = EdgePut::bare(key);
    change(&mut put.attrs);
    put
}

pub fn open_engine(folder: &Path, options: EngineOptions) -> Result<(Engine, WriterEnd), StoreError> {
    Engine::open(open_store(folder)?, options)
}

pub fn block_on<T>(task: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(task)
}

/// Waits until a condition holds, at most half a minute.
pub async fn wait_until(condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < end, "waited too long");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Finds the files under a folder. What goes meanwhile, as a generation does, is not found.
pub fn files_under(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() { files_under(&path, found) } else { found.push(path) }
    }
}

pub fn copy_folder(from: &Path, to: &Path) {
    let mut files = Vec::new();
    files_under(from, &mut files);
    for file in files {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
}

/// Bytes that cannot be packed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..len).map(|_| random.u8(..)).collect()
}

/// A number from the environment, for longer runs.
pub fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
