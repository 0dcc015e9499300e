//! How commands end when there is nothing to answer, or something is wrong: in words, in JSON, and for the shell.

use serde_json::{Value, json};

use crate::harness::{Served, command, kith};

fn error_of(stderr: &str) -> Value {
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 1, "one line of JSON: {stderr}");
    serde_json::from_str::<Value>(lines[0]).unwrap()["error"].clone()
}

#[test]
fn no_path_has_an_exit_code_of_its_own() {
    let story = Served::story();
    let found = story.kith(&["path", "officer", "jeremy"]);
    assert_eq!(found.code, Some(0), "{}", found.err);
    for json in [&[][..], &["--json"]] {
        let none = story.kith(&[&["path", "officer", "jeremy", "--max-hops", "1"], json].concat());
        assert_eq!((none.code, none.err.as_str()), (Some(4), ""), "{}", none.out);
        let nobody = story.kith(&[&["introducers", "officer", "jeremy", "--max-hops", "2"], json].concat());
        assert_eq!(nobody.code, Some(4), "{}", nobody.err);
        let unknown = story.kith(&[&["path", "officer", "jeremy", "--max-edges", "1"], json].concat());
        assert_eq!(unknown.code, Some(5), "{}{}", unknown.out, unknown.err);
    }
    let help = kith(&["--help"]);
    for code in ["Exit codes:", "  4  of path and introducers: there is no way", "  5  of path"] {
        assert!(help.out.contains(code), "{}", help.out);
    }
}

#[test]
fn the_exit_code_says_whether_the_server_refused_or_there_is_none() {
    let served = Served::empty();
    let story = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/story.ndjson");
    for command in [
        &["import", story][..],
        &["import", "--dry-run", story],
        &["export"],
        &["backup", "-"],
        &["verify"],
        &["stats"],
    ] {
        let refused = served.kith(&[command, &["--namespace", "nowhere"]].concat());
        let said = format!("{command:?}: {}{}", refused.out, refused.err);
        assert!(refused.code == Some(1) && refused.err.contains("namespace \"nowhere\" not found"), "{said}");
        assert_eq!(kith(&[command, &["--server", "http://127.0.0.1:1"]].concat()).code, Some(3), "{command:?}");
    }
}

#[test]
fn errors_are_words_or_json() {
    let story = Served::story();
    let words = story.kith(&["path", "officer", "nobody"]);
    assert_eq!((words.code, words.err.as_str()), (Some(1), "error: NOT_FOUND member \"nobody\" not found\n"));
    let told = story.kith(&["path", "officer", "nobody", "--json"]);
    assert_eq!((told.code, told.out.as_str()), (Some(1), ""));
    let wanted = json!({
        "code": "NOT_FOUND",
        "reason": "NOT_FOUND",
        "message": "member \"nobody\" not found",
        "metadata": { "resource": "member", "id": "nobody" },
        "exitCode": 1,
    });
    assert_eq!(error_of(&told.err), wanted);
    let told = story.kith(&["path", "", "jeremy", "-k", "51", "--json"]);
    let error = error_of(&told.err);
    assert_eq!((&error["code"], &error["reason"]), (&json!("INVALID_ARGUMENT"), &json!("REQUIRED")));
    let fields: Vec<&Value> = error["violations"].as_array().unwrap().iter().map(|wrong| &wrong["field"]).collect();
    assert_eq!(fields, ["from_id", "k"]);
    let nobody = kith(&["stats", "--json", "--server", "http://127.0.0.1:1"]);
    assert_eq!((nobody.code, &error_of(&nobody.err)["exitCode"]), (Some(3), &json!(3)));
}

#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let story = Served::story();
    let empty = ["KITH_SERVER", "KITH_CA", "KITH_TOKEN_FILE", "KITH_CLIENT_CERT", "KITH_CLIENT_KEY"];
    let asked = command(&["stats", "--server", &story.url]).envs(empty.map(|name| (name, ""))).output().unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let settings = ["KITH_LISTEN", "KITH_MAX_CALLS", "KITH_INSECURE", "KITH_TLS_CERT", "KITH_CONFIG", "KITH_LOG"];
    let told = command(&["config", "--json"]).envs(settings.map(|name| (name, ""))).output().unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["listen"], json!({ "value": "127.0.0.1:5484", "origin": "default", "source": null }));
    assert_eq!((&told["insecure"]["origin"], &told["tls-cert"]["origin"]), (&json!("default"), &json!("none")));
}
