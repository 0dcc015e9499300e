//! Measures single durable writes, beside an empty call and the disk's own price: `append + fdatasync`.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::messages;
use super::reads::Bench;
use super::rows::{Goal, Row, measured, timed};
use super::samples::{Round, Samples, Spread};
use kith::cli::Failure;

/// The bytes that one command takes in a log, about.
const RECORD_BYTES: usize = 128;
const MANY_IN_FLIGHT: [usize; 2] = [16, 64];

/// Measures the latency of one write alone, and writes a second with many in flight.
pub async fn rows(bench: &Bench<'_>, folder: &Path) -> Result<Vec<Row>, Failure> {
    let calls = messages::writes(bench.network, &mut Rng::with_seed(bench.effort.seed));
    let mut alone = Vec::new();
    let mut rates = MANY_IN_FLIGHT.map(|_| Vec::new());
    for round in 0..bench.effort.rounds {
        let synced = synced(folder.join("fdatasync"), bench.effort.round).await?;
        let (kith, empty) = bench.beside_empty(&calls, 1, round).await?;
        if let (Some(kith), Some(empty), Some(synced)) = (kith.samples.round(), empty.samples.round(), synced.round()) {
            alone.push((kith, empty, synced));
        }
        for (in_flight, rates) in MANY_IN_FLIGHT.iter().zip(&mut rates) {
            let (kith, empty) = bench.beside_empty(&calls, *in_flight, round).await?;
            rates.push((kith.calls_per_s, empty.calls_per_s));
        }
    }
    let times: Vec<(Round, Round)> = alone.iter().map(|(kith, _, synced)| (*kith, *synced)).collect();
    let mut rows = Vec::new();
    if let Some(mut row) = timed("durable write: (p50 − E) / F".to_owned(), &times, |r| r.0.p50 / r.1.p50, None) {
        let beyond = alone.iter().map(|(kith, empty, synced)| (kith.p50 - empty.p50) / synced.p50);
        row.ratio = Spread::of(beyond).unwrap_or(row.ratio);
        row.goal = Some(Goal::at_most((1.3, 1.1)));
        rows.push(row);
    }
    for (in_flight, rates) in MANY_IN_FLIGHT.iter().zip(&rates) {
        let goal = (*in_flight == 64).then_some(Goal::at_least((0.4, 0.6)));
        rows.extend(measured(format!("durable writes, {in_flight} in flight"), "writes/s", rates, goal));
    }
    Ok(rows)
}

/// The records of the file that is appended to: it is written before it is timed, as a log's is.
const FILE_RECORDS: usize = 32_768;

/// Appends to a file whose space is there, filled with zeros as kith's log is, and waits for the disk, again and again.
async fn synced(path: std::path::PathBuf, duration: Duration) -> Result<Samples, Failure> {
    let appending = tokio::task::spawn_blocking(move || -> std::io::Result<Samples> {
        let mut file = File::create(&path)?;
        file.write_all(&vec![0; RECORD_BYTES * FILE_RECORDS])?;
        file.sync_all()?;
        let begun = Instant::now();
        let mut samples = Samples::default();
        while samples.is_empty() || begun.elapsed() < duration {
            if samples.len().is_multiple_of(FILE_RECORDS) {
                file.rewind()?;
            }
            samples.time(|| file.write_all(&[1; RECORD_BYTES]).and_then(|()| file.sync_data()))?;
        }
        std::fs::remove_file(&path)?;
        Ok(samples)
    });
    let done = appending.await.map_err(|error| Failure::new(error.to_string()))?;
    done.map_err(|error| Failure::new(format!("cannot append to a file: {error}")))
}
