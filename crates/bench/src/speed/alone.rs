//! Runs kith in a process of its own, to measure how long it takes to start, and how much memory it then holds. In this process both would
//! be measured on a heap that others have filled and warmed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kith::cli::Failure;

/// A start in a process of its own.
pub struct Started {
    pub took: Duration,
    /// The memory that Linux says the process held then, and at most until then; 0 elsewhere.
    pub resident_bytes: f64,
    pub resident_bytes_most: f64,
}

/// Starts `kith serve` over the store in the folder, and ends it once it has said that it serves.
///
/// With `give_back` the allocator gives freed memory back at once, not with the next calls: a server that has just started holds what the
/// start has freed until somebody asks something.
pub fn start(folder: &Path, give_back: bool) -> Result<Started, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot start a server: {error}"));
    let mut serve = Command::new(std::env::current_exe().map_err(failed)?);
    serve.env_clear().args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--data"]).arg(folder);
    if give_back {
        serve.env("MIMALLOC_PURGE_DELAY", "0");
    }
    let begun = Instant::now();
    let mut server = serve.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let serves = said_to_serve(&mut server);
    let took = begun.elapsed();
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap_or_default();
    let ended = server.kill().and_then(|()| server.wait());
    if !serves {
        return Err(Failure::new(format!("a server over {} has ended before it served", folder.display())));
    }
    ended.map_err(failed)?;
    Ok(Started { took, resident_bytes: bytes(&status, "VmRSS:"), resident_bytes_most: bytes(&status, "VmHWM:") })
}

/// Waits for the line by which it says that it serves.
fn said_to_serve(server: &mut Child) -> bool {
    let mut line = String::new();
    let read = server.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut line));
    matches!(read, Some(Ok(length)) if length > 0)
}

fn bytes(status: &str, name: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok()).unwrap_or(0.0) * 1_024.0
}
