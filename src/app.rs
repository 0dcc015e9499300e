//! The composition root: store → engine → server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use uuid::Uuid;

use crate::engine::{Engine, WriterEnd};

pub use crate::engine::EngineOptions;
use crate::server::{Server, ServerError, ServerOptions};
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
    pub listen: SocketAddr,
    /// Whether to listen where others can reach it.
    pub insecure: bool,
    /// What calls under way have to end, once the app is to stop.
    pub drain: Duration,
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
    writer: WriterEnd,
}

impl App {
    /// Opens the store, loads what it holds and takes the address.
    pub async fn start(options: AppOptions) -> Result<App, AppError> {
        let folder = match &options.store {
            StoreOptions::Folder(folder) => folder.display().to_string(),
            StoreOptions::Memory => "memory".to_owned(),
        };
        let (store, engine_options) = (options.store.clone(), options.engine);
        let opened = tokio::task::spawn_blocking(move || Engine::open(open(&store)?, engine_options)).await;
        let opened = opened.unwrap_or_else(|error| Err(StoreError::Io(format!("opening it ended badly: {error}"))));
        let (engine, writer) = opened.map_err(|error| AppError::Open { folder, error })?;

        let server_options = ServerOptions { listen: options.listen, insecure: options.insecure, drain: options.drain };
        match Server::bind(engine, server_options).await {
            Ok(server) => Ok(App { server, writer }),
            Err(error) => {
                close(writer).await?;
                Err(error.into())
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// A handle on the engine. It must be dropped before the app can end.
    pub fn engine(&self) -> Engine {
        self.server.engine()
    }

    /// Serves until `shutdown` resolves; then ends the calls under way and closes the store.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), AppError> {
        let served = self.server.serve(shutdown).await;
        close(self.writer).await?;
        Ok(served?)
    }
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
