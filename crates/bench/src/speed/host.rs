//! Servers in this process, each on threads of its own, so that their work can be distinguished from their callers'.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::rpc::serve_empty;
use kith::app::{App, AppOptions, EngineOptions, ServerOptions, StoreOptions};
use kith::cli::Failure;
use kith::engine::Engine;

/// The threads of a server carry its name; Linux keeps 15 bytes of it.
const KITH: &str = "bench-kith";
const EMPTY: &str = "bench-empty";
/// Idle threads stay, so that the time they took can still be read.
const THREADS_KEPT: Duration = Duration::from_secs(600);
const DRAIN: Duration = Duration::from_secs(2);

/// A running server.
pub struct Host {
    pub address: SocketAddr,
    name: &'static str,
    stop: oneshot::Sender<()>,
    runtime: Runtime,
    ended: Option<tokio::task::JoinHandle<Result<(), String>>>,
}

fn runtime(name: &str) -> Result<Runtime, Failure> {
    let built = Builder::new_multi_thread().enable_all().thread_name(name).thread_keep_alive(THREADS_KEPT).build();
    built.map_err(|error| Failure::new(format!("cannot start a runtime: {error}")))
}

async fn on<T: Send + 'static>(
    runtime: &Runtime,
    work: impl Future<Output = Result<T, String>> + Send + 'static,
) -> Result<T, Failure> {
    let done = runtime.spawn(work).await;
    done.unwrap_or_else(|error| Err(error.to_string())).map_err(Failure::new)
}

/// Starts kith over a store; its engine's handle must be dropped before it is stopped.
pub async fn kith(store: Option<PathBuf>, engine: EngineOptions) -> Result<(Host, Engine), Failure> {
    let runtime = runtime(KITH)?;
    let options = AppOptions {
        store: store.map_or(StoreOptions::Memory, StoreOptions::Folder),
        server: ServerOptions { drain: DRAIN, ..ServerOptions::at(SocketAddr::from(([127, 0, 0, 1], 0))) },
        engine,
        archive: None,
    };
    let app = on(&runtime, async { App::start(options).await.map_err(|error| error.to_string()) }).await?;
    let (address, engine) = (app.address(), app.engine());
    let (stop, stopped) = oneshot::channel();
    let ended = runtime.spawn(async move {
        let until = async {
            let _ = stopped.await;
        };
        app.run_until(until).await.map_err(|error| error.to_string())
    });
    Ok((Host { address, name: KITH, stop, runtime, ended: Some(ended) }, engine))
}

/// Starts the server that does nothing.
pub async fn empty() -> Result<Host, Failure> {
    let runtime = runtime(EMPTY)?;
    let (stop, stopped) = oneshot::channel();
    let until = async {
        let _ = stopped.await;
    };
    let address = on(&runtime, async { serve_empty(until).await.map_err(|error| error.to_string()) }).await?;
    Ok(Host { address, name: EMPTY, stop, runtime, ended: None })
}

impl Host {
    /// Returns the time that its threads have taken of the processors; zero where the system does not report it.
    pub fn cpu(&self) -> Duration {
        let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let nanos = threads.filter_map(|thread| {
            let name = std::fs::read_to_string(thread.path().join("comm")).ok()?;
            let taken = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            let nanos: u64 = taken.split(' ').next()?.parse().ok()?;
            (name.trim_end() == self.name).then_some(nanos)
        });
        Duration::from_nanos(nanos.sum())
    }

    /// Ends it, with what its store has to write.
    pub async fn stop(self) -> Result<(), Failure> {
        let _ = self.stop.send(());
        let ended = match self.ended {
            Some(ended) => ended.await.unwrap_or_else(|error| Err(error.to_string())),
            None => Ok(()),
        };
        self.runtime.shutdown_background();
        ended.map_err(Failure::new)
    }
}
