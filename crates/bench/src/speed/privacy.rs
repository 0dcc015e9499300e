//! Measures a viewer's questions over gRPC where others hide their edges, beside a server that holds only what the viewer sees.

use fastrand::Rng;

use super::graphs::limits;
use super::hiding::{Hiding, What};
use super::host::{self, Host};
use super::kernels::{Ask, Kernel};
use super::messages;
use super::network::Network;
use super::reads::Effort;
use super::rows::{Goal, Row, measured, timed};
use super::rpc::{Calls, Target};
use super::samples::Round;
use super::store::{import_all, records};
use kith::app::EngineOptions;
use kith::cli::Failure;
use kith::domain::Visibility;
use kith::proto::v1 as pb;
use kith::proto::v1::import_record::Record;

const KERNELS: [Kernel; 6] =
    [Kernel::Distance, Kernel::Distances, Kernel::ShortestPath, Kernel::Mutuals, Kernel::Reach2, Kernel::Suggest];
/// How much longer a question may take than where nothing is hidden.
const GOAL: (f64, f64) = (1.3, 1.1);

/// Measures each question under each way of hiding: the median, and the slowest of a hundred.
pub async fn rows(members: u32, effort: Effort) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for what in What::ALL {
        let hiding = Hiding::new(Network::generate(members, effort.seed), what, effort.seed);
        let viewer = Rng::with_seed(effort.seed).u32(1..members);
        let whole = serve(&hiding, None).await?;
        let alone = serve(&hiding, Some(viewer)).await?;
        rows.extend(beside(&hiding, viewer, [&whole, &alone], effort).await?);
        whole.stop().await?;
        alone.stop().await?;
    }
    Ok(rows)
}

/// Serves all edges, or what a viewer sees.
async fn serve(hiding: &Hiding, viewer: Option<u32>) -> Result<Host, Failure> {
    let (host, engine) = host::kith(None, EngineOptions::default()).await?;
    drop(engine);
    let seen = viewer.map(|viewer| hiding.seen_by(viewer));
    let shown = |visibility| if viewer.is_some() { Visibility::Everyone } else { visibility };
    let before_edges = hiding.records_before_edges();
    let before_members = before_edges - hiding.network.members as usize;
    let records = records(&hiding.network).enumerate().filter_map(|(at, record)| match record {
        Record::Member(member) => {
            let edges_visibility = message(shown(hiding.visibility((at - before_members) as u32)));
            let privacy = Some(pb::Privacy { edges_visibility, ..pb::Privacy::default() });
            Some(Record::Member(pb::Member { privacy, ..member }))
        }
        Record::Edge(edge) => {
            let at = at - before_edges;
            let visibility = message(shown(hiding.edge_visibility(at)));
            seen.as_ref().is_none_or(|seen| seen[at]).then_some(Record::Edge(pb::Edge { visibility, ..edge }))
        }
        other => Some(other),
    });
    import_all(&host, records).await?;
    Ok(host)
}

fn message(visibility: Visibility) -> i32 {
    match visibility {
        Visibility::Everyone => pb::Visibility::Everyone,
        Visibility::Connections => pb::Visibility::Connections,
        Visibility::Parties => pb::Visibility::Parties,
    }
    .into()
}

/// Asks both servers the questions of a viewer, alternately.
async fn beside(hiding: &Hiding, viewer: u32, hosts: [&Host; 2], effort: Effort) -> Result<Vec<Row>, Failure> {
    let (network, limits) = (&hiding.network, limits(&hiding.network));
    let targets = [Target::connect(hosts[0]).await?, Target::connect(hosts[1]).await?];
    let mut rows = Vec::new();
    for kernel in KERNELS {
        let Some(path) = messages::path(kernel) else { continue };
        let mut random = Rng::with_seed(effort.seed);
        let mut rounds: Vec<(Round, Round)> = Vec::new();
        for round in 0..effort.rounds {
            let mut ask = |n: usize| {
                let ask = kernel.ask(network, &limits, &mut random);
                let a = hiding.subject().filter(|subject| n.is_multiple_of(2) && *subject != ask.b).unwrap_or(ask.a);
                let ask = Ask { a, ..ask };
                messages::request(kernel, network, &ask, &network.id(viewer))
            };
            let calls = Calls::new(path, (0..kernel.asks_per_round()).map(&mut ask).collect());
            rounds.extend(effort.beside(round, [(&targets[0], &calls), (&targets[1], &calls)]).await?);
        }
        let what = format!("a viewer's {}, {}", kernel.title(), hiding.what.title());
        let goal = Some(Goal::at_most(GOAL));
        rows.extend(timed(format!("{what}, p50"), &rounds, |r| r.0.p50 / r.1.p50, goal));
        let p99: Vec<(f64, f64)> = rounds.iter().map(|(whole, alone)| (whole.p99, alone.p99)).collect();
        rows.extend(measured(format!("{what}, p99"), "µs", &p99, goal));
    }
    Ok(rows)
}
