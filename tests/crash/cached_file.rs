//! One file of the model of a disk: what is on disk, and what is on its way there.

use std::collections::BTreeMap;
use std::ops::Range;

use fastrand::Rng;

use super::disk::Loss;

/// What a drive writes at once.
const SECTOR_BYTES: usize = 512;

#[derive(Debug, Clone, Default)]
pub struct CachedFile {
    /// With every change that was synced, or was to be by a sync that failed.
    base: Vec<u8>,
    durable_length: usize,
    /// Sectors that a failed sync was to write: what the disk may still hold instead of the base's. The kernel takes them for
    /// written, so no later sync does it, unless they are changed again.
    doubtful: BTreeMap<usize, Vec<u8>>,
    /// After the base, with the numbers of their operations.
    unsynced: Vec<(u64, Change)>,
    /// With all of them.
    length: usize,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    SetLength(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Write(at, data) => {
                let end = at + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at..end].copy_from_slice(data);
            }
            Change::SetLength(length) => bytes.resize(*length, 0),
        }
    }

    /// The sectors it changes of a file that is so long.
    fn sectors(&self, length: usize) -> Range<usize> {
        match self {
            Change::Write(at, data) => at / SECTOR_BYTES..(at + data.len()).div_ceil(SECTOR_BYTES),
            // What is cut off, and where it is cut.
            Change::SetLength(to) if *to < length => to / SECTOR_BYTES..length.div_ceil(SECTOR_BYTES),
            Change::SetLength(_) => 0..0,
        }
    }
}

fn sector(bytes: &[u8], number: usize) -> Vec<u8> {
    let begin = (number * SECTOR_BYTES).min(bytes.len());
    let mut content = bytes[begin..(begin + SECTOR_BYTES).min(bytes.len())].to_vec();
    content.resize(SECTOR_BYTES, 0);
    content
}

fn put_sector(bytes: &mut [u8], number: usize, content: &[u8]) {
    let begin = (number * SECTOR_BYTES).min(bytes.len());
    let end = (begin + SECTOR_BYTES).min(bytes.len());
    bytes[begin..end].copy_from_slice(&content[..end - begin]);
}

impl CachedFile {
    pub fn durable(bytes: Vec<u8>) -> CachedFile {
        let length = bytes.len();
        CachedFile { durable_length: length, length, base: bytes, ..CachedFile::default() }
    }

    /// As the process sees it.
    pub fn length(&self) -> usize {
        self.length
    }

    pub fn write(&mut self, number: u64, at: usize, data: Vec<u8>) {
        self.length = self.length.max(at + data.len());
        self.unsynced.push((number, Change::Write(at, data)));
    }

    pub fn set_length(&mut self, number: u64, length: usize) {
        self.length = length;
        self.unsynced.push((number, Change::SetLength(length)));
    }

    pub fn has_synced(&self, number: u64) -> bool {
        self.doubtful.is_empty() && self.unsynced.first().is_none_or(|(first, _)| *first > number)
    }

    fn take_before(&mut self, covers: u64) -> Vec<Change> {
        let later = self.unsynced.split_off(self.unsynced.partition_point(|(number, _)| *number < covers));
        let taken = std::mem::replace(&mut self.unsynced, later);
        taken.into_iter().map(|(_, change)| change).collect()
    }

    pub fn sync(&mut self, covers: u64) {
        for change in self.take_before(covers) {
            for number in change.sectors(self.base.len()) {
                self.doubtful.remove(&number);
            }
            change.apply(&mut self.base);
        }
        self.durable_length = self.base.len();
    }

    pub fn sync_failed(&mut self, covers: u64) {
        for change in self.take_before(covers) {
            for number in change.sectors(self.base.len()) {
                self.doubtful.entry(number).or_insert_with(|| sector(&self.base, number));
            }
            change.apply(&mut self.base);
        }
    }

    /// What a power cut may leave. With `Loss::Journal`, lengths changed up to operation `journaled`.
    pub fn cut(&self, loss: Loss, journaled: u64, random: &mut Rng) -> Vec<u8> {
        let whole = match loss {
            Loss::Nothing => true,
            Loss::AllUnsynced => false,
            Loss::Journal | Loss::Any => match random.u32(0..4) {
                0 => true,
                1 => false,
                _ => return self.cut_by_sectors(loss, journaled, random),
            },
        };
        let mut bytes = self.base.clone();
        if whole {
            self.unsynced.iter().for_each(|(_, change)| change.apply(&mut bytes));
        } else {
            self.doubtful.iter().for_each(|(number, content)| put_sector(&mut bytes, *number, content));
            bytes.resize(self.durable_length, 0);
        }
        bytes
    }

    /// Every sector as it was at some moment since it was last synced.
    fn cut_by_sectors(&self, loss: Loss, journaled: u64, random: &mut Rng) -> Vec<u8> {
        let mut bytes = self.base.clone();
        let mut lengths = vec![self.durable_length];
        let mut versions: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (i, (_, change)) in self.unsynced.iter().enumerate() {
            change.sectors(bytes.len()).for_each(|number| versions.entry(number).or_default().push(i));
            change.apply(&mut bytes);
            lengths.push(bytes.len());
        }
        let happened = match loss {
            Loss::Journal => self.unsynced.partition_point(|(number, _)| *number < journaled),
            _ => random.usize(0..lengths.len()),
        };
        let mut result = self.base.clone();
        for (number, content) in &self.doubtful {
            if random.bool() {
                put_sector(&mut result, *number, content);
            }
        }
        let longest = lengths.iter().copied().max().unwrap_or(0);
        result.resize(longest, 0);
        // How likely a sector is to be as it was last.
        let newest = [0.1, 0.5, 0.9][random.usize(0..3)];
        let chosen: BTreeMap<usize, usize> = versions
            .into_iter()
            .filter_map(|(number, versions)| {
                if random.f64() < newest {
                    return Some((number, *versions.last()?));
                }
                // The one before the first is what was synced.
                let version = random.usize(0..=versions.len());
                version.checked_sub(1).map(|version| (number, versions[version]))
            })
            .collect();
        let mut bytes = self.base.clone();
        for (i, (_, change)) in self.unsynced.iter().enumerate() {
            let sectors = change.sectors(bytes.len());
            change.apply(&mut bytes);
            for number in sectors.filter(|number| chosen.get(number) == Some(&i)) {
                put_sector(&mut result, number, &sector(&bytes, number));
            }
        }
        result.resize(lengths[happened], 0);
        result
    }
}
