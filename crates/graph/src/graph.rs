//! The graph that queries walk: the members, and the edges that join them.

use imbl::Vector;

use super::adjacency::{Adjacency, SEGMENT_MEMBERS, Segments};
use super::half_edge::{HalfEdge, KindIx, MemberIx};
use super::half_edges::HalfEdges;
use super::ids::Ids;
use super::kinds::Kinds;
use super::lists::Lists;
use super::pages::Pages;
use super::privacy::PrivacyTable;
use super::restricted::{Change, Restricted};
use super::strength::StrengthInputs;
use crate::domain::limits::KINDS_MAX;
use crate::domain::{Kind, KindName, MemberId, Visibility};

/// Members, kinds and edges. A clone shares all that neither it nor the original changes; cloning copies a few roots.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    pub(super) kinds: Kinds,
    pub(super) ids: Ids,
    /// The members' ids, by slot.
    pub(super) names: Pages<Option<MemberId>>,
    pub(super) adjacency: Adjacency,
    /// The slots that erased members left, the last one to be used first.
    pub(super) free: Vector<MemberIx>,
    pub(super) edges: u64,
    pub(super) privacy: PrivacyTable,
}

impl Graph {
    pub fn new() -> Graph {
        Graph::default()
    }

    // Kinds.

    pub fn find_kind(&self, name: &str) -> Option<KindIx> {
        self.kinds.find(name)
    }

    /// Returns the kind at an index that this graph gave.
    pub fn kind(&self, ix: KindIx) -> &Kind {
        self.kinds.get(ix)
    }

    /// Returns the kind at an index that may name none.
    pub fn get_kind(&self, ix: KindIx) -> Option<&Kind> {
        self.kinds.get_any(ix)
    }

    /// Returns all kinds in the order of their slots.
    pub fn kinds(&self) -> impl Iterator<Item = (KindIx, &Kind)> {
        self.kinds.iter()
    }

    /// Returns how many edges are of the kind.
    pub fn kind_uses(&self, ix: KindIx) -> u64 {
        self.kinds.uses(ix)
    }

    /// Registers a kind of a new name, or returns none if there are 64 already.
    pub fn add_kind(&mut self, kind: Kind) -> Option<KindIx> {
        self.kinds.add(kind)
    }

    /// Changes a kind. Its `symmetric` may change only while no edge is of it.
    pub fn replace_kind(&mut self, ix: KindIx, kind: Kind) {
        self.kinds.put(ix, kind);
    }

    /// Unregisters a kind that no edge is of.
    pub fn remove_kind(&mut self, ix: KindIx) {
        self.kinds.remove(ix);
    }

    // Members.

    /// Returns how many members there are.
    pub fn members(&self) -> usize {
        self.names.len() - self.free.len()
    }

    /// Returns how many members there are without those that are withheld.
    pub fn shown_members(&self) -> u64 {
        self.members() as u64 - self.privacy.withheld_members
    }

    /// Finds a member, be it withheld: reads ask a `View`, or `find_shown`.
    pub fn find(&self, id: &str) -> Option<MemberIx> {
        self.ids.find(id)
    }

    /// Finds a member, unless it is withheld.
    pub fn find_shown(&self, id: &str) -> Option<MemberIx> {
        self.find(id).filter(|member| !self.is_withheld(*member))
    }

    /// Finds the members of many ids, which is much faster than one after the other.
    pub fn find_all(&self, ids: &[&MemberId]) -> Vec<Option<MemberIx>> {
        self.ids.find_all(ids)
    }

    /// Returns how many slots there are; every member's index is below that.
    pub(super) fn slots(&self) -> usize {
        self.names.len()
    }

    /// Returns the id of a member by an index that this graph gave.
    pub fn id(&self, ix: MemberIx) -> &MemberId {
        self.get_id(ix).expect("a member's index names a member")
    }

    /// Returns the id of a member by an index that may name none.
    pub fn get_id(&self, ix: MemberIx) -> Option<&MemberId> {
        self.names.get(ix.0 as usize).and_then(Option::as_ref)
    }

    /// Returns all members in the order of their slots.
    pub fn iter_members(&self) -> impl Iterator<Item = MemberIx> {
        let names = self.names.iter().enumerate();
        names.filter(|(_, name)| name.is_some()).map(|(i, _)| MemberIx(i as u32))
    }

    /// Returns the member that a hash picks, or none if it picks a free slot. The more slots there are the fewer hashes pick another one when
    /// one is added (Lamping, Veach: A fast, minimal memory, consistent hash algorithm, 2014).
    pub fn picked_by(&self, mut hash: u64) -> Option<MemberIx> {
        let (mut picked, mut next) = (None, 0);
        while next < self.slots() as u64 {
            picked = Some(next);
            hash = hash.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
            let share = (1u64 << 31) as f64 / ((hash >> 33) + 1) as f64;
            next = ((next + 1) as f64 * share) as u64;
        }
        let picked = MemberIx(picked? as u32);
        self.get_id(picked).map(|_| picked)
    }

    /// Returns all members by id, or those after `id` if it is given.
    pub fn members_after(&self, id: Option<&MemberId>) -> impl Iterator<Item = MemberIx> {
        self.ids.after(id).map(|(_, ix)| ix)
    }

    /// Adds a member of a new id.
    pub fn add_member(&mut self, id: MemberId) -> MemberIx {
        let ix = match self.free.pop_back() {
            Some(ix) => {
                *self.names.get_mut(ix.0 as usize).expect("a freed slot exists") = Some(id.clone());
                ix
            }
            None => {
                let slot = self.names.len();
                self.names.push(Some(id.clone()));
                self.adjacency.push(slot);
                MemberIx(u32::try_from(slot).expect("fewer than 2³² members"))
            }
        };
        self.ids.insert(id, ix);
        ix
    }

    /// Removes a member that has no edges, no blocks and no privacy of its own.
    pub fn remove_member(&mut self, ix: MemberIx) {
        let slot = self.names.get_mut(ix.0 as usize).expect("a member's index names a member");
        let id = slot.take().expect("a member's index names a member");
        self.ids.remove(id.as_str());
        self.free.push_back(ix);
    }

    // Edges.

    /// Returns how many edges there are, each counted once.
    pub fn edges(&self) -> u64 {
        self.edges
    }

    /// Returns all half-edges of a member by neighbor, kind and direction, whoever may see them, for writes and checks: where an end is
    /// withheld, no answer may come of them.
    #[inline]
    pub fn half_edges(&self, ix: MemberIx) -> HalfEdges<'_> {
        self.adjacency.get(ix).expect("a member's index names a member")
    }

    /// Returns the half-edges of a member that the service and the member itself see.
    #[inline]
    pub(super) fn shown_half_edges(&self, ix: MemberIx) -> HalfEdges<'_> {
        self.adjacency.shown(ix).expect("a member's index names a member")
    }

    /// Returns how many half-edges of a member the service and the member itself see.
    #[inline]
    pub(super) fn degree(&self, ix: MemberIx) -> usize {
        self.adjacency.len(ix).expect("a member's index names a member")
    }

    /// Returns the half-edges of a member that everyone may see.
    #[inline]
    pub(super) fn open_half_edges(&self, ix: MemberIx) -> Lists<'_> {
        self.adjacency.open(ix).expect("a member's index names a member")
    }

    /// Returns the half-edges of a member that not everyone may see, if there are any.
    pub(super) fn restricted(&self, ix: MemberIx) -> Option<&Restricted> {
        self.adjacency.restricted(ix)
    }

    /// Returns what an edge's strength depends on. An edge of a symmetric kind is found in either order of its ends.
    pub fn strength_inputs(&self, from: MemberIx, kind: KindIx, to: MemberIx) -> Option<StrengthInputs> {
        self.half_edges(from).get((to, kind, false)).map(|half| half.inputs())
    }

    /// Puts an edge, instead of the one of its kind between the two. An edge of a symmetric kind is found in either order of its ends.
    pub fn put_edge(
        &mut self,
        from: MemberIx,
        kind: KindIx,
        to: MemberIx,
        inputs: StrengthInputs,
    ) -> Option<StrengthInputs> {
        let (out, back) = halves(from, kind, to, inputs, self.kinds.get(kind).attrs.symmetric);
        let classes = [self.privacy.class(from, out.key()), self.privacy.class(to, back.key())];
        let before = self.adjacency.insert(from, out, classes[0]);
        self.adjacency.insert(to, back, classes[1]);
        if before.is_none() {
            self.edges += 1;
            self.kinds.count(kind, 1);
            self.mark_edge(from, to);
        }
        before.map(|half| half.inputs())
    }

    /// Puts many edges, each at most once; `new` marks those that were not there. This is much less work than one after the other.
    pub fn put_edges(&mut self, puts: &[EdgeToPut]) {
        let mut news = [0; KINDS_MAX];
        let mut all = Vec::with_capacity(2 * puts.len());
        for &EdgeToPut { from, kind, to, inputs, new } in puts {
            let (out, back) = halves(from, kind, to, inputs, self.kinds.get(kind).attrs.symmetric);
            for (member, half) in [(from, out), (to, back)] {
                all.push(Change::put(member, half, self.privacy.class(member, half.key())));
            }
            news[usize::from(kind.0)] += u64::from(new);
        }
        self.adjacency.change_all(all);
        puts.iter().filter(|put| put.new).for_each(|put| self.mark_edge(put.from, put.to));
        self.edges += news.iter().sum::<u64>();
        for (kind, &new) in news.iter().enumerate().filter(|(_, new)| **new > 0) {
            self.kinds.count(KindIx(kind as u8), new as i64);
        }
    }

    /// Removes an edge. An edge of a symmetric kind is found in either order of its ends.
    pub fn remove_edge(&mut self, from: MemberIx, kind: KindIx, to: MemberIx) -> Option<StrengthInputs> {
        let [half, other] = self.ends(from, kind, to);
        let before = self.adjacency.remove(half.0, half.1)?;
        self.adjacency.remove(other.0, other.1);
        self.privacy.set_edge([half, other], Visibility::Everyone);
        self.mark_edge(from, to);
        self.edges -= 1;
        self.kinds.count(kind, -1);
        Some(before.inputs())
    }
}

impl Graph {
    /// Updates the marks of two members after an edge between them was added or removed.
    fn mark_edge(&mut self, one: MemberIx, other: MemberIx) {
        for member in [one, other] {
            if self.privacy.hides_anything() || self.privacy.admits_connections(member) {
                self.mark_admitting(member);
            }
        }
        self.privacy.mark_neighbors(one, other);
    }
}

/// An edge to be put, and whether it was not there before.
#[derive(Debug, Clone, Copy)]
pub struct EdgeToPut {
    pub from: MemberIx,
    pub kind: KindIx,
    pub to: MemberIx,
    pub inputs: StrengthInputs,
    pub new: bool,
}

/// Returns an edge's two half-edges: the one at `from`, then the one at `to`.
fn halves(from: MemberIx, kind: KindIx, to: MemberIx, inputs: StrengthInputs, symmetric: bool) -> (HalfEdge, HalfEdge) {
    (HalfEdge::new(to, kind, true, symmetric, inputs), HalfEdge::new(from, kind, symmetric, true, inputs))
}

/// Builds a graph at once from all its members and edges, which is much faster than one edge after the other.
#[derive(Debug, Default)]
pub struct GraphBuilder {
    graph: Graph,
    nodes: Vec<MemberId>,
    edges: Vec<(MemberIx, KindIx, MemberIx, StrengthInputs)>,
    /// How many half-edges each member has.
    degrees: Vec<u32>,
}

impl GraphBuilder {
    /// Registers a kind in a slot.
    pub fn kind(&mut self, ix: KindIx, kind: Kind) {
        self.graph.kinds.put(ix, kind);
    }

    /// Returns whether a kind is registered under the index or the name.
    pub fn knows_kind(&self, ix: KindIx, name: &KindName) -> bool {
        self.graph.kinds.iter().any(|(known, kind)| known == ix || kind.name == *name)
    }

    /// Returns the kind at an index that may name none.
    pub fn get_kind(&self, ix: KindIx) -> Option<&Kind> {
        self.graph.kinds.get_any(ix)
    }

    /// Adds a member of a new id; its index is how many were added before.
    pub fn member(&mut self, id: MemberId) -> MemberIx {
        self.nodes.push(id);
        self.degrees.push(0);
        MemberIx(self.nodes.len() as u32 - 1)
    }

    /// Adds an edge between two members added before, of a kind registered before. Each edge is added once.
    pub fn edge(&mut self, from: MemberIx, kind: KindIx, to: MemberIx, inputs: StrengthInputs) {
        self.count_edge(from, kind, to);
        self.edges.push((from, kind, to, inputs));
    }

    /// Counts an edge that `build_with` will be given.
    pub fn count_edge(&mut self, from: MemberIx, kind: KindIx, to: MemberIx) {
        self.graph.kinds.count(kind, 1);
        self.graph.edges += 1;
        self.degrees[from.0 as usize] += 1;
        self.degrees[to.0 as usize] += 1;
    }

    /// Returns the ids of the members added so far.
    pub fn ids(&self) -> &[MemberId] {
        &self.nodes
    }

    pub fn build(mut self) -> Graph {
        let edges = std::mem::take(&mut self.edges);
        let ids = Ids::of(&self.nodes);
        self.build_with(ids, || edges.iter().copied(), |half| [half(0), half(1)])
    }

    /// Builds the graph of a given index of ids and of edges that are kept elsewhere and were counted, instead of edges that were added.
    /// The edges are gone through twice. `both` runs the halves of the work, 0 and 1, in any order or at once.
    pub fn build_with<Edges>(self, ids: Ids, edges: impl Fn() -> Edges + Sync, both: impl Both<Segments>) -> Graph
    where
        Edges: Iterator<Item = (MemberIx, KindIx, MemberIx, StrengthInputs)>,
    {
        let GraphBuilder { mut graph, nodes, degrees, .. } = self;
        graph.lay_out(&degrees, edges, both);
        graph.ids = ids;
        graph.names = nodes.into_iter().map(Some).collect();
        graph
    }
}

/// Runs a function with 0 and with 1.
pub trait Both<T>: FnOnce(&(dyn Fn(usize) -> T + Sync)) -> [T; 2] {}

impl<T, F: FnOnce(&(dyn Fn(usize) -> T + Sync)) -> [T; 2]> Both<T> for F {}

impl Graph {
    /// Lays out as many half-edges as each member has in one array for each half of the members, and cuts each member's part, sorted, into
    /// a list.
    fn lay_out<Edges>(&mut self, degrees: &[u32], edges: impl Fn() -> Edges + Sync, both: impl Both<Segments>)
    where
        Edges: Iterator<Item = (MemberIx, KindIx, MemberIx, StrengthInputs)>,
    {
        let (mut all, mut ends) = (0, vec![0]);
        ends.extend(degrees.iter().map(|degree| {
            all += *degree as usize;
            all
        }));
        // The work is halved at the beginning of a segment before which half of the half-edges lie.
        let members = degrees.len();
        let middle = ends.partition_point(|&end| end < all / 2).next_multiple_of(SEGMENT_MEMBERS).min(members);
        let kinds = &self.kinds;
        let half = |second: usize| {
            let own = if second == 0 { 0..middle } else { middle..members };
            let all_before = ends[own.start];
            let nothing = HalfEdge::new(MemberIx(0), KindIx(0), false, false, StrengthInputs::default());
            let mut halves_of = vec![nothing; ends[own.end] - all_before];
            let mut next: Vec<usize> = ends[own.clone()].iter().map(|end| end - all_before).collect();
            // `for_each` is faster than a `for` loop here, because it turns nested iterators into nested loops.
            edges().for_each(|(from, kind, to, inputs)| {
                let (out, back) = halves(from, kind, to, inputs, kinds.get(kind).attrs.symmetric);
                for (member, half) in [(from.0 as usize, out), (to.0 as usize, back)] {
                    if own.contains(&member) {
                        let slot = &mut next[member - own.start];
                        halves_of[*slot] = half;
                        *slot += 1;
                    }
                }
            });
            let slots = || own.clone().map(|i| ends[i] - all_before..ends[i + 1] - all_before);
            slots().for_each(|slot| halves_of[slot].sort_unstable_by_key(HalfEdge::key));
            Segments::of_lists(slots().map(|slot| &halves_of[slot]))
        };
        self.adjacency = Adjacency::of(both(&half));
    }
}
