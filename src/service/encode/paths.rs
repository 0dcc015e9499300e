//! Paths as callers get them: by which edges each step goes.

use prost::Message;

use super::super::answer_bytes::PATH_BYTES_MAX;
use super::Shown;
use crate::graph::{MemberIx, Path, View, pair_strength, sphere_crossings, step_edges};
use crate::proto::v1 as pb;

impl Shown<'_> {
    /// A path under a view of the state.
    pub fn path(&self, view: &View<'_>, path: &Path) -> pb::Path {
        let mut shown = self.whole_path(view, path);
        if shown.encoded_len() > PATH_BYTES_MAX {
            let edges = shown.steps.iter_mut().flat_map(|step| &mut step.edges);
            edges.for_each(|edge| (edge.note, edge.origin) = (String::new(), None));
        }
        shown
    }

    fn whole_path(&self, view: &View<'_>, path: &Path) -> pb::Path {
        pb::Path {
            steps: path.members.windows(2).map(|ends| self.step(view, ends[0], ends[1])).collect(),
            hops: path.hops() as i32,
            strength: path.cost.strength() as f32,
            sphere_crossings: sphere_crossings(view, path) as i32,
        }
    }

    fn step(&self, view: &View<'_>, from: MemberIx, to: MemberIx) -> pb::PathStep {
        let edges = step_edges(view, from, to);
        let strength = pair_strength(edges.iter().map(|edge| edge.strength)) as f32;
        let stored = edges.iter().filter_map(|step| self.state.edge_at(step.from, step.kind, step.to));
        pb::PathStep {
            from_id: self.state.graph().id(from).to_string(),
            to_id: self.state.graph().id(to).to_string(),
            edges: stored.map(|stored| self.edge(stored)).collect(),
            strength,
        }
    }
}
