//! A network as kith and as the limit programs hold it.

use super::limits::{Csr, DirectedEdge, Limits};
use super::network::{AS_OF_S, KINDS, Network, NetworkTie, Traits};
use kith::domain::{Kind, MemberId, Sphere, Strength, TimeMs, builtin_kinds};
use kith::graph::{Graph, GraphBuilder, KindIx, MemberIx, StrengthInputs, edge_strength};

/// Returns the built-in kinds that the network's edges are of, in the order of its table.
pub fn kinds() -> Vec<Kind> {
    let builtin = builtin_kinds();
    let find = |name: &str| builtin.iter().find(|kind| kind.name.as_str() == name).cloned();
    KINDS.iter().map(|(name, _)| find(name).expect("the network's kinds are built in")).collect()
}

/// Returns what kith knows of an edge's strength.
pub fn tie(traits: Traits) -> StrengthInputs {
    match traits.tie {
        NetworkTie::Plain => StrengthInputs::default(),
        NetworkTie::Pinned(strength) => {
            StrengthInputs { pinned: Strength::parse("strength", strength).ok(), ..StrengthInputs::default() }
        }
        NetworkTie::Interactions { count, last_s } => StrengthInputs { pinned: None, faded: count as f32, last_s },
    }
}

/// Builds kith's graph in memory at once.
pub fn build(network: &Network) -> Graph {
    build_of(network, |_| true)
}

/// Builds the graph of those edges that `has_edge` says yes to, by their index in the network.
pub fn build_of(network: &Network, has_edge: impl Fn(usize) -> bool) -> Graph {
    let mut builder = GraphBuilder::default();
    for (i, kind) in kinds().into_iter().enumerate() {
        builder.kind(KindIx(i as u8), kind);
    }
    for member in 0..network.members {
        builder.member(MemberId::parse("id", &network.id(member)).expect("the network's ids are ids"));
    }
    for (_, &edge) in network.edges.iter().enumerate().filter(|(at, _)| has_edge(*at)) {
        let traits = network.traits(edge);
        builder.edge(MemberIx(edge.0), KindIx(traits.kind as u8), MemberIx(edge.1), tie(traits));
    }
    builder.build()
}

/// Builds the limit programs over the same network.
pub fn limits(network: &Network) -> Limits {
    let kinds = kinds();
    let as_of = TimeMs(i64::from(AS_OF_S) * 1_000);
    let arcs = || {
        network.edges.iter().flat_map(|&edge| {
            let traits = network.traits(edge);
            let kind = &kinds[traits.kind];
            let strength = edge_strength(kind, tie(traits), as_of);
            let sphere = 1 << Sphere::ALL.iter().position(|sphere| *sphere == kind.attrs.sphere).unwrap_or(0);
            let (from, to) = edge;
            let there = DirectedEdge { from, to, strength, sphere };
            let back = kind.attrs.symmetric.then_some(DirectedEdge { from: to, to: from, ..there });
            [Some(there), back].into_iter().flatten()
        })
    };
    Limits::new(Csr::new(network.members, arcs))
}
