//! How much of a test is run, from the environment.

use std::time::Duration;

/// Longer than anything a test waits for takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A number from the environment.
pub fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {value:?}")),
        Err(_) => default,
    }
}

/// The seed of a test, told so that a failure can be had again: `KITH_SEED`, or a new one.
pub fn seed(test: &str) -> u64 {
    let seed = setting("KITH_SEED", fastrand::u64(0..1_000_000));
    println!("{test}: KITH_SEED={seed}");
    seed
}
