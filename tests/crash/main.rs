//! What survives a killed process, a power cut and a failing disk: the real binary, asked over its API.
//!
//! Every test prints its seed; README.md tells how to run the long forms.

#![cfg(target_os = "linux")]

mod call;
mod content;
mod kills;
mod operation;
mod reading;
mod server;
mod settings;
mod writer;
