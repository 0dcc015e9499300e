//! `kith demo`: serves a store with the story in it, asks six questions of it over gRPC, and checks the answers.

mod check;
mod grpcurl;
mod questions;
mod teller;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use tokio::sync::oneshot;

use super::client::{Client, ServerArgs};
use super::failure::Failure;
use super::json;
use super::listen_args::address;
use super::print::{count, say};
use super::serve::stop_signal;
use crate::app::{App, AppOptions, EngineOptions, ServerOptions, StoreOptions};
use crate::proto::v1::import_record::Record;
use crate::proto::v1::{ImportRecord, ImportRequest};
use teller::Teller;

/// The story: a chain of four, and the neighborhood, office and readers around it.
const STORY: &str = include_str!("../../../examples/story.ndjson");
const SERVE_PORT: u16 = 5484;
const DRAIN: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Stay up after the six questions, to be explored, until Ctrl-C.
    #[arg(long)]
    serve: bool,
    /// Keep the store in this folder; in a temporary one that is removed at the end when not given.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen: 127.0.0.1, a free port when not given, and port 5484 with --serve.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
}

/// Serves the story, checks it, and stays up if asked to.
pub async fn run(args: DemoArgs) -> Result<(), Failure> {
    let mut stop = pin!(stop_signal()?);
    let temporary = args.data.is_none().then(|| tempfile::Builder::new().prefix("kith-demo-").tempdir()).transpose();
    let temporary = temporary.map_err(|error| Failure::of_start(format!("can't make a temporary folder: {error}")))?;
    let folder = temporary.as_ref().map(|made| made.path().to_owned()).or(args.data).unwrap_or_default();
    let port = if args.serve { SERVE_PORT } else { 0 };
    let listen = args.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let options = AppOptions {
        store: StoreOptions::Folder(folder.clone()),
        server: ServerOptions { drain: DRAIN, ..ServerOptions::at(listen) },
        engine: EngineOptions::default(),
        archive: None,
    };
    let app = App::start(options).await.map_err(|error| Failure::of_start(error.to_string()))?;
    let address = app.address();
    let (end, ended) = oneshot::channel::<()>();
    let serving = tokio::spawn(app.run_until(async {
        // The server has been stopped, or left alone by a demo that failed: it ends either way.
        let _ = ended.await;
    }));
    let shown = tokio::select! {
        shown = show(address) => shown,
        () = &mut stop => Err(Failure::new("the demo was stopped before its end")),
    };
    if shown.is_ok() && args.serve {
        say(&invitation(address, &folder))?;
        stop.await;
    }
    drop(end);
    let served = serving.await.map_err(|error| Failure::new(format!("the server ended badly: {error}")))?;
    shown.and(served.map_err(|error| Failure::new(error.to_string())))
}

/// Loads the story and asks the six questions.
async fn show(address: SocketAddr) -> Result<(), Failure> {
    let client = ServerArgs::at(address).connect().await?;
    let records = story()?;
    let loaded = load(&client, records.clone()).await?;
    say(&format!(
        "kith demo: {loaded}, served on {address}.\nNobody in the chain is a professional contact of anybody else in it.\n"
    ))?;
    let mut teller = Teller::new(client, address);
    questions::ask_all(&mut teller).await?;
    teller.conclude()
}

fn invitation(address: SocketAddr, folder: &Path) -> String {
    // The lines name this program as it was called, so that they work where it is not on the path.
    let kith = std::env::args_os().next().unwrap_or_else(|| "kith".into());
    let kith = kith.to_string_lossy();
    format!(
        "\nkith stays up on {address} until Ctrl-C; its store is in {}.\nIn another terminal, try:\n\n   \
         {kith} path officer jeremy -k 3 --server {address}\n   \
         {kith} reach jeremy --list --server {address}\n   \
         {kith} suggest colleague-1 --server {address}\n   \
         grpcurl -plaintext {address} list\n",
        folder.display()
    )
}

/// Returns the story's records, each with its line.
fn story() -> Result<Vec<ImportRecord>, Failure> {
    let record = |(i, line): (usize, &str)| {
        let record: ImportRecord = json::parse("ImportRecord", line)
            .map_err(|error| Failure::new(format!("examples/story.ndjson, line {}: {error}", i + 1)))?;
        Ok(ImportRecord { position: i64::try_from(i + 1).unwrap_or_default(), ..record })
    };
    STORY.lines().enumerate().map(record).collect()
}

/// Imports the records over gRPC, and prints what there is now.
async fn load(client: &Client, records: Vec<ImportRecord>) -> Result<String, Failure> {
    let number_of = |wanted: fn(&Record) -> bool| {
        let found = records.iter().filter(|record| record.record.as_ref().is_some_and(wanted)).count();
        i64::try_from(found).unwrap_or_default()
    };
    let members = count(number_of(|record| matches!(record, Record::Member(_))), "member");
    let edges = count(number_of(|record| matches!(record, Record::Edge(_))), "edge");
    let request = ImportRequest { records, allow_missing_members: false, ..Default::default() };
    let imported = client.data().import(tokio_stream::iter([request])).await?.into_inner();
    if let Some(error) = imported.errors.first() {
        let (line, field, message) = (error.position, &error.field, &error.message);
        return Err(Failure::new(format!("the story was refused: line {line}, {field}: {message}")));
    }
    Ok(format!("{members}, {edges} and a status"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_can_be_read_and_fits_one_batch() {
        let records = story().unwrap();
        assert!((100..=1_000).contains(&records.len()));
        assert_eq!(records.last().unwrap().position, i64::try_from(records.len()).unwrap());
    }

    #[test]
    fn nobody_in_the_chain_is_a_professional_contact_of_anybody_else_in_it() {
        let chain = ["officer", "wife", "cousin", "jeremy"];
        for record in story().unwrap() {
            if let Some(Record::Edge(edge)) = record.record
                && [&edge.from_id, &edge.to_id].iter().all(|end| chain.contains(&end.as_str()))
            {
                assert!(["spouse", "family", "friend", "neighbor"].contains(&edge.kind.as_str()), "{edge:?}");
            }
        }
    }
}
