//! Recognizes a file's content by its first bytes.

use std::io::{self, Read};

use super::gzip;

pub enum Content {
    Text,
    Gzip,
    /// Content that is not read, with what to do about it.
    Other(&'static str),
}

const OTHERS: [(&[u8], &str); 8] = [
    (b"\x28\xb5\x2f\xfd", "is packed by zstd: unpack it first (zstd -dc FILE | kith import -)"),
    (b"BZh91AY&SY", "is packed by bzip2: unpack it first (bzip2 -dc FILE | kith import -)"),
    (b"\xfd7zXZ\x00", "is packed by xz: unpack it first (xz -dc FILE | kith import -)"),
    (
        b"PK\x03\x04",
        "is a zip archive, or a spreadsheet, which is one: import what is in it, as CSV (unzip -p FILE | kith import -)",
    ),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive: unpack it first"),
    (b"\x04\x22\x4d\x18", "is packed by lz4: unpack it first (lz4 -dc FILE | kith import -)"),
    (b"\xff\xfe", UTF16),
    (b"\xfe\xff", UTF16),
];

const UTF16: &str = "is UTF-16: make it UTF-8 first (iconv -f UTF-16 -t UTF-8 FILE | kith import -)";
const BYTES_MAX: usize = 10;

/// Recognizes the content from as few bytes as it can, because more may be long in coming. Returns the bytes that were read too.
pub fn content(source: &mut impl Read) -> io::Result<(Vec<u8>, Content)> {
    let mut first = Vec::new();
    loop {
        let mut byte = [0];
        let ended = first.len() == BYTES_MAX || read_one(source, &mut byte)? == 0;
        if !ended {
            first.push(byte[0]);
        }
        if let Some(content) = recognized(&first, ended) {
            return Ok((first, content));
        }
    }
}

fn read_one(source: &mut impl Read, byte: &mut [u8; 1]) -> io::Result<usize> {
    loop {
        match source.read(byte) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => return read,
        }
    }
}

/// Returns the content that these bytes begin, unless more bytes could make it something else.
fn recognized(first: &[u8], ended: bool) -> Option<Content> {
    if first.starts_with(&gzip::MAGIC) {
        return Some(Content::Gzip);
    }
    for (known, what) in OTHERS {
        // The byte of the compression level is any digit.
        let mut known = known.to_vec();
        if known.starts_with(b"BZh") && first.get(3).is_some_and(u8::is_ascii_digit) {
            known[3] = first[3];
        }
        if first.starts_with(&known) {
            return Some(Content::Other(what));
        }
        if !ended && !first.is_empty() && known.starts_with(first) {
            return None;
        }
    }
    match first {
        [] if !ended => None,
        [0x1f] if !ended => None,
        // Text has no NUL; without a mark, every second byte of Western UTF-16 is one.
        [0, other, ..] | [other, 0, ..] if *other != 0 => Some(Content::Other(UTF16)),
        [0] if !ended => None,
        [_] if !ended => None,
        _ => Some(Content::Text),
    }
}
