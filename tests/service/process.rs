//! The real binary as a process of its own, whose memory and end are looked at from outside.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::PATIENCE;

/// A server, until it is dropped.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Serves the store in a folder, with these flags besides. `kith` is the binary, or what runs it.
    pub fn serve(mut kith: Command, folder: &Path, flags: &[&str]) -> Process {
        kith.args(["serve", "--listen", "127.0.0.1:0", "--log", "off"]).args(flags).arg("--data").arg(folder);
        let mut child = kith.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("kith serves on ").and_then(|rest| rest.split(' ').next());
        Process { address: address.unwrap().parse().unwrap(), child }
    }

    /// A figure of `/proc/PID/status`, in KiB.
    pub fn kib(&self, figure: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(figure)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Has the high-water mark of its memory begin anew.
    pub fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }

    /// How long it takes to end once it is asked to.
    pub async fn stopped(&mut self) -> Duration {
        let begin = Instant::now();
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert_eq!(status.code(), Some(0));
                return begin.elapsed();
            }
            assert!(begin.elapsed() < PATIENCE, "the process goes on");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
