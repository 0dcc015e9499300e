//! The composition root: store → engine → server. What is done to a store that nobody serves is in `offline.rs`.

mod memory_limit;
mod offline;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use thiserror::Error;
use uuid::Uuid;

pub use memory_limit::memory_limit;
pub use offline::{
    CheckedStore, OfflineError, StoreCheck, StoredTotals, Verified, Verifier, export_store, read_backup_through,
    restore_store, verify_backup, verify_store,
};

pub use crate::engine::EngineOptions;
use crate::engine::{Engine, WriterEnd};
pub use crate::server::{CallLimits, Collector, ConnectionLimits, Rate, ReceivedLimits, ServerOptions, TlsFiles};
use crate::server::{Server, ServerError};
use crate::store::{MemoryStore, SledStore, Store, StoreError, StoreId};

/// How long the store has to close after the last call.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(30);

/// Where the graph is kept.
#[derive(Debug, Clone)]
pub enum StoreOptions {
    /// In a folder.
    Folder(PathBuf),
    /// In memory: it ends with the app.
    Memory,
}

#[derive(Debug, Clone)]
pub struct AppOptions {
    pub store: StoreOptions,
    pub server: ServerOptions,
    pub engine: EngineOptions,
}

/// Why the app did not start, or did not end well.
#[derive(Debug, Error)]
pub enum AppError {
    #[error("cannot open the store in {folder}: {error}")]
    Open { folder: String, error: StoreError },
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("the store was not closed within {} s; what was acknowledged is on disk", CLOSE_WAIT_MAX.as_secs())]
    NotClosed,
}

/// A server with its store, ready to serve.
pub struct App {
    server: Server,
    engine: Engine,
    writer: WriterEnd,
}

impl App {
    /// Takes the address, where it says that it does not serve yet; then opens the store and loads what it holds.
    pub async fn start(options: AppOptions) -> Result<App, AppError> {
        let server = Server::start(options.server.clone()).await?;
        let begun = Instant::now();
        let (engine, writer) = load(&options).await?;
        let (state, seconds) = (engine.state(), begun.elapsed().as_secs_f64());
        tracing::info!(members = state.member_count(), edges = state.edge_count(), seconds, "the store is loaded");
        server.open(engine.clone()).await;
        Ok(App { server, engine, writer })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Where health alone can be asked.
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.server.health_addr()
    }

    /// Where metrics can be read.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.server.metrics_addr()
    }

    /// A handle on the engine. It must be dropped before the app can end.
    pub fn engine(&self) -> Engine {
        self.engine.clone()
    }

    /// Serves until `shutdown` resolves; then ends the calls under way and closes the store.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), AppError> {
        let App { server, engine, writer } = self;
        drop(engine);
        let served = server.run_until(shutdown).await;
        close(writer).await?;
        Ok(served?)
    }
}

async fn load(options: &AppOptions) -> Result<(Engine, WriterEnd), AppError> {
    let (store, engine_options) = (options.store.clone(), options.engine);
    let opened = tokio::task::spawn_blocking(move || Engine::open(open(&store)?, engine_options)).await;
    let opened = opened.unwrap_or_else(|error| Err(StoreError::Io(format!("opening it ended badly: {error}"))));
    let folder = match &options.store {
        StoreOptions::Folder(folder) => folder.display().to_string(),
        StoreOptions::Memory => "memory".to_owned(),
    };
    opened.map_err(|error| AppError::Open { folder, error })
}

fn open(options: &StoreOptions) -> Result<Box<dyn Store>, StoreError> {
    let new_id = || StoreId(Uuid::new_v4().as_u128());
    Ok(match options {
        StoreOptions::Folder(folder) => Box::new(SledStore::open(folder, new_id)?),
        StoreOptions::Memory => Box::new(MemoryStore::new(new_id())),
    })
}

/// Waits for the writer, which ends with the last handle on the engine.
async fn close(writer: WriterEnd) -> Result<(), AppError> {
    let closed = tokio::task::spawn_blocking(|| writer.join());
    match tokio::time::timeout(CLOSE_WAIT_MAX, closed).await {
        Ok(_) => Ok(()),
        Err(_) => Err(AppError::NotClosed),
    }
}
