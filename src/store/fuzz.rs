//! What is read back from disk, on damaged bytes whose checksums hold.

use std::io::Cursor;

use super::backup::BACKUP_FORMAT;
use super::{BackupReader, CheckpointHead, Commit, EdgeRow, NUMBER_MAX, Row, StoreError, chunks, commit_codec, frame};
use crate::domain::codec::Malformed;
use crate::domain::{Change, Command, EdgeAttrs, Event, Member, MemberId, NamespaceName, Precondition, TimeMs, Times};
use crate::fuzz::{fuzz, of_hex};

const COMMITS: &str = include_str!("../../tests/corpus/commits.hex");
const CHUNKS: &str = include_str!("../../tests/corpus/chunks.hex");
const HEADS: &str = include_str!("../../tests/corpus/heads.hex");

#[test]
fn no_commit_breaks_the_log() {
    fuzz("commits", of_hex(COMMITS), |bytes| commit_codec::decode(7, bytes, None));
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

#[test]
fn a_chunk_or_head_that_cannot_be_is_refused() {
    let unpacked = |note_chars: usize, create: i64, update: i64| {
        let attrs = EdgeAttrs { note: "x".repeat(note_chars), ..EdgeAttrs::default() };
        let times = Times { create: TimeMs(create), update: TimeMs(update) };
        let mut packer = chunks::ChunkPacker::default();
        packer.push(&Row::Edge(EdgeRow { from: 1, kind: 0, to: 0, attrs, times }));
        chunks::unpack(&packer.close().unwrap()).map(drop)
    };
    let head = |sequence| {
        let (head, chunks) = chunks::decode_head(&of_hex(HEADS)[0]).unwrap();
        chunks::decode_head(&chunks::encode_head(&CheckpointHead { sequence, ..head }, chunks)).map(drop)
    };
    let blocks = [5, 0x81, 0x04].into_iter().chain([1, 0].repeat(513)).collect::<Vec<u8>>();
    let good = [unpacked(1_000, 1, TimeMs::LAST.0), unpacked(0, TimeMs::FIRST.0, 1), head(NUMBER_MAX)];
    assert_eq!(good, [Ok(()); 3]);
    let refused = [
        unpacked(1_001, 1, 2),
        unpacked(0, TimeMs::FIRST.0 - 1, 2),
        unpacked(0, 1, i64::MIN),
        chunks::unpack(&blocks).map(drop),
        head(NUMBER_MAX + 1),
    ];
    let why = [
        "an edge is out of bounds",
        "a time is out of range",
        "a time is out of range",
        "a chunk has too many rows",
        "a sequence is too large",
    ];
    assert_eq!(refused, why.map(|why| Err(Malformed(why))));
}

#[test]
fn a_commit_does_not_grow_by_two_bytes_for_each_copy_of_what_it_says() {
    let member = Member::bare(MemberId::parse("id", "ann").unwrap());
    let event = Event::MemberPut { member: member.clone(), create_time: TimeMs(5) };
    let changes = vec![Change::PutMember { member, precondition: Precondition::None }];
    let command = Command { time: TimeMs(5), request: None, changes };
    let read = |events: usize| {
        let commit = Commit {
            sequence: 7,
            namespace: NamespaceName::default(),
            command: command.clone(),
            answer: Vec::new(),
            events: vec![vec![event.clone(); events]],
        };
        commit_codec::decode(7, &commit_codec::encode(&commit), None).map(|commit| commit.events[0].len())
    };
    assert_eq!(read(1), Ok(1));
    assert_eq!(read(2), Err(Malformed("a change is said to have left the same behind twice")));
}
