//! The k best loopless paths within a bound on hops.
//!
//! This is Lawler's form (1972) of Yen's algorithm (1971). The paths not yet listed are split into subspaces: each holds the paths that
//! begin with a prefix and then step to none of some members. The best path of the best subspace is listed next, and its subspace is split
//! at each of its members. Steps are weighted so that the least weight is the best rank and a loop always costs something; the least walk
//! of a subspace is therefore a loopless path.
//!
//! One table, searched from both ends, bounds every subspace from below. Where the table's own best walk avoids the prefix it is the
//! answer; only otherwise is the subspace searched, guided by the table.
//!
//! With a bound on the cost, walks that no path within the bound can go on from are neither tabled nor searched. What the table says of
//! other members may then be too much, but never where a path within the bound passes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use super::budget::{Budget, Limit};
use super::half_edge::{Direction, MemberIx};
use super::path::{Path, Ranking};
use super::path_bound::{Bound, Weight};
use super::small_hash::{SmallHasher, SmallMap};
use super::strength::ChainCost;
use super::view::View;
use crate::domain::MemberId;
use crate::domain::limits::HOPS_MAX;

const NO_WALK: Weight = Weight::MAX;
const COST_BITS: u32 = 44;
const HOP_BITS: u32 = 3;

/// The least weight of a walk to the target within 1, 2, … hops.
type Row = [Weight; HOPS_MAX as usize];

/// The members one step forward, each with the step's weight, in index order.
type Links = Rc<[(MemberIx, Weight)]>;

pub(super) struct PathSearch<'v, 'g> {
    view: &'v View<'g>,
    from: MemberIx,
    to: MemberIx,
    hops_max: u32,
    ranking: Ranking,
    bound: Option<Bound>,
    /// The table has only members that some walk within the bound may pass, and never `from` or `to`.
    table: SmallMap<MemberIx, Row>,
    links: SmallMap<MemberIx, Links>,
}

/// The paths that begin with `prefix` and do not step on to any of `forbidden`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Subspace {
    prefix: Vec<MemberIx>,
    prefix_weight: Weight,
    forbidden: Vec<MemberIx>,
}

/// What is known of a subspace's best path. Where weights are equal a bound comes first, because it may hide a path of smaller ids.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Best {
    AtLeast,
    Is(Vec<MemberId>, Vec<MemberIx>),
}

impl<'v, 'g> PathSearch<'v, 'g> {
    pub fn new(view: &'v View<'g>, from: MemberIx, to: MemberIx, hops_max: u32, ranking: Ranking) -> Self {
        let table = SmallMap::with_hasher(SmallHasher);
        let links = SmallMap::with_hasher(SmallHasher);
        PathSearch { view, from, to, hops_max, ranking, bound: None, table, links }
    }

    /// Returns the best `k` paths within the bound on hops, the best first.
    pub fn best(&mut self, k: usize, budget: &mut Budget<'_>) -> Result<Vec<Path>, Limit> {
        self.fill_table(budget)?;
        let mut queue = BinaryHeap::new();
        let whole = Subspace { prefix: vec![self.from], prefix_weight: 0, forbidden: Vec::new() };
        self.push_bound(&mut queue, whole, budget)?;
        let mut listed = Vec::new();
        while listed.len() < k
            && let Some(Reverse((weight, best, subspace))) = queue.pop()
        {
            match best {
                Best::AtLeast => {
                    if let Some((weight, members)) = self.resolve(&subspace, weight, budget)? {
                        let ids = members.iter().map(|&m| self.view.graph().id(m).clone()).collect();
                        queue.push(Reverse((weight, Best::Is(ids, members), subspace)));
                    }
                }
                Best::Is(_, members) => {
                    self.split(&mut queue, subspace, &members, budget)?;
                    listed.push(Path { cost: self.chain_cost(weight), members });
                }
            }
        }
        Ok(listed)
    }

    /// Returns for each first step, but the one straight to `to`, the best path that takes it, in index order of the step.
    pub fn best_by_first_step(&mut self, budget: &mut Budget<'_>) -> Result<Vec<Path>, Limit> {
        self.fill_table(budget)?;
        let mut paths = Vec::new();
        for &(first, step) in self.links(self.from, budget)?.iter() {
            let bound = self.bound_through(first, step, self.hops_max);
            if first == self.to || bound == NO_WALK {
                continue;
            }
            let subspace = Subspace { prefix: vec![self.from, first], prefix_weight: step, forbidden: Vec::new() };
            if let Some((weight, members)) = self.resolve(&subspace, bound, budget)? {
                paths.push(Path { cost: self.chain_cost(weight), members });
            }
        }
        Ok(paths)
    }

    /// Leaves out, from here on, whatever costs more than `cost`. It applies to the ranking by strength, where no path has fewer than
    /// `hops_min` hops. `ends` is what `least_step_costs` returns.
    pub fn leave_out_above(&mut self, cost: ChainCost, hops_min: u32, ends: [ChainCost; 2]) {
        // The bound is the weight of a path of this cost and of the most hops.
        let weight = (cost.0 + ChainCost::HAND_OVER.0) << HOP_BITS | Weight::from(self.hops_max);
        let ends = ends.map(|end| self.step_weight(end));
        self.bound = Some(Bound::new(weight, hops_min, self.step_weight(ChainCost(0)), ends));
        self.table.clear();
    }

    /// Returns whether there may be paths that were left out.
    pub fn left_out(&self) -> bool {
        self.bound.as_ref().is_some_and(|bound| bound.has_passed)
    }

    fn within(&mut self, is_within: impl FnOnce(&mut Bound) -> bool) -> bool {
        self.bound.as_mut().is_none_or(is_within)
    }

    /// Takes the bound on the cost back.
    pub fn leave_out_nothing(&mut self) {
        self.bound = None;
        self.table.clear();
    }

    // Weights.

    fn step_weight(&self, pair: ChainCost) -> Weight {
        let cost = pair.0 + ChainCost::HAND_OVER.0;
        match self.ranking {
            Ranking::Hops => (1 << COST_BITS) | cost,
            Ranking::Strength => (cost << HOP_BITS) | 1,
        }
    }

    /// A chain hands over once less than it has steps.
    fn chain_cost(&self, weight: Weight) -> ChainCost {
        let cost = match self.ranking {
            Ranking::Hops => weight & ((1 << COST_BITS) - 1),
            Ranking::Strength => weight >> HOP_BITS,
        };
        ChainCost(cost - ChainCost::HAND_OVER.0)
    }

    /// Returns the steps forward from a member. They are charged each time they are gone through.
    fn links(&mut self, member: MemberIx, budget: &mut Budget<'_>) -> Result<Links, Limit> {
        if let Some(links) = self.links.get(&member) {
            budget.visit(links.len() as u64)?;
            return Ok(links.clone());
        }
        let mut links = Vec::new();
        self.view.for_each_pair(member, Direction::Forward, budget, |next, strength| links.push((next, strength)))?;
        let links = links.into_iter().map(|(next, strength)| (next, self.step_weight(ChainCost::of_pair(strength))));
        let links: Links = links.collect();
        self.links.insert(member, links.clone());
        Ok(links)
    }

    // The table.

    /// Searches backwards from `to` for half of the hops, or of the weight that is the bound, and then forwards to meet it: the members
    /// near `from` look one step ahead.
    fn fill_table(&mut self, budget: &mut Budget<'_>) -> Result<(), Limit> {
        self.view.prepare(budget)?;
        let back = if self.bound.is_some() { self.hops_max - 1 } else { self.hops_max / 2 };
        let ahead = if self.bound.is_some() { self.hops_max - 1 } else { self.hops_max - back - 1 };
        let mut improved = vec![(self.to, 0)];
        for hops in 1..=back {
            improved = self.relax_backwards(&improved, hops, budget)?;
        }
        let layers = self.layers_ahead(ahead, budget)?;
        for hops in self.hops_max - ahead..self.hops_max {
            // Only prefixes of so many hops leave this many.
            for member in layers[..(self.hops_max - hops) as usize].iter().flatten() {
                self.look_ahead(*member, hops, budget)?;
            }
        }
        Ok(())
    }

    /// Offers each walk of `improved` to everyone who can step on to it, and returns those whose walk of `hops` hops is better than any
    /// shorter one.
    fn relax_backwards(
        &mut self,
        improved: &[(MemberIx, Weight)],
        hops: u32,
        budget: &mut Budget<'_>,
    ) -> Result<Vec<(MemberIx, Weight)>, Limit> {
        let mut better = super::view::member_set();
        let mut steps = Vec::new();
        for &(next, onwards) in improved {
            if !self.within(|bound| bound.may_go_on(onwards, Bound::BACK)) {
                continue;
            }
            steps.clear();
            self.view.for_each_pair(next, Direction::Backward, budget, |m, strength| steps.push((m, strength)))?;
            for &(member, strength) in &steps {
                if member != self.from && member != self.to {
                    let weight = self.step_weight(ChainCost::of_pair(strength)) + onwards;
                    if self.within(|bound| bound.may_count(weight, hops, Bound::BACK))
                        && self.lower(member, hops, weight)
                    {
                        better.insert(member);
                    }
                }
            }
        }
        let at = hops as usize - 1;
        Ok(better.into_iter().map(|member| (member, self.table[&member][at])).collect())
    }

    /// Notes a walk of `hops` hops, if it is better than what is known within as many.
    fn lower(&mut self, member: MemberIx, hops: u32, weight: Weight) -> bool {
        let row = self.table.entry(member).or_insert([NO_WALK; HOPS_MAX as usize]);
        let at = hops as usize - 1;
        let lowered = weight < row[at];
        for known in &mut row[at..] {
            *known = (*known).min(weight);
        }
        lowered
    }

    /// Returns the members at 1, 2, … hops forward, not through `to`.
    fn layers_ahead(&mut self, hops: u32, budget: &mut Budget<'_>) -> Result<Vec<Vec<MemberIx>>, Limit> {
        let mut known: SmallMap<MemberIx, Weight> = SmallMap::with_hasher(SmallHasher);
        let mut layers: Vec<Vec<MemberIx>> = Vec::new();
        let mut frontier = vec![(self.from, 0)];
        for hop in 1..=hops {
            let mut new = Vec::new();
            let mut better = super::view::member_set();
            for (member, walked) in frontier {
                if !self.within(|bound| bound.may_go_on(walked, Bound::AHEAD)) {
                    continue;
                }
                for &(ahead, step) in self.links(member, budget)?.iter() {
                    let weight = walked + step;
                    if [self.from, self.to].contains(&ahead)
                        || !self.within(|bound| bound.may_count(weight, hop, Bound::AHEAD))
                    {
                        continue;
                    }
                    match known.entry(ahead) {
                        Entry::Vacant(entry) => {
                            entry.insert(weight);
                            new.push(ahead);
                            better.insert(ahead);
                        }
                        // A walk of less weight than a shorter one may leave more within the bound.
                        Entry::Occupied(mut entry) if self.bound.is_some() && weight < *entry.get() => {
                            entry.insert(weight);
                            better.insert(ahead);
                        }
                        Entry::Occupied(_) => {}
                    }
                }
            }
            frontier = better.into_iter().map(|member| (member, known[&member])).collect();
            layers.push(new);
        }
        Ok(layers)
    }

    fn look_ahead(&mut self, member: MemberIx, hops: u32, budget: &mut Budget<'_>) -> Result<(), Limit> {
        let links = self.links(member, budget)?;
        let least = links.iter().map(|&(next, weight)| self.bound_through(next, weight, hops)).min();
        if let Some(weight) = least.filter(|&weight| weight != NO_WALK) {
            self.lower(member, hops, weight);
        }
        Ok(())
    }

    /// Returns the least weight of a walk that steps to `next` and goes on from there, of `hops` hops in all at most.
    fn bound_through(&self, next: MemberIx, step: Weight, hops: u32) -> Weight {
        if next == self.to {
            return step;
        }
        match self.table.get(&next) {
            Some(row) if hops > 1 => row[hops as usize - 2].saturating_add(step),
            _ => NO_WALK,
        }
    }

    // Subspaces.

    fn hops_left(&self, prefix: &[MemberIx]) -> u32 {
        self.hops_max + 1 - prefix.len() as u32
    }

    fn push_bound(&mut self, queue: &mut Queue, subspace: Subspace, budget: &mut Budget<'_>) -> Result<(), Limit> {
        let hops = self.hops_left(&subspace.prefix);
        let links = self.links(subspace.last(), budget)?;
        let steps = links.iter().filter(|(next, _)| subspace.allows(*next));
        let least = steps.map(|&(next, weight)| self.bound_through(next, weight, hops)).min();
        let least = least.filter(|&weight| weight != NO_WALK).map(|weight| subspace.prefix_weight + weight);
        if let Some(weight) = least.filter(|&weight| self.within(|bound| bound.admits(weight))) {
            queue.push(Reverse((weight, Best::AtLeast, subspace)));
        }
        Ok(())
    }

    /// Splits a subspace whose best path was listed into those of the paths that leave it at each of its members.
    fn split(
        &mut self,
        queue: &mut Queue,
        subspace: Subspace,
        listed: &[MemberIx],
        budget: &mut Budget<'_>,
    ) -> Result<(), Limit> {
        let first = subspace.prefix.len() - 1;
        let mut prefix_weight = subspace.prefix_weight;
        let mut forbidden = subspace.forbidden;
        for at in first..listed.len() - 1 {
            let next = listed[at + 1];
            forbidden.push(next);
            let prefix = listed[..=at].to_vec();
            self.push_bound(queue, Subspace { prefix, prefix_weight, forbidden }, budget)?;
            let links = self.links(listed[at], budget)?;
            let taken = links.binary_search_by_key(&next, |link| link.0).expect("a listed path walks along links");
            prefix_weight += links[taken].1;
            forbidden = Vec::new();
        }
        Ok(())
    }

    /// Finds the best path of a subspace whose bound is known: the one of least weight, then of the least ids.
    fn resolve(
        &mut self,
        subspace: &Subspace,
        bound: Weight,
        budget: &mut Budget<'_>,
    ) -> Result<Option<(Weight, Vec<MemberIx>)>, Limit> {
        let onwards = bound - subspace.prefix_weight;
        if let Some(members) = self.follow_table(subspace, onwards, budget)? {
            return Ok(Some((bound, members)));
        }
        let mut known = SmallMap::with_hasher(SmallHasher);
        let hops = self.hops_left(&subspace.prefix);
        let least = self.least_avoiding(subspace, subspace.last(), hops, &mut known, budget)?;
        let weight = subspace.prefix_weight.saturating_add(least);
        if least == NO_WALK || !self.within(|bound| bound.admits(weight)) {
            return Ok(None);
        }
        let mut members = subspace.prefix.clone();
        let mut left = least;
        while *members.last().expect("a prefix is not empty") != self.to {
            let hops = self.hops_left(&members);
            let member = *members.last().expect("a prefix is not empty");
            let mut ties = Vec::new();
            for &(next, step) in self.links(member, budget)?.iter() {
                if self.may_step(subspace, member, next)
                    && self.bound_through(next, step, hops) <= left
                    && self.onwards_avoiding(subspace, next, step, hops, &mut known, budget)? == left
                {
                    ties.push((next, step));
                }
            }
            left -= self.take_least_id(&mut members, &ties);
        }
        Ok(Some((weight, members)))
    }

    /// Follows the table's best walk of the least ids, unless it meets the prefix.
    fn follow_table(
        &mut self,
        subspace: &Subspace,
        onwards: Weight,
        budget: &mut Budget<'_>,
    ) -> Result<Option<Vec<MemberIx>>, Limit> {
        let mut members = subspace.prefix.clone();
        let mut left = onwards;
        while left > 0 {
            let hops = self.hops_left(&members);
            let member = *members.last().expect("a prefix is not empty");
            let first = members.len() == subspace.prefix.len();
            let links = self.links(member, budget)?;
            let best = links.iter().copied().filter(|&(next, step)| {
                (!first || subspace.allows(next)) && self.bound_through(next, step, hops) == left
            });
            let ties: Vec<_> = best.collect();
            left -= self.take_least_id(&mut members, &ties);
            let taken = members.last().expect("a step was taken");
            if subspace.prefix.contains(taken) {
                return Ok(None);
            }
        }
        Ok(Some(members))
    }

    /// Steps on to the member of the least id among equally good ones, and returns the step's weight.
    fn take_least_id(&self, members: &mut Vec<MemberIx>, ties: &[(MemberIx, Weight)]) -> Weight {
        let graph = self.view.graph();
        let taken = ties.iter().min_by(|a, b| graph.id(a.0).cmp(graph.id(b.0)));
        let &(next, step) = taken.expect("a walk of the weight known has a next step");
        members.push(next);
        step
    }

    fn may_step(&self, subspace: &Subspace, member: MemberIx, next: MemberIx) -> bool {
        !subspace.prefix.contains(&next) && (member != subspace.last() || !subspace.forbidden.contains(&next))
    }

    /// Returns the least weight of a walk from `member` within `hops` hops that meets no member of the prefix. It is a depth-first search
    /// that tries the most promising steps first and remembers what it found.
    fn least_avoiding(
        &mut self,
        subspace: &Subspace,
        member: MemberIx,
        hops: u32,
        known: &mut SmallMap<(MemberIx, u32), Weight>,
        budget: &mut Budget<'_>,
    ) -> Result<Weight, Limit> {
        if let Some(&least) = known.get(&(member, hops)) {
            return Ok(least);
        }
        let links = self.links(member, budget)?;
        let allowed = links.iter().filter(|(next, _)| self.may_step(subspace, member, *next));
        let mut steps: Vec<_> =
            allowed.map(|&(next, step)| (self.bound_through(next, step, hops), next, step)).collect();
        steps.retain(|step| step.0 != NO_WALK);
        // Steps that promise as much are tried by id, because how many are looked into depends on the order.
        let id = |step: &(Weight, MemberIx, Weight)| self.view.graph().id(step.1);
        steps.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| id(a).cmp(id(b))));
        let mut least = NO_WALK;
        for (bound, next, step) in steps {
            if bound >= least {
                break;
            }
            least = least.min(self.onwards_avoiding(subspace, next, step, hops, known, budget)?);
        }
        known.insert((member, hops), least);
        Ok(least)
    }

    fn onwards_avoiding(
        &mut self,
        subspace: &Subspace,
        next: MemberIx,
        step: Weight,
        hops: u32,
        known: &mut SmallMap<(MemberIx, u32), Weight>,
        budget: &mut Budget<'_>,
    ) -> Result<Weight, Limit> {
        if next == self.to {
            return Ok(step);
        }
        Ok(self.least_avoiding(subspace, next, hops - 1, known, budget)?.saturating_add(step))
    }
}

type Queue = BinaryHeap<Reverse<(Weight, Best, Subspace)>>;

impl Subspace {
    fn last(&self) -> MemberIx {
        *self.prefix.last().expect("a prefix is not empty")
    }

    fn allows(&self, next: MemberIx) -> bool {
        !self.prefix.contains(&next) && !self.forbidden.contains(&next)
    }
}
