//! The state of a namespace to rows of a checkpoint, and back.
//!
//! Members are numbered anew, without the gaps that erased ones left; an edge names its ends by these numbers.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::State;
use super::digest::Digest;
use super::edge_list::{EdgeList, EdgeListBuilder};
use super::pending::PendingEdge;
use super::records::{EdgeListKey, EdgeRecord, StatusRecord, strength_inputs};
use super::requests::Answered;
use super::token_key::TokenKey;
use crate::domain::limits::KINDS_MAX;
use crate::domain::{Edge, MemberId, NamespaceName, Privacy, Visibility};
use crate::graph::{GraphBuilder, Ids, KindIx, MemberIx, Pages, StrengthInputs};
use crate::store::{EdgeRow, NamespaceRow, Row, RowCounts, StoreError};

impl State {
    /// Counts the rows that it has in a checkpoint.
    pub fn row_counts(&self) -> RowCounts {
        RowCounts {
            namespaces: 1,
            kinds: self.graph.kinds().count() as u64,
            members: self.member_count(),
            edges: self.edge_count(),
            statuses: self.status_count(),
            requests: self.request_count(),
            blocks: self.graph.block_count(),
            tallies: self.tally_count(),
            erasures: self.erasures.row_count(),
            pending: self.pending_count(),
            pauses: 0,
            deleted: 0,
        }
    }
}

fn namespace_row(name: &NamespaceName, state: &State) -> NamespaceRow {
    NamespaceRow {
        name: name.clone(),
        create_sequence: state.create_sequence,
        create_time: state.create_time,
        sequence: state.sequence,
        time: state.time,
        digests: state.kept_digests().map(|digest| digest.0),
        secret: state.token_key.as_ref().map(|key| key.secret()),
        creator: state.creator,
    }
}

/// Gives every row of a namespace's state, in order.
pub fn rows<E>(name: &NamespaceName, state: &State, mut take: impl FnMut(Row) -> Result<(), E>) -> Result<(), E> {
    take(Row::Namespace(namespace_row(name, state)))?;
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
    erased.try_for_each(|(key, erased, until)| take(Row::Erased { key, erased, until }))
}

fn numbers_of(numbers: &[u32], one: MemberIx, other: MemberIx) -> (u32, u32) {
    (numbers[one.0 as usize], numbers[other.0 as usize])
}

fn edge_row(numbers: &[u32], from: MemberIx, record: EdgeRecord) -> EdgeRow {
    let EdgeRecord { to, kind, times, attrs } = record;
    EdgeRow { from: numbers[from.0 as usize], kind: kind.0, to: numbers[to.0 as usize], attrs, times }
}

/// Makes a namespace's state of its rows.
pub struct StateLoader {
    namespace: NamespaceRow,
    state: State,
    rows: Rows,
}

impl StateLoader {
    pub fn new(store_id: u128, namespace: NamespaceRow) -> StateLoader {
        StateLoader { namespace, state: State::empty(store_id), rows: Rows::default() }
    }

    /// Returns the namespace's name and state, once all of its rows were given.
    pub fn finish(self) -> Result<(NamespaceName, State), StoreError> {
        let StateLoader { namespace, mut state, rows } = self;
        state.edges.load_lists(rows.edges.build(rows.members));
        let ids = rows.ids.end(rows.builder.ids());
        if ids.count() != rows.members as usize {
            return Err(damaged("a member is there twice"));
        }
        let run = if rows.members as usize >= THREAD_MEMBERS_MIN { at_once } else { one_by_one };
        state.graph = rows.builder.build_with(ids, || edges_of(state.edges.lists()), run);
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
        (state.sequence, state.time) = (namespace.sequence, namespace.time);
        (state.create_sequence, state.create_time) = (namespace.create_sequence, namespace.create_time);
        state.creator = namespace.creator;
        state.token_key = namespace.secret.map(|secret| Arc::new(TokenKey::new(secret)));
        // The sum over a million members' records is not taken again at every start: rows carry checksums, and `verify` takes it.
        let [members, edges, statuses, tallies, blocks] = namespace.digests.map(Digest);
        state.members.load_digest(members);
        state.edges.load_digest(edges);
        state.statuses.load_digest(statuses);
        state.tallies.load_digest(tallies);
        state.blocks = blocks;
        Ok((namespace.name, state))
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

fn one_by_one<T: Send>(half: &(dyn Fn(usize) -> T + Sync)) -> [T; 2] {
    [half(0), half(1)]
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

/// How many members make it worth a thread to index their ids: small namespaces may be many.
const THREAD_MEMBERS_MIN: usize = 4_096;

/// The index of the members' ids, which a thread makes while the edges are read. A load that is refused meanwhile leaves the thread
/// behind; it ends by itself.
#[derive(Default)]
struct IdsBegun {
    has_begun: bool,
    /// None if there was none to be had, or it was not worth one.
    thread: Option<JoinHandle<Ids>>,
}

impl IdsBegun {
    fn begin(&mut self, ids: &[MemberId]) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        if ids.len() < THREAD_MEMBERS_MIN {
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

impl StateLoader {
    pub fn row(&mut self, row: Row) -> Result<(), StoreError> {
        let rows = &mut self.rows;
        match row {
            Row::Kind { slot, .. } if usize::from(slot) >= KINDS_MAX => return Err(damaged("a kind has no slot")),
            Row::Kind { slot, kind } if rows.builder.knows_kind(KindIx(slot), &kind.name) => {
                return Err(damaged("a kind is there twice"));
            }
            Row::Kind { slot, kind } => rows.builder.kind(KindIx(slot), kind),
            Row::Member { .. } if rows.ids.has_begun => return Err(damaged("a member follows an edge")),
            Row::Member { member, times } => {
                let ix = rows.builder.member(member.id.clone());
                self.state.topics.add_interests(ix, &member.attrs);
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
            Row::Erasure { .. } | Row::Pause { .. } | Row::Deleted { .. } | Row::Namespace(_) => {
                return Err(damaged("a row is of no namespace"));
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

pub fn damaged(what: &str) -> StoreError {
    StoreError::Damaged { what: format!("checkpoint: {what}") }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "fuzz.rs"]
mod fuzz;
