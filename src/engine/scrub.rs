//! The thread that reads what is on disk again and again, slowly. What differs from what was written is written anew from memory, before a
//! restart has to read it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::metrics::Metrics;
use super::namespaces::Namespaces;
use super::orders::{Order, Rot};
use super::state::{Verifier, verify_log};
use super::threads::Threads;
use crate::domain::{Error, Finding, Sequence};
use crate::store::{CheckpointScrub, LogSource, StoreError};

/// A pass reads at least so fast, and otherwise so that it takes half of the time between two.
const BYTES_PER_SECOND_MIN: f64 = 4.0 * 1_024.0 * 1_024.0;
/// How long the thread waits where it scrubs only when it is asked to.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// What a server's checks on the disk share. The thread ends with the last clone.
#[derive(Clone)]
pub struct Scrubber {
    checkpoint: Arc<dyn CheckpointScrub>,
    now: Sender<()>,
}

/// What the thread works with. It keeps nothing of the engine alive.
pub struct Scrubbing {
    pub checkpoint: Arc<dyn CheckpointScrub>,
    pub log: Arc<dyn LogSource>,
    pub published: watch::Receiver<Arc<Namespaces>>,
    pub orders: mpsc::WeakSender<Order>,
    pub metrics: Arc<Metrics>,
    /// The time from the beginning of a pass to that of the next; zero if there is a pass only when it is asked for.
    pub every: Duration,
}

impl Scrubber {
    pub fn start(threads: &Threads, scrubbing: Scrubbing) -> std::io::Result<Scrubber> {
        let (now, closed) = channel();
        let checkpoint = scrubbing.checkpoint.clone();
        let guard = threads.clone();
        threads.essential("kith-scrub", move || {
            while scrubbing.wait(&closed) {
                // A panic is counted and logged; the next pass may go better.
                let _ = guard.guarded("a scrub", || scrubbing.pass(&closed));
            }
            Ok(())
        })?;
        Ok(Scrubber { checkpoint, now })
    }

    /// Reads all that is kept of the log through a sequence, and the checkpoint's files; gives how many findings there are. What is found
    /// is written anew.
    pub fn verify(&self, log: &dyn LogSource, through: Sequence, verifier: &mut dyn Verifier) -> Result<u64, Error> {
        let mut findings = verify_log(log, through, verifier)?;
        let (total, mut read) = (self.checkpoint.bytes(), 0);
        let found = self.checkpoint.check(&mut |bytes| {
            read += bytes;
            verifier.progress(read.min(total), total)
        })?;
        if let Some(message) = found {
            findings += 1;
            verifier.found(Finding { part: "checkpoint", subject: "files on disk".to_owned(), message })?;
        }
        if findings > 0 {
            // The thread ends with the engine, and not before.
            let _ = self.now.send(());
        }
        Ok(findings)
    }
}

impl Scrubbing {
    /// Waits for the next pass, and returns false at the end.
    fn wait(&self, closed: &Receiver<()>) -> bool {
        let every = if self.every.is_zero() { FOREVER } else { self.every };
        !matches!(closed.recv_timeout(every), Err(RecvTimeoutError::Disconnected))
    }

    fn pass(&self, closed: &Receiver<()>) {
        let begun = Instant::now();
        let total = (self.checkpoint.bytes() + self.log.bytes()) as f64;
        let rate = (total / (self.every.as_secs_f64() / 2.0).max(0.1)).max(BYTES_PER_SECOND_MIN);
        let mut bytes = 0.0;
        let mut pace = |read: u64| {
            bytes += read as f64;
            let until = Duration::from_secs_f64(bytes / rate);
            match closed.recv_timeout(until.saturating_sub(begun.elapsed())) {
                Err(RecvTimeoutError::Disconnected) => Err(Error::Cancelled),
                _ => Ok(()),
            }
        };
        let through = self.published.borrow().sequence();
        let checkpoint = self.checkpoint.check(&mut pace);
        let log = self.log.scrub(through, &mut pace);
        if let Ok(Some(what)) = &checkpoint {
            self.report(Rot { what: what.clone(), log: 0 });
        }
        match &log {
            // That is no fault of the disk.
            Ok(None | Some((_, StoreError::TooManyFiles))) | Err(_) => {}
            Ok(Some((sequence, what))) => self.report(Rot { what: what.to_string(), log: *sequence }),
        }
        if checkpoint.is_ok() && log.is_ok() {
            self.metrics.scrubs.inc();
        }
    }

    fn report(&self, rot: Rot) {
        self.metrics.scrub_findings.inc();
        tracing::error!(
            what = rot.what,
            "what is on disk is not what was written; a new checkpoint is written from memory"
        );
        if let Some(orders) = self.orders.upgrade() {
            // A writer that has ended writes nothing anew.
            let _ = orders.blocking_send(Order::Rotten(rot));
        }
    }
}
