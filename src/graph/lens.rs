//! A viewer's own smaller graph, made as it is walked: a member's half-edges without those that the viewer may not see.
//!
//! What is hidden is not in the lists that traversals get, so it cannot leave a trace: not in an answer, nor in a count of what
//! was visited, nor in which way a search went.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::fmt;

use elsa::FrozenMap;

use super::adjacency::HalfEdges;
use super::graph::Graph;
use super::half_edge::{HalfEdge, MemberIx};
use super::hub::{chunk, unpack_chunk};
use super::small_hash::{SmallHasher, SmallSet};
use crate::domain::Visibility;

/// On whose behalf a query is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Viewer {
    /// Nobody's: the service sees all there is.
    #[default]
    Service,
    /// Somebody who is no member: sees what everyone may see.
    Stranger,
    Member(MemberIx),
}

/// Lists that were looked through, as in the graph; empty for one of which nothing is left out.
type Lists = FrozenMap<MemberIx, Box<[u32]>, SmallHasher>;

/// What is left out of a graph.
pub(super) struct Lens<'g> {
    graph: &'g Graph,
    viewer: Viewer,
    /// Members that are gone, with all their edges.
    gone: SmallSet<MemberIx>,
    /// Edges between two of whom one blocks the other are gone.
    parts_apart: bool,
    /// Members who introduce nobody are gone, but for two each time.
    introducing: Vec<[MemberIx; 2]>,
    /// Whom the viewer has an edge of a symmetric kind to.
    connections: OnceCell<SmallSet<MemberIx>>,
    lists: Lists,
}

impl<'g> Lens<'g> {
    pub fn new(graph: &'g Graph) -> Lens<'g> {
        Lens {
            graph,
            viewer: Viewer::Service,
            gone: HashSet::default(),
            parts_apart: false,
            introducing: Vec::new(),
            connections: OnceCell::new(),
            lists: Lists::default(),
        }
    }

    /// As a viewer sees it: whoever is blocked by it, or blocks it, is gone.
    pub fn of(self, viewer: Viewer) -> Lens<'g> {
        let lens = Lens { viewer, lists: Lists::default(), ..self };
        match viewer {
            Viewer::Member(viewer) => lens.past_blocks_of(viewer),
            Viewer::Service | Viewer::Stranger => lens,
        }
    }

    /// Without those who are blocked by a member, or block it.
    pub fn past_blocks_of(self, member: MemberIx) -> Lens<'g> {
        let mut lens = Lens { lists: Lists::default(), ..self };
        lens.gone.extend(lens.graph.privacy.apart_from(member));
        lens
    }

    /// As far as a member may be introduced along it.
    pub fn for_introductions_of(self, member: MemberIx) -> Lens<'g> {
        let parts_apart = self.graph.block_count() > 0;
        Lens { parts_apart, ..self.past_blocks_of(member) }
    }

    /// As far as there are members who would introduce these two.
    pub fn introducing(self, ends: [MemberIx; 2]) -> Lens<'g> {
        let mut lens = self.past_blocks_of(ends[1]);
        lens.introducing.push(ends);
        lens
    }

    /// Whether it leaves nothing out.
    pub fn is_clear(&self) -> bool {
        let hides = self.viewer != Viewer::Service && self.graph.privacy.hides_anything();
        !hides && self.gone.is_empty() && !self.parts_apart && self.introducing.is_empty()
    }

    /// Members that are gone, but for those who introduce nobody; in no order that means anything.
    pub fn gone(&self) -> impl Iterator<Item = MemberIx> + '_ {
        self.gone.iter().copied()
    }

    /// Whether a half-edge of a member is not left out.
    pub fn shows(&self, member: MemberIx, half: &HalfEdge) -> bool {
        !self.is_gone(member) && self.passes(member, half)
    }

    /// Whether a member is not there.
    pub fn is_gone(&self, member: MemberIx) -> bool {
        self.gone.contains(&member) || self.declines(member)
    }

    fn declines(&self, member: MemberIx) -> bool {
        self.introducing.iter().any(|ends| !ends.contains(&member)) && self.graph.privacy(member).declines_introducing
    }

    /// A member's half-edges that are not left out.
    pub fn half_edges(&self, member: MemberIx) -> HalfEdges<'_> {
        let all = self.graph.half_edges(member);
        if self.is_whole(member, all) {
            return all;
        }
        let words = self.lists.get(&member).unwrap_or_else(|| self.lists.insert(member, self.left(member, all)));
        if words.is_empty() { all } else { HalfEdges::of_list(unpack_chunk(words)) }
    }

    /// Whether it is plain that nothing of a member's list is left out, without looking through it.
    fn is_whole(&self, member: MemberIx, all: HalfEdges<'_>) -> bool {
        let shows_all = self.viewer == Viewer::Service || self.graph.privacy.shows_all_edges(member);
        let has_gone = || match self.gone.len() < all.len() {
            true => self.gone.iter().any(|gone| all.has_neighbor(*gone)),
            false => all.iter().any(|half| self.gone.contains(&half.neighbor())),
        };
        shows_all
            && self.introducing.is_empty()
            && !(self.parts_apart && self.graph.has_blocks(member))
            && (self.gone.is_empty() || !self.is_gone(member) && !has_gone())
    }

    /// What is left of a member's list, as it is kept; empty if it is all of it.
    fn left(&self, member: MemberIx, all: HalfEdges<'_>) -> Box<[u32]> {
        let is_gone = self.is_gone(member);
        if !is_gone && all.iter().all(|half| self.passes(member, &half)) {
            return Box::default();
        }
        let left: Vec<HalfEdge> = all.iter().filter(|half| !is_gone && self.passes(member, half)).collect();
        chunk(&left).to_vec().into()
    }

    fn passes(&self, member: MemberIx, half: &HalfEdge) -> bool {
        let other = half.neighbor();
        let is_parted = self.parts_apart && self.graph.are_apart(member, other);
        !is_parted && !self.is_gone(other) && self.is_shown(member, half)
    }

    /// To one of its ends an edge always is; to others, if neither end nor the edge itself hides it from them.
    fn is_shown(&self, member: MemberIx, half: &HalfEdge) -> bool {
        let (privacy, other) = (&self.graph.privacy, half.neighbor());
        match self.viewer {
            Viewer::Service => return true,
            Viewer::Member(viewer) if viewer == member || viewer == other => return true,
            Viewer::Stranger | Viewer::Member(_) => {}
        }
        let own = match privacy.hides_edges(member) {
            true => privacy.half_edge_visibility(member, half.key()),
            false => Visibility::Everyone,
        };
        let admits = |visibility: Visibility, connected: &dyn Fn() -> bool| match visibility {
            Visibility::Everyone => true,
            Visibility::Connections => connected(),
            Visibility::Parties => false,
        };
        let knows = |end: MemberIx| self.connections().contains(&end);
        admits(privacy.edges_visibility(member), &|| knows(member))
            && admits(privacy.edges_visibility(other), &|| knows(other))
            && admits(own, &|| knows(member) || knows(other))
    }

    fn connections(&self) -> &SmallSet<MemberIx> {
        self.connections.get_or_init(|| match self.viewer {
            Viewer::Member(viewer) => {
                let both_ways = self.graph.half_edges(viewer).iter().filter(|half| half.leads_out() && half.leads_in());
                both_ways.map(|half| half.neighbor()).collect()
            }
            Viewer::Service | Viewer::Stranger => HashSet::default(),
        })
    }
}

impl Clone for Lens<'_> {
    /// The lists are made anew.
    fn clone(&self) -> Self {
        let (gone, introducing) = (self.gone.clone(), self.introducing.clone());
        Lens { gone, introducing, connections: self.connections.clone(), lists: Lists::default(), ..*self }
    }
}

impl fmt::Debug for Lens<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lens { viewer, gone, parts_apart, introducing, .. } = self;
        write!(f, "Lens {{ {viewer:?}, gone {gone:?}, parts apart {parts_apart}, introducing {introducing:?} }}")
    }
}
