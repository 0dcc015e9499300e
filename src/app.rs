//! The composition root: store → engine → archive and server. `offline.rs`, `restore.rs` and `undo.rs` work on a store that nobody serves.

mod memory_limit;
mod offline;
mod restore;
mod undo;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;
use uuid::Uuid;

pub use memory_limit::memory_limit;
pub use offline::{
    OfflineError, StoreCheck, StoredTotals, Verifier, export_store, read_backup_through, verify_backup, verify_store,
};
pub use restore::{Erased, Erasures, Restored, restore_namespace, restore_store};
pub use undo::{archived_lines, restore_archived};

use crate::archive::Archiver;
pub use crate::archive::{ArchiveError, ArchiveOptions, Line, Undo, shown_time};
use crate::engine::{Engine, SystemTimeSource, WriterEnd};
pub use crate::engine::{EngineOptions, Threads};
pub use crate::server::{
    CallLimits, Collector, ConnectionLimits, Rate, ReceivedLimits, ServerOptions, TlsFiles, read_files_again,
};
use crate::server::{Ending, Server, ServerError};
use crate::store::{ErasureJournal, MemoryStore, RowCounts, Store, StoreError, StoreId};

/// How long the store has to close after the last call: for a sync of what was given to the disk, which may hang.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub enum StoreOptions {
    /// The graph is kept in a folder.
    Folder(PathBuf),
    /// The graph is kept in a folder, with a journal of erasures in a file beside it.
    Journaled { folder: PathBuf, journal: PathBuf },
    /// The graph is kept in memory, and ends with the app.
    Memory,
}

#[derive(Debug, Clone)]
pub struct AppOptions {
    pub store: StoreOptions,
    pub server: ServerOptions,
    pub engine: EngineOptions,
    /// None without an archive.
    pub archive: Option<ArchiveOptions>,
}

#[derive(Debug, Error)]
pub enum AppError {
    #[error("cannot open the store in {folder}: {error}")]
    Open { folder: String, error: StoreError },
    #[error("cannot open the erasure journal {file}: {error}; --erasure-journal names another file")]
    Journal { file: String, error: StoreError },
    #[error("cannot archive: {0}")]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("the store was not closed within {} s; what was acknowledged is on disk", CLOSE_WAIT_MAX.as_secs())]
    NotClosed,
    /// A thread that the app cannot do without has ended.
    #[error("{0}; what was acknowledged is on disk")]
    Broken(String),
}

/// A server with its store, ready to serve.
pub struct App {
    server: Server,
    engine: Engine,
    writer: WriterEnd,
    archiver: Option<Archiver>,
}

impl App {
    /// Takes the address, and answers there that it does not serve yet; then opens the store and loads what it holds.
    pub async fn start(options: AppOptions) -> Result<App, AppError> {
        let store = options.store.clone();
        App::start_over(options, move || open(&store)).await
    }

    /// Starts as `start` does, over a store that the caller opens, on a thread of its own.
    pub async fn start_over(
        options: AppOptions,
        store: impl FnOnce() -> Result<Store, StoreError> + Send + 'static,
    ) -> Result<App, AppError> {
        let server = Server::start(options.server.clone()).await?;
        let begun = Instant::now();
        let (engine, writer) = load(&options, store).await?;
        let (namespaces, seconds) = (engine.namespaces(), begun.elapsed().as_secs_f64());
        let RowCounts { members, edges, .. } = namespaces.totals().rows;
        tracing::info!(namespaces = namespaces.namespace_count(), members, edges, seconds, "the store is loaded");
        drop(namespaces);
        let archiver = options.archive.map(|archive| Archiver::start(&engine, archive)).transpose()?;
        server.open(engine.clone()).await;
        Ok(App { server, engine, writer, archiver })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Returns where health alone can be asked.
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.server.health_addr()
    }

    /// Returns where metrics can be read.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.server.metrics_addr()
    }

    /// Returns a handle on the engine. It must be dropped before the app can end.
    pub fn engine(&self) -> Engine {
        self.engine.clone()
    }

    /// Serves until `shutdown` resolves; then ends the calls under way and closes the store. It ends at once, with an error, when a thread
    /// ends that it cannot do without.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> Result<(), AppError> {
        let App { server, engine, writer, archiver } = self;
        let threads = engine.threads().clone();
        drop(engine);
        let mut broken = None;
        let ending = async {
            tokio::select! {
                why = threads.failed() => {
                    broken = Some(why);
                    Ending::AtOnce
                }
                () = shutdown => Ending::Drained,
            }
        };
        let served = server.run_until(ending).await;
        if let Some(why) = broken {
            return Err(AppError::Broken(why));
        }
        let end = tokio::time::Instant::now() + CLOSE_WAIT_MAX;
        tokio::select! {
            // The calls that were being drained may have broken it.
            why = threads.failed() => return Err(AppError::Broken(why)),
            closed = tokio::time::timeout_at(end, writer.wait()) => closed.map_err(|_| AppError::NotClosed)?,
        }
        // What does not get into the archive in time is put there after the next start.
        if let Some(archiver) = archiver
            && tokio::time::timeout_at(end, archiver.wait()).await.is_err()
        {
            tracing::warn!("the archive lacks what was written last; it is put there after the next start");
        }
        Ok(served?)
    }
}

async fn load(
    options: &AppOptions,
    store: impl FnOnce() -> Result<Store, StoreError> + Send + 'static,
) -> Result<(Engine, WriterEnd), AppError> {
    let engine_options = options.engine;
    let journal = match &options.store {
        StoreOptions::Journaled { folder, journal } => Some(open_journal(folder, journal)?),
        _ => None,
    };
    let open = move || Engine::open_with(store()?, engine_options, Arc::new(SystemTimeSource), journal);
    let opening = Threads::default().job("kith-load", open);
    let opened = match opening {
        Ok(opening) => {
            opening.await.unwrap_or_else(|_| Err(StoreError::Io("opening it ended badly; the log says why".to_owned())))
        }
        Err(error) => Err(error.into()),
    };
    let folder = match &options.store {
        StoreOptions::Folder(folder) | StoreOptions::Journaled { folder, .. } => folder.display().to_string(),
        StoreOptions::Memory => "memory".to_owned(),
    };
    opened.map_err(|error| AppError::Open { folder, error })
}

/// Opens the journal. If the journal and the store lie beside each other, their folder is made, as it is for the store.
fn open_journal(folder: &Path, journal: &Path) -> Result<ErasureJournal, AppError> {
    let failed = |error| AppError::Journal { file: journal.display().to_string(), error };
    if let Some(parent) = folder.parent().filter(|parent| journal.parent() == Some(*parent)) {
        std::fs::create_dir_all(parent).map_err(|error| failed(error.into()))?;
    }
    ErasureJournal::open(journal).map_err(failed)
}

fn open(options: &StoreOptions) -> Result<Store, StoreError> {
    let new_id = || StoreId(Uuid::new_v4().as_u128());
    match options {
        StoreOptions::Folder(folder) | StoreOptions::Journaled { folder, .. } => Store::open(folder, new_id),
        StoreOptions::Memory => Ok(MemoryStore::new(new_id()).open()),
    }
}
