//! Values made of files, made anew when the files change. A broken new file is reported, and the old value stays.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::metrics::Reloads;
use crate::engine::Threads;

/// How often files are read again: they are small, and a change of the target of a link is seen too.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Wakes all that follow files.
static ASKED_FOR: Notify = Notify::const_new();

/// Has all files looked at now, and what is still wrong with them reported again: for an operator who asks.
pub fn read_files_again() {
    ASKED_FOR.notify_waiters();
}

/// A value that is made of files.
pub trait Source: Send + Sync + 'static {
    type Value: Send + Sync + 'static;

    /// Returns the flag and path, as the operator gave them.
    fn name(&self) -> String;
    fn read(&self) -> Result<Vec<Vec<u8>>, String>;
    fn make(&self, files: &[Vec<u8>]) -> Result<Self::Value, String>;
}

/// The newest value, which also notifies of changes.
pub type Newest<T> = watch::Receiver<Arc<T>>;

/// Makes the value, and keeps it up to date as long as someone holds it.
pub async fn follow<S: Source>(source: S, reloads: Reloads) -> Result<Newest<S::Value>, String> {
    let source = Arc::new(source);
    let (seen, made) = look(source.clone(), None).await.unwrap_or_else(|| Err("cannot be read".to_owned()))?;
    let (newest, given) = watch::channel(Arc::new(made));
    tokio::spawn(keep(source, seen, newest, reloads));
    Ok(given)
}

type Look<V> = Result<(Vec<Vec<u8>>, V), String>;

async fn keep<S: Source>(
    source: Arc<S>,
    mut seen: Vec<Vec<u8>>,
    newest: watch::Sender<Arc<S::Value>>,
    reloads: Reloads,
) {
    let (mut is_broken, mut reported) = (false, String::new());
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = ASKED_FOR.notified() => reported.clear(),
            () = newest.closed() => return,
        }
        match look(source.clone(), Some(seen.clone())).await {
            None => {
                reported.clear();
                if std::mem::take(&mut is_broken) {
                    tracing::info!(target: "audit", file = source.name(), "used again: it is what it was before");
                }
            }
            Some(Ok((files, value))) => {
                (seen, is_broken) = (files, false);
                reported.clear();
                newest.send_replace(Arc::new(value));
                reloads.done.inc();
                tracing::info!(target: "audit", file = source.name(), "reloaded");
            }
            Some(Err(why)) if why != reported => {
                is_broken = true;
                reloads.failed.inc();
                tracing::error!("{} has changed and is not used, what it held before is: {why}", source.name());
                reported = why;
            }
            Some(Err(_)) => {}
        }
    }
}

/// Reads the files and makes the value, unless they are what was seen.
async fn look<S: Source>(source: Arc<S>, seen: Option<Vec<Vec<u8>>>) -> Option<Look<S::Value>> {
    let looking = Threads::default().job("kith-reload", move || {
        let files = match source.read() {
            Ok(files) => files,
            Err(why) => return Some(Err(why)),
        };
        if seen.is_some_and(|seen| seen == files) {
            return None;
        }
        Some(source.make(&files).map(|value| (files, value)))
    });
    match looking {
        Ok(looking) => looking.await.unwrap_or_else(|_| Some(Err("reading it ended badly".to_owned()))),
        // The value read before stays, and the next look may have a thread.
        Err(error) => Some(Err(format!("there is no thread to read it: {error}"))),
    }
}

/// Returns a value that never changes.
pub fn fixed<T>(value: T) -> Newest<T> {
    watch::channel(Arc::new(value)).1
}
