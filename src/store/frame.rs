//! The frame around every stored value: a format byte and a checksum of all of it, its key too.

use super::StoreError;

/// The format of values this version writes, and the only one it reads.
pub const VALUE_FORMAT: u8 = 1;
const HEADER_BYTES: usize = 5;

/// Format (1 byte), CRC-32 of key, format and payload (4 bytes, little-endian), payload.
pub fn seal(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(HEADER_BYTES + payload.len());
    framed.push(VALUE_FORMAT);
    framed.extend_from_slice(&checksum(key, payload).to_le_bytes());
    framed.extend_from_slice(payload);
    framed
}

/// The payload of a frame that is whole. `part` names what it is of, for the refusal of one that is not.
pub fn open<'a>(key: &[u8], framed: &'a [u8], part: &dyn Fn() -> String) -> Result<&'a [u8], StoreError> {
    let damaged = |how: &str| StoreError::Damaged { what: format!("{}: {how}", part()) };
    let (header, payload) = framed.split_at_checked(HEADER_BYTES).ok_or_else(|| damaged("a value is cut short"))?;
    if header[0] != VALUE_FORMAT {
        return Err(damaged(&format!("a value of unknown format {}", header[0])));
    }
    if header[1..] != checksum(key, payload).to_le_bytes() {
        return Err(damaged("a value's checksum does not match"));
    }
    Ok(payload)
}

fn checksum(key: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(&[VALUE_FORMAT]);
    hasher.update(payload);
    hasher.finalize()
}
