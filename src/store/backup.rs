//! A store in one file, to be kept elsewhere: the entries of a checkpoint one after the other, its head last.
//!
//! It is written and read in one go, a chunk in memory at a time. `docs/FORMAT.md` gives the bytes.

use std::io::{ErrorKind, Read};

use super::frame;
use super::layout::{CheckpointPacker, ChunkEntry, HEAD_KEY, RowCounter, chunk_key, read_head, unpack_chunk};
use super::{CheckpointHead, CheckpointLoader, Row, StoreError, StoreId};

const MAGIC: &[u8; 8] = b"KITHBKUP";
/// The format of backups this version writes, and the only one it reads.
pub const BACKUP_FORMAT: u32 = 7;
/// Magic (8), format (4), store id (16), CRC-32 of these (4).
const HEADER_BYTES: usize = 32;
const CHUNK: u8 = b'c';
const HEAD: u8 = b'h';
/// Tag (1), bytes of the value (4).
const ENTRY_HEADER_BYTES: usize = 5;
/// More than any value has: a chunk ends with the row that takes it over 16 KiB, and no row outgrows an answer by much.
const VALUE_BYTES_MAX: u32 = 64 * 1_024 * 1_024;

/// Packs rows into the bytes of a backup.
pub struct BackupPacker {
    store: StoreId,
    packer: CheckpointPacker,
}

impl BackupPacker {
    /// Begins the backup of a store whose state has this head.
    pub fn new(store: StoreId, head: &CheckpointHead) -> BackupPacker {
        BackupPacker { store, packer: CheckpointPacker::new(head) }
    }

    /// The first bytes.
    pub fn header(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(BACKUP_FORMAT.to_le_bytes());
        bytes.extend(self.store.0.to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// Adds a row; gives the next bytes when there are some.
    pub fn push(&mut self, row: &Row) -> Option<Vec<u8>> {
        self.packer.push(row).map(chunk_entry)
    }

    /// The last bytes.
    pub fn finish(mut self) -> Vec<u8> {
        let (last, head) = self.packer.finish();
        let mut bytes = last.map(chunk_entry).unwrap_or_default();
        bytes.extend(entry(HEAD, &head));
        bytes
    }
}

fn chunk_entry((_, value): ChunkEntry) -> Vec<u8> {
    entry(CHUNK, &value)
}

fn entry(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENTRY_HEADER_BYTES + value.len());
    bytes.push(tag);
    bytes.extend((value.len() as u32).to_le_bytes());
    bytes.extend_from_slice(value);
    bytes
}

/// Reads a backup's entries in order, each of them whole.
pub struct BackupReader<R> {
    from: R,
    /// Whose backup it is.
    pub store: StoreId,
    chunks: u64,
    ended: bool,
}

/// An entry of a checkpoint, its key and its framed value.
pub struct BackupEntry {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

impl<R: Read> BackupReader<R> {
    /// Reads the header.
    pub fn open(mut from: R) -> Result<BackupReader<R>, StoreError> {
        let mut header = [0; HEADER_BYTES];
        fill(&mut from, &mut header, || "it is too short for one".to_owned())?;
        let (content, crc) = header.split_at(HEADER_BYTES - 4);
        if !content.starts_with(MAGIC) {
            return Err(damaged("it does not begin with KITHBKUP"));
        }
        if crc != crc32fast::hash(content).to_le_bytes() {
            return Err(damaged("its header's checksum does not match"));
        }
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0u128, |number, &byte| number << 8 | u128::from(byte));
        let found = number(&content[8..12]) as u32;
        if found != BACKUP_FORMAT {
            return Err(StoreError::UnknownFormat { found, known: BACKUP_FORMAT });
        }
        Ok(BackupReader { from, store: StoreId(number(&content[12..28])), chunks: 0, ended: false })
    }

    /// The next entry; none after the head, with which a backup ends.
    pub fn next_entry(&mut self) -> Result<Option<BackupEntry>, StoreError> {
        if self.ended {
            let mut more = [0];
            return match read(&mut self.from, &mut more)? {
                0 => Ok(None),
                _ => Err(damaged("more follows on its head")),
            };
        }
        let mut header = [0; ENTRY_HEADER_BYTES];
        let part = format!("chunk {}", self.chunks);
        fill(&mut self.from, &mut header, || format!("it ends before {part}"))?;
        let [tag, length @ ..] = header;
        let length = u32::from_le_bytes(length);
        if !matches!(tag, CHUNK | HEAD) || length > VALUE_BYTES_MAX {
            return Err(damaged(&format!("{part}: no entry begins where it should")));
        }
        self.ended = tag == HEAD;
        let key = if self.ended { HEAD_KEY.to_vec() } else { chunk_key(self.chunks).to_vec() };
        let mut value = Vec::new();
        (&mut self.from).take(length.into()).read_to_end(&mut value)?;
        if value.len() < length as usize {
            return Err(damaged(&format!("{part}: it is cut short")));
        }
        frame::open(&key, &value, &|| format!("the backup, {}", if tag == HEAD { "head" } else { &part }))?;
        self.chunks += u64::from(tag == CHUNK);
        Ok(Some(BackupEntry { key, value }))
    }
}

/// Reads all of a backup: every row, then the head. Gives the head.
pub fn read_backup(
    reader: &mut BackupReader<impl Read>,
    loader: &mut dyn CheckpointLoader,
) -> Result<CheckpointHead, StoreError> {
    let mut rows = RowCounter::default();
    let mut head = None;
    let mut chunks = 0;
    while let Some(BackupEntry { key, value }) = reader.next_entry()? {
        if key == HEAD_KEY {
            head = Some(read_head(&value)?);
        } else {
            rows.give(unpack_chunk(chunks, &value)?, loader)?;
            chunks += 1;
        }
    }
    let (head, counted) = head.ok_or_else(|| damaged("its head is missing"))?;
    if counted != chunks {
        return Err(damaged(&format!("its head counts {counted} chunks, and there are {chunks}")));
    }
    rows.check(&head)?;
    loader.head(&head)?;
    Ok(head)
}

fn damaged(how: &str) -> StoreError {
    StoreError::Damaged { what: format!("the backup: {how}") }
}

fn fill(from: &mut impl Read, bytes: &mut [u8], short: impl FnOnce() -> String) -> Result<(), StoreError> {
    from.read_exact(bytes).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => damaged(&short()),
        _ => error.into(),
    })
}

fn read(from: &mut impl Read, bytes: &mut [u8]) -> Result<usize, StoreError> {
    loop {
        match from.read(bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return Ok(read?),
        }
    }
}
