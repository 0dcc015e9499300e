//! The graph as one query sees it: under a filter, at a time.

use std::collections::HashSet;
use std::ops::ControlFlow;

use super::budget::{Budget, Limit};
use super::graph::Graph;
use super::half_edge::{Direction, HalfEdge, KindIx, LABELS, MemberIx, inputs_of, kind_of, label_of, pinned_by};
use super::half_edges::HalfEdges;
use super::packed::List;
use super::small_hash::SmallSet;
use super::strength::{StrengthInputs, edge_strength, pair_strength};
use super::viewer_filter::{Viewer, ViewerFilter};
use crate::domain::limits::KINDS_MAX;
use crate::domain::{EdgeFilter, Kind, Reason, Sphere, TimeMs, Violation};

/// A graph under a filter at a time. Members that the filter excludes are neither reached nor walked through; asked about, they are
/// isolated.
#[derive(Debug, Clone)]
pub struct View<'g> {
    graph: &'g Graph,
    /// A bit for each kind that passes.
    kinds: u64,
    /// The least strength that passes; 0 when every one does.
    min_strength: f32,
    excluded: SmallSet<MemberIx>,
    /// What the viewer may not see; none if that is nothing.
    viewer_filter: Option<Box<ViewerFilter<'g>>>,
    as_of: TimeMs,
    /// The gates that are open to edges of a label, by label, as far as kind and direction decide.
    gates: [u8; LABELS],
    /// The strength of an edge without inputs, by kind.
    base_strengths: [f32; KINDS_MAX],
}

/// The bits of a gate: the edge's sphere, in the order of all spheres, and the ways it can be walked.
pub(super) const SPHERES: u8 = 7;
const FORWARD: u8 = 8;
const BACKWARD: u8 = 16;

fn gate(direction: Direction) -> u8 {
    match direction {
        Direction::Forward => FORWARD,
        Direction::Backward => BACKWARD,
    }
}

/// How many members' half-edges are fetched at the same time.
const FETCHED_AT_ONCE: usize = 16;

impl<'g> View<'g> {
    /// Returns a view of the whole graph.
    pub fn unfiltered(graph: &'g Graph, as_of: TimeMs) -> View<'g> {
        let (gates, base_strengths) = ([0; LABELS], [0.0; KINDS_MAX]);
        let mut view = View {
            graph,
            kinds: u64::MAX,
            min_strength: 0.0,
            excluded: HashSet::default(),
            viewer_filter: None,
            as_of,
            gates,
            base_strengths,
        };
        for (ix, kind) in graph.kinds() {
            view.base_strengths[usize::from(ix.0)] = edge_strength(kind, StrengthInputs::default(), as_of);
            view.set_gates(ix, kind);
        }
        view
    }

    fn set_gates(&mut self, ix: KindIx, kind: &Kind) {
        let sphere = Sphere::ALL.iter().position(|sphere| *sphere == kind.attrs.sphere).map_or(0, |at| 1 << at);
        let passes = self.kinds >> ix.0 & 1 == 1;
        for (out, back) in [(true, true), (true, false), (false, true)] {
            let ways = if out { FORWARD } else { 0 } | if back { BACKWARD } else { 0 };
            self.gates[usize::from(label_of(ix, out, back))] = if passes { sphere | ways } else { 0 };
        }
    }

    /// Returns a view of the graph under a filter. Its kinds must be registered, and some kind must pass if kinds and spheres are both
    /// given.
    pub fn new(graph: &'g Graph, filter: &EdgeFilter, as_of: TimeMs) -> Result<View<'g>, Violation> {
        for (i, name) in filter.kinds.iter().enumerate() {
            if graph.find_kind(name.as_str()).is_none() {
                let message = format!("no kind {:?} is registered", name.as_str());
                return Err(Violation::new(format!("kinds[{i}]"), Reason::UnknownKind, message));
            }
        }
        let view = View::unfiltered(graph, as_of).narrowed(filter);
        if view.kinds == 0 && !filter.kinds.is_empty() && !filter.spheres.is_empty() {
            let message = "none of these kinds belongs to one of the spheres given";
            return Err(Violation::new("kinds", Reason::ContradictoryFilter, message));
        }
        Ok(view)
    }

    /// Narrows this view by another filter. A filter that nothing can pass leaves a view without edges.
    pub fn narrowed(mut self, filter: &EdgeFilter) -> View<'g> {
        let passes = |kind: &Kind| {
            (filter.kinds.is_empty() || filter.kinds.binary_search(&kind.name).is_ok())
                && (filter.spheres.is_empty() || filter.spheres.contains(&kind.attrs.sphere))
        };
        self = self.of_kinds(passes);
        if let Some(least) = filter.min_strength {
            self.min_strength = self.min_strength.max(least.get());
        }
        self.excluded.extend(filter.exclude.iter().filter_map(|id| self.graph.find(id.as_str())));
        self
    }

    /// Narrows this view to edges of some kinds.
    pub fn of_kinds(mut self, passes: impl Fn(&Kind) -> bool) -> View<'g> {
        let passing = self.graph.kinds().filter(|(_, kind)| passes(kind));
        self.kinds &= passing.fold(0, |mask, (ix, _)| mask | 1 << ix.0);
        for (ix, kind) in self.graph.kinds() {
            self.set_gates(ix, kind);
        }
        self
    }

    /// Narrows this view to what a viewer may see.
    pub fn seen_by(self, viewer: Viewer) -> View<'g> {
        self.through(|filter| filter.of(viewer))
    }

    /// Leaves out those whom a member blocks, and those who block it.
    pub fn past_blocks_of(self, member: MemberIx) -> View<'g> {
        self.through(|filter| filter.past_blocks_of(member))
    }

    /// Narrows this view to what introductions of a member may lead along: without those whom it blocks or who block it, and without edges
    /// between any two of whom one blocks the other.
    pub fn for_introductions_of(self, member: MemberIx) -> View<'g> {
        self.through(|filter| filter.for_introductions_of(member))
    }

    /// Leaves out those who introduce nobody, and those who are parted by a block from the member at the far end. The two ends stay.
    pub fn introducing(self, from: MemberIx, to: MemberIx) -> View<'g> {
        self.through(|filter| filter.introducing([from, to]))
    }

    fn through(mut self, change: impl FnOnce(ViewerFilter<'g>) -> ViewerFilter<'g>) -> View<'g> {
        let filter = change(self.viewer_filter.take().map_or_else(|| ViewerFilter::new(self.graph), |filter| *filter));
        self.viewer_filter = (!filter.is_clear()).then(|| Box::new(filter));
        self
    }

    /// Finds a member by its id, unless it is gone for the viewer.
    pub fn find(&self, id: &str) -> Option<MemberIx> {
        self.graph.find(id).filter(|member| !self.is_gone(*member))
    }

    /// Returns whether a member is gone for the viewer, or withheld from everybody.
    pub fn is_gone(&self, member: MemberIx) -> bool {
        self.graph.is_withheld(member) || self.viewer_filter.as_ref().is_some_and(|filter| filter.is_gone(member))
    }

    /// Returns all members that are gone for the viewer, without those that are withheld from everybody.
    pub fn gone(&self) -> impl Iterator<Item = MemberIx> + '_ {
        self.viewer_filter.iter().flat_map(|filter| filter.gone())
    }

    /// Returns whether an edge exists and the viewer may see it, whatever the filter. An edge of a symmetric kind is found in either order
    /// of its ends.
    pub fn shows_edge(&self, from: MemberIx, kind: KindIx, to: MemberIx) -> bool {
        match &self.viewer_filter {
            None => self.graph.shown_half_edges(from).get((to, kind, false)).is_some(),
            Some(filter) => filter.shows(from, kind, to),
        }
    }

    pub fn graph(&self) -> &'g Graph {
        self.graph
    }

    pub fn as_of(&self) -> TimeMs {
        self.as_of
    }

    pub fn excludes(&self, member: MemberIx) -> bool {
        !self.excluded.is_empty() && self.excluded.contains(&member)
    }

    /// Returns whether edges of a kind pass.
    pub fn admits_kind(&self, kind: KindIx) -> bool {
        self.kinds >> kind.0 & 1 == 1
    }

    /// Returns whether an edge of an admitted member passes the filter, in whichever direction it is walked.
    pub fn passes_any_way(&self, half: &HalfEdge) -> bool {
        let gates = self.gates[usize::from(half.label())];
        gates & (FORWARD | BACKWARD) != 0
            && self.strength(half.label(), half.input_words()) >= self.min_strength
            && !self.excludes(half.neighbor())
    }

    /// Returns the strength of an edge with this label and these inputs.
    #[inline]
    fn strength(&self, label: u8, inputs: [u32; 2]) -> f32 {
        let kind = kind_of(label);
        if inputs == [0, 0] {
            return self.base_strengths[usize::from(kind.0)];
        }
        if let Some(pinned) = pinned_by(inputs) {
            return pinned;
        }
        edge_strength(self.graph.kind(kind), inputs_of(inputs), self.as_of)
    }

    // The steps from one member.

    /// Returns a member's half-edges, or none if it is excluded.
    #[inline]
    pub fn half_edges(&self, member: MemberIx) -> HalfEdges<'_> {
        if self.excludes(member) {
            return HalfEdges::none();
        }
        match &self.viewer_filter {
            None => self.graph.shown_half_edges(member),
            Some(filter) => filter.half_edges(member),
        }
    }

    /// Brings the beginnings of the next members' half-edges into the processor's cache, all at the same time. It does so at every
    /// sixteenth call: `at` is the index of the member that is about to be stepped from.
    #[inline]
    pub(super) fn fetch(&self, at: usize, next: impl ExactSizeIterator<Item = MemberIx>) {
        if at.is_multiple_of(FETCHED_AT_ONCE) && next.len() > 1 {
            next.take(FETCHED_AT_ONCE).for_each(|member| self.graph.open_half_edges(member).fetch());
        }
    }

    /// Returns how many half-edges are looked at when one steps from the member.
    #[inline]
    pub(super) fn degree(&self, member: MemberIx) -> u64 {
        match &self.viewer_filter {
            None if !self.excludes(member) => self.graph.degree(member) as u64,
            _ => self.half_edges(member).len() as u64,
        }
    }

    /// Gathers what the viewer may see, charged and polled where that is very much. It is to be called before half-edges are asked for.
    pub fn prepare(&self, budget: &mut Budget<'_>) -> Result<(), Limit> {
        self.viewer_filter.as_ref().map_or(Ok(()), |filter| filter.prepare(budget))
    }

    /// Counts the half-edges that two hops from a member look at.
    pub fn edges_in_two_hops(&self, member: MemberIx, budget: &mut Budget<'_>) -> Result<u64, Limit> {
        self.prepare(budget)?;
        let mut edges = self.degree(member);
        self.for_each_step(member, Direction::Forward, budget, |neighbor, _| edges += self.degree(neighbor))?;
        Ok(edges)
    }

    /// Announces the steps from some members to the budget: see `Budget::foresee`.
    pub(super) fn foresee_steps<'m>(
        &self,
        members: impl IntoIterator<Item = &'m MemberIx>,
        budget: &mut Budget<'_>,
    ) -> Result<(), Limit> {
        budget.foresee(members.into_iter().map(|&member| self.degree(member)))
    }

    /// Calls `found` with each edge of a list that can be walked this way: its neighbor and its spheres, in index order.
    #[inline]
    pub(super) fn for_each_edge(
        &self,
        list: List<'_>,
        direction: Direction,
        mut found: impl FnMut(MemberIx, u8) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let gate = gate(direction);
        let edges = list.neighbors().iter().zip(list.labels());
        if self.min_strength == 0.0 && self.excluded.is_empty() {
            for (&neighbor, &label) in edges {
                let gates = self.gates[usize::from(label)];
                if gates & gate != 0 {
                    found(MemberIx(neighbor), gates & SPHERES)?;
                }
            }
            return ControlFlow::Continue(());
        }
        for (at, (&neighbor, &label)) in edges.enumerate() {
            let gates = self.gates[usize::from(label)];
            if gates & gate != 0
                && self.strength(label, list.inputs(at)) >= self.min_strength
                && !self.excludes(MemberIx(neighbor))
            {
                found(MemberIx(neighbor), gates & SPHERES)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Calls `found` with each edge that can be walked this way from a member: its neighbor and its spheres. First come edges that everyone
    /// sees, then others, each in index order. Each half-edge of the member is charged.
    #[inline]
    pub(super) fn for_each_step(
        &self,
        member: MemberIx,
        direction: Direction,
        budget: &mut Budget<'_>,
        mut found: impl FnMut(MemberIx, u8),
    ) -> Result<(), Limit> {
        let halves = self.half_edges(member);
        budget.visit(halves.len() as u64)?;
        let mut chunk = 0;
        halves.try_for_each_list(|list| {
            budget.heed(&mut chunk)?;
            let _ = self.for_each_edge(list, direction, |neighbor, spheres| {
                found(neighbor, spheres);
                ControlFlow::Continue(())
            });
            Ok(())
        })
    }

    /// Calls `found` with each wanted neighbor that is one step away this way, and its pair strength, in index order. Each half-edge of the
    /// member is charged.
    #[inline]
    pub(super) fn for_each_pair_with(
        &self,
        member: MemberIx,
        direction: Direction,
        budget: &mut Budget<'_>,
        wanted: impl Fn(MemberIx) -> bool,
        mut found: impl FnMut(MemberIx, f64),
    ) -> Result<(), Limit> {
        let gate = gate(direction);
        let admits_all = self.min_strength == 0.0 && self.excluded.is_empty();
        // Pair strength is folded as in `pair_strength`, but edge by edge, because a pair's edges may lie in several chunks or rows. No
        // strength is 0, so a sum of 0 means that there is no edge yet.
        let (mut last, mut sum) = (MemberIx(0), 0.0);
        let halves = self.half_edges(member);
        budget.visit(halves.len() as u64)?;
        let mut chunk = 0;
        halves.try_for_each_run(|list| {
            budget.heed(&mut chunk)?;
            let (input_bits, begin) = (list.input_bits(), list.begin());
            for (at, (&neighbor, &label)) in list.neighbors().iter().zip(list.labels()).enumerate() {
                let neighbor = MemberIx(neighbor);
                if self.gates[usize::from(label)] & gate == 0 || !wanted(neighbor) {
                    continue;
                }
                let bit = begin + at;
                let strength = if input_bits[bit / 32] >> (bit % 32) & 1 == 0 {
                    self.base_strengths[usize::from(kind_of(label).0)]
                } else {
                    self.strength(label, list.inputs(at))
                };
                if !admits_all && (strength < self.min_strength || self.excludes(neighbor)) {
                    continue;
                }
                let strength = f64::from(strength);
                if neighbor == last && sum > 0.0 {
                    sum += strength * (1.0 - sum);
                    continue;
                }
                if sum > 0.0 {
                    found(last, sum);
                }
                (last, sum) = (neighbor, strength);
            }
            Ok(())
        })?;
        if sum > 0.0 {
            found(last, sum);
        }
        Ok(())
    }

    /// Calls `found` with each neighbor that is one step away this way, and its pair strength.
    #[inline]
    pub(super) fn for_each_pair(
        &self,
        member: MemberIx,
        direction: Direction,
        budget: &mut Budget<'_>,
        found: impl FnMut(MemberIx, f64),
    ) -> Result<(), Limit> {
        self.for_each_pair_with(member, direction, budget, |_| true, found)
    }

    // One pair.

    /// Returns the kinds by which one member can step to another, with their edges' strengths, by the kind's index. There are none if
    /// either member is excluded.
    pub fn edges_between(&self, from: MemberIx, to: MemberIx) -> Vec<(KindIx, f32)> {
        self.edges_among(self.half_edges(from), to).collect()
    }

    /// Returns the pair strength from one member to another, or none if no edge leads there.
    pub fn pair(&self, from: MemberIx, to: MemberIx) -> Option<f64> {
        self.pair_among(self.half_edges(from), to)
    }

    /// Returns the pair strength to another member by half-edges that were found before, so that they are not found anew for each of many.
    pub(super) fn pair_among(&self, halves: HalfEdges<'_>, to: MemberIx) -> Option<f64> {
        if self.excludes(to) {
            return None;
        }
        // No strength is 0, so a sum of 0 means that no edge leads there.
        let pair = match halves.unpatched() {
            Some(lists) => pair_strength(self.passing(lists.between(to)).map(|(_, strength)| strength)),
            None => pair_strength(self.passing(halves.between(to)).map(|(_, strength)| strength)),
        };
        (pair > 0.0).then_some(pair)
    }

    fn edges_among(&self, halves: HalfEdges<'_>, to: MemberIx) -> impl Iterator<Item = (KindIx, f32)> {
        self.passing(if self.excludes(to) { HalfEdges::none() } else { halves }.between(to))
    }

    /// Returns the half-edges that can be walked from their owner and pass the filter, each as its kind and strength.
    fn passing(&self, halves: impl Iterator<Item = HalfEdge>) -> impl Iterator<Item = (KindIx, f32)> {
        let passing = halves.filter(|half| self.gates[usize::from(half.label())] & FORWARD != 0);
        let strengths = passing.map(|half| (half.kind(), self.strength(half.label(), half.input_words())));
        strengths.filter(|(_, strength)| *strength >= self.min_strength)
    }
}

/// Returns an empty set of members, whose size is that of what goes in.
pub(super) fn member_set() -> SmallSet<MemberIx> {
    HashSet::default()
}
