//! The variants of K, which show what each of its parts is worth.

use super::rankers::{Ranker, Weights};

/// The names and weights of the variants.
const VARIANTS: [(&str, Weights); 5] = [
    ("K, two steps only", Weights { three_steps: 0.0, ..Weights::K }),
    ("K, three steps only", Weights { two_steps: 0.0, ..Weights::K }),
    ("K, λ = 1", Weights { three_steps: 1.0, ..Weights::K }),
    ("K, λ = 2", Weights { three_steps: 2.0, ..Weights::K }),
    ("K, √D", Weights { degree_exponent: 0.5, ..Weights::K }),
];

pub fn variants() -> Vec<(String, Ranker)> {
    VARIANTS.iter().map(|(name, weights)| ((*name).to_owned(), Ranker::Walks(*weights))).collect()
}
