//! Reach: who can see a member, hop by hop, and through which part of their life.

use super::budget::{Budget, Extent, Limit};
use super::half_edge::{Direction, MemberIx};
use super::search::{Search, members_within};
use super::small_hash::SmallMap;
use super::view::View;
use crate::domain::Sphere;

/// The members whose shortest path has so many hops, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReachHop {
    pub hop: u32,
    pub members: u32,
    /// How many of them are within by one sphere alone, or by none; unknown if the budget ended before.
    pub spheres: Option<SphereSplit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SphereSplit {
    pub personal: u32,
    pub professional: u32,
    pub public: u32,
    /// Within by no single sphere: what keeping networks apart would lose.
    pub crossing: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// From hop 1 to the last that reaches anybody.
    pub hops: Vec<ReachHop>,
    pub extent: Extent,
}

/// Who can see `of` within `max_hops`: breadth-first, backwards along attention; then once more for each sphere alone.
pub fn reach(view: &View<'_>, of: MemberIx, max_hops: u32, budget: &mut Budget<'_>) -> Reach {
    let (members, extent) = members_within(view, of, Direction::Backward, max_hops, budget);
    let last_hop = members.last().map_or(0, |(_, hop)| *hop);
    let mut hops: Vec<ReachHop> = (1..=last_hop).map(|hop| ReachHop { hop, members: 0, spheres: None }).collect();
    for (_, hop) in &members {
        hops[*hop as usize - 1].members += 1;
    }
    if !extent.is_complete() {
        return Reach { hops, extent };
    }
    match sphere_splits(view, of, max_hops, &members, last_hop, budget) {
        Ok(splits) => {
            for (hop, split) in hops.iter_mut().zip(splits) {
                hop.spheres = Some(split);
            }
            Reach { hops, extent }
        }
        Err(limit) => Reach { hops, extent: Extent::ended(limit, max_hops) },
    }
}

/// How the members of each hop are within `max_hops` by one sphere alone.
fn sphere_splits(
    view: &View<'_>,
    of: MemberIx,
    max_hops: u32,
    members: &[(MemberIx, u32)],
    last_hop: u32,
    budget: &mut Budget<'_>,
) -> Result<Vec<SphereSplit>, Limit> {
    let hop_of: SmallMap<MemberIx, u32> = members.iter().copied().collect();
    let mut splits = vec![SphereSplit::default(); last_hop as usize];
    let mut by_one_sphere = super::view::member_set();
    for sphere in Sphere::ALL {
        let alone = view.restricted_to(sphere);
        let mut search = Search::new(&alone, of, Direction::Backward);
        while search.hop < max_hops && !search.frontier.is_empty() {
            search.step(budget)?;
            for member in &search.frontier {
                by_one_sphere.insert(*member);
                let split = &mut splits[hop_of[member] as usize - 1];
                match sphere {
                    Sphere::Personal => split.personal += 1,
                    Sphere::Professional => split.professional += 1,
                    Sphere::Public => split.public += 1,
                }
            }
        }
    }
    for (member, hop) in members {
        if !by_one_sphere.contains(member) {
            splits[*hop as usize - 1].crossing += 1;
        }
    }
    Ok(splits)
}

/// Who can see `of` within `max_hops`, by hop, then id. On a limit, whole hops only.
pub fn reach_list(
    view: &View<'_>,
    of: MemberIx,
    max_hops: u32,
    budget: &mut Budget<'_>,
) -> (Vec<(u32, MemberIx)>, Extent) {
    let (members, extent) = members_within(view, of, Direction::Backward, max_hops, budget);
    let mut list: Vec<(u32, MemberIx)> = members.into_iter().map(|(member, hop)| (hop, member)).collect();
    let graph = view.graph();
    list.sort_unstable_by(|a, b| (a.0, graph.id(a.1)).cmp(&(b.0, graph.id(b.1))));
    (list, extent)
}
