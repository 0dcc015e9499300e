//! SIGHUP: the settings are read again, and what came of it is reported. The server goes on whatever they are.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::harness::{command, kith};

const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    process: Child,
    url: String,
    log: Receiver<String>,
}

impl Server {
    fn start(config: &str) -> Server {
        let mut serve = command(&["serve", "--config", config]);
        let mut process = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let address = said.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).expect(&said);
        let (to_test, log) = channel();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| to_test.send(line)));
        Server { url: format!("http://{address}"), process, log }
    }

    fn signal(&self, name: &str) {
        let told = Command::new("kill").args([name, &self.process.id().to_string()]).status().unwrap();
        assert!(told.success());
    }

    /// The next line of the log that has these words, and all before it.
    fn until(&self, words: &str) -> String {
        let mut seen = String::new();
        loop {
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no {words:?}: {error}\n{seen}"));
            seen = seen + &line + "\n";
            if line.contains(words) {
                return seen;
            }
        }
    }

    fn serves(&self) {
        assert_eq!(kith(&["health", "--server", &self.url]).code, Some(0));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn settings_are_read_again_and_what_came_of_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (file, store) = (folder.path().join("kith.toml"), folder.path().join("store"));
    let listens = |at: &str, more: &str| {
        let text = format!("data = {:?}\nlisten = '{at}'\n{more}", store.to_str().unwrap());
        fs::write(&file, text).unwrap();
    };
    let write = |more: &str| listens("localhost:0", more);
    write("log = 'warn'\n");
    let mut server = Server::start(file.to_str().unwrap());
    server.serves();

    write("log = 'debug'\naudit = 'off'\n");
    server.signal("-HUP");
    let said = server.until("SIGHUP: reloaded: log = debug, audit = off");
    assert!(said.contains("nothing has changed that needs a restart"), "{said}");
    server.serves();
    server.until("grpc.health.v1.Health");

    listens("localhost:1", "log = 'error'\nmax_calls = 7\n");
    server.signal("-HUP");
    let said = server.until("SIGHUP: reloaded: log = error, audit = all");
    assert!(said.contains("a restart is needed for what else has changed: listen, max-calls"), "{said}");

    write("log = 'loud'\nmax_cals = 7\n");
    server.signal("-HUP");
    server.until("SIGHUP: nothing is reloaded: 2 settings are wrong");
    server.serves();

    fs::remove_file(&file).unwrap();
    server.signal("-HUP");
    server.until("kith.toml: No such file");
    server.serves();

    server.signal("-TERM");
    assert!(server.process.wait().unwrap().success());
}
