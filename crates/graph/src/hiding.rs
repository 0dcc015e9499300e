//! What a graph hides, and from whom. Whatever changes that moves half-edges to the row of those that the same readers may see
//! (`restricted.rs`).

use super::graph::Graph;
use super::half_edge::{HalfEdge, KindIx, MemberIx};
use super::privacy::{ADMITS, BLOCKS, HalfEdgeId, NEAR_ADMITTING, NEAR_BLOCKS, seconds};
use super::restricted::{Change, Class};
use crate::domain::{Privacy, Visibility};

/// How many half-edges are moved between two calls of `go_on`.
const MOVED_TOGETHER: usize = 4_096;

impl Graph {
    pub fn privacy(&self, member: MemberIx) -> Privacy {
        self.privacy.privacy(member)
    }

    /// Sets a member's privacy. Where its edges become hidden or shown, that takes as much as it has edges, because they are moved.
    pub fn set_privacy(&mut self, member: MemberIx, privacy: Privacy) {
        self.set_privacy_while(member, privacy, &|| true);
    }

    /// Sets a member's privacy as long as `go_on` says so. Otherwise it returns false, and leaves the graph half changed.
    pub fn set_privacy_while(&mut self, member: MemberIx, privacy: Privacy, go_on: &dyn Fn() -> bool) -> bool {
        let before = self.privacy(member);
        self.privacy.set_privacy(member, privacy);
        if privacy.edges_shown() == before.edges_shown() {
            return true;
        }
        let halves: Vec<HalfEdge> = self.half_edges(member).iter().collect();
        self.move_halves(halves.iter().map(|half| (member, *half)).collect());
        for some in halves.chunks(MOVED_TOGETHER) {
            if !go_on() {
                return false;
            }
            self.move_halves(some.iter().map(|half| (half.neighbor(), half.other_half(member))).collect());
        }
        true
    }

    /// Returns whether the privacy of any member hides its edges, or its processing is restricted.
    pub fn hides_members(&self) -> bool {
        self.privacy.hiding_members > 0 || self.privacy.withheld_members > 0
    }

    /// Returns whether the processing of a member's data is restricted, so that no answer may have any of it.
    #[inline]
    pub fn is_withheld(&self, member: MemberIx) -> bool {
        self.privacy.is_withheld(member)
    }

    /// Returns an edge's own visibility. An edge of a symmetric kind is found in either order of its ends.
    pub fn edge_visibility(&self, from: MemberIx, kind: KindIx, to: MemberIx) -> Visibility {
        self.privacy.half_edge_visibility(from, (to, kind, false))
    }

    /// Sets an existing edge's own visibility. An edge of a symmetric kind is found in either order of its ends.
    pub fn set_edge_visibility(&mut self, from: MemberIx, kind: KindIx, to: MemberIx, visibility: Visibility) {
        if self.privacy.set_edge(self.ends(from, kind, to), visibility) {
            let half = self.half_edges(from).get((to, kind, false));
            self.move_halves(half.into_iter().flat_map(|half| [(from, half), (to, half.other_half(from))]).collect());
        }
    }

    /// Sets the privacy of many members and the visibility of many edges at once, on a graph in which nobody hides anything.
    pub fn restrict_all(
        &mut self,
        members: &[(MemberIx, Privacy)],
        edges: &[(MemberIx, KindIx, MemberIx, Visibility)],
    ) {
        members.iter().for_each(|(member, privacy)| self.privacy.set_privacy(*member, *privacy));
        for &(from, kind, to, visibility) in edges {
            self.privacy.set_edge(self.ends(from, kind, to), visibility);
        }
        if !self.privacy.hides_anything() && self.privacy.withheld_members == 0 {
            return;
        }
        let mut hidden = Vec::new();
        for member in (0..self.slots() as u32).map(MemberIx) {
            let halves = self.adjacency.get(member).into_iter().flat_map(|halves| halves.iter());
            let is_hidden = |half: &HalfEdge| self.privacy.class(member, half.key()) != Class::Everyone;
            hidden.extend(halves.filter(is_hidden).map(|half| (member, half)));
        }
        self.move_halves(hidden);
    }

    /// Returns the two halves of an edge.
    pub(super) fn ends(&self, from: MemberIx, kind: KindIx, to: MemberIx) -> [HalfEdgeId; 2] {
        [(from, (to, kind, false)), (to, (from, kind, !self.kind(kind).attrs.symmetric))]
    }

    /// Puts half-edges, each with its owner, into the rows where they belong by now.
    fn move_halves(&mut self, halves: Vec<(MemberIx, HalfEdge)>) {
        let mut members: Vec<MemberIx> = halves.iter().map(|(member, _)| *member).collect();
        let put =
            |(member, half): (MemberIx, HalfEdge)| Change::put(member, half, self.privacy.class(member, half.key()));
        let changes = halves.into_iter().map(put).collect();
        self.adjacency.change_all(changes);
        members.sort_unstable();
        members.dedup();
        members.into_iter().for_each(|member| self.mark_admitting(member));
    }

    /// Updates the mark of a member after its half-edges may have got other readers.
    pub(super) fn mark_admitting(&mut self, member: MemberIx) {
        let admits = self.adjacency.restricted(member).is_some_and(|restricted| restricted.admits_connections());
        if admits != self.privacy.admits_connections(member) {
            self.privacy.set_flag(member, ADMITS, admits);
            self.mark_near(member, ADMITS, NEAR_ADMITTING);
        }
    }

    /// Marks all neighbors of a member that has a flag.
    fn mark_near(&mut self, member: MemberIx, flag: u16, near: u16) {
        if self.privacy.flags(member) & flag != 0 {
            let edges = self.adjacency.get(member).into_iter().flat_map(|edges| edges.iter());
            edges.for_each(|half| self.privacy.set_flag(half.neighbor(), near, true));
        }
    }

    /// Makes one member block another. Returns false if it did already.
    pub fn block(&mut self, by: MemberIx, of: MemberIx) -> bool {
        let unmarked = [by, of].map(|member| !self.privacy.has_blocks(member));
        let new = self.privacy.block(by, of);
        for (member, _) in [by, of].into_iter().zip(unmarked).filter(|(_, unmarked)| *unmarked) {
            self.mark_near(member, BLOCKS, NEAR_BLOCKS);
        }
        new
    }

    /// Takes a block back. Returns false if there was none.
    pub fn unblock(&mut self, by: MemberIx, of: MemberIx) -> bool {
        self.privacy.unblock(by, of)
    }

    pub fn blocks(&self, by: MemberIx, of: MemberIx) -> bool {
        self.privacy.blocks.contains(&(by, of))
    }

    /// Returns all blocks as (by, of).
    pub fn all_blocks(&self) -> impl Iterator<Item = (MemberIx, MemberIx)> + '_ {
        self.privacy.blocks.iter().copied()
    }

    pub fn block_count(&self) -> u64 {
        self.privacy.blocks.len() as u64
    }

    /// Returns whom a member blocks, in no particular order.
    pub fn members_blocked_by(&self, by: MemberIx) -> impl Iterator<Item = MemberIx> + '_ {
        seconds(&self.privacy.blocks, by)
    }

    /// Returns who blocks a member, in no particular order.
    pub fn blockers_of(&self, member: MemberIx) -> impl Iterator<Item = MemberIx> + '_ {
        seconds(&self.privacy.blockers, member)
    }

    /// Returns whether a block parts a member from anybody.
    pub fn has_blocks(&self, member: MemberIx) -> bool {
        !self.privacy.apart_from(member).is_empty()
    }

    /// Returns whether either of the two blocks the other.
    pub fn are_apart(&self, one: MemberIx, other: MemberIx) -> bool {
        self.privacy.are_apart(one, other)
    }
}
