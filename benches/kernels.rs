//! The graph's kernels beside their limit programs, without a server: `cargo bench --bench kernels -- [members] [kernel…]`.
//!
//! `--privacy` asks on behalf of a viewer beside the service's own questions: on a graph where nobody hides anything, on one where one
//! member does, and on one where every hundredth does.
//!
//! `--instructions KERNEL` answers a fixed number of questions on a fixed graph instead, for `valgrind --tool=callgrind`:
//! instructions executed do not depend on what else the machine does.

use std::hint::black_box;

use fastrand::Rng;
use kith::cli::bench::{Kernel, KithAsk, Network, Round, Samples, build, limits, view};
use kith::domain::{Privacy, Visibility};
use kith::graph::{Graph, MemberIx, Viewer};

const SEED: u64 = 1;
const ROUNDS: usize = 5;
/// Of the graph that instructions are counted on.
const COUNTED_MEMBERS: u32 = 5_000;
const COUNTED_ASKS: usize = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--instructions", name] => count(kernel(name)),
        ["--privacy"] => privacy(100_000),
        ["--privacy", members] => privacy(members.parse().expect("a number of members")),
        _ => {
            let members = arguments.first().and_then(|argument| argument.parse().ok());
            let names = &arguments[usize::from(members.is_some())..];
            let kernels =
                if names.is_empty() { Kernel::ALL.to_vec() } else { names.iter().map(|n| kernel(n)).collect() };
            compare(members.unwrap_or(100_000), &kernels);
        }
    }
}

fn kernel(name: &str) -> Kernel {
    let found = Kernel::ALL.into_iter().find(|kernel| kernel.name() == name);
    found.unwrap_or_else(|| panic!("no kernel {name}; there are {}", Kernel::ALL.map(Kernel::name).join(" ")))
}

/// Function calls whose instructions are counted: see `.ci/instructions`.
fn count(kernel: Kernel) {
    let network = Network::generate(COUNTED_MEMBERS, SEED);
    let graph = build(&network);
    let limits = limits(&network);
    let mut rng = Rng::with_seed(SEED);
    let asks: Vec<_> = (0..COUNTED_ASKS).map(|_| kernel.ask(&network, &limits, &mut rng)).collect();
    let asks: Vec<_> = asks.iter().map(|ask| KithAsk::new(&network, &graph, ask).expect("the members exist")).collect();
    let view = view(&graph);
    // Scratch space is made at first use.
    asks.iter().for_each(|ask| kernel.kith(&view, ask));
    counted(&|| asks.iter().for_each(|ask| kernel.kith(&view, ask)));
}

/// The function that callgrind is told to count.
#[inline(never)]
fn counted(run: &dyn Fn()) {
    black_box(run)();
}

/// A graph in which every so many-th member hides its edges.
fn hiding(graph: &Graph, every: usize) -> Graph {
    let mut hiding = graph.clone();
    let privacy = Privacy { edges_visibility: Visibility::Parties, ..Privacy::default() };
    graph.iter_members().skip(every / 2).step_by(every).for_each(|member| hiding.set_privacy(member, privacy));
    hiding
}

fn privacy(members: u32) {
    let network = Network::generate(members, SEED);
    println!("{} members, {} edges, seed {SEED}; p50 in µs", network.members, network.edges.len());
    let graph = build(&network);
    let limits = limits(&network);
    let (one, some) = (hiding(&graph, members as usize), hiding(&graph, 100));
    println!("{:<34}{:>10}{:>16}{:>16}{:>16}", "", "service", "none hides", "one hides", "1 % hides");
    for kernel in Kernel::ALL {
        let mut rng = Rng::with_seed(SEED);
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let mut samples: [Samples; 4] = Default::default();
            for _ in 0..kernel.asks_per_round() {
                let ask = kernel.ask(&network, &limits, &mut rng);
                let ask = KithAsk::new(&network, &graph, &ask).expect("the members exist");
                let viewer = Viewer::Member(MemberIx(rng.u32(..members)));
                // A view lasts as long as its query: what it has made of lists is made again.
                samples[0].time(|| kernel.kith(&view(&graph), &ask));
                for (samples, graph) in samples[1..].iter_mut().zip([&graph, &one, &some]) {
                    samples.time(|| kernel.kith(&view(graph).seen_by(viewer), &ask));
                }
            }
            rounds.push(samples.map(|samples| samples.round().map_or(f64::NAN, |round| round.p50)));
        }
        let median = |figure: &dyn Fn(&[f64; 4]) -> f64| {
            let mut all: Vec<f64> = rounds.iter().map(figure).collect();
            all.sort_unstable_by(f64::total_cmp);
            all[all.len() / 2]
        };
        let beside = |at: usize| format!("{:.1} {:.2}x", median(&|p50| p50[at]), median(&|p50| p50[at] / p50[0]));
        let service = format!("{:.1}", median(&|p50| p50[0]));
        println!("{:<34}{service:>10}{:>16}{:>16}{:>16}", kernel.title(), beside(1), beside(2), beside(3));
    }
}

fn compare(members: u32, kernels: &[Kernel]) {
    let network = Network::generate(members, SEED);
    println!("{} members, {} edges, seed {SEED}", network.members, network.edges.len());
    let graph = build(&network);
    let mut limits = limits(&network);
    let view = view(&graph);
    println!("{:<34}{:>10}{:>10}{:>10}{:>10}{:>7}{:>7}", "µs", "kith p50", "p99", "limit p50", "p99", "p50/K", "p99/K");
    for &kernel in kernels {
        let mut rng = Rng::with_seed(SEED);
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let asks: Vec<_> = (0..kernel.asks_per_round()).map(|_| kernel.ask(&network, &limits, &mut rng)).collect();
            let ours: Vec<_> =
                asks.iter().map(|a| KithAsk::new(&network, &graph, a).expect("the members exist")).collect();
            for (ask, own) in asks.iter().zip(&ours).take(20) {
                kernel.agree(&view, &mut limits, ask, own).unwrap_or_else(|difference| panic!("{difference}"));
            }
            let (mut kith, mut limit) = (Samples::default(), Samples::default());
            asks.iter().for_each(|ask| limit.time(|| kernel.limit(&mut limits, ask)));
            ours.iter().for_each(|ask| kith.time(|| kernel.kith(&view, ask)));
            rounds.extend(kith.round().zip(limit.round()));
        }
        let median = |figure: &dyn Fn(&(Round, Round)) -> f64| {
            let mut all: Vec<f64> = rounds.iter().map(figure).collect();
            all.sort_unstable_by(f64::total_cmp);
            all[all.len() / 2]
        };
        println!(
            "{:<34}{:>10.1}{:>10.1}{:>10.1}{:>10.1}{:>7.2}{:>7.2}",
            kernel.title(),
            median(&|r| r.0.p50),
            median(&|r| r.0.p99),
            median(&|r| r.1.p50),
            median(&|r| r.1.p99),
            median(&|r| r.0.p50 / r.1.p50),
            median(&|r| r.0.p99 / r.1.p99),
        );
    }
}
