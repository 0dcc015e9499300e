//! Rows packed into chunks: hundreds of rows under one key, edges as differences to the row before.

use super::codec::{Decoder, Encoder, Malformed};
use super::commit_codec::{decode_erased, decode_key, encode_erased, encode_key};
use super::{CheckpointHead, EdgeRow, Row, Stamps};
use crate::domain::{History, RequestId, Scope, TimeMs, Visibility};

/// A chunk is closed after so many rows, or when it has so many bytes.
const CHUNK_ROWS_MAX: u64 = 512;
const CHUNK_BYTES_MAX: usize = 16 * 1_024;

/// Sorts of rows.
const KIND: u8 = 0;
const MEMBER: u8 = 1;
const EDGE: u8 = 2;
const STATUS: u8 = 3;
/// Requests without a scope, and with the names of the members in them: up to format 3.
const SHARED_REQUEST: u8 = 4;
const BLOCK: u8 = 5;
/// Members with their privacy: format 1 knows none, and has `MEMBER`.
const PRIVATE_MEMBER: u8 = 6;
const TALLY: u8 = 7;
const PENDING: u8 = 8;
const REQUEST: u8 = 9;
const ERASURE_KEY: u8 = 10;
const ERASED: u8 = 11;
const ERASURE: u8 = 12;

/// Which of an edge's optional parts follow.
const PINNED: u8 = 1;
const HISTORY: u8 = 2;
const SINCE: u8 = 4;
const NOTE: u8 = 8;
const ORIGIN: u8 = 16;
const UPDATED: u8 = 32;
/// The kind and the times are those of the row before.
const AS_BEFORE: u8 = 64;
const VISIBILITY: u8 = 128;

/// Packs rows of one sort after another into chunks.
#[derive(Default)]
pub struct ChunkPacker {
    sort: u8,
    rows: u64,
    to: Encoder,
    before: Before,
}

/// What the next edge or stamp is written as a difference to. Each chunk starts anew.
#[derive(Default, Clone, Copy)]
struct Before {
    from: u32,
    to: u32,
    kind: u8,
    create_time: TimeMs,
    update_time: TimeMs,
}

impl ChunkPacker {
    /// Adds a row; gives the chunk before it, if that was full or of another sort.
    pub fn push(&mut self, row: &Row) -> Option<Vec<u8>> {
        let sort = sort(row);
        let full = self.rows >= CHUNK_ROWS_MAX || self.to.bytes.len() >= CHUNK_BYTES_MAX;
        let closed = if self.rows > 0 && (full || sort != self.sort) { self.close() } else { None };
        self.sort = sort;
        self.rows += 1;
        match row {
            Row::Kind { slot, kind } => {
                self.to.byte(*slot);
                self.to.kind(kind);
            }
            Row::Member { member, stamps } => {
                self.to.member(member);
                self.to.privacy(member.privacy);
                self.stamps(*stamps);
            }
            Row::Edge(edge) => self.edge(edge),
            Row::Status { status, stamps } => {
                self.to.status(status);
                self.stamps(*stamps);
            }
            Row::Request { scope, id, fingerprint, time, answer, named } => {
                self.to.number(scope.0);
                self.to.wide(id.0);
                self.to.wide(*fingerprint);
                self.to.time(*time);
                self.to.option(answer.as_deref(), Encoder::blob);
                self.to.list(named.iter(), |to, hash| to.number(*hash));
            }
            // Nothing makes such a row any more.
            Row::SharedRequest { .. } => {}
            Row::Block { by, of } => {
                self.to.number(u64::from(*by));
                self.to.number(u64::from(*of));
            }
            Row::Tally { introducer, tally } => {
                self.to.number(u64::from(*introducer));
                self.to.tally(tally);
            }
            Row::ErasureKey { key, days } => {
                encode_key(&mut self.to, *key);
                self.to.number(u64::from(*days));
            }
            Row::Erased { place, erased, until } => {
                self.to.byte(*place);
                encode_erased(&mut self.to, *erased);
                self.to.time(*until);
            }
            Row::Erasure { sequence, time } => {
                self.to.number(*sequence);
                self.to.time(*time);
            }
            Row::Pending { edge, asked_by_to } => {
                self.edge(edge);
                self.to.byte(u8::from(*asked_by_to));
            }
        }
        closed
    }

    /// The last chunk, if there is one: its sort, its number of rows, the rows.
    pub fn close(&mut self) -> Option<Vec<u8>> {
        let packed = std::mem::take(self);
        if packed.rows == 0 {
            return None;
        }
        let mut chunk = Encoder::default();
        chunk.byte(packed.sort);
        chunk.number(packed.rows);
        chunk.bytes.extend_from_slice(&packed.to.bytes);
        Some(chunk.bytes)
    }

    fn stamps(&mut self, stamps: Stamps) {
        self.to.signed(stamps.create_time.0.wrapping_sub(self.before.create_time.0));
        self.to.signed(stamps.update_time.0.wrapping_sub(stamps.create_time.0));
        self.before.create_time = stamps.create_time;
    }

    fn edge(&mut self, edge: &EdgeRow) {
        let before = self.before;
        self.to.number(u64::from(edge.from - before.from));
        let near = if edge.from == before.from { before.to } else { 0 };
        self.to.signed(i64::from(edge.to) - i64::from(near));
        let Stamps { create_time, update_time } = edge.stamps;
        let updated = update_time != create_time;
        let as_before =
            !updated && (edge.kind, create_time, update_time) == (before.kind, before.create_time, before.update_time);
        let part = |there: bool, flag: u8| if there { flag } else { 0 };
        self.to.byte(
            part(edge.pinned.is_some(), PINNED)
                | part(edge.history != History::default(), HISTORY)
                | part(edge.since.is_some(), SINCE)
                | part(!edge.note.is_empty(), NOTE)
                | part(edge.origin.is_some(), ORIGIN)
                | part(updated, UPDATED)
                | part(as_before, AS_BEFORE)
                | part(edge.visibility != Visibility::default(), VISIBILITY),
        );
        if !as_before {
            self.to.byte(edge.kind);
            self.to.signed(create_time.0.wrapping_sub(before.create_time.0));
        }
        if updated {
            self.to.signed(update_time.0.wrapping_sub(create_time.0));
        }
        self.edge_parts(edge);
        let (from, to, kind) = (edge.from, edge.to, edge.kind);
        self.before = Before { from, to, kind, create_time, update_time };
    }

    fn edge_parts(&mut self, edge: &EdgeRow) {
        if let Some(pinned) = edge.pinned {
            self.to.single(pinned.get());
        }
        if edge.history != History::default() {
            self.to.history(&edge.history);
        }
        if let Some(since) = edge.since {
            self.to.time(since);
        }
        if !edge.note.is_empty() {
            self.to.text(&edge.note);
        }
        if let Some(origin) = &edge.origin {
            self.to.origin(origin);
        }
        if edge.visibility != Visibility::default() {
            self.to.visibility(edge.visibility);
        }
    }
}

fn sort(row: &Row) -> u8 {
    match row {
        Row::Kind { .. } => KIND,
        Row::Member { .. } => PRIVATE_MEMBER,
        Row::Edge(_) => EDGE,
        Row::Status { .. } => STATUS,
        Row::Request { .. } => REQUEST,
        Row::SharedRequest { .. } => SHARED_REQUEST,
        Row::Block { .. } => BLOCK,
        Row::Tally { .. } => TALLY,
        Row::ErasureKey { .. } => ERASURE_KEY,
        Row::Erased { .. } => ERASED,
        Row::Erasure { .. } => ERASURE,
        Row::Pending { .. } => PENDING,
    }
}

/// Every row of a chunk.
pub fn unpack(chunk: &[u8]) -> Result<Vec<Row>, Malformed> {
    let mut from = Decoder::new(chunk);
    let sort = from.byte()?;
    let count = from.number()?;
    let mut before = Before::default();
    let mut rows = Vec::with_capacity(count.min(CHUNK_ROWS_MAX) as usize);
    for _ in 0..count {
        rows.push(unpack_row(sort, &mut from, &mut before)?);
    }
    from.end()?;
    Ok(rows)
}

fn unpack_row(sort: u8, from: &mut Decoder<'_>, before: &mut Before) -> Result<Row, Malformed> {
    Ok(match sort {
        KIND => Row::Kind { slot: from.byte()?, kind: from.kind()? },
        MEMBER => Row::Member { member: from.member()?, stamps: unpack_stamps(from, before)? },
        EDGE => Row::Edge(unpack_edge(from, before)?),
        STATUS => Row::Status { status: from.status()?, stamps: unpack_stamps(from, before)? },
        SHARED_REQUEST => {
            let (id, fingerprint, time) = (RequestId(from.wide()?), from.wide()?, from.time()?);
            from.number()?;
            let answer = from.option(|from| from.blob().map(<[u8]>::to_vec))?;
            Row::SharedRequest { id, fingerprint, time, answer, members: from.list(Decoder::member_id)? }
        }
        REQUEST => Row::Request {
            scope: Scope(from.number()?),
            id: RequestId(from.wide()?),
            fingerprint: from.wide()?,
            time: from.time()?,
            answer: from.option(|from| from.blob().map(<[u8]>::to_vec))?,
            named: from.list(Decoder::number)?,
        },
        BLOCK => Row::Block { by: from.small()?, of: from.small()? },
        TALLY => Row::Tally { introducer: from.small()?, tally: from.tally()? },
        ERASURE_KEY => Row::ErasureKey { key: decode_key(from)?, days: from.small()? },
        ERASED => Row::Erased { place: from.byte()?, erased: decode_erased(from)?, until: from.time()? },
        ERASURE => Row::Erasure { sequence: from.number()?, time: from.time()? },
        PENDING => Row::Pending { edge: unpack_edge(from, before)?, asked_by_to: from.flag()? },
        PRIVATE_MEMBER => {
            let mut member = from.member()?;
            member.privacy = from.privacy()?;
            Row::Member { member, stamps: unpack_stamps(from, before)? }
        }
        _ => return Err(Malformed("a chunk is of no known sort")),
    })
}

fn unpack_stamps(from: &mut Decoder<'_>, before: &mut Before) -> Result<Stamps, Malformed> {
    let create_time = TimeMs(before.create_time.0.wrapping_add(from.signed()?));
    let update_time = TimeMs(create_time.0.wrapping_add(from.signed()?));
    before.create_time = create_time;
    Ok(Stamps { create_time, update_time })
}

fn unpack_edge(bytes: &mut Decoder<'_>, before: &mut Before) -> Result<EdgeRow, Malformed> {
    let too_large = Malformed("an edge's end is too large");
    let from = u64::from(before.from).checked_add(bytes.number()?).and_then(|from| u32::try_from(from).ok());
    let from = from.ok_or(too_large)?;
    let near = if from == before.from { before.to } else { 0 };
    let to = i64::from(near).checked_add(bytes.signed()?).and_then(|to| u32::try_from(to).ok()).ok_or(too_large)?;
    let parts = bytes.byte()?;
    let (mut kind, mut create_time) = (before.kind, before.create_time);
    if parts & AS_BEFORE == 0 {
        kind = bytes.byte()?;
        create_time = TimeMs(create_time.0.wrapping_add(bytes.signed()?));
    }
    let mut update_time = create_time;
    if parts & UPDATED != 0 {
        update_time = TimeMs(create_time.0.wrapping_add(bytes.signed()?));
    }
    *before = Before { from, to, kind, create_time, update_time };
    let has = |part: u8| parts & part != 0;
    Ok(EdgeRow {
        from,
        kind,
        to,
        pinned: if has(PINNED) { Some(bytes.strength()?) } else { None },
        history: if has(HISTORY) { bytes.history()? } else { History::default() },
        since: if has(SINCE) { Some(bytes.time()?) } else { None },
        note: if has(NOTE) { bytes.text()?.to_owned() } else { String::new() },
        origin: if has(ORIGIN) { Some(bytes.origin()?) } else { None },
        visibility: if has(VISIBILITY) { bytes.visibility()? } else { Visibility::default() },
        stamps: Stamps { create_time, update_time },
    })
}

/// The head of a checkpoint, and how many chunks follow it.
pub fn encode_head(head: &CheckpointHead, chunks: u64) -> Vec<u8> {
    let mut to = Encoder::default();
    to.number(head.sequence);
    to.time(head.time);
    for count in [head.kinds, head.members, head.edges, head.statuses, head.requests, chunks] {
        to.number(count);
    }
    to.wide(head.digest);
    to.number(head.erased);
    // A head of format 1 ends here, one of format 2 with the next, one of format 3 with the one after it.
    to.number(head.blocks);
    to.number(head.tallies);
    to.number(head.pending);
    to.option(head.secret.as_ref(), Encoder::secret);
    if head.erasures > 0 {
        to.number(head.erasures);
    }
    to.bytes
}

pub fn decode_head(bytes: &[u8]) -> Result<(CheckpointHead, u64), Malformed> {
    let mut from = Decoder::new(bytes);
    let (sequence, time) = (from.number()?, from.time()?);
    let mut count = || from.number();
    let (kinds, members, edges, statuses, requests) = (count()?, count()?, count()?, count()?, count()?);
    let chunks = count()?;
    let (digest, erased) = (from.wide()?, from.number()?);
    let blocks = if from.is_at_end() { 0 } else { from.number()? };
    let tallies = if from.is_at_end() { 0 } else { from.number()? };
    let pending = if from.is_at_end() { 0 } else { from.number()? };
    let secret = if from.is_at_end() { None } else { from.option(Decoder::secret)? };
    let erasures = if from.is_at_end() { 0 } else { from.number()? };
    from.end()?;
    let head = CheckpointHead {
        sequence,
        time,
        kinds,
        members,
        edges,
        statuses,
        requests,
        blocks,
        tallies,
        pending,
        erasures,
        digest,
        erased,
        secret,
    };
    Ok((head, chunks))
}
