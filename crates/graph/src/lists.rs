//! A sorted row of half-edges as it lies in memory: in one list, or in the chunks of a hub.

use std::hint::black_box;

use super::half_edge::{HalfEdge, HalfEdgeKey, KindIx, MemberIx};
use super::hub::{Hub, unpack_chunk};
use super::packed::List;

/// A sorted row of half-edges, by how it lies in memory.
#[derive(Debug, Clone, Copy)]
pub enum Lists<'g> {
    One(List<'g>),
    Hub(&'g Hub),
}

impl Default for Lists<'_> {
    fn default() -> Self {
        Lists::One(List::unpack(0, &[]))
    }
}

impl<'g> Lists<'g> {
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Lists::One(list) => list.len(),
            Lists::Hub(hub) => hub.len,
        }
    }

    /// Brings the beginning of the row into the processor's cache.
    #[inline]
    pub fn fetch(self) {
        if let Lists::One(list) = self {
            black_box(list.neighbors().first().copied());
        }
    }

    /// Returns one of the lists that the row is kept in, or none beyond the last.
    #[inline]
    pub fn list(self, at: usize) -> Option<List<'g>> {
        match self {
            Lists::One(list) => (at == 0).then_some(list),
            Lists::Hub(hub) => hub.chunks.get(at).map(|words| unpack_chunk(words)),
        }
    }

    #[inline]
    pub fn try_for_each_list<E>(self, mut each: impl FnMut(List<'g>) -> Result<(), E>) -> Result<(), E> {
        match self {
            Lists::One(list) => each(list),
            Lists::Hub(hub) => hub.chunks.iter().try_for_each(|words| each(unpack_chunk(words))),
        }
    }

    pub(super) fn all(self) -> impl Iterator<Item = List<'g>> {
        let (one, hub) = match self {
            Lists::One(list) => (Some(list), None),
            Lists::Hub(hub) => (None, Some(hub)),
        };
        one.into_iter().chain(hub.into_iter().flat_map(|hub| hub.chunks.iter().map(|words| unpack_chunk(words))))
    }

    pub fn iter(self) -> impl Iterator<Item = HalfEdge> + 'g {
        self.all().flat_map(List::iter)
    }

    /// Returns the half-edges that lead to or from another member.
    pub fn between(self, other: MemberIx) -> impl Iterator<Item = HalfEdge> + 'g {
        let first = match self {
            Lists::One(_) => 0,
            Lists::Hub(hub) => hub.chunk_of((other, KindIx(0), false)),
        };
        let lists = (first..).map_while(move |at| self.list(at));
        // The half-edges of one pair may lie in several chunks of a hub.
        let lists = lists.take_while(move |list| list.neighbors().first().is_some_and(|&first| first <= other.0));
        lists.flat_map(move |list| {
            let begin = list.neighbors().partition_point(|&neighbor| neighbor < other.0);
            let end = begin + list.neighbors()[begin..].iter().take_while(|&&neighbor| neighbor == other.0).count();
            (begin..end).map(move |at| list.half_edge(at))
        })
    }

    pub fn get(self, key: HalfEdgeKey) -> Option<HalfEdge> {
        match self {
            Lists::One(list) => list.get(key),
            Lists::Hub(hub) => unpack_chunk(hub.chunks.get(hub.chunk_of(key))?).get(key),
        }
    }
}
