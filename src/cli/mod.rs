//! The command line: one file per command.
//!
//! Every command but `serve`, `demo`, `bench`, `eval` and those that are given a store's folder is a client of a running server, and
//! speaks nothing but its public API.

mod backup;
pub mod bench;
mod client;
mod config;
mod demo;
mod eval;
mod examples;
mod export;
mod failure;
mod filter_args;
mod health;
mod import;
mod introducers;
mod json;
mod listen_args;
mod new_file;
mod path;
mod picture;
mod print;
mod progress;
mod reach;
mod restore;
mod serve;
mod settings;
mod shell;
mod stats;
mod suggest;
mod temporary;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

/// How many tasks a worker looks at before it asks the system what has come in. tokio's own 61 make everybody wait while one
/// connection keeps both workers busy; asking is one system call, of less than a microsecond.
const TASKS_BETWEEN_EVENTS: u32 = 4;

use client::ServerArgs;
pub use failure::Failure;
use settings::Settings;

/// A gRPC service with a graph store: who can a status reach, through whom did X find Y, who can introduce us.
#[derive(Debug, Parser)]
#[command(name = "kith", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell the story kith is for: serve it, ask six questions over gRPC, check the answers, and end.
    Demo(demo::DemoArgs),
    /// Serve a store over gRPC.
    Serve(serve::ServeArgs),
    /// Put the members, edges, kinds and statuses of files.
    Import(Asking<import::ImportArgs>),
    /// Write all there is to a file, for `kith import` and for other programs.
    Export(Asking<export::ExportArgs>),
    /// Who is in reach of a member or a status: how many at each hop, through which part of life.
    Reach(Asking<reach::ReachArgs>),
    /// Through whom one member could have found another.
    Path(Asking<path::PathArgs>),
    /// Whom a member should meet, why, and through whom.
    Suggest(Asking<suggest::SuggestArgs>),
    /// Who can introduce a member to another.
    Introducers(Asking<introducers::IntroducersArgs>),
    /// Write everything to a file that `kith restore` makes a store of, while the server goes on.
    Backup(Asking<backup::BackupArgs>),
    /// Make a store of a backup, and check it.
    Restore(restore::RestoreArgs),
    /// Check everything that a server, a folder nobody serves, or a backup holds.
    Verify(Asking<verify::VerifyArgs>),
    /// Whether a server serves, as probes ask it: ends with 0 if it does.
    Health(Asking<health::HealthArgs>),
    /// What the server is, how much it holds, and its limits.
    Stats(ServerArgs),
    /// How fast kith answers on this machine, beside programs that do no more than they must.
    Bench(bench::BenchArgs),
    /// How good suggestions are, on networks of which it is known who met later, beside the classic rankers.
    Eval(eval::EvalArgs),
    /// Completions of commands and flags, for a shell to source.
    Completions(shell::CompletionsArgs),
    /// The manual pages.
    Man(shell::ManArgs),
}

/// A command that asks a server.
#[derive(Debug, Args)]
struct Asking<A: Args> {
    #[command(flatten)]
    what: A,
    #[command(flatten)]
    server: ServerArgs,
}

/// Every command there is, with its examples.
fn command() -> clap::Command {
    examples::shown_by(config::added_to(Cli::command()))
}

/// The command line as clap takes it. The settings of `serve` come from three sources, and are put together before; none is left
/// to do of a command that only prints them.
fn matches() -> Result<Option<ArgMatches>, Failure> {
    let anything = ["serve", "config"]
        .into_iter()
        .fold(command(), |command, name| command.mut_subcommand(name, settings::taking_anything));
    let loose = anything.get_matches();
    let mut command = command();
    let (Some((name @ ("serve" | "config"), given)), Some(own)) =
        (loose.subcommand(), loose.subcommand_name().and_then(|name| command.find_subcommand(name)))
    else {
        return Ok(Some(command.get_matches()));
    };
    let mut settings = Settings::gather(own, given, |variable| std::env::var_os(variable));
    if name == "config" {
        return config::run(&settings, given).map(|()| None);
    }
    settings.check_given(own);
    settings.refused()?;
    let flags: Vec<OsString> = ["kith".into(), name.into()].into_iter().chain(settings.as_flags()).collect();
    Ok(Some(command.try_get_matches_from_mut(flags).unwrap_or_else(|error| error.exit())))
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let matches = match matches() {
        Ok(Some(matches)) => matches,
        Ok(None) => return ExitCode::SUCCESS,
        Err(failure) => return failure.report(),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().event_interval(TASKS_BETWEEN_EVENTS).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(format!("cannot start the runtime: {error}")).report(),
    };
    let ended = runtime.block_on(run(cli));
    // A thread that hangs on the disk must not hold the exit up.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let done = match cli.command {
        Command::Import(Asking { what, server }) => {
            return import::run(what, &server.connect().await?, server.json).await;
        }
        Command::Verify(Asking { what, server }) => return verify::run(what, &server).await,
        Command::Export(Asking { what, server }) => export::run(what, &server).await,
        Command::Restore(args) => return restore::run(args).await,
        Command::Backup(Asking { what, server }) => backup::run(what, &server.connect().await?, server.json).await,
        Command::Completions(args) => shell::completions(&args, command()),
        Command::Man(args) => shell::man(&args, command()),
        Command::Bench(args) => bench::run(args).await,
        Command::Eval(args) => eval::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Reach(Asking { what, server }) => reach::run(&server.connect().await?, &what, server.json).await,
        Command::Path(Asking { what, server }) => path::run(&server.connect().await?, &what, server.json).await,
        Command::Suggest(Asking { what, server }) => suggest::run(&server.connect().await?, &what, server.json).await,
        Command::Introducers(Asking { what, server }) => {
            introducers::run(&server.connect().await?, &what, server.json).await
        }
        Command::Health(Asking { what, server }) => health::run(what, &server.connect().await?, server.json).await,
        Command::Stats(server) => stats::run(&server.connect().await?, server.json).await,
    };
    done.map(|()| ExitCode::SUCCESS)
}
