//! Every member's half-edges: packed side by side, shared between clones, and changed a few members at a time.
//!
//! The lists of sixteen members in neighboring slots share one array of words, a segment. A change writes one segment anew, which is a few
//! thousand bytes, and the pages above it. A list that would make that much more is kept apart, in chunks: a hub.
//!
//! Segments and hubs hold what everyone may see. Other half-edges are kept apart from them, so that a traversal never comes by a half-edge
//! that its viewer may not see.

use std::sync::Arc;

use super::half_edge::{HalfEdge, HalfEdgeKey, MemberIx};
use super::half_edges::HalfEdges;
use super::hub::{Hub, change};
use super::lists::Lists;
use super::packed::{List, pack};
use super::pages::Pages;
use super::restricted::{Change, Class, Restricted};
use super::row::{RowChange, merged};

/// How many members' lists share a segment.
pub(super) const SEGMENT_MEMBERS: usize = 16;
/// The most half-edges in a segment's list; a longer list is a hub's.
const LIST_MAX: usize = 256;
/// A hub is written anew as a whole when one in so many of its half-edges changes.
const WRITTEN_ANEW: usize = 16;
/// A hub that has shrunk to so many half-edges becomes a list again.
const HUB_MIN: usize = LIST_MAX / 2;
/// Stands for the length of a list that is a hub's.
const HUB: u32 = 0xFFFF;

/// The half-edges of all members, by slot.
#[derive(Debug, Clone, Default)]
pub struct Adjacency {
    segments: Pages<Segment>,
}

/// The lists of members side by side, the first in a slot that is a multiple of `SEGMENT_MEMBERS`.
pub struct Segments(Vec<Segment>);

impl Segments {
    /// Packs lists, each in the order of its keys.
    pub fn of_lists<'a>(lists: impl Iterator<Item = &'a [HalfEdge]>) -> Segments {
        let mut lists = lists.peekable();
        let segments = std::iter::from_fn(|| {
            lists.peek()?;
            let mut segment = SegmentBuilder::default();
            lists.by_ref().take(SEGMENT_MEMBERS).for_each(|list| segment.push(list, None));
            Some(segment.build())
        });
        Segments(segments.collect())
    }
}

/// The words of a segment: first one for each member, with the beginning of its list in the lower half and its length in the upper one;
/// then the lists.
#[derive(Debug, Clone)]
struct Segment {
    words: Arc<[u32]>,
    apart: Option<Arc<Apart>>,
}

/// What the words of a segment do not hold, by the member's index in the segment.
#[derive(Debug, Clone, Default)]
struct Apart {
    hubs: Vec<(u8, Hub)>,
    restricted: Vec<(u8, Restricted)>,
}

impl Apart {
    #[inline]
    fn restricted(&self, at: usize) -> Option<&Restricted> {
        self.restricted.iter().find(|known| usize::from(known.0) == at).map(|known| &known.1)
    }
}

impl Adjacency {
    /// Packs lists in the order of their slots, each in the order of its keys.
    #[cfg(test)]
    pub fn from_lists<'a>(lists: impl Iterator<Item = &'a [HalfEdge]>) -> Adjacency {
        Adjacency::of([Segments::of_lists(lists)])
    }

    /// Joins segments that follow one another.
    pub fn of(segments: impl IntoIterator<Item = Segments>) -> Adjacency {
        Adjacency { segments: segments.into_iter().flat_map(|segments| segments.0).collect() }
    }

    /// Makes room for one more member, at the end.
    pub fn push(&mut self, slot: usize) {
        if slot.is_multiple_of(SEGMENT_MEMBERS) {
            self.segments.push(SegmentBuilder::default().build());
        }
    }

    /// Returns a member's half-edges with those that are withheld, or none if there is no such slot.
    #[inline]
    pub fn get(&self, member: MemberIx) -> Option<HalfEdges<'_>> {
        let slot = member.0 as usize;
        Some(self.segments.get(slot / SEGMENT_MEMBERS)?.kept(slot % SEGMENT_MEMBERS))
    }

    /// Returns a member's half-edges without those that are withheld, or none if there is no such slot.
    #[inline]
    pub fn shown(&self, member: MemberIx) -> Option<HalfEdges<'_>> {
        let slot = member.0 as usize;
        Some(self.segments.get(slot / SEGMENT_MEMBERS)?.shown(slot % SEGMENT_MEMBERS))
    }

    /// Returns how many half-edges a member has without those that are withheld, or none if there is no such slot.
    #[inline]
    pub fn len(&self, member: MemberIx) -> Option<usize> {
        let slot = member.0 as usize;
        let (segment, at) = (self.segments.get(slot / SEGMENT_MEMBERS)?, slot % SEGMENT_MEMBERS);
        let len = segment.words[at] >> 16;
        Some(if len == HUB || segment.apart.is_some() { segment.shown(at).len() } else { len as usize })
    }

    /// Returns the half-edges that everyone may see, or none if there is no such slot.
    #[inline]
    pub fn open(&self, member: MemberIx) -> Option<Lists<'_>> {
        let slot = member.0 as usize;
        Some(self.segments.get(slot / SEGMENT_MEMBERS)?.open(slot % SEGMENT_MEMBERS))
    }

    /// Returns the half-edges that not everyone may see, if there are any.
    pub fn restricted(&self, member: MemberIx) -> Option<&Restricted> {
        let slot = member.0 as usize;
        self.segments.get(slot / SEGMENT_MEMBERS)?.apart.as_ref()?.restricted(slot % SEGMENT_MEMBERS)
    }

    /// Puts a half-edge in place of the one with its key, and returns that one.
    pub fn insert(&mut self, member: MemberIx, half: HalfEdge, class: Class) -> Option<HalfEdge> {
        let before = self.get(member)?.get(half.key());
        self.change(&[Change::put(member, half, class)]);
        before
    }

    /// Makes many changes, at most one to each key of a member. Each segment is written once, however many of them it takes.
    pub fn change_all(&mut self, mut changes: Vec<Change>) {
        changes.sort_unstable_by_key(|change| (change.member, change.key));
        changes.dedup_by_key(|change| (change.member, change.key));
        let segment_of = |change: &Change| change.member.0 as usize / SEGMENT_MEMBERS;
        let together = changes.chunk_by(|one, other| segment_of(one) == segment_of(other));
        together.for_each(|together| self.change(together));
    }

    pub fn remove(&mut self, member: MemberIx, key: HalfEdgeKey) -> Option<HalfEdge> {
        let before = self.get(member)?.get(key)?;
        self.change(&[Change::remove(member, key)]);
        Some(before)
    }

    /// Makes changes to one segment, which are in order.
    fn change(&mut self, changes: &[Change]) {
        let Some(first) = changes.first() else { return };
        let Some(segment) = self.segments.get_mut(first.member.0 as usize / SEGMENT_MEMBERS) else { return };
        let (at, put) = (first.member.0 as usize % SEGMENT_MEMBERS, first.put);
        let is_open = put.is_none_or(|(_, class)| class == Class::Everyone);
        if changes.len() == 1 && is_open && segment.restricted(at).is_none() {
            segment.change(at, first.key, put.map(|(half, _)| half));
        } else {
            *segment = segment.with_all(changes);
        }
    }

    /// Puts a whole list, in any order, instead of a member's own.
    #[cfg(test)]
    pub fn replace(&mut self, member: MemberIx, halves: &[HalfEdge]) {
        let slot = member.0 as usize;
        let segment = self.segments.get_mut(slot / SEGMENT_MEMBERS).expect("the member has a slot");
        *segment = segment.with_list(slot % SEGMENT_MEMBERS, halves);
    }
}

impl Segment {
    #[inline]
    fn shown(&self, at: usize) -> HalfEdges<'_> {
        HalfEdges::new(self.open(at), self.restricted(at).map(|restricted| &restricted.whole))
    }

    #[inline]
    fn kept(&self, at: usize) -> HalfEdges<'_> {
        HalfEdges::new(self.open(at), self.restricted(at).map(Restricted::kept))
    }

    #[inline]
    fn open(&self, at: usize) -> Lists<'_> {
        let begin_and_len = self.words[at];
        let (begin, len) = (begin_and_len & 0xFFFF, begin_and_len >> 16);
        if len == HUB {
            return self.hub(at);
        }
        Lists::One(List::unpack(len as usize, &self.words[begin as usize..]))
    }

    #[inline]
    fn restricted(&self, at: usize) -> Option<&Restricted> {
        self.apart.as_ref().and_then(|apart| apart.restricted(at))
    }

    #[cold]
    fn hub(&self, at: usize) -> Lists<'_> {
        let mut hubs = self.apart.iter().flat_map(|apart| apart.hubs.iter());
        hubs.find(|hub| usize::from(hub.0) == at).map_or(Lists::default(), |hub| Lists::Hub(&hub.1))
    }

    /// Puts a half-edge, or removes the one of the key.
    fn change(&mut self, at: usize, key: HalfEdgeKey, half: Option<HalfEdge>) {
        let list = match self.open(at) {
            Lists::One(list) => list,
            Lists::Hub(hub) => {
                let mut hub = hub.clone();
                hub.change(key, half);
                if hub.len > HUB_MIN {
                    self.put_hub(at, hub);
                } else {
                    let halves: Vec<HalfEdge> = Lists::Hub(&hub).iter().collect();
                    *self = self.with_list(at, &halves);
                }
                return;
            }
        };
        let mut halves: Vec<HalfEdge> = Vec::with_capacity(list.len() + 1);
        halves.extend(list.iter());
        change(&mut halves, key, half);
        *self = self.with_list(at, &halves);
    }

    fn put_hub(&mut self, at: usize, hub: Hub) {
        if let Some(apart) = &mut self.apart
            && let Some(slot) = Arc::make_mut(apart).hubs.iter_mut().find(|known| usize::from(known.0) == at)
        {
            slot.1 = hub;
        }
    }

    /// Returns a copy with another list for one member.
    fn with_list(&self, at: usize, halves: &[HalfEdge]) -> Segment {
        match self.open(at) {
            Lists::One(before) if halves.len() <= LIST_MAX => self.with_short_list(at, before, halves),
            _ => self.rebuilt(at, halves),
        }
    }

    /// Returns a copy with another list for one member, where neither the list before nor the new one is a hub's: all words around it stay
    /// as they are.
    fn with_short_list(&self, at: usize, before: List<'_>, halves: &[HalfEdge]) -> Segment {
        let begin = (self.words[at] & 0xFFFF) as usize;
        let (left, right) = (&self.words[..begin], &self.words[begin + before.words().len()..]);
        // Room is made as if each half-edge had inputs; most have none.
        let mut words = Vec::with_capacity(self.words.len() + 4 * halves.len());
        words.extend_from_slice(left);
        pack(halves, &mut words);
        let longer = (words.len() as u32).wrapping_sub((self.words.len() - right.len()) as u32);
        words.extend_from_slice(right);
        words[at] = begin as u32 | (halves.len() as u32) << 16;
        for head in &mut words[at + 1..SEGMENT_MEMBERS] {
            *head = (*head & 0xFFFF).wrapping_add(longer) & 0xFFFF | *head & 0xFFFF_0000;
        }
        Segment { words: words.into(), apart: self.apart.clone() }
    }

    fn rebuilt(&self, at: usize, halves: &[HalfEdge]) -> Segment {
        let mut copy = SegmentBuilder::default();
        for other in 0..SEGMENT_MEMBERS {
            if other == at {
                copy.push(halves, self.restricted(other).cloned());
            } else {
                copy.push_list(self.open(other), self.restricted(other).cloned());
            }
        }
        copy.build()
    }

    /// Returns a copy with changes to its lists, which are in the order of their members and keys.
    fn with_all(&self, changes: &[Change]) -> Segment {
        let mut copy = SegmentBuilder::default();
        copy.words.reserve(self.words.len() + 4 * changes.len());
        let mut left = changes;
        for at in 0..SEGMENT_MEMBERS {
            let here = left.iter().take_while(|change| change.member.0 as usize % SEGMENT_MEMBERS == at).count();
            let (own, others) = left.split_at(here);
            left = others;
            if own.is_empty() {
                copy.push_list(self.open(at), self.restricted(at).cloned());
                continue;
            }
            let restricted = Restricted::changed(self.restricted(at), own);
            let own: Vec<RowChange> =
                own.iter().map(|change| change.to_row(|class| class == Class::Everyone)).collect();
            match self.open(at) {
                Lists::Hub(hub) if own.len() < hub.len / WRITTEN_ANEW => {
                    let mut hub = hub.clone();
                    own.iter().for_each(|(key, half)| hub.change(*key, *half));
                    copy.push_hub(hub, restricted);
                }
                lists => copy.push(&merged(lists, &own), restricted),
            }
        }
        copy.build()
    }
}

/// Builds a segment list by list.
#[derive(Default)]
struct SegmentBuilder {
    heads: Vec<(usize, u32)>,
    words: Vec<u32>,
    apart: Apart,
}

impl SegmentBuilder {
    fn push(&mut self, halves: &[HalfEdge], restricted: Option<Restricted>) {
        if halves.len() > LIST_MAX {
            return self.push_hub(Hub::new(halves), restricted);
        }
        self.push_restricted(restricted);
        self.heads.push((self.words.len(), halves.len() as u32));
        pack(halves, &mut self.words);
    }

    fn push_list(&mut self, lists: Lists<'_>, restricted: Option<Restricted>) {
        match lists {
            Lists::Hub(hub) => self.push_hub(hub.clone(), restricted),
            Lists::One(list) => {
                self.push_restricted(restricted);
                self.heads.push((self.words.len(), list.len() as u32));
                self.words.extend_from_slice(list.words());
            }
        }
    }

    fn push_hub(&mut self, hub: Hub, restricted: Option<Restricted>) {
        self.push_restricted(restricted);
        self.apart.hubs.push((self.heads.len() as u8, hub));
        self.heads.push((self.words.len(), HUB));
    }

    /// Adds what is restricted of the list that is pushed next.
    fn push_restricted(&mut self, restricted: Option<Restricted>) {
        self.apart.restricted.extend(restricted.map(|restricted| (self.heads.len() as u8, restricted)));
    }

    fn build(mut self) -> Segment {
        self.heads.resize(SEGMENT_MEMBERS, (self.words.len(), 0));
        // Sixteen lists of the greatest length, all with inputs, are some 13,000 words, so 16 bits hold every beginning.
        let heads = self.heads.iter().map(|&(begin, len)| (begin + SEGMENT_MEMBERS) as u32 | len << 16);
        let words = heads.chain(self.words).collect();
        let is_empty = self.apart.hubs.is_empty() && self.apart.restricted.is_empty();
        Segment { words, apart: (!is_empty).then(|| Arc::new(self.apart)) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::Strength;
    use crate::{KindIx, StrengthInputs};

    const MEMBERS: u32 = 40;

    type Content = BTreeMap<(u32, HalfEdgeKey), HalfEdge>;

    fn random_half(random: &mut fastrand::Rng) -> HalfEdge {
        let inputs = match random.u8(..4) {
            0 => StrengthInputs {
                pinned: Strength::parse("strength", 1.0 - random.f32()).ok(),
                faded: 0.0,
                last_s: random.u32(..3),
            },
            1 => StrengthInputs { pinned: None, faded: random.f32(), last_s: random.u32(..) },
            _ => StrengthInputs::default(),
        };
        let (out, back) = *random.choice(&[(true, true), (true, false), (false, true)]).unwrap();
        HalfEdge::new(MemberIx(random.u32(..1_000)), KindIx(*random.choice(&[0, 1, 63]).unwrap()), out, back, inputs)
    }

    /// Draws a class, which for most half-edges is everyone.
    fn random_class(random: &mut fastrand::Rng) -> Class {
        let others = [Class::Connections, Class::OfNeighbor, Class::OfBoth, Class::Nobody, Class::Withheld];
        if random.u8(..3) > 0 { Class::Everyone } else { *random.choice(&others).unwrap() }
    }

    fn check(adjacency: &Adjacency, content: &Content) {
        for member in 0..MEMBERS {
            let halves = adjacency.get(MemberIx(member)).unwrap();
            let expected: Vec<HalfEdge> =
                content.iter().filter(|(key, _)| key.0 == member).map(|(_, half)| *half).collect();
            assert!(halves.iter().eq(expected.iter().copied()));
            assert_eq!((halves.len(), halves.is_empty()), (expected.len(), expected.is_empty()));
            for half in expected {
                assert_eq!(halves.get(half.key()), Some(half));
                assert_eq!(
                    half,
                    HalfEdge::new(half.neighbor(), half.kind(), half.leads_out(), half.leads_in(), half.inputs())
                );
            }
            assert_eq!(halves.get((MemberIx(1_000), KindIx(0), false)), None);
            for other in (0..1_000).step_by(29).chain([1_000]).map(MemberIx) {
                let has = content.range((member, (other, KindIx(0), false))..).next();
                let has = has.is_some_and(|((owner, (neighbor, ..)), _)| (*owner, *neighbor) == (member, other));
                assert_eq!(halves.has_neighbor(other), has);
            }
        }
    }

    #[test]
    fn it_is_a_sorted_map_for_each_member_whose_clones_do_not_change() {
        let mut random = fastrand::Rng::with_seed(1);
        let (mut adjacency, mut content) = (Adjacency::default(), Content::new());
        (0..MEMBERS).for_each(|slot| adjacency.push(slot as usize));
        let mut snapshots = Vec::new();
        for step in 0..40_000 {
            // One list is long enough for a hub of many chunks, and another becomes a hub and then a list again.
            let member = [3, 3, 3, 17, random.u32(..MEMBERS)][random.usize(..5)];
            let half = random_half(&mut random);
            if step % 64 == 0 {
                let members: Vec<u32> = (0..random.usize(..40)).map(|_| random.u32(..MEMBERS)).collect();
                let member = |near: u32| MemberIx(if near < 20 { 3 } else { near });
                let mut puts: Vec<_> = members.iter().map(|&near| (member(near), random_half(&mut random))).collect();
                puts.sort_unstable_by_key(|(member, half)| (*member, half.key()));
                puts.dedup_by_key(|(member, half)| (*member, half.key()));
                content.extend(puts.iter().map(|(member, half)| ((member.0, half.key()), *half)));
                random.shuffle(&mut puts);
                let put = |(member, half): (MemberIx, HalfEdge)| Change::put(member, half, random_class(&mut random));
                adjacency.change_all(puts.into_iter().map(put).collect());
            } else if random.u32(..3) < if step % 20_000 < 10_000 { 2 } else { 1 } {
                let class = random_class(&mut random);
                let before = adjacency.insert(MemberIx(member), half, class);
                assert_eq!(before, content.insert((member, half.key()), half));
            } else {
                let key = content.range((member, half.key())..).next().map_or(half.key(), |(key, _)| key.1);
                assert_eq!(adjacency.remove(MemberIx(member), key), content.remove(&(member, key)));
            }
            if step % 10_000 == 0 {
                snapshots.push((adjacency.clone(), content.clone()));
            }
        }
        let lists: Vec<Vec<HalfEdge>> = (0..MEMBERS)
            .map(|m| content.iter().filter(|(key, _)| key.0 == m).map(|(_, half)| *half).collect())
            .collect();
        snapshots.push((Adjacency::from_lists(lists.iter().map(Vec::as_slice)), content.clone()));
        snapshots.push((adjacency, content));
        snapshots.iter().for_each(|(adjacency, content)| check(adjacency, content));
        assert!(Adjacency::default().get(MemberIx(0)).is_none());
    }
}
