//! The parts of the engine that its threads share with its handles.

use std::sync::{Arc, Mutex};

use super::clock::Clock;
use super::memory::Memory;
use super::metrics::Metrics;
use super::options::EngineOptions;
use super::threads::Threads;
use crate::store::ErasureJournal;

#[derive(Clone)]
pub struct Common {
    pub options: EngineOptions,
    pub metrics: Arc<Metrics>,
    pub clock: Arc<Clock>,
    pub memory: Arc<Memory>,
    pub threads: Threads,
    pub journal: Option<Arc<Mutex<ErasureJournal>>>,
}
