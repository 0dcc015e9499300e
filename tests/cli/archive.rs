//! `kith serve --archive`, and the way back by `kith archive` and `kith restore --archive`.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Served, kith};

fn archiving(archive: &str) -> impl FnOnce(&mut Command) {
    let archive = archive.to_owned();
    move |serve| {
        serve.env("KITH_ARCHIVE", archive).env("KITH_ARCHIVE_SECONDS", "1");
    }
}

/// The lines of an archive; none while it has none.
fn lines(archive: &str) -> Vec<Value> {
    let run = kith(&["archive", archive, "--json"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let listed: Value = serde_json::from_str(&run.out).unwrap();
    listed["lines"].as_array().unwrap().clone()
}

/// Waits until the archive has what the server holds; gives the number of the newest revision.
fn archived(served: &Served, archive: &str) -> u64 {
    let token = served.stats()["revision"].as_str().unwrap().to_owned();
    let sequence = u64::from_str_radix(&token[16..32], 16).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while lines(archive).last().is_none_or(|line| line["lastRevision"] != sequence) {
        assert!(Instant::now() < end, "it is never archived");
        std::thread::sleep(Duration::from_millis(50));
    }
    sequence
}

#[test]
fn a_bad_import_is_undone_though_the_server_was_killed() {
    let folder = Served::story().stop();
    let archive = folder.path().join("archive").to_str().unwrap().to_owned();
    let served = Served::again(folder.clone(), archiving(&archive));
    let (before, file) = (served.stats(), served.path("bad.csv"));
    std::fs::write(&file, "from,to\nbad-1,bad-2\nbad-2,bad-3\n").unwrap();
    assert_eq!(served.kith(&["import", &file, "--kind", "friend"]).code, Some(0));
    let (bad, last) = (served.stats(), archived(&served, &archive));
    assert_ne!(bad["contentDigest"], before["contentDigest"]);
    // It is killed: what is archived is there all the same, and the next server goes on with it.
    drop(served);
    let served = Served::again(folder.clone(), archiving(&archive));
    let name = served.path("undone");
    std::fs::write(&file, "from,to\nlater-1,later-2\n").unwrap();
    assert_eq!(served.kith(&["import", &file, "--kind", "friend"]).code, Some(0));
    assert!(archived(&served, &archive) > last);
    assert_eq!(lines(&archive).len(), 1, "the line goes on");
    let mode = std::fs::metadata(&archive).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    served.stop();

    let table = kith(&["archive", &archive]);
    assert!(table.code == Some(0) && table.out.contains("from revision"), "{}{}", table.out, table.err);
    let token = before["revision"].as_str().unwrap();
    for (until, expected) in [(token, &before), (last.to_string().as_str(), &bad)] {
        let data = format!("{name}-{until}");
        let undone = kith(&["restore", "--archive", &archive, "--until", until, "--data", &data, "--ignore-erasures"]);
        assert_eq!(undone.code, Some(0), "{}{}", undone.out, undone.err);
        assert!(undone.out.contains(expected["contentDigest"].as_str().unwrap()), "{}", undone.out);
        assert!(undone.err.contains("from the backup at revision "), "{}", undone.err);
    }
}

#[test]
fn what_cannot_be_restored_is_refused_in_words() {
    let folder = Served::empty().stop();
    let archive = folder.path().join("archive").to_str().unwrap().to_owned();
    let (data, missing) = (format!("{archive}-restored"), format!("{archive}-missing"));
    let served = Served::again(folder.clone(), archiving(&archive));
    archived(&served, &archive);
    served.stop();
    let restore = |archive: &str, until: &str| {
        let run = kith(&["restore", "--archive", archive, "--until", until, "--data", &data, "--ignore-erasures"]);
        assert!(run.code == Some(3) && !std::fs::exists(&data).unwrap(), "{:?} {}{}", run.code, run.out, run.err);
        run.err
    };
    assert!(restore(&archive, "yesterday").contains("neither a revision"));
    assert!(restore(&archive, "4000").contains("does not reach to that point; it holds revisions 1 to 1"));
    assert!(restore(&archive, "2001-01-01T00:00:00Z").contains("does not reach to that point"));
    assert!(restore(&missing, "1").contains("is no archive"));
    assert!(restore("ftp://host/kith", "1").contains("ftp:// is not known"));
    let listed = kith(&["archive", &missing]);
    assert!(listed.code == Some(3) && listed.err.contains("is no archive"), "{}", listed.err);
    let both = kith(&["restore", "kith.backup", "--archive", &archive, "--data", &data]);
    assert_eq!(both.code, Some(2), "{}", both.err);
}
