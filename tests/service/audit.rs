//! The audit log of a server as a process of its own: with a key no id is in it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tonic::transport::Channel;

use super::ask::*;
use super::harness::{connect, options};
use super::secured::roles_file;

/// A server whose log is a file. It is killed if the test ends before it.
struct Audited {
    child: Child,
    channel: Channel,
    log: PathBuf,
}

impl Drop for Audited {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Audited {
    async fn serve(folder: &Path, flags: &[&str]) -> Audited {
        let log = folder.join("log");
        let mut serve = Command::new(env!("CARGO_BIN_EXE_kith"));
        serve.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--log",
            "warn",
            "--log-format",
            "json",
            "--drain-seconds",
            "1",
        ]);
        serve.args(flags).arg("--auth").arg(roles_file(folder)).arg("--data").arg(folder.join("store"));
        let mut child = serve.stdout(Stdio::piped()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let address: SocketAddr = said.split(' ').find_map(|word| word.parse().ok()).unwrap();
        Audited { child, channel: connect(address).await, log }
    }

    async fn ask(&self, ask: Ask, token: &str) -> Result<String, tonic::Status> {
        ask.answer_to(self.channel.clone(), token).await
    }

    async fn fill(&self) {
        for write in world() {
            self.ask(write, "write-token").await.unwrap();
        }
    }

    /// Stops the server, and returns the lines of its audit log.
    fn stop(mut self) -> Vec<Value> {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
        let log = fs::read_to_string(&self.log).unwrap();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["target"].as_str().unwrap().starts_with("audit")).collect()
    }
}

fn words(fields: &Value, name: &str) -> String {
    fields[name].as_str().unwrap_or_default().to_owned()
}

/// The ids of a line.
fn ids(fields: &Value) -> Vec<String> {
    serde_json::from_str(&words(fields, "ids")).unwrap()
}

/// HMAC-SHA-256 of an id, as far as it is written.
fn hash(key: &str, id: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
    let hash = ring::hmac::sign(&key, id.as_bytes());
    hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn with_a_key_ids_are_hashes_by_which_lines_can_be_joined() {
    let mut of_ada = BTreeSet::new();
    for key in ["0123456789abcdef0123456789abcdef", "another key of the operator, in words"] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.key");
        fs::write(&file, format!("{key}\n")).unwrap();
        let server = Audited::serve(folder.path(), &["--audit-key", file.to_str().unwrap()]).await;
        server.fill().await;
        for write in [block_member(|_| {}), record_interactions(|_| {}), record_introductions(|_| {}), write(|_| {})] {
            server.ask(write, "write-token").await.unwrap();
        }
        for write in [delete_status(|r| r.id = text("s1")), delete_member(|r| r.id = text("cy"))] {
            server.ask(write, "write-token").await.unwrap();
        }
        let lines = server.stop();
        let known = ["ada", "bob", "cy", "s1", "nobody"];
        for line in &lines {
            let text = line.to_string();
            let said: BTreeSet<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
            assert!(known.iter().all(|id| !said.contains(id)), "{line}");
        }
        let hashed = |id: &str| hash(key, id);
        let written = lines.iter().map(|line| &line["fields"]).filter(|fields| fields["message"] == "write");
        let written: Vec<String> = written.flat_map(ids).collect();
        for expected in [
            format!("put_member {}", hashed("ada")),
            format!("put_edge {}/friend/{}", hashed("ada"), hashed("bob")),
            format!("post_status {}", hashed("s1")),
            format!("block_member {}/{}", hashed("ada"), hashed("cy")),
            format!("delete_member {}", hashed("cy")),
        ] {
            assert!(written.contains(&expected), "no {expected} in {written:?}");
        }
        of_ada.insert(hashed("ada"));
    }
    assert_eq!(of_ada.len(), 2);
}

#[tokio::test]
async fn a_key_that_is_none_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.key");
    for (key, why) in [(Some("short"), "a key has 32 to 1024 bytes, this has 5"), (None, "No such file")] {
        let _ = fs::remove_file(&file);
        key.iter().for_each(|key| fs::write(&file, key).unwrap());
        let mut options = options(kith::app::StoreOptions::Memory);
        options.server.audit_key = Some(file.clone());
        let refused = kith::app::App::start(options).await.err().unwrap().to_string();
        assert!(refused.contains("--audit-key") && refused.contains(why), "{refused}");
    }
}
