//! The bars that kith's suggestions must reach on the known sets, so that a change for the worse is seen.

/// The least Recall@20 and MRR on a set.
pub struct Bar {
    pub recall: f64,
    pub reciprocal_rank: f64,
}

/// The part of exact K's top that budgeted K must have too, on any set, in the mean.
pub const OVERLAP: f64 = 0.90;
/// The load left to the busiest introducer at most, and the strength kept at least, when recent asks are known.
pub const LOAD_LEFT: f64 = 0.5;
pub const STRENGTH_KEPT: f64 = 0.95;
/// The set that the load is held to: on others there may be nobody else to ask.
pub const SPARED_ON: &str = "dblp-temporal";
/// The relative difference that exact K may have from its formula written out.
pub const DIFFERENCE: f64 = 1e-6;

/// The bars by the name of the set's folder: the names are of the public networks that the sets were cut from.
const BARS: [(&str, f64, f64); 6] = [
    ("email-eu-random", 0.555, 0.500),
    ("ego-facebook-random", 0.705, 0.680),
    ("lastfm-asia-random", 0.485, 0.280),
    ("ca-hepth-random", 0.790, 0.615),
    ("email-eu-temporal", 0.355, 0.345),
    ("dblp-temporal", 0.140, 0.115),
];

/// Returns the bar of a set, if it is a known one.
pub fn of(set: &str) -> Option<Bar> {
    let found = BARS.iter().find(|(name, ..)| *name == set)?;
    Some(Bar { recall: found.1, reciprocal_rank: found.2 })
}
