//! Draws paths: few of them in rows, many as one graph.

use std::collections::BTreeSet;

use super::Picture;
use super::chain::Chains;
use super::dot::Digraph;
use super::spheres::color;
use super::web;
use crate::cli::print::percent;

/// More paths are drawn as one graph, where what they share is drawn once.
const ROWS_MAX: usize = 4;

impl Picture for Chains<'_> {
    fn svg(&self) -> String {
        if self.response.paths.len() > ROWS_MAX { web::svg(self) } else { self.rows() }
    }

    fn dot(&self) -> String {
        let mut graph = Digraph::new(&self.title());
        let mut drawn = BTreeSet::new();
        for step in self.response.paths.iter().flat_map(|path| &path.steps) {
            for id in [&step.from_id, &step.to_id] {
                if drawn.insert((id.as_str(), "", "")) {
                    graph.node(id, &[("label", &self.directory.names.label(id))]);
                }
            }
            for edge in &step.edges {
                if drawn.insert((&step.from_id, &step.to_id, &edge.kind)) {
                    let label = format!("{} {}", edge.kind, percent(edge.strength.into()));
                    let color = color(self.directory.sphere(edge));
                    let head = if self.directory.is_directed(edge) { "forward" } else { "none" };
                    let look = [("label", label.as_str()), ("color", color), ("fontcolor", color), ("dir", head)];
                    graph.edge(&step.from_id, &step.to_id, &look);
                }
            }
        }
        graph.finish()
    }
}
