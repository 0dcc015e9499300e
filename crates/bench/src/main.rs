//! The `kith-bench` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kith::cli::Failure;
use kith_bench::{eval, speed};

/// The allocator that kith is shipped with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How fast kith answers on this machine, beside programs that do no more than they must.
#[derive(Debug, Parser)]
#[command(name = "kith-bench", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    speed: speed::SpeedArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a store as `kith serve` does: what is measured of a server alone is measured in a process of its own.
    #[command(hide = true, disable_help_flag = true)]
    Serve {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        _settings: Vec<std::ffi::OsString>,
    },
    /// How good suggestions are, on networks of which it is known who met later, beside the classic rankers.
    Eval(eval::EvalArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::Serve { .. }) = cli.command {
        // kith reads the settings from the arguments of the process.
        return kith::cli::main();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(format!("cannot start the runtime: {error}")).report(false),
    };
    let ended = runtime.block_on(async {
        match cli.command {
            Some(Command::Eval(args)) => eval::run(args).await,
            Some(Command::Serve { .. }) | None => speed::run(cli.speed).await,
        }
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(false),
    }
}
