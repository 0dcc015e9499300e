//! `kith namespace`, and what `--namespace` says of the other commands.

use std::fs;
use std::path::Path;
use std::rc::Rc;

use kith::store::ErasureJournal;
use serde_json::{Value, json};

use crate::harness::{Run, Served, kith};

const STORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/story.ndjson");

fn done(run: Run) -> Run {
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    run
}

fn digest_in(served: &Served, namespace: &str) -> Value {
    let stats = done(served.kith(&["stats", "--json", "--namespace", namespace]));
    serde_json::from_str::<Value>(&stats.out).unwrap()["contentDigest"].clone()
}

#[test]
fn each_command_is_of_the_namespace_that_it_names() {
    let served = Served::empty();
    let made = done(served.kith(&["namespace", "create", "acme"]));
    assert!(made.out.contains("acme") && made.out.contains("members"), "{}", made.out);
    let again = served.kith(&["namespace", "create", "acme"]);
    assert!(again.code == Some(1) && again.err.contains("already exists"), "{}", again.err);
    done(served.kith(&["import", STORY, "--namespace", "acme"]));
    let path = done(served.kith(&["path", "officer", "jeremy", "--namespace", "acme"]));
    assert!(path.out.contains("cousin"), "{}", path.out);
    let elsewhere = served.kith(&["path", "officer", "jeremy"]);
    assert!(elsewhere.code == Some(1) && elsewhere.err.contains("not found"), "{}", elsewhere.err);
    let listed = done(served.kith(&["namespace", "list", "--json"]));
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    let names: Vec<&Value> = listed["namespaces"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["acme", "default"]);
    let nowhere = served.kith(&["stats", "--namespace", "beta"]);
    assert!(nowhere.code == Some(1) && nowhere.err.contains("namespace \"beta\" not found"), "{}", nowhere.err);
    assert_eq!(served.kith(&["stats", "--namespace", "Beta"]).code, Some(2));
    let unnamed = served.kith(&["namespace", "create"]);
    assert!(unnamed.code == Some(2) && unnamed.err.contains("NAME"), "{}", unnamed.err);
    let named = served.kith(&["namespace", "list", "acme"]);
    assert!(named.code == Some(2) && named.err.contains("takes no name"), "{}{}", named.out, named.err);
    done(served.kith(&["namespace", "delete", "acme"]));
    assert_eq!(served.kith(&["namespace", "show", "acme"]).code, Some(1));
}

#[test]
fn one_namespace_is_restored_into_a_store_that_has_others() {
    let served = Served::empty();
    for name in ["acme", "beta"] {
        done(served.kith(&["namespace", "create", name]));
    }
    done(served.kith(&["import", STORY, "--namespace", "acme"]));
    let (all, one) = (served.path("all.backup"), served.path("one.backup"));
    done(served.kith(&["backup", &all]));
    done(served.kith(&["backup", &one, "--namespace", "acme"]));
    let digest = digest_in(&served, "acme");
    let (journal, other) = (served.path("store.erasures"), served.path("other"));
    for (file, name) in [(&all, "acme"), (&all, "beta")] {
        done(kith(&["restore", file, "--data", &other, "--namespace", name, "--erasure-journal", &journal]));
    }
    let again = kith(&["restore", &one, "--data", &other, "--namespace", "acme", "--ignore-erasures"]);
    let way_out = format!("{other} has a namespace acme already: delete it there");
    assert!(again.code == Some(3) && again.err.contains(&way_out), "{}", again.err);
    let missing = kith(&["restore", &one, "--data", &other, "--namespace", "beta", "--ignore-erasures"]);
    assert!(
        missing.code == Some(3) && missing.err.contains(&format!("{one} has no namespace beta")),
        "{}",
        missing.err
    );
    let exported = done(kith(&["export", "-", "--data", &other, "--namespace", "acme"]));
    assert!(exported.err.contains(digest.as_str().unwrap()), "{}", exported.err);
    assert!(kith(&["export", "-", "--data", &other, "--namespace", "zeta"]).err.contains("no namespace zeta"));
    // One that was deleted since is not brought back, unless that is what is asked for.
    done(served.kith(&["namespace", "delete", "acme"]));
    let late = served.path("late");
    let erased = kith(&["restore", &one, "--data", &late, "--namespace", "acme", "--erasure-journal", &journal]);
    assert!(erased.code == Some(3) && erased.err.contains("was erased since"), "{}", erased.err);
    done(kith(&["restore", &one, "--data", &late, "--namespace", "acme", "--ignore-erasures"]));
    let (whole, again) = (served.path("whole"), served.path("again"));
    let left_out = done(kith(&["restore", &all, "--data", &whole, "--erasure-journal", &journal]));
    assert!(left_out.out.ends_with("\nleft out acme: it was erased since the backup\n"), "{}", left_out.out);
    let left_out = done(kith(&["restore", &all, "--data", &again, "--erasure-journal", &journal, "--json"]));
    let left_out: Value = serde_json::from_str(&left_out.out).unwrap();
    assert_eq!(left_out["erased"], json!({"members": 0, "namespaces": ["acme"]}));
    let foreign = served.path("late.erasures");
    drop(ErasureJournal::open(Path::new(&foreign)).unwrap());
    let refused = kith(&["restore", &one, "--data", &served.path("none"), "--erasure-journal", &foreign]);
    assert!(refused.code == Some(3) && refused.err.contains("that of another store"), "{}", refused.err);
    fs::write(served.path("none.erasures"), "").unwrap();
    let stays = kith(&["restore", &one, "--data", &served.path("none"), "--ignore-erasures"]);
    assert!(stays.code == Some(3) && stays.err.contains("none.erasures is there"), "{}", stays.err);
}

#[test]
fn every_digest_says_what_it_is_of() {
    let served = Served::empty();
    done(served.kith(&["namespace", "create", "acme"]));
    done(served.kith(&["import", STORY, "--namespace", "acme"]));
    let [acme, default] = ["acme", "default"].map(|name| digest_in(&served, name).as_str().unwrap().to_owned());
    let of_acme = format!("digest of acme {acme}");
    let (all, one) = (served.path("all.backup"), served.path("one.backup"));
    let backed_up = done(served.kith(&["backup", &all])).out;
    let of_all = backed_up.split("; ").last().unwrap().split(',').next().unwrap();
    assert!(of_all.starts_with("digest of all namespaces ") && !of_all.contains(&acme), "{backed_up}");
    let of_all = of_all.replace("all namespaces", "all 2 namespaces");
    let (journal, data, other) = (served.path("store.erasures"), served.path("data"), served.path("other"));
    let of_one: [&[&str]; 6] = [
        &["backup", &one],
        &["export", "-"],
        &["namespace", "show", "acme"],
        &["verify"],
        &["verify", "--backup", &one],
        &["restore", &one, "--data", &other, "--erasure-journal", &journal],
    ];
    for command in of_one {
        let server: &[&str] = if command[0] == "restore" { &[] } else { &["--server", &served.url] };
        let run = done(kith(&[command, &["--namespace", "acme"], server].concat()));
        assert!(format!("{}{}", run.out, run.err).contains(&of_acme), "{command:?}: {}{}", run.out, run.err);
    }
    assert!(done(served.kith(&["stats", "--namespace", "acme"])).out.contains("digest of acme  "));
    let file = done(kith(&["verify", "--backup", &one])).out;
    assert!(file.lines().count() == 1 && file.contains(&of_acme), "a backup of one has no other: {file}");
    let of_store: [&[&str]; 3] = [
        &["restore", &all, "--data", &data, "--erasure-journal", &journal],
        &["verify", "--backup", &all],
        &["verify", "--data", &data],
    ];
    for command in of_store {
        let run = done(kith(command)).out;
        let lines: Vec<&str> = run.lines().collect();
        assert!(lines[0].contains(&of_all), "{command:?}: {run}");
        assert_eq!(lines[1..], [of_acme.as_str(), &format!("digest of default {default}")], "{command:?}");
    }
    let named = done(kith(&["verify", "--data", &data, "--namespace", "acme", "--json"])).out;
    let named: Value = serde_json::from_str(&named).unwrap();
    assert_eq!(named["held"]["namespaces"], json!([{"name": "acme", "contentDigest": acme}]));
    let none = kith(&["verify", "--data", &data, "--namespace", "beta"]);
    assert!(none.code == Some(3) && none.err.contains("has no namespace beta"), "{}", none.err);
}

#[test]
fn who_administers_one_namespace_is_told_what_is_not_its_own() {
    let folder = Rc::new(tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (callers, mut entries) = (path("callers.toml"), String::new());
    for (name, namespaces) in [("all", "*"), ("acme", "acme")] {
        let hash = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
        let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        entries += &format!(
            "[[callers]]\nname = {name:?}\nroles = [\"admin\"]\nnamespaces = [{namespaces:?}]\ntoken_sha256 = [{hash:?}]\n"
        );
        fs::write(path(name), name).unwrap();
    }
    fs::write(&callers, entries).unwrap();
    let served = Served::again(folder.clone(), |serve| {
        serve.env("KITH_AUTH", &callers);
    });
    let by = |caller: &str, command: &[&str]| served.kith(&[command, &["--token-file", &path(caller)]].concat());
    done(by("all", &["namespace", "create", "acme"]));
    let (all, own) = (by("all", &["stats"]).out, done(by("acme", &["stats", "--namespace", "acme"])).out);
    assert!(!all.contains("not known") && own.matches("not known").count() == 3, "{all}{own}");
    let file = path("acme.backup");
    let refused = by("acme", &["backup", &file]);
    let why = "a backup of all namespaces needs the role `admin` in all of them (`*`); --namespace NAME backs up one";
    assert!(refused.code == Some(1) && refused.err.contains(why), "{}", refused.err);
    done(by("acme", &["backup", &file, "--namespace", "acme"]));
}
