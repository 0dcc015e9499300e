//! The file `TAIL`: how far the log was acknowledged, outside of the log.
//!
//! Damage of the log's last frame looks like an append that a crash cut short. So after each append its last sequence is noted
//! here, and a log that ends before it is damaged.
//!
//! It is not synced by each append, which would take as long as the append itself: the kernel puts it on disk within
//! seconds. It notes at most what the log holds, so a power cut can leave it behind the log, never ahead.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::domain::Sequence;
use crate::store::{StoreError, private};

const NAME: &str = "TAIL";
/// Two slots, written in turn: a write cut short leaves the other one whole.
const SLOTS: u64 = 2;
/// Sequence (8), CRC-32 of it (4); little-endian.
const SLOT_BYTES: usize = 12;

pub struct TailFile {
    file: File,
    next_slot: u64,
    pub acknowledged: Sequence,
}

impl TailFile {
    /// At most.
    pub const BYTES: u64 = SLOTS * SLOT_BYTES as u64;

    /// The file of a new store whose last sequence this is, on disk when it returns.
    pub fn create(folder: &Path, last: Sequence) -> Result<(), StoreError> {
        let file = private::create_file(&folder.join(NAME))?;
        file.write_all_at(&encode(last), 0)?;
        Ok(file.sync_all()?)
    }

    pub fn open(folder: &Path) -> Result<TailFile, StoreError> {
        let tail = TailFile::inspect(folder)?;
        let file = File::options().write(true).open(folder.join(NAME))?;
        Ok(TailFile { file, ..tail })
    }

    /// The same, to be read alone.
    pub fn inspect(folder: &Path) -> Result<TailFile, StoreError> {
        let path = folder.join(NAME);
        let bytes = fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => StoreError::Damaged { what: format!("{NAME} is missing") },
            _ => error.into(),
        })?;
        let known = bytes.chunks(SLOT_BYTES).zip(0..SLOTS).filter_map(|(bytes, slot)| Some((decode(bytes)?, slot)));
        let (acknowledged, slot) =
            known.max().ok_or_else(|| StoreError::Damaged { what: format!("{NAME}: no checksum in it matches") })?;
        Ok(TailFile { file: File::open(&path)?, next_slot: (slot + 1) % SLOTS, acknowledged })
    }

    /// Notes the last one again, in both slots: what they held may have been damaged.
    pub fn note_again(&mut self) {
        for _ in 0..SLOTS {
            self.acknowledge(self.acknowledged);
        }
    }

    /// Notes what is in the log already. That it can't be noted is no reason to refuse it: the next note makes up for it.
    pub fn acknowledge(&mut self, sequence: Sequence) {
        match self.file.write_all_at(&encode(sequence), self.next_slot * SLOT_BYTES as u64) {
            Ok(()) => {
                self.next_slot = (self.next_slot + 1) % SLOTS;
                self.acknowledged = sequence;
            }
            Err(error) => tracing::warn!(%error, "the end of the log could not be noted"),
        }
    }
}

fn encode(sequence: Sequence) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..8].copy_from_slice(&sequence.to_le_bytes());
    bytes[8..].copy_from_slice(&crc32fast::hash(&sequence.to_le_bytes()).to_le_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Sequence> {
    let sequence = Sequence::from_le_bytes(*bytes.first_chunk()?);
    (encode(sequence) == bytes).then_some(sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_the_last_sequence_and_one_bad_slot_hides_only_that() {
        let folder = tempfile::tempdir().unwrap();
        TailFile::create(folder.path(), 0).unwrap();
        let mut tail = TailFile::open(folder.path()).unwrap();
        assert_eq!(tail.acknowledged, 0);
        for sequence in [3, 7, 300] {
            tail.acknowledge(sequence);
            assert_eq!(TailFile::open(folder.path()).unwrap().acknowledged, sequence);
        }
        let path = folder.path().join(NAME);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            fs::write(&path, changed).unwrap();
            assert!([7, 300].contains(&TailFile::open(folder.path()).unwrap().acknowledged), "byte {at}");
        }
        fs::write(&path, [0xff; 24]).unwrap();
        assert!(matches!(TailFile::open(folder.path()).err(), Some(StoreError::Damaged { .. })));
    }
}
