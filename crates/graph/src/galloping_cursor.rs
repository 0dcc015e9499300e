//! Looking up members among the neighbors of another, in ascending order.

use super::half_edge::MemberIx;
use super::half_edges::HalfEdges;
use super::lists::Lists;

/// Finds members that come in index order, by galloping (Bentley & Yao 1976): what lies between two of them is skipped, so that few are
/// found among many in far less time than it takes to go through the many.
pub struct GallopingCursor<'g> {
    row: RowCursor<'g>,
    /// The cursors in the rows that a patch adds, and the neighbors that it leaves out.
    more: Vec<RowCursor<'g>>,
    without: &'g [MemberIx],
}

/// A galloping cursor in one row.
struct RowCursor<'g> {
    row: Lists<'g>,
    /// The index of the list that the cursor is in, and what is left of the neighbors in that list.
    list: usize,
    left: &'g [u32],
}

impl<'g> GallopingCursor<'g> {
    pub fn new(halves: HalfEdges<'g>) -> GallopingCursor<'g> {
        let more = halves.patch().into_iter().flat_map(|patch| patch.rows()).map(RowCursor::new);
        let without = halves.patch().map_or(&[][..], |patch| &patch.without[..]);
        GallopingCursor { row: RowCursor::new(halves.lists()), more: more.collect(), without }
    }

    /// Returns whether a member is among the neighbors. It must not come before the one of the last call.
    #[inline]
    pub fn seek(&mut self, member: MemberIx) -> bool {
        let is_there = self.row.seek(member) || !self.more.is_empty() && self.is_among_more(member);
        is_there && (self.without.is_empty() || self.without.binary_search(&member).is_err())
    }

    #[cold]
    fn is_among_more(&mut self, member: MemberIx) -> bool {
        self.more.iter_mut().any(|row| row.seek(member))
    }
}

impl<'g> RowCursor<'g> {
    fn new(row: Lists<'g>) -> RowCursor<'g> {
        RowCursor { row, list: 0, left: neighbors(row, 0).unwrap_or(&[]) }
    }

    #[inline]
    fn seek(&mut self, member: MemberIx) -> bool {
        let row = self.row;
        if self.left.last().is_none_or(|&last| last < member.0) {
            self.list += 1;
            self.list += gallop(|ahead| {
                neighbors(row, self.list + ahead).is_some_and(|list| list.last().is_none_or(|&last| last < member.0))
            });
            self.left = neighbors(row, self.list).unwrap_or(&[]);
        }
        let skipped = gallop(|ahead| self.left.get(ahead).is_some_and(|&neighbor| neighbor < member.0));
        self.left = &self.left[skipped..];
        self.left.first() == Some(&member.0)
    }
}

fn neighbors<'g>(row: Lists<'g>, list: usize) -> Option<&'g [u32]> {
    row.list(list).map(|list| list.neighbors())
}

/// Returns how many items at the beginning of a row come before something.
#[inline]
fn gallop(comes_before: impl Fn(usize) -> bool) -> usize {
    // All before `least` come before it, and none from `most` on.
    let (mut least, mut most) = (0, 0);
    while comes_before(most) {
        least = most + 1;
        most = 2 * most + 1;
    }
    while least < most {
        let middle = least + (most - least) / 2;
        if comes_before(middle) {
            least = middle + 1;
        } else {
            most = middle;
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adjacency::Adjacency;
    use crate::half_edge::HalfEdge;
    use crate::{KindIx, StrengthInputs};

    #[test]
    fn it_finds_what_is_there() {
        let mut random = fastrand::Rng::with_seed(1);
        // Some of the lists are a hub's, in several chunks.
        for len in (0..60).chain([255, 256, 257, 1_000, 5_000]) {
            let mut neighbors: Vec<u32> = (0..len).map(|_| random.u32(..2 * len)).collect();
            neighbors.sort_unstable();
            let half =
                |&neighbor: &u32| HalfEdge::new(MemberIx(neighbor), KindIx(0), true, true, StrengthInputs::default());
            let halves: Vec<HalfEdge> = neighbors.iter().map(half).collect();
            let adjacency = Adjacency::from_lists([halves.as_slice()].into_iter());
            for step in [1, 2, 7, 64, 700] {
                let mut cursor = GallopingCursor::new(adjacency.get(MemberIx(0)).unwrap());
                for member in (random.u32(..step)..2 * len + 3).step_by(step as usize) {
                    // A member may be looked up more than once.
                    for _ in 0..random.usize(1..3) {
                        assert_eq!(cursor.seek(MemberIx(member)), neighbors.binary_search(&member).is_ok());
                    }
                }
            }
        }
    }
}
