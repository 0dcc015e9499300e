//! The edges that are kept with a member, but for what the graph has of them: about ten bytes each, in chunks that clones share.
//!
//! `edge_chunk.rs` has the bytes.

use std::hint::black_box;
use std::sync::Arc;

use imbl::Vector;

use super::edge_chunk::{Reader, Writer, count, first_key, spliced};
use super::records::{EdgeListKey, EdgeRecord};

/// Records in a chunk at most: what a change looks through. A chunk that grows beyond is split.
const RECORDS_MAX: usize = 128;
/// Bytes of a chunk beyond which it is split too, where notes and origins are long.
const CHUNK_BYTES_MAX: usize = 8 * 1_024;
/// Records that fill a new chunk: the next inserts find room.
const RECORDS_AT_FIRST: usize = 96;

type Chunk = Arc<[u8]>;

/// A sorted list of records. Most are one chunk; a hub's are many.
#[derive(Debug, Clone, Default)]
pub struct EdgeList(Chunks);

#[derive(Debug, Clone, Default)]
enum Chunks {
    #[default]
    None,
    One(Chunk),
    /// None of them empty.
    Many(Arc<Vector<Chunk>>),
}

impl EdgeList {
    pub fn iter(&self) -> impl Iterator<Item = EdgeRecord> {
        let (one, many) = match &self.0 {
            Chunks::None => (None, None),
            Chunks::One(chunk) => (Some(chunk), None),
            Chunks::Many(chunks) => (None, Some(chunks.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten()).flat_map(|chunk| Reader::of(chunk))
    }

    pub fn get(&self, key: EdgeListKey) -> Option<EdgeRecord> {
        let (_, chunk) = self.chunk_of(key)?;
        Reader::of(chunk).find_key(key)
    }

    /// Brings its first bytes into the processor's cache.
    pub fn fetch(&self) {
        if let Chunks::One(chunk) = &self.0 {
            black_box(chunk.first().copied());
        }
    }

    /// The chunk a key is in or would go into: the last that begins at or before it, or the first.
    fn chunk_of(&self, key: EdgeListKey) -> Option<(usize, &Chunk)> {
        match &self.0 {
            Chunks::None => None,
            Chunks::One(chunk) => Some((0, chunk)),
            Chunks::Many(chunks) => {
                let found = chunks.binary_search_by(|chunk| first_key(chunk).cmp(&Some(key)));
                let at = found.unwrap_or_else(|after| after.saturating_sub(1));
                chunks.get(at).map(|chunk| (at, chunk))
            }
        }
    }

    /// Puts a record in the place of the one with its key.
    pub fn insert(&mut self, record: &EdgeRecord) {
        match self.chunk_of(record.key()) {
            None => *self = EdgeList::from_sorted([record]),
            Some((at, chunk)) => {
                let changed = spliced(chunk, record.key(), Some(record));
                self.put_chunk(at, changed);
            }
        }
    }

    pub fn remove(&mut self, key: EdgeListKey) {
        if let Some((at, chunk)) = self.chunk_of(key) {
            let changed = spliced(chunk, key, None);
            self.put_chunk(at, changed);
        }
    }

    /// Puts a chunk in the place of another: split if it grew too long, dropped if it is empty.
    fn put_chunk(&mut self, at: usize, changed: Vec<u8>) {
        let records = count(&changed);
        if records <= RECORDS_MAX && (changed.len() <= CHUNK_BYTES_MAX || records < 2) {
            return match &mut self.0 {
                _ if records == 0 => self.remove_chunk(at),
                Chunks::Many(chunks) => drop(Arc::make_mut(chunks).set(at, changed.into())),
                one => *one = Chunks::One(changed.into()),
            };
        }
        let halves: Vec<EdgeRecord> = Reader::of(&changed).collect();
        let (first, second) = halves.split_at(records / 2);
        let mut chunks = match std::mem::take(&mut self.0) {
            Chunks::Many(chunks) => chunks,
            Chunks::None | Chunks::One(_) => Arc::new([Chunk::default()].into_iter().collect()),
        };
        let many = Arc::make_mut(&mut chunks);
        many.set(at, pack(first));
        many.insert(at + 1, pack(second));
        self.0 = Chunks::Many(chunks);
    }

    fn remove_chunk(&mut self, at: usize) {
        match &mut self.0 {
            Chunks::Many(chunks) if chunks.len() > 1 => drop(Arc::make_mut(chunks).remove(at)),
            other => *other = Chunks::None,
        }
    }

    /// A list of records that are sorted by key, each key once.
    pub fn from_sorted<'a>(records: impl IntoIterator<Item = &'a EdgeRecord>) -> EdgeList {
        let mut builder = EdgeListBuilder::default();
        records.into_iter().for_each(|record| builder.push(record));
        builder.build()
    }
}

/// A list, record by record in their order.
#[derive(Default)]
pub struct EdgeListBuilder {
    chunks: Vector<Chunk>,
    open: Writer,
}

impl EdgeListBuilder {
    pub fn push(&mut self, record: &EdgeRecord) {
        if self.open.records == RECORDS_AT_FIRST || self.open.len() >= CHUNK_BYTES_MAX {
            self.chunks.push_back(self.open.finished().into());
            self.open.clear();
        }
        self.open.push(record);
    }

    /// The list; the builder begins another.
    pub fn build(&mut self) -> EdgeList {
        if self.open.records == 0 {
            return EdgeList::default();
        }
        // The room is used again.
        let last = self.open.finished().into();
        self.open.clear();
        if self.chunks.is_empty() {
            return EdgeList(Chunks::One(last));
        }
        let mut chunks = std::mem::take(&mut self.chunks);
        chunks.push_back(last);
        EdgeList(Chunks::Many(Arc::new(chunks)))
    }
}

/// Some records as a chunk.
fn pack(records: &[EdgeRecord]) -> Chunk {
    let mut writer = Writer::default();
    records.iter().for_each(|record| writer.push(record));
    writer.finished().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fastrand::Rng;

    use super::*;
    use crate::domain::{EdgeAttrs, History, MemberId, Origin, StatusId, Strength, TimeMs, Times, Visibility};
    use crate::graph::{KindIx, MemberIx};

    fn random_record(random: &mut Rng) -> EdgeRecord {
        let some = |random: &mut Rng| random.u8(..6) == 0;
        let (first, last) = (TimeMs::FIRST.0, TimeMs::LAST.0);
        let time = |random: &mut Rng| TimeMs([0, first, last, random.i64(first..=last)][random.usize(..4)]);
        let mut attrs = EdgeAttrs::default();
        if some(random) {
            attrs.pinned = Strength::parse("strength", 1.0 - random.f32()).ok();
        }
        if some(random) {
            attrs.history = History { count: random.u64(1..=1_000), faded: 1.0 - random.f32(), last_s: random.u32(..) };
        }
        attrs.since = some(random).then(|| time(random));
        attrs.visibility = Visibility::ALL[random.usize(..3)];
        if some(random) {
            attrs.note = "é".repeat(random.usize(..200));
        }
        if some(random) {
            let id = |random: &mut Rng| MemberId::parse("id", &format!("m{}", random.u8(..))).unwrap();
            let introducers = (0..random.usize(..3)).map(|_| id(random)).collect();
            let status = random.bool().then(|| StatusId::parse("id", "s").unwrap());
            attrs.origin = Some(Origin { status, introducers, note: ["", "at a fair"][random.usize(..2)].to_owned() });
        }
        let create = time(random);
        let update = if random.bool() { create } else { time(random) };
        let to = MemberIx([random.u32(..900), u32::MAX][usize::from(random.u8(..50) == 0)]);
        EdgeRecord { to, kind: KindIx(random.u8(..2)), times: Times { create, update }, attrs }
    }

    #[test]
    fn it_is_a_sorted_map_whose_clones_do_not_change() {
        let mut random = Rng::with_seed(1);
        let (mut list, mut map) = (EdgeList::default(), BTreeMap::new());
        let mut snapshots = Vec::new();
        for step in 0..12_000 {
            let record = random_record(&mut random);
            if random.u32(..3) < if step < 6_000 { 2 } else { 1 } {
                list.insert(&record);
                map.insert(record.key(), record);
            } else {
                list.remove(record.key());
                map.remove(&record.key());
            }
            if step % 2_000 == 0 {
                snapshots.push((list.clone(), map.clone()));
            }
        }
        snapshots.push((EdgeList::from_sorted(map.values()), map.clone()));
        let mut left: Vec<_> = map.keys().copied().collect();
        random.shuffle(&mut left);
        snapshots.push((list.clone(), map));
        for (list, map) in snapshots {
            assert!(list.iter().eq(map.values().cloned()));
            let keys = (0..900).map(|to| (MemberIx(to), KindIx(0)));
            assert!(keys.into_iter().all(|key| list.get(key).as_ref() == map.get(&key)));
            let Chunks::Many(chunks) = &list.0 else { continue };
            assert!(chunks.iter().all(|chunk| (1..=RECORDS_MAX).contains(&count(chunk))));
        }
        left.into_iter().for_each(|key| list.remove(key));
        assert!(matches!(list.0, Chunks::None));
    }
}
