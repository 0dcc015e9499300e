//! Hubs: the list of a member with very many edges is kept in chunks, so that a change writes one of them anew.

use std::sync::Arc;

use imbl::Vector;

use super::half_edge::{HalfEdge, HalfEdgeKey};
use super::packed::{List, pack};

/// The most half-edges in a chunk.
const CHUNK_MAX: usize = 512;

/// A long list in chunks. The words of a chunk are its length and its list.
#[derive(Debug, Clone, Default)]
pub struct Hub {
    pub len: usize,
    pub chunks: Vector<Arc<[u32]>>,
}

impl Hub {
    pub fn new(halves: &[HalfEdge]) -> Hub {
        // Chunks are filled by two thirds, so that the next half-edges find room.
        Hub { len: halves.len(), chunks: halves.chunks(CHUNK_MAX * 2 / 3).map(chunk).collect() }
    }

    /// Returns the chunk that a key is in or would go into: the last that begins at or before the key, or else the first.
    pub fn chunk_of(&self, key: HalfEdgeKey) -> usize {
        let begins = self.chunks.binary_search_by(|words| unpack_chunk(words).first_key().cmp(&Some(key)));
        begins.unwrap_or_else(|after| after.saturating_sub(1))
    }

    pub fn change(&mut self, key: HalfEdgeKey, half: Option<HalfEdge>) {
        let at = self.chunk_of(key);
        let mut halves: Vec<HalfEdge> =
            self.chunks.get(at).map_or(Vec::new(), |words| unpack_chunk(words).iter().collect());
        let before = halves.len();
        change(&mut halves, key, half);
        self.len = self.len + halves.len() - before;
        if halves.is_empty() {
            self.chunks.remove(at);
        } else if halves.len() > CHUNK_MAX {
            let (first, second) = halves.split_at(halves.len() / 2);
            self.chunks.set(at, chunk(first));
            self.chunks.insert(at + 1, chunk(second));
        } else {
            self.chunks.set(at, chunk(&halves));
        }
    }
}

/// Puts a half-edge among others that are in order, or removes the one of the key.
pub fn change(halves: &mut Vec<HalfEdge>, key: HalfEdgeKey, half: Option<HalfEdge>) {
    match (halves.binary_search_by_key(&key, HalfEdge::key), half) {
        (Ok(at), Some(half)) => halves[at] = half,
        (Ok(at), None) => {
            halves.remove(at);
        }
        (Err(at), Some(half)) => halves.insert(at, half),
        (Err(_), None) => {}
    }
}

pub fn chunk(halves: &[HalfEdge]) -> Arc<[u32]> {
    let mut words = vec![halves.len() as u32];
    pack(halves, &mut words);
    words.into()
}

#[inline]
pub fn unpack_chunk(words: &[u32]) -> List<'_> {
    List::unpack(words[0] as usize, &words[1..])
}
