//! The `kith` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// The writer makes small pieces of states, and other threads free them when the last reader has gone: with the system's allocator they
/// would wait for each other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    kith::cli::main()
}
