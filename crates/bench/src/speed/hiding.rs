//! Networks in which some members hide their edges, whole and as one viewer sees them.

use std::collections::HashSet;

use fastrand::Rng;

use super::graphs::{build_of, kinds};
use super::network::Network;
use kith::domain::{Privacy, Visibility};
use kith::graph::{Graph, KindIx, MemberIx};

/// The most followers of the hub.
const FOLLOWERS_MAX: u32 = 100_000;
/// The member that is the hub.
const HUB: u32 = 0;

/// What is hidden of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The edges of so many members in a hundred are hidden: every second member's edges are for its connections, the others' for the ends
    /// alone.
    Members(u32),
    /// The edges of a hub's followers to it are for the ends alone.
    Hub,
}

impl What {
    pub const ALL: [What; 5] = [What::Members(0), What::Members(1), What::Members(10), What::Members(50), What::Hub];

    pub fn title(self) -> String {
        match self {
            What::Members(percent) => format!("{percent} % hide"),
            What::Hub => "a hidden hub".to_owned(),
        }
    }
}

/// A network with what is hidden of it.
pub struct Hiding {
    pub network: Network,
    pub what: What,
    /// The visibility of each member's edges.
    visibilities: Vec<Visibility>,
    /// The first edge of those that are for their ends alone.
    hidden_from: usize,
}

impl Hiding {
    pub fn new(mut network: Network, what: What, seed: u64) -> Hiding {
        let mut random = Rng::with_seed(seed);
        let percent = if let What::Members(percent) = what { percent } else { 0 };
        let visibility = |_| match random.u32(..100) < percent {
            false => Visibility::Everyone,
            true if random.bool() => Visibility::Connections,
            true => Visibility::Parties,
        };
        let visibilities = (0..network.members).map(visibility).collect();
        let hidden_from = network.edges.len();
        if what == What::Hub {
            let known: HashSet<(u32, u32)> = network.edges.iter().copied().collect();
            let is_new = |edge: &(u32, u32)| !known.contains(edge) && !known.contains(&(edge.1, edge.0));
            let followers = (1..network.members.min(FOLLOWERS_MAX + 1)).map(|member| (member, HUB)).filter(is_new);
            network.edges.extend(followers.collect::<Vec<_>>());
        }
        Hiding { network, what, visibilities, hidden_from }
    }

    /// Returns a member to ask about beside members at random: where a hub hides, it is asked about.
    pub fn subject(&self) -> Option<u32> {
        (self.what == What::Hub).then_some(HUB)
    }

    pub fn visibility(&self, member: u32) -> Visibility {
        self.visibilities[member as usize]
    }

    /// Returns how many records of a network come before those of its edges in `store::records`.
    pub fn records_before_edges(&self) -> usize {
        kinds().len() + self.network.members as usize
    }

    /// Returns an edge's own visibility.
    pub fn edge_visibility(&self, at: usize) -> Visibility {
        if at < self.hidden_from { Visibility::Everyone } else { Visibility::Parties }
    }

    /// Returns which edges a viewer sees, by their index: by definition, not as kith finds them.
    pub fn seen_by(&self, viewer: u32) -> Vec<bool> {
        let (network, kinds) = (&self.network, kinds());
        let mut connections = HashSet::new();
        for &edge in network.edges.iter().filter(|edge| edge.0 == viewer || edge.1 == viewer) {
            if kinds[network.traits(edge).kind].attrs.symmetric {
                connections.insert(if edge.0 == viewer { edge.1 } else { edge.0 });
            }
        }
        let admits = |end: u32| match self.visibility(end) {
            Visibility::Everyone => true,
            Visibility::Connections => connections.contains(&end),
            Visibility::Parties => false,
        };
        let sees = |(at, &(from, to)): (usize, &(u32, u32))| {
            let is_shown = || self.edge_visibility(at) == Visibility::Everyone && admits(from) && admits(to);
            from == viewer || to == viewer || is_shown()
        };
        network.edges.iter().enumerate().map(sees).collect()
    }

    /// Builds the graph of all edges.
    pub fn graph(&self) -> Graph {
        let mut graph = build_of(&self.network, |_| true);
        let hide = |member: u32| Privacy { edges_visibility: self.visibility(member), ..Privacy::default() };
        let hiding = (0..self.network.members).filter(|&member| self.visibility(member) != Visibility::Everyone);
        let members: Vec<_> = hiding.map(|member| (MemberIx(member), hide(member))).collect();
        let own = self.network.edges.iter().enumerate().skip(self.hidden_from);
        let edges: Vec<_> = own
            .map(|(at, &(from, to))| {
                let kind = KindIx(self.network.traits((from, to)).kind as u8);
                (MemberIx(from), kind, MemberIx(to), self.edge_visibility(at))
            })
            .collect();
        graph.restrict_all(&members, &edges);
        graph
    }

    /// Builds the graph of what a viewer sees, with nothing hidden.
    pub fn graph_of(&self, viewer: u32) -> Graph {
        let seen = self.seen_by(viewer);
        build_of(&self.network, |at| seen[at])
    }
}
