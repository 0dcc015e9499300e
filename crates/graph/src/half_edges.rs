//! A member's half-edges as somebody sees them. The list that everyone sees is used as it lies in memory; where a viewer sees more or less,
//! a patch holds the half-edges that are added and the neighbors that are left out. Nothing else is copied.

use super::half_edge::{HalfEdge, HalfEdgeKey, MemberIx};
use super::lists::Lists;
use super::packed::List;
use super::row::Row;

/// One member's half-edges, in the order of their keys.
#[derive(Debug, Clone, Copy)]
pub struct HalfEdges<'g> {
    lists: Lists<'g>,
    patch: Option<&'g Patch>,
}

/// How the half-edges that somebody sees of a member differ from those that everyone sees.
#[derive(Debug, Clone, Default)]
pub struct Patch {
    /// The rows that are added; they have no key in common.
    pub more: [Option<Row>; 2],
    /// The neighbors whose half-edges are left out, in index order; and how many half-edges that takes away.
    pub without: Box<[MemberIx]>,
    pub left_out: usize,
}

impl Patch {
    /// Makes the patch that adds a row and leaves nothing out.
    pub fn of(row: Option<Row>) -> Patch {
        Patch { more: [row, None], ..Patch::default() }
    }

    pub fn rows(&self) -> impl Iterator<Item = Lists<'_>> {
        self.more.iter().flatten().map(Row::lists)
    }

    fn leaves_out(&self, neighbor: MemberIx) -> bool {
        self.without.binary_search(&neighbor).is_ok()
    }
}

impl<'g> HalfEdges<'g> {
    pub(super) fn new(lists: Lists<'g>, patch: Option<&'g Patch>) -> HalfEdges<'g> {
        HalfEdges { lists, patch }
    }

    /// Returns the half-edges of nobody.
    #[inline]
    pub fn none() -> HalfEdges<'g> {
        HalfEdges { lists: Lists::default(), patch: None }
    }

    #[inline]
    pub fn len(self) -> usize {
        let all = self.lists.len();
        self.patch.map_or(all, |patch| all + patch.rows().map(Lists::len).sum::<usize>() - patch.left_out)
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Returns the list that everyone sees, if there is no patch.
    #[inline]
    pub(super) fn unpatched(self) -> Option<Lists<'g>> {
        self.patch.is_none().then_some(self.lists)
    }

    pub(super) fn lists(self) -> Lists<'g> {
        self.lists
    }

    pub(super) fn patch(self) -> Option<&'g Patch> {
        self.patch
    }

    /// Calls `each` with all half-edges in pieces, each piece in the order of its keys: first those that everyone sees.
    #[inline]
    pub fn try_for_each_list<E>(self, mut each: impl FnMut(List<'g>) -> Result<(), E>) -> Result<(), E> {
        match self.patch {
            None => self.lists.try_for_each_list(each),
            Some(patch) => self.pieces(patch).try_for_each(&mut each),
        }
    }

    /// Calls `each` with all half-edges in pieces that are, taken together, in the order of their keys.
    #[inline]
    pub(super) fn try_for_each_run<E>(self, mut each: impl FnMut(List<'g>) -> Result<(), E>) -> Result<(), E> {
        match self.patch {
            None => self.lists.try_for_each_list(each),
            Some(patch) => self.runs(patch).try_for_each(&mut each),
        }
    }

    /// Returns all lists, without the runs that the patch leaves out.
    fn pieces(self, patch: &'g Patch) -> impl Iterator<Item = List<'g>> {
        let lists = std::iter::once(self.lists).chain(patch.rows()).flat_map(Lists::all);
        lists.flat_map(move |list| Left { list, from: 0, without: &patch.without })
    }

    fn runs(self, patch: &'g Patch) -> Runs<'g> {
        let mut rows = [None, None, None];
        let all = std::iter::once(self.lists).chain(patch.rows());
        rows.iter_mut().zip(all).for_each(|(row, lists)| *row = Some(Cursor::new(lists, &patch.without)));
        Runs(rows)
    }

    pub fn iter(self) -> impl Iterator<Item = HalfEdge> + 'g {
        let (all, runs) = match self.patch {
            None => (Some(self.lists), None),
            Some(patch) => (None, Some(self.runs(patch))),
        };
        all.into_iter().flat_map(Lists::all).chain(runs.into_iter().flatten()).flat_map(List::iter)
    }

    /// Returns whether some half-edge leads to or from another member.
    pub fn has_neighbor(self, other: MemberIx) -> bool {
        self.between(other).next().is_some()
    }

    /// Returns the half-edges that lead to or from another member.
    pub(super) fn between(self, other: MemberIx) -> impl Iterator<Item = HalfEdge> + 'g {
        let mut more = Vec::new();
        let mut lists = self.lists;
        if let Some(patch) = self.patch {
            if patch.leaves_out(other) {
                lists = Lists::default();
            } else {
                more.extend(patch.rows().flat_map(|row| row.between(other)));
                if !more.is_empty() {
                    more.extend(std::mem::take(&mut lists).between(other));
                    more.sort_unstable_by_key(HalfEdge::key);
                }
            }
        }
        lists.between(other).chain(more)
    }

    pub fn get(self, key: HalfEdgeKey) -> Option<HalfEdge> {
        let patch = self.patch.filter(|patch| !patch.leaves_out(key.0));
        match self.patch {
            None => self.lists.get(key),
            Some(_) => {
                patch.and_then(|patch| self.lists.get(key).or_else(|| patch.rows().find_map(|row| row.get(key))))
            }
        }
    }
}

/// The pieces of a list that remain when the neighbors left out are cut from it.
struct Left<'g> {
    list: List<'g>,
    from: usize,
    /// The neighbors left out that have not been passed yet.
    without: &'g [MemberIx],
}

impl<'g> Iterator for Left<'g> {
    type Item = List<'g>;

    fn next(&mut self) -> Option<List<'g>> {
        let neighbors = self.list.neighbors();
        loop {
            let first = *neighbors.get(self.from)?;
            let passed = self.without.partition_point(|other| other.0 < first);
            self.without = &self.without[passed..];
            let left = &neighbors[self.from..];
            let Some(next) = self.without.first() else {
                let run = self.list.run(self.from..neighbors.len());
                self.from = neighbors.len();
                return Some(run);
            };
            let before = left.partition_point(|&neighbor| neighbor < next.0);
            let theirs = left[before..].iter().take_while(|&&neighbor| neighbor == next.0).count();
            let begin = self.from;
            self.from = begin + before + theirs;
            if before > 0 {
                return Some(self.list.run(begin..begin + before));
            }
        }
    }
}

/// How far a row has been gone through.
struct Cursor<'g> {
    lists: Lists<'g>,
    /// The index of the next list, and what is left of the list before it.
    next: usize,
    left: Left<'g>,
    run: Option<List<'g>>,
    without: &'g [MemberIx],
}

impl<'g> Cursor<'g> {
    fn new(lists: Lists<'g>, without: &'g [MemberIx]) -> Cursor<'g> {
        let left = Left { list: List::unpack(0, &[]), from: 0, without };
        let mut cursor = Cursor { lists, next: 0, left, run: None, without };
        cursor.advance();
        cursor
    }

    /// Moves to the next run that is not empty.
    fn advance(&mut self) {
        self.run = loop {
            if let Some(run) = self.left.next() {
                break Some(run);
            }
            let Some(list) = self.lists.list(self.next) else { break None };
            self.next += 1;
            self.left = Left { list, from: 0, without: self.without };
        };
    }

    fn first_key(&self) -> Option<HalfEdgeKey> {
        self.run.and_then(List::first_key)
    }

    /// Takes the part of the run that comes before a key.
    fn take_before(&mut self, limit: Option<HalfEdgeKey>) -> Option<List<'g>> {
        let run = self.run?;
        let end = limit.map_or(run.len(), |limit| run.find(limit).unwrap_or_else(|at| at));
        if end == run.len() {
            self.advance();
        } else {
            self.run = Some(run.run(end..run.len()));
        }
        Some(run.run(0..end))
    }
}

/// Merges up to three rows, which have no key in common, into runs in the order of all keys.
struct Runs<'g>([Option<Cursor<'g>>; 3]);

impl<'g> Iterator for Runs<'g> {
    type Item = List<'g>;

    fn next(&mut self) -> Option<List<'g>> {
        let keys = self.0.each_ref().map(|cursor| cursor.as_ref().and_then(Cursor::first_key));
        let least = keys.iter().flatten().min().copied()?;
        let at = keys.iter().position(|key| *key == Some(least))?;
        let limit = keys.iter().enumerate().filter(|(other, _)| *other != at).filter_map(|(_, key)| *key).min();
        self.0[at].as_mut().and_then(|cursor| cursor.take_before(limit))
    }
}
