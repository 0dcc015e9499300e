//! kith: a gRPC service with a graph store that answers reach, path and introduction queries.
//!
//! `docs/ARCHITECTURE.md` is the map: how a request travels, and which folder may import which.
#![forbid(unsafe_code)]

// The pure core, under the names by which all of this package calls it.
pub use kith_graph as graph;
pub use kith_graph::domain;

pub mod app;
pub mod archive;
pub mod cli;
pub mod engine;
#[cfg(test)]
mod fuzz;
pub mod proto;
pub mod server;
pub mod service;
pub mod store;
