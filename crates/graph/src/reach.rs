//! Reach: who can see a member, hop by hop, and through which part of their life.

use super::budget::{Budget, Extent, Limit};
use super::half_edge::{Direction, MemberIx};
use super::ids::{Prefix as IdPrefix, prefix as id_prefix};
use super::scratch::{Scratch, lease};
use super::search::members_within;
use super::sorted::sorted;
use super::view::{SPHERES, View};
use crate::domain::Sphere;

/// One search goes by all spheres, beside one for each sphere alone. Each has a bit in a member's mark for having arrived there, and the
/// same bit above for going on with the next hop.
const ANY: u8 = 8;
const ALL: u8 = ANY | SPHERES;
const NEXT: u32 = 4;

/// The number of members whose shortest path has so many hops.
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
    /// Members within by no single sphere: what keeping networks apart would lose.
    pub crossing: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The hops from 1 to the last that reaches anybody.
    pub hops: Vec<ReachHop>,
    pub extent: Extent,
}

/// Counts who can see `of` within `max_hops`: breadth-first, backwards along attention, by all spheres and by each one alone at once (Then
/// et al. 2014). A limit leaves whole hops only, and nothing about spheres.
pub fn reach(view: &View<'_>, of: MemberIx, max_hops: u32, budget: &mut Budget<'_>) -> Reach {
    reach_beside(view, of, max_hops, None, |_| Ok(Direct::new()), budget)
}

/// Whether a member is one of those asked for.
pub type Passes<'a> = &'a dyn Fn(MemberIx) -> bool;

/// Members in index order, each once, and the spheres of the edges that lead from them to another.
pub(super) type Direct = Vec<(MemberIx, u8)>;

/// Counts as `reach` does, beside members whom an edge leads to `of` along which nobody goes on. Only members that are `counted` count, all
/// if it is not given.
pub(super) fn reach_beside(
    view: &View<'_>,
    of: MemberIx,
    max_hops: u32,
    counted: Option<Passes<'_>>,
    direct: impl FnOnce(&mut Budget<'_>) -> Result<Direct, Limit>,
    budget: &mut Budget<'_>,
) -> Reach {
    let mut scratch = lease(view.graph().slots());
    let (ends, extent) = search(view, of, max_hops, &mut scratch, budget);
    if extent.exact_through_hop == 0 {
        return Reach { hops: Vec::new(), extent };
    }
    let none = |limit| Reach { hops: Vec::new(), extent: Extent::ended(limit, 0) };
    let direct = match direct(budget) {
        Ok(direct) => direct,
        Err(limit) => return none(limit),
    };
    let Scratch { marks, seen: [seen, _], .. } = &mut *scratch;
    let mut hops: Vec<Vec<MemberIx>> = Vec::new();
    if !direct.is_empty() {
        let is_direct = |member: &MemberIx| direct.binary_search_by_key(member, |direct| direct.0).is_ok();
        hops.push(direct.iter().map(|direct| direct.0).collect());
        for (ends, hop) in ends.windows(2).zip(0..) {
            let others = seen[ends[0]..ends[1]].iter().copied().filter(|member| !is_direct(member));
            if hop == 0 { hops[0].extend(others) } else { hops.push(others.collect()) }
        }
        for &(member, spheres) in &direct {
            if marks[member.0 as usize] == 0 {
                seen.push(member);
            }
            marks[member.0 as usize] |= spheres | ANY;
        }
    }
    if let Some(counted) = counted {
        if hops.is_empty() {
            hops = ends.windows(2).map(|ends| seen[ends[0]..ends[1]].to_vec()).collect();
        }
        if let Err(limit) = hops.iter_mut().try_for_each(|here| keep_passing(here, |member| *member, counted, budget)) {
            return none(limit);
        }
    }
    let hop = |(here, hop): (&[MemberIx], u32)| {
        let spheres = extent.is_complete().then(|| SphereSplit::of(here, marks));
        ReachHop { hop, members: here.len() as u32, spheres }
    };
    let mut hops: Vec<ReachHop> = match hops.is_empty() {
        true => ends.windows(2).map(|ends| &seen[ends[0]..ends[1]]).zip(1..).map(hop).collect(),
        false => hops.iter().map(Vec::as_slice).zip(1..).map(hop).collect(),
    };
    while hops.last().is_some_and(|hop| hop.members == 0) {
        hops.pop();
    }
    Reach { hops, extent }
}

/// Lists those whom `reach` counts as crossing: no single sphere leads them to `of` within `max_hops`. They come by hop, then id. A limit
/// leaves none, because it is then known of nobody.
pub fn reach_crossing(
    view: &View<'_>,
    of: MemberIx,
    max_hops: u32,
    budget: &mut Budget<'_>,
) -> (Vec<(u32, MemberIx)>, Extent) {
    let mut scratch = lease(view.graph().slots());
    let (ends, extent) = search(view, of, max_hops, &mut scratch, budget);
    if let Some(limit) = extent.limit {
        // One hop crosses nothing.
        return (Vec::new(), Extent::ended(limit, 1));
    }
    let Scratch { marks, seen: [seen, _], .. } = &mut *scratch;
    let at_hops =
        ends.windows(2).zip(1..).flat_map(|(ends, hop)| seen[ends[0]..ends[1]].iter().map(move |&ix| (hop, ix)));
    let list: Vec<(u32, MemberIx)> = at_hops.filter(|(_, ix)| marks[ix.0 as usize] & SPHERES == 0).collect();
    match by_id_in_hops(view, &list, extent, budget) {
        (_, Extent { limit: Some(limit), .. }) => (Vec::new(), Extent::ended(limit, 1)),
        whole => whole,
    }
}

/// How many members are looked at between two polls.
const PASSING_AT_ONCE: usize = 1_024;

/// Leaves the items whose members pass. Each that is looked at is work, and none is visited again.
pub fn keep_passing<T: Copy>(
    items: &mut Vec<T>,
    member: impl Fn(&T) -> MemberIx,
    passes: Passes<'_>,
    budget: &mut Budget<'_>,
) -> Result<(), Limit> {
    let mut kept = Vec::new();
    for some in items.chunks(PASSING_AT_ONCE) {
        budget.pass(some.len() as u64)?;
        kept.extend(some.iter().filter(|item| passes(member(item))));
    }
    *items = kept;
    Ok(())
}

/// Marks all within `max_hops` with the searches that arrive at them, and returns where each hop's members end among those seen.
fn search(
    view: &View<'_>,
    of: MemberIx,
    max_hops: u32,
    scratch: &mut Scratch,
    budget: &mut Budget<'_>,
) -> (Vec<usize>, Extent) {
    let Scratch { marks, seen: [seen, _], arriving, .. } = scratch;
    marks[of.0 as usize] = ALL;
    seen.push(of);
    arriving.clear();
    arriving.push((of, ALL));
    let mut ends = vec![1];
    let mut extent = Extent::complete(max_hops);
    for hop in 0..max_hops {
        if arriving.is_empty() {
            break;
        }
        let begin = arriving.len();
        if let Err(limit) = budget.whole(|budget| step(view, arriving, marks, seen, budget)) {
            extent = Extent::ended(limit, hop);
            break;
        }
        arriving.drain(..begin);
        if seen.len() > ends[ends.len() - 1] {
            ends.push(seen.len());
        }
    }
    (ends, extent)
}

/// Takes one hop from all that arrived with the last one, and appends those that arrive now.
fn step(
    view: &View<'_>,
    arriving: &mut Vec<(MemberIx, u8)>,
    marks: &mut [u8],
    seen: &mut Vec<MemberIx>,
    budget: &mut Budget<'_>,
) -> Result<(), Limit> {
    let begin = arriving.len();
    view.prepare(budget)?;
    view.foresee_steps(arriving.iter().map(|(member, _)| member), budget)?;
    for at in 0..begin {
        view.fetch(at, arriving[at..begin].iter().map(|(member, _)| *member));
        let (member, searches) = arriving[at];
        view.for_each_step(member, Direction::Backward, budget, |neighbor, sphere| {
            let mark = &mut marks[neighbor.0 as usize];
            let new = searches & (sphere | ANY) & !*mark;
            if new == 0 {
                return;
            }
            if *mark == 0 {
                seen.push(neighbor);
            }
            if *mark >> NEXT == 0 {
                arriving.push((neighbor, 0));
            }
            *mark |= new | new << NEXT;
        })?;
    }
    for (member, searches) in &mut arriving[begin..] {
        let mark = &mut marks[member.0 as usize];
        *searches = *mark >> NEXT;
        *mark &= ALL;
    }
    Ok(())
}

impl SphereSplit {
    /// Counts members by the searches that arrived at them.
    fn of(members: &[MemberIx], marks: &[u8]) -> SphereSplit {
        let mut by = [0; SPHERES as usize + 1];
        members.iter().for_each(|member| by[usize::from(marks[member.0 as usize] & SPHERES)] += 1);
        let alone = |sphere: Sphere| {
            let bit = Sphere::ALL.iter().position(|known| *known == sphere).unwrap_or(0);
            by.iter().enumerate().filter(|(spheres, _)| spheres >> bit & 1 == 1).map(|(_, count)| count).sum()
        };
        SphereSplit {
            personal: alone(Sphere::Personal),
            professional: alone(Sphere::Professional),
            public: alone(Sphere::Public),
            crossing: by[0],
        }
    }
}

/// Lists who can see `of` within `max_hops`, by hop, then id. A limit leaves whole hops only.
pub fn reach_list(
    view: &View<'_>,
    of: MemberIx,
    max_hops: u32,
    budget: &mut Budget<'_>,
) -> (Vec<(u32, MemberIx)>, Extent) {
    let (members, extent) = members_within(view, of, Direction::Backward, max_hops, budget);
    let list: Vec<(u32, MemberIx)> = members.iter().map(|(member, hop)| (hop, member)).collect();
    by_id_in_hops(view, &list, extent, budget)
}

/// Sorts members, which come in the order of their hops, by id within each hop. A limit leaves whole hops only.
pub(super) fn by_id_in_hops(
    view: &View<'_>,
    list: &[(u32, MemberIx)],
    extent: Extent,
    budget: &mut Budget<'_>,
) -> (Vec<(u32, MemberIx)>, Extent) {
    let graph = view.graph();
    let mut ordered = Vec::with_capacity(list.len());
    // A limit that has ended the search must not be met again: what was found is returned.
    let unlimited = &mut Budget::unlimited();
    let budget = if extent.is_complete() { budget } else { unlimited };
    for at_hop in list.chunk_by(|a, b| a.0 == b.0) {
        let (hop, mut named) = (at_hop[0].0, Vec::with_capacity(at_hop.len()));
        // Most comparisons end within the first letters, so these are kept beside the member.
        named.extend(at_hop.iter().map(|&(_, member)| (id_prefix(graph.id(member).as_str()), member)));
        let is_before = |a: &(IdPrefix, MemberIx), b: &(IdPrefix, MemberIx)| {
            a.0.cmp(&b.0).then_with(|| graph.id(a.1).cmp(graph.id(b.1))).is_lt()
        };
        match sorted(&named, budget, is_before) {
            Ok(named) => ordered.extend(named.into_iter().map(|(_, member)| (hop, member))),
            Err(limit) => return (ordered, extent.and(Extent::ended(limit, hop - 1))),
        }
    }
    (ordered, extent)
}
