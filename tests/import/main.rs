//! `kith import`, the real command, against a server in this process.

mod cases;
mod harness;
mod pipes;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use harness::{Kith, Outcome};

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

/// What `imported FILE: …` says, without the revision.
fn totals(outcome: &Outcome) -> Vec<String> {
    let totals = |line: &str| line.split_once(": ").unwrap().1.split(';').next().unwrap().to_owned();
    outcome.stdout.lines().map(totals).collect()
}

/// The same of rows of which none was skipped.
fn counts(read: u64, created: u64, changed: u64, unchanged: u64, refused: u64) -> String {
    let imported = created + changed + unchanged;
    format!(
        "{read} rows read = {imported} imported ({created} created, {changed} changed, {unchanged} unchanged), \
         {refused} refused, 0 skipped"
    )
}

#[tokio::test]
async fn every_format_goes_in_and_a_second_time_changes_nothing() {
    let kith = Kith::start().await;
    let json = kith.file(
        "all.ndjson",
        r#"{"kind":{"name":"mentor","sphere":"SPHERE_PROFESSIONAL"}}
{"member":{"id":"ana","displayName":"Ana"}}

{"edge":{"fromId":"ana","kind":"mentor","toId":"ben"}}
{"status":{"id":"s1","authorId":"ana","text":"Who knows a bridge?"}}
"#,
    );
    let members = kith.file("members.csv", "id,display_name,topics\r\nana,Ana,rust;go\r\n\"dan\",\"Dan, D.\",\r\n");
    let edges = kith.file("edges.txt", "# ends\nana cleo\n%\ncleo\tdan\n");
    let arguments = [json.as_str(), &members, &edges];

    let first = kith.import(&arguments, "").await;
    assert_eq!(first.code, 0, "{}", first.stderr);
    let comments = [format!("{edges}:1: skipped as a comment: # ends"), format!("{edges}:3: skipped as a comment: %")];
    assert_eq!(lines(&first.stderr), comments);
    let head = "imported (";
    assert_eq!(
        totals(&first),
        [
            format!("5 rows read = 4 {head}4 created, 0 changed, 0 unchanged), 0 refused, 1 skipped (1 blank)"),
            format!("3 rows read = 2 {head}1 created, 1 changed, 0 unchanged), 0 refused, 1 skipped (1 header)"),
            format!("4 rows read = 2 {head}2 created, 0 changed, 0 unchanged), 0 refused, 2 skipped (2 comment)"),
        ]
    );
    assert_eq!((kith.members().await, kith.edges().await), (4, 3));

    let again = kith.import(&[&members, &edges], "").await;
    assert_eq!(
        totals(&again),
        [
            format!("3 rows read = 2 {head}0 created, 0 changed, 2 unchanged), 0 refused, 1 skipped (1 header)"),
            format!("4 rows read = 2 {head}0 created, 0 changed, 2 unchanged), 0 refused, 2 skipped (2 comment)"),
        ]
    );
    assert_eq!(kith.edges().await, 3);
}

#[tokio::test]
async fn bad_rows_are_named_with_their_line_and_the_rest_goes_in() {
    let kith = Kith::start().await;
    let text = "ana,spouse,ben\nben,rivals,cleo\ncleo\ncleo,friend,cleo\ncleo,friend,dan\n";
    let outcome = kith.import(&["-", "--format", "edges", "--columns", "from,kind,to"], text).await;
    assert_eq!(outcome.code, 1);
    assert_eq!(totals(&outcome), [counts(5, 2, 0, 0, 3)]);
    let told = lines(&outcome.stderr);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("-:2: edge.kind: ") && told[0].ends_with(" (UNKNOWN_KIND)"), "{told:?}");
    assert!(told[1].starts_with("-:3: has 1 column, ") && told[1].ends_with(" (MALFORMED)"), "{told:?}");
    assert!(told[2].starts_with("-:4: edge.to_id: ") && told[2].ends_with(" (SELF_EDGE)"), "{told:?}");
}

#[tokio::test]
async fn a_row_that_is_no_text_is_refused_and_one_that_comes_again_changes_nothing() {
    let kith = Kith::start().await;
    let file = kith.file("mixed.txt", b"ana ben\nana \xff\xfe\nana ben\nben ana\nana cleo\n");
    let outcome = kith.import(&[&file], "").await;
    assert_eq!(outcome.code, 1);
    // A symmetric edge is the same from its other end.
    assert_eq!(totals(&outcome), [counts(5, 2, 0, 2, 1)]);
    assert_eq!(lines(&outcome.stderr), [format!("{file}:2: is not UTF-8 at byte 5 (MALFORMED)")]);
    assert_eq!((kith.members().await, kith.edges().await), (3, 2));
}

#[tokio::test]
async fn the_errors_file_names_every_refusal() {
    let kith = Kith::start().await;
    let rows: String = (0..2_500).map(|i| if i % 5 == 0 { "x\n".to_owned() } else { format!("m{i} m{i}\n") }).collect();
    let file = kith.file("loops.txt", &rows);
    let errors = kith.path("errors.ndjson");
    let outcome = kith.import(&[&file, "--errors", &errors], "").await;
    assert_eq!(outcome.code, 1);
    assert_eq!(outcome.stderr.lines().count(), 21);
    assert!(outcome.stderr.ends_with("… and 2480 more (see --errors)\n"), "{}", outcome.stderr);

    let written = std::fs::read_to_string(errors).unwrap();
    let written: Vec<serde_json::Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        written.iter().map(|refusal| refusal["line"].as_u64().unwrap()).collect::<Vec<_>>(),
        Vec::from_iter(1..=2_500)
    );
    assert_eq!((&written[0]["reason"], &written[1]["reason"]), (&"MALFORMED".into(), &"SELF_EDGE".into()));
    assert_eq!((&written[1]["file"], &written[1]["field"]), (&file.into(), &"edge.to_id".into()));
}

#[tokio::test]
async fn members_are_created_bare_unless_told_not_to() {
    let kith = Kith::start().await;
    let outcome = kith.import(&["-", "--no-create-members"], "ana ben\n").await;
    assert_eq!((outcome.code, kith.members().await), (1, 0));
    assert!(outcome.stderr.contains("(MEMBER_MISSING)"), "{}", outcome.stderr);

    let outcome = kith.import(&["-", "--id-prefix", "p:", "--kind", "spouse", "--json"], "ana ben\n").await;
    let json: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((&json["created"], &json["membersCreatedBare"], &json["error"]), (&1.into(), &2.into(), &().into()));
    assert_eq!(kith.edge("p:ana", "spouse", "p:ben").await.unwrap().kind, "spouse");
}

#[tokio::test]
async fn of_a_file_cut_short_the_whole_rows_go_in_and_the_next_file_is_imported() {
    let kith = Kith::start().await;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    for i in 0..20_000 {
        writeln!(encoder, "a{} b{i}", i * 7919 % 100_003).unwrap();
    }
    let whole = encoder.finish().unwrap();
    let cut = kith.file("cut.txt.gz", &whole[..whole.len() / 2]);
    let next = kith.file("next.txt", "c d\n");
    let outcome = kith.import(&[&cut, &kith.path("none.txt"), &next], "").await;
    assert_eq!(outcome.code, 3);
    let told = lines(&outcome.stderr);
    assert!(told[0].contains("cut.txt.gz: the gzip data is cut short after line "), "{told:?}");
    assert!(told[1].contains("none.txt: No such file"), "{told:?}");
    let received: u64 = totals(&outcome)[0].split(' ').next().unwrap().parse().unwrap();
    assert!((5_000..20_000).contains(&received), "{received}");
    assert_eq!(kith.edges().await, received + 1);
}

#[tokio::test]
async fn when_the_server_goes_the_command_says_how_far_it_came() {
    let kith = Kith::start().await;
    let mut import = kith.begin(&["-"]);
    let row = |i: u64| format!("m{i} m{}\n", i + 1);
    import.write((0..100_000).map(row).collect::<String>()).await;
    // A stream has 100 messages at most: those of the next are sent once it is acknowledged.
    import.write((100_000..101_000).map(row).collect::<String>()).await;
    kith.until_edges(101_000).await;
    kith.stop().await;
    import.write("x y\n").await;
    let outcome = import.end().await;
    assert_eq!(outcome.code, 3);
    let told = outcome.stderr.split("all up to line ").nth(1).unwrap_or_else(|| panic!("{}", outcome.stderr));
    let (line, rest) = told.split_once(' ').unwrap();
    let line: u64 = line.parse().unwrap();
    assert!((1_000..=101_000).contains(&line) && rest.starts_with("is imported; importing it again is safe"), "{told}");
    // What was sent and not answered for is neither imported nor refused, and is told.
    let wanted =
        [101_000, 101_001].map(|read| format!("{}, {} not acknowledged", counts(read, line, 0, 0, 0), read - line));
    assert!(wanted.contains(&totals(&outcome)[0]), "{wanted:?} {}", outcome.stdout);
}

#[tokio::test]
async fn what_makes_no_sense_is_said_before_anything_is_sent() {
    let kith = Kith::start().await;
    let ndjson = kith.file("a.ndjson", "{}\n");
    for arguments in [
        vec!["-", "--columns", "from,too"],
        vec!["-", "--delimiter", "ab"],
        vec!["-", "--format", "xml"],
        vec![ndjson.as_str(), "--columns", "from,to"],
        vec!["-", "--comments", "a"],
        vec!["-", "--time-unit", "years"],
        vec!["-", "--header", "maybe"],
        vec![],
    ] {
        let outcome = kith.import(&arguments, "").await;
        assert_eq!((outcome.code, outcome.stdout.as_str()), (2, ""), "{arguments:?}");
    }
    let header = kith.file("a.csv", "node_1,node_2\n0,1\n");
    let outcome = kith.import(&[&header], "").await;
    assert_eq!(outcome.code, 3);
    assert!(outcome.stderr.contains("unknown column `node_1`"), "{}", outcome.stderr);
    assert_eq!(kith.import(&[&header, "--columns", "from,to", "--skip-rows", "1"], "").await.code, 0);
    assert_eq!(kith.edges().await, 1);
}

#[tokio::test]
async fn a_file_of_errors_that_is_to_be_imported_is_not_emptied() {
    let kith = Kith::start().await;
    let file = kith.file("in.csv", "from,to\nann,bob\n");
    let link = kith.path("link.csv");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let hard = kith.path("hard.csv");
    std::fs::hard_link(&file, &hard).unwrap();
    for errors in [&file, &link, &hard] {
        let outcome = kith.import(&[&file, "--errors", errors], "").await;
        assert_eq!(outcome.code, 2, "{}", outcome.stderr);
        assert!(outcome.stderr.contains("is a file that is to be imported"), "{}", outcome.stderr);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "from,to\nann,bob\n");
    }
    assert_eq!(kith.edges().await, 0);
}

#[tokio::test]
async fn lines_longer_than_any_message_are_refused_and_the_next_goes_in() {
    let kith = Kith::start().await;
    let long = "x".repeat(5 * 1_024 * 1_024);
    let json = format!("{{\"member\":{{\"id\":\"{long}\"}}}}\n{{\"member\":{{\"id\":\"a\"}}}}\n");
    let csv = format!("id\n{long}\nb\n\"{long}\"\nc\n");
    for (name, text, wanted) in [("a.ndjson", json, "2 rows read = 1"), ("a.csv", csv, "5 rows read = 2")] {
        let file = kith.file(name, text);
        let outcome = kith.import(&[&file], "").await;
        assert_eq!(outcome.code, 1, "{}", outcome.stderr);
        assert!(outcome.stderr.contains("a row must be at most 1048576 bytes (TOO_LONG)"), "{}", outcome.stderr);
        assert!(totals(&outcome)[0].starts_with(wanted), "{}", outcome.stdout);
    }
    assert_eq!(kith.members().await, 3);
}
