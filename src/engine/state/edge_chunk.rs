//! The bytes of a chunk of a list of edges.
//!
//! A chunk begins with how many records it has; each is written as a difference to the one before it. So a change copies the
//! bytes around it as they are, and writes two records anew at most.

use super::records::{EdgeListKey, EdgeRecord};
use crate::domain::codec::{Decoder, Encoder, Fields, Read};
use crate::domain::{EdgeAttrs, TimeMs, Times};
use crate::graph::{KindIx, MemberIx};

/// The lowest bit of an edge's flags, below those of its fields that are set: it was changed after it was created.
const UPDATED: u64 = 1;
const FIELDS_SHIFT: u32 = 1;

/// Returns how many records a chunk has.
pub fn count(chunk: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([chunk[0], chunk[1]]))
}

/// Returns the first record's key, if there is a record.
pub fn first_key(chunk: &[u8]) -> Option<EdgeListKey> {
    Reader::of(chunk).head().map(|head| head.key())
}

/// Returns the bytes of a chunk with the record of a key put, or without it.
pub fn spliced(chunk: &[u8], key: EdgeListKey, record: Option<&EdgeRecord>) -> Vec<u8> {
    let mut reader = Reader::of(chunk);
    let (begin, before, mut next) = reader.seek(key);
    let mut records = count(chunk);
    if next.as_ref().is_some_and(|next| next.key() == key) {
        records -= 1;
        next = reader.next();
    }
    let mut bytes = Vec::with_capacity(chunk.len() + 64);
    bytes.extend_from_slice(&chunk[..begin]);
    let mut writer = Writer { to: Encoder::plain(bytes), records, before };
    if let Some(record) = record {
        writer.push(record);
    }
    if let Some(next) = next {
        writer.push(&next);
        writer.records -= 1;
    }
    writer.to.bytes.extend_from_slice(&chunk[reader.at()..]);
    writer.finished();
    writer.to.bytes
}

/// What the next record is written as a difference to.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    to: u32,
    create_ms: i64,
}

/// Writes a chunk.
pub struct Writer {
    to: Encoder,
    pub records: usize,
    before: Before,
}

impl Default for Writer {
    fn default() -> Writer {
        // The number of records comes last.
        Writer { to: Encoder::plain(vec![0; 2]), records: 0, before: Before::default() }
    }
}

impl Writer {
    /// Begins another chunk, in the room of this one.
    pub fn clear(&mut self) {
        self.to.bytes.truncate(2);
        (self.records, self.before) = (0, Before::default());
    }

    pub fn len(&self) -> usize {
        self.to.bytes.len()
    }

    /// Returns the chunk's bytes, whole.
    pub fn finished(&mut self) -> &[u8] {
        // There is at most one record more than a chunk may have.
        self.to.bytes[..2].copy_from_slice(&(self.records as u16).to_le_bytes());
        &self.to.bytes
    }

    pub fn push(&mut self, record: &EdgeRecord) {
        let EdgeRecord { to, kind, times: Times { create, update }, attrs } = record;
        let (set, updated) = (attrs.set_fields(), update != create);
        self.to.number(u64::from(to.0.wrapping_sub(self.before.to)));
        self.to.byte(kind.0);
        self.to.number(u64::from(set.0) << FIELDS_SHIFT | if updated { UPDATED } else { 0 });
        self.to.signed(create.0.wrapping_sub(self.before.create_ms));
        if updated {
            self.to.signed(update.0.wrapping_sub(create.0));
        }
        attrs.write_fields(set, &mut self.to);
        self.records += 1;
        self.before = Before { to: to.0, create_ms: create.0 };
    }
}

/// A record without its attributes, of which it has those that are set.
struct Head {
    to: MemberIx,
    kind: KindIx,
    times: Times,
    set: Fields,
}

impl Head {
    fn key(&self) -> EdgeListKey {
        (self.to, self.kind)
    }
}

/// Reads a chunk. It was written by a `Writer`, so it ends where a record does.
pub struct Reader<'a> {
    chunk: &'a [u8],
    from: Decoder<'a>,
    before: Before,
}

impl<'a> Reader<'a> {
    pub fn of(chunk: &'a [u8]) -> Reader<'a> {
        Reader { chunk, from: Decoder::new(chunk.get(2..).unwrap_or_default()), before: Before::default() }
    }

    /// Returns where in the chunk the next record begins.
    fn at(&self) -> usize {
        self.chunk.len() - self.from.left()
    }

    /// Passes over the records that come before a key. Returns where the first other one begins, what it is a difference to, and the
    /// record itself if there is one.
    fn seek(&mut self, key: EdgeListKey) -> (usize, Before, Option<EdgeRecord>) {
        loop {
            let (begin, before) = (self.at(), self.before);
            match self.head() {
                Some(head) if head.key() < key => {
                    if EdgeAttrs::skip_fields(head.set, &mut self.from).is_err() {
                        return (begin, before, None);
                    }
                }
                head => return (begin, before, head.and_then(|head| self.record(head))),
            }
        }
    }

    /// Returns the record of a key.
    pub fn find_key(&mut self, key: EdgeListKey) -> Option<EdgeRecord> {
        self.seek(key).2.filter(|found| found.key() == key)
    }

    /// Reads the next record up to its attributes: most records are looked at for their key alone.
    fn head(&mut self) -> Option<Head> {
        if self.from.left() == 0 { None } else { self.read_head().ok() }
    }

    fn read_head(&mut self) -> Read<Head> {
        let from = &mut self.from;
        let to = self.before.to.wrapping_add(from.number()? as u32);
        let (kind, flags) = (from.byte()?, from.number()?);
        let create_ms = self.before.create_ms.wrapping_add(from.signed()?);
        let update_ms = if flags & UPDATED != 0 { create_ms.wrapping_add(from.signed()?) } else { create_ms };
        self.before = Before { to, create_ms };
        let times = Times { create: TimeMs(create_ms), update: TimeMs(update_ms) };
        Ok(Head { to: MemberIx(to), kind: KindIx(kind), times, set: Fields((flags >> FIELDS_SHIFT) as u32) })
    }

    /// Reads the attributes of the record whose head was read.
    fn record(&mut self, Head { to, kind, times, set }: Head) -> Option<EdgeRecord> {
        let attrs = EdgeAttrs::read_fields(set, &mut self.from).ok()?;
        Some(EdgeRecord { to, kind, times, attrs })
    }
}

impl Iterator for Reader<'_> {
    type Item = EdgeRecord;

    fn next(&mut self) -> Option<EdgeRecord> {
        self.head().and_then(|head| self.record(head))
    }
}
