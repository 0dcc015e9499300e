//! The real binary: how it starts, what it says, how it ends.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::{PATIENCE, connect};
use crate::process;

struct Process {
    child: Child,
    line: String,
}

/// A test that fails leaves no server behind.
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kith_serve(data: &Path, listen: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
    command.args(["serve", "--listen", listen, "--drain-seconds", "1", "--data"]).arg(data);
    command
}

impl Process {
    fn start(data: &Path) -> Process {
        let mut child = kith_serve(data, "127.0.0.1:0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Process { child, line }
    }

    fn address(&self) -> SocketAddr {
        let address = self.line.strip_prefix("kith serves on ").and_then(|rest| rest.split(' ').next());
        address.unwrap_or_default().parse().unwrap_or_else(|_| panic!("{:?}", self.line))
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    fn ended(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "the process goes on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[tokio::test]
async fn sigterm_ends_it_within_its_bound_whoever_is_connected() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("store");
    let mut process = Process::start(&data);
    assert_eq!(process.line, format!("kith serves on {} (data: {})\n", process.address(), data.display()));

    let _silent = TcpStream::connect(process.address()).unwrap();
    let mut health = HealthClient::new(connect(process.address()).await);
    let mut watched = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert!(watched.message().await.unwrap().is_some());

    let begin = Instant::now();
    process.signal("TERM");
    assert_eq!(process.ended().code(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

/// Streams of health never end by themselves: their watchers hear that the server stops, and keep it from nothing.
#[tokio::test]
async fn watchers_of_health_hear_the_end_and_hold_up_no_drain() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--drain-seconds", "600"];
    let mut served = process::Process::serve(Command::new(env!("CARGO_BIN_EXE_kith")), folder.path(), &flags);
    let mut health = HealthClient::new(connect(served.address).await);
    let mut watched = Vec::new();
    for (service, status) in [("", ServingStatus::Serving), ("no.such.Service", ServingStatus::ServiceUnknown)] {
        let mut watching = health.watch(HealthCheckRequest { service: service.to_owned() }).await.unwrap().into_inner();
        assert_eq!(watching.message().await.unwrap().unwrap().status, status as i32, "{service}");
        watched.push(watching);
    }
    // It fails if the process is not over after `PATIENCE`, long before the drain would be.
    served.stopped().await;
    let last = watched[0].message().await.unwrap().unwrap();
    assert_eq!(last.status, ServingStatus::NotServing as i32);
    for mut watching in watched {
        assert_eq!(watching.message().await.unwrap(), None, "it ends well");
    }
}

#[test]
fn sigint_ends_it_at_once_when_nobody_calls() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path());
    let begin = Instant::now();
    process.signal("INT");
    assert_eq!(process.ended().code(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
}

/// One line on stderr, and the exit code for a server that cannot start.
fn assert_refused(mut command: Command, words: &str) {
    let child = command.env("KITH_LOG", "off").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut process = Process { child, line: String::new() };
    let code = process.ended().code();
    let mut said = String::new();
    process.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(code == Some(3) && said.lines().count() == 1 && said.contains(words), "{code:?}: {said}");
}

#[test]
fn what_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    assert_refused(kith_serve(&file, "127.0.0.1:0"), "cannot open the store in");

    let store = folder.path().join("store");
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_refused(kith_serve(&store, &holder.local_addr().unwrap().to_string()), "cannot listen on");
    assert_refused(kith_serve(&store, "0.0.0.0:0"), "--insecure");
    let encrypted = |mut command: Command| {
        command.args(["--tls-cert", "/none", "--tls-key", "/none"]);
        command
    };
    assert_refused(encrypted(kith_serve(&store, "0.0.0.0:0")), "--auth");
    assert_refused(encrypted(kith_serve(&store, "127.0.0.1:0")), "/none");
    assert!(!store.exists(), "a server that cannot listen leaves no store");

    let _owner = Process::start(&store);
    assert_refused(kith_serve(&store, "127.0.0.1:0"), "in use by another process");
}
