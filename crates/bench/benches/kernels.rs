//! Measures the graph's kernels beside their limit programs, without a server: `cargo bench --bench kernels -- [members] [kernel…]`.
//!
//! `--privacy` asks on behalf of viewers where 0, 1, 10 and 50 % of the members hide their edges and where a hub's followers do, beside the
//! same questions on a graph that holds only what the viewer sees.
//!
//! `--instructions KERNEL` answers a fixed number of questions on a fixed graph instead, for `valgrind --tool=callgrind`: the number of
//! instructions executed does not depend on what else the machine does.

use std::hint::black_box;

use fastrand::Rng;
use kith::graph::{Graph, MemberIx, Viewer};
use kith_bench::speed::{Hiding, Kernel, KithAsk, Network, Round, Samples, What, build, limits, view};

/// The allocator that kith is shipped with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEED: u64 = 1;
const ROUNDS: usize = 5;
/// The members of the graph that instructions are counted on.
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

/// Makes the function calls whose instructions are counted: see `.ci/instructions`.
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

/// Asks the questions; callgrind counts this function.
#[inline(never)]
fn counted(run: &dyn Fn()) {
    black_box(run)();
}

/// The viewers whose questions are asked, each beside a graph of what it sees.
const VIEWERS: usize = 4;
/// The most questions of one viewer; a kernel that takes long is asked an eighth of them.
const PRIVACY_ASKS: usize = 800;

fn privacy(members: u32) {
    let count = Network::generate(members, SEED).edges.len();
    println!("{members} members, {count} edges, seed {SEED}; a viewer's questions beside a graph of what it sees");
    println!("{:<34}{:<14}{:>10}{:>10}{:>8}{:>8}", "", "", "p50 µs", "alone", "p50", "p99");
    for what in What::ALL {
        let hiding = Hiding::new(Network::generate(members, SEED), what, SEED);
        let (network, graph, limits) = (&hiding.network, hiding.graph(), limits(&hiding.network));
        let mut rng = Rng::with_seed(SEED);
        let viewers: Vec<u32> = (0..VIEWERS).map(|_| rng.u32(1..members)).collect();
        let alone: Vec<Graph> = viewers.iter().map(|viewer| hiding.graph_of(*viewer)).collect();
        for kernel in Kernel::ALL {
            let mut samples: [Samples; 2] = Default::default();
            for (&viewer, alone) in viewers.iter().zip(&alone) {
                let viewer = Viewer::Member(MemberIx(viewer));
                for n in 0..PRIVACY_ASKS.min(kernel.asks_per_round() / 2) {
                    let mut ask = kernel.ask(network, &limits, &mut rng);
                    if n % 2 == 0 && ask.b != 0 {
                        ask.a = hiding.subject().unwrap_or(ask.a);
                    }
                    let both = [alone, &graph];
                    let mut asked = |at: usize| {
                        let graph = both[at];
                        let ask = KithAsk::new(network, graph, &ask).expect("the members exist");
                        samples[at].time(|| kernel.kith(&view(graph).seen_by(viewer), &ask));
                    };
                    // The side that comes second finds some of what it needs in the processor's cache.
                    [[0, 1], [1, 0]][n % 2].into_iter().for_each(&mut asked);
                }
            }
            if let [Some(alone), Some(whole)] = samples.map(Samples::round) {
                println!(
                    "{:<34}{:<14}{:>10.1}{:>10.1}{:>8.2}{:>8.2}",
                    kernel.title(),
                    what.title(),
                    whole.p50,
                    alone.p50,
                    whole.p50 / alone.p50,
                    whole.p99 / alone.p99
                );
            }
        }
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
        let median = |value: &dyn Fn(&(Round, Round)) -> f64| {
            let mut all: Vec<f64> = rounds.iter().map(value).collect();
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
