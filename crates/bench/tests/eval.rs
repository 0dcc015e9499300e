//! Runs `kith-bench eval` on a split made for it: two circles of friends, and ties within them that were hidden.

mod harness;

use std::fs;
use std::path::Path;

use harness::kith_bench;
use serde_json::Value;

const CIRCLE: usize = 12;

/// Writes two circles, each member joined to the four next on either side, and the circles joined by one tie. One tie of each member is
/// hidden. A tie is as old as it is long, in days, if ties are timed.
fn write_split(folder: &Path, timed: bool) {
    let name = |circle: usize, at: usize| format!("{}-{}", ["left", "right"][circle], at % CIRCLE);
    let (mut train, mut test, mut queries) = ("# from to\n".to_owned(), "# from to\n".to_owned(), String::new());
    let mut join = |from: String, to: String, days: usize| {
        let time = if timed { format!("\t{}", 86_400 * (100 - days)) } else { String::new() };
        train.push_str(&format!("{from}\t{to}{time}\n"));
    };
    for circle in 0..2 {
        for at in 0..CIRCLE {
            for length in 1..=4 {
                let is_hidden = length == 2 && at % 4 < 2;
                if is_hidden {
                    test.push_str(&format!("{}\t{}\n", name(circle, at), name(circle, at + length)));
                } else {
                    join(name(circle, at), name(circle, at + length), length);
                }
            }
            queries.push_str(&format!("{}\n", name(circle, at)));
        }
    }
    join(name(0, 0), name(1, 0), 1);
    fs::write(folder.join("train.tsv"), train).unwrap();
    fs::write(folder.join("test.tsv"), test).unwrap();
    fs::write(folder.join("queries.txt"), queries).unwrap();
    let about =
        "cut 5: two circles, cut 7 (days) before the shortcut 3\ncut = 8640000\nhalf-life = 864000\nprior = 0\n";
    fs::write(folder.join("ABOUT"), about).unwrap();
}

fn split(timed: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_split(folder.path(), timed);
    folder
}

#[test]
fn every_ranker_is_measured_and_k_is_its_formula() {
    for timed in [false, true] {
        let folder = split(timed);
        let run = kith_bench(&["eval", folder.path().to_str().unwrap(), "--json", "--ablation"]);
        assert_eq!(run.code, Some(0), "{}", run.err);
        let report: Value = serde_json::from_str(&run.out).unwrap();
        let set = &report["sets"][0];
        assert_eq!((&set["members"], &set["ties"], &set["queries"]), (&24.into(), &85.into(), &24.into()));
        assert_eq!(set["exact_and_formula"]["same_top"], 24);
        assert!(set["exact_and_formula"]["difference"].as_f64().unwrap() < 1e-6, "{set}");
        let rankers = set["rankers"].as_array().unwrap();
        for name in
            ["common neighbors", "Adamic-Adar", "resource allocation", "Katz", "personalised PageRank", "K, exact"]
        {
            let ranker = rankers.iter().find(|ranker| ranker["name"] == name).unwrap_or_else(|| panic!("no {name}"));
            // Everyone hidden is in the same circle, among the few that one is not joined to there.
            assert_eq!(ranker["recall_at_20"]["mean"], 1.0, "{name}");
            let rank = &ranker["mrr"];
            assert!(rank["mean"].as_f64().unwrap() > 0.3 && rank["error"].as_f64().unwrap() > 0.0, "{name}: {rank}");
            assert_eq!(ranker["coverage"], 1.0, "{name}");
            let (busiest, all) = (&ranker["of_the_busiest_introducer"], &ranker["introductions"]);
            assert!(busiest.as_u64().unwrap() >= 1 && busiest.as_u64() < all.as_u64(), "{name}");
        }
        let sparing = |value: &str| set["sparing"][value].as_f64().unwrap();
        assert_eq!(sparing("introductions"), 30_000.0);
        assert!(sparing("busiest_with_load") < sparing("busiest_without_load") && sparing("strength_kept") <= 1.0);
        // The same seed gives the same output, byte for byte; another seed draws otherwise.
        let again = kith_bench(&["eval", folder.path().to_str().unwrap(), "--json", "--ablation"]);
        assert_eq!(again.out, run.out);
        let other = kith_bench(&["eval", folder.path().to_str().unwrap(), "--json", "--ablation", "--seed", "2"]);
        assert_ne!(other.out, run.out);
    }
}

#[test]
fn a_table_names_the_set_and_its_rankers() {
    let folder = split(true);
    let run = kith_bench(&["eval", folder.path().to_str().unwrap()]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains(": 24 members, 85 ties, 24 queries\n"), "{}", run.out);
    assert!(
        run.out.contains("\nresource allocation ") && run.out.contains("the same top 20 in 24 of 24"),
        "{}",
        run.out
    );
}

#[test]
fn a_split_that_is_wrong_is_refused_by_file_and_line() {
    let cases = [
        ("train.tsv", "a\tb\tc\td\n", "line 1: two members, and a time if the others have one, were expected"),
        ("train.tsv", "a b 5\nb c\n", "line 2: some lines have a time and some have none"),
        ("train.tsv", "a b soon\n", "line 1: the time is no number of seconds"),
        ("train.tsv", "a a\n", "line 1: a member is joined to itself"),
        ("test.tsv", "# two\nleft-0 nobody\n", "line 2: a member does not occur in train.tsv"),
        ("test.tsv", "left-0 left-1\n", "line 1: the two are joined in train.tsv already"),
        ("queries.txt", "left-0 left-1\n", "line 1: one member was expected"),
        ("queries.txt", "nobody\n", "line 1: the member does not occur in train.tsv"),
        ("queries.txt", "", "does not name a member"),
        ("ABOUT", "nothing\n", "does not name half-life in seconds"),
        ("ABOUT", "half-life = 5\nthe cut 9 of the set\n", "does not name cut in seconds"),
        ("ABOUT", "half-life = 5\ncut = soon\n", "line 2: cut is no number"),
        ("ABOUT", "half-life = 5\ncut = 5\ncut = 6\n", "line 3: cut is given twice"),
    ];
    for (file, text, why) in cases {
        let folder = split(true);
        fs::write(folder.path().join(file), text).unwrap();
        let run = kith_bench(&["eval", folder.path().to_str().unwrap()]);
        assert_eq!(run.code, Some(1), "{file}: {text:?}");
        assert!(run.err.contains(file) && run.err.contains(why), "{file}: {text:?}: {}", run.err);
    }
    // These are no ids of members.
    let folder = split(false);
    let train = folder.path().join("train.tsv");
    fs::write(&train, fs::read_to_string(&train).unwrap() + "left-0\t\u{1}\n").unwrap();
    let run = kith_bench(&["eval", folder.path().to_str().unwrap()]);
    assert!(run.code == Some(1) && run.err.contains("control character"), "{}", run.err);
    let missing = kith_bench(&["eval", "/nowhere/to/be/found"]);
    assert!(missing.code == Some(1) && missing.err.contains("train.tsv cannot be read"), "{}", missing.err);
}

/// Checks that numbers in the set's name and in what people read do no harm: the cut is that of its field, and in older splits the one in
/// seconds.
#[test]
fn the_cut_is_a_field_of_its_own() {
    let read = |about: Option<&str>| {
        let folder = split(true);
        let folder = folder.path();
        about.into_iter().for_each(|about| fs::write(folder.join("ABOUT"), about).unwrap());
        let run = kith_bench(&["eval", folder.to_str().unwrap(), "--json"]);
        assert_eq!(run.code, Some(0), "{}", run.err);
        let report: Value = serde_json::from_str(&run.out).unwrap();
        report["sets"][0]["rankers"].clone()
    };
    let sentence =
        "cut 2008-04, the cut 3 of 5: ties up to the cut 8640000 (seconds), half-life 864000 (seconds), prior 0.\n";
    let own = read(None);
    assert_eq!(read(Some(sentence)), own);
    assert_ne!(read(Some("cut = 864000000000\nhalf-life = 864000\n")), own);
}
