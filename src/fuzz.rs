//! Runs decoders on mutations of good input. None may panic, whatever comes; what they refuse does not matter here.
//!
//! An input that is answered in a way not seen before is kept, and mutated further. `KITH_FUZZ` is how often each decoder is run,
//! `KITH_SEED` where the mutations begin. The good input is kept in `tests/corpus/`, with what was found to break a decoder.

use std::collections::HashSet;
use std::env;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use fastrand::Rng;

const RUNS: u64 = 20_000;
const POOL_MAX: usize = 2_000;
const INPUT_BYTES_MAX: usize = 4_096;
/// The words that numbers, texts and lengths are replaced with.
const WORDS: [&[u8]; 14] = [
    b"9223372036854775808",
    b"-1",
    b"1e400",
    b"NaN",
    b"\0",
    b"\"",
    b"\\u0000",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80",
    b"\xff\xff\xff\xff\x0f",
    b"\xed\xa0\x80",
    b"\n",
    b"{",
    b"[[",
];

/// Runs a decoder, named for the log, on mutations of the seeds.
pub fn fuzz<T, E: Debug>(name: &str, seeds: impl IntoIterator<Item = Vec<u8>>, decode: impl Fn(&[u8]) -> Result<T, E>) {
    let number = |name: &str| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let (runs, seed) = (number("KITH_FUZZ").unwrap_or(RUNS), number("KITH_SEED").unwrap_or_else(|| fastrand::u64(..)));
    let random = &mut Rng::with_seed(seed);
    let mut pool: Vec<Vec<u8>> = seeds.into_iter().collect();
    let mut answers: HashSet<u64> = pool.iter().map(|input| answer(input, &decode).1).collect();
    let (seeds, mut accepted) = (pool.len(), 0);
    for _ in 0..runs {
        let input = mutated(random, &pool);
        let outcome = catch_unwind(AssertUnwindSafe(|| answer(&input, &decode)));
        let (is_ok, answer) = outcome.unwrap_or_else(|panic| {
            let bytes: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("{name} panics, KITH_SEED={seed}, on {bytes}");
            resume_unwind(panic)
        });
        accepted += u64::from(is_ok);
        if answers.insert(answer) && pool.len() < POOL_MAX {
            pool.push(input);
        }
    }
    println!(
        "{name}: {runs} runs of {seeds} seeds, KITH_SEED={seed}: {accepted} accepted, {} ways of answering",
        answers.len()
    );
}

/// Returns the lines of a file of bytes in hex.
pub fn of_hex(lines: &str) -> Vec<Vec<u8>> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    lines.lines().map(|line| line.as_bytes().chunks(2).map(byte).collect()).collect()
}

/// Returns whether an input is accepted, and how it is answered: its error without the numbers in it.
fn answer<T, E: Debug>(input: &[u8], decode: &impl Fn(&[u8]) -> Result<T, E>) -> (bool, u64) {
    let mut hasher = DefaultHasher::new();
    let decoded = decode(input);
    match &decoded {
        Ok(_) => input.len().checked_ilog2().hash(&mut hasher),
        Err(error) => {
            format!("{error:?}").bytes().filter(|byte| !byte.is_ascii_digit()).for_each(|byte| byte.hash(&mut hasher))
        }
    }
    (decoded.is_ok(), hasher.finish())
}

fn mutated(random: &mut Rng, pool: &[Vec<u8>]) -> Vec<u8> {
    let mut input = random.choice(pool).cloned().unwrap_or_default();
    for _ in 0..=random.usize(..4) {
        mutate(random, pool, &mut input);
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

fn mutate(random: &mut Rng, pool: &[Vec<u8>], input: &mut Vec<u8>) {
    let at = random.usize(..=input.len());
    let end = (at + 1 + random.usize(..8)).min(input.len());
    match random.u8(..8) {
        0 if at < input.len() => input[at] ^= 1 << random.u8(..8),
        1 if at < input.len() => input[at] = [0, 1, 0x7f, 0x80, 0xff, random.u8(..)][random.usize(..6)],
        2 => drop(input.drain(at.min(end)..end)),
        3 => input.splice(at..at, [random.u8(..)]).for_each(drop),
        4 => {
            let again = input[at.min(end)..end].to_vec();
            input.splice(at..at, again).for_each(drop);
        }
        5 => input.splice(at.min(end)..end, random.choice(&WORDS).unwrap().iter().copied()).for_each(drop),
        6 => {
            let other = random.choice(pool).unwrap();
            let from = random.usize(..=other.len());
            let to = (from + random.usize(..64)).min(other.len());
            input.splice(at..at, other[from..to].iter().copied()).for_each(drop);
        }
        _ => input.truncate(at),
    }
}
