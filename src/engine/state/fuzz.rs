//! Rows and commits are read from damaged bytes whose checksums hold. Whatever is accepted must bear every write, be found whole by no
//! panic, and come back from its own checkpoint.

use super::*;
use crate::domain::{
    Audience, Block, Change, Command, Day, EdgeFilter, EdgeKey, EdgePut, ErasureKey, Error, Finding, History,
    InteractionRecord, Introduction, KindAttrs, KindMerge, KindName, Member, MemberPatch, NamespaceName, Origin,
    Precondition, Request, RequestId, Scope, Secret, Stage, Status, StatusAttrs, StatusId, TimeMs, Times, TopicSet,
    builtin_kinds,
};
use crate::engine::state::{Record, Verifier};
use crate::fuzz::fuzz;
use crate::store::{ChunkPacker, Commit, decode_commit, encode_commit, unpack};

fn id(text: &str) -> MemberId {
    MemberId::parse("id", text).unwrap()
}

fn key(from: &str, kind: &str, to: &str) -> EdgeKey {
    EdgeKey::new(id(from), KindName::parse("kind", kind).unwrap(), id(to)).unwrap()
}

fn put_edge(key: EdgeKey, change: impl FnOnce(&mut EdgePut)) -> Change {
    let mut put = EdgePut::bare(key);
    change(&mut put);
    Change::PutEdge { put, precondition: Precondition::None, allow_missing_members: true }
}

fn put_member(text: &str, change: impl FnOnce(&mut Member)) -> Change {
    let mut member = Member::bare(id(text));
    change(&mut member);
    Change::PutMember { member, precondition: Precondition::None }
}

fn post(text: &str, author: &str) -> Change {
    let kinds = vec![KindName::parse("kind", "friend").unwrap()];
    let attrs = StatusAttrs {
        text: "hello".to_owned(),
        link: "https://example.org".to_owned(),
        topics: TopicSet::parse("topics", &["privacy"]).unwrap(),
        audience: Audience { filter: EdgeFilter::new(kinds, Vec::new(), None, vec![id("cy")]).unwrap(), max_hops: 3 },
        post_time: TimeMs(5),
        expire_time: Some(TimeMs(900)),
    };
    Change::PostStatus { status: Status { id: StatusId::parse("id", text).unwrap(), author: id(author), attrs } }
}

/// Returns changes that leave rows of every sort behind.
fn changes() -> Vec<Change> {
    let precondition = Precondition::None;
    let origin = Origin {
        status: StatusId::parse("id", "s").ok(),
        introducers: vec![id("cy"), id("dan")],
        note: "at a fair".to_owned(),
    };
    let asked = Introduction { introducer: id("cy"), stage: Stage::Asked, day: Day(20_000) };
    let kinds = builtin_kinds().into_iter();
    let mut changes: Vec<Change> =
        kinds.map(|kind| Change::PutKind { kind, precondition: Precondition::None }).collect();
    let patch = MemberPatch { label_changes: [("team".to_owned(), Some("7".to_owned()))].into(), ..Default::default() };
    changes.extend([
        Change::KeepSecret { secret: Secret([7; 32]) },
        Change::KeepErased { key: ErasureKey([3; 32]), days: 30 },
        put_member("ann", |member| member.attrs.topics = TopicSet::parse("topics", &["privacy", "dogs"]).unwrap()),
        put_member("bob", |member| member.attrs.edges_visibility = Visibility::Connections),
        Change::MergeMember { id: id("cy"), patch, precondition },
        post("s", "ann"),
        put_edge(key("bob", "friend", "ann"), |put| {
            *put = put.clone().with_history(History { count: 3, faded: 1.5, last_s: 9 });
            put.attrs.origin = Some(origin);
        }),
        put_edge(key("cy", "follows", "ann"), |put| put.attrs.visibility = Visibility::Parties),
        put_edge(key("ann", "follows", "cy"), |put| put.attrs.since = Some(TimeMs(-5))),
        put_edge(key("bob", "spouse", "cy"), |put| put.attrs.asked_by = Some(id("cy"))),
        put_edge(key("dan", "follows", "eve"), |put| put.attrs.asked_by = Some(id("dan"))),
        put_edge(key("dan", "family", "ann"), |put| drop(put.attrs.labels.insert("at".to_owned(), "home".to_owned()))),
        Change::Restore { times: Times { create: TimeMs(3), update: TimeMs(8) }, put: Box::new(post("t", "dan")) },
        Change::BlockMember { block: Block { by: id("ann"), of: id("eve") } },
        Change::RecordIntroduction { introduction: asked },
        put_member("fay", |_| {}),
        Change::DeleteMember { id: id("fay"), precondition: Precondition::None, allow_missing: false },
        Change::MergeKind {
            merge: KindMerge { kind: builtin_kinds().remove(1), kept: KindAttrs::PRIOR },
            precondition: Precondition::Present,
        },
    ]);
    changes
}

fn commits() -> Vec<Commit> {
    let commit = |(sequence, change): (u64, Change)| {
        let request = Request { id: RequestId(u128::from(sequence)), scope: Scope::SHARED, fingerprint: 0 };
        let command = Command { time: TimeMs(sequence as i64), request: Some(request), changes: vec![change] };
        Commit { sequence, namespace: NamespaceName::default(), command, answer: vec![1], events: vec![Vec::new()] }
    };
    (1..).zip(changes()).map(commit).collect()
}

fn state() -> State {
    let mut state = State::empty(7);
    state.replay(&commits()).unwrap();
    state
}

fn rows_of(state: &State) -> Vec<Row> {
    let mut all = Vec::new();
    rows::<()>(&NamespaceName::default(), state, |row| {
        all.push(row);
        Ok(())
    })
    .unwrap();
    all
}

/// Reads rows as those of a checkpoint.
fn read(rows: Vec<Row>) -> Result<State, StoreError> {
    let mut rows = rows.into_iter();
    let Some(Row::Namespace(namespace)) = rows.next() else { return Err(damaged("they are of no namespace")) };
    let mut loader = StateLoader::new(7, namespace);
    rows.try_for_each(|row| loader.row(row))?;
    loader.finish().map(|(_, state)| state)
}

/// Returns the rank of a row's sort in the order that rows have.
fn rank(row: &Row) -> usize {
    if matches!(row, Row::Namespace(_)) { 0 } else { 1 + row.count_index() }
}

struct Ignores;

impl Verifier for Ignores {
    fn found(&mut self, _: Finding) -> Result<(), Error> {
        Ok(())
    }

    fn progress(&mut self, _: u64, _: u64) -> Result<(), Error> {
        Ok(())
    }
}

/// Carries out every sort of write on a state, and everything that goes through it. None of it may panic; what is refused does not matter.
fn use_up(state: &State) {
    state.verify(&crate::engine::state::Kept::without_pauses(state.time()), &mut Ignores).unwrap();
    let again = through_bytes(&rows_of(state)).and_then(read);
    assert_eq!(again.expect("what was accepted is read again").state_digest(), state.state_digest());
    let mut changes = Vec::new();
    let precondition = || Precondition::None;
    for record in state.records() {
        match record {
            Record::Edge(edge) => {
                let key = edge.value.key;
                let record = InteractionRecord { key: key.clone(), count: 2, time_s: 10 };
                changes.push(Change::RecordInteractions { record });
                changes.push(put_edge(key, |put| put.attrs.visibility = Visibility::Connections));
            }
            Record::Member(member) => {
                let id = member.value.id;
                let introduction = Introduction { introducer: id.clone(), stage: Stage::Asked, day: Day(20_010) };
                changes.push(Change::RecordIntroduction { introduction });
                changes.push(put_member(id.as_str(), |member| member.attrs.edges_visibility = Visibility::Parties));
            }
            _ => {}
        }
    }
    for record in state.records() {
        changes.push(match record {
            Record::Edge(edge) if edge.value.key.to.as_str() < "c" => {
                Change::DeleteEdge { key: edge.value.key, precondition: precondition(), allow_missing: true }
            }
            Record::Status(status) => Change::EraseStatus { id: status.value.id },
            Record::Block(block) => Change::UnblockMember { block, allow_missing: true },
            Record::Member(member) => {
                Change::DeleteMember { id: member.value.id, precondition: precondition(), allow_missing: true }
            }
            Record::Kind(kind) => {
                Change::DeleteKind { name: kind.name, precondition: precondition(), allow_missing: true }
            }
            _ => continue,
        });
    }
    let mut used = state.clone();
    for (change, at) in changes.iter().zip(1..) {
        let command = Command { time: TimeMs(1_000 + at), request: None, changes: vec![change.clone()] };
        let sequence = used.sequence() + 1;
        let _ = used.replay(&[Commit {
            sequence,
            namespace: NamespaceName::default(),
            command,
            answer: Vec::new(),
            events: Vec::new(),
        }]);
    }
    used.verify(&crate::engine::state::Kept::without_pauses(used.time()), &mut Ignores).unwrap();
}

fn chunks_of(rows: &[Row]) -> Vec<Vec<u8>> {
    let mut packer = ChunkPacker::default();
    let mut chunks: Vec<Vec<u8>> = rows.iter().filter_map(|row| packer.push(row)).collect();
    chunks.extend(packer.close());
    chunks
}

fn through_bytes(rows: &[Row]) -> Result<Vec<Row>, StoreError> {
    let read = chunks_of(rows).iter().map(|chunk| unpack(chunk)).collect::<Result<Vec<_>, _>>();
    read.map(|rows| rows.into_iter().flatten().collect()).map_err(|malformed| damaged(malformed.0))
}

#[test]
fn no_member_is_made_with_more_labels_than_it_may_have() {
    let merged = |labels: u32| {
        let label_changes = (0..labels).map(|label| (label.to_string(), Some(String::new()))).collect();
        let patch = MemberPatch { label_changes, ..MemberPatch::default() };
        let change = Change::MergeMember { id: id("ann"), patch, precondition: Precondition::None };
        let command = Command { time: TimeMs(1), request: None, changes: vec![change] };
        State::empty(7).replay(&[Commit {
            sequence: 1,
            namespace: NamespaceName::default(),
            command,
            answer: Vec::new(),
            events: Vec::new(),
        }])
    };
    assert!(merged(64).is_ok() && merged(65).is_err());
}

#[test]
fn no_row_breaks_what_comes_after_it() {
    let state = state();
    let rows = rows_of(&state);
    use_up(&state);
    fuzz("rows", chunks_of(&rows), |bytes| -> Result<(), StoreError> {
        let forged = unpack(bytes).map_err(|malformed| damaged(malformed.0))?;
        let forged_rank = forged.first().map(rank);
        let before = rows.iter().filter(|row| Some(rank(row)) < forged_rank);
        let after = rows.iter().filter(|row| Some(rank(row)) > forged_rank);
        let rows = before.cloned().chain(forged.clone()).chain(after.cloned()).collect();
        use_up(&read(rows)?);
        Ok(())
    });
}

#[test]
fn no_commit_breaks_what_comes_after_it() {
    let state = state();
    fuzz("replays", commits().iter().map(encode_commit), |bytes| -> Result<(), StoreError> {
        let sequence = state.sequence() + 1;
        let commit = decode_commit(sequence, bytes, None).map_err(|malformed| damaged(malformed.0))?;
        let mut state = state.clone();
        state.replay(&[commit])?;
        use_up(&state);
        Ok(())
    });
}
