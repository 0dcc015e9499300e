//! Puts the network into a store over gRPC, and starts the store again.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use super::alone;
use super::graphs::{build, kinds};
use super::host::{self, Host};
use super::network::{KINDS, Network, NetworkTie};
use super::rows::{Goal, Row, Side, measured};
use super::samples::Spread;
use kith::cli::Failure;
use kith::domain::TimeMs;
use kith::engine::{Engine, EngineOptions};
use kith::proto::v1::admin_service_client::AdminServiceClient;
use kith::proto::v1::data_service_client::DataServiceClient;
use kith::proto::v1::import_record::Record;
use kith::proto::v1::{Edge, GetServerInfoRequest, GetServerInfoResponse, ImportRecord, ImportRequest, Kind, Member};

const RECORDS_PER_MESSAGE: usize = 1_000;
/// The messages that wait to be sent.
const MESSAGES_AHEAD: usize = 8;
/// A checkpoint that is not there by then is not waited for.
const CHECKPOINT_WAIT_MAX: Duration = Duration::from_secs(600);
const CHECKPOINT_POLL: Duration = Duration::from_millis(50);

/// Kith over the network, and the rows about the import and the start.
pub struct Stored {
    pub host: Host,
    pub engine: Engine,
    pub rows: Vec<Row>,
}

/// Imports the network into a store in the folder, writes a checkpoint, and starts from it.
pub async fn store(network: &Network, folder: &Path) -> Result<Stored, Failure> {
    let edges = network.edges.len() as f64;
    let begun = Instant::now();
    drop(build(network));
    let built_per_s = edges / begun.elapsed().as_secs_f64();

    let (host, engine) = host::kith(Some(folder.to_owned()), EngineOptions::default()).await?;
    drop(engine);
    let begun = Instant::now();
    import(network, &host).await?;
    let imported_per_s = edges / begun.elapsed().as_secs_f64();
    host.stop().await?;

    write_checkpoint(folder).await?;
    let took = alone::start(folder, false)?.took;
    let alone = alone::start(folder, true)?;
    let (host, engine) = host::kith(Some(folder.to_owned()), EngineOptions::default()).await?;
    let info = info(&host).await?;
    if info.edges != network.edges.len() as i64 {
        return Err(Failure::new(format!("{} edges were imported, but the server has {}", edges, info.edges)));
    }
    let one = |what: &str, unit, value: f64, goal| Row {
        what: what.to_owned(),
        unit,
        kith: Side { value, tail: None },
        limit: None,
        ratio: Spread { median: value, least: value, greatest: value },
        goal,
    };
    let import = [(imported_per_s, built_per_s)];
    let import =
        measured("import, durable / index built".into(), "edges/s", &import, Some(Goal::at_least((0.25, 0.5))));
    let start = edges / took.as_secs_f64();
    let mut rows: Vec<Row> = import.into_iter().collect();
    rows.push(one("start to SERVING", "edges/s", start, Some(Goal::at_least((5e6, 10e6)))));
    let memory = Some(Goal::at_most((32.0, 20.0)));
    rows.push(one("memory an edge, all of a server", "B", alone.resident_bytes / edges, memory));
    rows.push(one("the same, most while it starts", "B", alone.resident_bytes_most / edges, None));
    rows.push(one("disk an edge", "B", info.disk_bytes as f64 / edges, Some(Goal::at_most((48.0, 32.0)))));
    Ok(Stored { host, engine, rows })
}

/// Starts with a checkpoint due at the next write, writes, and waits until the log is folded into it.
async fn write_checkpoint(folder: &Path) -> Result<(), Failure> {
    let options = EngineOptions {
        checkpoint_log_bytes_min: 1,
        checkpoint_log_bytes_per_resource: 0,
        log_keep_bytes_max: 0,
        ..EngineOptions::default()
    };
    let (host, engine) = host::kith(Some(folder.to_owned()), options).await?;
    drop(engine);
    let log_bytes = info(&host).await?.log_bytes;
    let member = Member { id: "member-of-the-last-write".to_owned(), ..Member::default() };
    let record = ImportRecord { record: Some(Record::Member(member)), ..Default::default() };
    let message = ImportRequest { records: vec![record], allow_missing_members: false, ..Default::default() };
    DataServiceClient::new(channel(&host).await?).import(tokio_stream::once(message)).await?;
    let begun = Instant::now();
    while log_bytes > 0 && info(&host).await?.log_bytes >= log_bytes && begun.elapsed() < CHECKPOINT_WAIT_MAX {
        tokio::time::sleep(CHECKPOINT_POLL).await;
    }
    host.stop().await
}

async fn channel(host: &Host) -> Result<Channel, Failure> {
    let endpoint = Channel::from_shared(format!("http://{}", host.address));
    let endpoint = endpoint.map_err(|error| Failure::new(error.to_string()))?;
    endpoint.connect().await.map_err(|error| Failure::new(error.to_string()))
}

async fn info(host: &Host) -> Result<GetServerInfoResponse, Failure> {
    let mut client = AdminServiceClient::new(channel(host).await?);
    Ok(client.get_server_info(GetServerInfoRequest::default()).await?.into_inner())
}

async fn import(network: &Network, host: &Host) -> Result<(), Failure> {
    import_all(host, records(network)).await
}

/// Returns everything of a network: its kinds, its members and its edges, in the order of their indices.
pub fn records(network: &Network) -> impl Iterator<Item = Record> {
    let kinds = kinds().into_iter().map(|kind| Record::Kind(kind_message(&kind)));
    let member = |member| Record::Member(Member { id: network.id(member), ..Member::default() });
    let edges = network.edges.iter().map(|&edge| Record::Edge(edge_message(network, edge)));
    kinds.chain((0..network.members).map(member)).chain(edges)
}

/// Imports records into a server.
pub async fn import_all(host: &Host, records: impl Iterator<Item = Record>) -> Result<(), Failure> {
    let mut client = DataServiceClient::new(channel(host).await?);
    let (messages, stream) = mpsc::channel(MESSAGES_AHEAD);
    let feed = async move {
        let mut records = records.map(|record| ImportRecord { record: Some(record), ..Default::default() });
        loop {
            let records: Vec<ImportRecord> = records.by_ref().take(RECORDS_PER_MESSAGE).collect();
            // A server that hung up says why in its answer.
            if records.is_empty()
                || messages
                    .send(ImportRequest { records, allow_missing_members: false, ..Default::default() })
                    .await
                    .is_err()
            {
                break;
            }
        }
    };
    let (answer, ()) = tokio::join!(client.import(ReceiverStream::new(stream)), feed);
    let answer = answer?.into_inner();
    match answer.errors.first() {
        None => Ok(()),
        Some(error) => Err(Failure::new(format!("an import was refused: {}", error.message))),
    }
}

fn kind_message(kind: &kith::domain::Kind) -> Kind {
    let spheres =
        [kith::proto::v1::Sphere::Personal, kith::proto::v1::Sphere::Professional, kith::proto::v1::Sphere::Public];
    let at = kith::domain::Sphere::ALL.iter().position(|sphere| *sphere == kind.attrs.sphere).unwrap_or(0);
    let half_life = prost_types::Duration { seconds: (kind.attrs.half_life_ms / 1_000) as i64, nanos: 0 };
    Kind {
        name: kind.name.to_string(),
        sphere: spheres[at].into(),
        symmetric: kind.attrs.symmetric,
        prior: kind.attrs.prior,
        half_life: Some(half_life),
        ..Kind::default()
    }
}

fn edge_message(network: &Network, edge: (u32, u32)) -> Edge {
    let traits = network.traits(edge);
    let mut message = Edge {
        from_id: network.id(edge.0),
        kind: KINDS[traits.kind].0.to_owned(),
        to_id: network.id(edge.1),
        ..Edge::default()
    };
    match traits.tie {
        NetworkTie::Plain => {}
        NetworkTie::Pinned(strength) => message.pinned_strength = Some(strength),
        NetworkTie::Interactions { count, last_s } => {
            message.interactions = i64::from(count);
            let (seconds, nanos) = TimeMs(i64::from(last_s) * 1_000).to_parts();
            message.last_interaction_time = Some(prost_types::Timestamp { seconds, nanos });
        }
    }
    message
}
