//! Reads rows ahead of the server, in batches, on a thread of its own: the thread may wait for standard input for ever, which must not keep
//! the process.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prost::Message;
use prost_types::FieldMask;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::layout::Layout;
use super::read::{self, ReadError};
use super::report::LocalRows;
use super::row::Row;
use super::rows::Rows;
use super::skip::Skip;
use super::sniff::Named;
use crate::proto::v1::ImportRecord;

const RECORDS_MAX: usize = 1_000;
/// One more record may come on top of this; a message stays far below what a server takes.
const BYTES_MAX: usize = 1024 * 1024;
/// The number of batches that are read ahead of the server.
const BATCHES_AHEAD: usize = 8;
/// How long rows that came one by one wait for others, to be sent together.
const GATHER: Duration = Duration::from_millis(300);
const COMMENTS_KEPT: usize = 3;

/// Part of a file: up to 1,000 records, and the rows between them that hold none.
#[derive(Default)]
pub struct Batch {
    pub records: Vec<ImportRecord>,
    /// The mask of the records that have none of their own.
    pub mask: Option<Arc<FieldMask>>,
    bytes: usize,
    pub rows: LocalRows,
    pub last_line: u64,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.last_line == 0
    }

    fn is_full(&self) -> bool {
        self.records.len() >= RECORDS_MAX || self.rows.refused.len() >= RECORDS_MAX || self.bytes >= BYTES_MAX
    }

    fn add(&mut self, row: Row, last_line: u64) {
        match row {
            Row::Record(record, mask) => self.add_record(*record, mask),
            Row::Refused(refusal) => self.rows.refused.push(refusal),
            Row::Skipped(skip, line, text) => {
                self.rows.skipped.add(skip, 1);
                if skip == Skip::Comment && self.rows.comments.len() < COMMENTS_KEPT {
                    self.rows.comments.push((line, text));
                }
            }
        }
        self.last_line = last_line;
    }

    /// Adds a record, which keeps a mask of its own only where it differs from the batch's, its first record's.
    fn add_record(&mut self, mut record: ImportRecord, mask: Option<Arc<FieldMask>>) {
        if self.records.is_empty() {
            self.mask = mask;
        } else if let Some(mask) = mask.filter(|mask| self.mask.as_ref() != Some(mask)) {
            record.update_mask = Some((*mask).clone());
        }
        self.bytes += record.encoded_len();
        self.records.push(record);
    }

    /// Takes another batch's rows if there is room for them.
    fn join(&mut self, other: Batch) -> Result<(), Batch> {
        let records = self.records.len() + other.records.len();
        if self.is_full() || records > RECORDS_MAX || self.bytes + other.bytes > BYTES_MAX {
            return Err(other);
        }
        for mut record in other.records {
            let mask = record.update_mask.take().map(Arc::new).or_else(|| other.mask.clone());
            self.add_record(record, mask);
        }
        self.rows.refused.extend(other.rows.refused);
        self.rows.skipped.add_all(&other.rows.skipped);
        self.rows.comments.extend(other.rows.comments);
        self.last_line = other.last_line;
        Ok(())
    }
}

/// What the reading thread sends.
enum Read {
    /// The input's format is known: whether positions count records, and which columns are ignored.
    Begun(bool, Vec<String>),
    Batch(Batch),
}

/// The rows that wait for the sender.
struct Outbox {
    batch: Batch,
    sender: mpsc::Sender<Result<Read, ReadError>>,
    /// Whether the receiver of rows is gone.
    closed: bool,
}

impl Outbox {
    fn send(&mut self, read: Read) {
        self.closed |= self.sender.blocking_send(Ok(read)).is_err();
    }

    fn flush(&mut self) {
        if !self.batch.is_empty() {
            let batch = std::mem::take(&mut self.batch);
            self.send(Read::Batch(batch));
        }
    }
}

/// A file's rows as they are read.
pub struct Batches {
    reads: mpsc::Receiver<Result<Read, ReadError>>,
    /// The part of another batch that did not fit.
    held: Option<Result<Batch, ReadError>>,
    /// Set with the first batch, or at the end.
    begun: Option<(bool, Vec<String>)>,
}

impl Batches {
    pub fn of(file: PathBuf, layout: Layout, bytes_read: Arc<AtomicU64>) -> Batches {
        let (sender, reads) = mpsc::channel(BATCHES_AHEAD);
        let none = sender.clone();
        let read = move || {
            let outbox = Outbox { batch: Batch::default(), sender: sender.clone(), closed: false };
            let outbox = Arc::new(Mutex::new(outbox));
            let end = read_rows(file, layout, bytes_read, &outbox);
            // The rows before a broken end are imported all the same.
            locked(&outbox).flush();
            if let Err(error) = end {
                // Nobody waits for the error once the import has ended.
                let _ = sender.blocking_send(Err(error));
            }
        };
        if let Err(error) = std::thread::Builder::new().spawn(read) {
            // The channel is empty yet, so the error fits.
            let _ = none.try_send(Err(ReadError::Io(error)));
        }
        Batches { reads, held: None, begun: None }
    }

    /// Returns the next rows: as many as go together, or those that have waited for others long enough; none at the file's end.
    ///
    /// Nothing is lost if it is dropped before it has ended.
    pub async fn next(&mut self) -> Option<Result<Batch, ReadError>> {
        if self.held.is_none() {
            self.held = self.receive().await;
        }
        let deadline = Instant::now() + GATHER;
        while let Some(Ok(batch)) = &self.held
            && !batch.is_full()
        {
            let Ok(more) = timeout_at(deadline, self.receive()).await else { break };
            let Some(more) = more else { break };
            let Some(Ok(batch)) = &mut self.held else { break };
            match more.map(|more| batch.join(more)) {
                Ok(Ok(())) => {}
                Ok(Err(rest)) => return self.held.replace(Ok(rest)),
                Err(error) => return self.held.replace(Err(error)),
            }
        }
        self.held.take()
    }

    /// Returns, once and only after a batch, whether positions count records and which columns are ignored.
    pub fn begun(&mut self) -> Option<(bool, Vec<String>)> {
        self.begun.take()
    }

    async fn receive(&mut self) -> Option<Result<Batch, ReadError>> {
        loop {
            match self.reads.recv().await? {
                Ok(Read::Begun(counts_records, ignored)) => self.begun = Some((counts_records, ignored)),
                Ok(Read::Batch(batch)) => return Some(Ok(batch)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn locked(outbox: &Mutex<Outbox>) -> std::sync::MutexGuard<'_, Outbox> {
    outbox.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_rows(
    file: PathBuf,
    layout: Layout,
    bytes_read: Arc<AtomicU64>,
    outbox: &Arc<Mutex<Outbox>>,
) -> Result<(), ReadError> {
    let waiting = outbox.clone();
    let mut lines = read::open(&file, bytes_read, move || locked(&waiting).flush())?;
    let mut rows = Rows::begin(layout, Named::of(&file), &mut lines)?;
    let ignored = std::mem::take(&mut rows.ignored_columns);
    locked(outbox).send(Read::Begun(rows.counts_records(), ignored));
    while let Some(row) = rows.next(&mut lines)? {
        let mut outbox = locked(outbox);
        // An array's elements have no lines.
        let last_line = if rows.counts_records() { position(&row) } else { lines.last_line() };
        outbox.batch.add(row, last_line);
        if outbox.batch.is_full() {
            outbox.flush();
        }
        if outbox.closed {
            return Ok(());
        }
    }
    Ok(())
}

fn position(row: &Row) -> u64 {
    match row {
        Row::Record(record, _) => record.position.max(0) as u64,
        Row::Refused(refusal) => refusal.line,
        Row::Skipped(_, line, _) => *line,
    }
}
