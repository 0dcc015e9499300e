//! A persistent sorted list: a member's neighbors, from none to millions.

use std::sync::Arc;

/// Items in one chunk at most: what a change of one of them copies.
const CHUNK_ITEMS_MAX: usize = 512;

/// What a list is sorted by.
pub trait Keyed {
    type Key: Ord;

    fn key(&self) -> Self::Key;
}

/// A sorted list of distinct keys, in chunks that clones share.
///
/// Most lists are one chunk; a hub's is many, and a change copies one of them and the list of pointers.
#[derive(Debug, Clone)]
pub struct Runs<T>(Chunks<T>);

#[derive(Debug, Clone)]
enum Chunks<T> {
    None,
    One(Arc<[T]>),
    /// None of them empty.
    Many(Arc<Vec<Arc<[T]>>>),
}

impl<T> Default for Runs<T> {
    fn default() -> Runs<T> {
        Runs(Chunks::None)
    }
}

impl<T> Runs<T> {
    /// The chunks in order.
    pub fn runs(&self) -> &[Arc<[T]>] {
        match &self.0 {
            Chunks::None => &[],
            Chunks::One(chunk) => std::slice::from_ref(chunk),
            Chunks::Many(chunks) => chunks,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.runs().iter().flat_map(|run| run.iter())
    }

    pub fn len(&self) -> usize {
        self.runs().iter().map(|run| run.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.runs().is_empty()
    }
}

impl<T: Keyed + Clone> Runs<T> {
    /// A list of items that are sorted by key, each key once.
    pub fn from_sorted(items: &[T]) -> Runs<T> {
        match items.len() {
            0 => Runs(Chunks::None),
            1..=CHUNK_ITEMS_MAX => Runs(Chunks::One(items.into())),
            // Two thirds full: the next inserts find room.
            _ => Runs(Chunks::Many(Arc::new(items.chunks(CHUNK_ITEMS_MAX * 2 / 3).map(Arc::from).collect()))),
        }
    }

    pub fn get(&self, key: &T::Key) -> Option<&T> {
        let chunk = &self.runs()[self.chunk_of(key)?];
        chunk.binary_search_by(|item| item.key().cmp(key)).ok().map(|at| &chunk[at])
    }

    /// The chunk a key is in or would go into: the last that begins at or before it, or the first.
    fn chunk_of(&self, key: &T::Key) -> Option<usize> {
        let runs = self.runs();
        if runs.is_empty() {
            return None;
        }
        Some(runs.partition_point(|run| run[0].key() <= *key).saturating_sub(1))
    }

    /// Puts an item in the place of the one with its key, which is given back.
    pub fn insert(&mut self, item: T) -> Option<T> {
        let key = item.key();
        let Some(at_chunk) = self.chunk_of(&key) else {
            self.0 = Chunks::One(Arc::from([item]));
            return None;
        };
        let chunk = &self.runs()[at_chunk];
        match chunk.binary_search_by(|other| other.key().cmp(&key)) {
            Ok(at) => {
                let before = chunk[at].clone();
                let chunk = self.chunk_mut(at_chunk);
                match Arc::get_mut(chunk) {
                    Some(items) => items[at] = item,
                    None => *chunk = replaced(chunk, at, &[item], 1),
                }
                Some(before)
            }
            Err(at) => {
                let longer = replaced(chunk, at, &[item], 0);
                self.put_chunk(at_chunk, longer);
                None
            }
        }
    }

    /// Takes out the item with the key.
    pub fn remove(&mut self, key: &T::Key) -> Option<T> {
        let at_chunk = self.chunk_of(key)?;
        let chunk = &self.runs()[at_chunk];
        let at = chunk.binary_search_by(|item| item.key().cmp(key)).ok()?;
        let before = chunk[at].clone();
        let shorter = replaced(chunk, at, &[], 1);
        self.put_chunk(at_chunk, shorter);
        Some(before)
    }

    fn chunk_mut(&mut self, at: usize) -> &mut Arc<[T]> {
        match &mut self.0 {
            Chunks::Many(chunks) => &mut Arc::make_mut(chunks)[at],
            Chunks::One(chunk) => chunk,
            Chunks::None => unreachable!("a list without chunks has no chunk to change"),
        }
    }

    /// Puts a chunk in the place of another: split if it grew too long, dropped if it is empty.
    fn put_chunk(&mut self, at: usize, chunk: Arc<[T]>) {
        let parts: Vec<Arc<[T]>> = match chunk.len() {
            0 => Vec::new(),
            len if len > CHUNK_ITEMS_MAX => chunk.chunks(len.div_ceil(2)).map(Arc::from).collect(),
            _ => vec![chunk],
        };
        match &mut self.0 {
            Chunks::Many(chunks) if parts.len() == 1 => {
                Arc::make_mut(chunks)[at] = parts.into_iter().next().expect("there is one part");
            }
            Chunks::Many(chunks) => {
                let chunks = Arc::make_mut(chunks);
                chunks.splice(at..=at, parts);
                if chunks.is_empty() {
                    self.0 = Chunks::None;
                }
            }
            Chunks::One(_) | Chunks::None => {
                self.0 = match <[Arc<[T]>; 1]>::try_from(parts) {
                    Ok([one]) => Chunks::One(one),
                    Err(parts) if parts.is_empty() => Chunks::None,
                    Err(parts) => Chunks::Many(Arc::new(parts)),
                };
            }
        }
    }
}

/// A copy of a chunk with `removed` items at `at` replaced by `inserted`.
fn replaced<T: Clone>(chunk: &[T], at: usize, inserted: &[T], removed: usize) -> Arc<[T]> {
    chunk[..at].iter().chain(inserted).chain(&chunk[at + removed..]).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    impl Keyed for (u32, u32) {
        type Key = u32;

        fn key(&self) -> u32 {
            self.0
        }
    }

    #[test]
    fn it_is_a_sorted_map_whose_clones_do_not_change() {
        let mut random = fastrand::Rng::with_seed(1);
        let (mut runs, mut map) = (Runs::default(), BTreeMap::new());
        let mut snapshots = Vec::new();
        for step in 0..30_000 {
            let key = random.u32(..3_000);
            if random.u32(..3) < if step < 15_000 { 2 } else { 1 } {
                assert_eq!(runs.insert((key, step)).map(|item| item.1), map.insert(key, step));
            } else {
                assert_eq!(runs.remove(&key).map(|item| item.1), map.remove(&key));
            }
            if step % 5_000 == 0 {
                snapshots.push((runs.clone(), map.clone()));
            }
        }
        snapshots.push((Runs::from_sorted(&runs.iter().copied().collect::<Vec<_>>()), map.clone()));
        snapshots.push((runs, map));
        for (runs, map) in snapshots {
            assert!(runs.iter().copied().eq(map.iter().map(|(k, v)| (*k, *v))));
            assert!(runs.runs().iter().all(|run| (1..=CHUNK_ITEMS_MAX).contains(&run.len())));
            assert!((0..3_000).all(|key| runs.get(&key).map(|item| item.1) == map.get(&key).copied()));
            assert_eq!(runs.len(), map.len());
        }
    }
}
