//! The bytes of the outcomes that are kept for retries. `docs/FORMAT.md` documents them.

use super::outcome::{Applied, ChangeResult, Effect, Outcome, Snapshot};
use super::revision::Revision;
use super::state::Stored;
use crate::domain::Times;
use crate::domain::codec::{Codec, Decoder, Encoder, Malformed, Read};
use crate::domain::limits::BATCH_MAX;

/// The first byte of a result holds the effect's index in the lowest bits, and which parts follow.
const EFFECT: u8 = 3;
const COUNTS: u8 = 4;
const ETAG: u8 = 8;
const POSTED: u8 = 16;

/// The first byte of a resource says which one follows.
const KIND: u8 = 1;
const MEMBER: u8 = 2;
const EDGE: u8 = 3;
const STATUS: u8 = 4;
const BLOCK: u8 = 5;

impl Outcome {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut to = Encoder::interning();
        self.revision.sequence().encode(&mut to);
        self.results.encode(&mut to);
        to.byte(u8::from(self.resource.is_some()));
        self.resource.iter().for_each(|resource| resource.encode(&mut to));
        to.bytes
    }

    /// Reads an outcome that the store with this id has kept.
    pub(super) fn decode(bytes: &[u8], store_id: u128) -> Read<Outcome> {
        let mut from = Decoder::new(bytes);
        let revision = Revision::new(store_id, from.number()?);
        let (results, resource): (_, Option<Snapshot>) = (from.list(BATCH_MAX)?, Codec::decode(&mut from)?);
        from.end()?;
        Ok(Outcome { revision, results, resource: resource.map(Box::new) })
    }
}

impl Codec for ChangeResult {
    fn encode(&self, to: &mut Encoder) {
        let ChangeResult { applied, etag, posted } = self;
        let Applied { effect, edges_deleted, statuses_deleted, members_created } = *applied;
        let counts = *applied != Applied::of(effect);
        let part = |there: bool, flag: u8| if there { flag } else { 0 };
        to.byte(effect as u8 | part(counts, COUNTS) | part(etag.is_some(), ETAG) | part(posted.is_some(), POSTED));
        if counts {
            [edges_deleted, statuses_deleted, members_created].into_iter().for_each(|count| to.number(count));
        }
        etag.iter().for_each(|etag| etag.encode(to));
        posted.iter().for_each(|id| id.encode(to));
    }

    fn decode(from: &mut Decoder<'_>) -> Read<ChangeResult> {
        let parts = from.byte()?;
        if parts & !(EFFECT | COUNTS | ETAG | POSTED) != 0 {
            return Err(Malformed("a result has parts that are not known"));
        }
        let mut applied = Applied::of(Effect::ALL[usize::from(parts & EFFECT)]);
        if parts & COUNTS != 0 {
            (applied.edges_deleted, applied.statuses_deleted) = (from.number()?, from.number()?);
            applied.members_created = from.number()?;
        }
        let etag = if parts & ETAG != 0 { Some(Codec::decode(from)?) } else { None };
        let posted = if parts & POSTED != 0 { Some(Codec::decode(from)?) } else { None };
        Ok(ChangeResult { applied, etag, posted })
    }
}

impl Codec for Snapshot {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Snapshot::Kind(kind) => encode_stored(to, KIND, kind),
            Snapshot::Member(member) => encode_stored(to, MEMBER, member),
            Snapshot::Edge(edge, strength) => {
                encode_stored(to, EDGE, edge);
                strength.encode(to);
            }
            Snapshot::Status(status) => encode_stored(to, STATUS, status),
            Snapshot::Block(block) => {
                to.byte(BLOCK);
                block.encode(to);
            }
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Read<Snapshot> {
        Ok(match from.byte()? {
            KIND => Snapshot::Kind(decode_stored(from)?),
            MEMBER => Snapshot::Member(decode_stored(from)?),
            EDGE => Snapshot::Edge(decode_stored(from)?, Codec::decode(from)?),
            STATUS => Snapshot::Status(decode_stored(from)?),
            BLOCK => Snapshot::Block(Codec::decode(from)?),
            _ => return Err(Malformed("a resource is of no known kind")),
        })
    }
}

fn encode_stored<T: Codec>(to: &mut Encoder, sort: u8, stored: &Stored<T>) {
    to.byte(sort);
    stored.value.encode(to);
    Times { create: stored.create_time, update: stored.update_time }.encode(to);
}

fn decode_stored<T: Codec>(from: &mut Decoder<'_>) -> Read<Stored<T>> {
    let (value, Times { create, update }) = (T::decode(from)?, Times::decode(from)?);
    Ok(Stored { value, create_time: create, update_time: update })
}
