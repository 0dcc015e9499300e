//! `kith serve`: runs the service until it is asked to stop.

use std::ffi::OsStr;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::Failure;
use super::listen_args::ListenArgs;
use super::settings::Settings;
use super::thread::on_thread;
use crate::app::{App, AppOptions, ArchiveOptions, EngineOptions, StoreOptions, memory_limit, read_files_again};

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The folder of the store; made if there is none.
    #[arg(long, env = "KITH_DATA", value_name = "DIR")]
    data: PathBuf,
    /// A TOML file of settings: each flag's name with _ for -. What is given by flag or environment counts before it.
    #[arg(long, env = "KITH_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    listen: ListenArgs,
    /// Edges that one query may visit at most.
    #[arg(long, env = "KITH_MAX_EDGES_VISITED", value_name = "N", value_parser = clap::value_parser!(u64).range(1..), default_value_t = EngineOptions::default().edges_visited_max)]
    max_edges_visited: u64,
    /// Queries computed at the same time that are not small; as many as there are processors if it is not given. Callers share them fairly.
    #[arg(long, env = "KITH_QUERY_THREADS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_024), default_value_t = default_query_threads())]
    query_threads: u16,
    /// Bytes of commands on disk after which a new checkpoint is written, at least; after an eighth of
    /// them while nothing is written. A start reads what came after the newest checkpoint again.
    #[arg(long, env = "KITH_CHECKPOINT_LOG_BYTES", value_name = "N", value_parser = clap::value_parser!(u64).range(1..), default_value_t = EngineOptions::default().checkpoint_log_bytes_min)]
    checkpoint_log_bytes: u64,
    /// Bytes of the log that are kept behind a checkpoint for those who watch changes.
    #[arg(long, env = "KITH_LOG_RETENTION_BYTES", value_name = "N", default_value_t = EngineOptions::default().log_keep_bytes_max)]
    log_retention_bytes: u64,
    /// Seconds that the log is kept behind a checkpoint for those who watch changes.
    #[arg(long, env = "KITH_LOG_RETENTION_SECONDS", value_name = "S", default_value_t = EngineOptions::default().log_keep_age_max.as_secs())]
    log_retention_seconds: u64,
    /// Seconds after which no byte of an erased member is left on disk. A checkpoint is written for it, and
    /// watchers that are behind it have to export again.
    #[arg(long, env = "KITH_ERASE_WITHIN_SECONDS", value_name = "S", default_value_t = EngineOptions::default().erase_within.as_secs())]
    erase_within_seconds: u64,
    /// Days that ids of erased members are remembered, as keyed hashes: so long no import brings them back.
    #[arg(long, env = "KITH_ERASED_IDS_DAYS", value_name = "N", default_value_t = EngineOptions::default().erased_ids_days)]
    erased_ids_days: u32,
    /// The journal of erasures, for restores of backups from before them; DIR.erasures beside the store when not given.
    #[arg(long, env = "KITH_ERASURE_JOURNAL", value_name = "FILE")]
    erasure_journal: Option<PathBuf>,
    /// MiB of memory that the request ids of the last 24 hours may take, with their answers. When they do, writes with
    /// a new id are refused; of callers with a name each leaves the others half of what they do not take.
    #[arg(long, env = "KITH_REQUEST_IDS_MIB", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 20), default_value_t = EngineOptions::default().request_ids_bytes_max >> 20)]
    request_ids_mib: u64,
    /// Days that a status is kept after it expired, for the service to see; then it is erased as a member is, and
    /// `Watch` reports it. 0: it goes as soon as it has expired.
    #[arg(long, env = "KITH_STATUS_RETENTION_DAYS", value_name = "DAYS", default_value_t = 30)]
    status_retention_days: u64,
    /// Believe the wall clock at this start, however far ahead of the last write it is. Without it writes are refused
    /// when that is more than 30 days.
    #[arg(long, env = "KITH_ACCEPT_CLOCK")]
    accept_clock: bool,
    /// Bytes of memory that the server may take. Nearer than a restart needs, writes that grow the content are refused with
    /// MEMORY_FULL; reads, deletes and exports go on. When not given, 85 % of what the machine, the control group and the process
    /// limits allow.
    #[arg(long, env = "KITH_MEMORY_MAX", value_name = "BYTES")]
    memory_max: Option<u64>,
    /// Seconds from one reading of all that is on disk to the next: what is not what was written is written anew. 0 never does it.
    #[arg(long, env = "KITH_SCRUB_SECONDS", value_name = "S", default_value_t = EngineOptions::default().scrub_every.as_secs())]
    scrub_seconds: u64,
    /// Keep an archive of everything in this folder or bucket (s3://BUCKET/PREFIX), apart from the disk of the store: backups, and the log
    /// after them. `kith restore --archive` makes a store of it as of any revision or time that it holds. No other server may have the
    /// same one. A bucket's address and credentials are AWS_ENDPOINT, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    #[arg(long, env = "KITH_ARCHIVE", value_name = "URL")]
    archive: Option<String>,
    /// Seconds between two runs of the log that go to the archive: what was written since is not in it.
    #[arg(long, env = "KITH_ARCHIVE_SECONDS", value_name = "S", value_parser = clap::value_parser!(u64).range(1..=3_600), default_value_t = 5)]
    archive_seconds: u64,
    /// Hours between two backups in the archive. A restore reads one, and the log after it.
    #[arg(long, env = "KITH_ARCHIVE_BACKUP_HOURS", value_name = "N", value_parser = clap::value_parser!(u64).range(1..), default_value_t = 24)]
    archive_backup_hours: u64,
    /// Days that the archive reaches back, if nothing is erased. What is erased is gone from it within --erase-within-seconds, with all
    /// that was archived before.
    #[arg(long, env = "KITH_ARCHIVE_KEEP_DAYS", value_name = "N", value_parser = clap::value_parser!(u64).range(1..), default_value_t = 30)]
    archive_keep_days: u64,
    /// What goes to the audit log, a part of the log with the target `audit`: off, denials, all: denials and every write, or reads: all
    /// and every read.
    #[arg(long, env = "KITH_AUDIT", value_name = "WHAT", value_enum, default_value_t = Audited::All)]
    audit: Audited,
    /// The form of the log, which goes to stderr.
    #[arg(long, env = "KITH_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// How much is logged: off, error, warn, info, debug or trace.
    #[arg(long, env = "KITH_LOG", value_name = "LEVEL", default_value_t = LevelFilter::INFO)]
    log: LevelFilter,
}

fn default_query_threads() -> u16 {
    u16::try_from(EngineOptions::default().query_threads).map_or(1_024, |threads| threads.min(1_024))
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Audited {
    Off,
    Denials,
    All,
    Reads,
}

impl ServeArgs {
    /// Returns what is given, and the engine's own values for what is no flag.
    fn engine_options(&self) -> EngineOptions {
        EngineOptions {
            edges_visited_max: self.max_edges_visited,
            query_threads: usize::from(self.query_threads),
            checkpoint_log_bytes_min: self.checkpoint_log_bytes,
            log_keep_bytes_max: self.log_retention_bytes,
            log_keep_age_max: Duration::from_secs(self.log_retention_seconds),
            erase_within: Duration::from_secs(self.erase_within_seconds),
            erased_ids_days: self.erased_ids_days,
            request_ids_bytes_max: self.request_ids_mib << 20,
            status_retention: Duration::from_secs(self.status_retention_days.saturating_mul(24 * 3_600)),
            accept_clock: self.accept_clock,
            memory: memory_limit(self.memory_max),
            scrub_every: Duration::from_secs(self.scrub_seconds),
            ..EngineOptions::default()
        }
    }

    fn archive_options(&self) -> Option<ArchiveOptions> {
        let hours = |n: u64| Duration::from_secs(n.saturating_mul(3_600));
        self.archive.clone().map(|url| ArchiveOptions {
            url,
            every: Duration::from_secs(self.archive_seconds),
            backup_every: hours(self.archive_backup_hours),
            keep: hours(self.archive_keep_days.saturating_mul(24)),
        })
    }
}

/// Returns where the journal of erasures is by default: beside the store, so that it outlives it.
pub fn journal_beside(folder: &Path) -> PathBuf {
    // A folder like `.` has its name only once it is resolved.
    let named =
        if folder.file_name().is_some() { folder.to_owned() } else { folder.canonicalize().unwrap_or_default() };
    let mut name = named.file_name().unwrap_or(OsStr::new("kith")).to_owned();
    name.push(".erasures");
    named.with_file_name(name)
}

/// Serves until SIGTERM or SIGINT. At SIGHUP the settings are read again.
pub async fn run(args: ServeArgs) -> Result<(), Failure> {
    let log = start_log(args.log_format, args.log, args.audit);
    let stop = stop_signal()?;
    let mut hangups = hangups()?;
    let (running, _) = super::serve_settings()?;
    tokio::spawn(async move {
        let mut level = args.log;
        while hangups.recv().await.is_some() {
            level = reload(&running, &log, level).await;
        }
    });
    if let Some(file) = &args.config {
        tracing::info!(file = %file.display(), "settings were read");
    }
    let options = AppOptions {
        store: StoreOptions::Journaled {
            folder: args.data.clone(),
            journal: args.erasure_journal.clone().unwrap_or_else(|| journal_beside(&args.data)),
        },
        server: args.listen.options(),
        engine: args.engine_options(),
        archive: args.archive_options(),
    };
    let mut stop = pin!(stop);
    let app = tokio::select! {
        app = App::start(options) => app.map_err(|error| Failure::of_start(error.to_string()))?,
        // The store that is being loaded is on disk and stays there.
        () = &mut stop => return Ok(()),
    };
    announce(&format!("kith serves on {} (data: {})", app.address(), args.data.display()));
    if let Some(address) = app.health_address() {
        announce(&format!("health at http://{address}"));
    }
    if let Some(address) = app.metrics_address() {
        announce(&format!("metrics at http://{address}/metrics"));
    }
    app.run_until(stop).await.map_err(|error| Failure::new(error.to_string()))
}

fn hangups() -> Result<Signal, Failure> {
    signal(SignalKind::hangup()).map_err(|error| Failure::of_start(format!("cannot catch signals: {error}")))
}

/// The settings that SIGHUP changes while the server runs. Certificates and the file of callers are read again by themselves.
const TAKEN_OVER: [&str; 2] = ["log", "audit"];

/// Reads the settings again, takes over those that can be, and reports the outcome. Settings with an error change nothing. Returns the
/// level that is logged at from then on.
async fn reload(running: &Settings, log: &Log, level: LevelFilter) -> LevelFilter {
    let read = on_thread("kith-settings", super::serve_settings).await.and_then(|read| read);
    let (settings, args) = match read {
        Ok(read) => read,
        Err(failure) => {
            tracing::error!("SIGHUP: nothing is reloaded: {}", failure.in_words());
            return level;
        }
    };
    // An operator who turns the log down still reads that it was.
    let _ = log.reload(targets(args.log.max(level), args.audit));
    read_files_again();
    let needs_restart: Vec<&str> = settings.changed_since(running).filter(|name| !TAKEN_OVER.contains(name)).collect();
    let audit = args.audit.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    let reloaded = format!("log = {}, audit = {audit}, the files of certificates and of callers", args.log);
    if needs_restart.is_empty() {
        tracing::info!("SIGHUP: reloaded: {reloaded}; nothing has changed that needs a restart");
    } else {
        let needs_restart = needs_restart.join(", ");
        tracing::warn!("SIGHUP: reloaded: {reloaded}; a restart is needed for what else has changed: {needs_restart}");
    }
    let _ = log.reload(targets(args.log, args.audit));
    args.log
}

/// Resolves at the first SIGTERM or SIGINT. Either is caught from here on.
pub fn stop_signal() -> Result<impl Future<Output = ()>, Failure> {
    let catch = |kind| signal(kind).map_err(|error| Failure::of_start(format!("cannot catch signals: {error}")));
    let mut terminate = catch(SignalKind::terminate())?;
    let mut interrupt = catch(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
    })
}

/// Prints that the server serves. The parent process may not listen, which is no reason to end.
fn announce(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The handle that changes what is logged.
type Log = tracing_subscriber::reload::Handle<Targets, tracing_subscriber::Registry>;

/// Logs kith at the level asked for; the libraries below it only when something is wrong, or everything is asked for.
fn targets(level: LevelFilter, audited: Audited) -> Targets {
    let libraries = if level == LevelFilter::TRACE { level } else { level.min(LevelFilter::WARN) };
    // An operator who wants no log at all wants no audit either; any other level leaves it whole.
    let audit = match audited {
        _ if level == LevelFilter::OFF => LevelFilter::OFF,
        Audited::Off => LevelFilter::OFF,
        Audited::Denials => LevelFilter::WARN,
        Audited::All | Audited::Reads => LevelFilter::INFO,
    };
    let reads = if audited == Audited::Reads { audit } else { LevelFilter::OFF };
    let kith = Targets::new().with_target("kith", level).with_target("audit", audit);
    kith.with_target("audit::reads", reads).with_default(libraries)
}

fn start_log(format: LogFormat, level: LevelFilter, audited: Audited) -> Log {
    let (targets, log) = tracing_subscriber::reload::Layer::new(targets(level, audited));
    let registry = tracing_subscriber::registry().with(targets);
    // By https://no-color.org, the variable counts if it is set to anything but nothing.
    let colored = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match format {
        LogFormat::Text => registry.with(fmt::layer().with_writer(std::io::stderr).with_ansi(colored)).init(),
        LogFormat::Json => registry.with(fmt::layer().json().with_writer(std::io::stderr)).init(),
    }
    log
}
