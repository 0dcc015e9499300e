//! The rows of the report: a line for each query, kith's numbers beside the limit's.

use super::samples::{Round, Spread};

/// The numbers of one side: the medians over all rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Side {
    /// A median in microseconds, or the one number there is, in the row's unit.
    pub value: f64,
    /// The 99th and the 99.9th percentile.
    pub tail: Option<(f64, f64)>,
}

/// The goal of a ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    pub target: f64,
    pub stretch: f64,
    /// Whether the ratio is to be at least that, not at most.
    pub at_least: bool,
}

impl Goal {
    pub fn at_most((target, stretch): (f64, f64)) -> Goal {
        Goal { target, stretch, at_least: false }
    }

    pub fn at_least((target, stretch): (f64, f64)) -> Goal {
        Goal { target, stretch, at_least: true }
    }

    /// Returns `stretch`, `target` or `missed`.
    pub fn met(&self, ratio: f64) -> &'static str {
        let within = |bound: f64| if self.at_least { ratio >= bound } else { ratio <= bound };
        match (within(self.stretch), within(self.target)) {
            (true, _) => "stretch",
            (false, true) => "target",
            (false, false) => "missed",
        }
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub what: String,
    pub unit: &'static str,
    pub kith: Side,
    pub limit: Option<Side>,
    /// The values that the goal is about, by rounds; most often kith's number over the limit's.
    pub ratio: Spread,
    pub goal: Option<Goal>,
}

/// Returns the medians of percentiles that were taken by rounds.
pub fn side(rounds: &[Round]) -> Option<Side> {
    let median = |value: fn(&Round) -> f64| Some(Spread::of(rounds.iter().map(value))?.median);
    Some(Side { value: median(|r| r.p50)?, tail: Some((median(|r| r.p99)?, median(|r| r.p999)?)) })
}

/// Returns a row of both sides' times by rounds, and the ratio of each round; none without rounds.
pub fn timed(
    what: String,
    rounds: &[(Round, Round)],
    ratio: impl Fn(&(Round, Round)) -> f64,
    goal: Option<Goal>,
) -> Option<Row> {
    let (kith, limit): (Vec<Round>, Vec<Round>) = rounds.iter().copied().unzip();
    let ratio = Spread::of(rounds.iter().map(ratio))?;
    Some(Row { what, unit: "µs", kith: side(&kith)?, limit: Some(side(&limit)?), ratio, goal })
}

/// Returns a row of one number of each side by rounds, and their ratio; none without rounds.
pub fn measured(what: String, unit: &'static str, rounds: &[(f64, f64)], goal: Option<Goal>) -> Option<Row> {
    let one = |spread: Spread| Side { value: spread.median, tail: None };
    Some(Row {
        what,
        unit,
        kith: one(Spread::of(rounds.iter().map(|round| round.0))?),
        limit: Some(one(Spread::of(rounds.iter().map(|round| round.1))?)),
        ratio: Spread::of(rounds.iter().map(|round| round.0 / round.1))?,
        goal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_from_its_side() {
        let most = Goal::at_most((1.5, 1.2));
        assert_eq!([1.2, 1.4, 1.6].map(|ratio| most.met(ratio)), ["stretch", "target", "missed"]);
        let least = Goal::at_least((0.4, 0.6));
        assert_eq!([0.7, 0.4, 0.3].map(|ratio| least.met(ratio)), ["stretch", "target", "missed"]);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let row = measured("x".to_owned(), "B", &[(2.0, 1.0), (9.0, 3.0), (1.0, 4.0)], None).unwrap();
        assert_eq!((row.kith.value, row.limit.unwrap().value), (2.0, 3.0));
        assert_eq!(row.ratio, Spread { median: 2.0, least: 0.25, greatest: 3.0 });
        assert_eq!(measured("x".to_owned(), "B", &[], None), None);
    }
}
