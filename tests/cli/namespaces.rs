//! `kith namespace`, and what `--namespace` says of the other commands.

use serde_json::Value;

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
    assert!(again.code == Some(3) && again.err.contains("already exists"), "{}", again.err);
    let missing = kith(&["restore", &one, "--data", &other, "--namespace", "beta", "--ignore-erasures"]);
    assert!(missing.code == Some(3) && missing.err.contains("no namespace beta"), "{}", missing.err);
    assert_eq!(done(kith(&["verify", "--data", &other])).out.lines().count(), 1);
    let exported = done(kith(&["export", "-", "--data", &other, "--namespace", "acme"]));
    assert!(exported.err.contains(digest.as_str().unwrap()), "{}", exported.err);
    assert!(kith(&["export", "-", "--data", &other, "--namespace", "zeta"]).err.contains("no namespace zeta"));
    // One that was deleted since is not brought back, unless that is what is asked for.
    done(served.kith(&["namespace", "delete", "acme"]));
    let late = served.path("late");
    let erased = kith(&["restore", &one, "--data", &late, "--namespace", "acme", "--erasure-journal", &journal]);
    assert!(erased.code == Some(3) && erased.err.contains("was erased since"), "{}", erased.err);
    done(kith(&["restore", &one, "--data", &late, "--namespace", "acme", "--ignore-erasures"]));
}
