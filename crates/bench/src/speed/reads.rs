//! Measures queries, in process and over gRPC, each round beside its limit programs.

use std::time::{Duration, Instant};

use fastrand::Rng;

use super::kernels::{Ask, Kernel, KithAsk, view};
use super::limits::Limits;
use super::messages;
use super::network::Network;
use super::rows::{Goal, Row, measured, timed};
use super::rpc::{Calls, EMPTY_PATH, Load, Target, empty_request};
use super::samples::{Round, Samples, Spread};
use kith::cli::Failure;
use kith::engine::State;

/// The answers that both sides must agree on, in each round.
const CHECKED_PER_ROUND: usize = 10;
/// The numbers of calls in flight, beside one at a time.
const MANY_IN_FLIGHT: [usize; 2] = [16, 64];

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    /// The most time of one side of one query in one round.
    pub round: Duration,
    pub seed: u64,
}

impl Effort {
    /// Puts one side's calls on its server and then the other's, each for a round; returns the times of as many as both had time for. The side
    /// that comes second has the warmer machine, so they alternate.
    pub async fn beside(
        &self,
        round: usize,
        sides: [(&Target<'_>, &Calls); 2],
    ) -> Result<Option<(Round, Round)>, Failure> {
        let mut taken = [Samples::default(), Samples::default()];
        for at in if round.is_multiple_of(2) { [0, 1] } else { [1, 0] } {
            let (target, calls) = sides[at];
            taken[at] = target.load(calls, 1, self.round).await?.samples;
        }
        let both = taken[0].len().min(taken[1].len());
        Ok(taken[0].first(both).round().zip(taken[1].first(both).round()))
    }
}

/// The server that is measured, and the one that does nothing.
pub struct Servers<'a> {
    pub kith: Target<'a>,
    pub empty: Target<'a>,
}

/// The network, graphs and servers that are measured.
pub struct Bench<'a> {
    pub network: &'a Network,
    pub state: &'a State,
    pub servers: Servers<'a>,
    pub effort: Effort,
}

impl Bench<'_> {
    /// Returns one kernel's rows: in process, and over gRPC if an RPC asks for it.
    pub async fn kernel(&self, kernel: Kernel, limits: &mut Limits) -> Result<Vec<Row>, Failure> {
        let mut rng = Rng::with_seed(self.effort.seed);
        let (mut in_process, mut over_grpc) = (Vec::new(), Vec::new());
        for round in 0..self.effort.rounds {
            let asks: Vec<Ask> =
                (0..kernel.asks_per_round()).map(|_| kernel.ask(self.network, limits, &mut rng)).collect();
            let (kith, limit) = self.kernel_round(kernel, limits, &asks, round)?;
            in_process.extend(kith.first(kith.len()).round().zip(limit.round()));
            if let Some(path) = messages::path(kernel) {
                let requests: Vec<_> =
                    asks.iter().map(|ask| messages::request(kernel, self.network, ask, "")).collect();
                let (calls, empty) = self.beside_empty(&Calls::new(path, requests), 1, round).await?;
                // Only the questions that both had time for are compared.
                let both = kith.len().min(calls.samples.len());
                let rounds = kith.first(both).round().zip(calls.samples.first(both).round()).zip(empty.samples.round());
                over_grpc.extend(rounds.map(|((kith, calls), empty)| (kith.p50, (calls, empty))));
            }
        }
        let goal = kernel.bounds().map(Goal::at_most);
        let mut rows = Vec::from_iter(timed(kernel.title().to_owned(), &in_process, |r| r.0.p50 / r.1.p50, goal));
        let calls: Vec<(Round, Round)> = over_grpc.iter().map(|(_, calls)| *calls).collect();
        if let Some(mut row) = timed("  over gRPC, less the kernel".to_owned(), &calls, |r| r.0.p50 / r.1.p50, None) {
            let beyond = over_grpc.iter().map(|(kernel, (kith, empty))| (kith.p50 - kernel) / empty.p50);
            row.ratio = Spread::of(beyond).unwrap_or(row.ratio);
            row.goal = Some(Goal::at_most((1.25, 1.1)));
            rows.push(row);
        }
        Ok(rows)
    }

    fn kernel_round(
        &self,
        kernel: Kernel,
        limits: &mut Limits,
        asks: &[Ask],
        round: usize,
    ) -> Result<(Samples, Samples), Failure> {
        let view = view(self.state.graph());
        let own: Option<Vec<KithAsk>> =
            asks.iter().map(|ask| KithAsk::new(self.network, self.state.graph(), ask)).collect();
        let own = own.ok_or_else(|| Failure::new("the server lacks members of the network"))?;
        for (ask, kith_ask) in asks.iter().zip(&own).take(CHECKED_PER_ROUND) {
            kernel.agree(&view, limits, ask, kith_ask).map_err(Failure::new)?;
        }
        let limit = |limits: &mut Limits| self.within(asks, |ask| kernel.limit(limits, ask));
        let kith = || self.within(&own, |ask| kernel.kith(&view, ask));
        // The side that comes second has the warmer machine, so they alternate.
        let (kith, limit) = if round.is_multiple_of(2) {
            let first = limit(limits);
            (kith(), first)
        } else {
            let first = kith();
            (first, limit(limits))
        };
        // What one side had no time for is not counted for the other.
        let both = kith.len().min(limit.len());
        Ok((kith.first(both), limit.first(both)))
    }

    /// Asks as many of the questions as the round has time for, one at least.
    fn within<A>(&self, asks: &[A], mut run: impl FnMut(&A)) -> Samples {
        let begun = Instant::now();
        let mut samples = Samples::default();
        for ask in asks {
            samples.time(|| run(ask));
            if begun.elapsed() > self.effort.round {
                break;
            }
        }
        samples
    }

    /// Puts the same load on both servers, with messages of the same sizes.
    pub async fn beside_empty(&self, calls: &Calls, in_flight: usize, round: usize) -> Result<(Load, Load), Failure> {
        let Servers { kith, empty, .. } = &self.servers;
        // The size of an answer must be known before the other server can be asked for as much.
        let probe = kith.load(calls, 1, self.effort.round / 10).await?;
        let empties = calls.requests.iter().map(|request| empty_request(request.len(), probe.answer_bytes)).collect();
        let empties = Calls::new(EMPTY_PATH, empties);
        if round.is_multiple_of(2) {
            let first = empty.load(&empties, in_flight, self.effort.round).await?;
            Ok((kith.load(calls, in_flight, self.effort.round).await?, first))
        } else {
            let first = kith.load(calls, in_flight, self.effort.round).await?;
            Ok((first, empty.load(&empties, in_flight, self.effort.round).await?))
        }
    }

    /// Measures point reads: latency alone, calls a second with many in flight, and the server's work for each.
    pub async fn point_reads(&self, what: &str, calls: &Calls) -> Result<Vec<Row>, Failure> {
        let mut alone = Vec::new();
        let (mut rates, mut work) = (MANY_IN_FLIGHT.map(|_| Vec::new()), Vec::new());
        for round in 0..self.effort.rounds {
            let (kith, empty) = self.beside_empty(calls, 1, round).await?;
            alone.extend(kith.samples.round().zip(empty.samples.round()));
            for (in_flight, rates) in MANY_IN_FLIGHT.iter().zip(&mut rates) {
                let (kith, empty) = self.beside_empty(calls, *in_flight, round).await?;
                rates.push((kith.calls_per_s, empty.calls_per_s));
                work.push((kith.work_us, empty.work_us));
            }
        }
        let p50 = timed(format!("{what}, p50"), &alone, |r| r.0.p50 / r.1.p50, Some(Goal::at_most((1.25, 1.1))));
        let p99: Vec<(f64, f64)> = alone.iter().map(|(kith, empty)| (kith.p99, empty.p99)).collect();
        let p99 = measured(format!("{what}, p99"), "µs", &p99, Some(Goal::at_most((1.5, 1.5))));
        let mut rows: Vec<Row> = p50.into_iter().chain(p99).collect();
        for (in_flight, rates) in MANY_IN_FLIGHT.iter().zip(&rates) {
            let goal = (*in_flight == 64).then_some(Goal::at_least((0.8, 0.9)));
            rows.extend(measured(format!("{what}, {in_flight} in flight"), "calls/s", rates, goal));
        }
        rows.extend(measured(format!("{what}, work of the server"), "µs", &work, Some(Goal::at_most((1.3, 1.15)))));
        Ok(rows)
    }

    /// Returns calls that ask over gRPC what the kernel is asked; none if no RPC does.
    pub fn calls(&self, kernel: Kernel, limits: &Limits) -> Option<Calls> {
        let path = messages::path(kernel)?;
        let mut rng = Rng::with_seed(self.effort.seed);
        let asks = (0..kernel.asks_per_round()).map(|_| kernel.ask(self.network, limits, &mut rng));
        Some(Calls::new(path, asks.map(|ask| messages::request(kernel, self.network, &ask, "")).collect()))
    }

    /// Measures heavier queries with many in flight.
    pub async fn many_in_flight(&self, kernel: Kernel, limits: &Limits) -> Result<Vec<Row>, Failure> {
        let Some(calls) = self.calls(kernel, limits) else { return Ok(Vec::new()) };
        let mut rows = Vec::new();
        for in_flight in MANY_IN_FLIGHT {
            let mut rates = Vec::new();
            for round in 0..self.effort.rounds {
                let (kith, empty) = self.beside_empty(&calls, in_flight, round).await?;
                rates.push((kith.calls_per_s, empty.calls_per_s));
            }
            rows.extend(measured(format!("  {in_flight} in flight"), "calls/s", &rates, None));
        }
        Ok(rows)
    }
}
