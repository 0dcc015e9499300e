//! How much a path may weigh that is looked for, and what follows for its parts.

/// A sum over steps, least for the best: hops above cost, or cost above hops. Costs of 6 hops stay below 2⁴³.
pub(super) type Weight = u64;

/// Nothing that weighs more is looked for. A member of a path within it has a walk of no more than half of it to one of the ends.
pub(super) struct Bound {
    weight: Weight,
    /// No path has fewer hops.
    hops_min: u32,
    /// What any step weighs at least.
    step: Weight,
    back: Reach,
    ahead: Reach,
    /// Whether anything was left out: there may be paths that weigh more.
    pub has_passed: bool,
}

/// How far walks from one end go.
pub(super) struct Reach {
    most: Weight,
    /// What the step at the other end weighs at least.
    other_end: Weight,
}

/// Which end walks are from.
type End = fn(&Bound) -> &Reach;

impl Bound {
    pub const BACK: End = |bound| &bound.back;
    pub const AHEAD: End = |bound| &bound.ahead;

    /// Where the first and the last step weigh at least so much.
    pub fn new(weight: Weight, hops_min: u32, step: Weight, [first, last]: [Weight; 2]) -> Bound {
        let back = Reach { most: weight / 2, other_end: first };
        let ahead = Reach { most: weight - weight / 2, other_end: last };
        Bound { weight, hops_min, step, back, ahead, has_passed: false }
    }

    fn noted(&mut self, is_within: bool) -> bool {
        self.has_passed |= !is_within;
        is_within
    }

    /// Whether a path of this weight is within it.
    pub fn admits(&mut self, weight: Weight) -> bool {
        self.noted(weight <= self.weight)
    }

    /// Whether a walk of so many hops from one end may be part of a path within it.
    pub fn may_count(&mut self, weight: Weight, hops: u32, end: End) -> bool {
        let (reach, between) = (end(self), self.hops_min.saturating_sub(hops + 1));
        let whole = weight + Weight::from(between) * self.step + reach.other_end;
        self.noted(weight <= reach.most && whole <= self.weight)
    }

    /// Whether it may with one more step.
    pub fn may_go_on(&mut self, weight: Weight, end: End) -> bool {
        self.noted(weight + self.step <= end(self).most)
    }
}
