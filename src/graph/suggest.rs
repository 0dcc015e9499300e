//! Suggestions: whom a member should meet, by the walks of two and three steps that lead there.
//!
//! `K(u,v) = Σ_z s(u,z)·s(z,v)/D(z) + λ·Σ_{z,y} s(u,z)·s(z,y)·s(y,v)/(D(z)·D(y))` with pair strengths `s`, `y ≠ u`, λ = ½ and
//! `D(z) = max(¼, Σ_y s(z,y))`: a random walk of two steps and a discounted one of three, kin to resource allocation
//! (Zhou, Lü, Zhang 2009) and the local path index (Lü, Jin, Zhou 2009). Every bit of a score is a chain that can be shown.
//!
//! Sums run in the order of ids, so that the same content gives the same bits after a restart.

use std::cmp::Ordering;

use super::budget::{Budget, Extent, Limit};
use super::distance::distances;
use super::half_edge::{Direction, MemberIx};
use super::small_hash::{SmallHasher, SmallMap, SmallSet};
use super::view::View;
use crate::domain::limits::HOPS_MAX;

/// λ: what a walk of three steps counts beside one of two.
const THREE_STEPS: f64 = 0.5;
/// The least a member's strengths count together, so that a lone weak tie is not taken for all of somebody's attention.
const DEGREE_MIN: f64 = 0.25;
/// Chains that are named as reasons of one suggestion.
const REASONS_MAX: usize = 10;

/// How well members match the topics asked for, each in (0, 1]. Only they are candidates.
pub type TopicEvidence = SmallMap<MemberIx, f64>;

pub struct SuggestQuery<'a> {
    pub topics: Option<&'a TopicEvidence>,
    /// Not to be suggested; still walked through.
    pub exclude: &'a SmallSet<MemberIx>,
    pub limit: usize,
    /// How long the walks are: 2 or 3 steps at most.
    pub max_steps: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    pub member: MemberIx,
    /// `K · (1 + topic match)`.
    pub score: f64,
    pub k: f64,
    pub topic_match: f64,
    /// Hops of the shortest path to it.
    pub hops: u32,
    /// Members one step from the one who asks and one step before it.
    pub mutuals: u32,
    /// The chains that make up most of `k`, the greatest share first; at most 10.
    pub because: Vec<Because>,
}

/// A chain that speaks for a suggestion.
#[derive(Debug, Clone, PartialEq)]
pub struct Because {
    /// One member both are joined to, or the two in between.
    pub through: Vec<MemberIx>,
    /// Its part of `k`, 0–1.
    pub share: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Suggestions {
    pub suggestions: Vec<Suggestion>,
    /// Exact through hop 2 on a limit: scored by walks of two steps alone. Through hop 1: nothing is given.
    pub extent: Extent,
}

/// The members to meet with the greatest scores; then by fewest hops, best topic match, and id.
pub fn suggest(view: &View<'_>, member: MemberIx, query: &SuggestQuery<'_>, budget: &mut Budget<'_>) -> Suggestions {
    let none = |limit, hop| Suggestions { suggestions: Vec::new(), extent: Extent::ended(limit, hop) };
    let mut walk = Walk::new(view, member);
    let not_suggested = match walk.not_suggested(query.exclude, budget) {
        Ok(set) => set,
        Err(limit) => return none(limit, 1),
    };
    if let Err(limit) = walk.two_steps(budget) {
        return none(limit, 1);
    }
    let mut extent = Extent::complete(2);
    if query.max_steps > 2 {
        let two_steps_alone = walk.scores.clone();
        extent = Extent::complete(HOPS_MAX);
        if let Err(limit) = walk.three_steps(budget) {
            walk.scores = two_steps_alone;
            extent = Extent::ended(limit, 2);
        }
    }
    let three_steps = extent.exact_through_hop > 2;
    let mut found = walk.candidates(query, &not_suggested);
    if three_steps && let Err(limit) = walk.add_distant_sharers(query, &not_suggested, &mut found, budget) {
        extent = Extent::ended(limit, 3);
    }
    found.sort_unstable_by(|a, b| better_first(view, a, b));
    found.truncate(query.limit);
    for suggestion in &mut found {
        match walk.because(suggestion, three_steps, budget) {
            Ok(because) => suggestion.because = because,
            // The scores stand; the rest of the reasons is missing.
            Err(limit) if extent.is_complete() => extent = Extent::ended(limit, 3),
            Err(_) => {}
        }
    }
    Suggestions { suggestions: found, extent }
}

fn better_first(view: &View<'_>, a: &Suggestion, b: &Suggestion) -> Ordering {
    let by_score = b.score.total_cmp(&a.score).then(a.hops.cmp(&b.hops));
    let by_match = by_score.then_with(|| b.topic_match.total_cmp(&a.topic_match));
    by_match.then_with(|| view.graph().id(a.member).cmp(view.graph().id(b.member)))
}

/// Steps forward with their pair strengths, in index order.
type Pairs = Vec<(MemberIx, f64)>;

/// The walks of two and three steps from one member.
struct Walk<'v, 'g> {
    view: &'v View<'g>,
    from: MemberIx,
    /// The first steps by id: `(z, s(u,z), D(z))`.
    first: Vec<(MemberIx, f64, f64)>,
    /// `Σ_z s(u,z)·s(z,y)/D(z)` for every `y` two steps away, `u` left out.
    arriving: SmallMap<MemberIx, f64>,
    /// D of every member whose steps were looked at.
    degrees: SmallMap<MemberIx, f64>,
    /// K of every member a walk arrives at, and how many walks of two steps do.
    scores: SmallMap<MemberIx, (f64, u32)>,
}

impl<'v, 'g> Walk<'v, 'g> {
    fn new(view: &'v View<'g>, from: MemberIx) -> Walk<'v, 'g> {
        let map = SmallMap::with_hasher(SmallHasher);
        let (arriving, degrees) = (map, SmallMap::with_hasher(SmallHasher));
        Walk { view, from, first: Vec::new(), arriving, degrees, scores: SmallMap::with_hasher(SmallHasher) }
    }

    /// The member itself, whom it is joined to in either direction, and who is not wanted.
    fn not_suggested(
        &self,
        exclude: &SmallSet<MemberIx>,
        budget: &mut Budget<'_>,
    ) -> Result<SmallSet<MemberIx>, Limit> {
        let mut set = exclude.clone();
        set.insert(self.from);
        for direction in [Direction::Forward, Direction::Backward] {
            self.view.for_each_step(self.from, direction, budget, |neighbor, _| {
                set.insert(neighbor);
            })?;
        }
        Ok(set)
    }

    fn sort_by_id(&self, members: &mut [MemberIx]) {
        members.sort_unstable_by(|&a, &b| self.view.graph().id(a).cmp(self.view.graph().id(b)));
    }

    fn pairs(&self, member: MemberIx, direction: Direction, budget: &mut Budget<'_>) -> Result<Pairs, Limit> {
        let mut pairs = Vec::new();
        self.view.for_each_pair(member, direction, budget, |other, strength| pairs.push((other, strength)))?;
        Ok(pairs)
    }

    /// A member's steps, and D: the sum runs in the order of ids.
    fn steps(&mut self, member: MemberIx, budget: &mut Budget<'_>) -> Result<(Pairs, f64), Limit> {
        let mut pairs = self.pairs(member, Direction::Forward, budget)?;
        let graph = self.view.graph();
        pairs.sort_unstable_by(|a, b| graph.id(a.0).cmp(graph.id(b.0)));
        let degree = pairs.iter().map(|pair| pair.1).sum::<f64>().max(DEGREE_MIN);
        self.degrees.insert(member, degree);
        Ok((pairs, degree))
    }

    fn two_steps(&mut self, budget: &mut Budget<'_>) -> Result<(), Limit> {
        let (first, _) = self.steps(self.from, budget)?;
        for (z, to_z) in first {
            let (steps, degree) = self.steps(z, budget)?;
            self.first.push((z, to_z, degree));
            for (y, strength) in steps {
                if y == self.from {
                    continue;
                }
                let part = to_z * strength / degree;
                *self.arriving.entry(y).or_insert(0.0) += part;
                let score = self.scores.entry(y).or_insert((0.0, 0));
                score.0 += part;
                score.1 += 1;
            }
        }
        Ok(())
    }

    fn three_steps(&mut self, budget: &mut Budget<'_>) -> Result<(), Limit> {
        let mut middle: Vec<MemberIx> = self.arriving.keys().copied().collect();
        self.sort_by_id(&mut middle);
        for y in middle {
            let (steps, degree) = self.steps(y, budget)?;
            let arriving = THREE_STEPS * self.arriving[&y] / degree;
            for (v, strength) in steps {
                self.scores.entry(v).or_insert((0.0, 0)).0 += arriving * strength;
            }
        }
        Ok(())
    }

    fn candidates(&self, query: &SuggestQuery<'_>, not_suggested: &SmallSet<MemberIx>) -> Vec<Suggestion> {
        let mut found = Vec::new();
        for (&member, &(k, mutuals)) in &self.scores {
            if not_suggested.contains(&member) {
                continue;
            }
            let topic_match = match query.topics {
                None => 0.0,
                Some(evidence) => match evidence.get(&member) {
                    Some(&topic_match) => topic_match,
                    None => continue,
                },
            };
            let hops = if mutuals > 0 { 2 } else { 3 };
            let score = k * (1.0 + topic_match);
            found.push(Suggestion { member, score, k, topic_match, hops, mutuals, because: Vec::new() });
        }
        found
    }

    /// Members on the topics that no walk of three steps arrives at, but that are within 6 hops: a member with few edges
    /// is still told of them.
    fn add_distant_sharers(
        &self,
        query: &SuggestQuery<'_>,
        not_suggested: &SmallSet<MemberIx>,
        found: &mut Vec<Suggestion>,
        budget: &mut Budget<'_>,
    ) -> Result<(), Limit> {
        let Some(evidence) = query.topics else { return Ok(()) };
        let distant = |member: &MemberIx| !self.scores.contains_key(member) && !not_suggested.contains(member);
        let sharers: Vec<MemberIx> = evidence.keys().copied().filter(distant).collect();
        if sharers.is_empty() {
            return Ok(());
        }
        let (hops, extent) = distances(self.view, self.from, &sharers, HOPS_MAX, budget);
        for (member, hops) in sharers.into_iter().zip(hops) {
            let Some(hops) = hops else { continue };
            let topic_match = evidence[&member];
            let (score, k, mutuals) = (0.0, 0.0, 0);
            found.push(Suggestion { member, score, k, topic_match, hops, mutuals, because: Vec::new() });
        }
        extent.limit.map_or(Ok(()), Err)
    }

    /// The chains that make up most of a score: its walks, taken back from where they arrive.
    fn because(
        &mut self,
        suggestion: &Suggestion,
        three_steps: bool,
        budget: &mut Budget<'_>,
    ) -> Result<Vec<Because>, Limit> {
        if suggestion.k == 0.0 {
            return Ok(Vec::new());
        }
        let first: SmallMap<MemberIx, (f64, f64)> = self.first.iter().map(|&(z, s, d)| (z, (s, d))).collect();
        let mut chains = Vec::new();
        for (y, to_v) in self.pairs(suggestion.member, Direction::Backward, budget)? {
            if let Some((to_y, degree)) = first.get(&y) {
                chains.push((to_y * to_v / degree, vec![y]));
            }
            if !three_steps || !self.arriving.contains_key(&y) {
                continue;
            }
            let degree_y = self.degrees[&y];
            for (z, z_to_y) in self.pairs(y, Direction::Backward, budget)? {
                if let Some((to_z, degree_z)) = first.get(&z) {
                    chains.push((THREE_STEPS * to_z * z_to_y * to_v / (degree_z * degree_y), vec![z, y]));
                }
            }
        }
        let ids = |chain: &[MemberIx]| chain.iter().map(|&m| self.view.graph().id(m)).collect::<Vec<_>>();
        chains.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| ids(&a.1).cmp(&ids(&b.1))));
        chains.truncate(REASONS_MAX);
        // A part may be the whole sum, rounded otherwise.
        let share = |part: f64| (part / suggestion.k).min(1.0);
        Ok(chains.into_iter().map(|(part, through)| Because { through, share: share(part) }).collect())
    }
}
