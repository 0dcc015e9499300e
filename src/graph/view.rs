//! The graph as one query sees it: under a filter, at a time.

use std::collections::HashSet;

use super::budget::{Budget, Limit};
use super::graph::Graph;
use super::half_edge::{Direction, HalfEdge, KindIx, MemberIx};
use super::small_hash::{SmallHasher, SmallSet};
use super::strength::{edge_strength, pair_strength};
use crate::domain::{EdgeFilter, Reason, Sphere, TimeMs, Violation};

/// A graph under a filter at a time. Members it excludes are neither reached nor walked through; asked about, they are isolated.
#[derive(Debug, Clone)]
pub struct View<'g> {
    graph: &'g Graph,
    /// A bit for each kind that passes.
    kinds: u64,
    /// 0 when every strength passes.
    min_strength: f32,
    excluded: SmallSet<MemberIx>,
    as_of: TimeMs,
}

impl<'g> View<'g> {
    /// The whole graph.
    pub fn unfiltered(graph: &'g Graph, as_of: TimeMs) -> View<'g> {
        View { graph, kinds: u64::MAX, min_strength: 0.0, excluded: HashSet::default(), as_of }
    }

    /// The graph under a filter. A kind must be registered, and some kind must pass if kinds and spheres are both given.
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

    /// This view under another filter too. What nothing can pass is a view without edges.
    pub fn narrowed(mut self, filter: &EdgeFilter) -> View<'g> {
        let passes = |kind: &crate::domain::Kind| {
            (filter.kinds.is_empty() || filter.kinds.binary_search(&kind.name).is_ok())
                && (filter.spheres.is_empty() || filter.spheres.contains(&kind.sphere))
        };
        let passing = self.graph.kinds().filter(|(_, kind)| passes(kind));
        self.kinds &= passing.fold(0, |mask, (ix, _)| mask | 1 << ix.0);
        if let Some(least) = filter.min_strength {
            self.min_strength = self.min_strength.max(least.get());
        }
        self.excluded.extend(filter.exclude.iter().filter_map(|id| self.graph.find(id.as_str())));
        self
    }

    /// This view's edges of one sphere.
    pub fn restricted_to(&self, sphere: Sphere) -> View<'g> {
        let filter = EdgeFilter { spheres: vec![sphere], ..EdgeFilter::default() };
        self.clone().narrowed(&filter)
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

    /// Whether any kind of edge passes.
    pub fn admits_any_kind(&self) -> bool {
        self.kinds != 0
    }

    /// An edge's strength, if it passes the filter and can be walked this way.
    pub fn strength_if_walked(&self, half: &HalfEdge, direction: Direction) -> Option<f32> {
        if self.kinds >> half.kind().0 & 1 == 0 || !half.leads(direction) {
            return None;
        }
        let strength = edge_strength(self.graph.kind(half.kind()), half.tie(), self.as_of);
        (strength >= self.min_strength).then_some(strength)
    }

    /// Whether an edge of an admitted member passes the filter, whichever way it leads.
    pub fn passes_any_way(&self, half: &HalfEdge) -> bool {
        let passes = self.passes(half, Direction::Forward) || self.passes(half, Direction::Backward);
        passes && !self.excludes(half.neighbor())
    }

    fn passes(&self, half: &HalfEdge, direction: Direction) -> bool {
        self.kinds >> half.kind().0 & 1 == 1
            && half.leads(direction)
            && (self.min_strength == 0.0 || self.strength_if_walked(half, direction).is_some())
    }

    /// Every neighbor one step this way, once each, in index order. Charges each half-edge of the member.
    pub fn for_each_neighbor(
        &self,
        member: MemberIx,
        direction: Direction,
        budget: &mut Budget<'_>,
        mut found: impl FnMut(MemberIx),
    ) -> Result<(), Limit> {
        if self.excludes(member) {
            return Ok(());
        }
        let mut last = None;
        for run in self.graph.half_edges(member).runs() {
            budget.visit(run.len() as u64)?;
            for half in run.iter() {
                let neighbor = half.neighbor();
                if last != Some(neighbor) && self.passes(half, direction) && !self.excludes(neighbor) {
                    last = Some(neighbor);
                    found(neighbor);
                }
            }
        }
        Ok(())
    }

    /// Every neighbor one step this way with its pair strength, in index order. Charges each half-edge of the member.
    pub fn for_each_pair(
        &self,
        member: MemberIx,
        direction: Direction,
        budget: &mut Budget<'_>,
        mut found: impl FnMut(MemberIx, f64),
    ) -> Result<(), Limit> {
        if self.excludes(member) {
            return Ok(());
        }
        let mut pair: Option<(MemberIx, f64)> = None;
        for run in self.graph.half_edges(member).runs() {
            budget.visit(run.len() as u64)?;
            for half in run.iter() {
                let neighbor = half.neighbor();
                let Some(strength) = self.strength_if_walked(half, direction) else { continue };
                if self.excludes(neighbor) {
                    continue;
                }
                let strength = f64::from(strength);
                match &mut pair {
                    // The fold of `pair_strength`, one edge at a time.
                    Some((last, sum)) if *last == neighbor => *sum += strength * (1.0 - *sum),
                    _ => {
                        if let Some((last, sum)) = pair.replace((neighbor, strength)) {
                            found(last, sum);
                        }
                    }
                }
            }
        }
        if let Some((last, sum)) = pair {
            found(last, sum);
        }
        Ok(())
    }

    /// The kinds by which one member can step to another, with their edges' strengths, by kind's place. None if either is excluded.
    pub fn edges_between(&self, from: MemberIx, to: MemberIx) -> Vec<(KindIx, f32)> {
        if self.excludes(from) || self.excludes(to) {
            return Vec::new();
        }
        let halves = self.graph.half_edges(from);
        let edges = self.graph.kinds().filter_map(|(kind, _)| halves.get(&(to, kind, false)));
        edges.filter_map(|half| Some((half.kind(), self.strength_if_walked(half, Direction::Forward)?))).collect()
    }

    /// Pair strength from one member to another; none if no edge leads there.
    pub fn pair(&self, from: MemberIx, to: MemberIx) -> Option<f64> {
        let edges = self.edges_between(from, to);
        (!edges.is_empty()).then(|| pair_strength(edges.into_iter().map(|(_, strength)| strength)))
    }
}

/// An empty set of members, sized by what goes in.
pub(super) fn member_set() -> SmallSet<MemberIx> {
    HashSet::with_hasher(SmallHasher)
}
