//! Rows packed into chunks: hundreds of rows under one key, edges as differences to the row before.

use super::{CheckpointHead, EdgeRow, NUMBER_MAX, NamespaceRow, Row, RowCounts};
use crate::domain::codec::{Codec, Decoder, Encoder, Fields, Malformed, Read};
use crate::domain::{EdgeAttrs, Sequence, TimeMs, Times};

/// A chunk is closed after so many rows, or when it has so many bytes.
const CHUNK_ROWS_MAX: u64 = 512;
const CHUNK_BYTES_MAX: usize = 16 * 1_024;

/// Sorts of rows. A number is never given to another sort.
const KIND: u8 = 0;
const MEMBER: u8 = 1;
const EDGE: u8 = 2;
const STATUS: u8 = 3;
const REQUEST: u8 = 4;
const BLOCK: u8 = 5;
const TALLY: u8 = 6;
const PENDING: u8 = 7;
const ERASURE_KEY: u8 = 8;
const ERASED: u8 = 9;
const ERASURE: u8 = 10;
const NAMESPACE: u8 = 11;
const PAUSE: u8 = 12;
const DELETED: u8 = 13;

/// The lowest bits of an edge's first number, below those of its fields that are set: it was changed after it was created.
const UPDATED: u64 = 1;
/// The kind and the times are those of the row before.
const AS_BEFORE: u64 = 2;
const FIELDS_SHIFT: u32 = 2;

/// Packs rows of one sort after another into chunks.
pub struct ChunkPacker {
    sort: u8,
    rows: u64,
    to: Encoder,
    before: Before,
}

/// What the next row is written as a difference to. Each chunk starts anew.
#[derive(Default, Clone, Copy)]
struct Before {
    from: u32,
    to: u32,
    kind: u8,
    times: Times,
}

impl Default for ChunkPacker {
    fn default() -> ChunkPacker {
        ChunkPacker { sort: 0, rows: 0, to: Encoder::interning(), before: Before::default() }
    }
}

impl ChunkPacker {
    /// Adds a row; gives the chunk before it, if that was full or of another sort.
    pub fn push(&mut self, row: &Row) -> Option<Vec<u8>> {
        let sort = sort(row);
        let full = self.rows >= CHUNK_ROWS_MAX || self.to.bytes.len() >= CHUNK_BYTES_MAX;
        let closed = if self.rows > 0 && (full || sort != self.sort) { self.close() } else { None };
        self.sort = sort;
        self.rows += 1;
        self.row(row);
        closed
    }

    fn row(&mut self, row: &Row) {
        let to = &mut self.to;
        match row {
            Row::Kind { slot, kind } => {
                slot.encode(to);
                kind.encode(to);
            }
            Row::Member { member, times } => {
                member.encode(to);
                self.times(*times);
            }
            Row::Edge(edge) | Row::Pending(edge) => self.edge(edge),
            Row::Status { status, times } => {
                status.encode(to);
                self.times(*times);
            }
            Row::Request { scope, id, fingerprint, time, answer, named } => {
                scope.encode(to);
                id.encode(to);
                fingerprint.encode(to);
                time.encode(to);
                answer.encode(to);
                named.encode(to);
            }
            Row::Block { by, of } => {
                by.encode(to);
                of.encode(to);
            }
            Row::Tally { introducer, tally } => {
                introducer.encode(to);
                tally.encode(to);
            }
            Row::ErasureKey { key, days } => {
                key.encode(to);
                days.encode(to);
            }
            Row::Erased { key, erased, until } => {
                key.encode(to);
                erased.encode(to);
                until.encode(to);
            }
            Row::Erasure { sequence, time } => {
                sequence.encode(to);
                time.encode(to);
            }
            Row::Pause { begin, end } => {
                begin.encode(to);
                end.encode(to);
            }
            Row::Deleted { key, time } => {
                key.encode(to);
                time.encode(to);
            }
            Row::Namespace(NamespaceRow {
                name,
                create_sequence,
                create_time,
                sequence,
                time,
                digests,
                secret,
                creator,
            }) => {
                name.encode(to);
                create_sequence.encode(to);
                create_time.encode(to);
                sequence.encode(to);
                time.encode(to);
                digests.iter().for_each(|digest| digest.encode(to));
                secret.encode(to);
                creator.encode(to);
            }
        }
    }

    /// Ends the last chunk, if there is one, and returns it: its sort, its number of rows, the rows.
    pub fn close(&mut self) -> Option<Vec<u8>> {
        let packed = std::mem::take(self);
        if packed.rows == 0 {
            return None;
        }
        let mut chunk = Encoder::plain(Vec::with_capacity(packed.to.bytes.len() + 4));
        chunk.byte(packed.sort);
        chunk.number(packed.rows);
        chunk.bytes.extend_from_slice(&packed.to.bytes);
        Some(chunk.bytes)
    }

    fn times(&mut self, times: Times) {
        self.to.signed(difference(times.create, self.before.times.create));
        self.to.signed(difference(times.update, times.create));
        self.before.times.create = times.create;
    }

    fn edge(&mut self, edge: &EdgeRow) {
        let EdgeRow { from, kind, to, attrs, times } = edge;
        let before = std::mem::replace(&mut self.before, Before { from: *from, to: *to, kind: *kind, times: *times });
        let updated = times.update != times.create;
        let as_before = !updated && (*kind, *times) == (before.kind, before.times);
        let set = attrs.set_fields();
        self.to.number(u64::from(from - before.from));
        let near = if *from == before.from { before.to } else { 0 };
        self.to.signed(i64::from(*to) - i64::from(near));
        let flag = |there: bool, flag: u64| if there { flag } else { 0 };
        self.to.number(u64::from(set.0) << FIELDS_SHIFT | flag(updated, UPDATED) | flag(as_before, AS_BEFORE));
        if !as_before {
            self.to.byte(*kind);
            self.to.signed(difference(times.create, before.times.create));
        }
        if updated {
            self.to.signed(difference(times.update, times.create));
        }
        attrs.write_fields(set, &mut self.to);
    }
}

fn difference(time: TimeMs, before: TimeMs) -> i64 {
    time.0.wrapping_sub(before.0)
}

fn sort(row: &Row) -> u8 {
    match row {
        Row::Kind { .. } => KIND,
        Row::Member { .. } => MEMBER,
        Row::Edge(_) => EDGE,
        Row::Status { .. } => STATUS,
        Row::Request { .. } => REQUEST,
        Row::Block { .. } => BLOCK,
        Row::Tally { .. } => TALLY,
        Row::ErasureKey { .. } => ERASURE_KEY,
        Row::Erased { .. } => ERASED,
        Row::Erasure { .. } => ERASURE,
        Row::Namespace(_) => NAMESPACE,
        Row::Pause { .. } => PAUSE,
        Row::Deleted { .. } => DELETED,
        Row::Pending(_) => PENDING,
    }
}

/// Returns every row of a chunk.
pub fn unpack(chunk: &[u8]) -> Read<Vec<Row>> {
    let mut from = Decoder::new(chunk);
    let sort = from.byte()?;
    let count = from.number()?;
    if count > CHUNK_ROWS_MAX {
        return Err(Malformed("a chunk has too many rows"));
    }
    let mut before = Before::default();
    let mut rows = Vec::with_capacity(count as usize);
    for _ in 0..count {
        rows.push(unpack_row(sort, &mut from, &mut before)?);
    }
    from.end()?;
    Ok(rows)
}

fn unpack_row(sort: u8, from: &mut Decoder<'_>, before: &mut Before) -> Read<Row> {
    Ok(match sort {
        KIND => Row::Kind { slot: Codec::decode(from)?, kind: Codec::decode(from)? },
        MEMBER => Row::Member { member: Codec::decode(from)?, times: unpack_times(from, before)? },
        EDGE => Row::Edge(unpack_edge(from, before)?),
        STATUS => Row::Status { status: Codec::decode(from)?, times: unpack_times(from, before)? },
        REQUEST => Row::Request {
            scope: Codec::decode(from)?,
            id: Codec::decode(from)?,
            fingerprint: Codec::decode(from)?,
            time: Codec::decode(from)?,
            answer: Codec::decode(from)?,
            named: Codec::decode(from)?,
        },
        BLOCK => Row::Block { by: Codec::decode(from)?, of: Codec::decode(from)? },
        TALLY => Row::Tally { introducer: Codec::decode(from)?, tally: Codec::decode(from)? },
        ERASURE_KEY => Row::ErasureKey { key: Codec::decode(from)?, days: Codec::decode(from)? },
        ERASED => Row::Erased { key: Codec::decode(from)?, erased: Codec::decode(from)?, until: Codec::decode(from)? },
        ERASURE => Row::Erasure { sequence: Codec::decode(from)?, time: Codec::decode(from)? },
        NAMESPACE => Row::Namespace(unpack_namespace(from)?),
        DELETED => Row::Deleted { key: Codec::decode(from)?, time: Codec::decode(from)? },
        PAUSE => Row::Pause { begin: Codec::decode(from)?, end: Codec::decode(from)? },
        PENDING => Row::Pending(unpack_edge(from, before)?),
        _ => return Err(Malformed("a chunk is of no known sort")),
    })
}

fn unpack_namespace(from: &mut Decoder<'_>) -> Read<NamespaceRow> {
    let (name, create_sequence, create_time) = (Codec::decode(from)?, sequence(from)?, Codec::decode(from)?);
    let (sequence, time) = (sequence(from)?, Codec::decode(from)?);
    let mut digests = [0; 5];
    for digest in &mut digests {
        *digest = Codec::decode(from)?;
    }
    let (secret, creator) = (Codec::decode(from)?, Codec::decode(from)?);
    Ok(NamespaceRow { name, create_sequence, create_time, sequence, time, digests, secret, creator })
}

fn sequence(from: &mut Decoder<'_>) -> Read<Sequence> {
    from.number()
        .and_then(|number| if number > NUMBER_MAX { Err(Malformed("a sequence is too large")) } else { Ok(number) })
}

/// Reads a time that was written as a difference.
fn later(from: &mut Decoder<'_>, before: TimeMs) -> Read<TimeMs> {
    before.later(from.signed()?)
}

fn unpack_times(from: &mut Decoder<'_>, before: &mut Before) -> Read<Times> {
    let create = later(from, before.times.create)?;
    before.times.create = create;
    Ok(Times { create, update: later(from, create)? })
}

fn unpack_edge(bytes: &mut Decoder<'_>, before: &mut Before) -> Read<EdgeRow> {
    let too_large = Malformed("an edge's end is too large");
    let from = u64::from(before.from).checked_add(bytes.number()?).and_then(|from| u32::try_from(from).ok());
    let from = from.ok_or(too_large)?;
    let near = if from == before.from { before.to } else { 0 };
    let to = i64::from(near).checked_add(bytes.signed()?).and_then(|to| u32::try_from(to).ok()).ok_or(too_large)?;
    let first = bytes.number()?;
    let (mut kind, mut create) = (before.kind, before.times.create);
    if first & AS_BEFORE == 0 {
        kind = bytes.byte()?;
        create = later(bytes, create)?;
    }
    let update = if first & UPDATED != 0 { later(bytes, create)? } else { create };
    let times = Times { create, update };
    *before = Before { from, to, kind, times };
    let set = u32::try_from(first >> FIELDS_SHIFT).map_err(|_| Malformed("an edge has a field that is not known"))?;
    let attrs = EdgeAttrs::read_fields(Fields(set), bytes)?;
    match attrs.violations().is_empty() {
        true => Ok(EdgeRow { from, kind, to, attrs, times }),
        false => Err(Malformed("an edge is out of bounds")),
    }
}

/// Returns the bytes of a checkpoint's head, and how many chunks follow it.
pub fn encode_head(head: &CheckpointHead, chunks: u64) -> Vec<u8> {
    let mut to = Encoder::plain(Vec::new());
    head.sequence.encode(&mut to);
    head.time.encode(&mut to);
    head.rows.by_index().into_iter().chain([chunks]).for_each(|count| to.number(count));
    to.bytes
}

pub fn decode_head(bytes: &[u8]) -> Read<(CheckpointHead, u64)> {
    let mut from = Decoder::new(bytes);
    let (sequence, time) = (sequence(&mut from)?, Codec::decode(&mut from)?);
    let mut counts = [0; 12];
    for count in &mut counts {
        *count = from.number()?;
    }
    let chunks = from.number()?;
    from.end()?;
    Ok((CheckpointHead { sequence, time, rows: RowCounts::from_index(counts) }, chunks))
}
