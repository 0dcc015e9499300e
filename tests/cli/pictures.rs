//! The pictures of answers: those in the docs are what the binary draws, and nothing that a member is called breaks one.

use std::fs;
use std::path::Path;

use crate::harness::Served;

/// Shortly after the last interactions of the story.
const THEN: [&str; 2] = ["--as-of", "2026-09-20T12:00:00Z"];

const PICTURES: [(&str, &[&str]); 3] = [
    ("path", &["path", "officer", "jeremy", "-k", "3"]),
    ("reach", &["reach", "jeremy"]),
    ("suggest", &["suggest", "officer", "--topic", "consumer-privacy"]),
];

#[test]
fn the_pictures_in_the_docs_are_what_kith_draws() {
    let story = Served::story();
    for (name, query) in PICTURES {
        let drawn = story.kith(&[query, &THEN[..], &["--svg", "-"]].concat());
        assert_eq!(drawn.code, Some(0), "{}", drawn.err);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/pictures/{name}.svg"));
        if std::env::var_os("KITH_REDRAW").is_some() {
            fs::write(&path, &drawn.out).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == drawn.out,
            "{} is not what kith draws: KITH_REDRAW=1 cargo test --release --test cli pictures",
            path.display()
        );
    }
}

#[test]
fn pictures_go_to_files_beside_the_answer_or_take_its_place() {
    let story = Served::story();
    let (svg, dot) = (story.path("p.svg"), story.path("p.dot"));
    for (name, query) in PICTURES {
        let words = story.kith(&[query, &THEN[..]].concat());
        let both = story.kith(&[query, &THEN[..], &["--svg", &svg, "--dot", &dot]].concat());
        assert_eq!((both.code, &both.out), (Some(0), &words.out), "{name}: {}", both.err);
        assert!(fs::read_to_string(&svg).unwrap().ends_with("</svg>\n"), "{name}");
        let graph = fs::read_to_string(&dot).unwrap();
        assert!(graph.starts_with("digraph kith {\n") && graph.to_lowercase().contains("jeremy"), "{graph}");
        let instead = story.kith(&[query, &THEN[..], &["--dot", "-"]].concat());
        assert_eq!(instead.out, graph, "{name}");
    }
    let two = story.kith(&["path", "officer", "jeremy", "--svg", "-", "--json"]);
    assert_eq!((two.code, two.out.as_str()), (Some(1), ""), "{}", two.err);
    let nowhere = story.kith(&["path", "officer", "jeremy", "--svg", &story.path("no/such/folder.svg")]);
    assert!(nowhere.code == Some(1) && nowhere.err.contains("can't write"), "{}", nowhere.err);
}

#[test]
fn no_id_or_name_breaks_a_picture() {
    let server = Served::empty();
    let long = "x".repeat(128);
    let hostile = r#"</text><script>alert(\"&\")</script>"#;
    let file = server.path("hostile.ndjson");
    let mut lines = String::new();
    for (id, name) in [(hostile, "]]><!--"), ("\u{202e}日本語 \\\\\\\"", "\u{202e}"), (&long, ""), ("b", "<b>&amp;")]
    {
        lines += &format!("{{\"member\":{{\"id\":\"{id}\",\"displayName\":\"{name}\"}}}}\n");
    }
    for (from, to) in [(hostile, "\u{202e}日本語 \\\\\\\""), ("\u{202e}日本語 \\\\\\\"", &long), (&long, "b")] {
        lines += &format!("{{\"edge\":{{\"fromId\":\"{from}\",\"kind\":\"friend\",\"toId\":\"{to}\"}}}}\n");
    }
    fs::write(&file, lines).unwrap();
    let imported = server.kith(&["import", &file]);
    assert_eq!(imported.code, Some(0), "{}{}", imported.out, imported.err);
    let id = hostile.replace("\\\"", "\"");
    for query in [&["path", &id, "b"][..], &["reach", "b"], &["reach", &id], &["suggest", &id], &["suggest", "b"]] {
        let svg = server.kith(&[query, &["--svg", "-"]].concat());
        assert_eq!(svg.code, Some(0), "{}", svg.err);
        let clean = !svg.out.contains("<script") && !svg.out.contains("<b>") && !svg.out.contains('\u{202e}');
        assert!(clean && svg.out.matches("<svg").count() == 1, "{query:?}: {}", svg.out);
        let opened = svg.out.matches("<text").count();
        assert_eq!(opened, svg.out.matches("</text>").count(), "{query:?}");
        let dot = server.kith(&[query, &["--dot", "-"]].concat());
        // Without what is escaped, quotes come in pairs on each line.
        let pairs =
            dot.out.lines().all(|line| line.replace("\\\\", "").replace("\\\"", "").matches('"').count() % 2 == 0);
        assert!(dot.code == Some(0) && pairs, "{}", dot.out);
    }
}
