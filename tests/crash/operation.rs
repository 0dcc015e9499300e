//! One call that writes, made up at random so that it must be accepted.

use fastrand::Rng;
use kith::proto::v1::change::Change;
use kith::proto::v1::*;
use prost_types::{FieldMask, Timestamp};

use super::content::Content;
use super::trace::value_at;

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The RPC of its one change.
    Own,
    Write,
    /// One RPC for many records.
    RecordInteractions,
    Import,
}

#[derive(Debug, Clone)]
pub struct Operation {
    pub via: Via,
    /// Each of them all or nothing, in order; several only of an import, which may be broken off between them.
    pub batches: Vec<Vec<Change>>,
    /// Empty for none.
    pub request_id: String,
}

impl Operation {
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.batches.iter().flatten()
    }

    /// A value that it writes and no other does, if it writes one: `w01-23-`.
    pub fn value(&self) -> Option<String> {
        self.changes().find_map(|change| match change {
            Change::PutMember(member) => value_at(member.headline.as_bytes()),
            Change::PutEdge(put) => value_at(put.edge.as_ref()?.note.as_bytes()),
            Change::PostStatus(status) => value_at(status.text.as_bytes()),
            _ => None,
        })
    }
}

/// Makes up operations on the keys of one writer, which no other touches.
pub struct Maker {
    prefix: String,
    pub random: Rng,
    /// Makes every value another.
    values: u64,
    /// How often the member of each slot was erased: another one has another id, for none but a put of the member itself brings an
    /// erased id back.
    erased: [u32; MEMBERS],
    /// Whether an import may have several messages.
    pub long_imports: bool,
}

/// Members a writer has at most.
const MEMBERS: usize = 20;
const STATUSES: usize = 6;
const TIME_BASE_S: i64 = 1_700_000_000;

impl Maker {
    pub fn new(writer: usize, seed: u64) -> Maker {
        let random = Rng::with_seed(seed.wrapping_mul(1_000).wrapping_add(writer as u64));
        Maker { prefix: prefix(writer), random, values: 0, erased: [0; MEMBERS], long_imports: true }
    }

    /// A call that is valid on this content.
    pub fn operation(&mut self, content: &Content) -> Operation {
        let mut scratch = content.clone();
        let (via, batches) = match self.random.u32(0..100) {
            0..70 => (Via::Own, vec![vec![self.change(&mut scratch)]]),
            70..84 => (Via::Write, vec![self.changes(&mut scratch, Maker::change)]),
            84..90 if !content.edges.is_empty() => {
                (Via::RecordInteractions, vec![self.changes(&mut scratch, Maker::interaction)])
            }
            _ => {
                let messages = if self.long_imports { self.random.usize(1..4) } else { 1 };
                let batches = (0..messages).map(|_| self.changes(&mut scratch, Maker::put)).collect();
                (Via::Import, batches)
            }
        };
        let named = via != Via::Import && self.random.bool();
        let request_id = if named { uuid(&mut self.random) } else { String::new() };
        Operation { via, batches, request_id }
    }

    /// Mostly a few; now and then so many that they take more than any buffer on their way to the disk.
    fn changes(&mut self, scratch: &mut Content, make: fn(&mut Maker, &mut Content) -> Change) -> Vec<Change> {
        let count = match self.random.u32(0..100) {
            0 => 700,
            1..10 => self.random.usize(20..100),
            _ => self.random.usize(2..8),
        };
        (0..count).map(|_| make(self, scratch)).collect()
    }

    fn change(&mut self, scratch: &mut Content) -> Change {
        let make = match self.random.u32(0..100) {
            0..50 => Maker::put,
            50..58 => Maker::update,
            58..72 if !scratch.edges.is_empty() => Maker::interaction,
            72..88 if !scratch.edges.is_empty() => Maker::delete_edge,
            88..91 if scratch.members.len() > MEMBERS / 2 => Maker::delete_member,
            91..96 if !scratch.members.is_empty() && scratch.statuses.len() < STATUSES => Maker::post_status,
            96..100 if !scratch.statuses.is_empty() => Maker::delete_status,
            _ => Maker::put,
        };
        make(self, scratch)
    }

    fn name(&mut self) -> String {
        self.values += 1;
        format!("{}{}", self.prefix, self.values)
    }

    fn value(&mut self) -> String {
        let filler = if self.random.u32(0..8) == 0 { self.random.usize(0..450) } else { self.random.usize(0..40) };
        let filler: String = (0..filler).map(|_| self.random.alphanumeric()).collect();
        format!("{}-{filler}", self.name())
    }

    fn id(&mut self) -> String {
        let slot = self.random.usize(0..MEMBERS);
        match self.erased[slot] {
            0 => format!("{}m{slot:02}", self.prefix),
            times => format!("{}m{slot:02}x{times}", self.prefix),
        }
    }

    fn put(&mut self, scratch: &mut Content) -> Change {
        let change = if self.random.u32(0..3) == 0 {
            let (id, headline) = (self.id(), self.value());
            Change::PutMember(Member { id, display_name: self.name(), headline, ..Default::default() })
        } else {
            self.put_edge()
        };
        scratch.apply(&change);
        change
    }

    fn put_edge(&mut self) -> Change {
        let (mut from_id, mut to_id) = (self.id(), self.id());
        while from_id == to_id {
            to_id = self.id();
        }
        let symmetric = self.random.bool();
        if symmetric && from_id > to_id {
            std::mem::swap(&mut from_id, &mut to_id);
        }
        let kind = if symmetric { "friend" } else { "follows" }.to_owned();
        let edge = Edge { from_id, kind, to_id, note: self.value(), ..Default::default() };
        Change::PutEdge(PutEdgeChange { edge: Some(edge), allow_missing_members: true })
    }

    fn update(&mut self, scratch: &mut Content) -> Change {
        let Some(id) = self.random.choice(scratch.members.keys()).cloned() else { return self.put(scratch) };
        let member = Member { id, headline: self.value(), ..Default::default() };
        let update_mask = Some(FieldMask { paths: vec!["headline".to_owned()] });
        applied(scratch, Change::UpdateMember(UpdateMemberChange { member: Some(member), update_mask }))
    }

    fn interaction(&mut self, scratch: &mut Content) -> Change {
        let (from_id, kind, to_id) = self.random.choice(scratch.edges.keys()).unwrap().clone();
        self.values += 1;
        let time = Timestamp { seconds: TIME_BASE_S + self.values as i64, nanos: 0 };
        let count = self.random.i64(1..5);
        applied(scratch, Change::RecordInteraction(Interaction { from_id, kind, to_id, count, time: Some(time) }))
    }

    fn delete_edge(&mut self, scratch: &mut Content) -> Change {
        let (from_id, kind, to_id) = self.random.choice(scratch.edges.keys()).unwrap().clone();
        applied(scratch, Change::DeleteEdge(DeleteEdgeChange { from_id, kind, to_id, allow_missing: false }))
    }

    fn delete_member(&mut self, scratch: &mut Content) -> Change {
        let id = self.random.choice(scratch.members.keys()).unwrap().clone();
        let slot = id[self.prefix.len() + 1..][..2].parse::<usize>().unwrap();
        self.erased[slot] += 1;
        applied(scratch, Change::DeleteMember(DeleteMemberChange { id, allow_missing: false }))
    }

    fn post_status(&mut self, scratch: &mut Content) -> Change {
        let author_id = self.random.choice(scratch.members.keys()).unwrap().clone();
        let text = self.value();
        let id = format!("{}s{}", self.prefix, self.values);
        applied(scratch, Change::PostStatus(Status { id, author_id, text, ..Default::default() }))
    }

    fn delete_status(&mut self, scratch: &mut Content) -> Change {
        let id = self.random.choice(scratch.statuses.keys()).unwrap().clone();
        applied(scratch, Change::DeleteStatus(DeleteStatusChange { id, allow_missing: false }))
    }
}

fn applied(scratch: &mut Content, change: Change) -> Change {
    scratch.apply(&change);
    change
}

/// How every id of a writer begins.
pub fn prefix(writer: usize) -> String {
    format!("w{writer:02}-")
}

fn uuid(random: &mut Rng) -> String {
    let (high, low) = (random.u64(..), random.u64(..));
    let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
    format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
}
