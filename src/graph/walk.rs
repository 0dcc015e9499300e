//! The walks of two and three steps that suggestions are scored by, and those that make up a score.

use super::budget::{Budget, Limit};
use super::half_edge::{Direction, MemberIx};
use super::scratch::Dense;
use super::suggest::Because;
use super::view::View;

/// λ: what a walk of three steps counts beside one of two.
const THREE_STEPS: f64 = 0.5;
/// The least a member's strengths count together, so that a lone weak tie is not taken for all of somebody's attention.
const DEGREE_MIN: f64 = 0.25;
/// Of a strength, when strengths are summed: however many there are, and in whatever order, the sum is the same.
const UNITS: f64 = (1u64 << 32) as f64;
/// Chains that are named as reasons of one suggestion.
const REASONS_MAX: usize = 10;

/// The walks of two and three steps from one member.
pub struct Walk<'v, 'g> {
    view: &'v View<'g>,
    from: MemberIx,
    /// K of every member a walk arrives at.
    sums: &'v mut Dense<f64>,
    /// Every member a walk arrives at, those of two steps first.
    arrived: Vec<MemberIx>,
    two_steps: usize,
    first: Vec<First>,
    /// All walks of two steps, first step by first step.
    walks: Vec<TwoSteps>,
    /// The members that walks of three steps step on from, by index; none before there are any.
    middle: Vec<Middle>,
}

/// A first step.
struct First {
    member: MemberIx,
    /// Pair strength to it, and D of it.
    strength: f64,
    degree: f64,
}

/// A walk of two steps.
#[derive(Clone, Copy)]
struct TwoSteps {
    /// Which of the first steps it takes.
    first: u32,
    to: MemberIx,
    /// Pair strength of the second step.
    strength: f64,
}

/// A member two steps away.
struct Middle {
    member: MemberIx,
    /// What arrives by walks of two steps.
    arriving: f64,
    degree: f64,
}

/// A chain, and its part of K.
type Part = (f64, Vec<MemberIx>);

/// How many walks of two steps arrive at a member, and the chains that make up most of its K.
pub type Reasons = (u32, Vec<Because>);

impl<'v, 'g> Walk<'v, 'g> {
    pub fn new(view: &'v View<'g>, from: MemberIx, sums: &'v mut Dense<f64>) -> Walk<'v, 'g> {
        let (arrived, first, walks, middle) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Walk { view, from, sums, arrived, two_steps: 0, first, walks, middle }
    }

    /// A member's steps forward into `steps`; D of it is given.
    fn steps(&self, member: MemberIx, steps: &mut Vec<(MemberIx, f64)>, budget: &mut Budget<'_>) -> Result<f64, Limit> {
        steps.clear();
        let mut units = 0u64;
        self.view.for_each_pair(member, Direction::Forward, budget, |other, strength| {
            units += (strength * UNITS) as u64;
            steps.push((other, strength));
        })?;
        Ok((units as f64 / UNITS).max(DEGREE_MIN))
    }

    pub fn two_steps(&mut self, budget: &mut Budget<'_>) -> Result<(), Limit> {
        let (view, mut first, mut steps) = (self.view, Vec::new(), Vec::new());
        self.steps(self.from, &mut first, budget)?;
        // What arrives at a member is summed in the order of the first steps' ids.
        first.sort_by_cached_key(|step| view.graph().id(step.0));
        for (member, strength) in first {
            let degree = self.steps(member, &mut steps, budget)?;
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
        Ok(())
    }

    /// On a limit the sums are of walks of two steps alone.
    pub fn three_steps(&mut self, budget: &mut Budget<'_>) -> Result<(), Limit> {
        let (graph, arrived) = (self.view.graph(), self.arrived.iter());
        let sums = arrived.map(|&member| Middle { member, arriving: self.sums.get(member.0), degree: 0.0 });
        let mut middle: Vec<Middle> = sums.collect();
        // By what arrives, and by id where as much does: ids are seldom looked at.
        middle.sort_unstable_by(|a, b| {
            a.arriving.total_cmp(&b.arriving).then_with(|| graph.id(a.member).cmp(graph.id(b.member)))
        });
        let stepped = self.step_on(&mut middle, budget);
        if stepped.is_err() {
            middle.iter().for_each(|middle| *self.sums.entry(middle.member.0).0 = middle.arriving);
            self.arrived.truncate(self.two_steps);
        } else {
            middle.sort_unstable_by_key(|middle| middle.member);
            self.middle = middle;
        }
        stepped
    }

    fn step_on(&mut self, middle: &mut [Middle], budget: &mut Budget<'_>) -> Result<(), Limit> {
        let mut steps = Vec::new();
        for middle in middle {
            middle.degree = self.steps(middle.member, &mut steps, budget)?;
            let arriving = THREE_STEPS * middle.arriving / middle.degree;
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

    /// Every member a walk arrives at, with its K and hops.
    pub fn arrived(&self) -> impl Iterator<Item = (MemberIx, f64, u32)> {
        let hops = |at| if at < self.two_steps { 2 } else { 3 };
        self.arrived.iter().enumerate().map(move |(at, &member)| (member, self.sums.get(member.0), hops(at)))
    }

    pub fn arrives_at(&self, member: MemberIx) -> bool {
        self.sums.has(member.0)
    }

    /// For each of the members, the walks that arrive there. On a limit some have no chains, and the limit is told.
    pub fn reasons(&self, members: &[MemberIx], budget: &mut Budget<'_>) -> (Vec<Reasons>, Option<Limit>) {
        let mut order: Vec<(MemberIx, usize)> = members.iter().copied().zip(0..).collect();
        order.sort_unstable();
        let mut chains: Vec<Vec<Part>> = members.iter().map(|_| Vec::new()).collect();
        // Most walks arrive at none of them; a bit for each of 64 sorts of members tells of most that they do not.
        let sorts = members.iter().fold(0u64, |sorts, member| sorts | 1 << (member.0 % 64));
        for walk in self.walks.iter().filter(|walk| sorts >> (walk.to.0 % 64) & 1 == 1) {
            if let Ok(at) = order.binary_search_by_key(&walk.to, |known| known.0) {
                let First { member, strength, degree } = self.first[walk.first as usize];
                chains[order[at].1].push((strength * walk.strength / degree, vec![member]));
            }
        }
        let mutuals: Vec<u32> = chains.iter().map(|chains| chains.len() as u32).collect();
        let ended =
            if self.middle.is_empty() { None } else { self.add_three_steps(members, &mut chains, budget).err() };
        let reasons = mutuals.into_iter().zip(chains).map(|(mutuals, chains)| (mutuals, self.greatest(chains)));
        (reasons.collect(), ended)
    }

    /// Adds the chains of three steps, taken back from where they arrive. On a limit the members left have no chains at all.
    fn add_three_steps(
        &self,
        members: &[MemberIx],
        chains: &mut [Vec<Part>],
        budget: &mut Budget<'_>,
    ) -> Result<(), Limit> {
        let mut walks = self.walks.clone();
        walks.sort_unstable_by_key(|walk| (walk.to, walk.first));
        for (at, &member) in members.iter().enumerate() {
            let mut last_steps = Vec::new();
            let is_middle = |y: MemberIx| self.middle.binary_search_by_key(&y, |middle| middle.member).is_ok();
            let stepped =
                self.view.for_each_pair_with(member, Direction::Backward, budget, is_middle, |y, strength| {
                    last_steps.push((y, strength));
                });
            if let Err(limit) = stepped {
                chains[at..].iter_mut().for_each(Vec::clear);
                return Err(limit);
            }
            for (y, strength) in last_steps {
                let Ok(middle) = self.middle.binary_search_by_key(&y, |middle| middle.member) else { continue };
                let arriving = walks.partition_point(|walk| walk.to < y);
                for walk in walks[arriving..].iter().take_while(|walk| walk.to == y) {
                    let First { member: z, strength: to_z, degree } = self.first[walk.first as usize];
                    let degrees = degree * self.middle[middle].degree;
                    chains[at].push((THREE_STEPS * to_z * walk.strength * strength / degrees, vec![z, y]));
                }
            }
        }
        Ok(())
    }

    /// The greatest parts of K, as parts not yet divided by it.
    fn greatest(&self, mut chains: Vec<Part>) -> Vec<Because> {
        let graph = self.view.graph();
        let ids = |chain: &[MemberIx]| chain.iter().map(|&member| graph.id(member)).collect::<Vec<_>>();
        let greater_first = |a: &Part, b: &Part| b.0.total_cmp(&a.0).then_with(|| ids(&a.1).cmp(&ids(&b.1)));
        if chains.len() > REASONS_MAX {
            chains.select_nth_unstable_by(REASONS_MAX, greater_first);
            chains.truncate(REASONS_MAX);
        }
        chains.sort_unstable_by(greater_first);
        chains.into_iter().map(|(share, through)| Because { through, share }).collect()
    }
}
