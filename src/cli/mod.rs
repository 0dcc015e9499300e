//! The command line: one file per command.

mod failure;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use failure::Failure;

/// A gRPC service with a graph store: who can a status reach, through whom did X find Y, who can introduce us.
#[derive(Debug, Parser)]
#[command(name = "kith", version, arg_required_else_help = true)]
struct Cli {
    /// Where the server is that a command asks.
    #[arg(long, global = true, env = "KITH_SERVER", value_name = "URL", default_value = "http://127.0.0.1:5484")]
    server: String,
    /// Answer in JSON, as the API maps it.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a store over gRPC.
    Serve(serve::ServeArgs),
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(format!("cannot start the runtime: {error}")).report(),
    };
    let ended = runtime.block_on(run(cli));
    // A thread that hangs on the disk must not hold the exit up.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Serve(args) => serve::run(args).await,
    }
}
