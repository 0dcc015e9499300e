//! Runs `kith`, and serves the story to it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

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
    command.args(args).env_remove("KITH_SERVER").env_remove("KITH_DATA").env_remove("KITH_LISTEN");
    command
}

/// A server with the story imported, until it is dropped.
pub struct Story {
    server: Child,
    url: String,
    _folder: TempDir,
}

impl Story {
    pub fn serve() -> Story {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("store");
        let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--log", "off", "--data"]);
        let mut server = serve.arg(data).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).expect(&line);
        let url = format!("http://{address}");
        let story = Story { server, url, _folder: folder };
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/story.ndjson");
        let import = story.kith(&["import", file]);
        assert_eq!(import.code, Some(0), "{}", import.err);
        story
    }

    /// Runs `kith` against this server.
    pub fn kith(&self, args: &[&str]) -> Run {
        kith(&[&["--server", &self.url], args].concat())
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
