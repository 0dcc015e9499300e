//! Everything a store holds, record by record, without the state in memory: for a store that is too large to be served here.
//!
//! The store is read three times. The first time notes the members' ids, by their numbers, and what the log left behind of each
//! resource after the checkpoint; the other times give the checkpoint's rows with those notes applied. What is held meanwhile is the
//! ids of all members and the changes since the checkpoint, whose bytes `--checkpoint-log-bytes` bounds.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::revision::Revision;
use super::state::{Digest, Erasures, Hashed, Record, Stored, absent_kinds, tally_hash};
use crate::domain::limits::KINDS_MAX;
use crate::domain::{
    Block, Change, Edge, EdgeKey, Event, IntroducerTally, Kind, KindName, Member, MemberId, NamespaceName, Sequence,
    Status, StatusId, TimeMs, Times,
};
use crate::store::{CheckpointHead, CheckpointLoader, Commit, EdgeRow, Loader, Row, Store, StoreError};

/// How many records of each sort were given, and what they sum up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredTotals {
    pub kinds: u64,
    pub members: u64,
    pub statuses: u64,
    pub edges: u64,
    pub blocks: u64,
    pub introducer_tallies: u64,
    pub digest: u128,
    pub revision: String,
}

/// Why an export ended before its end: the store could not be read or has no such namespace, or the receiver of its records gave up.
#[derive(Debug)]
pub enum StoredExportError<E> {
    Store(StoreError),
    NoNamespace,
    Receiver(E),
}

/// Gives every record of a namespace of a store to `take`, in an order in which they can be put again: what a record names comes before it.
///
/// `open` opens the store anew each time. The log is read once: what it left behind is noted.
pub fn export_stored<E>(
    open: impl Fn() -> Result<Store, StoreError>,
    name: &NamespaceName,
    mut take: impl FnMut(Record) -> Result<(), E>,
) -> Result<StoredTotals, StoredExportError<E>> {
    let mut notes = Notes::default();
    let store_id = {
        let mut store = open().map_err(StoredExportError::Store)?;
        store.load(&mut OfNamespace::new(name, &mut notes)).map_err(StoredExportError::Store)?;
        store.id
    };
    // One that a restore has not put to its end is none: a start deletes it.
    if !notes.is_there || !name.is_default() && notes.remembered.own_key().is_none() {
        return Err(StoredExportError::NoNamespace);
    }
    let mut totals =
        StoredTotals { revision: Revision::new(store_id.0, notes.sequence).to_string(), ..StoredTotals::default() };
    let mut sum = Digest::default();
    for stage in [Stage::Named, Stage::Naming] {
        let receive = |record: Record| {
            count(&mut totals, &mut sum, &record);
            take(record)
        };
        let mut rows = Rows { notes: &notes, stage, given: HashSet::new(), refused: None, receive };
        if stage == Stage::Named {
            absent_kinds(|name| notes.has_kind(name))
                .try_for_each(&mut rows.receive)
                .map_err(StoredExportError::Receiver)?;
        }
        let read = open().and_then(|mut store| store.checkpoints.read(&mut OfNamespace::new(name, &mut rows)));
        if let Some(refused) = rows.refused {
            return Err(StoredExportError::Receiver(refused));
        }
        read.map_err(StoredExportError::Store)?;
        rows.added().map_err(StoredExportError::Receiver)?;
    }
    totals.digest = sum.0;
    Ok(totals)
}

fn count(totals: &mut StoredTotals, sum: &mut Digest, record: &Record) {
    let (counted, hash) = match record {
        Record::Kind(kind) => (&mut totals.kinds, kind.content_hash()),
        Record::Member(member) => (&mut totals.members, member.value.content_hash()),
        Record::Status(status) => (&mut totals.statuses, status.value.content_hash()),
        Record::Edge(edge) => (&mut totals.edges, edge.value.content_hash()),
        Record::Block(block) => (&mut totals.blocks, block.content_hash()),
        Record::IntroducerTally(introducer, tally) => (&mut totals.introducer_tallies, tally_hash(introducer, tally)),
        // They are no content.
        Record::AbsentKind(_) | Record::Erased(..) => return,
    };
    *counted += 1;
    sum.add(hash);
}

/// Passes on what concerns one namespace.
struct OfNamespace<'a, L> {
    name: &'a NamespaceName,
    /// Whether the rows that come are of the namespace.
    is_in: bool,
    loader: &'a mut L,
}

impl<'a, L> OfNamespace<'a, L> {
    fn new(name: &'a NamespaceName, loader: &'a mut L) -> OfNamespace<'a, L> {
        OfNamespace { name, is_in: false, loader }
    }
}

impl<L: CheckpointLoader> CheckpointLoader for OfNamespace<'_, L> {
    fn head(&mut self, head: &CheckpointHead) -> Result<(), StoreError> {
        self.loader.head(head)
    }

    fn row(&mut self, row: Row) -> Result<(), StoreError> {
        if let Row::Namespace(row) = &row {
            self.is_in = row.name == *self.name;
        }
        if self.is_in { self.loader.row(row) } else { Ok(()) }
    }
}

impl Loader for OfNamespace<'_, Notes> {
    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        self.loader.sequence = commit.sequence;
        if commit.namespace == *self.name { self.loader.commit(commit) } else { Ok(()) }
    }
}

/// Which event of the log, from 1 on; the checkpoint comes before them all, at 0.
type Position = u64;

/// A resource as the log left it, and by which event.
type Left<T> = (Position, Option<T>);

/// What the first reading notes.
#[derive(Default)]
struct Notes {
    /// Whether there is such a namespace.
    is_there: bool,
    /// Whether what the checkpoint has of the namespace is of one that was deleted.
    has_no_rows: bool,
    ids: Ids,
    /// The kinds of the checkpoint by their slots, in which edges name them.
    slots: Vec<Option<KindName>>,
    /// The last command of all.
    sequence: Sequence,
    /// The last event of all.
    position: Position,
    kinds: BTreeMap<KindName, Left<Kind>>,
    members: BTreeMap<MemberId, Left<Stored<Member>>>,
    statuses: BTreeMap<StatusId, Left<Stored<Status>>>,
    edges: BTreeMap<EdgeKey, Left<Stored<Edge>>>,
    blocks: BTreeMap<(MemberId, MemberId), Left<Block>>,
    tallies: BTreeMap<MemberId, Left<IntroducerTally>>,
    /// The last event that erased a member of this id. What the checkpoint and earlier events said of its edges, statuses, blocks and
    /// tally is void, and no event of their own says so.
    erased: HashMap<MemberId, Position>,
    /// Whose erasure is remembered, and when the last command was accepted.
    remembered: Erasures,
    time: TimeMs,
}

impl Notes {
    /// Takes over what an event of a command that was accepted at `now` says.
    fn note(&mut self, event: Event, now: TimeMs) {
        self.position += 1;
        let at = self.position;
        let since = |create: TimeMs| Times { create, update: now };
        match event {
            Event::KindPut { kind } => drop(self.kinds.insert(kind.name.clone(), (at, Some(kind)))),
            Event::KindDeleted { name } => drop(self.kinds.insert(name, (at, None))),
            Event::MemberPut { member, create_time } => self.note_member(at, Stored::of(member, since(create_time))),
            Event::MemberPutAt { member, times } => self.note_member(at, Stored::of(member, times)),
            Event::MemberDeleted { id } => {
                self.members.insert(id.clone(), (at, None));
                self.erased.insert(id, at);
            }
            Event::EdgePut { edge, create_time } => self.note_edge(at, Stored::of(edge, since(create_time))),
            Event::EdgePutAt { edge, times } => self.note_edge(at, Stored::of(edge, times)),
            Event::EdgeDeleted { key } => drop(self.edges.insert(key, (at, None))),
            Event::StatusPut { status, create_time } => self.note_status(at, Stored::of(status, since(create_time))),
            Event::StatusPutAt { status, times } => self.note_status(at, Stored::of(status, times)),
            Event::StatusDeleted { id } => drop(self.statuses.insert(id, (at, None))),
            Event::BlockPut { block } => {
                self.blocks.insert((block.by.clone(), block.of.clone()), (at, Some(block)));
            }
            Event::BlockDeleted { block } => drop(self.blocks.insert((block.by, block.of), (at, None))),
            Event::IntroducerTallyPut { introducer, tally } => {
                let known = (tally.asked() > 0).then_some(tally);
                self.tallies.insert(introducer, (at, known));
            }
        }
    }

    fn note_member(&mut self, at: Position, member: Stored<Member>) {
        self.members.insert(member.value.id.clone(), (at, Some(member)));
    }

    fn note_edge(&mut self, at: Position, edge: Stored<Edge>) {
        self.edges.insert(edge.value.key.clone(), (at, Some(edge)));
    }

    fn note_status(&mut self, at: Position, status: Stored<Status>) {
        self.statuses.insert(status.value.id.clone(), (at, Some(status)));
    }

    /// Takes over what a commit says of who is erased, and who was brought back.
    fn remember(&mut self, commit: &Commit) {
        let (time, changes) = (commit.command.time, &commit.command.changes);
        for (change, events) in changes.iter().zip(&commit.events) {
            match change {
                Change::KeepErased { key, days } => self.remembered.keep(*key, *days),
                // One that was accepted is accepted again.
                Change::RememberErased { key, erased } => drop(self.remembered.learn(*key, erased, time)),
                _ => {}
            }
            for event in events {
                match event {
                    Event::MemberDeleted { id } => self.remembered.add(id, time),
                    // Whatever put the member brought it back.
                    Event::MemberPut { member, .. } | Event::MemberPutAt { member, .. } => {
                        self.remembered.remove(&member.id);
                    }
                    _ => {}
                }
            }
        }
        self.time = time;
    }

    /// Whether what an event said of a member still counts.
    fn stands(&self, id: &MemberId, at: Position) -> bool {
        self.erased.get(id).is_none_or(|erased| *erased < at)
    }

    fn number(&self, number: u32) -> Result<MemberId, StoreError> {
        let id = self.ids.get(number).ok_or_else(|| damaged("a row names a member that is not there"))?;
        MemberId::parse("id", id).map_err(|_| damaged("a member's id is none"))
    }

    fn edge(&self, row: EdgeRow) -> Result<Stored<Edge>, StoreError> {
        let kind = self.slots.get(usize::from(row.kind)).cloned().flatten();
        let kind = kind.ok_or_else(|| damaged("an edge names a kind that is not there"))?;
        let key = EdgeKey { from: self.number(row.from)?, kind, to: self.number(row.to)? };
        Ok(Stored::of(Edge { key, attrs: row.attrs }, row.times))
    }
}

impl CheckpointLoader for Notes {
    fn head(&mut self, head: &CheckpointHead) -> Result<(), StoreError> {
        self.sequence = head.sequence;
        Ok(())
    }

    fn row(&mut self, row: Row) -> Result<(), StoreError> {
        match row {
            Row::Kind { slot, .. } if usize::from(slot) >= KINDS_MAX => return Err(damaged("a kind has no slot")),
            Row::Kind { slot, kind } => {
                self.slots.resize(KINDS_MAX, None);
                self.slots[usize::from(slot)] = Some(kind.name);
            }
            Row::Member { member, .. } => self.ids.push(member.id.as_str()),
            Row::Namespace(_) => self.is_there = true,
            Row::Edge(_)
            | Row::Pending(_)
            | Row::Status { .. }
            | Row::Request { .. }
            | Row::Block { .. }
            | Row::Tally { .. }
            | Row::Erasure { .. }
            | Row::Pause { .. }
            | Row::Deleted { .. } => {}
            Row::ErasureKey { key, days } => self.remembered.load_key(key, days).map_err(damaged)?,
            Row::Erased { key, erased, until } => self.remembered.load(key, erased, until).map_err(damaged)?,
        }
        Ok(())
    }
}

impl Loader for Notes {
    fn commit(&mut self, commit: Commit) -> Result<(), StoreError> {
        if commit.begins_namespace() || commit.ends_namespace() {
            // What came before was of another namespace under its name, if there was any.
            let (sequence, is_there) = (commit.sequence, commit.begins_namespace());
            *self = Notes { is_there, has_no_rows: true, sequence, ..Notes::default() };
        }
        self.remember(&commit);
        let now = commit.command.time;
        commit.events.into_iter().flatten().for_each(|event| self.note(event, now));
        Ok(())
    }
}

/// Which records a reading gives: statuses come before the edges that came of them, and in a checkpoint after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Kinds, members and statuses.
    Named,
    /// Edges, blocks and tallies.
    Naming,
}

/// A reading that gives records.
struct Rows<'n, E, F> {
    notes: &'n Notes,
    stage: Stage,
    /// Members that the log changed, and that were given in the place of their rows.
    given: HashSet<MemberId>,
    /// What the receiver gave up with.
    refused: Option<E>,
    receive: F,
}

impl<E, F: FnMut(Record) -> Result<(), E>> Rows<'_, E, F> {
    fn give(&mut self, record: Record) -> Result<(), StoreError> {
        (self.receive)(record).map_err(|refused| {
            self.refused = Some(refused);
            StoreError::Io("the export was ended".to_owned())
        })
    }

    /// Gives what the log added to the checkpoint, once its rows are given.
    fn added(&mut self) -> Result<(), E> {
        let notes = self.notes;
        match self.stage {
            Stage::Named => {
                let kinds = notes.kinds.values().filter_map(|(_, left)| left.clone());
                kinds
                    .filter(|kind| !notes.has_slot(&kind.name))
                    .try_for_each(|kind| (self.receive)(Record::Kind(kind)))?;
                let members = notes.members.iter().filter(|(id, _)| !self.given.contains(*id));
                let mut members = members.filter_map(|(_, (_, left))| left.clone());
                members.try_for_each(|member| (self.receive)(Record::Member(member)))?;
                let statuses = notes.statuses.values().filter_map(|(at, left)| Some((*at, left.clone()?)));
                let mut standing = statuses.filter(|(at, status)| notes.stands(&status.value.author, *at));
                standing.try_for_each(|(_, status)| (self.receive)(Record::Status(status)))
            }
            Stage::Naming => {
                let edges = notes.edges.values().filter_map(|(at, left)| Some((*at, left.clone()?)));
                let mut standing = edges.filter(|(at, edge)| notes.joins_standing(&edge.value.key, *at));
                standing.try_for_each(|(_, edge)| (self.receive)(Record::Edge(edge)))?;
                let blocks = notes.blocks.values().filter_map(|(at, left)| Some((*at, left.clone()?)));
                let mut standing =
                    blocks.filter(|(at, block)| notes.stands(&block.by, *at) && notes.stands(&block.of, *at));
                standing.try_for_each(|(_, block)| (self.receive)(Record::Block(block)))?;
                let tallies = notes.tallies.iter().filter_map(|(id, (at, left))| Some((id, *at, left.clone()?)));
                let mut standing = tallies.filter(|(id, at, _)| notes.stands(id, *at));
                standing.try_for_each(|(id, _, tally)| (self.receive)(Record::IntroducerTally(id.clone(), tally)))?;
                let mut erased = notes.remembered.together(notes.time).into_iter();
                erased.try_for_each(|(key, erased)| (self.receive)(Record::Erased(key, erased)))
            }
        }
    }

    /// Gives a row of the checkpoint as the log left it; statuses that the log changed are given after all rows.
    fn named(&mut self, row: Row) -> Result<(), StoreError> {
        let notes = self.notes;
        match row {
            Row::Kind { kind, .. } => match notes.kinds.get(&kind.name) {
                None => self.give(Record::Kind(kind)),
                Some((_, left)) => left.clone().map_or(Ok(()), |kind| self.give(Record::Kind(kind))),
            },
            Row::Member { member, times } => match notes.members.get(&member.id) {
                None => self.give(Record::Member(Stored::of(member, times))),
                Some((_, None)) => Ok(()),
                Some((_, Some(left))) => {
                    // Statuses that the log left alone come before what it added, and after their author.
                    self.given.insert(member.id);
                    self.give(Record::Member(left.clone()))
                }
            },
            Row::Status { status, times }
                if !notes.statuses.contains_key(&status.id) && notes.stands(&status.author, 0) =>
            {
                self.give(Record::Status(Stored::of(status, times)))
            }
            _ => Ok(()),
        }
    }

    fn edge(&mut self, edge: Stored<Edge>) -> Result<(), StoreError> {
        let key = &edge.value.key;
        let stands = !self.notes.edges.contains_key(key) && self.notes.joins_standing(key, 0);
        if stands { self.give(Record::Edge(edge)) } else { Ok(()) }
    }

    fn naming(&mut self, row: Row) -> Result<(), StoreError> {
        let notes = self.notes;
        match row {
            Row::Edge(row) | Row::Pending(row) => self.edge(notes.edge(row)?),
            Row::Block { by, of } => {
                let block = Block { by: notes.number(by)?, of: notes.number(of)? };
                let (by, of) = (block.by.clone(), block.of.clone());
                let stands = notes.stands(&by, 0) && notes.stands(&of, 0) && !notes.blocks.contains_key(&(by, of));
                if stands { self.give(Record::Block(block)) } else { Ok(()) }
            }
            Row::Tally { introducer, tally } => {
                let id = notes.number(introducer)?;
                let stands = notes.stands(&id, 0) && !notes.tallies.contains_key(&id);
                if stands { self.give(Record::IntroducerTally(id, tally)) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

impl Notes {
    fn has_kind(&self, name: &KindName) -> bool {
        self.kinds.get(name).map_or_else(|| self.has_slot(name), |(_, left)| left.is_some())
    }

    fn has_slot(&self, name: &KindName) -> bool {
        self.slots.iter().flatten().any(|slot| slot == name)
    }

    fn joins_standing(&self, key: &EdgeKey, at: Position) -> bool {
        self.stands(&key.from, at) && self.stands(&key.to, at)
    }
}

impl<E, F: FnMut(Record) -> Result<(), E>> CheckpointLoader for Rows<'_, E, F> {
    fn head(&mut self, _: &CheckpointHead) -> Result<(), StoreError> {
        Ok(())
    }

    fn row(&mut self, row: Row) -> Result<(), StoreError> {
        match self.stage {
            _ if self.notes.has_no_rows => Ok(()),
            Stage::Named => self.named(row),
            Stage::Naming => self.naming(row),
        }
    }
}

/// The members' ids by their numbers, side by side.
#[derive(Default)]
struct Ids {
    text: String,
    ends: Vec<u64>,
}

impl Ids {
    fn push(&mut self, id: &str) {
        self.text.push_str(id);
        self.ends.push(self.text.len() as u64);
    }

    fn get(&self, number: u32) -> Option<&str> {
        let at = number as usize;
        let end = *self.ends.get(at)? as usize;
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        self.text.get(begin..end)
    }
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged { what: format!("checkpoint: {what}") }
}
