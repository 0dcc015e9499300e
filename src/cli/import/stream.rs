//! Batches of records, from a reading thread to the server, one acknowledged stream after another.

use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::read::{Lines, ReadError};
use super::report::{FileReport, Progress, Refusal};
use super::rows::Rows;
use crate::cli;
use crate::cli::client::Client;
use crate::cli::client::Line;
use crate::proto::v1::data_service_client::DataServiceClient;
use crate::proto::v1::{ImportRecord, ImportRequest};

const RECORDS_PER_MESSAGE_MAX: usize = 1_000;
/// A record more may come on top; together they stay far below what a server takes.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
const MESSAGES_PER_STREAM_MAX: usize = 100;
/// Read ahead of the server by so many batches.
const BATCHES_AHEAD: usize = 8;

/// Why an import of a file did not come to its end.
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

/// Part of a file: up to 1,000 records, and the rows between them that hold none.
#[derive(Default)]
pub struct Batch {
    records: Vec<ImportRecord>,
    bytes: usize,
    refused: Vec<Refusal>,
    last_line: u64,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.records.len() >= RECORDS_PER_MESSAGE_MAX
            || self.refused.len() >= RECORDS_PER_MESSAGE_MAX
            || self.bytes >= MESSAGE_BYTES_MAX
    }
}

pub type Batches = mpsc::Receiver<Result<Batch, ReadError>>;

/// Reads rows on a thread of its own: it may wait for standard input for ever, which must not keep the process.
pub fn read_ahead(rows: Rows, lines: Lines) -> Batches {
    let (sender, batches) = mpsc::channel(BATCHES_AHEAD);
    std::thread::spawn(move || {
        if let Err(error) = read_batches(rows, lines, &sender) {
            // Nobody waits for it once the import has ended.
            let _ = sender.blocking_send(Err(error));
        }
    });
    batches
}

fn read_batches(
    mut rows: Rows,
    mut lines: Lines,
    sender: &mpsc::Sender<Result<Batch, ReadError>>,
) -> Result<(), ReadError> {
    let mut batch = Batch::default();
    let end = loop {
        match rows.next(&mut lines) {
            Err(error) => break Err(error),
            Ok(None) => break Ok(()),
            Ok(Some(Err(refusal))) => batch.refused.push(refusal),
            Ok(Some(Ok(record))) => {
                batch.bytes += record.encoded_len();
                batch.records.push(record);
            }
        }
        batch.last_line = lines.last_line();
        if batch.is_full() && sender.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
            return Ok(());
        }
    };
    // What came before a broken end is imported all the same.
    if batch.last_line > 0 {
        let _ = sender.blocking_send(Ok(batch));
    }
    end
}

pub struct Importer {
    client: DataServiceClient<Line>,
    allow_missing_members: bool,
    messages_per_stream: usize,
}

/// What was put into one stream.
#[derive(Default)]
struct Sent {
    refused: Vec<Refusal>,
    last_line: u64,
    /// Set when the file has no more batches.
    end: Option<Result<(), ReadError>>,
}

impl Importer {
    /// `name_every_refusal`: a response names the first 1,000 only, so that each message gets a response of its own.
    pub fn new(client: &Client, allow_missing_members: bool, name_every_refusal: bool) -> Importer {
        let messages_per_stream = if name_every_refusal { 1 } else { MESSAGES_PER_STREAM_MAX };
        Importer { client: client.data(), allow_missing_members, messages_per_stream }
    }

    /// Sends all batches, each stream after the one before it is acknowledged.
    pub async fn send(
        &mut self,
        mut batches: Batches,
        report: &mut FileReport,
        progress: &Progress,
    ) -> Result<(), Failure> {
        loop {
            let (requests, stream) = mpsc::channel(2);
            let feed = feed(&mut batches, requests, self.messages_per_stream, self.allow_missing_members, progress);
            let (sent, answer) = tokio::join!(feed, self.client.import(ReceiverStream::new(stream)));
            match answer {
                Ok(answer) => {
                    report.add(answer.into_inner(), sent.refused, sent.last_line).map_err(Failure::Report)?;
                }
                Err(status) => {
                    report.add_unsent(sent.refused).map_err(Failure::Report)?;
                    return Err(Failure::Server(status.into()));
                }
            }
            match sent.end {
                Some(end) => return Ok(end?),
                None => continue,
            }
        }
    }
}

/// Puts batches into one stream until it has enough of them, the file ends, or the server hangs up.
async fn feed(
    batches: &mut Batches,
    requests: mpsc::Sender<ImportRequest>,
    messages_max: usize,
    allow_missing_members: bool,
    progress: &Progress,
) -> Sent {
    let mut sent = Sent::default();
    for _ in 0..messages_max {
        let batch = tokio::select! {
            batch = batches.recv() => batch,
            () = requests.closed() => return sent,
        };
        let batch = match batch {
            Some(Ok(batch)) => batch,
            Some(Err(error)) => {
                sent.end = Some(Err(error));
                return sent;
            }
            None => {
                sent.end = Some(Ok(()));
                return sent;
            }
        };
        sent.refused.extend(batch.refused);
        sent.last_line = batch.last_line;
        let count = batch.records.len();
        if count > 0 {
            let request = ImportRequest { records: batch.records, allow_missing_members };
            if requests.send(request).await.is_err() {
                return sent;
            }
        }
        progress.add_records(count);
    }
    sent
}
