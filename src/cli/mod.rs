//! The command line: one file per command.
//!
//! Every command but `serve`, `demo` and those that are given a store's folder is a client of a running server, and speaks only its public
//! API.

mod archive;
mod backup;
mod client;
mod config;
mod demo;
mod examples;
mod export;
mod failure;
mod filter_args;
mod health;
mod import;
mod introducers;
mod json;
mod listen_args;
mod namespace;
mod new_file;
mod path;
mod picture;
pub mod print;
mod progress;
mod reach;
mod restore;
mod serve;
mod settings;
mod shell;
mod stats;
mod suggest;
mod thread;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

/// The number of tasks that a worker looks at before it asks the system what has come in. tokio's own 61 make everybody wait while one
/// connection keeps both workers busy; asking is one system call, of less than a microsecond.
const TASKS_BETWEEN_EVENTS: u32 = 4;

use client::ServerArgs;
pub use failure::Failure;
use settings::Settings;

/// The exit codes, on which scripts rely.
const EXIT_CODES: &str = "\
Exit codes:
  0  done; of path and introducers: a way was found; of health: it serves; of verify: all is well
  1  the server refused the call, or the command failed; of import: rows were refused; of verify and restore: something is wrong
  2  the command line or a setting is wrong
  3  no server answers, or the server could not start; of import: it came to no end; of restore, and of verify and export
     of a folder or file: it could not be done
  4  of path and introducers: there is no way from the one to the other
  5  of path and introducers: none was found before a limit ended the search

With --json an error is a line of JSON on stderr: {\"error\":{\"code\":…,\"reason\":…,\"message\":…,\"violations\":[…],\"exitCode\":…}}";

/// A gRPC service with a graph store: who can a status reach, through whom did X find Y, who can introduce us.
#[derive(Debug, Parser)]
#[command(name = "kith", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the story kith is for: serve it, ask six questions over gRPC, check the answers, and end.
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
    /// List what can be restored of an archive.
    Archive(archive::ArchiveArgs),
    /// Make a store of a backup or an archive, and check it.
    Restore(restore::RestoreArgs),
    /// Check everything that a server, a folder nobody serves, or a backup holds.
    Verify(Asking<verify::VerifyArgs>),
    /// Create, list and delete namespaces.
    Namespace(Asking<namespace::NamespaceArgs>),
    /// Whether a server serves, as probes ask it: ends with 0 if it does.
    Health(Asking<health::HealthArgs>),
    /// What the server is, how much it holds, and its limits.
    Stats(ServerArgs),
    /// Completions of commands and flags, for a shell to source.
    Completions(shell::CompletionsArgs),
    /// The manual pages.
    Man(shell::ManArgs),
}

#[derive(Debug, Args)]
struct Asking<A: Args> {
    #[command(flatten)]
    what: A,
    #[command(flatten)]
    server: ServerArgs,
}

/// Returns every command, with its examples.
fn command() -> clap::Command {
    examples::shown_by(config::added_to(Cli::command()))
}

/// Returns the command line as clap takes it, with the settings of `serve` put together from their three sources; none for a command that
/// only prints the settings, and has done so.
fn matches() -> Result<Option<ArgMatches>, Failure> {
    let anything =
        ["serve", "config"].into_iter().fold(settings::without_empty_variables(command()), |command, name| {
            command.mut_subcommand(name, settings::taking_anything)
        });
    let loose = anything.get_matches();
    let all = command();
    let (Some((name @ ("serve" | "config"), given)), Some(own)) =
        (loose.subcommand(), loose.subcommand_name().and_then(|name| all.find_subcommand(name)))
    else {
        return Ok(Some(settings::without_empty_variables(all).get_matches()));
    };
    let mut settings = Settings::gather(own, given, |variable| std::env::var_os(variable));
    if name == "config" {
        return config::run(&settings, given).map(|()| None);
    }
    settings.check_given(own);
    settings.refused()?;
    let parsed = settings::without_empty_variables(all.clone()).try_get_matches_from(flags_of(&settings));
    Ok(Some(parsed.unwrap_or_else(|error| error.exit())))
}

/// Returns `kith serve` with each setting that is given as a flag.
fn flags_of(settings: &Settings) -> Vec<OsString> {
    ["kith".into(), "serve".into()].into_iter().chain(settings.as_flags()).collect()
}

/// Gathers the settings of `kith serve` anew: the flags and the environment are those that the process was started with, the file is as it
/// is now.
fn serve_settings() -> Result<(Settings, serve::ServeArgs), Failure> {
    let wrong = |error: clap::Error| Failure::new(error.to_string());
    let all = command();
    let loose = all.clone().mut_subcommand("serve", settings::taking_anything);
    let loose = loose.try_get_matches_from(std::env::args_os()).map_err(wrong)?;
    let (Some(("serve", given)), Some(own)) = (loose.subcommand(), all.find_subcommand("serve")) else {
        return Err(Failure::new("this is not `kith serve`"));
    };
    let mut settings = Settings::gather(own, given, |variable| std::env::var_os(variable));
    settings.check_given(own);
    settings.refused()?;
    let parsed = settings::without_empty_variables(all.clone()).try_get_matches_from(flags_of(&settings));
    let matches = parsed.map_err(wrong)?;
    let given = matches.subcommand_matches("serve").ok_or_else(|| Failure::new("this is not `kith serve`"))?;
    let args = serve::ServeArgs::from_arg_matches(given).map_err(wrong)?;
    Ok((settings, args))
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let matches = match matches() {
        Ok(Some(matches)) => matches,
        Ok(None) => return ExitCode::SUCCESS,
        Err(failure) => return failure.report(false),
    };
    let as_json = matches
        .subcommand()
        .is_some_and(|(_, given)| given.try_get_one::<bool>("json").is_ok_and(|json| json.is_some_and(|json| *json)));
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().event_interval(TASKS_BETWEEN_EVENTS).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(format!("cannot start the runtime: {error}")).report(as_json),
    };
    let ended = runtime.block_on(run(cli));
    // A thread that hangs on the disk must not hold the exit up.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(failure) => failure.report(as_json),
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
        Command::Archive(args) => return archive::run(args).await,
        Command::Backup(Asking { what, server }) => backup::run(what, &server).await,
        Command::Completions(args) => shell::completions(&args, command()),
        Command::Man(args) => shell::man(&args, command()),
        Command::Demo(args) => demo::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Reach(Asking { what, server }) => reach::run(&server.connect().await?, &what, server.json).await,
        Command::Path(Asking { what, server }) => {
            return path::run(&server.connect().await?, &what, server.json).await;
        }
        Command::Suggest(Asking { what, server }) => suggest::run(&server.connect().await?, &what, server.json).await,
        Command::Introducers(Asking { what, server }) => {
            return introducers::run(&server.connect().await?, &what, server.json).await;
        }
        Command::Namespace(Asking { what, server }) => {
            namespace::run(what, &server.connect().await?, server.json).await
        }
        Command::Health(Asking { what, server }) => health::run(what, &server.connect().await?, server.json).await,
        Command::Stats(server) => {
            let namespace = server.namespace.clone().unwrap_or_default();
            stats::run(&server.connect().await?, &namespace, server.json).await
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}
