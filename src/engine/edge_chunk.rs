//! The bytes of a chunk of a list of edges.
//!
//! A chunk begins with how many records it has; each is written as a difference to the one before it. So a change copies the
//! bytes around it as they are, and writes two records anew at most.

use super::edge_list::EdgeListKey;
use super::records::{EdgeFacts, EdgeRecord, Times};
use crate::domain::{History, MemberId, Origin, StatusId, Strength, TimeMs, Visibility};
use crate::graph::{KindIx, MemberIx, StrengthInputs};

/// Which of an edge's optional parts follow.
const PINNED: u8 = 1;
const HISTORY: u8 = 2;
const SINCE: u8 = 4;
const NOTE: u8 = 8;
const ORIGIN: u8 = 16;
const UPDATED: u8 = 32;
const VISIBILITY: u8 = 64;

/// How many records it has.
pub fn count(chunk: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([chunk[0], chunk[1]]))
}

/// None if there are none.
pub fn first_key(chunk: &[u8]) -> Option<EdgeListKey> {
    Reader::of(chunk).next().map(|packed| packed.key())
}

/// The bytes of a chunk with the record of a key put, or without it.
pub fn spliced(chunk: &[u8], key: EdgeListKey, record: Option<&EdgeRecord>) -> Vec<u8> {
    let mut reader = Reader::of(chunk);
    let (mut begin, mut before) = (reader.at, reader.before);
    let mut next = reader.next();
    while next.as_ref().is_some_and(|packed| packed.key() < key) {
        (begin, before) = (reader.at, reader.before);
        next = reader.next();
    }
    let mut records = count(chunk);
    if next.as_ref().is_some_and(|packed| packed.key() == key) {
        records -= 1;
        next = reader.next();
    }
    let mut writer = Writer { bytes: Vec::with_capacity(chunk.len() + 64), records, before };
    writer.bytes.extend_from_slice(&chunk[..begin]);
    if let Some(record) = record {
        writer.push(&Packed::of(record));
    }
    if let Some(next) = next {
        writer.push(&next);
        writer.records -= 1;
    }
    writer.bytes.extend_from_slice(&chunk[reader.at..]);
    writer.finished();
    writer.bytes
}

/// A record as it stands in a chunk.
pub struct Packed<'a> {
    to: MemberIx,
    kind: KindIx,
    times: Times,
    pinned: Option<Strength>,
    history: History,
    since: Option<TimeMs>,
    visibility: Visibility,
    note: &'a str,
    origin: PackedOrigin<'a>,
}

/// Read from a chunk only when it is asked for.
enum PackedOrigin<'a> {
    None,
    Bytes(&'a [u8]),
    Of(&'a Origin),
}

impl<'a> Packed<'a> {
    pub fn of(record: &'a EdgeRecord) -> Packed<'a> {
        let EdgeRecord { to, kind, times, facts } = record;
        Packed {
            to: *to,
            kind: *kind,
            times: *times,
            pinned: facts.pinned,
            history: facts.history,
            since: facts.since,
            visibility: facts.visibility,
            note: &facts.note,
            origin: facts.origin.as_ref().map_or(PackedOrigin::None, PackedOrigin::Of),
        }
    }

    pub fn tie(&self) -> (MemberIx, KindIx, StrengthInputs) {
        let Packed { pinned, history: History { faded, last_s, .. }, .. } = *self;
        (self.to, self.kind, StrengthInputs { pinned, faded, last_s })
    }

    pub fn key(&self) -> EdgeListKey {
        (self.to, self.kind)
    }

    pub fn unpack(self) -> EdgeRecord {
        let Packed { to, kind, times, pinned, history, since, visibility, note, origin } = self;
        let origin = match origin {
            PackedOrigin::None => None,
            PackedOrigin::Bytes(bytes) => Some(unpack_origin(bytes)),
            PackedOrigin::Of(origin) => Some(origin.clone()),
        };
        let facts = EdgeFacts { pinned, history, since, visibility, note: note.to_owned(), origin };
        EdgeRecord { to, kind, times, facts }
    }
}

fn unpack_origin(bytes: &[u8]) -> Origin {
    let mut from = Reader { bytes, at: 0, before: Before::default() };
    let status = StatusId::parse("status_id", from.text()).ok();
    let note = from.text().to_owned();
    let mut introducers = Vec::new();
    while from.at < bytes.len() {
        // It was an id when it was written.
        introducers.extend(MemberId::parse("introducer_ids", from.text()));
    }
    Origin { status, introducers, note }
}

/// What the next record is written as a difference to.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    to: u32,
    create_ms: i64,
}

/// Writes a chunk.
pub struct Writer {
    pub bytes: Vec<u8>,
    pub records: usize,
    before: Before,
}

impl Default for Writer {
    fn default() -> Writer {
        // The number of records comes last.
        Writer { bytes: vec![0; 2], records: 0, before: Before::default() }
    }
}

impl Writer {
    /// Begins another chunk, in the room of this one.
    pub fn clear(&mut self) {
        self.bytes.truncate(2);
        (self.records, self.before) = (0, Before::default());
    }

    /// Its bytes, whole.
    pub fn finished(&mut self) -> &[u8] {
        // At most one more than a chunk may have.
        self.bytes[..2].copy_from_slice(&(self.records as u16).to_le_bytes());
        &self.bytes
    }

    pub fn push(&mut self, packed: &Packed<'_>) {
        let Times { create, update } = packed.times;
        let origin = !matches!(packed.origin, PackedOrigin::None);
        let part = |there: bool, flag: u8| if there { flag } else { 0 };
        self.number(u64::from(packed.to.0.wrapping_sub(self.before.to)));
        self.bytes.push(packed.kind.0);
        self.bytes.push(
            part(packed.pinned.is_some(), PINNED)
                | part(packed.history != History::default(), HISTORY)
                | part(packed.since.is_some(), SINCE)
                | part(!packed.note.is_empty(), NOTE)
                | part(origin, ORIGIN)
                | part(update != create, UPDATED)
                | part(packed.visibility != Visibility::default(), VISIBILITY),
        );
        self.signed(create.0.wrapping_sub(self.before.create_ms));
        if update != create {
            self.signed(update.0.wrapping_sub(create.0));
        }
        self.parts(packed);
        self.records += 1;
        self.before = Before { to: packed.to.0, create_ms: create.0 };
    }

    fn parts(&mut self, packed: &Packed<'_>) {
        if let Some(pinned) = packed.pinned {
            self.bytes.extend(pinned.get().to_le_bytes());
        }
        if packed.history != History::default() {
            self.number(packed.history.count);
            self.bytes.extend(packed.history.faded.to_le_bytes());
            self.bytes.extend(packed.history.last_s.to_le_bytes());
        }
        if let Some(since) = packed.since {
            self.signed(since.0);
        }
        if packed.visibility != Visibility::default() {
            self.bytes.push(packed.visibility.number());
        }
        if !packed.note.is_empty() {
            self.blob(packed.note.as_bytes());
        }
        match packed.origin {
            PackedOrigin::None => {}
            PackedOrigin::Bytes(bytes) => self.blob(bytes),
            PackedOrigin::Of(origin) => {
                let mut packed = Writer { bytes: Vec::new(), ..Writer::default() };
                packed.blob(origin.status.as_ref().map_or("", |status| status.as_str()).as_bytes());
                packed.blob(origin.note.as_bytes());
                origin.introducers.iter().for_each(|introducer| packed.blob(introducer.as_str().as_bytes()));
                self.blob(&packed.bytes);
            }
        }
    }

    /// LEB128: seven bits a byte, the lowest first; the high bit says that more follow.
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Zigzag: small numbers of either sign are short.
    fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)) as u64);
    }

    fn blob(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }
}

/// Reads a chunk. It was written by a `Writer`, so it ends where a record does.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    before: Before,
}

impl<'a> Reader<'a> {
    pub fn of(chunk: &'a [u8]) -> Reader<'a> {
        Reader { bytes: chunk, at: 2, before: Before::default() }
    }

    fn byte(&mut self) -> u8 {
        self.at += 1;
        self.bytes[self.at - 1]
    }

    fn number(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }

    fn signed(&mut self) -> i64 {
        let value = self.number();
        (value >> 1) as i64 ^ -((value & 1) as i64)
    }

    fn word(&mut self) -> [u8; 4] {
        [self.byte(), self.byte(), self.byte(), self.byte()]
    }

    fn blob(&mut self) -> &'a [u8] {
        let len = self.number() as usize;
        self.at += len;
        &self.bytes[self.at - len..self.at]
    }

    fn text(&mut self) -> &'a str {
        // It was a text when it was written.
        std::str::from_utf8(self.blob()).unwrap_or_default()
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Packed<'a>;

    fn next(&mut self) -> Option<Packed<'a>> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let to = self.before.to.wrapping_add(self.number() as u32);
        let (kind, flags) = (self.byte(), self.byte());
        let there = |flag: u8| flags & flag != 0;
        let create_ms = self.before.create_ms.wrapping_add(self.signed());
        let update_ms = if there(UPDATED) { create_ms.wrapping_add(self.signed()) } else { create_ms };
        self.before = Before { to, create_ms };
        let pinned = there(PINNED).then(|| f32::from_le_bytes(self.word()));
        let history = there(HISTORY).then(|| {
            let (count, faded) = (self.number(), f32::from_le_bytes(self.word()));
            History { count, faded, last_s: u32::from_le_bytes(self.word()) }
        });
        let since = there(SINCE).then(|| TimeMs(self.signed()));
        let visibility = there(VISIBILITY).then(|| self.byte());
        Some(Packed {
            to: MemberIx(to),
            kind: KindIx(kind),
            times: Times { create: TimeMs(create_ms), update: TimeMs(update_ms) },
            // It was a strength when it was written.
            pinned: pinned.and_then(|strength| Strength::parse("pinned_strength", strength).ok()),
            history: history.unwrap_or_default(),
            since,
            visibility: visibility.map_or(Visibility::default(), visibility_of),
            note: if there(NOTE) { self.text() } else { "" },
            origin: if there(ORIGIN) { PackedOrigin::Bytes(self.blob()) } else { PackedOrigin::None },
        })
    }
}

fn visibility_of(number: u8) -> Visibility {
    Visibility::ALL.get(usize::from(number)).copied().unwrap_or_default()
}
