//! A run of commits apart from the log, as an archive keeps it: the bytes of a segment with one frame.

use super::damaged;
use super::segment::{Found, HEADER_BYTES, SegmentHeader, found_at, frame};
use crate::domain::Sequence;
use crate::store::{Commit, StoreError, StoreId};

/// Returns the bytes of commits that follow each other in the log of a store; there is at least one.
pub fn encode_run(store: StoreId, commits: &[Commit]) -> Result<Vec<u8>, StoreError> {
    let header = SegmentHeader::new(store, commits.first().map_or(0, |commit| commit.sequence));
    let mut bytes = header.encode().to_vec();
    bytes.extend(frame(header.salt, commits)?);
    Ok(bytes)
}

/// Reads the commits of a run, which must be those from `first` to `last` of the store; `name` is for the refusal.
pub fn decode_run(
    bytes: &[u8],
    store: StoreId,
    (first, last): (Sequence, Sequence),
    name: &str,
) -> Result<Vec<Commit>, StoreError> {
    let header = SegmentHeader::decode(bytes, store, first, name)?;
    let wrong = |how: &str| damaged(&format!("{name}: {how}"));
    let Found::Frame { header: frame, payload } = found_at(bytes, HEADER_BYTES, header.salt) else {
        return Err(wrong("its frame is not whole"));
    };
    let content = HEADER_BYTES + frame.frame_bytes();
    if (frame.first, frame.last()) != (first, last) || bytes.len() != content {
        return Err(wrong("it does not hold the commits of its name"));
    }
    frame.commits(header.salt, payload, None).map_err(|malformed| wrong(malformed.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Command, NamespaceName, TimeMs};

    const STORE: StoreId = StoreId(7);

    fn commit(sequence: Sequence) -> Commit {
        let command = Command { time: TimeMs(1), request: None, changes: Vec::new() };
        Commit { sequence, namespace: NamespaceName::default(), command, answer: Vec::new(), events: Vec::new() }
    }

    #[test]
    fn a_run_comes_back_and_no_changed_byte_passes_as_another() {
        let commits = [commit(3), commit(4), commit(5)];
        let bytes = encode_run(STORE, &commits).unwrap();
        let read = |bytes: &[u8]| decode_run(bytes, STORE, (3, 5), "run");
        assert_eq!(read(&bytes).unwrap(), commits);
        for (store, range) in [(StoreId(8), (3, 5)), (STORE, (2, 5)), (STORE, (3, 4)), (STORE, (3, 6))] {
            assert!(decode_run(&bytes, store, range, "run").is_err());
        }
        assert!(read(&[&bytes[..], &[0; 8]].concat()).is_err(), "more follows");
        for at in 0..bytes.len() {
            assert!(read(&bytes[..at]).is_err(), "cut at {at}");
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            // The zeros that fill the frame up say nothing.
            assert!(read(&changed).is_err() || read(&changed) == read(&bytes), "byte {at}");
        }
    }
}
