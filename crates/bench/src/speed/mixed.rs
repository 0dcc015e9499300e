//! Measures readers beside writers at full speed: a read never waits for a write, so it should take about as long as alone.

use std::thread;

use fastrand::Rng;
use tokio::runtime::{Builder, Handle};
use tokio::task::block_in_place;

use super::kernels::Kernel;
use super::limits::Limits;
use super::messages;
use super::reads::Bench;
use super::rows::{Goal, Row, measured, timed};
use super::rpc::{Calls, Load, Target};
use kith::cli::Failure;

/// The single durable writes on their way at once.
const WRITERS: usize = 16;
const NICENESS_MAX: i32 = 19;

/// Measures reads alone and beside writers, one in flight: a page of edges, and a query.
pub async fn rows(bench: &Bench<'_>, limits: &Limits) -> Result<Vec<Row>, Failure> {
    let mut rng = Rng::with_seed(bench.effort.seed);
    let writes = messages::writes(bench.network, &mut rng);
    let mut reads = vec![("page of 100 neighbors", messages::pages(bench.network, &mut rng))];
    reads.extend(bench.calls(Kernel::Distance, limits).map(|calls| ("distance", calls)));
    let mut rows = Vec::new();
    for (what, calls) in reads {
        let (mut times, mut rates) = (Vec::new(), Vec::new());
        for round in 0..bench.effort.rounds {
            // The side that comes second has the warmer machine, so they alternate.
            let (alone, (beside, written)) = if round.is_multiple_of(2) {
                let alone = load(bench, &calls, 1).await?;
                (alone, both(bench, &calls, &writes)?)
            } else {
                let beside = both(bench, &calls, &writes)?;
                (load(bench, &calls, 1).await?, beside)
            };
            rates.push((written.calls_per_s, load(bench, &writes, WRITERS).await?.calls_per_s));
            times.extend(beside.samples.round().zip(alone.samples.round()));
        }
        rows.extend(timed(format!("{what} beside writers, p50 / alone"), &times, |r| r.0.p50 / r.1.p50, None));
        let p99: Vec<(f64, f64)> = times.iter().map(|(beside, alone)| (beside.p99, alone.p99)).collect();
        rows.extend(measured(
            format!("{what} beside writers, p99 / alone"),
            "µs",
            &p99,
            Some(Goal::at_most((2.0, 1.5))),
        ));
        rows.extend(measured(format!("  the {WRITERS} writers beside it / alone"), "writes/s", &rates, None));
    }
    Ok(rows)
}

async fn load(bench: &Bench<'_>, calls: &Calls, in_flight: usize) -> Result<Load, Failure> {
    bench.servers.kith.load(calls, in_flight, bench.effort.round).await
}

/// Runs the writers' calls on threads that leave the processors to all others, as if they came from another machine: what may hold a read
/// up is what the server does for the writes.
fn both(bench: &Bench<'_>, reads: &Calls, writes: &Calls) -> Result<(Load, Load), Failure> {
    let (host, round) = (bench.servers.kith.host, bench.effort.round);
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().on_thread_start(leave_processors).build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start a runtime: {error}")))?;
    // The connection ends on the thread that used it: it may not end on a thread that runs others' tasks.
    let written = move || runtime.block_on(async { Target::connect(host).await?.load(writes, WRITERS, round).await });
    let (read, written) = thread::scope(|scope| {
        let written = scope.spawn(written);
        let read = block_in_place(|| Handle::current().block_on(load(bench, reads, 1)));
        (read, written.join())
    });
    let written = written.map_err(|_| Failure::new("the writers' calls ended badly".to_owned()))?;
    Ok((read?, written?))
}

fn leave_processors() {
    // Where the lower priority is refused, reads are seen to take longer than they do.
    let _ = rustix::process::setpriority_process(None, NICENESS_MAX);
}
