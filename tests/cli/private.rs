//! What kith writes tells about people: whatever the umask, nobody but its owner may read it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::harness::Served;

const PATIENCE: Duration = Duration::from_secs(30);

/// A command that runs as it is, under a umask that takes nothing from anybody.
fn open_to_all(command: &mut Command) {
    let program = command.get_program().to_owned();
    let given: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let kept: Vec<_> =
        command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
    let mut under = Command::new("sh");
    under.args(["-c", "umask 0; exec \"$@\"", "sh"]).arg(program).args(given);
    for (name, value) in kept {
        match value {
            Some(value) => under.env(name, value),
            None => under.env_remove(name),
        };
    }
    *command = under;
}

/// Everything under a folder that others have a right to, with its mode; gives how much was seen.
fn open_under(path: &Path, found: &mut Vec<String>) -> usize {
    // What passes while it is looked at is not looked at.
    let Ok(about) = fs::metadata(path) else { return 0 };
    let mode = about.permissions().mode() & 0o777;
    if mode != if about.is_dir() { 0o700 } else { 0o600 } {
        found.push(format!("{}: {mode:o}", path.display()));
    }
    let entries = fs::read_dir(path).map(|entries| entries.filter_map(Result::ok).collect::<Vec<_>>());
    1 + entries.unwrap_or_default().iter().map(|entry| open_under(&entry.path(), found)).sum::<usize>()
}

fn assert_private(folder: &Path) {
    let begun = Instant::now();
    loop {
        let mut found = Vec::new();
        let seen = open_under(folder, &mut found);
        assert!(seen > 8, "{seen} files and folders were seen");
        if found.is_empty() {
            return;
        }
        // The files of a checkpoint that is being written are closed to others by and by, in a folder that nobody else may enter.
        assert!(begun.elapsed() < PATIENCE, "{found:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn loosen(folder: &Path) {
    let done: Output = Command::new("chmod").args(["-R", "a+rwX"]).arg(folder).output().unwrap();
    assert!(done.status.success());
}

#[test]
fn a_store_and_all_that_is_made_of_it_are_their_owners_alone() {
    let served = Served::again(Rc::new(tempfile::tempdir().unwrap()), |command| {
        open_to_all(command);
        command.env("KITH_CHECKPOINT_LOG_BYTES", "1");
    });
    let story = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/story.ndjson");
    assert_eq!(served.kith(&["import", story]).code, Some(0));
    let store = PathBuf::from(served.path("store"));
    let begun = Instant::now();
    while store.join("generation-00000000000000000001").exists() {
        assert!(begun.elapsed() < PATIENCE, "no checkpoint comes");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_private(&store);
    let at = |name: &str| served.path(name);
    let commands: [(&str, &[&str]); 4] = [
        ("backup", &["backup", &at("backup")]),
        ("export", &["export", &at("export")]),
        ("svg", &["path", "officer", "jeremy", "--svg", &at("svg")]),
        ("dot", &["path", "officer", "jeremy", "--dot", &at("dot")]),
    ];
    for (name, args) in commands {
        let mut command = crate::harness::command(&[args, &["--server", &served.url]].concat());
        open_to_all(&mut command);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
        let mode = fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    let mut restore =
        crate::harness::command(&["restore", &at("backup"), "--data", &at("restored"), "--ignore-erasures"]);
    open_to_all(&mut restore);
    assert!(restore.output().unwrap().status.success());
    assert_private(Path::new(&at("restored")));

    // One that an earlier version made.
    let folder = served.stop();
    loosen(&folder.path().join("store"));
    let served = Served::again(folder, open_to_all);
    assert_private(Path::new(&served.path("store")));
    served.stop();
}
