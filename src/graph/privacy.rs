//! Who shows what to whom: members' privacy, the edges that hide themselves, and blocks. Most members have none of it, and cost nothing.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::graph::Graph;
use super::half_edge::{HalfEdgeKey, KindIx, MemberIx};
use crate::domain::{Privacy, Visibility};

/// Members whose bytes are copied together when one of them changes.
const PAGE_MEMBERS: usize = 4_096;
/// In a member's byte, above the bits of its own privacy: some edge of it has a visibility of its own, some block is by or of it.
const HIDES_EDGES: u8 = 16;
const BLOCKS: u8 = 32;
/// A neighbor's edges are not for everyone, or were not once: it stays when they are again, and lists are looked through for nothing.
const NEAR_HIDING: u8 = 64;
const OWN: u8 = 15;
const OWN_VISIBILITY: u8 = 3;

/// A half-edge: the member it belongs to, and its key there.
type HalfEdgePlace = (MemberIx, HalfEdgeKey);

#[derive(Debug, Clone, Default)]
pub(super) struct PrivacyTable {
    /// A byte for each member, by its place; where there is none it is 0.
    pages: Arc<Vec<Option<Arc<[u8; PAGE_MEMBERS]>>>>,
    /// Members whose edges are not for everyone.
    hiding_members: u64,
    /// Each at both of its ends.
    hidden_edges: OrdMap<HalfEdgePlace, Visibility>,
    /// Who blocks whom, and who is blocked by whom.
    blocks: OrdSet<(MemberIx, MemberIx)>,
    blocked_by: OrdSet<(MemberIx, MemberIx)>,
}

impl PrivacyTable {
    #[inline]
    fn byte(&self, member: MemberIx) -> u8 {
        let place = member.0 as usize;
        match self.pages.get(place / PAGE_MEMBERS) {
            Some(Some(page)) => page[place % PAGE_MEMBERS],
            _ => 0,
        }
    }

    fn set_byte(&mut self, member: MemberIx, byte: u8) {
        if byte == self.byte(member) {
            return;
        }
        let (page, place) = (member.0 as usize / PAGE_MEMBERS, member.0 as usize % PAGE_MEMBERS);
        let pages = Arc::make_mut(&mut self.pages);
        if pages.len() <= page {
            pages.resize(page + 1, None);
        }
        Arc::make_mut(pages[page].get_or_insert_with(|| Arc::new([0; PAGE_MEMBERS])))[place] = byte;
    }

    fn set_flag(&mut self, member: MemberIx, flag: u8, on: bool) {
        let byte = self.byte(member) & !flag;
        self.set_byte(member, if on { byte | flag } else { byte });
    }

    /// Whether any edge is not for everyone.
    pub fn hides_anything(&self) -> bool {
        self.hiding_members > 0 || !self.hidden_edges.is_empty()
    }

    #[inline]
    pub fn edges_visibility(&self, member: MemberIx) -> Visibility {
        Visibility::ALL.get(usize::from(self.byte(member) & OWN_VISIBILITY)).copied().unwrap_or(Visibility::Parties)
    }

    /// Whether all edges of a member are for everyone, as far as its own byte tells.
    #[inline]
    pub fn shows_all_edges(&self, member: MemberIx) -> bool {
        self.byte(member) & (OWN_VISIBILITY | HIDES_EDGES | NEAR_HIDING) == 0
    }

    /// To be told of every edge between two.
    pub fn mark_neighbors(&mut self, one: MemberIx, other: MemberIx) {
        if self.hiding_members == 0 {
            return;
        }
        for (member, neighbor) in [(one, other), (other, one)] {
            if self.edges_visibility(member) != Visibility::Everyone {
                self.set_flag(neighbor, NEAR_HIDING, true);
            }
        }
    }

    #[inline]
    pub fn hides_edges(&self, member: MemberIx) -> bool {
        self.byte(member) & HIDES_EDGES != 0
    }

    pub fn half_edge_visibility(&self, member: MemberIx, key: HalfEdgeKey) -> Visibility {
        self.hidden_edges.get(&(member, key)).copied().unwrap_or_default()
    }

    pub fn privacy(&self, member: MemberIx) -> Privacy {
        Privacy::from_bits(self.byte(member) & OWN).unwrap_or_default()
    }

    fn set_privacy(&mut self, member: MemberIx, privacy: Privacy) {
        self.hiding_members -= u64::from(self.edges_visibility(member) != Visibility::Everyone);
        self.hiding_members += u64::from(privacy.edges_visibility != Visibility::Everyone);
        self.set_byte(member, self.byte(member) & !OWN | privacy.bits());
    }

    fn set_half_edge(&mut self, place: HalfEdgePlace, visibility: Visibility) {
        let before = match visibility {
            Visibility::Everyone => self.hidden_edges.remove(&place),
            hidden => self.hidden_edges.insert(place, hidden),
        };
        if before.is_none() && visibility == Visibility::Everyone {
            return;
        }
        let least = (place.0, (MemberIx(0), KindIx(0), false));
        let any = self.hidden_edges.range(least..).next().is_some_and(|((member, _), _)| *member == place.0);
        self.set_flag(place.0, HIDES_EDGES, any);
    }

    /// Who is blocked by a member, or blocks it.
    pub fn apart_from(&self, member: MemberIx) -> impl Iterator<Item = MemberIx> + '_ {
        let any = self.byte(member) & BLOCKS != 0;
        let lists = any.then(|| of(&self.blocks, member).chain(of(&self.blocked_by, member)));
        lists.into_iter().flatten()
    }

    /// Whether either of the two blocks the other.
    #[inline]
    pub fn are_apart(&self, one: MemberIx, other: MemberIx) -> bool {
        self.byte(one) & self.byte(other) & BLOCKS != 0
            && (self.blocks.contains(&(one, other)) || self.blocks.contains(&(other, one)))
    }

    fn mark_blocks(&mut self, member: MemberIx) {
        let any = of(&self.blocks, member).next().is_some() || of(&self.blocked_by, member).next().is_some();
        self.set_flag(member, BLOCKS, any);
    }
}

/// The second of the pairs that begin with a member.
fn of(pairs: &OrdSet<(MemberIx, MemberIx)>, first: MemberIx) -> impl Iterator<Item = MemberIx> + '_ {
    pairs.range((first, MemberIx(0))..=(first, MemberIx(u32::MAX))).map(|(_, second)| *second)
}

impl Graph {
    pub fn privacy(&self, member: MemberIx) -> Privacy {
        self.privacy.privacy(member)
    }

    pub fn set_privacy(&mut self, member: MemberIx, privacy: Privacy) {
        self.privacy.set_privacy(member, privacy);
        if privacy.edges_visibility != Visibility::Everyone {
            let edges = self.adjacency.get(member).into_iter().flat_map(|edges| edges.iter());
            edges.for_each(|half| self.privacy.set_flag(half.neighbor(), NEAR_HIDING, true));
        }
    }

    /// An edge's own visibility; of a symmetric kind in either order.
    pub fn edge_visibility(&self, from: MemberIx, kind: KindIx, to: MemberIx) -> Visibility {
        self.privacy.half_edge_visibility(from, (to, kind, false))
    }

    /// Sets that of an edge there is; of a symmetric kind in either order.
    pub fn set_edge_visibility(&mut self, from: MemberIx, kind: KindIx, to: MemberIx, visibility: Visibility) {
        let symmetric = self.kind(kind).symmetric;
        self.privacy.set_half_edge((from, (to, kind, false)), visibility);
        self.privacy.set_half_edge((to, (from, kind, !symmetric)), visibility);
    }

    /// Makes one member block another; false if it did already.
    pub fn block(&mut self, by: MemberIx, of: MemberIx) -> bool {
        let new = self.privacy.blocks.insert((by, of)).is_none();
        self.privacy.blocked_by.insert((of, by));
        [by, of].into_iter().for_each(|member| self.privacy.mark_blocks(member));
        new
    }

    /// Takes a block back; false if there was none.
    pub fn unblock(&mut self, by: MemberIx, of: MemberIx) -> bool {
        let was = self.privacy.blocks.remove(&(by, of)).is_some();
        self.privacy.blocked_by.remove(&(of, by));
        [by, of].into_iter().for_each(|member| self.privacy.mark_blocks(member));
        was
    }

    pub fn blocks(&self, by: MemberIx, of: MemberIx) -> bool {
        self.privacy.blocks.contains(&(by, of))
    }

    /// All blocks: by whom, of whom.
    pub fn all_blocks(&self) -> impl Iterator<Item = (MemberIx, MemberIx)> + '_ {
        self.privacy.blocks.iter().copied()
    }

    pub fn block_count(&self) -> u64 {
        self.privacy.blocks.len() as u64
    }

    /// Whom a member blocks, in no order that means anything.
    pub fn blocked_by(&self, by: MemberIx) -> impl Iterator<Item = MemberIx> + '_ {
        of(&self.privacy.blocks, by)
    }

    /// By whom a member is blocked.
    pub fn blockers_of(&self, member: MemberIx) -> impl Iterator<Item = MemberIx> + '_ {
        of(&self.privacy.blocked_by, member)
    }

    /// Whether some block is by or of a member.
    pub fn has_blocks(&self, member: MemberIx) -> bool {
        self.privacy.byte(member) & BLOCKS != 0
    }

    /// Whether either of the two blocks the other.
    pub fn are_apart(&self, one: MemberIx, other: MemberIx) -> bool {
        self.privacy.are_apart(one, other)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn it_holds_what_was_set_and_its_flags_follow() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut table = PrivacyTable::default();
        let (mut own, mut hidden, mut blocks) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let before = table.clone();
        for _ in 0..20_000 {
            // Places on three pages, the one between them without a byte.
            let member = MemberIx([random.u32(..8), 10_000 + random.u32(..8)][random.usize(..2)]);
            let other = MemberIx(random.u32(..8));
            match random.u8(..4) {
                0 => {
                    let privacy = Privacy::from_bits(random.u8(..12)).unwrap_or_default();
                    table.set_privacy(member, privacy);
                    own.insert(member, privacy);
                }
                1 => {
                    let key = (other, KindIx(random.u8(..2)), random.bool());
                    let visibility = *random.choice(&Visibility::ALL).unwrap();
                    table.set_half_edge((member, key), visibility);
                    hidden.insert((member, key), visibility);
                }
                2 if member != other => {
                    table.blocks.insert((member, other));
                    table.blocked_by.insert((other, member));
                    blocks.insert((member, other));
                }
                _ => {
                    table.blocks.remove(&(member, other));
                    table.blocked_by.remove(&(other, member));
                    blocks.remove(&(member, other));
                }
            }
            table.mark_blocks(member);
            table.mark_blocks(other);
        }
        hidden.retain(|_, visibility| *visibility != Visibility::Everyone);
        let hiding = own.values().filter(|privacy| privacy.edges_visibility != Visibility::Everyone).count();
        assert_eq!(table.hiding_members, hiding as u64);
        for member in (0..20_000).map(MemberIx) {
            assert_eq!(table.privacy(member), own.get(&member).copied().unwrap_or_default());
            assert_eq!(table.hides_edges(member), hidden.keys().any(|(owner, _)| *owner == member));
            let apart: BTreeSet<MemberIx> = table.apart_from(member).collect();
            let expected = blocks.iter().filter_map(|&(by, of)| match (by == member, of == member) {
                (true, _) => Some(of),
                (_, true) => Some(by),
                _ => None,
            });
            assert_eq!(apart, expected.collect());
            assert!(apart.iter().all(|other| table.are_apart(*other, member) && table.are_apart(member, *other)));
        }
        assert!(
            hidden
                .iter()
                .all(|((member, key), visibility)| { table.half_edge_visibility(*member, *key) == *visibility })
        );
        assert!(table.hides_anything() && !before.hides_anything());
    }
}
