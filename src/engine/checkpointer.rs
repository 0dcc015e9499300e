//! The thread that writes checkpoints, made at the start: one is written at a time, and whatever goes wrong is an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use tokio::sync::mpsc;

use super::namespaces::Namespaces;
use super::orders::{CheckpointWritten, Order};
use super::threads::Threads;
use crate::domain::TimeMs;
use crate::store::{CheckpointWriter, StoreError};

struct Job {
    namespaces: Arc<Namespaces>,
    writer: Box<dyn CheckpointWriter>,
}

pub struct Checkpointer {
    jobs: Option<SyncSender<Job>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// The time of the last command of the checkpoint under way.
    under_way: Option<TimeMs>,
}

impl Checkpointer {
    /// `orders` is weak, so that the writer ends when no engine handle is left.
    pub fn start(threads: &Threads, orders: mpsc::WeakSender<Order>) -> std::io::Result<Checkpointer> {
        let (jobs, inbox) = sync_channel::<Job>(1);
        let stop = Arc::new(AtomicBool::new(false));
        let (guard, stopped) = (threads.clone(), stop.clone());
        let thread = threads.essential("kith-checkpoint", move || {
            for Job { namespaces, writer } in inbox {
                let written = written(&guard, namespaces, writer, &stopped);
                if let Some(orders) = orders.upgrade() {
                    // A writer that has ended installs nothing.
                    let _ = orders.blocking_send(Order::CheckpointWritten(written));
                }
            }
            Ok(())
        })?;
        Ok(Checkpointer { jobs: Some(jobs), stop, thread: Some(thread), under_way: None })
    }

    pub fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// Begins a checkpoint, if none is under way.
    pub fn begin(&mut self, namespaces: Arc<Namespaces>, writer: Box<dyn CheckpointWriter>) -> Result<(), StoreError> {
        let time = namespaces.time();
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.try_send(Job { namespaces, writer }).is_ok());
        if !sent {
            return Err(StoreError::Io("the thread of checkpoints does not take it".to_owned()));
        }
        self.under_way = Some(time);
        Ok(())
    }

    /// Its report has come; gives the time of its last command.
    pub fn ended(&mut self) -> TimeMs {
        self.under_way.take().unwrap_or(TimeMs(0))
    }

    /// Ends the thread. Nothing is done in the store's folder any more when it returns.
    pub fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported where it was caught.
            let _ = thread.join();
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.end();
    }
}

fn written(
    threads: &Threads,
    namespaces: Arc<Namespaces>,
    writer: Box<dyn CheckpointWriter>,
    stop: &AtomicBool,
) -> CheckpointWritten {
    let written = threads.guarded("a checkpoint", move || namespaces.write_checkpoint(writer, stop));
    written.unwrap_or_else(|why| Err(StoreError::Io(why)))
}
