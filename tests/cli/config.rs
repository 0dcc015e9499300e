//! Settings from flags, environment and a file.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Run, command, kith};

fn run(args: &[&str], environment: &[(&str, &str)]) -> Run {
    let output = command(args).envs(environment.iter().copied()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { out: text(output.stdout), err: text(output.stderr), code: output.status.code() }
}

fn written(folder: &Path, text: &str) -> String {
    let file = folder.join("kith.toml");
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

const FILE: &str = "# What this server may take.
data = '/srv/kith'
max_calls = 30
max_streams = 40
insecure = true
log = \"debug\"
";

#[test]
fn a_flag_counts_before_the_environment_and_that_before_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), FILE);
    let environment =
        [("KITH_MAX_CALLS", "20"), ("KITH_MAX_STREAMS", "21"), ("KITH_INSECURE", "no"), ("KITH_CONFIG", &file)];
    let told = run(&["config", "--max-calls", "10", "--json"], &environment);
    assert_eq!(told.code, Some(0), "{}", told.err);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    let line = |line: u32| format!("{file}:{line}");
    for (name, value, origin, source) in [
        ("max-calls", Some("10"), "flag", None),
        ("max-streams", Some("21"), "environment", Some("KITH_MAX_STREAMS".to_owned())),
        ("insecure", Some("no"), "environment", Some("KITH_INSECURE".to_owned())),
        ("data", Some("/srv/kith"), "file", Some(line(2))),
        ("log", Some("debug"), "file", Some(line(6))),
        ("config", Some(&file), "environment", Some("KITH_CONFIG".to_owned())),
        ("listen", Some("127.0.0.1:5484"), "default", None),
        ("max-connections", Some("4096"), "default", None),
        ("caller-rate", None, "none", None),
    ] {
        let expected = serde_json::json!({ "value": value, "origin": origin, "source": source });
        assert_eq!(told[name], expected, "{name}");
    }
    let table = run(&["config", "--config", &file], &[]);
    let row = |name: &str| table.out.lines().find(|row| row.split_whitespace().next() == Some(name)).unwrap();
    assert!(row("max-calls").split_whitespace().eq(["max-calls", "30", line(3).as_str()]), "{}", table.out);
    assert!(row("tls-cert").split_whitespace().eq(["tls-cert", "-", "none"]), "{}", table.out);
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("store");
    let file = written(
        folder.path(),
        "max_cals = 5\nmax_streams = 0\naudit = 'some'\nlisten = ['a']\nauth = 'callers.toml'\notlp_sample = 1.5\n",
    );
    let data_flag = data.to_str().unwrap();
    let args = ["--config", &file, "--data", data_flag, "--max-calls", "many", "--tls-cert", "server.pem"];
    let environment = [
        ("KITH_LISTEN", "nowhere"),
        ("KITH_INSECURE", "perhaps"),
        ("KITH_VIEWER_BURST", "5"),
        ("KITH_OTLP_ENDPOINT", "collector:4317"),
    ];
    for name in ["serve", "config"] {
        let told = run(&[&[name][..], &args[..]].concat(), &environment);
        assert_eq!(told.code, Some(2), "{name}: {}", told.err);
        for wrong in [
            "11 settings are wrong".to_owned(),
            format!("{file}:1: max_cals is no setting; max_calls is"),
            format!("{file}:2: max_streams = 0: 0 is not in 1.."),
            format!("{file}:3: audit = some: one of these is wanted: off, denials, all, reads"),
            format!("{file}:4: listen: text, a number, true or false is wanted"),
            format!("{file}:6: otlp_sample = 1.5: a number from 0 to 1 is wanted"),
            "--max-calls many: invalid digit".to_owned(),
            "KITH_LISTEN=nowhere: HOST:PORT is wanted".to_owned(),
            "KITH_INSECURE=perhaps: true or false is wanted".to_owned(),
            "KITH_OTLP_ENDPOINT=collector:4317: http://HOST:PORT or https://HOST:PORT is wanted".to_owned(),
            "tls-cert (flag): needs tls-key too".to_owned(),
            "viewer-burst (KITH_VIEWER_BURST): needs viewer-rate too".to_owned(),
        ] {
            assert!(told.err.contains(&wrong), "{name}: no {wrong:?} in {}", told.err);
        }
    }
    assert!(!data.exists(), "a server with wrong settings touches nothing");
}

#[test]
fn a_file_that_cannot_be_read_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), "max_calls = 5\nmax_streams 6\n");
    let told = kith(&["serve", "--config", &file, "--data", "/nowhere"]);
    assert!(told.code == Some(2) && told.err.contains(&format!("{file}:2: ")), "{}", told.err);
    let other = written(folder.path(), "max_calls = 5\nconfig = 'other.toml'\n");
    let told = kith(&["config", "--config", &other]);
    assert!(told.code == Some(2) && told.err.contains(&format!("{other}:2: config is no setting")), "{}", told.err);
    let none = kith(&["config", "--config", "/no/such/kith.toml"]);
    assert!(none.code == Some(2) && none.err.contains("/no/such/kith.toml: "), "{}", none.err);
    let nowhere = kith(&["serve"]);
    assert_eq!(nowhere.code, Some(2));
    assert!(nowhere.err.contains("data must be given: --data, KITH_DATA, or data in the file"), "{}", nowhere.err);
}

#[test]
fn a_server_runs_with_what_its_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let text = format!(
        "listen = '127.0.0.1:0'\nhealth_listen = '127.0.0.1:0'\ndata = {:?}\nlog = 'off'\ndrain_seconds = 1\n",
        store.to_str().unwrap()
    );
    let file = written(folder.path(), &text);
    let mut server = command(&["serve", "--config", &file]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(server.stdout.take().unwrap()).lines();
    let (serves, health) = (said.next().unwrap().unwrap(), said.next().unwrap().unwrap());
    assert!(serves.starts_with("kith serves on 127.0.0.1:") && serves.contains(store.to_str().unwrap()), "{serves}");
    let asked = kith(&["health", "--server", health.strip_prefix("health at ").unwrap()]);
    assert_eq!((asked.code, &*asked.out), (Some(0), "SERVING\n"), "{}", asked.err);
    let unknown = kith(&["health", "--service", "kith.v2", "--server", health.strip_prefix("health at ").unwrap()]);
    assert_eq!(unknown.code, Some(1), "{}", unknown.err);
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn an_address_may_be_a_name() {
    let told = |listen: &str| {
        let run = kith(&["config", "--listen", listen]);
        (run.code, run.err)
    };
    for fine in ["localhost:5484", "127.0.0.1:0", "[::1]:5484", "[::]:5484", "0.0.0.0:80"] {
        assert_eq!(told(fine), (Some(0), String::new()), "{fine}");
    }
    for wrong in
        ["localhost", "localhost:", ":5484", "localhost:http", "localhost:70000", "http://localhost:5484", "::1"]
    {
        let (code, said) = told(wrong);
        assert!(code == Some(2) && said.contains("HOST:PORT is wanted, as in 127.0.0.1:5484"), "{wrong}: {said}");
    }
    let (code, said) = told("no-such-host.invalid:5484");
    assert!(code == Some(2) && said.contains("the name is not known"), "{said}");
}
