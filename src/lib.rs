//! kith: a gRPC service with a graph store that answers reach, path and introduction queries.
//!
//! `docs/ARCHITECTURE.md` is the map: how a request travels, and which folder may import which.
#![forbid(unsafe_code)]

/// The writer makes small pieces of states, and other threads free them when the last reader has gone: the system's allocator
/// has them wait for each other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod app;
pub mod cli;
pub mod domain;
pub mod engine;
#[cfg(test)]
mod fuzz;
pub mod graph;
pub mod proto;
pub mod server;
pub mod service;
pub mod store;
