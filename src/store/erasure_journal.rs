//! The journal of erasures: a file beside the store that says who was erased, for the day when the store is lost and a backup from
//! before is all there is. It holds no names, but keyed hashes of ids, and the keys.
//!
//! It only grows, by one small record for each erasure, on disk before the erasure is acknowledged. `docs/FORMAT.md` gives the bytes.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::StoreError;
use super::private::sync_folder;
use crate::domain::{ErasedId, ErasureKey, TimeMs};

/// Magic (8), format (4), CRC-32 of these (4).
const MAGIC: &[u8; 8] = b"KITHERAS";
const FORMAT: u32 = 3;
const HEADER_BYTES: usize = 16;
/// A record: its tag (1), what it holds, CRC-32 of the two (4). A namespace stands before the keys of whom it erased, by its own key, and a
/// key before the hashes made with it, if there are any: a namespace's own key is there from its begin, so that a restore can tell whose
/// journal this is. What comes before any namespace, and after one of zeros, is of the default one.
const NAMESPACE: u8 = b'n';
const KEY: u8 = b'k';
const CRC_BYTES: usize = 4;
const KEY_BYTES: usize = 1 + 32 + CRC_BYTES;
const ERASED: u8 = b'e';
const ERASED_BYTES: usize = 1 + 16 + 8 + CRC_BYTES;
/// The namespace that stands before was deleted.
const DELETED: u8 = b'd';
const DELETED_BYTES: usize = 1 + 8 + CRC_BYTES;
/// What an append of one erasure may leave if it was never finished.
const UNFINISHED_BYTES_MAX: usize = 2 * KEY_BYTES + ERASED_BYTES;
/// Its users alone read it.
const MODE: u32 = 0o600;

/// What a journal says of a namespace under one of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Journaled {
    /// The namespace that erased, by its own key; none for the default one.
    pub namespace: Option<ErasureKey>,
    pub key: ErasureKey,
    pub what: Happened,
}

/// What a journal says to have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happened {
    /// The namespace has the key, whether it has erased anybody or not.
    Begun,
    /// A member was erased, whose hash was made with the key.
    Erased(ErasedId),
    /// The whole namespace was erased, whose own the key is.
    Deleted(TimeMs),
}

impl Journaled {
    /// Returns the erasure of a whole namespace.
    pub fn of_namespace(own: ErasureKey, time: TimeMs) -> Journaled {
        Journaled { namespace: Some(own), key: own, what: Happened::Deleted(time) }
    }

    pub fn is_of_namespace(&self) -> bool {
        matches!(self.what, Happened::Deleted(_))
    }

    /// Returns the erasure of a member.
    pub fn erased(&self) -> Option<ErasedId> {
        match self.what {
            Happened::Erased(erased) => Some(erased),
            _ => None,
        }
    }
}

/// The open journal.
#[derive(Debug)]
pub struct ErasureJournal {
    /// None in memory.
    file: Option<File>,
    end: u64,
    last: Last,
    entries: BTreeSet<Journaled>,
    /// What could not be written yet.
    waiting: Vec<Journaled>,
}

impl ErasureJournal {
    /// Opens a journal, or makes one. What an append that was never finished left at its end is cut off. Of one that is damaged before its
    /// end a copy is kept beside it, because a start writes down what the store knows, and a restore may need more.
    pub fn open(path: &Path) -> Result<ErasureJournal, StoreError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).open(path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
            Ok(()) => {}
        }
        let bytes = fs::read(path)?;
        // A crash of its creation left no header.
        let is_new = bytes.len() <= HEADER_BYTES && !bytes.starts_with(MAGIC);
        let read = if is_new { Read { end: HEADER_BYTES, ..Read::default() } } else { read(&bytes)? };
        if !is_new && let Err(error) = read.check_end(&bytes) {
            let copy = path.with_extension("damaged");
            OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&copy)?.write_all(&bytes)?;
            tracing::error!(%error, copy = %copy.display(), "the erasure journal is damaged; the store writes down what it knows");
        }
        if read.behind > 0 {
            // The store knows whom it erased, and writes down what is lacking.
            tracing::warn!(
                bytes = read.behind,
                "the erasure journal ends in records that are not whole; they are dropped"
            );
        }
        if is_new {
            file.set_len(0)?;
            file.write_all_at(&header(), 0)?;
        } else {
            file.set_len(read.end as u64)?;
        }
        file.sync_all()?;
        let Read { entries, last, end, .. } = read;
        let journal = ErasureJournal { file: Some(file), end: end as u64, last, entries, waiting: Vec::new() };
        match path.parent() {
            Some(parent) if is_new && !parent.as_os_str().is_empty() => sync_folder(parent)?,
            _ => {}
        }
        Ok(journal)
    }

    /// One in memory, which holds what was read of another.
    pub fn of(entries: Vec<Journaled>) -> ErasureJournal {
        let default_key = entries.iter().rev().find(|entry| entry.namespace.is_none()).map(|entry| entry.key);
        let (last, entries) = (Last { default_key, ..Last::default() }, entries.into_iter().collect());
        ErasureJournal { file: None, end: 0, last, entries, waiting: Vec::new() }
    }

    /// What a journal that is there holds, and nothing is changed. None if there is none.
    pub fn read(path: &Path) -> Result<Option<Vec<Journaled>>, StoreError> {
        match fs::read(path) {
            Ok(bytes) => {
                let read = read(&bytes)?;
                read.check_end(&bytes)?;
                Ok(Some(read.entries.into_iter().collect()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The key that it was last written with for the default namespace.
    pub fn default_key(&self) -> Option<ErasureKey> {
        self.last.default_key
    }

    pub fn entries(&self) -> impl Iterator<Item = &Journaled> {
        self.entries.iter()
    }

    pub fn contains(&self, entry: &Journaled) -> bool {
        self.entries.contains(entry)
    }

    /// Adds erasures that are not in it, and what could not be added before; on disk when it returns.
    pub fn append(&mut self, erased: impl IntoIterator<Item = Journaled>) -> Result<(), StoreError> {
        let fresh = erased.into_iter().filter(|entry| !self.entries.contains(entry));
        self.waiting.extend(fresh);
        if self.waiting.is_empty() {
            return Ok(());
        }
        let (mut bytes, mut last) = (Vec::new(), self.last);
        for Journaled { namespace, key, what } in &self.waiting {
            if last.namespace != *namespace {
                record(&mut bytes, NAMESPACE, &namespace.unwrap_or(DEFAULT).0);
                last.enter(*namespace);
            }
            if last.key != Some(*key) {
                record(&mut bytes, KEY, &key.0);
                last.take(*key);
            }
            match what {
                Happened::Begun => {}
                Happened::Erased(ErasedId { hash, time }) => {
                    record(&mut bytes, ERASED, &[hash.to_le_bytes().as_slice(), &time.0.to_le_bytes()].concat());
                }
                Happened::Deleted(time) => record(&mut bytes, DELETED, &time.0.to_le_bytes()),
            }
        }
        if let Some(file) = &self.file {
            file.write_all_at(&bytes, self.end)?;
            file.sync_data()?;
        }
        self.end += bytes.len() as u64;
        self.last = last;
        self.entries
            .extend(self.waiting.drain(..).flat_map(|entry| [Journaled { what: Happened::Begun, ..entry }, entry]));
        Ok(())
    }

    /// Whether something could not be written yet.
    pub fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }
}

/// The own key of no namespace: none is made of zeros.
const DEFAULT: ErasureKey = ErasureKey([0; 32]);

/// The namespace and the key that the next record is of.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    namespace: Option<ErasureKey>,
    key: Option<ErasureKey>,
    default_key: Option<ErasureKey>,
}

impl Last {
    fn enter(&mut self, namespace: Option<ErasureKey>) {
        (self.namespace, self.key) = (namespace, None);
    }

    fn take(&mut self, key: ErasureKey) {
        self.key = Some(key);
        if self.namespace.is_none() {
            self.default_key = self.key;
        }
    }
}

fn header() -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(FORMAT.to_le_bytes());
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fn record(to: &mut Vec<u8>, tag: u8, held: &[u8]) {
    let begin = to.len();
    to.push(tag);
    to.extend_from_slice(held);
    to.extend(crc32fast::hash(&to[begin..]).to_le_bytes());
}

/// What was read of a journal.
#[derive(Default)]
struct Read {
    entries: BTreeSet<Journaled>,
    last: Last,
    /// Where the last whole record ends.
    end: usize,
    /// What stands behind it, without zeros at its end.
    behind: usize,
}

impl Read {
    /// Checks that what stands behind the last whole record is no more than an append that was never finished may have left.
    fn check_end(&self, bytes: &[u8]) -> Result<(), StoreError> {
        let behind = &bytes[self.end..self.end + self.behind];
        if behind.len() > UNFINISHED_BYTES_MAX || (1..behind.len()).any(|at| whole(&behind[at..]).is_some()) {
            return Err(damaged(&format!("the record at byte {} is not whole, and more follows", self.end)));
        }
        Ok(())
    }
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged { what: format!("the erasure journal: {what}") }
}

/// Reads every record up to the first that is not whole.
fn read(bytes: &[u8]) -> Result<Read, StoreError> {
    let head = bytes.get(..HEADER_BYTES).ok_or_else(|| damaged("it is too short for one"))?;
    if !head.starts_with(MAGIC) {
        return Err(damaged("it does not begin with KITHERAS"));
    }
    if head != header() {
        return Err(damaged("its header is of another format, or damaged"));
    }
    let mut read = Read { end: HEADER_BYTES, ..Read::default() };
    while let Some(content) = whole(&bytes[read.end..]) {
        let key = || content[1..].try_into().ok().map(ErasureKey);
        match (content[0], read.last.key) {
            (NAMESPACE, _) => read.last.enter(key().filter(|key| *key != DEFAULT)),
            (KEY, _) => key().into_iter().for_each(|key| {
                read.last.take(key);
                read.entries.insert(Journaled { namespace: read.last.namespace, key, what: Happened::Begun });
            }),
            (_, None) => return Err(damaged("an erasure stands before any key")),
            (DELETED, Some(key)) => {
                let what = Happened::Deleted(time_of(&content[1..])?);
                read.entries.insert(Journaled { namespace: read.last.namespace, key, what });
            }
            (_, Some(key)) => {
                let hash = content[1..17].iter().rev().fold(0, |hash, byte| hash << 8 | u128::from(*byte));
                let what = Happened::Erased(ErasedId { hash, time: time_of(&content[17..])? });
                read.entries.insert(Journaled { namespace: read.last.namespace, key, what });
            }
        }
        read.end += content.len() + CRC_BYTES;
    }
    read.behind = bytes[read.end..].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    Ok(read)
}

fn time_of(bytes: &[u8]) -> Result<TimeMs, StoreError> {
    let time = bytes.iter().rev().fold(0, |time, byte| time << 8 | u64::from(*byte));
    TimeMs(0).later(time as i64).map_err(|malformed| damaged(malformed.0))
}

/// Returns what the record holds that these bytes begin with, if it is whole.
fn whole(bytes: &[u8]) -> Option<&[u8]> {
    let length = record_bytes(*bytes.first()?)?;
    let (content, crc) = bytes.get(..length)?.split_at(length - CRC_BYTES);
    (crc == crc32fast::hash(content).to_le_bytes()).then_some(content)
}

fn record_bytes(tag: u8) -> Option<usize> {
    match tag {
        NAMESPACE | KEY => Some(KEY_BYTES),
        ERASED => Some(ERASED_BYTES),
        DELETED => Some(DELETED_BYTES),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: u8, hash: u128) -> Journaled {
        Journaled {
            namespace: None,
            key: ErasureKey([key; 32]),
            what: Happened::Erased(ErasedId { hash, time: TimeMs(-7) }),
        }
    }

    /// These, with the keys that stand before them.
    fn with_keys(entries: &[Journaled]) -> Vec<Journaled> {
        let all: BTreeSet<Journaled> =
            entries.iter().flat_map(|entry| [Journaled { what: Happened::Begun, ..*entry }, *entry]).collect();
        all.into_iter().collect()
    }

    #[test]
    fn it_comes_back_whole_or_without_its_unfinished_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("erasures");
        assert_eq!(ErasureJournal::read(&path), Ok(None));
        let mut journal = ErasureJournal::open(&path).unwrap();
        assert_eq!(ErasureJournal::open(&path).err(), Some(StoreError::InUse));
        journal.append([entry(1, u128::MAX), entry(1, 2), entry(2, 3)]).unwrap();
        journal.append([entry(1, 2)]).unwrap();
        journal.append([entry(2, 4)]).unwrap();
        let all = [entry(1, 2), entry(1, u128::MAX), entry(2, 3), entry(2, 4)];
        assert_eq!(ErasureJournal::read(&path), Ok(Some(with_keys(&all))));
        let whole = fs::read(&path).unwrap();
        assert_eq!(whole.len(), HEADER_BYTES + 2 * KEY_BYTES + 4 * ERASED_BYTES);
        drop(journal);
        for torn in [&whole[..whole.len() - 5], &[&whole[..whole.len() - ERASED_BYTES], &[0; 700]].concat()] {
            fs::write(&path, torn).unwrap();
            assert_eq!(ErasureJournal::read(&path), Ok(Some(with_keys(&all[..3]))));
        }
        let mut journal = ErasureJournal::open(&path).unwrap();
        assert_eq!(journal.entries().copied().collect::<Vec<_>>(), with_keys(&all[..3]));
        journal.append([entry(2, 4)]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
        // What is not whole may be what an append left, but only where nothing whole stands behind it.
        for at in 0..whole.len() - ERASED_BYTES {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            assert!(ErasureJournal::read(&path).is_err(), "byte {at}");
        }
    }

    #[test]
    fn each_namespace_has_its_erasures_and_the_default_one_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("erasures");
        let of = |namespace: u8, entry: Journaled| Journaled { namespace: Some(ErasureKey([namespace; 32])), ..entry };
        let gone = Journaled::of_namespace(ErasureKey([8; 32]), TimeMs(3));
        let appended = [entry(1, 2), of(7, entry(7, 2)), of(7, entry(1, 2)), entry(1, 5), gone, of(8, entry(8, 1))];
        let mut journal = ErasureJournal::open(&path).unwrap();
        appended.iter().for_each(|entry| journal.append([*entry]).unwrap());
        drop(journal);
        assert_eq!(ErasureJournal::read(&path), Ok(Some(with_keys(&appended))));
        assert_eq!(ErasureJournal::open(&path).unwrap().default_key(), Some(ErasureKey([1; 32])));
        let itself: Vec<bool> = appended.iter().map(Journaled::is_of_namespace).collect();
        assert_eq!(itself, [false, false, false, false, true, false]);
    }

    #[test]
    fn a_key_is_there_before_anybody_is_erased_under_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("erasures");
        let own = ErasureKey([7; 32]);
        let begun = [
            Journaled { what: Happened::Begun, ..entry(1, 0) },
            Journaled { namespace: Some(own), key: own, what: Happened::Begun },
        ];
        let mut journal = ErasureJournal::open(&path).unwrap();
        (0..2).for_each(|_| journal.append(begun).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().len() as usize, HEADER_BYTES + 3 * KEY_BYTES);
        drop(journal);
        let mut journal = ErasureJournal::open(&path).unwrap();
        assert_eq!((journal.default_key(), journal.contains(&begun[1])), (Some(ErasureKey([1; 32])), true));
        journal.append([entry(1, 2)]).unwrap();
        assert_eq!(ErasureJournal::read(&path), Ok(Some(with_keys(&[begun[0], begun[1], entry(1, 2)]))));
    }

    #[test]
    fn a_time_that_cannot_be_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("erasures");
        let mut journal = ErasureJournal::open(&path).unwrap();
        let what = Happened::Erased(ErasedId { hash: 1, time: TimeMs(TimeMs::LAST.0 + 1) });
        journal.append([Journaled { namespace: None, key: ErasureKey([1; 32]), what }]).unwrap();
        assert!(ErasureJournal::read(&path).is_err());
    }
}
