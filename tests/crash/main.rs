//! What survives a killed process, a power cut and a failing disk: the real binary, asked over its API.
//!
//! Every test prints its seed; README.md tells how to run the long forms.

#![cfg(target_os = "linux")]

mod cached_file;
mod call;
mod content;
mod disk;
mod faults;
mod hubs;
mod kills;
mod ledger;
mod operation;
mod power;
mod reading;
mod recording;
mod remembered;
mod server;
mod settings;
mod shim;
mod soak;
mod stops;
mod survives;
mod trace;
mod writer;
