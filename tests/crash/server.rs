//! The real binary in a process of its own.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tonic::transport::{Channel, Endpoint};

use super::settings::PATIENCE;

/// A checkpoint every few hundred writes.
pub const CHECKPOINT_LOG_BYTES: u64 = 48 * 1_024;
/// Connections of one test to its server.
const CHANNELS: usize = 4;

/// A server, killed with the value.
pub struct Server {
    child: Child,
    address: SocketAddr,
}

/// A server that is to be started.
pub struct Start {
    command: Command,
    /// What it logs, for whoever looks into a failure.
    log: std::path::PathBuf,
}

impl Start {
    /// A server of the store in `data`, its log beside it.
    pub fn new(data: &Path) -> Start {
        Start::logging_to(data, &data.with_extension("log"))
    }

    pub fn logging_to(data: &Path, log: &Path) -> Start {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        command.env("KITH_CHECKPOINT_LOG_BYTES", CHECKPOINT_LOG_BYTES.to_string());
        Start { command, log: log.to_owned() }
    }

    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Start {
        self.command.env(name, value);
        self
    }

    fn spawn(&mut self) -> Child {
        let log = File::create(&self.log).unwrap();
        self.command.stdout(Stdio::piped()).stderr(log).spawn().unwrap()
    }

    /// Starts it and waits until it serves; what it said if it does not.
    pub fn run(mut self) -> Result<Server, String> {
        let mut child = self.spawn();
        let (tell, told) = mpsc::channel();
        let out = child.stdout.take().unwrap();
        thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(out).read_line(&mut line);
            let _ = tell.send(line);
        });
        let line = told.recv_timeout(PATIENCE).unwrap_or_default();
        match line.split(' ').find_map(|word| word.parse().ok()) {
            Some(address) => Ok(Server { child, address }),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err(std::fs::read_to_string(&self.log).unwrap())
            }
        }
    }

    /// Starts it and kills it after a while, serving or not.
    pub fn run_for(mut self, time: Duration) {
        let mut child = self.spawn();
        thread::sleep(time);
        // SIGKILL; one that has ended already must not have.
        assert!(child.try_wait().unwrap().is_none(), "it ended: {}", std::fs::read_to_string(&self.log).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Server {
    /// SIGKILL.
    pub fn kill(mut self) {
        self.end();
    }

    /// SIGTERM, and waits until it has ended well; how long that took.
    pub fn stop(self) -> Duration {
        let (ended, took) = self.terminate();
        assert!(ended.success(), "{ended}");
        took
    }

    /// SIGTERM, and waits until it has ended by itself; how, and how long that took.
    pub fn terminate(mut self) -> (ExitStatus, Duration) {
        let told = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(told.success());
        let begun = Instant::now();
        let ended = loop {
            match self.child.try_wait().unwrap() {
                Some(ended) => break ended,
                None => assert!(begun.elapsed() < PATIENCE, "it does not stop"),
            }
            thread::sleep(Duration::from_millis(2));
        };
        (ended, begun.elapsed())
    }

    fn end(&mut self) {
        // One that has ended already is gone either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What Linux says it occupies.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it runs");
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1_024
    }

    pub fn endpoint(&self) -> Endpoint {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().timeout(PATIENCE)
    }

    pub async fn channels(&self) -> Vec<Channel> {
        let mut channels = Vec::new();
        for _ in 0..CHANNELS {
            channels.push(self.endpoint().connect().await.unwrap());
        }
        channels
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}
