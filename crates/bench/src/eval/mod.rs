//! Measures how good suggestions are, on networks of which it is known who met later.
//!
//! A split holds what was known at a time, and whom some members met after it. Every ranker orders all that a member was not joined to;
//! what counts is how many of those met later are among the first twenty, and how far down the first of them is. Nothing is sampled: no
//! drawn negatives, no area under a curve. The classic rankers run in the same process.

mod ablation;
mod bars;
mod introducers;
mod kith_side;
mod measure;
mod rankers;
mod ranking;
mod report;
mod scores;
mod sparing;
mod split;
mod ties;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::json;

use kith::cli::Failure;
use kith::cli::print::say;
use measure::{EXACT, Measured, measure};
use report::Report;
use scores::{Bootstrap, Scores};
use split::Split;

/// What `kith-bench eval` takes.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Folders of splits: `train.tsv` (two members a line, and a time in seconds where there are some), `test.tsv` (pairs who met
    /// later), `queries.txt` (whom to suggest to), and `ABOUT`, with `cut`, `half-life` (seconds) and `prior` of timed ties,
    /// each on a line of its own, as in `cut = 1086494965.8`.
    #[arg(value_name = "FOLDER", required = true)]
    folders: Vec<PathBuf>,
    /// Rank by variants of K as well: other weights of its parts.
    #[arg(long)]
    ablation: bool,
    /// Seed of the order that breaks ties, and of the bootstrap.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

/// Measures and prints; fails if a bar is missed.
pub async fn run(args: EvalArgs) -> Result<(), Failure> {
    let done = tokio::task::spawn_blocking(move || evaluate(&args)).await;
    done.map_err(|error| Failure::new(format!("it ended badly: {error}")))?
}

fn evaluate(args: &EvalArgs) -> Result<(), Failure> {
    let begun = Instant::now();
    let (mut sets, mut missed) = (Vec::new(), Vec::new());
    for folder in &args.folders {
        let split = Split::read(folder)?;
        eprintln!("{:>6.1} s  {}", begun.elapsed().as_secs_f64(), split.name);
        let added = if args.ablation { ablation::variants() } else { Vec::new() };
        let measured = measure(&split, &added, args.seed)?;
        let report = Report::of(&split, &measured, scores(&split, &measured, args.seed));
        missed.extend(report.missed());
        if !args.json {
            say(&format!("{}{}", if sets.is_empty() { "" } else { "\n" }, report.table()))?;
        }
        sets.push(report.json());
    }
    if args.json {
        say(&format!("{:#}\n", json!({ "seed": args.seed, "sets": sets })))?;
    }
    if missed.is_empty() { Ok(()) } else { Err(Failure::new(format!("bars were missed\n  {}", missed.join("\n  ")))) }
}

fn scores(split: &Split, measured: &Measured, seed: u64) -> Vec<Scores> {
    let bootstrap = Bootstrap::of(split.queries.len(), seed);
    let exact = measured.rankers.iter().find(|rankings| rankings.name == EXACT);
    let of = |rankings| Some(Scores::of(rankings, exact?, split.members.len(), &bootstrap));
    measured.rankers.iter().filter_map(of).collect()
}
