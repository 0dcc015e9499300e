//! Rows that are not in a segment: sorted half-edges of a member that not everyone may see.

use std::sync::Arc;

use super::half_edge::{HalfEdge, HalfEdgeKey};
use super::hub::{Hub, chunk, unpack_chunk};
use super::lists::Lists;

/// The most half-edges in a row's only chunk.
const ONE_MAX: usize = 256;
/// A long row is written anew as a whole when one in so many of its half-edges changes.
const WRITTEN_ANEW: usize = 16;

/// A change to a key: the half-edge that is put there, or none if it is removed.
pub type RowChange = (HalfEdgeKey, Option<HalfEdge>);

/// Half-edges in the order of their keys; never empty.
#[derive(Debug, Clone)]
pub enum Row {
    One(Arc<[u32]>),
    Hub(Arc<Hub>),
}

impl Row {
    /// Makes a row of half-edges that are in order, or none if there are none.
    pub fn new(halves: &[HalfEdge]) -> Option<Row> {
        match halves.len() {
            0 => None,
            1..=ONE_MAX => Some(Row::One(chunk(halves))),
            _ => Some(Row::Hub(Arc::new(Hub::new(halves)))),
        }
    }

    #[inline]
    pub fn lists(&self) -> Lists<'_> {
        match self {
            Row::One(words) => Lists::One(unpack_chunk(words)),
            Row::Hub(hub) => Lists::Hub(hub),
        }
    }

    /// Returns a row with some changes, which are in order.
    pub fn changed(row: Option<&Row>, changes: &[RowChange]) -> Option<Row> {
        match row {
            Some(Row::Hub(hub)) if changes.len() < hub.len / WRITTEN_ANEW => {
                let mut hub = Hub::clone(hub);
                changes.iter().for_each(|(key, half)| hub.change(*key, *half));
                Some(Row::Hub(Arc::new(hub)))
            }
            _ => Row::new(&merged(row.map(Row::lists).unwrap_or_default(), changes)),
        }
    }
}

/// Returns the half-edges of a list with some changes, which are in order.
pub fn merged(lists: Lists<'_>, changes: &[RowChange]) -> Vec<HalfEdge> {
    let mut merged = Vec::with_capacity(lists.len() + changes.len());
    let mut changes = changes.iter().peekable();
    for half in lists.iter() {
        while let Some((_, new)) = changes.next_if(|(key, _)| *key < half.key()) {
            merged.extend(new);
        }
        match changes.next_if(|(key, _)| *key == half.key()) {
            Some((_, new)) => merged.extend(new),
            None => merged.push(half),
        }
    }
    merged.extend(changes.filter_map(|(_, new)| *new));
    merged
}
