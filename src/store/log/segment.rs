//! The bytes of one file of the log: a header, then frames, each a batch of commits that was put on disk at once.
//!
//! A frame that is not whole is either the end of what was written when the power went, or damage. Every batch is synced
//! before the next is written, so a whole frame behind a broken one shows that the broken one was acknowledged.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use crate::domain::codec::{Decoder, Encoder, Malformed};
use crate::domain::{NamespaceName, Sequence};
use crate::store::{Commit, StoreError, StoreId, commit_codec};

/// The format of segments this version writes, and the only one it reads.
const LOG_FORMAT: u32 = 3;
const MAGIC: &[u8; 4] = b"KLOG";
/// Magic (4), format (4), store id (16), first sequence (8), salt (8), CRC-32 of all before it (4), nothing (4).
pub const HEADER_BYTES: usize = 48;
/// Payload bytes (4), CRC-32 of salt, the two fields that follow and the payload (4), first sequence (8), commits (4).
pub const FRAME_HEADER_BYTES: usize = 20;
/// Frames begin at multiples of it, so that a search for one need not try every byte.
const ALIGNMENT: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    pub store: StoreId,
    /// The sequence of the first commit in it.
    pub first: Sequence,
    /// In every frame's checksum: no caller can write a text that looks like a frame.
    pub salt: u64,
}

impl SegmentHeader {
    pub fn new(store: StoreId, first: Sequence) -> SegmentHeader {
        // The standard library's source of unguessable numbers; one is enough for a file.
        let salt = RandomState::new().build_hasher().finish();
        SegmentHeader { store, first, salt }
    }

    pub fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4..8].copy_from_slice(&LOG_FORMAT.to_le_bytes());
        bytes[8..24].copy_from_slice(&self.store.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.salt.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..40]);
        bytes[40..44].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header of the segment that begins at `first` in the log of `store`; `name` is for the refusal.
    pub fn decode(bytes: &[u8], store: StoreId, first: Sequence, name: &str) -> Result<SegmentHeader, StoreError> {
        let damaged = |how: &str| StoreError::Damaged { what: format!("{name}: {how}") };
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or_else(|| damaged("its header is cut short"))?;
        if &bytes[..4] != MAGIC {
            return Err(damaged("it does not begin with KLOG"));
        }
        if bytes[40..44] != crc32fast::hash(&bytes[..40]).to_le_bytes() || bytes[44..] != [0; 4] {
            return Err(damaged("its header's checksum does not match"));
        }
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let found = number(4) as u32;
        if found != LOG_FORMAT {
            return Err(StoreError::UnknownFormat { found, known: LOG_FORMAT });
        }
        let id = u128::from(number(16)) << 64 | u128::from(number(8));
        let header = SegmentHeader { store: StoreId(id), first: number(24), salt: number(32) };
        if (header.store, header.first) != (store, first) {
            return Err(damaged("it is of another store or another position in the log"));
        }
        Ok(header)
    }
}

/// A batch of commits as a frame, with zeros up to where the next one begins.
pub fn frame(salt: u64, commits: &[Commit]) -> Result<Vec<u8>, StoreError> {
    let mut payload = Encoder::default();
    commits.iter().for_each(|commit| payload.blob(&commit_codec::encode(commit)));
    let payload = payload.bytes;
    let length = u32::try_from(payload.len()).map_err(|_| StoreError::Io("a batch is over 4 GiB".to_owned()))?;
    let first = commits.first().map_or(0, |commit| commit.sequence);
    let mut bytes = Vec::with_capacity((FRAME_HEADER_BYTES + payload.len()).next_multiple_of(ALIGNMENT));
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&first.to_le_bytes());
    bytes.extend_from_slice(&(commits.len() as u32).to_le_bytes());
    let crc = checksum(salt, &bytes[8..FRAME_HEADER_BYTES], &payload);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(&payload);
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    Ok(bytes)
}

fn checksum(salt: u64, fields: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(fields);
    hasher.update(payload);
    hasher.finalize()
}

/// What stands before a frame's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    length: u32,
    crc: u32,
    pub first: Sequence,
    pub commits: u32,
    fields: [u8; 12],
}

impl FrameHeader {
    /// None where no frame was ever begun.
    pub fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Option<FrameHeader> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let fields = *bytes.last_chunk().expect("a header has twelve bytes at its end");
        let first = u64::from(word(12)) << 32 | u64::from(word(8));
        let header = FrameHeader { length: word(0), crc: word(4), first, commits: word(16), fields };
        (header.length > 0).then_some(header)
    }

    /// Bytes of the payload.
    pub fn payload_bytes(self) -> usize {
        self.length as usize
    }

    /// Bytes from this frame's begin to the next one's.
    pub fn frame_bytes(self) -> usize {
        (FRAME_HEADER_BYTES + self.payload_bytes()).next_multiple_of(ALIGNMENT)
    }

    pub fn last(self) -> Sequence {
        self.first.saturating_add(u64::from(self.commits)).saturating_sub(1)
    }

    fn check(self, salt: u64, payload: &[u8]) -> Result<(), Malformed> {
        let matches = self.crc == checksum(salt, &self.fields, payload);
        if matches { Ok(()) } else { Err(Malformed("a frame's checksum does not match")) }
    }

    /// The commits of a payload whose checksum matches, those of other namespaces than the only one that is wanted without their changes.
    pub fn commits(self, salt: u64, payload: &[u8], only: Option<&NamespaceName>) -> Result<Vec<Commit>, Malformed> {
        self.check(salt, payload)?;
        let mut from = Decoder::new(payload);
        let commits = (0..u64::from(self.commits)).map(|i| commit_codec::decode(self.first + i, from.blob()?, only));
        let commits = commits.collect::<Result<_, _>>()?;
        from.end()?;
        Ok(commits)
    }
}

/// What begins at a position of a segment.
pub enum Found<'a> {
    /// A whole frame, whose payload is not decoded.
    Frame { header: FrameHeader, payload: &'a [u8] },
    /// None was ever begun here.
    Nothing,
    /// Not a frame: damage, or what was being written when the power went.
    Broken(Malformed),
}

pub fn found_at(bytes: &[u8], at: usize, salt: u64) -> Found<'_> {
    let cut = Found::Broken(Malformed("a frame is cut short"));
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(head) = rest.first_chunk() else {
        return if rest.iter().all(|&byte| byte == 0) { Found::Nothing } else { cut };
    };
    let Some(header) = FrameHeader::decode(head) else { return Found::Nothing };
    let Some(payload) = rest.get(FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + header.payload_bytes()) else { return cut };
    header.check(salt, payload).map_or_else(Found::Broken, |()| Found::Frame { header, payload })
}

/// The first whole frame of a sequence not before `least` anywhere from a position on.
pub fn frame_after(bytes: &[u8], at: usize, salt: u64, least: Sequence) -> Option<Sequence> {
    let mut positions = (at.next_multiple_of(ALIGNMENT)..bytes.len()).step_by(ALIGNMENT);
    positions.find_map(|at| {
        let header = FrameHeader::decode(bytes.get(at..)?.first_chunk()?)?;
        // Most positions are ruled out here, without a checksum.
        let possible = header.first >= least && header.frame_bytes() <= bytes.len().next_multiple_of(ALIGNMENT) - at;
        match possible.then(|| found_at(bytes, at, salt))? {
            Found::Frame { header, .. } => Some(header.first),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Command, TimeMs};

    const STORE: StoreId = StoreId(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210);

    fn commit(sequence: Sequence) -> Commit {
        let command = Command { time: TimeMs(1), request: None, changes: Vec::new() };
        Commit { sequence, namespace: NamespaceName::default(), command, answer: Vec::new(), events: Vec::new() }
    }

    #[test]
    fn a_header_comes_back_and_no_changed_byte_passes() {
        let header = SegmentHeader::new(STORE, 7);
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes, STORE, 7, "s"), Ok(header));
        assert!(SegmentHeader::decode(&bytes, StoreId(1), 7, "s").is_err());
        assert!(SegmentHeader::decode(&bytes, STORE, 8, "s").is_err());
        for at in 0..bytes.len() {
            let mut changed = bytes;
            changed[at] ^= 1;
            assert!(SegmentHeader::decode(&changed, STORE, 7, "s").is_err(), "byte {at}");
            assert!(SegmentHeader::decode(&bytes[..at], STORE, 7, "s").is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_frame_comes_back_and_no_changed_byte_passes() {
        let commits = [commit(3), commit(4)];
        let bytes = frame(99, &commits).unwrap();
        assert!(bytes.len().is_multiple_of(ALIGNMENT));
        let Found::Frame { header, payload } = found_at(&bytes, 0, 99) else { panic!("no frame") };
        assert_eq!((header.first, header.last(), header.frame_bytes()), (3, 4, bytes.len()));
        assert_eq!(header.commits(99, payload, None).unwrap(), commits);
        assert!(matches!(found_at(&bytes, 0, 98), Found::Broken(_)), "another salt");
        let content = FRAME_HEADER_BYTES + FrameHeader::decode(bytes.first_chunk().unwrap()).unwrap().payload_bytes();
        for at in 0..content {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(!matches!(found_at(&changed, 0, 99), Found::Frame { .. }), "byte {at}");
            assert!(!matches!(found_at(&bytes[..at], 0, 99), Found::Frame { .. }), "cut at {at}");
        }
    }

    #[test]
    fn a_whole_frame_is_found_behind_a_broken_one() {
        let mut bytes = frame(5, &[commit(1)]).unwrap();
        bytes[0] = 0xff;
        bytes.extend(frame(5, &[commit(2)]).unwrap());
        assert!(matches!(found_at(&bytes, 0, 5), Found::Broken(_)));
        assert_eq!(frame_after(&bytes, 0, 5, 1), Some(2));
        assert_eq!(frame_after(&bytes, 0, 5, 3), None);
        assert_eq!(frame_after(&bytes, 0, 6, 1), None);
    }

    #[test]
    fn a_header_and_a_frame_are_written_as_ever() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let header = SegmentHeader { store: STORE, first: 7, salt: 0x1122_3344_5566_7788 };
        assert_eq!(
            hex(&header.encode()),
            "4b4c4f47030000001032547698badcfeefcdab896745230107000000000000008877665544332211142dde4500000000"
        );
        assert_eq!(
            hex(&frame(header.salt, &[commit(7), commit(8)]).unwrap()),
            "0a0000005daf63c7070000000000000002000000040002000004000200000000"
        );
    }
}
