//! The file `STORE`: what the folder is, and which generation in it is the current one.
//!
//! It is replaced whole by one atomic rename, so it is always the old one or the new one.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::store::private::{self, sync_folder};
use crate::store::{NUMBER_MAX, StoreError, StoreId};

/// The format of the store's layout this version writes, and the only one it reads.
const STORE_FORMAT: u32 = 7;
const MAGIC: &[u8; 4] = b"KITH";
const NAME: &str = "STORE";
const NAME_BESIDE: &str = "STORE.new";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreFile {
    pub id: StoreId,
    pub generation: u64,
}

impl StoreFile {
    pub const BYTES: u64 = 36;

    /// Magic (4), format (4), id (16), generation (8), CRC-32 of all before it (4); little-endian.
    fn encode(self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&STORE_FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.id.0.to_le_bytes());
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<StoreFile, StoreError> {
        let damaged = |how: &str| StoreError::Damaged { what: format!("{NAME}: {how}") };
        let bytes: &[u8; 36] = bytes.try_into().map_err(|_| damaged("it is not 36 bytes long"))?;
        let (content, crc) = bytes.split_at(32);
        if &content[..4] != MAGIC {
            return Err(damaged("it does not begin with KITH"));
        }
        if crc != crc32fast::hash(content).to_le_bytes() {
            return Err(damaged("its checksum does not match"));
        }
        let number = |range: std::ops::Range<usize>| {
            content[range].iter().rev().fold(0u128, |number, &byte| number << 8 | u128::from(byte))
        };
        let found = number(4..8) as u32;
        if found != STORE_FORMAT {
            return Err(StoreError::UnknownFormat { found, known: STORE_FORMAT });
        }
        let generation = number(24..32) as u64;
        if generation > NUMBER_MAX {
            return Err(damaged("its generation is too large"));
        }
        Ok(StoreFile { id: StoreId(number(8..24)), generation })
    }

    pub fn is_in(folder: &Path) -> bool {
        folder.join(NAME).exists()
    }

    /// The file in a folder; none if there is none.
    pub fn read(folder: &Path) -> Result<Option<StoreFile>, StoreError> {
        match fs::read(folder.join(NAME)) {
            Ok(bytes) => StoreFile::decode(&bytes).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces the one there is, at once; on disk when it returns. The names of what it refers to are on disk before: a rename may get
    /// there alone.
    pub fn write(self, folder: &Path) -> Result<(), StoreError> {
        let mut file = private::create_file(&folder.join(NAME_BESIDE))?;
        file.write_all(&self.encode())?;
        file.sync_all()?;
        sync_folder(folder)?;
        fs::rename(folder.join(NAME_BESIDE), folder.join(NAME))?;
        Ok(sync_folder(folder)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_and_no_changed_byte_passes() {
        let file = StoreFile { id: StoreId(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210), generation: 7 };
        let bytes = file.encode();
        assert_eq!(StoreFile::decode(&bytes), Ok(file));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(StoreFile::decode(&changed).is_err(), "byte {at}");
            assert!(StoreFile::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_generation_that_none_can_follow_is_refused() {
        let read = |generation| StoreFile::decode(&StoreFile { id: StoreId(1), generation }.encode());
        assert!(read(NUMBER_MAX).is_ok() && read(NUMBER_MAX + 1).is_err());
    }

    #[test]
    fn another_format_is_named() {
        for found in [STORE_FORMAT - 1, STORE_FORMAT + 1] {
            let mut bytes = StoreFile { id: StoreId(1), generation: 1 }.encode();
            bytes[4] = found as u8;
            let crc = crc32fast::hash(&bytes[..32]).to_le_bytes();
            bytes[32..].copy_from_slice(&crc);
            assert_eq!(StoreFile::decode(&bytes), Err(StoreError::UnknownFormat { found, known: STORE_FORMAT }));
        }
    }
}
