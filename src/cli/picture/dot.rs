//! Writes Graphviz's language, as far as pictures need it.

use std::fmt::Write;

use crate::cli::print::clean;

pub struct Digraph {
    text: String,
}

impl Digraph {
    /// Returns an empty digraph, from the left to the right.
    pub fn new(title: &str) -> Digraph {
        let mut text = String::from("digraph kith {\n");
        let _ = writeln!(text, "  graph [rankdir=LR, labelloc=t, fontname=\"sans-serif\", label={}];", quoted(title));
        text += "  node [shape=ellipse, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n";
        Digraph { text }
    }

    /// Adds a node: its id in the graph and its attributes.
    pub fn node(&mut self, id: &str, attributes: &[(&str, &str)]) {
        let _ = writeln!(self.text, "  {} [{}];", quoted(id), listed(attributes));
    }

    pub fn edge(&mut self, from: &str, to: &str, attributes: &[(&str, &str)]) {
        let _ = writeln!(self.text, "  {} -> {} [{}];", quoted(from), quoted(to), listed(attributes));
    }

    /// Puts nodes in one column.
    pub fn column<'a>(&mut self, ids: impl Iterator<Item = &'a str>) {
        let ids: String = ids.map(|id| format!(" {};", quoted(id))).collect();
        let _ = writeln!(self.text, "  {{ rank=same;{ids} }}");
    }

    pub fn finish(self) -> String {
        self.text + "}\n"
    }
}

fn listed(attributes: &[(&str, &str)]) -> String {
    let attributes: Vec<String> = attributes.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    attributes.join(", ")
}

/// Quotes a text. Only the quote and the backslash mean anything there; a backslash is doubled, because Graphviz expands `\N` and its like,
/// and `&` would begin an HTML entity.
fn quoted(text: &str) -> String {
    let text = clean(text, 1_000).replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;");
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_ends_its_quotes() {
        let mut graph = Digraph::new("a \"b\"");
        graph.node("x\"; y -> z; \"\\", &[("label", "\\N\n&lt;")]);
        let text = graph.finish();
        assert!(text.contains("label=\"a \\\"b\\\"\"]"), "{text}");
        assert!(text.contains(r#"  "x\"; y -> z; \"\\" [label="\\N &amp;lt;"];"#), "{text}");
    }
}
