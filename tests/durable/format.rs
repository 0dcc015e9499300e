//! The bytes on disk, pinned in `format.golden`: a change of them is a new format, never an accident. `docs/FORMAT.md` explains them.
//! `KITH_REDRAW=1` writes the file anew.

use kith::domain::{
    Block, Change, Command, Day, DayOfAsks, EdgeAttrs, EdgePut, ErasureKey, Event, Fields, History, InteractionRecord,
    IntroducerTally, Introduction, Kind, KindAttrs, KindMerge, Member, MemberAttrs, MemberPatch, NamespaceName, Origin,
    Precondition, Request, RequestId, Scope, Secret, Sphere, Stage, Strength, TimeMs, Times, TopicSet, Visibility,
};
use kith::store::{BackupPacker, CheckpointHead, Commit, EdgeRow, MemoryStore, NamespaceRow, Row, RowCounts};

use crate::support::*;

/// Returns one of each change.
fn changes() -> Vec<Change> {
    let etag = || Precondition::Etag("e7a6".to_owned());
    let kind = reads();
    let mut patch = patch(|attrs| attrs.headline = "h".to_owned());
    patch.set = patch.set.and(MemberAttrs::LABELS);
    let key = || edge_key("ann", "friend", "bob");
    let record = InteractionRecord { key: key(), count: 300, time_s: 1_700_000_000 };
    let (allow_missing, allow_missing_members, precondition) = (true, true, Precondition::None);
    vec![
        Change::PutKind { kind, precondition: Precondition::Absent },
        Change::DeleteKind { name: kind_name("reads"), precondition: etag(), allow_missing },
        Change::PutMember { member: member(), precondition: Precondition::Present },
        Change::UpdateMember { id: member_id("ann"), patch, precondition: etag() },
        Change::DeleteMember { id: member_id("ann"), precondition: etag(), allow_missing },
        Change::PutEdge { put: whole_put(), precondition, allow_missing_members },
        Change::DeleteEdge { key: key(), precondition: etag(), allow_missing },
        Change::RecordInteractions { record },
        Change::PostStatus { status: sample_status("s", "ann") },
        Change::DeleteStatus { id: status_id("s"), precondition: etag(), allow_missing },
        Change::BlockMember { block: block() },
        Change::UnblockMember { block: block(), allow_missing },
        Change::PutMember { member: private_member(), precondition: Precondition::None },
        Change::UpdateMember {
            id: member_id("ann"),
            patch: crate::support::patch(|attrs| attrs.edges_visibility = Visibility::Connections),
            precondition: Precondition::None,
        },
        Change::PutEdge {
            put: edge_with(key(), |attrs| attrs.visibility = Visibility::Parties),
            precondition: Precondition::None,
            allow_missing_members: false,
        },
        Change::RecordIntroduction { introduction: introduction() },
        Change::PutIntroducerTally { introducer: member_id("ann"), tally: tally() },
        Change::EraseStatus { id: status_id("s") },
        Change::KeepSecret { secret: Secret([0x5e; 32]) },
        Change::CreateNamespace { creator: Scope(5) },
        Change::DeleteNamespace {},
        Change::Resume {},
        Change::PutKind { kind: carrying(), precondition: Precondition::Absent },
        Change::PutEdge {
            put: edge_with(key(), |attrs| attrs.asked_by = Some(member_id("bob"))),
            precondition: Precondition::None,
            allow_missing_members: false,
        },
        Change::MergeMember { id: member_id("ann"), patch: labeling(), precondition: Precondition::None },
        Change::UpdateMember { id: member_id("ann"), patch: labeling(), precondition: Precondition::None },
        Change::PutEdge {
            put: EdgePut { kept: EdgeAttrs::SINCE.and(EdgeAttrs::ORIGIN), ..whole_put() },
            precondition: Precondition::None,
            allow_missing_members,
        },
        Change::MergeKind {
            merge: KindMerge { kind: reads(), kept: KindAttrs::SPHERE.and(KindAttrs::HALF_LIFE) },
            precondition: Precondition::None,
        },
        Change::PutMember { member: member_with_duties(), precondition: Precondition::None },
    ]
}

/// Sets one label and removes another, and sets the headline.
fn labeling() -> MemberPatch {
    let label_changes = [("team".to_owned(), Some("7".to_owned())), ("city".to_owned(), None)].into();
    MemberPatch { label_changes, ..patch(|attrs| attrs.headline = "h".to_owned()) }
}

fn member() -> Member {
    let attrs = MemberAttrs {
        display_name: "Ann".to_owned(),
        headline: "é".to_owned(),
        topics: TopicSet::parse("topics", &["data", "privacy"]).unwrap(),
        labels: [("team".to_owned(), "7".to_owned())].into(),
        ..MemberAttrs::default()
    };
    Member { id: member_id("ann"), attrs }
}

fn private_member() -> Member {
    let attrs =
        MemberAttrs { edges_visibility: Visibility::Parties, hidden_from_suggestions: true, ..MemberAttrs::default() };
    Member { id: member_id("bob"), attrs }
}

fn member_with_duties() -> Member {
    let attrs = MemberAttrs { processing_restricted: true, objects_to_profiling: true, ..MemberAttrs::default() };
    Member { id: member_id("bob"), attrs }
}

fn block() -> Block {
    Block { by: member_id("ann"), of: member_id("bob") }
}

fn introduction() -> Introduction {
    Introduction { introducer: member_id("ann"), stage: Stage::Accepted, day: Day(19_675) }
}

fn tally() -> IntroducerTally {
    let recent = [(19_674, 1), (19_675, 4)].map(|(day, asks)| DayOfAsks { day: Day(day), asks });
    IntroducerTally::new(300, 2, 1, recent.to_vec()).unwrap()
}

pub fn reads() -> Kind {
    Kind::new(kind_name("reads"), Sphere::Public, false, 0.5, 60_000).unwrap()
}

fn origin() -> Origin {
    Origin { status: Some(status_id("s")), introducers: vec![member_id("cy")], note: "o".to_owned() }
}

fn carrying() -> Kind {
    let mut kind = reads();
    kind.attrs.carries_statuses = true;
    kind
}

fn whole() -> EdgeAttrs {
    EdgeAttrs {
        pinned: Some(Strength::parse("strength", 0.25).unwrap()),
        history: History { count: 300, faded: 1.5, last_s: 1_700_000_000 },
        since: Some(TimeMs(-1)),
        visibility: Visibility::Connections,
        note: "n".to_owned(),
        origin: Some(origin()),
        asked_by: None,
        labels: [("team".to_owned(), "7".to_owned())].into(),
    }
}

pub fn whole_put() -> EdgePut {
    EdgePut { key: edge_key("ann", "friend", "bob"), attrs: whole(), kept: Fields::NONE }
}

/// Rows of every sort; the edges have all parts, none, and the times of the one before.
fn rows() -> Vec<Row> {
    let times = Times { create: TimeMs(1_000), update: TimeMs(1_500) };
    let made = Times::new(TimeMs(1_000));
    let bare = |from, to| EdgeRow { from, kind: 2, to, attrs: EdgeAttrs::default(), times: made };
    let whole = EdgeRow { attrs: whole(), times, ..bare(1, 0) };
    let pending = EdgeAttrs { asked_by: Some(member_id("bob")), ..EdgeAttrs::default() };
    let kind = reads();
    let (id, fingerprint) = (RequestId(1), 0x0102 << 112);
    vec![
        Row::Erasure { sequence: 5, time: TimeMs(1_400) },
        Row::Pause { begin: TimeMs(1_400), end: TimeMs(7_200_000) },
        Row::Deleted { key: ErasureKey([0xd1; 32]), time: TimeMs(1_300) },
        Row::Namespace(NamespaceRow {
            name: NamespaceName::parse("name", "acme").unwrap(),
            create_sequence: 1,
            create_time: TimeMs(900),
            sequence: 6,
            time: TimeMs(1_500),
            digests: [0xfeed, 1, 2, 3, u128::MAX],
            secret: Some(Secret([0x5e; 32])),
            creator: Scope(6),
        }),
        Row::Kind { slot: 2, kind },
        Row::Member { member: member(), times },
        Row::Member { member: private_member(), times: made },
        Row::Edge(bare(0, 1)),
        Row::Edge(bare(0, 2)),
        Row::Edge(whole),
        Row::Status { status: sample_status("s", "ann"), times },
        Row::Request {
            scope: Scope(300),
            id,
            fingerprint,
            time: TimeMs(1_000),
            answer: Some(vec![0xab, 0xcd]),
            named: vec![7, 1 << 60],
        },
        Row::Block { by: 0, of: 1 },
        Row::Tally { introducer: 1, tally: tally() },
        Row::Pending(EdgeRow { attrs: pending, ..bare(0, 1) }),
    ]
}

const HEAD: CheckpointHead = CheckpointHead {
    sequence: 6,
    time: TimeMs(1_500),
    rows: RowCounts {
        kinds: 1,
        members: 2,
        edges: 3,
        statuses: 1,
        requests: 1,
        blocks: 1,
        tallies: 1,
        pending: 1,
        erasures: 1,
        namespaces: 1,
        pauses: 1,
        deleted: 1,
    },
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn commit_of(change: Change) -> Commit {
    let command = Command { time: TimeMs(1_700_000_000_123), request: None, changes: vec![change] };
    Commit { sequence: 7, namespace: NamespaceName::default(), command, answer: Vec::new(), events: vec![Vec::new()] }
}

/// Returns a commit of each change, of each event and of a request, in the order of the pinned ones.
fn commits() -> Vec<Commit> {
    let mut asked = commit_of(put_bare("ann"));
    asked.command.request = Some(Request { scope: Scope(300), ..request(1, 0x0102 << 112) });
    asked.answer = vec![0xab, 0xcd];
    let events = events().into_iter().map(|(change, event)| Commit { events: vec![vec![event]], ..commit_of(change) });
    let restored =
        restored().into_iter().map(|(change, event)| Commit { events: vec![vec![event]], ..commit_of(change) });
    let elsewhere = Commit { namespace: NamespaceName::parse("name", "acme").unwrap(), ..commit_of(put_bare("ann")) };
    changes().into_iter().map(commit_of).chain(events).chain([asked]).chain(restored).chain([elsewhere]).collect()
}

/// Returns a store with the checkpoint, written now.
fn written_checkpoint() -> MemoryStore {
    let memory = MemoryStore::beginning_after(STORE_ID, HEAD.sequence);
    let mut store = memory.open();
    let mut writer = store.begin_checkpoint(&HEAD).unwrap();
    rows().into_iter().for_each(|row| writer.row(row).unwrap());
    store.install(writer.finish().unwrap()).unwrap();
    memory
}

fn log_value(commit: &Commit) -> String {
    let memory = written_checkpoint();
    memory.open().log.append(std::slice::from_ref(commit)).unwrap();
    hex(&memory.commits()[0])
}

/// Returns everything that is pinned, by name.
fn written() -> Vec<(String, String)> {
    let mut written: Vec<(String, String)> = Vec::new();
    let checkpoint = written_checkpoint();
    let entries = checkpoint.checkpoint().clone();
    written.extend(entries.iter().map(|(key, value)| (format!("checkpoint-{}", hex(key)), hex(value))));
    written.extend(commits().iter().enumerate().map(|(at, commit)| (format!("commit-{at}"), log_value(commit))));
    let mut packer = BackupPacker::new(STORE_ID, &HEAD);
    let mut backup = packer.header();
    rows().iter().for_each(|row| backup.extend(packer.push(row).unwrap_or_default()));
    backup.extend(packer.finish());
    written.push(("backup".to_owned(), hex(&backup)));
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_store(folder.path()).unwrap();
    load(&mut store);
    store.log.append(&[commit(1, b"")]).unwrap();
    assert!(folder.path().join("generation-00000000000000000001").is_dir());
    let file = |name: &str| (name.to_owned(), hex(&std::fs::read(folder.path().join(name)).unwrap()));
    written.extend(["STORE", "TAIL"].map(file));
    written
}

#[test]
fn everything_is_written_and_read_as_ever() {
    let written = written();
    let text: String = written.iter().map(|(name, value)| format!("{name} {value}\n")).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/durable/format.golden");
    if std::env::var_os("KITH_REDRAW").is_some() {
        return std::fs::write(path, text).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    let pinned: Vec<(&str, &str)> = golden.lines().filter_map(|line| line.split_once(' ')).collect();
    for ((name, value), pinned) in written.iter().zip(&pinned) {
        assert_eq!((name.as_str(), value.as_str()), *pinned);
    }
    assert_eq!(written.len(), pinned.len());

    let of = |what: &str| -> Vec<(&str, &str)> {
        pinned.iter().filter_map(|(name, value)| Some((name.strip_prefix(what)?, *value))).collect()
    };
    for (commit, (_, value)) in commits().into_iter().zip(of("commit-")) {
        let store = MemoryStore::beginning_after(STORE_ID, HEAD.sequence);
        *store.checkpoint() = of("checkpoint-").iter().map(|(key, value)| (unhex(key), unhex(value))).collect();
        store.push_commit(unhex(value));
        let loaded = load(&mut store.open());
        assert_eq!((loaded.head, loaded.rows), (Some(HEAD), rows()));
        assert_eq!(loaded.commits, [commit]);
    }
}

/// Returns puts that restore times, each with an event that it says, and one of each event that says both times.
fn restored() -> Vec<(Change, Event)> {
    let times = Times { create: TimeMs(1_600_000_000_000), update: TimeMs(1_650_000_000_000) };
    let restore = |put| Change::Restore { times, put: Box::new(put) };
    let edge = EdgePut::bare(edge_key("ann", "friend", "bob")).edge(edge_key("ann", "friend", "bob"));
    let status = sample_status("s", "ann");
    let events = [
        Event::MemberPutAt { member: member(), times },
        Event::EdgePutAt { edge: edge.clone(), times },
        Event::StatusPutAt { status: status.clone(), times },
    ];
    let [member_put, edge_put, status_put] = events.clone();
    let said = [
        (restore(put_member(member())), member_put),
        (restore(put_edge("bob", "friend", "ann")), edge_put),
        (restore(Change::PostStatus { status }), status_put),
    ];
    said.into_iter().chain(events.map(|event| (put_bare("cy"), event))).collect()
}

/// Returns one of each event, after a change that says it or does not.
fn events() -> Vec<(Change, Event)> {
    let (time, before) = (TimeMs(1_700_000_000_123), TimeMs(1_700_000_000_000));
    let precondition = || Precondition::None;
    let kind = reads;
    let delete = || Change::DeleteStatus { id: status_id("s"), precondition: Precondition::None, allow_missing: false };
    let put = |from: &str, to: &str| Change::PutEdge {
        put: EdgePut { key: edge_key(from, "friend", to), ..whole_put() },
        precondition: Precondition::None,
        allow_missing_members: false,
    };
    let edge = || whole_put().edge(edge_key("ann", "friend", "bob"));
    let bare = EdgePut::bare(edge_key("ann", "friend", "bob")).edge(edge_key("ann", "friend", "bob"));
    let status = || sample_status("s", "ann");
    vec![
        (Change::PutKind { kind: kind(), precondition: precondition() }, Event::KindPut { kind: kind() }),
        (delete(), Event::KindPut { kind: kind() }),
        (delete(), Event::KindDeleted { name: kind_name("reads") }),
        (
            Change::PutMember { member: member(), precondition: precondition() },
            Event::MemberPut { member: member(), create_time: before },
        ),
        (delete(), Event::MemberPut { member: member(), create_time: time }),
        (delete(), Event::MemberDeleted { id: member_id("ann") }),
        (put("ann", "bob"), Event::EdgePut { edge: edge(), create_time: time }),
        (put("bob", "ann"), Event::EdgePut { edge: edge(), create_time: before }),
        (delete(), Event::EdgePut { edge: edge(), create_time: before }),
        (put("ann", "bob"), Event::EdgePut { edge: bare, create_time: time }),
        (delete(), Event::EdgeDeleted { key: edge_key("ann", "friend", "bob") }),
        (Change::PostStatus { status: status() }, Event::StatusPut { status: status(), create_time: time }),
        (delete(), Event::StatusPut { status: status(), create_time: time }),
        (delete(), Event::StatusDeleted { id: status_id("s") }),
        (delete(), Event::BlockPut { block: block() }),
        (delete(), Event::BlockDeleted { block: block() }),
        (delete(), Event::IntroducerTallyPut { introducer: member_id("ann"), tally: tally() }),
        (delete(), Event::MemberPut { member: private_member(), create_time: time }),
    ]
}
