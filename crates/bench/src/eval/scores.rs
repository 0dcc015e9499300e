//! The scores of a ranker: means over the queries, each with the error that a bootstrap finds.

use std::collections::HashSet;

use fastrand::Rng;

use super::measure::Rankings;
use super::ranking::Found;

/// How often the queries are drawn anew, with replacement (Efron 1979).
const RESAMPLES: usize = 1_000;

/// A mean, and its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub mean: f64,
    pub error: f64,
}

/// The queries drawn anew, the same draws for every score, so that scores can be compared pair by pair.
pub struct Bootstrap(Vec<Vec<u32>>);

impl Bootstrap {
    pub fn of(queries: usize, seed: u64) -> Bootstrap {
        let mut rng = Rng::with_seed(seed);
        let mut draw = || (0..queries).map(|_| rng.u32(..queries as u32)).collect();
        Bootstrap((0..RESAMPLES).map(|_| draw()).collect())
    }

    pub fn estimate(&self, values: &[f64]) -> Estimate {
        let mean = |values: &mut dyn Iterator<Item = f64>, count: usize| values.sum::<f64>() / count.max(1) as f64;
        let drawn = |draw: &Vec<u32>| mean(&mut draw.iter().map(|&at| values[at as usize]), draw.len());
        let means: Vec<f64> = self.0.iter().map(drawn).collect();
        let middle = mean(&mut means.iter().copied(), means.len());
        let variance = mean(&mut means.iter().map(|mean| (mean - middle).powi(2)), means.len());
        Estimate { mean: mean(&mut values.iter().copied(), values.len()), error: variance.sqrt() }
    }
}

/// The scores of a ranker.
pub struct Scores {
    pub name: String,
    pub recall: Estimate,
    pub reciprocal_rank: Estimate,
    /// The difference to exact K, query by query.
    pub recall_more: Estimate,
    pub reciprocal_rank_more: Estimate,
    /// The part of all members that is at the top of somebody's ranking.
    pub coverage: f64,
    /// The introductions that would be asked for, and how many of them the member asked most would get.
    pub asks: u64,
    pub busiest: u64,
}

impl Scores {
    pub fn of(rankings: &Rankings, exact: &Rankings, members: usize, bootstrap: &Bootstrap) -> Scores {
        let recall = |found: &Found| found.recall;
        let reciprocal_rank = |found: &Found| found.reciprocal_rank;
        let all = |score: &dyn Fn(&Found) -> f64| rankings.found.iter().map(score).collect::<Vec<_>>();
        let more = |score: &dyn Fn(&Found) -> f64| {
            let pairs = rankings.found.iter().zip(&exact.found);
            pairs.map(|(found, exact)| score(found) - score(exact)).collect::<Vec<_>>()
        };
        let suggested: HashSet<u32> = rankings.tops.iter().flatten().copied().collect();
        Scores {
            name: rankings.name.clone(),
            recall: bootstrap.estimate(&all(&recall)),
            reciprocal_rank: bootstrap.estimate(&all(&reciprocal_rank)),
            recall_more: bootstrap.estimate(&more(&recall)),
            reciprocal_rank_more: bootstrap.estimate(&more(&reciprocal_rank)),
            coverage: suggested.len() as f64 / members as f64,
            asks: rankings.asks.values().sum(),
            busiest: rankings.asks.values().max().copied().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bootstrap_finds_the_error_of_a_mean() {
        let bootstrap = Bootstrap::of(400, 7);
        let values: Vec<f64> = (0..400).map(|at| f64::from(at % 2)).collect();
        let estimate = bootstrap.estimate(&values);
        // The standard error is ½ / √400.
        assert!(estimate.mean == 0.5 && (estimate.error - 0.025).abs() < 0.002, "{estimate:?}");
        assert_eq!(bootstrap.estimate(&[0.25; 400]), Estimate { mean: 0.25, error: 0.0 });
    }
}
