//! A member's half-edges packed into words: 5 bytes a half-edge, and 8 more where its strength depends on more than its kind.
//!
//! A list of `n` half-edges is laid out as `n` neighbors; `n` labels, four to a word; `n` bits that say which half-edges have inputs; then
//! the inputs, two words each. What a traversal looks at lies side by side: neighbors with neighbors, labels with labels.

use std::ops::Range;

use super::half_edge::{HalfEdge, HalfEdgeKey, MemberIx};

/// Half-edges in the order of their keys: a whole list, or a run of one.
#[derive(Debug, Clone, Copy)]
pub struct List<'g> {
    neighbors: &'g [u32],
    labels: &'g [u8],
    /// How many half-edges the list has before this run, and how many it has in all.
    begin: u32,
    whole: u32,
    /// The words of the whole list, and whatever comes after them.
    words: &'g [u32],
}

/// Returns how many words of a list of `len` come before its inputs.
fn words_before_inputs(len: usize) -> usize {
    len + len.div_ceil(4) + len.div_ceil(32)
}

/// Appends the words of half-edges that are in order.
pub(super) fn pack(halves: &[HalfEdge], words: &mut Vec<u32>) {
    words.extend(halves.iter().map(|half| half.neighbor().0));
    for four in halves.chunks(4) {
        let mut labels = [0; 4];
        four.iter().zip(&mut labels).for_each(|(half, label)| *label = half.label());
        words.push(u32::from_ne_bytes(labels));
    }
    for many in halves.chunks(32) {
        words.push(many.iter().enumerate().fold(0, |bits, (i, half)| bits | u32::from(half.has_inputs()) << i));
    }
    for half in halves.iter().filter(|half| half.has_inputs()) {
        words.extend(half.input_words());
    }
}

impl<'g> List<'g> {
    /// Reads a list of `len` half-edges at the beginning of `words`.
    #[inline]
    pub(super) fn unpack(len: usize, words: &'g [u32]) -> List<'g> {
        let labels = &bytemuck::cast_slice(&words[len..][..len.div_ceil(4)])[..len];
        List { neighbors: &words[..len], labels, begin: 0, whole: len as u32, words }
    }

    /// Returns the run of this list that a range of its ranks covers.
    pub(super) fn run(self, range: Range<usize>) -> List<'g> {
        let begin = self.begin + range.start as u32;
        List { neighbors: &self.neighbors[range.clone()], labels: &self.labels[range], begin, ..self }
    }

    #[inline]
    pub fn len(self) -> usize {
        self.neighbors.len()
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Returns how many half-edges of the list come before this run.
    #[inline]
    pub(super) fn begin(self) -> usize {
        self.begin as usize
    }

    #[inline]
    pub(super) fn neighbors(self) -> &'g [u32] {
        self.neighbors
    }

    /// Returns the labels, which hold all of a half-edge but its neighbor and its inputs: see `HalfEdge::label`.
    #[inline]
    pub(super) fn labels(self) -> &'g [u8] {
        self.labels
    }

    /// Returns the bits of the whole list, one for each half-edge, that say whether it has inputs.
    #[inline]
    pub(super) fn input_bits(self) -> &'g [u32] {
        let whole = self.whole as usize;
        let begin = whole + whole.div_ceil(4);
        &self.words[begin..begin + whole.div_ceil(32)]
    }

    /// Returns the inputs of the whole list in order, and whatever comes after them.
    #[inline]
    pub(super) fn all_inputs(self) -> &'g [u32] {
        &self.words[words_before_inputs(self.whole as usize)..]
    }

    /// Returns the input words of a half-edge, zeros where it has none. Their rank among all inputs is how many bits are set before its
    /// own.
    #[inline]
    pub(super) fn inputs(self, at: usize) -> [u32; 2] {
        let at = self.begin() + at;
        if self.input_bits()[at / 32] >> (at % 32) & 1 == 0 {
            return [0, 0];
        }
        let (before, here) = (&self.input_bits()[..at / 32], self.input_bits()[at / 32] & ((1 << (at % 32)) - 1));
        let rank = before.iter().chain(&[here]).map(|bits| bits.count_ones()).sum::<u32>() as usize;
        let all = self.all_inputs();
        [all[2 * rank], all[2 * rank + 1]]
    }

    fn key(self, at: usize) -> HalfEdgeKey {
        HalfEdge::key_of(MemberIx(self.neighbors()[at]), self.labels()[at])
    }

    pub(super) fn first_key(self) -> Option<HalfEdgeKey> {
        (!self.is_empty()).then(|| self.key(0))
    }

    pub(super) fn half_edge(self, at: usize) -> HalfEdge {
        HalfEdge::from_parts(MemberIx(self.neighbors()[at]), self.labels()[at], self.inputs(at))
    }

    pub fn iter(self) -> impl Iterator<Item = HalfEdge> + 'g {
        (0..self.len()).map(move |at| self.half_edge(at))
    }

    /// Returns the rank of a key, or the rank at which it would be inserted.
    pub(super) fn find(self, key: HalfEdgeKey) -> Result<usize, usize> {
        let mut at = self.neighbors().partition_point(|&neighbor| neighbor < key.0.0);
        while at < self.len() && self.key(at) < key {
            at += 1;
        }
        if at < self.len() && self.key(at) == key { Ok(at) } else { Err(at) }
    }

    pub(super) fn get(self, key: HalfEdgeKey) -> Option<HalfEdge> {
        self.find(key).ok().map(|at| self.half_edge(at))
    }

    /// Returns all words of the whole list.
    pub(super) fn words(self) -> &'g [u32] {
        let inputs = self.input_bits().iter().map(|bits| bits.count_ones() as usize).sum::<usize>();
        &self.words[..words_before_inputs(self.whole as usize) + 2 * inputs]
    }
}
