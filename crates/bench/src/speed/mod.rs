//! Measures how fast kith answers, beside how fast it could.
//!
//! Everything is measured in one process and in rounds, alternating between kith and its limits, so that what else the machine does affects
//! both. The limits: for a query the same computation on static arrays (`limits/`), for a call a tonic server that does nothing, for a
//! write `append + fdatasync`. Ratios are what counts; times depend on the machine and its load.

mod alone;
mod filters;
mod graphs;
mod hiding;
mod host;
mod kernels;
mod limits;
mod messages;
mod mixed;
mod network;
mod privacy;
mod reads;
mod report;
mod rows;
mod rpc;
mod samples;
mod store;
mod writes;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use fastrand::Rng;
use serde_json::json;

pub use graphs::{build, limits};
pub use hiding::{Hiding, What};
pub use kernels::{Ask, Kernel, KithAsk, view};
pub use limits::Limits;
pub use network::Network;
pub use samples::{Round, Samples};

use kith::cli::Failure;
use kith::cli::print::say;
use reads::{Bench, Effort, Servers};
use rows::Row;
use rpc::Target;

/// The measurements that are not of a kernel, as `--only` takes them.
const PAGES: &str = "neighbors";
const WRITES: &str = "writes";
const MIXED: &str = "mixed";
const STORE: &str = "store";
const PRIVACY: &str = "privacy";
const FILTER: &str = "filter";

/// What `kith-bench` takes.
#[derive(Debug, Args)]
pub struct SpeedArgs {
    /// Members of the generated network; it has 10 edges for each.
    #[arg(long, value_name = "MEMBERS", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    members: u32,
    /// Seed of the network and of what is asked.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rounds, which alternate between kith and its limits; medians are of them.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Milliseconds that one side of one query may take of a round.
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    round_ms: u64,
    /// Seconds after which no further query is begun; those left out are named.
    #[arg(long, value_name = "S", default_value_t = 1_800, value_parser = clap::value_parser!(u64).range(1..))]
    at_most_s: u64,
    /// Measure this only (again for more): neighbors, writes, mixed, store, privacy, filter, or a query's name, as in `suggest-2`.
    #[arg(long, value_name = "NAME", value_parser = measurement)]
    only: Vec<String>,
    /// Where the store is kept while it is measured; among the temporary files when not given.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A small network and short rounds: shows that everything works and agrees, not how fast it is.
    #[arg(long, conflicts_with_all = ["members", "rounds", "round_ms"])]
    smoke: bool,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

fn measurement(name: &str) -> Result<String, String> {
    let known: Vec<&str> =
        [PAGES, WRITES, MIXED, STORE, PRIVACY, FILTER].into_iter().chain(Kernel::ALL.map(Kernel::name)).collect();
    if known.contains(&name) { Ok(name.to_owned()) } else { Err(format!("there are {}", known.join(", "))) }
}

impl SpeedArgs {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == name)
    }
}

/// Measures and prints.
pub async fn run(args: SpeedArgs) -> Result<(), Failure> {
    let (members, rounds, round_ms) =
        if args.smoke { (2_000, 2, 20) } else { (args.members, args.rounds, args.round_ms) };
    let effort = Effort { rounds: rounds as usize, round: Duration::from_millis(round_ms), seed: args.seed };
    let begun = Instant::now();
    let progress = |doing: &str| eprintln!("{:>6.1} s  {doing}", begun.elapsed().as_secs_f64());

    progress(&format!("generating {members} members"));
    let network = Network::generate(members, args.seed);
    let parent = args.data.clone().unwrap_or_else(std::env::temp_dir);
    let folder = std::fs::create_dir_all(&parent).and_then(|()| tempfile::tempdir_in(&parent));
    let folder =
        folder.map_err(|error| Failure::new(format!("can't make a folder in {}: {error}", parent.display())))?;
    progress(&format!("importing {} edges", network.edges.len()));
    let stored = store::store(&network, &folder.path().join("store")).await?;
    let mut rows: Vec<Row> = Vec::new();
    if args.wants(STORE) {
        rows.extend(stored.rows);
    }
    let empty = host::empty().await?;
    let state = stored.engine.namespaces().default_state().clone();
    let servers = Servers { kith: Target::connect(&stored.host).await?, empty: Target::connect(&empty).await? };
    let bench = Bench { network: &network, state: &state, servers, effort };
    let mut left_out: Vec<&str> = Vec::new();
    let mut has_time = |name| {
        let has_time = begun.elapsed() < Duration::from_secs(args.at_most_s);
        if has_time {
            progress(name);
        } else {
            left_out.push(name);
        }
        has_time
    };
    rows.extend(measured(&args, &bench, &mut has_time).await?);
    if args.wants(WRITES) && has_time(WRITES) {
        rows.extend(writes::rows(&bench, folder.path()).await?);
    }
    if args.wants(PRIVACY) && has_time(PRIVACY) {
        rows.extend(privacy::rows(members, effort).await?);
    }
    drop(bench);
    drop(state);
    drop(stored.engine);
    stored.host.stop().await?;
    empty.stop().await?;

    if args.json {
        let report = json!({
            "members": members,
            "edges": network.edges.len(),
            "seed": args.seed,
            "rounds": rounds,
            "round_ms": round_ms,
            "rows": report::json(&rows),
            "left_out": left_out,
        });
        return say(&format!("{report:#}\n"));
    }
    let edges = network.edges.len();
    say(&format!(
        "{members} members, {edges} edges, seed {}; medians of {rounds} rounds\n\n{}",
        args.seed,
        report::table(&rows)
    ))?;
    if left_out.is_empty() {
        return Ok(());
    }
    say(&format!("\nleft out for want of time: {}\n", left_out.join(", ")))
}

/// Measures the queries there is time for, and reads beside writes.
async fn measured(
    args: &SpeedArgs,
    bench: &Bench<'_>,
    mut has_time: impl FnMut(&'static str) -> bool,
) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    if args.wants(PAGES) && has_time(PAGES) {
        let calls = messages::pages(bench.network, &mut Rng::with_seed(args.seed));
        rows.extend(bench.point_reads("page of 100 neighbors", &calls).await?);
    }
    let wanted: Vec<Kernel> = Kernel::ALL.into_iter().filter(|kernel| args.wants(kernel.name())).collect();
    if wanted.is_empty() && !args.wants(MIXED) && !args.wants(FILTER) {
        return Ok(rows);
    }
    let mut limits = limits(bench.network);
    for kernel in wanted {
        if !has_time(kernel.name()) {
            continue;
        }
        rows.extend(bench.kernel(kernel, &mut limits).await?);
        if kernel == Kernel::Mutuals
            && let Some(calls) = bench.calls(kernel, &limits)
        {
            rows.extend(bench.point_reads("mutuals", &calls).await?);
        }
        if [Kernel::Distance, Kernel::Suggest2].contains(&kernel) {
            rows.extend(bench.many_in_flight(kernel, &limits).await?);
        }
    }
    if args.wants(MIXED) && has_time(MIXED) {
        rows.extend(mixed::rows(bench, &limits).await?);
    }
    if args.wants(FILTER) && has_time(FILTER) {
        rows.extend(filters::rows(bench, &limits).await?);
    }
    Ok(rows)
}
