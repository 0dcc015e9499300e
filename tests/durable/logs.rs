//! What every log must do, wherever it keeps its bytes, and however its appends end.

use std::time::{Duration, Instant};

use kith::domain::{Change, Command, NamespaceName, TimeMs};
use kith::store::{Commit, Log, LogKeep, LogSource, MemoryStore, NotAppended, StoreError};

use crate::faulty::{Fault, Faulty};
use crate::over::over;
use crate::support::*;

/// Opens a log again and again; what it opened before must be closed.
type Opener<'a> = &'a dyn Fn() -> Box<dyn Log>;

pub const KEEP_NOTHING: LogKeep = LogKeep { bytes_max: 0, since: TimeMs::LAST, erased: 0 };
const KEEP_ALL: LogKeep = LogKeep { bytes_max: u64::MAX, since: TimeMs(0), erased: 0 };

/// Runs a test on every log there is, each also with appends that end in every way.
fn on_every_log(test: impl Fn(Opener)) {
    on_every_store(|open| {
        test(&|| open().log);
    });
    on_every_store(|open| {
        let faulty = Faulty::again_and_again(&[
            Fault::UnknownNotThere,
            Fault::None,
            Fault::UnknownThere,
            Fault::Full,
            Fault::UnknownNotThere,
            Fault::UnknownThere,
        ]);
        test(&|| over(open(), &faulty).log);
    });
}

/// Appends commits as whoever uses a log does: until they are there.
fn append(log: &mut dyn Log, commits: &[Commit]) {
    let (first, last) = (commits[0].sequence, commits[commits.len() - 1].sequence);
    loop {
        match log.append(commits) {
            Ok(()) => break,
            Err(NotAppended::NotThere(error)) => assert_eq!((error, log.tail()), (StoreError::Full, Ok(first - 1))),
            Err(NotAppended::Unknown(_)) => match log.tail().unwrap() {
                tail if tail == last => break,
                tail => assert_eq!(tail, first - 1, "all of it is there or nothing"),
            },
        }
    }
    assert_eq!(log.tail(), Ok(last));
}

fn commits(sequences: std::ops::RangeInclusive<u64>) -> Vec<Commit> {
    sequences.map(|sequence| commit(sequence, b"answer")).collect()
}

/// All that a cursor gives of a log, up to a sequence.
fn read(log: &dyn LogSource, after: u64, through: u64) -> Result<Vec<Commit>, StoreError> {
    let mut cursor = log.cursor(after);
    let mut found = Vec::new();
    while found.last().map_or(after, |commit: &Commit| commit.sequence) < through {
        let read = cursor.read(through)?;
        assert!(!read.is_empty(), "nothing comes after {}", found.len());
        found.extend(read);
    }
    assert_eq!(cursor.read(found.last().map_or(after, |commit| commit.sequence)), Ok(Vec::new()));
    Ok(found)
}

#[test]
fn an_empty_log_ends_before_its_first_commit() {
    on_every_log(|open| {
        for _ in 0..2 {
            let mut log = open();
            assert_eq!((log.tail(), log.source().earliest(), log.bytes_after(0)), (Ok(0), 1, 0));
            assert_eq!(log.source().cursor(0).read(0), Ok(Vec::new()));
            log.cut().unwrap();
            log.trim(0, &KEEP_NOTHING).unwrap();
        }
    });
}

#[test]
fn commits_come_back_in_their_order() {
    on_every_log(|open| {
        let mut log = open();
        append(log.as_mut(), &commits(1..=1));
        append(log.as_mut(), &commits(2..=300));
        assert_eq!(read(log.source().as_ref(), 0, 300).unwrap(), commits(1..=300));
        let bytes = log.bytes_after(0);
        drop(log);
        let mut log = open();
        assert_eq!((log.tail(), log.bytes_after(0)), (Ok(300), bytes));
        append(log.as_mut(), &commits(301..=301));
        assert!(log.bytes_after(0) > bytes);
        drop(log);
        let mut log = open();
        assert_eq!(log.tail(), Ok(301));
        assert_eq!(read(log.source().as_ref(), 0, 301).unwrap(), commits(1..=301));
        assert_eq!(log.source().scrub(301, &mut |_| Ok(())), Ok(None));
    });
}

#[test]
fn an_append_at_another_sequence_leaves_nothing() {
    // Not with faults: a refusal is to be told from them.
    on_every_store(|open| {
        let mut log = open().log;
        let refused = |sequence, expected| Err(StoreError::OutOfOrder { sequence, expected }.into());
        assert_eq!(log.append(&[commit(1, b""), commit(3, b"")]), refused(3, 2));
        assert_eq!(log.append(&commits(2..=3)), refused(2, 1));
        assert_eq!((log.append(&[]), log.tail(), log.bytes_after(0)), (Ok(()), Ok(0), 0));
        log.append(&commits(1..=2)).unwrap();
        for (again, expected) in [(commits(2..=2), refused(2, 3)), (commits(4..=4), refused(4, 3))] {
            assert_eq!(log.append(&again), expected);
        }
        drop(log);
        let mut log = open().log;
        assert_eq!(log.append(&commits(1..=1)), refused(1, 3));
        assert_eq!((log.tail(), read(log.source().as_ref(), 0, 2)), (Ok(2), Ok(commits(1..=2))));
    });
}

#[test]
fn the_tail_says_what_became_of_an_append() {
    on_every_store(|open| {
        for (fault, is_there) in [(Fault::UnknownThere, true), (Fault::UnknownNotThere, false)] {
            let faulty = Faulty::default();
            let mut log = over(open(), &faulty).log;
            let next = log.tail().unwrap() + 1;
            append(log.as_mut(), &commits(next..=next + 1));
            faulty.next(&[fault]);
            assert!(matches!(log.append(&commits(next + 2..=next + 9)), Err(NotAppended::Unknown(_))));
            let tail = if is_there { next + 9 } else { next + 1 };
            assert_eq!(log.tail(), Ok(tail));
            // Others under its sequences, or what follows on it.
            let others: Vec<Commit> = (tail + 1..=tail + 3).map(|sequence| commit(sequence, b"another")).collect();
            append(log.as_mut(), &others);
            assert_eq!(read(log.source().as_ref(), tail, tail + 3).unwrap(), others);
            drop(log);
            assert_eq!(open().log.tail(), Ok(tail + 3));
        }
    });
}

#[test]
fn the_log_is_read_from_anywhere_while_it_grows() {
    on_every_log(|open| {
        let mut log = open();
        let source = log.source();
        let mut following = source.cursor(0);
        for round in 0..40u64 {
            let sequences = round * 5 + 1..=round * 5 + 5;
            append(log.as_mut(), &commits(sequences.clone()));
            if round % 10 == 9 {
                log.cut().unwrap();
                log.trim(*sequences.end(), &KEEP_ALL).unwrap();
            }
            let mut read = Vec::new();
            while read.len() < 5 {
                read.extend(following.read(*sequences.end()).unwrap());
            }
            assert_eq!(read, commits(sequences));
        }
        for after in [0, 1, 4, 5, 6, 49, 50, 51, 120, 199, 200] {
            assert_eq!(read(source.as_ref(), after, 200).unwrap(), commits(after + 1..=200), "after {after}");
        }
        drop(log);
        let mut log = open();
        assert_eq!(log.tail(), Ok(200));
        assert_eq!(read(log.source().as_ref(), 17, 200).unwrap(), commits(18..=200));
    });
}

/// Reads a log to its end, and returns how long that took, too.
fn timed(log: &dyn LogSource, only: Option<&NamespaceName>, through: u64) -> (Vec<Commit>, Duration) {
    let (mut cursor, begun, mut found) = (log.cursor(0), Instant::now(), Vec::new());
    only.iter().for_each(|only| cursor.only(only));
    while found.len() < through as usize {
        found.extend(cursor.read(through).unwrap());
    }
    (found, begun.elapsed())
}

#[test]
fn of_commits_of_other_namespaces_only_the_beginning_is_read() {
    on_every_log(|open| {
        let mut log = open();
        let own = NamespaceName::parse("name", "own").unwrap();
        let edges: Vec<Change> = (0..40).map(|n| put_edge("ann", "friend", &format!("m{n}"))).collect();
        let all = (1..=4_000).map(|sequence| {
            let namespace = if sequence % 100 == 0 { own.clone() } else { NamespaceName::default() };
            let before = commit(sequence, b"answer");
            let (changes, events) = (edges.clone(), vec![Vec::new(); edges.len()]);
            Commit { namespace, command: Command { changes, ..before.command }, events, ..before }
        });
        let all: Vec<Commit> = all.collect();
        all.chunks(50).for_each(|commits| append(log.as_mut(), commits));
        let source = log.source();
        let (whole, slow) = timed(source.as_ref(), None, 4_000);
        let (found, fast) = timed(source.as_ref(), Some(&own), 4_000);
        assert_eq!(whole, all);
        for (found, whole) in found.iter().zip(&all) {
            if whole.namespace == own {
                assert_eq!(found, whole);
            } else {
                assert_eq!((found.sequence, &found.namespace), (whole.sequence, &whole.namespace));
                assert_eq!((found.command.time, found.command.changes.len()), (whole.command.time, 0));
            }
        }
        println!("all is read in {slow:.1?}, of a namespace that has a hundredth of it in {fast:.1?}");
    });
}

#[test]
fn large_commits_come_back() {
    on_every_log(|open| {
        let large: Vec<Commit> = (1..=5).map(|n| commit(n, &noise(n, 700_000 * n as usize))).collect();
        let mut log = open();
        append(log.as_mut(), &large[..3]);
        append(log.as_mut(), &large[3..]);
        assert!(log.bytes_after(0) > 10_000_000);
        drop(log);
        let mut log = open();
        assert_eq!(log.tail(), Ok(5));
        assert!(read(log.source().as_ref(), 0, 5).unwrap() == large);
    });
}

#[test]
fn a_trimmed_log_says_from_where_it_is_kept() {
    on_every_log(|open| {
        let mut log = open();
        append(log.as_mut(), &commits(1..=20));
        let source = log.source();
        let mut slow = source.cursor(3);
        log.trim(0, &KEEP_NOTHING).unwrap();
        assert_eq!(source.earliest(), 1, "it may be trimmed no further");
        log.cut().unwrap();
        append(log.as_mut(), &commits(21..=30));
        let after = log.bytes_after(20);
        assert!(0 < after && after < log.bytes_after(0));
        log.trim(20, &KEEP_ALL).unwrap();
        assert_eq!(source.earliest(), 1, "all is to be kept");
        log.trim(19, &LogKeep { erased: 7, ..KEEP_ALL }).unwrap();
        assert!(source.earliest() <= 20, "the twentieth is in no checkpoint yet");
        // Something in the first seven must go.
        log.trim(20, &LogKeep { erased: 7, ..KEEP_ALL }).unwrap();
        let earliest = source.earliest();
        assert!((8..=21).contains(&earliest), "{earliest}");
        assert_eq!(slow.read(30), Err(StoreError::TooOld { earliest }));
        assert_eq!(source.cursor(earliest - 2).read(30), Err(StoreError::TooOld { earliest }));
        assert_eq!(read(source.as_ref(), earliest - 1, 30).unwrap(), commits(earliest..=30));
        log.trim(20, &KEEP_NOTHING).unwrap();
        assert_eq!((source.earliest(), log.bytes_after(20)), (21, after));
        assert_eq!(read(source.as_ref(), 20, 30).unwrap(), commits(21..=30));
        drop(log);
        let mut log = open();
        assert_eq!((log.tail(), log.bytes_after(20)), (Ok(30), after));
        assert_eq!(read(log.source().as_ref(), 20, 30).unwrap(), commits(21..=30));
    });
}

#[test]
fn a_scrub_reads_all_that_is_kept() {
    on_every_log(|open| {
        let mut log = open();
        append(log.as_mut(), &commits(1..=20));
        log.cut().unwrap();
        append(log.as_mut(), &commits(21..=30));
        let (source, mut bytes) = (log.source(), 0);
        let found = source.scrub(30, &mut |read| {
            bytes += read;
            Ok(())
        });
        assert_eq!(found, Ok(None));
        assert_eq!(bytes, log.bytes_after(0));
        assert!((bytes..bytes + 1_000).contains(&source.bytes()), "{bytes} of {}", source.bytes());
    });
}

#[test]
fn a_commit_that_cannot_be_read_is_found_by_a_scrub() {
    let memory = MemoryStore::new(STORE_ID);
    memory.open().log.append(&commits(1..=3)).unwrap();
    memory.push_commit(b"no commit".to_vec());
    let found = memory.open().log.source().scrub(4, &mut |_| Ok(())).unwrap();
    assert!(matches!(found, Some((4, StoreError::Damaged { .. }))), "{found:?}");
}
