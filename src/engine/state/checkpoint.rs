//! The state to rows of a checkpoint, and back.
//!
//! Members are numbered anew, without the gaps that erased ones left; an edge names its ends by these numbers.

use std::io::Read;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::State;
use super::digest::Digest;
use super::edge_list::{EdgeList, EdgeListBuilder};
use super::pending::PendingEdge;
use super::records::{EdgeListKey, EdgeRecord, StatusRecord, strength_inputs};
use super::requests::Answered;
use super::token_key::TokenKey;
use crate::domain::limits::KINDS_MAX;
use crate::domain::{Edge, MemberId, Privacy, Sequence, TimeMs, Visibility};
use crate::engine::memory::Weight;
use crate::engine::progress::Progress;
use crate::engine::under_way::{BatchBytes, bytes_of_commit};
use crate::graph::{GraphBuilder, Ids, KindIx, MemberIx, Pages, StrengthInputs};
use crate::store::{
    BackupPacker, BackupReader, CheckpointHead, CheckpointLoader, CheckpointWriter, Commit, EdgeRow,
    FinishedCheckpoint, Loader, Row, Store, StoreError, StoreId, read_backup,
};

/// How far a checkpoint goes: its last command, and when that was accepted. Nothing without a checkpoint.
#[derive(Debug, Clone, Copy, Default)]
pub struct Covered {
    pub sequence: Sequence,
    pub time: TimeMs,
    /// What its rows take while a start reads them.
    pub weight: Weight,
}

pub fn head(state: &State) -> CheckpointHead {
    CheckpointHead {
        sequence: state.sequence,
        time: state.time,
        kinds: state.graph.kinds().count() as u64,
        members: state.member_count(),
        edges: state.edge_count(),
        statuses: state.status_count(),
        requests: state.requests.len() as u64,
        blocks: state.graph.block_count(),
        tallies: state.tally_count(),
        erasures: state.erasures.row_count(),
        pending: state.pending_count(),
        digests: state.kept_digests().map(|digest| digest.0),
        erased: state.erased,
        secret: state.token_key.as_ref().map(|key| key.secret()),
    }
}

/// Writes every row of the state, unless it is told to stop.
pub fn write(
    state: &State,
    mut writer: Box<dyn CheckpointWriter>,
    stop: &AtomicBool,
) -> Result<(FinishedCheckpoint, Weight), StoreError> {
    let mut weight = Weight::default();
    rows(state, |row| {
        if stop.load(Ordering::Relaxed) {
            return Err(StoreError::Io("it was told to stop".to_owned()));
        }
        weight.add(&row);
        writer.row(row)
    })?;
    writer.finish().map(|finished| (finished, weight))
}

/// Gives every row of the state, in order.
pub fn rows<E>(state: &State, mut take: impl FnMut(Row) -> Result<(), E>) -> Result<(), E> {
    for (ix, kind) in state.graph.kinds() {
        take(Row::Kind { slot: ix.0, kind: kind.clone() })?;
    }
    let mut numbers = vec![u32::MAX; state.members.indices()];
    for (number, ix) in state.graph.iter_members().enumerate() {
        numbers[ix.0 as usize] = number as u32;
        let record = state.members.get(ix).expect("every member of the graph has a record");
        let member = record.member(state.graph.id(ix).clone(), state.graph.privacy(ix));
        take(Row::Member { member, times: record.times })?;
    }
    for ix in state.graph.iter_members() {
        let list = state.edges.list(ix).expect("every member of the graph has a list of edges");
        for record in list.iter() {
            take(Row::Edge(edge_row(&numbers, ix, record)))?;
        }
    }
    for record in state.statuses.iter() {
        take(Row::Status { status: record.status.clone(), times: record.times })?;
    }
    for Answered { scope, id, fingerprint, time, answer, named } in state.requests.iter() {
        take(Row::Request { scope, id, fingerprint, time, answer, named })?;
    }
    let mut blocks: Vec<_> = state.graph.all_blocks().map(|(by, of)| numbers_of(&numbers, by, of)).collect();
    blocks.sort_unstable();
    blocks.into_iter().try_for_each(|(by, of)| take(Row::Block { by, of }))?;
    let tallies = state.graph.iter_members().filter_map(|ix| Some((ix, state.introducer_tally(ix)?.clone())));
    let mut tallies = tallies.map(|(ix, tally)| Row::Tally { introducer: numbers[ix.0 as usize], tally });
    tallies.try_for_each(&mut take)?;
    let pending = state.pending().map(|(from, kind, to, PendingEdge { edge, times })| {
        edge_row(&numbers, from, EdgeRecord { to, kind, times: *times, attrs: edge.attrs.clone() })
    });
    let mut pending: Vec<EdgeRow> = pending.collect();
    pending.sort_unstable_by_key(|edge| (edge.from, edge.to, edge.kind));
    pending.into_iter().try_for_each(|edge| take(Row::Pending(edge)))?;
    let days = state.erasures.days();
    state.erasures.keys().try_for_each(|key| take(Row::ErasureKey { key, days }))?;
    let mut erased = state.erasures.rows();
    erased.try_for_each(|(key, erased, until)| take(Row::Erased { key, erased, until }))?;
    state.erasures.deadlines().try_for_each(|(sequence, time)| take(Row::Erasure { sequence, time }))
}

fn numbers_of(numbers: &[u32], one: MemberIx, other: MemberIx) -> (u32, u32) {
    (numbers[one.0 as usize], numbers[other.0 as usize])
}

fn edge_row(numbers: &[u32], from: MemberIx, record: EdgeRecord) -> EdgeRow {
    let EdgeRecord { to, kind, times, attrs } = record;
    EdgeRow { from: numbers[from.0 as usize], kind: kind.0, to: numbers[to.0 as usize], attrs, times }
}

/// The store's state: its newest checkpoint and the commits after it. Also what the checkpoint covers.
pub fn load(store: &mut Store, batch: BatchBytes) -> Result<(State, Covered), StoreError> {
    let mut fold = Fold::new(State::empty(store.id.0), batch);
    store.load(&mut fold)?;
    fold.finish()?;
    let weight = fold.weight;
    let covered = fold.head.map(|head| Covered { sequence: head.sequence, time: head.time, weight });
    Ok((fold.state, covered.unwrap_or_default()))
}

impl State {
    /// The state of a store that no engine serves.
    pub fn load(store: &mut Store) -> Result<State, StoreError> {
        load(store, BatchBytes::default()).map(|(state, _)| state)
    }

    /// All of it as a backup, piece by piece; with each, how many rows went into those so far.
    pub fn backup<E>(&self, mut take: impl FnMut(Vec<u8>, u64) -> Result<(), E>) -> Result<(), E> {
        let mut packer = BackupPacker::new(StoreId(self.store_id), &head(self));
        take(packer.header(), 0)?;
        let mut done = 0;
        rows(self, |row| {
            let piece = packer.push(&row);
            done += 1;
            piece.map_or(Ok(()), |piece| take(piece, done))
        })?;
        take(packer.finish(), done)
    }

    /// The state that a backup is of.
    pub fn from_backup(backup: &mut BackupReader<impl Read>) -> Result<State, StoreError> {
        let mut fold = Fold::new(State::empty(backup.store.0), BatchBytes::default());
        read_backup(backup, &mut fold)?;
        fold.finish()?;
        Ok(fold.state)
    }
}

impl Fold {
    fn new(state: State, batch: BatchBytes) -> Fold {
        let progress = Progress::default();
        let (commits, weight) = (Vec::new(), Weight::default());
        Fold { state, rows: Some(Rows::default()), head: None, weight, commits, bytes: 0, batch, progress }
    }

    /// Makes the state whole, once everything was given.
    fn finish(&mut self) -> Result<(), StoreError> {
        self.finish_rows()?;
        self.replay()
    }

    fn replay(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        self.state.replay(&std::mem::take(&mut self.commits))
    }

    /// Makes a state of the rows of the checkpoint, once they are all there.
    fn finish_rows(&mut self) -> Result<(), StoreError> {
        let Some(rows) = self.rows.take() else { return Ok(()) };
        let state = &mut self.state;
        state.edges.load_lists(rows.edges.build(rows.members));
        let ids = rows.ids.end(rows.builder.ids());
        if ids.count() != rows.members as usize {
            return Err(damaged("a member is there twice"));
        }
        state.graph = rows.builder.build_with(ids, || edges_of(state.edges.lists()), at_once);
        state.graph.restrict_all(&rows.privacies, &rows.visibilities);
        for (by, of) in rows.blocks {
            state.graph.block(by, of);
        }
        for (from, kind, to) in rows.with_origin {
            let edge = state.edge_at(from, kind, to).ok_or_else(|| damaged("an edge is out of order"))?;
            state.edges.load_origin(&edge.value);
        }
        for EdgeRow { from, kind, to, attrs, times } in rows.pending {
            let slot = (MemberIx(from), KindIx(kind), MemberIx(to));
            if state.kept_edge(slot).is_some() {
                return Err(damaged("an edge both stands and is pending, or is pending twice"));
            }
            let edge = Edge { key: state.key_of(slot), attrs };
            if edge.attrs.asked_by.as_ref().is_none_or(|id| *id != edge.key.from && *id != edge.key.to) {
                return Err(damaged("a pending edge was asked for by neither end"));
            }
            state.edges.load_pending(&state.graph, slot, PendingEdge { edge, times });
        }
        for record in rows.statuses {
            if state.graph.find(record.status.author.as_str()).is_none() {
                return Err(damaged("a status has no author"));
            }
            state.store_status(record);
        }
        let Some(head) = &self.head else { return Ok(()) };
        state.sequence = head.sequence;
        state.time = head.time;
        state.erased = head.erased;
        state.token_key = head.secret.map(|secret| Arc::new(TokenKey::new(secret)));
        // The sum over a million members' records is not taken again at every start: rows carry checksums, and `verify` takes it.
        let [members, edges, statuses, tallies, blocks] = head.digests.map(Digest);
        state.members.load_digest(members);
        state.edges.load_digest(edges);
        state.statuses.load_digest(statuses);
        state.tallies.load_digest(tallies);
        state.blocks = blocks;
        if self::head(state) == *head { Ok(()) } else { Err(damaged("its counts are not those its head tells")) }
    }
}

impl Rows {
    fn edge(&mut self, row: EdgeRow) -> Result<(), StoreError> {
        let (from, kind, to) = (MemberIx(row.from), KindIx(row.kind), MemberIx(row.to));
        self.ids.begin(self.builder.ids());
        self.check_ends(&row)?;
        let EdgeRow { attrs, times, .. } = row;
        if attrs.asked_by.is_some() {
            return Err(damaged("an edge that stands is said to be pending"));
        }
        if attrs.origin.is_some() {
            self.with_origin.push((from, kind, to));
        }
        if attrs.visibility != Visibility::default() {
            self.visibilities.push((from, kind, to, attrs.visibility));
        }
        self.builder.count_edge(from, kind, to);
        self.edges.push(from, &EdgeRecord { to, kind, times, attrs })
    }
}

impl Rows {
    fn check_ends(&self, row: &EdgeRow) -> Result<(), StoreError> {
        let ids = self.builder.ids();
        let ends = ids.get(row.from as usize).zip(ids.get(row.to as usize));
        let (Some((from, to)), Some(kind)) = (ends, self.builder.get_kind(KindIx(row.kind))) else {
            return Err(damaged("an edge names a member or kind that is not there"));
        };
        if row.from == row.to {
            return Err(damaged("an edge joins a member to itself"));
        }
        if kind.attrs.symmetric && from > to {
            return Err(damaged("a symmetric edge is kept under its greater id"));
        }
        Ok(())
    }
}

/// What the graph needs of all edges.
fn edges_of(lists: &Pages<EdgeList>) -> impl Iterator<Item = (MemberIx, KindIx, MemberIx, StrengthInputs)> {
    (0..).zip(lists.iter()).flat_map(edges_from)
}

fn edges_from((from, list): (u32, &EdgeList)) -> impl Iterator<Item = (MemberIx, KindIx, MemberIx, StrengthInputs)> {
    list.iter().map(move |record| (MemberIx(from), record.kind, record.to, strength_inputs(&record.attrs)))
}

/// Runs two halves of a work on a thread each, if there is one to be had.
fn at_once<T: Send>(half: &(dyn Fn(usize) -> T + Sync)) -> [T; 2] {
    thread::scope(|scope| {
        let first = thread::Builder::new().spawn_scoped(scope, || half(0));
        let second = half(1);
        let first = first.map_or_else(|_| half(0), |thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        [first, second]
    })
}

/// The index of the members' ids, which a thread makes while the edges are read. A load that is refused meanwhile leaves the thread
/// behind; it ends by itself.
#[derive(Default)]
struct IdsBegun {
    has_begun: bool,
    /// None if there was none to be had.
    thread: Option<JoinHandle<Ids>>,
}

impl IdsBegun {
    fn begin(&mut self, ids: &[MemberId]) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let ids = ids.to_vec();
        self.thread = thread::Builder::new().spawn(move || Ids::of(&ids)).ok();
    }

    /// It is as if it was made here: a thread's panic goes on.
    fn end(self, ids: &[MemberId]) -> Ids {
        match self.thread {
            Some(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            None => Ids::of(ids),
        }
    }
}

/// Every member's list of edges, which come in the order of their `from` ends.
#[derive(Default)]
struct EdgeLists {
    /// Of the members before the one whose edges come now.
    whole: Vec<EdgeList>,
    open: EdgeListBuilder,
    last: Option<EdgeListKey>,
}

impl EdgeLists {
    fn push(&mut self, from: MemberIx, record: &EdgeRecord) -> Result<(), StoreError> {
        if self.whole.len() < from.0 as usize {
            self.fill(from.0);
        }
        if self.whole.len() > from.0 as usize || self.last >= Some(record.key()) {
            return Err(damaged("edges are out of order"));
        }
        self.last = Some(record.key());
        self.open.push(record);
        Ok(())
    }

    /// Ends the lists of all members before this one.
    fn fill(&mut self, member: u32) {
        self.whole.push(self.open.build());
        self.whole.resize_with(member as usize, EdgeList::default);
        self.last = None;
    }

    /// Of so many members.
    fn build(mut self, members: u32) -> Pages<EdgeList> {
        if self.whole.len() < members as usize {
            self.fill(members);
        }
        self.whole.into_iter().collect()
    }
}

/// Takes rows until the first commit, then commits.
struct Fold {
    state: State,
    /// Rows that still make a state; none once commits have begun.
    rows: Option<Rows>,
    head: Option<CheckpointHead>,
    /// What the rows take.
    weight: Weight,
    /// To be replayed together: what a batch of imports holds is put much faster than one change after the other.
    commits: Vec<Commit>,
    /// What they take, and how much that may be.
    bytes: u64,
    batch: BatchBytes,
    progress: Progress,
}

/// What has to be gathered whole before a graph can be built of it.
#[derive(Default)]
struct Rows {
    builder: GraphBuilder,
    members: u32,
    ids: IdsBegun,
    edges: EdgeLists,
    statuses: Vec<StatusRecord>,
    /// Edges that came of something, to be indexed.
    with_origin: Vec<(MemberIx, KindIx, MemberIx)>,
    privacies: Vec<(MemberIx, Privacy)>,
    visibilities: Vec<(MemberIx, KindIx, MemberIx, Visibility)>,
    blocks: Vec<(MemberIx, MemberIx)>,
    pending: Vec<EdgeRow>,
}

impl CheckpointLoader for Fold {
    fn head(&mut self, head: &CheckpointHead) -> Result<(), StoreError> {
        self.progress.expects(head);
        self.head = Some(head.clone());
        Ok(())
    }

    fn row(&mut self, row: Row) -> Result<(), StoreError> {
        self.progress.row();
        self.weight.add(&row);
        let rows = self.rows.as_mut().ok_or_else(|| damaged("a row follows a commit"))?;
        match row {
            Row::Kind { slot, .. } if usize::from(slot) >= KINDS_MAX => return Err(damaged("a kind has no slot")),
            Row::Kind { slot, kind } if rows.builder.knows_kind(KindIx(slot), &kind.name) => {
                return Err(damaged("a kind is there twice"));
            }
            Row::Kind { slot, kind } => rows.builder.kind(KindIx(slot), kind),
            Row::Member { .. } if rows.ids.has_begun => return Err(damaged("a member follows an edge")),
            Row::Member { member, times } => {
                let ix = rows.builder.member(member.id.clone());
                self.state.topics.add_interests(ix, &member.attrs.topics);
                self.state.members.load(&member, times);
                let privacy = member.attrs.privacy();
                if privacy != Privacy::default() {
                    rows.privacies.push((ix, privacy));
                }
                rows.members += 1;
            }
            Row::Edge(row) => rows.edge(row)?,
            Row::Status { status, times } => rows.statuses.push(StatusRecord { status, times }),
            Row::Request { scope, id, fingerprint, time, answer, named } => {
                self.state.requests.insert(&Answered { scope, id, fingerprint, time, answer, named });
            }
            Row::Block { by, of } => {
                let members = rows.members;
                if by >= members || of >= members || by == of {
                    return Err(damaged("a block names a member that is not there"));
                }
                rows.blocks.push((MemberIx(by), MemberIx(of)));
            }
            Row::Tally { introducer, .. } if introducer >= rows.members => {
                return Err(damaged("a tally is of a member that is not there"));
            }
            Row::ErasureKey { key, days } => self.state.erasures.load_key(key, days).map_err(damaged)?,
            Row::Erased { key, erased, until } => self.state.erasures.load(key, erased, until).map_err(damaged)?,
            Row::Erasure { sequence, time } => {
                self.state.erasures.load_deadline(sequence, time).map_err(damaged)?;
            }
            Row::Tally { introducer, tally } => {
                self.state.tallies.load(MemberIx(introducer), tally);
            }
            Row::Pending(edge) => {
                rows.check_ends(&edge)?;
                rows.pending.push(edge);
            }
        }
        Ok(())
    }
}

impl Loader for Fold {
    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        self.finish_rows()?;
        self.progress.commit();
        self.bytes += bytes_of_commit(&commit);
        self.commits.push(commit);
        if self.bytes < self.batch.0 { Ok(()) } else { self.replay() }
    }
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged { what: format!("checkpoint: {what}") }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "fuzz.rs"]
mod fuzz;
