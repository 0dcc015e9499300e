//! Who shows what to whom: members' privacy, the edges that hide themselves, and blocks. Most members have none of it, and cost nothing.
//!
//! Whatever changes of it moves half-edges to the row where those stand that may be seen by the same (`restricted.rs`).

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::graph::Graph;
use super::half_edge::{HalfEdge, HalfEdgeKey, KindIx, MemberIx};
use super::restricted::{Change, Class};
use crate::domain::{Privacy, Visibility};

/// Members whose flags are copied together when one of them changes.
const PAGE_MEMBERS: usize = 4_096;
/// Half-edges that are moved before it is looked whether to go on.
const MOVED_TOGETHER: usize = 4_096;
/// Of a member, above the bits of its own privacy: some edge of it has a visibility of its own, some block is by or of it.
const HIDES_EDGES: u16 = 16;
const BLOCKS: u16 = 32;
/// Its connections may see half-edges of it that not everyone may see.
const ADMITS: u16 = 64;
/// The same is or was once true of a neighbor. It stays when it is not any more: all that it costs is a look.
const NEAR_ADMITTING: u16 = 128;
const NEAR_BLOCKS: u16 = 256;
const OWN: u16 = 15;
const OWN_VISIBILITY: u16 = 3;

/// A half-edge: the member it belongs to, and its key there.
pub(super) type HalfEdgePlace = (MemberIx, HalfEdgeKey);

#[derive(Debug, Clone, Default)]
pub(super) struct PrivacyTable {
    /// Flags of each member, by its place; where there are none they are 0.
    pages: Arc<Vec<Option<Arc<[u16; PAGE_MEMBERS]>>>>,
    /// Members whose edges are not for everyone.
    hiding_members: u64,
    /// Members who introduce nobody.
    declining_members: u64,
    /// Each at both of its ends.
    hidden_edges: OrdMap<HalfEdgePlace, Visibility>,
    /// Who blocks whom, and who is blocked by whom.
    blocks: OrdSet<(MemberIx, MemberIx)>,
    blocked_by: OrdSet<(MemberIx, MemberIx)>,
    /// For each member of a block the members at the other ends of its blocks, in index order.
    apart: OrdMap<MemberIx, Arc<[MemberIx]>>,
}

impl PrivacyTable {
    #[inline]
    fn flags(&self, member: MemberIx) -> u16 {
        let place = member.0 as usize;
        match self.pages.get(place / PAGE_MEMBERS) {
            Some(Some(page)) => page[place % PAGE_MEMBERS],
            _ => 0,
        }
    }

    fn set_flags(&mut self, member: MemberIx, flags: u16) {
        if flags == self.flags(member) {
            return;
        }
        let (page, place) = (member.0 as usize / PAGE_MEMBERS, member.0 as usize % PAGE_MEMBERS);
        let pages = Arc::make_mut(&mut self.pages);
        if pages.len() <= page {
            pages.resize(page + 1, None);
        }
        Arc::make_mut(pages[page].get_or_insert_with(|| Arc::new([0; PAGE_MEMBERS])))[place] = flags;
    }

    fn set_flag(&mut self, member: MemberIx, flag: u16, on: bool) {
        let flags = self.flags(member) & !flag;
        self.set_flags(member, if on { flags | flag } else { flags });
    }

    /// Whether any edge is not for everyone.
    pub fn hides_anything(&self) -> bool {
        self.hiding_members > 0 || !self.hidden_edges.is_empty()
    }

    #[inline]
    pub fn edges_visibility(&self, member: MemberIx) -> Visibility {
        Visibility::ALL.get(usize::from(self.flags(member) & OWN_VISIBILITY)).copied().unwrap_or(Visibility::Parties)
    }

    /// To be told of every edge between two.
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

    /// Whether its connections may see half-edges of a member that not everyone may see.
    #[inline]
    pub fn admits_connections(&self, member: MemberIx) -> bool {
        self.flags(member) & ADMITS != 0
    }

    /// Whether some neighbor may be such a member.
    pub fn is_near_admitting(&self, member: MemberIx) -> bool {
        self.flags(member) & NEAR_ADMITTING != 0
    }

    /// Whether some neighbor may have a block.
    #[inline]
    pub fn is_near_blocks(&self, member: MemberIx) -> bool {
        self.flags(member) & NEAR_BLOCKS != 0
    }

    #[inline]
    pub fn declines_introducing(&self, member: MemberIx) -> bool {
        self.declining_members > 0 && self.privacy(member).declines_introducing
    }

    pub fn anybody_declines(&self) -> bool {
        self.declining_members > 0
    }

    #[inline]
    pub fn hides_edges(&self, member: MemberIx) -> bool {
        self.flags(member) & HIDES_EDGES != 0
    }

    /// Who may see a half-edge, beside its ends: whom both ends and the edge itself admit.
    pub fn class(&self, member: MemberIx, key: HalfEdgeKey) -> Class {
        if self.pages.is_empty() {
            return Class::Everyone;
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

    fn set_privacy(&mut self, member: MemberIx, privacy: Privacy) {
        self.hiding_members -= u64::from(self.edges_visibility(member) != Visibility::Everyone);
        self.hiding_members += u64::from(privacy.edges_visibility != Visibility::Everyone);
        self.declining_members -= u64::from(self.privacy(member).declines_introducing);
        self.declining_members += u64::from(privacy.declines_introducing);
        self.set_flags(member, self.flags(member) & !OWN | u16::from(privacy.bits()));
    }

    /// Sets an edge's own visibility, by its halves; false if it was that already.
    pub(super) fn set_edge(&mut self, halves: [HalfEdgePlace; 2], visibility: Visibility) -> bool {
        let changes = self.half_edge_visibility(halves[0].0, halves[0].1) != visibility;
        if changes {
            halves.into_iter().for_each(|half| self.set_half_edge(half, visibility));
        }
        changes
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

    /// Who is blocked by a member, or blocks it, in index order.
    #[inline]
    pub fn apart_from(&self, member: MemberIx) -> &[MemberIx] {
        let apart = if self.has_blocks(member) { self.apart.get(&member) } else { None };
        apart.map_or(&[], |apart| apart)
    }

    #[inline]
    pub fn has_blocks(&self, member: MemberIx) -> bool {
        self.flags(member) & BLOCKS != 0
    }

    /// Whether either of the two blocks the other.
    #[inline]
    pub fn are_apart(&self, one: MemberIx, other: MemberIx) -> bool {
        self.flags(one) & self.flags(other) & BLOCKS != 0 && self.apart_from(one).binary_search(&other).is_ok()
    }

    /// False if there is such a block already.
    fn block(&mut self, by: MemberIx, of: MemberIx) -> bool {
        let new = self.blocks.insert((by, of)).is_none();
        self.blocked_by.insert((of, by));
        self.part(by, of);
        new
    }

    /// False if there is no such block.
    fn unblock(&mut self, by: MemberIx, of: MemberIx) -> bool {
        let was = self.blocks.remove(&(by, of)).is_some();
        self.blocked_by.remove(&(of, by));
        self.part(by, of);
        was
    }

    /// Takes note of whether a block parts two.
    fn part(&mut self, one: MemberIx, other: MemberIx) {
        let is_parted = self.blocks.contains(&(one, other)) || self.blocks.contains(&(other, one));
        for (member, other) in [(one, other), (other, one)] {
            let mut apart = self.apart_from(member).to_vec();
            match (apart.binary_search(&other), is_parted) {
                (Err(at), true) => apart.insert(at, other),
                (Ok(at), false) => {
                    apart.remove(at);
                }
                (Ok(_), true) | (Err(_), false) => continue,
            }
            self.set_flag(member, BLOCKS, !apart.is_empty());
            match apart.is_empty() {
                true => self.apart.remove(&member),
                false => self.apart.insert(member, apart.into()),
            };
        }
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

    /// What of a member's edges changes its readers is moved: as much as it has edges, where they are hidden from then on or shown.
    pub fn set_privacy(&mut self, member: MemberIx, privacy: Privacy) {
        self.set_privacy_while(member, privacy, &|| true);
    }

    /// The same as long as it is to go on. If it is not, it gives false, and the graph is half changed.
    pub fn set_privacy_while(&mut self, member: MemberIx, privacy: Privacy, go_on: &dyn Fn() -> bool) -> bool {
        let before = self.privacy.edges_visibility(member);
        self.privacy.set_privacy(member, privacy);
        if privacy.edges_visibility == before {
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

    /// Whether the edges of any member as such are not for everyone.
    pub fn hides_members(&self) -> bool {
        self.privacy.hiding_members > 0
    }

    /// An edge's own visibility; of a symmetric kind in either order.
    pub fn edge_visibility(&self, from: MemberIx, kind: KindIx, to: MemberIx) -> Visibility {
        self.privacy.half_edge_visibility(from, (to, kind, false))
    }

    /// Sets that of an edge there is; of a symmetric kind in either order.
    pub fn set_edge_visibility(&mut self, from: MemberIx, kind: KindIx, to: MemberIx, visibility: Visibility) {
        if self.privacy.set_edge(self.ends(from, kind, to), visibility) {
            let half = self.half_edges(from).get((to, kind, false));
            self.move_halves(half.into_iter().flat_map(|half| [(from, half), (to, half.other_half(from))]).collect());
        }
    }

    /// Sets those of many at once, on a graph in which nobody hides anything.
    pub fn restrict_all(
        &mut self,
        members: &[(MemberIx, Privacy)],
        edges: &[(MemberIx, KindIx, MemberIx, Visibility)],
    ) {
        members.iter().for_each(|(member, privacy)| self.privacy.set_privacy(*member, *privacy));
        for &(from, kind, to, visibility) in edges {
            self.privacy.set_edge(self.ends(from, kind, to), visibility);
        }
        if !self.privacy.hides_anything() {
            return;
        }
        let mut hidden = Vec::new();
        for member in (0..self.places() as u32).map(MemberIx) {
            let halves = self.adjacency.get(member).into_iter().flat_map(|halves| halves.iter());
            let is_hidden = |half: &HalfEdge| self.privacy.class(member, half.key()) != Class::Everyone;
            hidden.extend(halves.filter(is_hidden).map(|half| (member, half)));
        }
        self.move_halves(hidden);
    }

    /// The halves of an edge.
    pub(super) fn ends(&self, from: MemberIx, kind: KindIx, to: MemberIx) -> [HalfEdgePlace; 2] {
        [(from, (to, kind, false)), (to, (from, kind, !self.kind(kind).symmetric))]
    }

    /// Puts half-edges, each with the member it is of, where they belong by now.
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

    /// To be told of every member whose half-edges may have other readers than before.
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

    /// Makes one member block another; false if it did already.
    pub fn block(&mut self, by: MemberIx, of: MemberIx) -> bool {
        let unmarked = [by, of].map(|member| !self.privacy.has_blocks(member));
        let new = self.privacy.block(by, of);
        for (member, _) in [by, of].into_iter().zip(unmarked).filter(|(_, unmarked)| *unmarked) {
            self.mark_near(member, BLOCKS, NEAR_BLOCKS);
        }
        new
    }

    /// Takes a block back; false if there was none.
    pub fn unblock(&mut self, by: MemberIx, of: MemberIx) -> bool {
        self.privacy.unblock(by, of)
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
        self.privacy.has_blocks(member)
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
                2 if member != other => assert_eq!(table.block(member, other), blocks.insert((member, other))),
                _ => assert_eq!(table.unblock(member, other), blocks.remove(&(member, other))),
            }
        }
        hidden.retain(|_, visibility| *visibility != Visibility::Everyone);
        let hiding = own.values().filter(|privacy| privacy.edges_visibility != Visibility::Everyone).count();
        assert_eq!(table.hiding_members, hiding as u64);
        let declining = own.values().filter(|privacy| privacy.declines_introducing).count();
        assert_eq!(table.declining_members, declining as u64);
        for member in (0..20_000).map(MemberIx) {
            assert_eq!(table.privacy(member), own.get(&member).copied().unwrap_or_default());
            assert_eq!(table.hides_edges(member), hidden.keys().any(|(owner, _)| *owner == member));
            assert!(table.apart_from(member).is_sorted());
            let apart: BTreeSet<MemberIx> = table.apart_from(member).iter().copied().collect();
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
