//! The graph as a viewer sees it: a member's half-edges without those that the viewer may not see.
//!
//! What is hidden is not in the lists that traversals get, so it cannot leave a trace: not in an answer, nor in a count of what was
//! visited, nor in which way a search went. It takes no time either, because no traversal looks through it: what everyone sees lies
//! together in memory, and what the viewer sees besides is gathered from the viewer and its connections (`admitted.rs`). Members that a
//! block hides are looked for only in lists that are next to somebody who has a block.

use std::cell::{OnceCell, RefCell};
use std::fmt;

use elsa::FrozenMap;

use super::admitted::Admitted;
use super::budget::{Budget, Limit};
use super::graph::Graph;
use super::half_edge::{HalfEdge, KindIx, MemberIx};
use super::half_edges::{HalfEdges, Patch};
use super::lists::Lists;
use super::restricted::Class;
use super::row::Row;
use super::small_hash::SmallHasher;
use crate::domain::Visibility;

/// How many half-edges of the viewer are looked at without a charge when it is first asked what it may see.
const OWN_FREE: usize = 4_096;
/// A list that is so many times as long as those that are looked for in it is not gone through: each is looked up.
const LOOKED_UP_FROM: usize = 4;

/// On whose behalf a query is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Viewer {
    /// Nobody in particular: the service sees all there is.
    #[default]
    Service,
    /// Somebody who is no member, and sees what everyone may see.
    Stranger,
    Member(MemberIx),
}

/// The half-edges of a member that the viewer sees besides those that everyone sees.
enum More<'g> {
    Nothing,
    /// All of them, as the graph keeps them.
    Whole(&'g Patch),
    Gathered([Option<Row>; 2]),
}

impl More<'_> {
    fn rows(&self) -> impl Iterator<Item = Lists<'_>> {
        let rows = match self {
            More::Nothing => None,
            More::Whole(patch) => Some(&patch.more),
            More::Gathered(rows) => Some(rows),
        };
        rows.into_iter().flatten().flatten().map(Row::lists)
    }
}

/// What a view leaves out of its graph.
pub(super) struct ViewerFilter<'g> {
    graph: &'g Graph,
    viewer: Viewer,
    /// The members from whom blocks are looked at, each with those that a block parts from it. The latter are gone, with all their edges.
    gone: Vec<(MemberIx, &'g [MemberIx])>,
    /// Whether edges are gone between two of whom one blocks the other.
    parts_apart: bool,
    /// For each pair in here, members who introduce nobody are gone, except the two.
    introducing: Vec<[MemberIx; 2]>,
    /// What the viewer sees that not everyone does.
    admitted: OnceCell<RefCell<Admitted<'g>>>,
    /// The patches of members whose half-edges are not just those that everyone sees.
    patches: FrozenMap<MemberIx, Box<Patch>, SmallHasher>,
}

impl<'g> ViewerFilter<'g> {
    pub fn new(graph: &'g Graph) -> ViewerFilter<'g> {
        ViewerFilter {
            graph,
            viewer: Viewer::Service,
            gone: Vec::new(),
            parts_apart: false,
            introducing: Vec::new(),
            admitted: OnceCell::new(),
            patches: FrozenMap::default(),
        }
    }

    /// Filters for a viewer: members that it blocks, or that block it, are gone.
    pub fn of(self, viewer: Viewer) -> ViewerFilter<'g> {
        let filter = ViewerFilter { viewer, admitted: OnceCell::new(), patches: FrozenMap::default(), ..self };
        match viewer {
            Viewer::Member(viewer) => filter.past_blocks_of(viewer),
            Viewer::Service | Viewer::Stranger => filter,
        }
    }

    /// Leaves out those whom a member blocks, and those who block it.
    pub fn past_blocks_of(self, member: MemberIx) -> ViewerFilter<'g> {
        let mut filter = ViewerFilter { patches: FrozenMap::default(), ..self };
        let apart = filter.graph.privacy.apart_from(member);
        if !apart.is_empty() && filter.gone.iter().all(|(known, _)| *known != member) {
            filter.gone.push((member, apart));
        }
        filter
    }

    /// Leaves out whatever no introduction of a member may lead along.
    pub fn for_introductions_of(self, member: MemberIx) -> ViewerFilter<'g> {
        let parts_apart = self.graph.privacy.parts_anybody();
        ViewerFilter { parts_apart, ..self.past_blocks_of(member) }
    }

    /// Leaves out members who would not introduce these two.
    pub fn introducing(self, ends: [MemberIx; 2]) -> ViewerFilter<'g> {
        let mut filter = self.past_blocks_of(ends[1]);
        if filter.graph.privacy.anybody_declines() {
            filter.introducing.push(ends);
        }
        filter
    }

    /// Returns whether the filter leaves nothing out.
    pub fn is_clear(&self) -> bool {
        let hides = self.viewer != Viewer::Service && self.graph.privacy.hides_anything();
        !hides && self.gone.is_empty() && !self.parts_apart && self.introducing.is_empty()
    }

    /// Returns the members that are gone, each once and in no particular order, but not those who introduce nobody.
    pub fn gone(&self) -> impl Iterator<Item = MemberIx> + '_ {
        let of = move |(at, (_, gone)): (usize, &(MemberIx, &'g [MemberIx]))| {
            let known = &self.gone[..at];
            let is_new = move |member: &MemberIx| known.iter().all(|(_, gone)| gone.binary_search(member).is_err());
            gone.iter().copied().filter(is_new).collect::<Vec<_>>()
        };
        self.gone.iter().enumerate().flat_map(of)
    }

    /// Returns whether a member is gone.
    #[inline]
    pub fn is_gone(&self, member: MemberIx) -> bool {
        !self.gone.is_empty() && self.is_apart(member) || !self.introducing.is_empty() && self.declines(member)
    }

    fn is_apart(&self, member: MemberIx) -> bool {
        self.graph.privacy.has_blocks(member) && self.gone.iter().any(|(_, gone)| gone.binary_search(&member).is_ok())
    }

    fn declines(&self, member: MemberIx) -> bool {
        self.introducing.iter().any(|ends| !ends.contains(&member)) && self.graph.privacy.declines_introducing(member)
    }

    /// Returns whether an edge exists and is not left out. An edge of a symmetric kind is found in either order of its ends.
    pub fn shows(&self, from: MemberIx, kind: KindIx, to: MemberIx) -> bool {
        let [half, _] = self.graph.ends(from, kind, to);
        let is_parted = self.parts_apart && self.graph.are_apart(from, to);
        let is_left_out = self.is_gone(from) || self.is_gone(to) || is_parted;
        let is_there = self.graph.half_edges(from).get(half.1).is_some();
        is_there && !is_left_out && self.admits(from, to, self.graph.privacy.class(from, half.1))
    }

    /// Returns whether the viewer may see an edge, given the class of its half at `from`.
    fn admits(&self, from: MemberIx, to: MemberIx, class: Class) -> bool {
        let viewer = match self.viewer {
            _ if class == Class::Withheld => return false,
            Viewer::Service => return true,
            Viewer::Stranger => return class == Class::Everyone,
            Viewer::Member(viewer) if viewer == from || viewer == to => return true,
            Viewer::Member(viewer) => viewer,
        };
        let is_symmetric = |half: HalfEdge| half.leads_out() && half.leads_in();
        let knows = |end: MemberIx| self.graph.half_edges(viewer).between(end).any(is_symmetric);
        match class {
            Class::Everyone => true,
            // Where `from` hides nothing, it is the edge itself that is for the connections of either end.
            Class::Connections => {
                knows(from) || self.graph.privacy.edges_visibility(from) == Visibility::Everyone && knows(to)
            }
            Class::OfNeighbor => knows(to),
            Class::OfBoth => knows(from) && knows(to),
            Class::Nobody | Class::Withheld => false,
        }
    }

    /// Gathers what a viewer of very many edges may see, while it is charged and the stop signal is polled. Without this call it is
    /// gathered when the first list is asked for.
    pub fn prepare(&self, budget: &mut Budget<'_>) -> Result<(), Limit> {
        if let Viewer::Member(viewer) = self.viewer
            && self.admitted.get().is_none()
            && self.graph.privacy.is_near_admitting(viewer)
            && self.graph.degree(viewer) > OWN_FREE
        {
            budget.pass(self.graph.degree(viewer) as u64)?;
            let mut polled = 0;
            let admitted = Admitted::new(self.graph, viewer, || budget.heed(&mut polled))?;
            self.admitted.set(RefCell::new(admitted)).ok();
        }
        Ok(())
    }

    fn admitted(&self, viewer: MemberIx) -> &RefCell<Admitted<'g>> {
        self.admitted.get_or_init(|| {
            let Ok(admitted) = Admitted::new(self.graph, viewer, || Ok::<(), std::convert::Infallible>(()));
            RefCell::new(admitted)
        })
    }

    /// Returns a member's half-edges that are not left out.
    #[inline]
    pub fn half_edges(&self, member: MemberIx) -> HalfEdges<'_> {
        if self.is_gone(member) {
            return HalfEdges::none();
        }
        let lists = self.graph.open_half_edges(member);
        let patch = if self.has_open_alone(member) { None } else { self.patch(member, lists) };
        HalfEdges::new(lists, patch)
    }

    /// Returns whether it is certain, without a closer look, that the viewer sees just those half-edges of a member that everyone sees.
    #[inline]
    fn has_open_alone(&self, member: MemberIx) -> bool {
        let has_no_more = match self.viewer {
            Viewer::Stranger => true,
            Viewer::Member(viewer) if viewer != member => !self.admitted(viewer).borrow().may_show(member),
            Viewer::Service | Viewer::Member(_) => self.graph.restricted(member).is_none(),
        };
        has_no_more && !self.may_leave_out(member)
    }

    /// Returns whether any neighbor of a member may be left out.
    #[inline]
    fn may_leave_out(&self, member: MemberIx) -> bool {
        !self.introducing.is_empty()
            || !self.gone.is_empty() && self.graph.privacy.is_near_blocks(member)
            || self.parts_apart && self.graph.has_blocks(member)
    }

    fn patch<'l>(&'l self, member: MemberIx, lists: Lists<'g>) -> Option<&'l Patch> {
        if let Some(patch) = self.patches.get(&member) {
            return Some(patch);
        }
        let more = self.more(member);
        let mut without = Vec::new();
        if self.may_leave_out(member) {
            self.leave_out(member, lists, &more, &mut without);
        }
        if without.is_empty()
            && let More::Whole(patch) = more
        {
            return Some(patch);
        }
        let all = || std::iter::once(lists).chain(more.rows());
        let left_out = without.iter().map(|&other| all().map(|row| row.between(other).count()).sum::<usize>()).sum();
        let more = match more {
            More::Nothing if without.is_empty() => return None,
            More::Nothing => [None, None],
            More::Whole(patch) => patch.more.clone(),
            More::Gathered(rows) => rows,
        };
        Some(self.patches.insert(member, Box::new(Patch { more, without: without.into(), left_out })))
    }

    /// Collects the neighbors that are left out of a member's list, in index order.
    fn leave_out(&self, member: MemberIx, lists: Lists<'g>, more: &More<'g>, without: &mut Vec<MemberIx>) {
        let all = || std::iter::once(lists).chain(more.rows());
        let own = if self.parts_apart { self.graph.privacy.apart_from(member) } else { &[] };
        let near = if self.graph.privacy.is_near_blocks(member) { self.gone.as_slice() } else { &[] };
        for apart in near.iter().map(|(_, gone)| *gone).chain([own]) {
            if apart.len() * LOOKED_UP_FROM < all().map(Lists::len).sum::<usize>() {
                let is_there = |other: &MemberIx| all().any(|row| row.between(*other).next().is_some());
                without.extend(apart.iter().copied().filter(is_there));
            } else if !apart.is_empty() {
                let neighbors = all().flat_map(Lists::iter).map(|half| half.neighbor());
                let is_apart = |other: &MemberIx| self.graph.has_blocks(*other) && apart.binary_search(other).is_ok();
                without.extend(neighbors.filter(is_apart));
            }
        }
        if !self.introducing.is_empty() {
            let neighbors = all().flat_map(Lists::iter).map(|half| half.neighbor());
            without.extend(neighbors.filter(|neighbor| self.declines(*neighbor)));
        }
        without.sort_unstable();
        without.dedup();
    }

    fn more(&self, member: MemberIx) -> More<'g> {
        let kept = || self.graph.restricted(member).map_or(More::Nothing, |restricted| More::Whole(&restricted.whole));
        match self.viewer {
            Viewer::Stranger => More::Nothing,
            Viewer::Service => kept(),
            Viewer::Member(viewer) if viewer == member => kept(),
            Viewer::Member(viewer) => {
                self.admitted(viewer).borrow_mut().to(member).map_or(More::Nothing, More::Gathered)
            }
        }
    }
}

impl Clone for ViewerFilter<'_> {
    /// A clone gathers anew what this one has gathered.
    fn clone(&self) -> Self {
        let (gone, introducing) = (self.gone.clone(), self.introducing.clone());
        ViewerFilter { gone, introducing, admitted: OnceCell::new(), patches: FrozenMap::default(), ..*self }
    }
}

impl fmt::Debug for ViewerFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ViewerFilter { viewer, gone, parts_apart, introducing, .. } = self;
        write!(
            f,
            "ViewerFilter {{ {viewer:?}, gone {gone:?}, parts apart {parts_apart}, introducing {introducing:?} }}"
        )
    }
}
