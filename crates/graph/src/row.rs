//! A sorted row of half-edges that stands on its own, not in a segment: what is not for everyone of a member's list.

use std::sync::Arc;

use super::half_edge::{HalfEdge, HalfEdgeKey};
use super::hub::{Hub, chunk, unpack_chunk};
use super::lists::Lists;

/// Half-edges in a row's only chunk at most.
const ONE_MAX: usize = 256;
/// A long row is written anew as a whole when one in so many of its half-edges changes.
const WRITTEN_ANEW: usize = 16;

/// What becomes of a key: a half-edge is put there, or there is none.
pub type RowChange = (HalfEdgeKey, Option<HalfEdge>);

/// Half-edges in the order of their keys; never empty.
#[derive(Debug, Clone)]
pub enum Row {
    One(Arc<[u32]>),
    Hub(Arc<Hub>),
}

impl Row {
    /// Of half-edges in order; none of no half-edges.
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

    /// A row with some changes, which are in order.
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

/// The half-edges of a list with some changes, which are in order.
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
