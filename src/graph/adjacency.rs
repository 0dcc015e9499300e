//! Every member's half-edges: packed side by side, shared between clones, and changed a few members at a time.
//!
//! Sixteen neighbors in the order of places share one array of words, a segment. A change writes one segment anew, which is a
//! few thousand bytes, and the pages above it. A list that would make that much more is kept apart, in chunks: a hub.

use std::hint::black_box;
use std::sync::Arc;

use super::half_edge::{HalfEdge, HalfEdgeKey, KindIx, MemberIx};
use super::hub::{Hub, change, unpack_chunk};
use super::packed::{List, pack};
use super::pages::Pages;

/// Members whose lists share a segment.
pub(super) const SEGMENT_MEMBERS: usize = 16;
/// Half-edges in a segment's list at most; a longer one is a hub's.
const LIST_MAX: usize = 256;
/// A hub that has shrunk to so many is a list again.
const HUB_MIN: usize = LIST_MAX / 2;
/// In the place of a list's length: the list is a hub's.
const HUB: u32 = 0xFFFF;

/// The half-edges of members in their places.
#[derive(Debug, Clone, Default)]
pub struct Adjacency {
    segments: Pages<Segment>,
}

/// The lists of members side by side, the first in a place that is a multiple of `SEGMENT_MEMBERS`.
pub struct Segments(Vec<Segment>);

impl Segments {
    /// Each list in the order of its keys.
    pub fn of_lists<'a>(lists: impl Iterator<Item = &'a [HalfEdge]>) -> Segments {
        let mut lists = lists.peekable();
        let segments = std::iter::from_fn(|| {
            lists.peek()?;
            let mut segment = SegmentBuilder::default();
            lists.by_ref().take(SEGMENT_MEMBERS).for_each(|list| segment.push(list));
            Some(segment.build())
        });
        Segments(segments.collect())
    }
}

/// First a word for each member: where its list begins in the lower half, how long it is in the upper one. Then the lists.
#[derive(Debug, Clone)]
struct Segment {
    words: Arc<[u32]>,
    /// Lists kept apart, by the member's place in the segment.
    hubs: Option<Arc<Vec<(u8, Hub)>>>,
}

/// One member's half-edges, in the order of their keys.
#[derive(Debug, Clone, Copy)]
pub struct HalfEdges<'g>(Lists<'g>);

#[derive(Debug, Clone, Copy)]
enum Lists<'g> {
    One(List<'g>),
    Hub(&'g Hub),
}

impl Adjacency {
    /// Of lists by place, each in the order of its keys.
    #[cfg(test)]
    pub fn from_lists<'a>(lists: impl Iterator<Item = &'a [HalfEdge]>) -> Adjacency {
        Adjacency::of([Segments::of_lists(lists)])
    }

    /// Of segments that follow one another.
    pub fn of(segments: impl IntoIterator<Item = Segments>) -> Adjacency {
        Adjacency { segments: segments.into_iter().flat_map(|segments| segments.0).collect() }
    }

    /// Makes room for one more member, at the end.
    pub fn push(&mut self, place: usize) {
        if place.is_multiple_of(SEGMENT_MEMBERS) {
            self.segments.push(SegmentBuilder::default().build());
        }
    }

    /// None if there is no such place.
    #[inline]
    pub fn get(&self, member: MemberIx) -> Option<HalfEdges<'_>> {
        let place = member.0 as usize;
        Some(self.segments.get(place / SEGMENT_MEMBERS)?.list(place % SEGMENT_MEMBERS))
    }

    /// Puts a half-edge in the place of the one with its key, which is given back.
    pub fn insert(&mut self, member: MemberIx, half: HalfEdge) -> Option<HalfEdge> {
        let before = self.get(member)?.get(half.key());
        self.change(member, half.key(), Some(half));
        before
    }

    /// Puts many half-edges, each with the member it is of; of several with a member and a key, one is put. Each segment is written
    /// once, however many of them are in it.
    pub fn insert_all(&mut self, mut halves: Vec<(MemberIx, HalfEdge)>) {
        halves.sort_unstable_by_key(|(member, half)| (*member, half.key()));
        let segment_of = |member: MemberIx| member.0 as usize / SEGMENT_MEMBERS;
        for together in halves.chunk_by(|one, other| segment_of(one.0) == segment_of(other.0)) {
            let Some(segment) = self.segments.get_mut(segment_of(together[0].0)) else { continue };
            match together {
                [(member, half)] => segment.change(member.0 as usize % SEGMENT_MEMBERS, half.key(), Some(*half)),
                _ => *segment = segment.with_all(together),
            }
        }
    }

    pub fn remove(&mut self, member: MemberIx, key: HalfEdgeKey) -> Option<HalfEdge> {
        let before = self.get(member)?.get(key)?;
        self.change(member, key, None);
        Some(before)
    }

    fn change(&mut self, member: MemberIx, key: HalfEdgeKey, half: Option<HalfEdge>) {
        let place = member.0 as usize;
        if let Some(segment) = self.segments.get_mut(place / SEGMENT_MEMBERS) {
            segment.change(place % SEGMENT_MEMBERS, key, half);
        }
    }

    /// Puts a whole list, in any order, in the place of a member's own.
    #[cfg(test)]
    pub fn replace(&mut self, member: MemberIx, halves: &[HalfEdge]) {
        let place = member.0 as usize;
        let segment = self.segments.get_mut(place / SEGMENT_MEMBERS).expect("the member has a place");
        *segment = segment.with_list(place % SEGMENT_MEMBERS, halves);
    }
}

impl Segment {
    #[inline]
    fn list(&self, at: usize) -> HalfEdges<'_> {
        let begin_and_len = self.words[at];
        let (begin, len) = (begin_and_len & 0xFFFF, begin_and_len >> 16);
        if len == HUB {
            return HalfEdges(self.hub(at));
        }
        HalfEdges(Lists::One(List::unpack(len as usize, &self.words[begin as usize..])))
    }

    fn hubs(&self) -> &[(u8, Hub)] {
        self.hubs.as_ref().map_or(&[], |hubs| hubs)
    }

    #[cold]
    fn hub(&self, at: usize) -> Lists<'_> {
        let hub = self.hubs().iter().find(|hub| usize::from(hub.0) == at);
        hub.map_or(HalfEdges::none().0, |hub| Lists::Hub(&hub.1))
    }

    /// Puts a half-edge, or removes the one of the key.
    fn change(&mut self, at: usize, key: HalfEdgeKey, half: Option<HalfEdge>) {
        if let Lists::Hub(hub) = self.list(at).0 {
            let mut hub = hub.clone();
            hub.change(key, half);
            if hub.len > HUB_MIN {
                self.put_hub(at, hub);
            } else {
                let halves: Vec<HalfEdge> = HalfEdges(Lists::Hub(&hub)).iter().collect();
                *self = self.with_list(at, &halves);
            }
            return;
        }
        let list = self.list(at);
        let mut halves: Vec<HalfEdge> = Vec::with_capacity(list.len() + 1);
        if let Lists::One(list) = list.0 {
            halves.extend(list.iter());
        }
        change(&mut halves, key, half);
        *self = self.with_list(at, &halves);
    }

    fn put_hub(&mut self, at: usize, hub: Hub) {
        if let Some(hubs) = &mut self.hubs
            && let Some(place) = Arc::make_mut(hubs).iter_mut().find(|known| usize::from(known.0) == at)
        {
            place.1 = hub;
        }
    }

    /// A copy with another list for one member.
    fn with_list(&self, at: usize, halves: &[HalfEdge]) -> Segment {
        match self.list(at).0 {
            Lists::One(before) if halves.len() <= LIST_MAX => self.with_short_list(at, before, halves),
            _ => self.rebuilt(at, halves),
        }
    }

    /// The same where neither the list there was nor the new one is a hub's: all the words around it are as they were.
    fn with_short_list(&self, at: usize, before: List<'_>, halves: &[HalfEdge]) -> Segment {
        let begin = (self.words[at] & 0xFFFF) as usize;
        let (left, right) = (&self.words[..begin], &self.words[begin + before.words().len()..]);
        // With a tie for each half-edge: most have none.
        let mut words = Vec::with_capacity(self.words.len() + 4 * halves.len());
        words.extend_from_slice(left);
        pack(halves, &mut words);
        let longer = (words.len() as u32).wrapping_sub((self.words.len() - right.len()) as u32);
        words.extend_from_slice(right);
        words[at] = begin as u32 | (halves.len() as u32) << 16;
        for head in &mut words[at + 1..SEGMENT_MEMBERS] {
            *head = (*head & 0xFFFF).wrapping_add(longer) & 0xFFFF | *head & 0xFFFF_0000;
        }
        Segment { words: words.into(), hubs: self.hubs.clone() }
    }

    fn rebuilt(&self, at: usize, halves: &[HalfEdge]) -> Segment {
        let mut copy = SegmentBuilder::default();
        for other in 0..SEGMENT_MEMBERS {
            if other == at {
                copy.push(halves);
            } else {
                copy.push_list(self.list(other));
            }
        }
        copy.build()
    }

    /// A copy with half-edges put into its lists. They are in the order of their members and keys.
    fn with_all(&self, halves: &[(MemberIx, HalfEdge)]) -> Segment {
        let mut copy = SegmentBuilder::default();
        copy.words.reserve(self.words.len() + 4 * halves.len());
        let mut left = halves;
        let mut merged = Vec::new();
        for at in 0..SEGMENT_MEMBERS {
            let here = left.iter().take_while(|(member, _)| member.0 as usize % SEGMENT_MEMBERS == at).count();
            let (new, others) = left.split_at(here);
            left = others;
            match self.list(at).0 {
                _ if new.is_empty() => copy.push_list(self.list(at)),
                Lists::Hub(hub) => {
                    let mut hub = hub.clone();
                    new.iter().for_each(|(_, half)| hub.change(half.key(), Some(*half)));
                    copy.push_hub(hub);
                }
                Lists::One(list) => {
                    merged.clear();
                    merged.extend(list.iter());
                    new.iter().for_each(|(_, half)| change(&mut merged, half.key(), Some(*half)));
                    copy.push(&merged);
                }
            }
        }
        copy.build()
    }
}

/// A segment, list by list.
#[derive(Default)]
struct SegmentBuilder {
    heads: Vec<(usize, u32)>,
    words: Vec<u32>,
    hubs: Vec<(u8, Hub)>,
}

impl SegmentBuilder {
    fn push(&mut self, halves: &[HalfEdge]) {
        if halves.len() > LIST_MAX {
            return self.push_hub(Hub::new(halves));
        }
        self.heads.push((self.words.len(), halves.len() as u32));
        pack(halves, &mut self.words);
    }

    fn push_list(&mut self, list: HalfEdges<'_>) {
        match list.0 {
            Lists::Hub(hub) => self.push_hub(hub.clone()),
            Lists::One(list) => {
                self.heads.push((self.words.len(), list.len() as u32));
                self.words.extend_from_slice(list.words());
            }
        }
    }

    fn push_hub(&mut self, hub: Hub) {
        self.hubs.push((self.heads.len() as u8, hub));
        self.heads.push((self.words.len(), HUB));
    }

    fn build(mut self) -> Segment {
        self.heads.resize(SEGMENT_MEMBERS, (self.words.len(), 0));
        // Sixteen lists of the greatest length, all with ties, are some 13,000 words: 16 bits hold every beginning.
        let heads = self.heads.iter().map(|&(begin, len)| (begin + SEGMENT_MEMBERS) as u32 | len << 16);
        let words = heads.chain(self.words).collect();
        Segment { words, hubs: (!self.hubs.is_empty()).then(|| Arc::new(self.hubs)) }
    }
}

impl<'g> HalfEdges<'g> {
    /// Of nobody.
    #[inline]
    pub fn none() -> HalfEdges<'g> {
        HalfEdges(Lists::One(List::unpack(0, &[])))
    }

    pub(super) fn of_list(list: List<'g>) -> HalfEdges<'g> {
        HalfEdges(Lists::One(list))
    }

    #[inline]
    pub fn len(self) -> usize {
        match self.0 {
            Lists::One(list) => list.len(),
            Lists::Hub(hub) => hub.len,
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Brings the first of them into the processor's cache.
    #[inline]
    pub(super) fn fetch(self) {
        if let Lists::One(list) = self.0 {
            black_box(list.neighbors().first().copied());
        }
    }

    /// Goes through the lists that the half-edges are kept in, in order.
    #[inline]
    pub fn try_for_each_list<E>(self, mut each: impl FnMut(List<'g>) -> Result<(), E>) -> Result<(), E> {
        match self.0 {
            Lists::One(list) => each(list),
            Lists::Hub(hub) => hub.chunks.iter().try_for_each(|words| each(unpack_chunk(words))),
        }
    }

    /// One of these lists; none beyond the last.
    #[inline]
    pub(super) fn list(self, at: usize) -> Option<List<'g>> {
        match self.0 {
            Lists::One(list) => (at == 0).then_some(list),
            Lists::Hub(hub) => hub.chunks.get(at).map(|words| unpack_chunk(words)),
        }
    }

    pub fn iter(self) -> impl Iterator<Item = HalfEdge> + 'g {
        let (one, hub) = match self.0 {
            Lists::One(list) => (Some(list), None),
            Lists::Hub(hub) => (None, Some(hub)),
        };
        let chunks = hub.into_iter().flat_map(|hub| hub.chunks.iter().map(|words| unpack_chunk(words)));
        one.into_iter().chain(chunks).flat_map(List::iter)
    }

    /// Whether some half-edge leads to or from another member.
    pub fn has_neighbor(self, other: MemberIx) -> bool {
        self.places_of(other).next().is_some()
    }

    /// The half-edges that lead to or from another member.
    pub(super) fn between(self, other: MemberIx) -> impl Iterator<Item = HalfEdge> + 'g {
        self.places_of(other).map(|(list, at)| list.half_edge(at))
    }

    fn places_of(self, other: MemberIx) -> impl Iterator<Item = (List<'g>, usize)> {
        let first = match self.0 {
            Lists::One(_) => 0,
            Lists::Hub(hub) => hub.chunk_of((other, KindIx(0), false)),
        };
        let lists = (first..).map_while(move |at| self.list(at));
        // A hub's chunks may part them.
        let lists = lists.take_while(move |list| list.neighbors().first().is_some_and(|&first| first <= other.0));
        lists.flat_map(move |list| {
            let begin = list.neighbors().partition_point(|&neighbor| neighbor < other.0);
            let end = begin + list.neighbors()[begin..].iter().take_while(|&&neighbor| neighbor == other.0).count();
            (begin..end).map(move |at| (list, at))
        })
    }

    pub fn get(self, key: HalfEdgeKey) -> Option<HalfEdge> {
        match self.0 {
            Lists::One(list) => list.get(key),
            Lists::Hub(hub) => unpack_chunk(hub.chunks.get(hub.chunk_of(key))?).get(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::Strength;
    use crate::graph::{KindIx, Tie};

    const MEMBERS: u32 = 40;

    type Content = BTreeMap<(u32, HalfEdgeKey), HalfEdge>;

    fn random_half(random: &mut fastrand::Rng) -> HalfEdge {
        let tie = match random.u8(..4) {
            0 => Tie {
                pinned: Strength::parse("strength", 1.0 - random.f32()).ok(),
                faded: 0.0,
                last_s: random.u32(..3),
            },
            1 => Tie { pinned: None, faded: random.f32(), last_s: random.u32(..) },
            _ => Tie::default(),
        };
        let (out, back) = *random.choice(&[(true, true), (true, false), (false, true)]).unwrap();
        HalfEdge::new(MemberIx(random.u32(..1_000)), KindIx(*random.choice(&[0, 1, 63]).unwrap()), out, back, tie)
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
                    HalfEdge::new(half.neighbor(), half.kind(), half.leads_out(), half.leads_in(), half.tie())
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
        (0..MEMBERS).for_each(|place| adjacency.push(place as usize));
        let mut snapshots = Vec::new();
        for step in 0..40_000 {
            // One list is long enough to be a hub's of many chunks, another becomes a hub and a list again.
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
                adjacency.insert_all(puts);
            } else if random.u32(..3) < if step % 20_000 < 10_000 { 2 } else { 1 } {
                assert_eq!(adjacency.insert(MemberIx(member), half), content.insert((member, half.key()), half));
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
