//! Keys and values of a checkpoint, whatever keeps them: its head, and its chunks by number.

use std::sync::mpsc::sync_channel;
use std::thread;

use super::chunks::{ChunkPacker, decode_head, encode_head, unpack};
use super::{CheckpointHead, CheckpointLoader, Row, StoreError, frame};
use crate::domain::Sequence;
use crate::domain::codec::Malformed;

/// A key of a checkpoint's chunk and its framed value.
pub type ChunkEntry = ([u8; 9], Vec<u8>);

/// The checkpoint's head, written last: a checkpoint without it is not whole.
pub const HEAD_KEY: [u8; 1] = [b'h'];

pub fn chunk_key(number: u64) -> [u8; 9] {
    let mut key = [b'c'; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

pub fn damaged(part: &str, malformed: Malformed) -> StoreError {
    StoreError::Damaged { what: format!("{part}: {}", malformed.0) }
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
type Get<'a, V> = dyn Fn(&[u8]) -> Result<Option<V>, StoreError> + Sync + 'a;

/// Chunks that are read and unpacked before their rows are taken.
const CHUNKS_AHEAD: usize = 16;

/// Reads a checkpoint, if its head is there: the head, then the rows of every chunk, checked against the head's counts. A thread
/// reads ahead of the loader.
pub fn read_checkpoint<V: AsRef<[u8]>>(
    get: &Get<'_, V>,
    loader: &mut dyn CheckpointLoader,
) -> Result<Sequence, StoreError> {
    let Some(value) = get(&HEAD_KEY)? else { return Ok(0) };
    let (head, chunks) = read_head(value.as_ref())?;
    loader.head(&head)?;
    let mut counter = RowCounter::default();
    thread::scope(|scope| {
        let (ahead, read) = sync_channel(CHUNKS_AHEAD);
        let chunks = (0..chunks).map(|number| read_chunk(get, number));
        // Ends when all are read, or when nobody waits for more.
        let mut for_thread = chunks.clone();
        let read_all = move || for_thread.try_for_each(|chunk| ahead.send(chunk));
        match thread::Builder::new().spawn_scoped(scope, read_all) {
            Ok(_) => read.into_iter().try_for_each(|chunk| counter.give(chunk?, loader)),
            // There is no thread to be had: it takes longer without.
            Err(_) => chunks.into_iter().try_for_each(|chunk| counter.give(chunk?, loader)),
        }
    })?;
    counter.check(&head)?;
    Ok(head.sequence)
}

fn read_chunk<V: AsRef<[u8]>>(get: &Get<'_, V>, number: u64) -> Result<Vec<Row>, StoreError> {
    let missing = || StoreError::Damaged { what: format!("{}: is missing", chunk_name(number)) };
    let value = get(&chunk_key(number))?.ok_or_else(missing)?;
    unpack_chunk(number, value.as_ref())
}

/// The head in its framed value, and how many chunks there are.
pub fn read_head(value: &[u8]) -> Result<(CheckpointHead, u64), StoreError> {
    let part = || "checkpoint, head".to_owned();
    let payload = frame::open(&HEAD_KEY, value, &part)?;
    decode_head(payload).map_err(|malformed| damaged(&part(), malformed))
}

fn chunk_name(number: u64) -> String {
    format!("checkpoint, chunk {number}")
}

/// The rows of a chunk in its framed value.
pub fn unpack_chunk(number: u64, value: &[u8]) -> Result<Vec<Row>, StoreError> {
    let part = || chunk_name(number);
    let payload = frame::open(&chunk_key(number), value, &part)?;
    unpack(payload).map_err(|malformed| damaged(&part(), malformed))
}

/// Counts the rows that were read, by their order.
#[derive(Default)]
pub struct RowCounter([u64; 12]);

impl RowCounter {
    /// Gives rows to the loader.
    pub fn give(&mut self, rows: Vec<Row>, loader: &mut dyn CheckpointLoader) -> Result<(), StoreError> {
        rows.into_iter().try_for_each(|row| {
            self.0[row.count_index()] += 1;
            loader.row(row)
        })
    }

    /// Whether they are as many as the head counts.
    pub fn check(&self, head: &CheckpointHead) -> Result<(), StoreError> {
        if self.0 == head.rows.by_index() {
            return Ok(());
        }
        let what = format!("checkpoint: its rows {:?} are not as many as its head counts", self.0);
        Err(StoreError::Damaged { what })
    }
}

/// Reads and drops everything: to prove that it can be read.
pub struct Discard;

impl CheckpointLoader for Discard {
    fn head(&mut self, _: &CheckpointHead) -> Result<(), StoreError> {
        Ok(())
    }

    fn row(&mut self, _: Row) -> Result<(), StoreError> {
        Ok(())
    }
}
