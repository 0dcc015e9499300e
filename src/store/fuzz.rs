//! What is read back from disk, on damaged bytes whose checksums hold.

use std::io::Cursor;

use super::backup::BACKUP_FORMAT;
use super::{BackupReader, StoreError, chunks, commit_codec, frame};
use crate::fuzz::{fuzz, of_hex};

const COMMITS: &str = include_str!("../../tests/corpus/commits.hex");
const CHUNKS: &str = include_str!("../../tests/corpus/chunks.hex");
const HEADS: &str = include_str!("../../tests/corpus/heads.hex");

#[test]
fn no_commit_breaks_the_log() {
    fuzz("commits", of_hex(COMMITS), |bytes| commit_codec::decode(7, bytes));
}

#[test]
fn no_chunk_breaks_a_checkpoint() {
    fuzz("chunks", of_hex(CHUNKS), |bytes| chunks::unpack(bytes).map(|_| ()));
}

#[test]
fn no_head_breaks_a_checkpoint() {
    fuzz("heads", of_hex(HEADS), chunks::decode_head);
}

#[test]
fn no_frame_breaks_its_check() {
    let sealed = of_hex(COMMITS).into_iter().map(|payload| frame::seal(b"key", &payload));
    fuzz("frames", sealed, |bytes| frame::open(b"key", bytes, &|| "here".to_owned()).map(|_| ()));
}

#[test]
fn no_backup_breaks_its_reader() {
    let mut whole = b"KITHBKUP".to_vec();
    whole.extend(BACKUP_FORMAT.to_le_bytes());
    whole.extend([7; 16]);
    let crc = crc32fast::hash(&whole).to_le_bytes();
    whole.extend(crc);
    for payload in of_hex(CHUNKS) {
        let value = frame::seal(&[b'c', 0, 0, 0, 0, 0, 0, 0, 0], &payload);
        whole.push(b'c');
        whole.extend((value.len() as u32).to_le_bytes());
        whole.extend(value);
    }
    fuzz("backups", [whole], |bytes| -> Result<(), StoreError> {
        let mut reader = BackupReader::open(Cursor::new(bytes))?;
        while reader.next_entry()?.is_some() {}
        Ok(())
    });
}
