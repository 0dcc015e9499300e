//! Checks that `kith-bench` measures all it names, and finds kith and its limit programs in agreement.

mod harness;

use harness::{command, kith_bench};

#[test]
fn a_short_bench_measures_everything() {
    let temporary = tempfile::tempdir().unwrap();
    let output = command(&["--smoke", "--json"]).env("TMPDIR", temporary.path()).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{err}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["members"], &report["rounds"]), (&2_000.into(), &2.into()));
    let rows = report["rows"].as_array().unwrap();
    let row = |what: &str| rows.iter().find(|row| row["query"] == what).unwrap_or_else(|| panic!("no {what} in {out}"));
    for what in [
        "import, durable / index built",
        "page of 100 neighbors, 64 in flight",
        "durable writes, 64 in flight",
        "distance beside writers, p99 / alone",
    ] {
        let row = row(what);
        let value = |side: &str| row[side]["value"].as_f64().unwrap();
        assert!(value("kith") > 0.0 && value("limit") > 0.0, "{row}");
    }
    for what in ["distance", "reach k = 3, by sphere", "suggestions, 2 steps", "5 strongest paths"] {
        let row = row(what);
        let percentile = |side: &str, name: &str| row[side][name].as_f64().unwrap();
        for side in ["kith", "limit"] {
            assert!(percentile(side, "p50") > 0.0 && percentile(side, "p50") <= percentile(side, "p99"), "{row}");
        }
        let ratio = |name: &str| row["ratio"][name].as_f64().unwrap();
        assert!(ratio("least") <= ratio("median") && ratio("median") <= ratio("greatest"), "{row}");
    }
    for what in
        ["start to SERVING", "memory an edge, all of a server", "the same, most while it starts", "disk an edge"]
    {
        assert!(row(what)["kith"]["value"].as_f64().unwrap() > 0.0, "{}", row(what));
    }
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "the temporary store is removed");
}

#[test]
fn a_bench_of_one_query_prints_a_table_of_it() {
    let run = kith_bench(&["--smoke", "--only", "reach-2"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("\nreach k = 2, by sphere"), "{}", run.out);
    assert!(!run.out.contains("suggestions"), "{}", run.out);
    assert_eq!(kith_bench(&["--only", "everything"]).code, Some(2));
}
