//! Every query of `kith::graph` against a naive oracle, on random graphs and on some drawn by hand.
//!
//! A failing graph prints its seed; to ask it alone:
//! `KITH_GRAPH_SEED=seed KITH_GRAPHS=1 cargo test --release --test graph`.

mod agree;
mod agree_suggest;
mod audience;
mod case;
mod examples;
mod extremes;
mod hubs;
mod leaders;
mod limits;
mod oracle;
mod oracle_paths;
mod oracle_suggest;
mod privacy;
mod world;

use fastrand::Rng;

use case::{Case, Names};
use limits::ViewedQuestions;

const GRAPHS: u64 = 20_000;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a setting of these tests is a number"))
}

/// Says which graph it was that an assertion failed on.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("on the graph of KITH_GRAPH_SEED={} KITH_GRAPHS=1", self.0);
        }
    }
}

/// A check on each of the random graphs, two threads sharing them.
fn on_random_graphs(check: fn(&mut Rng)) {
    let first = setting("KITH_GRAPH_SEED").unwrap_or(0);
    let graphs = setting("KITH_GRAPHS").unwrap_or(GRAPHS);
    std::thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || {
                for i in (half..graphs).step_by(2) {
                    let seed = Seed(first + i);
                    check(&mut Rng::with_seed(seed.0));
                }
            });
        }
    });
}

#[test]
fn agree_on_random_graphs() {
    on_random_graphs(|rng| {
        let case = Case::random(rng);
        agree::content_agrees(&case);
        agree::strengths_agree(&case.world, &case.graphs[1], case.as_of);
        let ask = case.questions(rng);
        let [one, other] = [&case.graphs[0], &case.graphs[1]].map(|graph| {
            let (view, names) = (case.view(graph), Names { graph, oracle: &case.oracle });
            agree::pairs_agree(&view, &names);
            agree::reach_agrees(&view, &names, &ask);
            audience::audiences_agree(&view, &names, &ask, &case.world);
            agree::paths_agree(&view, &names, &ask);
            agree::mutuals_agree(&view, &names, &ask);
            agree::introducers_agree(&view, &names, &ask);
            let leaders = leaders::leaders_agree(&view, &names, &ask);
            (leaders, agree_suggest::suggestions_agree(&view, &names, &ask))
        });
        assert_eq!(one, other, "the same content gives the same bits");
    });
}

/// What is hidden leaves no trace: answers, and what they say of how they were found, are those of a graph that never had it.
#[test]
fn a_smaller_graph_is_asked_like_one_of_its_own() {
    on_random_graphs(|rng| {
        let case = Case::random(rng);
        let ask = case.questions(rng);
        let edges_max = if rng.bool() { rng.u64(..60) } else { u64::MAX };
        let view = case.view(&case.graphs[0]);
        let alone = case.view_of_all(&case.smaller_graph);
        let asked =
            |view| privacy::ask_everything(view, &Names { graph: view.graph(), oracle: &case.oracle }, &ask, edges_max);
        let answers = asked(&view);
        assert_eq!(answers, asked(&alone), "{:?}", case.eyes);
        // Nor does the history of a store, by which members and edges have their slots in memory.
        assert_eq!(answers, asked(&case.view(&case.graphs[1])), "by another history, {:?}", case.eyes);
    });
}

#[test]
fn limits_leave_nothing_wrong() {
    on_random_graphs(|rng| {
        let case = Case::random(rng);
        let graph = rng.choice(case.graphs.iter()).unwrap();
        let (view, names) = (case.view(graph), Names { graph, oracle: &case.oracle });
        limits::budgets_hold(&ViewedQuestions { view, names, ask: case.questions(rng) }, rng);
    });
}
