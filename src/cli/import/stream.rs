//! Sends batches of records to the server, one acknowledged stream after another.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::progress::Progress;
use super::read::ReadError;
use super::read_ahead::{Batch, Batches};
use super::report::FileReport;
use crate::cli;
use crate::cli::client::Client;
use crate::cli::client::Connection;
use crate::proto::v1::data_service_client::DataServiceClient;
use crate::proto::v1::{ImportRequest, ImportResponse};

const MESSAGES_PER_STREAM_MAX: usize = 100;
/// A stream ends when no record came for so long: what was sent is acknowledged, and no stream is idle.
const QUIET: Duration = Duration::from_millis(300);

/// The reason why an import of a file did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Read(#[from] ReadError),
    #[error("{}", .0.in_words())]
    Server(cli::Failure),
    #[error("interrupted")]
    Interrupted,
    #[error("cannot report: {0}")]
    Report(std::io::Error),
}

/// The options of every message.
#[derive(Debug, Clone, Copy)]
pub struct Sending {
    pub allow_missing_members: bool,
    pub validate_only: bool,
    /// Whether each message gets a response of its own, because a response names the first 1,000 refusals only.
    pub name_every_refusal: bool,
}

pub struct Importer {
    client: DataServiceClient<Connection>,
    sending: Sending,
}

/// How the messages of a stream ended.
enum Fed {
    /// No record came for a while; there may be more for the next stream.
    Quiet,
    /// The file has no more records.
    End(Result<(), ReadError>),
}

impl Importer {
    pub fn new(client: &Client, sending: Sending) -> Importer {
        Importer { client: client.data(), sending }
    }

    /// Sends all batches, each stream after the one before it is acknowledged. While no record comes, there is no stream.
    pub async fn send(
        &mut self,
        mut batches: Batches,
        report: &mut FileReport,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let mut asked = false;
        loop {
            let first = batches.next().await;
            if let Some((counts_records, ignored)) = batches.begun() {
                report.begun(counts_records, ignored);
            }
            let first = match first {
                Some(Ok(batch)) => batch,
                Some(Err(error)) => return Err(error.into()),
                // The server is asked for a file without records too, so that its revision is reported, or that it does not answer.
                None if asked => return Ok(()),
                None => Batch::default(),
            };
            asked = true;
            let fed = self.send_stream(first, &mut batches, report, progress).await?;
            if let Fed::End(end) = fed {
                return Ok(end?);
            }
        }
    }

    async fn send_stream(
        &mut self,
        first: Batch,
        batches: &mut Batches,
        report: &mut FileReport,
        progress: &Progress,
    ) -> Result<Fed, Failure> {
        let (requests, stream) = mpsc::channel(2);
        let mut last_line = 0;
        let feed = feed(first, batches, requests, self.sending, report, progress, &mut last_line);
        let (fed, answer) = tokio::join!(feed, self.client.import(ReceiverStream::new(stream)));
        let answer: ImportResponse = answer.map_err(|status| Failure::Server(status.into()))?.into_inner();
        report.acknowledged(answer, last_line).map_err(Failure::Report)?;
        Ok(fed)
    }
}

/// Puts batches into one stream until it has enough of them, none comes, the file ends, or the server hangs up.
async fn feed(
    first: Batch,
    batches: &mut Batches,
    requests: mpsc::Sender<ImportRequest>,
    sending: Sending,
    report: &mut FileReport,
    progress: &Progress,
    last_line: &mut u64,
) -> Fed {
    let messages_max = if sending.name_every_refusal { 1 } else { MESSAGES_PER_STREAM_MAX };
    let mut next = Some(first);
    for _ in 0..messages_max {
        let batch = match next.take() {
            Some(batch) => batch,
            None => tokio::select! {
                batch = batches.next() => match batch {
                    Some(Ok(batch)) => batch,
                    Some(Err(error)) => return Fed::End(Err(error)),
                    None => return Fed::End(Ok(())),
                },
                () = tokio::time::sleep(QUIET) => return Fed::Quiet,
                () = requests.closed() => return Fed::Quiet,
            },
        };
        let Batch { records, mask, rows, last_line: line, .. } = batch;
        let count = records.len();
        report.read(count, rows);
        *last_line = line.max(*last_line);
        if count > 0 {
            let request = ImportRequest {
                records,
                allow_missing_members: sending.allow_missing_members,
                update_mask: mask.map(|mask| (*mask).clone()),
                validate_only: sending.validate_only,
            };
            if requests.send(request).await.is_err() {
                return Fed::Quiet;
            }
        }
        progress.add_records(count);
    }
    Fed::Quiet
}
