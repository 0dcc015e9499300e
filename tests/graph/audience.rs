//! The ways of statuses against their definition: from hop to hop by symmetric kinds; by a directed one to whom it leads from, no further.

use std::collections::BTreeMap;

use kith::domain::Sphere;
use kith::graph::*;

use crate::case::{Names, Questions};
use crate::oracle::Oracle;
use crate::world::World;

fn free() -> Budget<'static> {
    Budget::unlimited()
}

/// What is left of an oracle with edges of some kinds.
fn left(oracle: &Oracle, stays: impl Fn(&str) -> bool) -> Oracle {
    let mut edges = oracle.edges.clone();
    edges.iter_mut().flatten().for_each(|open| open.retain(|edge| stays(&edge.kind)));
    Oracle::of(oracle.ids.clone(), edges)
}

pub fn audiences_agree(view: &View<'_>, names: &Names<'_>, ask: &Questions, world: &World) {
    let oracle = names.oracle;
    let is_symmetric = |name: &str| world.kinds.iter().any(|kind| kind.name == name && kind.symmetric);
    let onward = left(oracle, is_symmetric);
    let alone: Vec<Oracle> = Sphere::ALL.iter().map(|sphere| onward.of_sphere(*sphere)).collect();
    let (of, max_hops) = (ask.a, ask.max_hops);
    let hops = |member: usize| match oracle.edges[member][of].is_empty() {
        true => onward.distance(member, of, max_hops),
        false => Some(1),
    };
    let within_alone = |member: usize, at: usize| {
        let direct = oracle.edges[member][of].iter().any(|edge| edge.sphere == Sphere::ALL[at]);
        direct || alone[at].distance(member, of, max_hops).is_some()
    };
    let mut expected: Vec<(u32, usize)> =
        (0..oracle.size()).filter(|member| *member != of).filter_map(|member| Some((hops(member)?, member))).collect();
    expected.sort();
    let ways = Ways::of_statuses(view.clone());
    let listed = |list: Vec<(u32, MemberIx)>| -> Vec<(u32, usize)> {
        list.into_iter().map(|(hop, ix)| (hop, names.at(ix))).collect()
    };
    let complete = Extent::complete(max_hops);
    let (list, extent) = ways.reach_list(names.ix(of), max_hops, &mut free());
    assert_eq!((listed(list), extent), (expected.clone(), complete));
    let (crossing, extent) = ways.reach_crossing(names.ix(of), max_hops, &mut free());
    let mut crossing_expected = expected.clone();
    crossing_expected.retain(|(_, member)| (0..3).all(|at| !within_alone(*member, at)));
    assert_eq!((listed(crossing), extent), (crossing_expected, complete));

    let is_even = |ix: MemberIx| names.at(ix).is_multiple_of(2);
    for passes in [None, Some(&is_even as Passes<'_>)] {
        let counted = ways.reach(names.ix(of), max_hops, passes, &mut free());
        let mut by_hop: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        let passing = expected.iter().filter(|(_, member)| passes.is_none() || member.is_multiple_of(2));
        passing.for_each(|(hop, member)| by_hop.entry(*hop).or_default().push(*member));
        let last = by_hop.keys().next_back().copied().unwrap_or(0);
        let hops_expected = (1..=last).map(|hop| {
            let here = by_hop.get(&hop).cloned().unwrap_or_default();
            let count = |at| here.iter().filter(|member| within_alone(**member, at)).count() as u32;
            let crossing = here.iter().filter(|member| (0..3).all(|at| !within_alone(**member, at))).count() as u32;
            let split = SphereSplit { personal: count(0), professional: count(1), public: count(2), crossing };
            ReachHop { hop, members: here.len() as u32, spheres: Some(split) }
        });
        assert_eq!(counted, Reach { hops: hops_expected.collect(), extent: complete });
    }

    // From the side of each who looks, and the chain that carries it there.
    for member in 0..oracle.size() {
        let expected = if member == of { Some(0) } else { hops(member) };
        let (found, extent) = ways.distances(names.ix(member), &[names.ix(of)], max_hops, &mut free());
        assert_eq!((found, extent), (vec![expected], complete));
        let Some(hop) = expected.filter(|hop| *hop > 0) else { continue };
        let chain = ways.chain(names.ix(member), names.ix(of), hop, &mut free()).paths.remove(0);
        assert_eq!(chain.hops(), hop);
        let members = names.all(&chain.members);
        let steps = if hop == 1 { oracle } else { &onward };
        assert!(members.windows(2).all(|two| !steps.edges[two[0]][two[1]].is_empty()));
    }
}
