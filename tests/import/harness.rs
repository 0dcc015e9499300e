//! A server, a folder for files, and the command.

use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kith::app::{App, AppError, AppOptions, ServerOptions, StoreOptions};
use kith::engine::EngineOptions;
use kith::proto::v1::admin_service_client::AdminServiceClient;
use kith::proto::v1::edge_service_client::EdgeServiceClient;
use kith::proto::v1::{Edge, GetEdgeRequest, GetServerInfoRequest, GetServerInfoResponse};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// Longer than anything a test waits for takes.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Kith {
    url: String,
    channel: Channel,
    folder: TempDir,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), AppError>>,
}

/// How the command ended.
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Kith {
    pub async fn start() -> Kith {
        Kith::start_with_silence(Duration::from_secs(120)).await
    }

    /// With streams that may be silent for so long.
    pub async fn start_with_silence(silence: Duration) -> Kith {
        let app = App::start(AppOptions {
            store: StoreOptions::Memory,
            server: ServerOptions {
                drain: Duration::from_millis(100),
                silence,
                ..ServerOptions::at("127.0.0.1:0".parse().unwrap())
            },
            engine: EngineOptions::default(),
            archive: None,
        });
        let app = app.await.unwrap();
        let url = format!("http://{}", app.address());
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(app.run_until(async {
            let _ = stopped.await;
        }));
        let channel = Channel::from_shared(url.clone()).unwrap().connect().await.unwrap();
        Kith { url, channel, folder: TempDir::new().unwrap(), stop, ended }
    }

    pub async fn stop(self) {
        drop(self.channel);
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(PATIENCE, self.ended).await.expect("the server ends");
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file; gives its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(Path::new(&path), content).unwrap();
        path
    }

    /// Runs `kith import` to its end.
    pub async fn import(&self, arguments: &[&str], stdin: &str) -> Outcome {
        self.import_bytes(arguments, stdin.as_bytes().to_vec()).await
    }

    pub async fn import_bytes(&self, arguments: &[&str], stdin: Vec<u8>) -> Outcome {
        let mut import = self.begin(arguments);
        import.write(stdin).await;
        import.end().await
    }

    /// Everything there is but the kinds that a store begins with, as the command exports it, without the times of the import.
    pub async fn export(&self) -> Vec<serde_json::Value> {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kith"));
        let output = command.args(["export", "--server", &self.url]).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let records = String::from_utf8(output.stdout).unwrap();
        let records = records.lines().map(|line| serde_json::from_str(line).unwrap());
        let builtin = ["spouse", "family", "friend", "neighbor", "colleague", "client", "follows"];
        let own = |record: &serde_json::Value| !builtin.iter().any(|kind| record["kind"]["name"] == *kind);
        let undated = |mut record: serde_json::Value| {
            for value in record.as_object_mut().unwrap().values_mut().filter_map(serde_json::Value::as_object_mut) {
                value.retain(|field, _| !["createTime", "updateTime"].contains(&field.as_str()));
            }
            record
        };
        records.filter(own).map(undated).collect()
    }

    pub fn begin(&self, arguments: &[&str]) -> Import {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
        command.args(["import", "--server", &self.url]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Import { stdin: child.stdin.take(), child }
    }

    async fn info(&self) -> GetServerInfoResponse {
        let mut admin = AdminServiceClient::new(self.channel.clone());
        admin.get_server_info(GetServerInfoRequest::default()).await.unwrap().into_inner()
    }

    pub async fn members(&self) -> u64 {
        self.info().await.members as u64
    }

    pub async fn edges(&self) -> u64 {
        self.info().await.edges as u64
    }

    pub async fn until_edges(&self, edges: u64) {
        let start = Instant::now();
        while self.edges().await < edges {
            assert!(start.elapsed() < PATIENCE, "{edges} edges do not come");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn edge(&self, from_id: &str, kind: &str, to_id: &str) -> Option<Edge> {
        let (from_id, kind, to_id) = (from_id.to_owned(), kind.to_owned(), to_id.to_owned());
        let mut edges = EdgeServiceClient::new(self.channel.clone());
        edges.get_edge(GetEdgeRequest { from_id, kind, to_id, ..Default::default() }).await.unwrap().into_inner().edge
    }
}

/// A command under way.
pub struct Import {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Import {
    /// Writes to standard input, beside the server; a command that ended before it read is no failure of the test.
    pub async fn write(&mut self, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        let mut stdin = self.stdin.take().unwrap();
        let written = tokio::task::spawn_blocking(move || {
            let _ = stdin.write_all(&bytes).and_then(|()| stdin.flush());
            stdin
        });
        self.stdin = Some(written.await.unwrap());
    }

    /// Closes standard input and waits.
    pub async fn end(mut self) -> Outcome {
        drop(self.stdin.take());
        let ended = tokio::task::spawn_blocking(move || {
            let start = Instant::now();
            while self.child.try_wait().unwrap().is_none() {
                if start.elapsed() > PATIENCE {
                    self.child.kill().unwrap();
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
            self.child.wait_with_output().unwrap()
        });
        let output = ended.await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let code = output.status.code().expect("the command ends by itself");
        Outcome { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}
