//! The walks of two and three steps that suggestions are scored by.

use super::budget::{Budget, Limit};
use super::half_edge::{Direction, MemberIx};
use super::scratch::Dense;
use super::view::View;
use crate::domain::MemberId;

/// λ: the weight of a walk of three steps beside one of two.
pub(super) const THREE_STEPS: f64 = 0.5;
/// The least sum of a member's strengths, so that a lone weak edge is not taken for all of somebody's attention.
const DEGREE_MIN: f64 = 0.25;
/// The unit in which strengths are summed, as integers: the sum is the same in whatever order it runs.
const UNITS: f64 = (1u64 << 32) as f64;
/// A list that is so many times as long as those that are looked for in it is not gone through: each is looked up.
const LOOKED_UP_FROM: u64 = 16;
/// The most walks of two steps that memory is reserved for before they are taken: 1 MiB of it.
const WALKS_RESERVED_MAX: usize = 1 << 16;

/// How many members the walks step on from, and how many steps they take there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breadth {
    /// The most steps from each member: the strongest ones, and of equally strong ones those to the ids that come first.
    pub steps_max: usize,
    /// The most members two steps away that walks step on from: those at which most arrives, and of equal ones those whose ids come first.
    pub middle_max: usize,
    /// The most half-edges that are looked through for second steps. Members with few half-edges go first, because a member hands on what
    /// arrives in as many parts as it has half-edges: hubs would take nearly all of the time, and bring next to nothing.
    pub second_edges_max: u64,
    /// The most half-edges that are looked through for third steps.
    pub third_edges_max: u64,
}

impl Breadth {
    /// All steps: K in full.
    pub const ALL: Breadth = Breadth {
        steps_max: usize::MAX,
        middle_max: usize::MAX,
        second_edges_max: u64::MAX,
        third_edges_max: u64::MAX,
    };
    /// Steps enough for the same answers nearly always, and bounded however many there are.
    pub const STRONGEST: Breadth =
        Breadth { steps_max: 200, middle_max: 100, second_edges_max: 1 << 14, third_edges_max: 1 << 13 };
}

/// The walks of two and three steps from one member.
pub struct Walk<'v, 'g> {
    pub(super) view: &'v View<'g>,
    pub(super) from: MemberIx,
    breadth: Breadth,
    /// Whether there were steps that were not taken.
    is_cut: bool,
    /// What arrives at every member that a walk arrives at, which is K of it if no walk was left out.
    sums: &'v mut Dense<f64>,
    /// Every member a walk arrives at, those of two steps first.
    arrived: Vec<MemberIx>,
    two_steps: usize,
    /// The first steps, by the ids of their members.
    pub(super) first: Vec<First>,
    /// Every member that is one step away, also by a step not taken, in index order, with its rank in `first`.
    joined: Vec<(MemberIx, Option<u32>)>,
    /// All walks of two steps, first step by first step.
    pub(super) walks: Vec<TwoSteps>,
    /// The members that walks of three steps step on from, the one at which least arrives first. It is empty before there are any.
    pub(super) middle: Vec<Middle>,
    /// The ranks of members in `middle`, in index order.
    middle_ranks: Vec<(MemberIx, u32)>,
}

/// A first step.
pub(super) struct First {
    pub member: MemberIx,
    /// The pair strength to the member, and D of it.
    pub strength: f64,
    pub degree: f64,
}

/// A walk of two steps.
#[derive(Clone, Copy)]
pub(super) struct TwoSteps {
    /// The rank of its first step.
    pub first: u32,
    pub to: MemberIx,
    /// The pair strength of its second step.
    pub strength: f64,
}

/// A member two steps away.
#[derive(Clone, Copy)]
pub(super) struct Middle {
    pub member: MemberIx,
    /// What arrives at it by walks of two steps.
    pub arriving: f64,
    pub degree: f64,
}

/// A step that a walk ends with.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastStep {
    pub from: MemberIx,
    /// Whether the walk's start is joined to `from`; and if it steps there, the rank of that first step.
    pub is_joined: bool,
    pub first: Option<u32>,
    /// The rank of `from` among those that walks of three steps step on from.
    pub middle: Option<u32>,
    pub strength: f64,
}

impl<'v, 'g> Walk<'v, 'g> {
    pub fn new(view: &'v View<'g>, from: MemberIx, breadth: Breadth, sums: &'v mut Dense<f64>) -> Walk<'v, 'g> {
        Walk {
            view,
            from,
            breadth,
            is_cut: false,
            sums,
            arrived: Vec::new(),
            two_steps: 0,
            first: Vec::new(),
            joined: Vec::new(),
            walks: Vec::new(),
            middle: Vec::new(),
            middle_ranks: Vec::new(),
        }
    }

    /// Returns whether there were steps that were not taken, so that what arrives is at most K.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Puts a member's steps forward into `steps`, and returns D of the member.
    fn steps(&self, member: MemberIx, steps: &mut Vec<(MemberIx, f64)>, budget: &mut Budget<'_>) -> Result<f64, Limit> {
        steps.clear();
        let mut units = 0u64;
        self.view.for_each_pair(member, Direction::Forward, budget, |other, strength| {
            units += (strength * UNITS) as u64;
            steps.push((other, strength));
        })?;
        Ok((units as f64 / UNITS).max(DEGREE_MIN))
    }

    /// Leaves the strongest steps.
    fn cut(&mut self, steps: &mut Vec<(MemberIx, f64)>) {
        let graph = self.view.graph();
        self.is_cut |= keep_greatest(steps, self.breadth.steps_max, |step| step.1, |step| graph.id(step.0));
    }

    /// Leaves the items whose members have the fewest half-edges: as many as may be looked through, and at least one. Of equal ones those
    /// whose ids come first stay. They are left in no particular order.
    fn leave_hubs_out<T: Copy>(&mut self, items: &mut Vec<T>, edges_max: u64, member: impl Fn(&T) -> MemberIx) {
        if edges_max == u64::MAX {
            return;
        }
        let graph = self.view.graph();
        let mut weighed: Vec<(u64, T)> = items.iter().map(|item| (self.view.degree(member(item)), *item)).collect();
        if weighed.iter().map(|(degree, _)| degree).sum::<u64>() <= edges_max {
            return;
        }
        weighed.sort_unstable_by_key(|(degree, item)| (*degree, graph.id(member(item))));
        let mut edges = 0;
        let within = weighed.iter().take_while(|(degree, _)| {
            edges += degree;
            edges <= edges_max
        });
        let left = within.count().max(1);
        self.is_cut |= left < items.len();
        items.clear();
        items.extend(weighed.into_iter().take(left).map(|(_, item)| item));
    }

    pub fn two_steps(&mut self, budget: &mut Budget<'_>) -> Result<(), Limit> {
        let (view, mut first, mut steps) = (self.view, Vec::new(), Vec::new());
        self.steps(self.from, &mut first, budget)?;
        let joined: Vec<MemberIx> = first.iter().map(|step| step.0).collect();
        self.cut(&mut first);
        self.leave_hubs_out(&mut first, self.breadth.second_edges_max, |step| step.0);
        view.foresee_steps(first.iter().map(|(member, _)| member), budget)?;
        // What arrives at a member is summed in the order of the first steps' ids.
        first.sort_by_cached_key(|step| view.graph().id(step.0));
        // The walks that memory is reserved for are bounded, because the budget may not allow all of them.
        let second = |step: &(MemberIx, f64)| (view.degree(step.0) as usize).min(self.breadth.steps_max);
        self.walks.reserve(first.iter().map(second).sum::<usize>().min(WALKS_RESERVED_MAX));
        for (member, strength) in first {
            let degree = self.steps(member, &mut steps, budget)?;
            self.cut(&mut steps);
            let first = self.first.len() as u32;
            self.first.push(First { member, strength, degree });
            for &(to, second) in steps.iter().filter(|step| step.0 != self.from) {
                let (sum, new) = self.sums.entry(to.0);
                *sum += strength * second / degree;
                if new {
                    self.arrived.push(to);
                }
                self.walks.push(TwoSteps { first, to, strength: second });
            }
        }
        self.two_steps = self.arrived.len();
        let mut ranks: Vec<(MemberIx, u32)> =
            self.first.iter().zip(0..).map(|(first, at)| (first.member, at)).collect();
        ranks.sort_unstable();
        self.joined = joined.into_iter().map(|member| (member, rank_of(&ranks, member))).collect();
        Ok(())
    }

    /// Takes the walks of three steps. On a limit the sums are those of walks of two steps alone.
    pub fn three_steps(&mut self, budget: &mut Budget<'_>) -> Result<(), Limit> {
        let (graph, arrived) = (self.view.graph(), self.arrived.iter());
        let sums = arrived.map(|&member| Middle { member, arriving: self.sums.get(member.0), degree: 0.0 });
        let mut middle: Vec<Middle> = sums.collect();
        let most = self.breadth.middle_max;
        let was_cut = self.is_cut;
        self.is_cut |= keep_greatest(&mut middle, most, |middle| middle.arriving, |middle| graph.id(middle.member));
        self.leave_hubs_out(&mut middle, self.breadth.third_edges_max, |middle| middle.member);
        // Members are sorted by what arrives, and by id only where as much does, because ids are far away in memory.
        middle.sort_unstable_by(|a, b| {
            let ids = || graph.id(a.member).cmp(graph.id(b.member));
            a.arriving.total_cmp(&b.arriving).then_with(ids)
        });
        let two_steps: Vec<f64> = self.arrived.iter().map(|member| self.sums.get(member.0)).collect();
        let stepped = self.step_on(&mut middle, budget);
        if stepped.is_err() {
            self.arrived.iter().zip(two_steps).for_each(|(member, sum)| *self.sums.entry(member.0).0 = sum);
            self.arrived.truncate(self.two_steps);
            self.is_cut = was_cut;
            return stepped;
        }
        self.middle_ranks = middle.iter().zip(0..).map(|(middle, at)| (middle.member, at)).collect();
        self.middle_ranks.sort_unstable();
        self.middle = middle;
        Ok(())
    }

    fn step_on(&mut self, middle: &mut [Middle], budget: &mut Budget<'_>) -> Result<(), Limit> {
        self.view.foresee_steps(middle.iter().map(|middle| &middle.member), budget)?;
        let mut steps = Vec::new();
        for middle in middle {
            middle.degree = self.steps(middle.member, &mut steps, budget)?;
            self.cut(&mut steps);
            let arriving = middle.hands_on();
            for &(to, strength) in &steps {
                let (sum, new) = self.sums.entry(to.0);
                *sum += arriving * strength;
                if new {
                    self.arrived.push(to);
                }
            }
        }
        Ok(())
    }

    /// Returns every member a walk arrives at, with what arrives and its hops.
    pub fn arrived(&self) -> impl Iterator<Item = (MemberIx, f64, u32)> {
        let hops = |at| if at < self.two_steps { 2 } else { 3 };
        self.arrived.iter().enumerate().map(move |(at, &member)| (member, self.sums.get(member.0), hops(at)))
    }

    /// Returns how many members walks arrive at.
    pub fn arrived_count(&self) -> usize {
        self.arrived.len()
    }

    /// Returns how many of the walks of two steps arrive at a member.
    pub fn arriving_in_two(&self, member: MemberIx) -> u32 {
        self.walks.iter().filter(|walk| walk.to == member).count() as u32
    }

    pub fn arrives_at(&self, member: MemberIx) -> bool {
        self.sums.has(member.0)
    }

    /// Returns whether every walk was of two steps and none was left out.
    pub(super) fn is_of_two_steps(&self) -> bool {
        !self.is_cut && self.middle.is_empty()
    }

    /// Returns the last steps of all walks to each of these members, if every walk was of two steps and none was left out, so that nothing
    /// new has to be looked at.
    pub(super) fn last_of_two_steps(&self, members: impl Iterator<Item = MemberIx>) -> Option<Vec<Vec<LastStep>>> {
        if !self.is_of_two_steps() {
            return None;
        }
        let mut order: Vec<(MemberIx, usize)> = members.zip(0..).collect();
        order.sort_unstable();
        let mut last: Vec<Vec<LastStep>> = order.iter().map(|_| Vec::new()).collect();
        // Most walks arrive at none of these members, and a bit for each of 64 sorts of members says so of most of them.
        let sorts = order.iter().fold(0u64, |sorts, (member, _)| sorts | 1 << (member.0 % 64));
        for walk in self.walks.iter().filter(|walk| sorts >> (walk.to.0 % 64) & 1 == 1) {
            if let Ok(at) = order.binary_search_by_key(&walk.to, |known| known.0) {
                let (from, first) = (self.first[walk.first as usize].member, Some(walk.first));
                let step = LastStep { from, is_joined: true, first, middle: None, strength: walk.strength };
                last[order[at].1].push(step);
            }
        }
        Some(last)
    }

    /// Returns the last steps to a member from all whom the walks step to, in no particular order. None of them is cut.
    pub(super) fn last_steps(&self, member: MemberIx, budget: &mut Budget<'_>) -> Result<Vec<LastStep>, Limit> {
        let mut last = Vec::new();
        let ranks = |from: MemberIx| {
            let joined = self.joined.binary_search_by_key(&from, |joined| joined.0).ok();
            (joined.map(|at| self.joined[at].1), rank_of(&self.middle_ranks, from))
        };
        let mut add = |from: MemberIx, strength: f64| {
            let (joined, middle) = ranks(from);
            let step = LastStep { from, is_joined: joined.is_some(), first: joined.flatten(), middle, strength };
            last.push(step);
        };
        let sought = (self.joined.len() + self.middle.len()) as u64;
        if self.view.degree(member) > LOOKED_UP_FROM * sought {
            budget.visit(sought)?;
            let joined = self.joined.iter().map(|joined| joined.0);
            let others = self.middle_ranks.iter().map(|middle| middle.0).filter(|&member| ranks(member).0.is_none());
            for from in joined.chain(others) {
                if let Some(strength) = self.view.pair(from, member) {
                    add(from, strength);
                }
            }
            return Ok(last);
        }
        let wanted = |from: MemberIx| ranks(from) != (None, None);
        self.view.for_each_pair_with(member, Direction::Backward, budget, wanted, add)?;
        Ok(last)
    }

    /// Returns what arrives at a member by its last steps, which is K of it without the walks to where they begin that were not taken.
    ///
    /// The sum runs in the order of `two_steps` and `three_steps`.
    pub(super) fn arriving(&self, last: &[LastStep]) -> f64 {
        let direct = |step: &LastStep| {
            let first = &self.first[step.first? as usize];
            Some((step.first?, first.strength * step.strength / first.degree))
        };
        let handed_on = |step: &LastStep| {
            let middle = &self.middle[step.middle? as usize];
            Some((step.middle?, middle.hands_on() * step.strength))
        };
        let mut two: Vec<(u32, f64)> = last.iter().filter_map(direct).collect();
        let mut three: Vec<(u32, f64)> = last.iter().filter_map(handed_on).collect();
        two.sort_unstable_by_key(|part| part.0);
        three.sort_unstable_by_key(|part| part.0);
        two.iter().chain(&three).fold(0.0, |sum, part| sum + part.1)
    }
}

impl Middle {
    /// Returns what goes on from this member by a step of strength 1.
    pub fn hands_on(&self) -> f64 {
        THREE_STEPS * self.arriving / self.degree
    }
}

/// Returns a member's rank, given ranks sorted by member.
fn rank_of(ranks: &[(MemberIx, u32)], member: MemberIx) -> Option<u32> {
    ranks.binary_search_by_key(&member, |known| known.0).ok().map(|at| ranks[at].1)
}

/// Leaves so many of the greatest items, and returns whether any had to go. Of equal ones those whose ids come first stay.
fn keep_greatest<'i, T: Copy>(
    items: &mut Vec<T>,
    most: usize,
    value: impl Fn(&T) -> f64,
    id: impl Fn(&T) -> &'i MemberId,
) -> bool {
    if items.len() <= most {
        return false;
    }
    let Some(last) = most.checked_sub(1) else {
        items.clear();
        return true;
    };
    // Items are selected by value alone, because ids are far away in memory.
    items.select_nth_unstable_by(last, |a, b| value(b).total_cmp(&value(a)));
    let least = value(&items[last]);
    let mut equal: Vec<(&MemberId, T)> =
        items.iter().filter(|item| value(item) == least).map(|item| (id(item), *item)).collect();
    items.retain(|item| value(item) > least);
    let left = most - items.len();
    if equal.len() > left {
        equal.select_nth_unstable_by(left - 1, |a, b| a.0.cmp(b.0));
        equal.truncate(left);
    }
    items.extend(equal.into_iter().map(|(_, item)| item));
    true
}
