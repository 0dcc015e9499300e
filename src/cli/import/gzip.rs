//! Reads gzip of several members: as `bgzip` and `cat` make it, and with the zeros that tapes and disk images put behind it.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

pub const MAGIC: [u8; 2] = [0x1f, 0x8b];
const BUFFER_BYTES: usize = 256 * 1024;

/// The content of all members, one after the other.
pub struct Gzip<R> {
    member: Option<GzDecoder<BufReader<R>>>,
}

impl<R: Read> Gzip<R> {
    pub fn new(source: R) -> Gzip<R> {
        Gzip { member: Some(GzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, source))) }
    }
}

impl<R: Read> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(member) = &mut self.member else { return Ok(0) };
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            // The member has ended, and its checksum was right.
            let Some(mut rest) = self.member.take().map(GzDecoder::into_inner) else { return Ok(0) };
            if !skip_zeros(&mut rest)? {
                return Ok(0);
            }
            if !begins_with_magic(&rest) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "something that is not gzip follows"));
            }
            self.member = Some(GzDecoder::new(rest));
        }
    }
}

/// Skips padding; returns false at the end.
fn skip_zeros(source: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffer = source.fill_buf()?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
        let more = zeros < buffer.len();
        source.consume(zeros);
        if more {
            return Ok(true);
        }
    }
}

/// Returns whether what is buffered may begin a member; a buffer's last byte may be the magic's first.
fn begins_with_magic<R>(source: &BufReader<R>) -> bool {
    source.buffer().iter().zip(MAGIC).all(|(byte, magic)| *byte == magic)
}
