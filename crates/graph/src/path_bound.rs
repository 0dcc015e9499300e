//! The bound on the weight of the paths that are looked for, and what it means for their parts.

/// A sum over the steps of a path, least for the best path: hops above cost, or cost above hops. The costs of 6 hops stay below 2⁴³.
pub(super) type Weight = u64;

/// The weight that no path looked for exceeds. From each member of such a path a walk of no more than half the weight leads to one of the
/// ends.
pub(super) struct Bound {
    weight: Weight,
    /// No path has fewer hops.
    hops_min: u32,
    /// The least weight of any step.
    step: Weight,
    back: Reach,
    ahead: Reach,
    /// Whether anything was left out, so that there may be paths that weigh more.
    pub has_passed: bool,
}

/// How far walks from one end go.
pub(super) struct Reach {
    most: Weight,
    /// The least weight of the step at the other end.
    other_end: Weight,
}

/// The end that walks are from.
type End = fn(&Bound) -> &Reach;

impl Bound {
    pub const BACK: End = |bound| &bound.back;
    pub const AHEAD: End = |bound| &bound.ahead;

    /// Makes the bound, given the least weights of the first and the last step.
    pub fn new(weight: Weight, hops_min: u32, step: Weight, [first, last]: [Weight; 2]) -> Bound {
        let back = Reach { most: weight / 2, other_end: first };
        let ahead = Reach { most: weight - weight / 2, other_end: last };
        Bound { weight, hops_min, step, back, ahead, has_passed: false }
    }

    fn noted(&mut self, is_within: bool) -> bool {
        self.has_passed |= !is_within;
        is_within
    }

    /// Returns whether a path of this weight is within the bound.
    pub fn admits(&mut self, weight: Weight) -> bool {
        self.noted(weight <= self.weight)
    }

    /// Returns whether a walk of so many hops from one end may be part of a path within the bound.
    pub fn may_count(&mut self, weight: Weight, hops: u32, end: End) -> bool {
        let (reach, between) = (end(self), self.hops_min.saturating_sub(hops + 1));
        let whole = weight + Weight::from(between) * self.step + reach.other_end;
        self.noted(weight <= reach.most && whole <= self.weight)
    }

    /// Returns whether such a walk may be part of one with one more step.
    pub fn may_go_on(&mut self, weight: Weight, end: End) -> bool {
        self.noted(weight + self.step <= end(self).most)
    }
}
