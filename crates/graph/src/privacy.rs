//! Who shows what to whom: members' privacy, the edges that hide themselves, and blocks. Most members have none of these, and take no
//! memory.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::half_edge::{HalfEdgeKey, KindIx, MemberIx};
use super::restricted::Class;
use crate::domain::{Privacy, Visibility};

/// How many members' flags are copied together when one of them changes.
const PAGE_MEMBERS: usize = 4_096;
/// Flags above the bits of a member's own privacy. Some edge of the member has a visibility of its own; some block is by it or of it.
const HIDES_EDGES: u16 = 64;
pub(super) const BLOCKS: u16 = 128;
/// Connections of the member may see half-edges of it that not everyone may see.
pub(super) const ADMITS: u16 = 256;
/// A neighbor admits its connections, or has a block, or once did. The mark is not taken back, because all that it costs is a look.
pub(super) const NEAR_ADMITTING: u16 = 512;
pub(super) const NEAR_BLOCKS: u16 = 1_024;
const OWN: u16 = 63;
const OWN_VISIBILITY: u16 = 3;
const WITHHELD: u16 = 16;

/// A half-edge, by the member that owns it and its key there.
pub(super) type HalfEdgeId = (MemberIx, HalfEdgeKey);

#[derive(Debug, Clone, Default)]
pub(super) struct PrivacyTable {
    /// The flags of each member by its slot; they are 0 where there is no page.
    pages: Arc<Vec<Option<Arc<[u16; PAGE_MEMBERS]>>>>,
    /// How many members have edges that are not for everyone.
    pub(super) hiding_members: u64,
    /// How many members introduce nobody.
    declining_members: u64,
    /// How many members are withheld.
    pub(super) withheld_members: u64,
    /// The visibility of edges that are not for everyone, at both of their ends.
    hidden_edges: OrdMap<HalfEdgeId, Visibility>,
    /// The blocks as (by, of), and the same blocks as (of, by).
    pub(super) blocks: OrdSet<(MemberIx, MemberIx)>,
    pub(super) blockers: OrdSet<(MemberIx, MemberIx)>,
    /// The members at the other ends of a member's blocks, in index order. A block of a member that is withheld parts nobody.
    apart: OrdMap<MemberIx, Arc<[MemberIx]>>,
}

impl PrivacyTable {
    #[inline]
    pub(super) fn flags(&self, member: MemberIx) -> u16 {
        let slot = member.0 as usize;
        match self.pages.get(slot / PAGE_MEMBERS) {
            Some(Some(page)) => page[slot % PAGE_MEMBERS],
            _ => 0,
        }
    }

    fn set_flags(&mut self, member: MemberIx, flags: u16) {
        if flags == self.flags(member) {
            return;
        }
        let (page, slot) = (member.0 as usize / PAGE_MEMBERS, member.0 as usize % PAGE_MEMBERS);
        let pages = Arc::make_mut(&mut self.pages);
        if pages.len() <= page {
            pages.resize(page + 1, None);
        }
        Arc::make_mut(pages[page].get_or_insert_with(|| Arc::new([0; PAGE_MEMBERS])))[slot] = flags;
    }

    pub(super) fn set_flag(&mut self, member: MemberIx, flag: u16, on: bool) {
        let flags = self.flags(member) & !flag;
        self.set_flags(member, if on { flags | flag } else { flags });
    }

    /// Returns whether any edge is not for everyone.
    pub fn hides_anything(&self) -> bool {
        self.hiding_members > 0 || !self.hidden_edges.is_empty()
    }

    /// Returns whether the processing of a member's data is restricted, so that no answer may have any of it.
    #[inline]
    pub fn is_withheld(&self, member: MemberIx) -> bool {
        self.withheld_members > 0 && self.flags(member) & WITHHELD != 0
    }

    #[inline]
    pub fn edges_visibility(&self, member: MemberIx) -> Visibility {
        Visibility::ALL.get(usize::from(self.flags(member) & OWN_VISIBILITY)).copied().unwrap_or(Visibility::Parties)
    }

    /// Updates the marks of two members after an edge between them was added.
    pub fn mark_neighbors(&mut self, one: MemberIx, other: MemberIx) {
        if self.pages.is_empty() {
            return;
        }
        for (member, neighbor) in [(one, other), (other, one)] {
            let flags = self.flags(member);
            for (flag, near) in [(ADMITS, NEAR_ADMITTING), (BLOCKS, NEAR_BLOCKS)] {
                if flags & flag != 0 {
                    self.set_flag(neighbor, near, true);
                }
            }
        }
    }

    /// Returns whether connections of a member may see half-edges of it that not everyone may see.
    #[inline]
    pub fn admits_connections(&self, member: MemberIx) -> bool {
        self.flags(member) & ADMITS != 0
    }

    /// Returns whether some neighbor may show its connections more than everyone.
    pub fn is_near_admitting(&self, member: MemberIx) -> bool {
        self.flags(member) & NEAR_ADMITTING != 0
    }

    /// Returns whether some neighbor may have a block.
    #[inline]
    pub fn is_near_blocks(&self, member: MemberIx) -> bool {
        self.flags(member) & NEAR_BLOCKS != 0
    }

    #[inline]
    pub fn declines_introducing(&self, member: MemberIx) -> bool {
        self.declining_members > 0 && !self.privacy(member).may_introduce()
    }

    pub fn anybody_declines(&self) -> bool {
        self.declining_members > 0
    }

    #[inline]
    pub fn hides_edges(&self, member: MemberIx) -> bool {
        self.flags(member) & HIDES_EDGES != 0
    }

    /// Returns who may see a half-edge beside the ends of its edge: those whom both ends and the edge itself admit.
    pub fn class(&self, member: MemberIx, key: HalfEdgeKey) -> Class {
        if self.pages.is_empty() {
            return Class::Everyone;
        }
        if self.is_withheld(member) || self.is_withheld(key.0) {
            return Class::Withheld;
        }
        let edge = match self.hides_edges(member) {
            true => self.half_edge_visibility(member, key),
            false => Visibility::Everyone,
        };
        let all = [self.edges_visibility(member), self.edges_visibility(key.0), edge];
        let connections = all.map(|visibility| visibility == Visibility::Connections);
        match connections {
            _ if all.contains(&Visibility::Parties) => Class::Nobody,
            [true, true, _] => Class::OfBoth,
            [false, true, _] => Class::OfNeighbor,
            [true, false, _] | [false, false, true] => Class::Connections,
            [false, false, false] => Class::Everyone,
        }
    }

    pub fn half_edge_visibility(&self, member: MemberIx, key: HalfEdgeKey) -> Visibility {
        self.hidden_edges.get(&(member, key)).copied().unwrap_or_default()
    }

    pub fn privacy(&self, member: MemberIx) -> Privacy {
        Privacy::from_bits((self.flags(member) & OWN) as u8).unwrap_or_default()
    }

    pub(super) fn set_privacy(&mut self, member: MemberIx, privacy: Privacy) {
        self.hiding_members -= u64::from(self.edges_visibility(member) != Visibility::Everyone);
        self.hiding_members += u64::from(privacy.edges_visibility != Visibility::Everyone);
        let before = self.privacy(member);
        self.declining_members -= u64::from(!before.may_introduce());
        self.declining_members += u64::from(!privacy.may_introduce());
        self.withheld_members -= u64::from(before.processing_restricted);
        self.withheld_members += u64::from(privacy.processing_restricted);
        self.set_flags(member, self.flags(member) & !OWN | u16::from(privacy.bits()));
        if before.processing_restricted != privacy.processing_restricted {
            let blocks = seconds(&self.blocks, member).chain(seconds(&self.blockers, member));
            let mut others: Vec<MemberIx> = blocks.collect();
            others.sort_unstable();
            others.dedup();
            others.iter().for_each(|other| self.part_from(*other, member));
            others.retain(|other| self.is_parted(member, *other));
            self.set_apart(member, others);
        }
    }

    /// Sets an edge's own visibility at both of its halves. Returns false if it was that already.
    pub(super) fn set_edge(&mut self, halves: [HalfEdgeId; 2], visibility: Visibility) -> bool {
        let changes = self.half_edge_visibility(halves[0].0, halves[0].1) != visibility;
        if changes {
            halves.into_iter().for_each(|half| self.set_half_edge(half, visibility));
        }
        changes
    }

    fn set_half_edge(&mut self, half: HalfEdgeId, visibility: Visibility) {
        let before = match visibility {
            Visibility::Everyone => self.hidden_edges.remove(&half),
            hidden => self.hidden_edges.insert(half, hidden),
        };
        if before.is_none() && visibility == Visibility::Everyone {
            return;
        }
        let least = (half.0, (MemberIx(0), KindIx(0), false));
        let any = self.hidden_edges.range(least..).next().is_some_and(|((member, _), _)| *member == half.0);
        self.set_flag(half.0, HIDES_EDGES, any);
    }

    /// Returns whether some block parts two members.
    pub fn parts_anybody(&self) -> bool {
        !self.apart.is_empty()
    }

    /// Returns whom a member blocks and who blocks it, in index order, without members that are withheld.
    #[inline]
    pub fn apart_from(&self, member: MemberIx) -> &[MemberIx] {
        let apart = if self.has_blocks(member) { self.apart.get(&member) } else { None };
        apart.map_or(&[], |apart| apart)
    }

    /// Returns whether some block is by or of a member, be it of a member that is withheld.
    #[inline]
    pub fn has_blocks(&self, member: MemberIx) -> bool {
        self.flags(member) & BLOCKS != 0
    }

    /// Returns whether either of the two blocks the other.
    #[inline]
    pub fn are_apart(&self, one: MemberIx, other: MemberIx) -> bool {
        self.flags(one) & self.flags(other) & BLOCKS != 0 && self.apart_from(one).binary_search(&other).is_ok()
    }

    /// Adds a block. Returns false if there is one already.
    pub(super) fn block(&mut self, by: MemberIx, of: MemberIx) -> bool {
        let new = self.blocks.insert((by, of)).is_none();
        self.blockers.insert((of, by));
        self.part(by, of);
        new
    }

    /// Removes a block. Returns false if there is none.
    pub(super) fn unblock(&mut self, by: MemberIx, of: MemberIx) -> bool {
        let was = self.blocks.remove(&(by, of)).is_some();
        self.blockers.remove(&(of, by));
        self.part(by, of);
        was
    }

    /// Updates whether a block parts two members.
    fn part(&mut self, one: MemberIx, other: MemberIx) {
        for (member, other) in [(one, other), (other, one)] {
            let has_blocks = seconds(&self.blocks, member).chain(seconds(&self.blockers, member)).next().is_some();
            self.set_flag(member, BLOCKS, has_blocks);
            self.part_from(member, other);
        }
    }

    fn is_parted(&self, one: MemberIx, other: MemberIx) -> bool {
        let is_shown = !self.is_withheld(one) && !self.is_withheld(other);
        is_shown && (self.blocks.contains(&(one, other)) || self.blocks.contains(&(other, one)))
    }

    /// Updates whether another is among those who are apart from a member.
    fn part_from(&mut self, member: MemberIx, other: MemberIx) {
        let mut apart = self.apart.get(&member).map_or_else(Vec::new, |apart| apart.to_vec());
        match (apart.binary_search(&other), self.is_parted(member, other)) {
            (Err(at), true) => apart.insert(at, other),
            (Ok(at), false) => drop(apart.remove(at)),
            (Ok(_), true) | (Err(_), false) => return,
        }
        self.set_apart(member, apart);
    }

    fn set_apart(&mut self, member: MemberIx, apart: Vec<MemberIx>) {
        match apart.is_empty() {
            true => self.apart.remove(&member),
            false => self.apart.insert(member, apart.into()),
        };
    }
}

/// Returns the second members of the pairs that begin with `first`.
pub(super) fn seconds(pairs: &OrdSet<(MemberIx, MemberIx)>, first: MemberIx) -> impl Iterator<Item = MemberIx> + '_ {
    pairs.range((first, MemberIx(0))..=(first, MemberIx(u32::MAX))).map(|(_, second)| *second)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Whom a block parts from a member, unless either is withheld.
    fn apart_by_definition(
        member: MemberIx,
        own: &BTreeMap<MemberIx, Privacy>,
        blocks: &BTreeSet<(MemberIx, MemberIx)>,
    ) -> BTreeSet<MemberIx> {
        let is_withheld = |member: &MemberIx| own.get(member).is_some_and(|privacy| privacy.processing_restricted);
        let other = |&(by, of): &(MemberIx, MemberIx)| match (by == member, of == member) {
            (true, _) => Some(of),
            (_, true) => Some(by),
            _ => None,
        };
        let is_parted = |other: &MemberIx| !is_withheld(&member) && !is_withheld(other);
        blocks.iter().filter_map(other).filter(is_parted).collect()
    }

    #[test]
    fn it_holds_what_was_set_and_its_flags_follow() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut table = PrivacyTable::default();
        let (mut own, mut hidden, mut blocks) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let before = table.clone();
        for _ in 0..20_000 {
            // The slots are on three pages, the second of which takes no memory.
            let member = MemberIx([random.u32(..8), 10_000 + random.u32(..8)][random.usize(..2)]);
            let other = MemberIx(random.u32(..8));
            // Most blocks are taken back, so that now and then a member has none.
            match random.u8(..12) {
                0 => {
                    let privacy = Privacy::from_bits(random.u8(..64)).unwrap_or_default();
                    table.set_privacy(member, privacy);
                    own.insert(member, privacy);
                }
                1 => {
                    let key = (other, KindIx(random.u8(..2)), random.bool());
                    let visibility = *random.choice(&Visibility::ALL).unwrap();
                    table.set_half_edge((member, key), visibility);
                    hidden.insert((member, key), visibility);
                }
                2 if member != other => assert_eq!(table.block(member, other), blocks.insert((member, other))),
                _ => assert_eq!(table.unblock(member, other), blocks.remove(&(member, other))),
            }
            assert!(table.apart_from(member).iter().copied().eq(apart_by_definition(member, &own, &blocks)));
        }
        hidden.retain(|_, visibility| *visibility != Visibility::Everyone);
        let hiding = own.values().filter(|privacy| privacy.edges_visibility != Visibility::Everyone).count();
        assert_eq!(table.hiding_members, hiding as u64);
        let declining = own.values().filter(|privacy| !privacy.may_introduce()).count();
        assert_eq!(table.declining_members, declining as u64);
        let is_withheld = |member: &MemberIx| own.get(member).is_some_and(|privacy| privacy.processing_restricted);
        assert_eq!(table.withheld_members, own.keys().filter(|member| is_withheld(member)).count() as u64);
        for member in (0..20_000).map(MemberIx) {
            assert_eq!(table.is_withheld(member), is_withheld(&member));
            assert_eq!(table.has_blocks(member), blocks.iter().any(|&(by, of)| by == member || of == member));
            assert_eq!(table.privacy(member), own.get(&member).copied().unwrap_or_default());
            assert_eq!(table.hides_edges(member), hidden.keys().any(|(owner, _)| *owner == member));
            let apart = table.apart_from(member);
            assert!(apart.iter().copied().eq(apart_by_definition(member, &own, &blocks)));
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
