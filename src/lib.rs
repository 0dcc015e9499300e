//! kith: a gRPC service with a graph store that answers reach, path and introduction queries.
//!
//! `docs/ARCHITECTURE.md` is the map: how a request travels, and which folder may import which.
#![forbid(unsafe_code)]

pub mod app;
pub mod cli;
pub mod domain;
pub mod engine;
pub mod graph;
pub mod proto;
pub mod server;
pub mod service;
pub mod store;
