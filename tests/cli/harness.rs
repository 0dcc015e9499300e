//! Runs `kith`, and serves stores to it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use serde_json::Value;
use tempfile::TempDir;

/// What a command printed, and how it ended.
pub struct Run {
    pub out: String,
    pub err: String,
    pub code: Option<i32>,
}

/// Runs `kith` with these arguments to its end.
pub fn kith(args: &[&str]) -> Run {
    let output = command(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { out: text(output.stdout), err: text(output.stderr), code: output.status.code() }
}

/// `kith` with these arguments, whatever the environment says of servers.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kith"));
    command
        .args(args)
        .env_remove("KITH_SERVER")
        .env_remove("KITH_DATA")
        .env_remove("KITH_LISTEN")
        .env_remove("KITH_NAMESPACE");
    command
}

/// A server, until it is dropped.
pub struct Served {
    server: Child,
    pub url: String,
    folder: Rc<TempDir>,
}

impl Served {
    /// Of a store with nothing in it.
    pub fn empty() -> Served {
        Served::again(Rc::new(tempfile::tempdir().unwrap()), |_| {})
    }

    /// Of the store in a folder whose server has stopped, under what is set.
    pub fn again(folder: Rc<TempDir>, set: impl FnOnce(&mut Command)) -> Served {
        let (server, url) = serve(&folder.path().join("store"), set);
        Served { server, url, folder }
    }

    /// Of a store with the story imported.
    pub fn story() -> Served {
        let story = Served::empty();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/story.ndjson");
        let import = story.kith(&["import", file]);
        assert_eq!(import.code, Some(0), "{}", import.err);
        story
    }

    /// Runs `kith` against this server.
    pub fn kith(&self, args: &[&str]) -> Run {
        kith(&[args, &["--server", &self.url]].concat())
    }

    /// What `kith stats --json` says.
    pub fn stats(&self) -> Value {
        let stats = self.kith(&["stats", "--json"]);
        assert_eq!(stats.code, Some(0), "{}", stats.err);
        serde_json::from_str(&stats.out).unwrap()
    }

    /// Stops it, told to as by a person; gives the folder.
    pub fn stop(mut self) -> Rc<TempDir> {
        let told = Command::new("kill").args(["-TERM", &self.server.id().to_string()]).status().unwrap();
        assert!(told.success());
        assert!(self.server.wait().unwrap().success());
        self.folder.clone()
    }

    /// A path in the server's folder, which goes with it.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Serves a store; gives the process and where it serves.
fn serve(data: &Path, set: impl FnOnce(&mut Command)) -> (Child, String) {
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--log", "off", "--data"]);
    // Some statuses of random worlds expired long ago, and are to stay while they are looked at.
    serve.env("KITH_STATUS_RETENTION_DAYS", "1000000");
    set(&mut serve);
    let mut server = serve.arg(data).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).expect(&line);
    (server, format!("http://{address}"))
}
