//! The owner of kith's threads: it starts them, notices when one ends, counts panics, and decides what an end means.
//!
//! A thread that the server cannot do without is started as *essential*. If it panics, or ends with a reason before it was asked to end,
//! the server ends and says why. The end of any other thread concerns whoever started it.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use tokio::sync::{oneshot, watch};

use crate::domain::{Error, Reason};

/// Clones share what they know.
#[derive(Clone)]
pub struct Threads(Arc<Known>);

struct Known {
    /// Why the server must end. The first reason stays, because later ones follow from it.
    failure: watch::Sender<Option<String>>,
    panics: AtomicU64,
}

impl Default for Threads {
    fn default() -> Threads {
        Threads(Arc::new(Known { failure: watch::Sender::new(None), panics: AtomicU64::new(0) }))
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Threads")
    }
}

impl Threads {
    /// Starts a thread that the server cannot do without. It ends with `Ok` if it was asked to; an error or a panic ends the server.
    pub fn essential(
        &self,
        name: &'static str,
        run: impl FnOnce() -> Result<(), String> + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let threads = self.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            let ended = threads.guarded(name, run).and_then(|ended| ended);
            if let Err(why) = ended {
                threads.fail(format!("the thread {name} has ended: {why}"));
            }
        })
    }

    /// Starts a thread whose end concerns only whoever started it; its panic is counted and logged.
    pub fn helper(&self, name: &'static str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
        let threads = self.clone();
        // The panic was reported where it was caught.
        thread::Builder::new().name(name.to_owned()).spawn(move || drop(threads.guarded(name, run)))
    }

    /// Runs a job on a helper of its own. The receiver ends without a value if the job panics.
    pub fn job<T: Send + 'static>(
        &self,
        name: &'static str,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<oneshot::Receiver<T>> {
        let (done, result) = oneshot::channel();
        // Whoever asked may be gone.
        self.helper(name, move || drop(done.send(job())))?;
        Ok(result)
    }

    /// Runs what may panic; a panic is counted and logged, and becomes an error.
    pub fn guarded<T>(&self, what: &str, job: impl FnOnce() -> T) -> Result<T, String> {
        catch_unwind(AssertUnwindSafe(job)).map_err(|panic| {
            self.0.panics.fetch_add(1, Ordering::Relaxed);
            let words = words_of(&*panic);
            tracing::error!("{what} panicked: {words}");
            format!("it panicked: {words}")
        })
    }

    /// Ends the server, and logs the reason.
    pub fn fail(&self, why: String) {
        tracing::error!("{why}; the server ends");
        self.0.failure.send_if_modified(|known| {
            let first = known.is_none();
            if first {
                *known = Some(why);
            }
            first
        });
    }

    /// Waits until the server must end, and returns why; it waits for ever if the server need not end.
    pub async fn failed(&self) -> String {
        let mut failure = self.0.failure.subscribe();
        match failure.wait_for(Option::is_some).await.map(|why| why.clone()) {
            Ok(Some(why)) => why,
            // The sender lives as long as `self`.
            _ => std::future::pending().await,
        }
    }

    /// Returns how many threads and guarded jobs have panicked.
    pub fn panics(&self) -> u64 {
        self.0.panics.load(Ordering::Relaxed)
    }
}

/// Returns the message of a panic.
fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words")
}

/// The error of a call that the engine's end cuts off.
pub fn stopped() -> Error {
    Error::Unavailable { reason: Reason::NotReady, message: "the server is stopping".to_owned(), retry_after_ms: 1_000 }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    async fn failed(threads: &Threads) -> Option<String> {
        tokio::time::timeout(Duration::from_millis(20), threads.failed()).await.ok()
    }

    #[tokio::test]
    async fn the_first_end_of_an_essential_thread_says_why_the_server_ends() {
        let threads = Threads::default();
        threads.essential("asked", || Ok(())).unwrap().join().unwrap();
        threads.helper("helper", || panic!("for the test")).unwrap().join().unwrap();
        assert_eq!((failed(&threads).await, threads.panics()), (None, 1));
        threads.essential("one", || panic!("for the {}", "test")).unwrap().join().unwrap();
        threads.essential("two", || Err("the inbox is gone".to_owned())).unwrap().join().unwrap();
        let why = "the thread one has ended: it panicked: for the test".to_owned();
        assert_eq!((failed(&threads).await, threads.panics()), (Some(why), 2));
    }

    #[tokio::test]
    async fn a_job_gives_its_value_or_none() {
        let threads = Threads::default();
        assert_eq!(threads.job("job", || 7).unwrap().await, Ok(7));
        assert!(threads.job::<u8>("job", || panic!("for the test")).unwrap().await.is_err());
        // Whoever waits for the value sees its absence before the panic is counted.
        let end = Instant::now() + Duration::from_secs(30);
        while threads.panics() != 1 {
            assert!(Instant::now() < end, "the panic is never counted");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
