//! The house rules, as a test: which folder may import which, and what no source file may hold.

mod imports;
#[path = "../../crates/client/build/names.rs"]
mod names;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each layer of the server in `src/`, and the layers it may import. A newcomer's change goes where these arrows let it. `domain` and `graph`
/// are `crates/graph`, which can import none of them, and `proto` is the client's messages.
const LAYERS: [(&str, &[&str]); 7] = [
    ("store", &["domain"]),
    ("engine", &["domain", "graph", "store"]),
    ("archive", &["domain", "store", "engine"]),
    ("service", &["domain", "graph", "engine", "proto"]),
    ("server", &["domain", "engine", "service", "proto"]),
    ("app", &["domain", "store", "engine", "archive", "service", "server", "proto"]),
    ("cli", &["domain", "app", "proto"]),
];
/// What a layer may import beside layers, and what is none.
const BELOW: [&str; 3] = ["domain", "graph", "proto"];
const NO_LAYERS: [&str; 4] = ["lib", "main", "proto", "fuzz"];

/// The packages, by the folders of their sources.
const PACKAGES: [&str; 4] = ["src", "crates/graph/src", "crates/client/src", "crates/bench/src"];
/// The package that does no I/O, reads no clock and knows no runtime.
const PURE: &str = "crates/graph/src";
const IMPURE: [&str; 8] =
    ["std::fs", "std::io", "std::net", "std::time", "SystemTime", "Instant", "tokio", "std::thread"];

const LINES_MAX: usize = 500;

pub struct Source {
    pub path: PathBuf,
    /// Without the unit tests at its end, and without comments.
    pub code: String,
    lines: usize,
}

fn sources(folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&root().join(folder), &mut paths);
    paths.into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "rs")).map(read).collect()
}

fn read(path: PathBuf) -> Source {
    let text = fs::read_to_string(&path).unwrap();
    let is_test = path.ends_with("fuzz.rs");
    let before_tests = text.split("#[cfg(test)]\nmod tests {").next().filter(|_| !is_test).unwrap_or_default();
    let code = before_tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    Source { path, code, lines: text.lines().count() }
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, found) } else { found.push(path) }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn layer(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(root().join("src")).ok()?;
    let first = inside.components().next()?.as_os_str().to_str()?;
    Some(first.trim_end_matches(".rs").to_owned())
}

/// The layers named by `crate::…` and by `super::super` in the code of a package.
fn imported(folder: &Path, source: &Source) -> BTreeSet<String> {
    let layers = imports::absolute_paths(folder, source).into_iter();
    layers.filter_map(|path| path.split("::").next().map(str::to_owned)).collect()
}

fn report(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn imports_point_one_way() {
    let mut broken = Vec::new();
    for source in sources("src") {
        let Some(here) = layer(&source.path) else { continue };
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == here) else { continue };
        for there in imported(&root().join("src"), &source) {
            let is_layer = BELOW.contains(&there.as_str()) || LAYERS.iter().any(|(name, _)| *name == there);
            if is_layer && there != here && !allowed.contains(&there.as_str()) {
                broken.push(format!("{} imports {there}", source.path.display()));
            }
        }
    }
    report("a layer imports what it may not", broken);
}

#[test]
fn every_folder_of_src_is_a_known_layer() {
    let known = |name: &str| LAYERS.iter().any(|(layer, _)| *layer == name) || NO_LAYERS.contains(&name);
    let strangers = sources("src").iter().filter_map(|s| layer(&s.path)).filter(|name| !known(name)).collect();
    report("a folder without a place in the layers", strangers);
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut circles = Vec::new();
    for package in PACKAGES {
        circles.extend(imports::Package::read(&root().join(package), &sources(package)).circles());
    }
    report("files that import each other in a circle", circles);
}

#[test]
fn the_core_is_pure() {
    let mut broken = Vec::new();
    for source in sources(PURE) {
        for word in IMPURE {
            if source.code.split(|c: char| !c.is_alphanumeric() && c != ':' && c != '_').any(|w| w.starts_with(word)) {
                broken.push(format!("{}: {word}", source.path.display()));
            }
        }
    }
    report("I/O, a clock or a runtime in the core", broken);
}

#[test]
fn grpc_stays_at_the_edge() {
    let edge = ["service", "server", "cli", "app", "proto"];
    let mut broken = Vec::new();
    for source in sources("src") {
        let here = layer(&source.path).unwrap_or_default();
        if source.code.contains("tonic::") && !edge.contains(&here.as_str()) {
            broken.push(source.path.display().to_string());
        }
    }
    report("tonic outside service, server and cli", broken);
}

/// What is counted is counted by its owner, and read in one place: nothing else knows how metrics are made.
#[test]
fn metrics_stay_where_they_are_counted() {
    let counts = ["src/engine/metrics.rs", "src/server/quota.rs", "src/server/metrics/"];
    let mut broken = Vec::new();
    for source in sources("src") {
        let path = source.path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        if source.code.contains("prometheus_client") && !counts.iter().any(|place| path.starts_with(place)) {
            broken.push(path);
        }
    }
    report("the metrics library where nothing is counted", broken);
}

#[test]
fn nothing_unfinished_and_no_easy_panic() {
    let mut broken = Vec::new();
    for source in PACKAGES.into_iter().flat_map(sources) {
        for word in ["todo!", "unimplemented!", "dbg!(", ".unwrap()", "panic!(", "unsafe "] {
            if source.code.contains(word) {
                broken.push(format!("{}: {word}", source.path.display()));
            }
        }
    }
    report("a word that has no place in src", broken);
}

/// Where no thread can be made, `tokio` panics or waits for ever; `Threads` gives an error.
#[test]
fn no_thread_is_asked_of_tokio() {
    let broken = sources("src").into_iter().filter(|source| source.code.contains("spawn_blocking"));
    report("a thread of tokio's", broken.map(|source| source.path.display().to_string()).collect());
}

#[test]
fn files_stay_short() {
    let long = ["src", "tests", "crates"].into_iter().flat_map(sources);
    let long = long.filter(|source| source.lines > LINES_MAX);
    report("over 500 lines", long.map(|s| format!("{}: {}", s.path.display(), s.lines)).collect());
}

#[test]
fn unsafe_code_is_forbidden() {
    let mut roots: Vec<String> = PACKAGES.iter().map(|package| format!("{package}/lib.rs")).collect();
    roots.extend(["src/main.rs", "crates/bench/src/main.rs"].map(str::to_owned));
    for file in &roots {
        let text = fs::read_to_string(root().join(file)).unwrap();
        assert!(text.contains("#![forbid(unsafe_code)]"), "{file} must forbid unsafe code");
    }
}

#[test]
fn every_dependency_says_why() {
    let mut broken = Vec::new();
    for folder in ["", "crates/graph", "crates/client", "crates/bench"] {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let mut in_dependencies = false;
        let mut explained = false;
        for line in manifest.lines() {
            if line.starts_with('[') {
                in_dependencies = line.ends_with("dependencies]");
            } else if line.starts_with('#') {
                explained = true;
            } else if in_dependencies && !line.trim().is_empty() {
                if !explained {
                    broken.push(format!("{folder}: {line}"));
                }
                explained = false;
            }
        }
    }
    report("a dependency without a reason above it", broken);
}

/// An RPC is tested where a test calls it by its generated client, as in `.get_member(` or, from a table, `MemberServiceClient::get_member`.
#[test]
fn every_rpc_is_called_by_a_test() {
    let tests: String = sources("tests").into_iter().map(|source| source.code).collect();
    let mut protos = Vec::new();
    collect(&root().join("proto/kith/v1"), &mut protos);
    let mut untested = Vec::new();
    for proto in protos {
        let text = fs::read_to_string(proto).unwrap();
        for line in text.lines().filter_map(|line| line.trim().strip_prefix("rpc ")) {
            let name = line.split('(').next().unwrap().trim();
            let is_called = [format!(".{}(", names::snake_case(name)), format!("Client::{},", names::snake_case(name))];
            if !is_called.iter().any(|call| tests.contains(call)) {
                untested.push(name.to_owned());
            }
        }
    }
    report("an RPC that no test calls", untested);
}
