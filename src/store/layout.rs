//! Keys and values of a checkpoint, whatever keeps them: its head, and its chunks by number.

use super::chunks::{ChunkPacker, decode_head, encode_head, unpack};
use super::codec::Malformed;
use super::{CheckpointHead, Commit, Loader, Row, StoreError, frame};
use crate::domain::Sequence;

/// A key of a checkpoint's chunk and its framed value.
pub type ChunkEntry = ([u8; 9], Vec<u8>);

/// The checkpoint's head, written last: a checkpoint without it is not whole.
pub const HEAD_KEY: [u8; 1] = [b'h'];

pub fn chunk_key(number: u64) -> [u8; 9] {
    let mut key = [b'c'; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

pub fn damaged(place: &str, malformed: Malformed) -> StoreError {
    StoreError::Damaged { what: format!("{place}: {}", malformed.0) }
}

/// Packs rows into keyed values.
pub struct CheckpointPacker {
    head: CheckpointHead,
    packer: ChunkPacker,
    chunks: u64,
}

impl CheckpointPacker {
    pub fn new(head: &CheckpointHead) -> CheckpointPacker {
        CheckpointPacker { head: head.clone(), packer: ChunkPacker::default(), chunks: 0 }
    }

    /// Adds a row; gives a chunk's key and value when one is full.
    pub fn push(&mut self, row: &Row) -> Option<ChunkEntry> {
        self.packer.push(row).map(|chunk| self.sealed(&chunk))
    }

    fn sealed(&mut self, chunk: &[u8]) -> ChunkEntry {
        let key = chunk_key(self.chunks);
        self.chunks += 1;
        (key, frame::seal(&key, chunk))
    }

    /// The last chunk, if there is one, and the head's value.
    pub fn finish(&mut self) -> (Option<ChunkEntry>, Vec<u8>) {
        let last = self.packer.close().map(|chunk| self.sealed(&chunk));
        (last, frame::seal(&HEAD_KEY, &encode_head(&self.head, self.chunks)))
    }
}

/// Looks a stored value up by its key.
type Get<'a, V> = dyn FnMut(&[u8]) -> Result<Option<V>, StoreError> + 'a;

/// Reads a checkpoint, if its head is there: the head, then the rows of every chunk, checked against the head's counts.
pub fn read_checkpoint<V: AsRef<[u8]>>(get: &mut Get<'_, V>, loader: &mut dyn Loader) -> Result<Sequence, StoreError> {
    let Some(value) = get(&HEAD_KEY)? else { return Ok(0) };
    let place = || "checkpoint, head".to_owned();
    let payload = frame::open(&HEAD_KEY, value.as_ref(), &place)?;
    let (head, chunks) = decode_head(payload).map_err(|malformed| damaged(&place(), malformed))?;
    loader.head(&head)?;
    let mut counts = [0u64; 5];
    for number in 0..chunks {
        let key = chunk_key(number);
        let place = || format!("checkpoint, chunk {number}");
        let value = get(&key)?.ok_or_else(|| StoreError::Damaged { what: format!("{}: is missing", place()) })?;
        let payload = frame::open(&key, value.as_ref(), &place)?;
        let rows = unpack(payload, |row| {
            counts[row.order()] += 1;
            loader.row(row).map_err(Unpacking::Refused)
        });
        rows.map_err(|error| match error {
            Unpacking::Malformed(malformed) => damaged(&place(), malformed),
            Unpacking::Refused(refused) => refused,
        })?;
    }
    if counts != [head.kinds, head.members, head.edges, head.statuses, head.requests] {
        let what = format!("checkpoint: its rows {counts:?} are not as many as its head tells");
        return Err(StoreError::Damaged { what });
    }
    Ok(head.sequence)
}

/// Why a chunk could not be read: its bytes, or the one who takes the rows.
enum Unpacking {
    Malformed(Malformed),
    Refused(StoreError),
}

impl From<Malformed> for Unpacking {
    fn from(malformed: Malformed) -> Unpacking {
        Unpacking::Malformed(malformed)
    }
}

/// Reads and drops everything: to prove that it can be read.
pub struct Discard;

impl Loader for Discard {
    fn head(&mut self, _: &CheckpointHead) -> Result<(), StoreError> {
        Ok(())
    }

    fn row(&mut self, _: Row) -> Result<(), StoreError> {
        Ok(())
    }

    fn commit(&mut self, _: Commit) -> Result<(), StoreError> {
        Ok(())
    }
}
