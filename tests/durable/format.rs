//! The bytes on disk, pinned: a change of them is a new format, never an accident. `docs/FORMAT.md` explains them.

use std::collections::BTreeMap;

use kith::domain::{
    Block, Change, Command, Day, DayOfAsks, EdgePut, Event, History, InteractionRecord, IntroducerTally, Introduction,
    Kind, Member, MemberPatch, Origin, Precondition, Privacy, Request, RequestId, Scope, Secret, Sphere, Stage,
    Strength, TimeMs, TopicSet, Visibility,
};
use kith::store::{BackupPacker, CheckpointHead, Commit, EdgeRow, MemoryStore, Row, Stamps};

use crate::support::*;

/// One of each change, and the log's value of the commit that holds it alone at sequence 7.
fn changes() -> Vec<(Change, &'static str)> {
    let etag = || Precondition::Etag("e7a6".to_owned());
    let kind = reads();
    let patch = MemberPatch { headline: Some("h".to_owned()), labels: Some(BTreeMap::new()), ..Default::default() };
    let key = || edge_key("ann", "friend", "bob");
    let record = InteractionRecord { key: key(), count: 300, time_s: 1_700_000_000 };
    let (allow_missing, allow_missing_members, precondition) = (true, true, Precondition::None);
    vec![
        (
            Change::PutKind { kind, precondition: Precondition::Absent },
            "01a4a5fb4bf6a1abfef962000101000572656164730300000000000000e03fe0d4030200",
        ),
        (
            Change::DeleteKind { name: kind_name("reads"), precondition: etag(), allow_missing },
            "0179a6a2a5f6a1abfef962000102000572656164730104653761360100",
        ),
        (
            Change::PutMember { member: member(), precondition: Precondition::Present },
            "01fc6ddfc7f6a1abfef9620001030003616e6e03416e6e02c3a90200046461746100077072697661637901047465616d\
         01370300",
        ),
        (
            Change::UpdateMember { id: member_id("ann"), patch, precondition: etag() },
            "013e8a51b2f6a1abfef9620001040003616e6e0001016800010001046537613600",
        ),
        (
            Change::DeleteMember { id: member_id("ann"), precondition: etag(), allow_missing },
            "013145546bf6a1abfef9620001050003616e6e0104653761360100",
        ),
        (
            Change::PutEdge { put: whole_put(), precondition, allow_missing_members },
            "0134f6a5d3f6a1abfef9620001060003616e6e0006667269656e640003626f621f0000803eac020000c03f80e2cfaa06\
         01016e0101730100026379016f000100",
        ),
        (
            Change::DeleteEdge { key: key(), precondition: etag(), allow_missing },
            "0132efb589f6a1abfef9620001070003616e6e0006667269656e640003626f620104653761360100",
        ),
        (
            Change::RecordInteractions { record },
            "01247b1adaf6a1abfef9620001080003616e6e0006667269656e640003626f62ac0280e2cfaa0600",
        ),
        (
            Change::PostStatus { status: sample_status("s", "ann") },
            "01122bc6bef6a1abfef96200010901730003616e6e1357686f206f776e7320796f757220646174613f1868747470733a\
         2f2f6578616d706c652e6f72672f64617461010010636f6e73756d65722d7072697661637902000666616d696c790006\
         667269656e640101010000003e0100046e6f73790380a0abfef9620180c0e285e36800",
        ),
        (
            Change::DeleteStatus { id: status_id("s"), precondition: etag(), allow_missing },
            "01520576a8f6a1abfef96200010a01730104653761360100",
        ),
        (Change::BlockMember { block: block() }, "0188b2824ff6a1abfef96200010b0003616e6e0003626f6200"),
        (
            Change::UnblockMember { block: block(), allow_missing },
            "0134514655f6a1abfef96200010c0003616e6e0003626f620100",
        ),
        (
            Change::PutMember { member: private_member(), precondition: Precondition::None },
            "01d5d1d573f6a1abfef96200010d0003626f6200000000060000",
        ),
        (
            Change::UpdateMember {
                id: member_id("ann"),
                patch: MemberPatch { edges_visibility: Some(Visibility::Connections), ..Default::default() },
                precondition: Precondition::None,
            },
            "0123e3413ff6a1abfef96200010e0003616e6e00000000010100000000",
        ),
        (
            Change::PutEdge {
                put: EdgePut { visibility: Visibility::Parties, ..EdgePut::bare(key()) },
                precondition: Precondition::None,
                allow_missing_members: false,
            },
            "018a613cdef6a1abfef9620001060003616e6e0006667269656e640003626f622002000000",
        ),
        (
            Change::RecordIntroduction { introduction: introduction() },
            "01adbb20ddf6a1abfef96200010f0003616e6e01db990100",
        ),
        (
            Change::PutIntroducerTally { introducer: member_id("ann"), tally: tally() },
            "0174ac14ccf6a1abfef9620001100003616e6eac02020102da990101db99010400",
        ),
        (Change::EraseStatus { id: status_id("s") }, "0197d53d53f6a1abfef962000112017300"),
        (
            Change::KeepSecret { secret: Secret([0x5e; 32]) },
            "01dcda0194f6a1abfef9620001115e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e00",
        ),
        (
            Change::PutKind { kind: Kind { carries_statuses: true, ..reads() }, precondition: Precondition::Absent },
            "01096195aaf6a1abfef962000101000572656164730302000000000000e03fe0d4030200",
        ),
        (
            Change::PutEdge {
                put: EdgePut { asked_by: Some(member_id("bob")), ..EdgePut::bare(key()) },
                precondition: Precondition::None,
                allow_missing_members: false,
            },
            "0129b9bb55f6a1abfef9620001060003616e6e0006667269656e640003626f624001000000",
        ),
    ]
}

fn member() -> Member {
    Member {
        id: member_id("ann"),
        display_name: "Ann".to_owned(),
        headline: "é".to_owned(),
        topics: TopicSet::parse("topics", &["data", "privacy"]).unwrap(),
        labels: [("team".to_owned(), "7".to_owned())].into(),
        privacy: Privacy::default(),
    }
}

fn private_member() -> Member {
    let privacy =
        Privacy { edges_visibility: Visibility::Parties, hidden_from_suggestions: true, declines_introducing: false };
    Member { privacy, ..Member::bare(member_id("bob")) }
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

pub fn whole_put() -> EdgePut {
    EdgePut {
        key: edge_key("ann", "friend", "bob"),
        pinned: Some(Strength::parse("strength", 0.25).unwrap()),
        history: Some(History { count: 300, faded: 1.5, last_s: 1_700_000_000 }),
        since: Some(TimeMs(-1)),
        visibility: Visibility::Everyone,
        note: "n".to_owned(),
        origin: Some(origin()),
        asked_by: None,
        kept: Default::default(),
    }
}

/// Rows of every sort; the edges have all parts, none, and the times of the one before.
fn rows() -> Vec<Row> {
    let stamps = Stamps { create_time: TimeMs(1_000), update_time: TimeMs(1_500) };
    let made = Stamps { create_time: TimeMs(1_000), update_time: TimeMs(1_000) };
    let bare = |from, to| EdgeRow {
        from,
        kind: 2,
        to,
        pinned: None,
        history: History::default(),
        since: None,
        visibility: Visibility::Everyone,
        note: String::new(),
        origin: None,
        stamps: made,
    };
    let whole = EdgeRow {
        pinned: Some(Strength::parse("strength", 0.25).unwrap()),
        history: History { count: 300, faded: 1.5, last_s: 1_700_000_000 },
        since: Some(TimeMs(-1)),
        visibility: Visibility::Connections,
        note: "n".to_owned(),
        origin: Some(origin()),
        stamps,
        ..bare(1, 0)
    };
    let kind = reads();
    let (id, fingerprint) = (RequestId(1), 0x0102 << 112);
    vec![
        Row::Kind { slot: 2, kind },
        Row::Member { member: member(), stamps },
        Row::Member { member: private_member(), stamps: made },
        Row::Edge(bare(0, 1)),
        Row::Edge(bare(0, 2)),
        Row::Edge(whole),
        Row::Status { status: sample_status("s", "ann"), stamps },
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
        Row::Pending { edge: bare(0, 1), asked_by_to: true },
    ]
}

const HEAD: CheckpointHead = CheckpointHead {
    sequence: 6,
    time: TimeMs(1_500),
    kinds: 1,
    members: 2,
    edges: 3,
    statuses: 1,
    requests: 1,
    blocks: 1,
    tallies: 1,
    pending: 1,
    erasures: 0,
    digest: 0xfeed,
    erased: 5,
    secret: Some(Secret([0x5e; 32])),
};

/// The checkpoint's keys and values.
const CHECKPOINT: [(&str, &str); 9] = [
    ("630000000000000000", "0171297abe000102000572656164730300000000000000e03fe0d403"),
    (
        "630000000000000001",
        "018e7e3a6506020003616e6e03416e6e02c3a90200046461746100077072697661637901047465616d013700d00fe8070003626f6200000000060000",
    ),
    (
        "630000000000000002",
        "017d465708020300020002d00f0002400100bf0200e8070000803eac020000c03f80e2cfaa0601016e0101730100026379016f01",
    ),
    (
        "630000000000000003",
        "010cf75c88030101730003616e6e1357686f206f776e7320796f757220646174613f1868747470733a2f2f6578616d706c652e6f72672f64617461010010636f6e73756d65722d7072697661637902000666616d696c790006667269656e640101010000003e0100046e6f73790380a0abfef9620180c0e285e368d00fe807",
    ),
    (
        "630000000000000004",
        "019faae8580901ac020100000000000000000000000000000000000000000000000000000000000201d00f0102abcd0207808080808080808010",
    ),
    ("630000000000000005", "01a5c1b10d05010001"),
    ("630000000000000006", "011b69febc070101ac02020102da990101db990104"),
    ("630000000000000007", "0128798e39080100020002d00f01"),
    (
        "68",
        "01152b632a06b817010203010108edfe000000000000000000000000000005010101015e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e",
    ),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

pub fn commit_of(change: Change) -> Commit {
    let command = Command { time: TimeMs(1_700_000_000_123), request: None, changes: vec![change] };
    Commit { sequence: 7, command, answer: Vec::new(), events: vec![Vec::new()] }
}

/// What a log holds after `commit`, and what a log with `value` gives back.
pub fn there_and_back(commit: &Commit, value: &str) -> (String, Vec<Commit>) {
    let written = written_checkpoint();
    written.open().log.append(std::slice::from_ref(commit)).unwrap();
    let found = hex(&written.commits()[0]);
    assert_eq!(found, value, "{commit:?}");
    let pinned = with_checkpoint();
    pinned.push_commit(unhex(value));
    (found, load(&mut pinned.open()).commits)
}

/// A store with the pinned checkpoint.
fn with_checkpoint() -> MemoryStore {
    let store = MemoryStore::beginning_after(STORE_ID, HEAD.sequence);
    *store.checkpoint() = CHECKPOINT.iter().map(|(key, value)| (unhex(key), unhex(value))).collect();
    store
}

/// The same, written now.
fn written_checkpoint() -> MemoryStore {
    let memory = MemoryStore::beginning_after(STORE_ID, HEAD.sequence);
    let mut store = memory.open();
    let mut writer = store.begin_checkpoint(&HEAD).unwrap();
    rows().into_iter().for_each(|row| writer.row(row).unwrap());
    store.install(writer.finish().unwrap()).unwrap();
    memory
}

#[test]
fn a_checkpoint_is_written_and_read_as_ever() {
    let store = written_checkpoint();
    let found: Vec<_> = store.checkpoint().iter().map(|(key, value)| (hex(key), hex(value))).collect();
    assert_eq!(found, CHECKPOINT.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let loaded = load(&mut with_checkpoint().open());
    assert_eq!((loaded.head, loaded.rows), (Some(HEAD), rows()));
}

#[test]
fn every_change_is_written_and_read_as_ever() {
    for (change, value) in changes() {
        let commit = commit_of(change);
        let (found, read) = there_and_back(&commit, value);
        assert_eq!(found, value, "{commit:?}");
        assert_eq!(read, [commit]);
    }
}

#[test]
fn a_request_is_written_with_its_answer_as_ever() {
    let mut commit = commit_of(put_bare("ann"));
    commit.command.request = Some(Request { scope: Scope(300), ..request(1, 0x0102 << 112) });
    commit.answer = vec![0xab, 0xcd];
    let value = "01b557cceff6a1abfef96202010000000000000000000000000000000000000000000000000000000000020102abcdac\
         0201030003616e6e000000000000";
    let (found, read) = there_and_back(&commit, value);
    assert_eq!(found, value);
    assert_eq!(read, [commit]);
}

#[test]
fn the_files_beside_sled_are_written_as_ever() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_store(folder.path()).unwrap();
    load(&mut store);
    store.log.append(&[commit(1, b"")]).unwrap();
    let bytes = |name: &str| hex(&std::fs::read(folder.path().join(name)).unwrap());
    assert_eq!(bytes("STORE"), "4b49544804000000ffeeddccbbaa99887766554433221100010000000000000092b55ad3");
    assert_eq!(bytes("TAIL"), "000000000000000069df22650100000000000000f7df88a9");
    assert!(folder.path().join("generation-00000000000000000001").is_dir());
}

#[test]
fn a_backup_is_written_as_ever() {
    let mut packer = BackupPacker::new(STORE_ID, &HEAD);
    let mut bytes = packer.header();
    rows().iter().for_each(|row| bytes.extend(packer.push(row).unwrap_or_default()));
    bytes.extend(packer.finish());
    let mut wanted = "4b49544842 4b5550 04000000 ffeeddccbbaa99887766554433221100 61d7f4d1".replace(' ', "");
    for (key, value) in CHECKPOINT {
        wanted += &format!("{}{}{value}", &key[..2], hex(&(value.len() as u32 / 2).to_le_bytes()));
    }
    assert_eq!(hex(&bytes), wanted);
}

/// One of each event, after a change that says it or does not, and the log's value of the commit that holds both at sequence 7.
fn events() -> Vec<(Change, Event, &'static str)> {
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
        (
            Change::PutKind { kind: kind(), precondition: precondition() },
            Event::KindPut { kind: kind() },
            "01522eb160f6a1abfef962000101000572656164730300000000000000e03fe0d403000109",
        ),
        (
            delete(),
            Event::KindPut { kind: kind() },
            "014c13bd27f6a1abfef96200010a017300000101000572656164730300000000000000e03fe0d403",
        ),
        (
            delete(),
            Event::KindDeleted { name: kind_name("reads") },
            "016d7182ccf6a1abfef96200010a01730000010200057265616473",
        ),
        (
            Change::PutMember { member: member(), precondition: precondition() },
            Event::MemberPut { member: member(), create_time: before },
            "010067ca42f6a1abfef9620001030003616e6e03416e6e02c3a9020004646174610007707269766163790104\
             7465616d013700010af601",
        ),
        (
            delete(),
            Event::MemberPut { member: member(), create_time: time },
            "0112dabcbff6a1abfef96200010a0173000001030003616e6e03416e6e02c3a9020004646174610007707269\
             7661637901047465616d013700",
        ),
        (delete(), Event::MemberDeleted { id: member_id("ann") }, "012439ed43f6a1abfef96200010a0173000001040003616e6e"),
        (
            put("ann", "bob"),
            Event::EdgePut { edge: edge(), create_time: time },
            "011db1a7f4f6a1abfef9620001060003616e6e0006667269656e640003626f621f0000803eac020000c03f80\
             e2cfaa0601016e0101730100026379016f0000010b00",
        ),
        (
            put("bob", "ann"),
            Event::EdgePut { edge: edge(), create_time: before },
            "01986aa1f4f6a1abfef9620001060003626f620006667269656e640003616e6e1f0000803eac020000c03f80\
             e2cfaa0601016e0101730100026379016f0000010cf601",
        ),
        (
            delete(),
            Event::EdgePut { edge: edge(), create_time: before },
            "016fd3edd6f6a1abfef96200010a0173000001050003616e6e0006667269656e640003626f621f0000803eac\
             020000c03f80e2cfaa0601016e0101730100026379016ff601",
        ),
        (
            put("ann", "bob"),
            Event::EdgePut { edge: bare, create_time: time },
            "0140e618b3f6a1abfef9620001060003616e6e0006667269656e640003626f621f0000803eac020000c03f80\
             e2cfaa0601016e0101730100026379016f000001050102030000",
        ),
        (
            delete(),
            Event::EdgeDeleted { key: edge_key("ann", "friend", "bob") },
            "01d0b75385f6a1abfef96200010a0173000001060003616e6e0006667269656e640003626f62",
        ),
        (
            Change::PostStatus { status: status() },
            Event::StatusPut { status: status(), create_time: time },
            "01d031fd21f6a1abfef96200010901730003616e6e1357686f206f776e7320796f757220646174613f186874\
             7470733a2f2f6578616d706c652e6f72672f64617461010010636f6e73756d65722d70726976616379020006\
             66616d696c790006667269656e640101010000003e0100046e6f73790380a0abfef9620180c0e285e368010d\
             00",
        ),
        (
            delete(),
            Event::StatusPut { status: status(), create_time: time },
            "01cb3f2263f6a1abfef96200010a01730000010701730003616e6e1357686f206f776e7320796f7572206461\
             74613f1868747470733a2f2f6578616d706c652e6f72672f64617461010010636f6e73756d65722d70726976\
             61637902000666616d696c790006667269656e640101010000003e0100046e6f73790380a0abfef9620180c0\
             e285e36800",
        ),
        (delete(), Event::StatusDeleted { id: status_id("s") }, "0191fa0b78f6a1abfef96200010a0173000001080173"),
        (delete(), Event::BlockPut { block: block() }, "01ff09befff6a1abfef96200010a01730000010e0003616e6e0003626f62"),
        (
            delete(),
            Event::BlockDeleted { block: block() },
            "013fd6303ef6a1abfef96200010a01730000010f0003616e6e0003626f62",
        ),
        (
            delete(),
            Event::IntroducerTallyPut { introducer: member_id("ann"), tally: tally() },
            "01a9d74abbf6a1abfef96200010a0173000001110003616e6eac02020102da990101db990104",
        ),
        (
            delete(),
            Event::MemberPut { member: private_member(), create_time: time },
            "0122b1c4bcf6a1abfef96200010a0173000001100003626f62000000000600",
        ),
    ]
}

#[test]
fn every_event_is_written_and_read_as_ever() {
    for (change, event, value) in events() {
        let commit = Commit { events: vec![vec![event]], ..commit_of(change) };
        let (found, read) = there_and_back(&commit, value);
        assert_eq!(found, value, "{commit:?}");
        assert_eq!(read, [commit]);
    }
}
