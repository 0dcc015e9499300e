//! A path as it is shown: the edges that each step can go by, and how often it changes from one part of life to another.

use super::half_edge::{KindIx, MemberIx};
use super::path::Path;
use super::view::View;
use crate::domain::Sphere;

/// An edge that a step can go by, in the direction it is walked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepEdge {
    /// The end that the edge leads out of; one of a symmetric kind is given as it is walked.
    pub from: MemberIx,
    pub kind: KindIx,
    pub to: MemberIx,
    pub strength: f32,
}

/// Returns all edges that lead from one member to another and pass the filter: the strongest first, then by the kind's name.
pub fn step_edges(view: &View<'_>, from: MemberIx, to: MemberIx) -> Vec<StepEdge> {
    let between = view.edges_between(from, to).into_iter();
    let mut edges: Vec<StepEdge> = between.map(|(kind, strength)| StepEdge { from, kind, to, strength }).collect();
    let name = |edge: &StepEdge| &view.graph().kind(edge.kind).name;
    edges.sort_by(|a, b| b.strength.total_cmp(&a.strength).then_with(|| name(a).cmp(name(b))));
    edges
}

/// Returns the least number of changes of sphere from one step to the next, when each step goes by any of its edges.
pub fn sphere_crossings(view: &View<'_>, path: &Path) -> u32 {
    let mut least: Option<[Option<u32>; 3]> = None;
    for step in path.members.windows(2) {
        let mut here = [None; 3];
        for edge in step_edges(view, step[0], step[1]) {
            let sphere = view.graph().kind(edge.kind).attrs.sphere;
            let at = Sphere::ALL.iter().position(|s| *s == sphere).expect("every sphere is among all");
            let changes = match least {
                None => Some(0),
                Some(before) => {
                    let coming = before.iter().enumerate();
                    coming.filter_map(|(i, changes)| changes.map(|c| c + u32::from(i != at))).min()
                }
            };
            here[at] = changes;
        }
        least = Some(here);
    }
    least.and_then(|last| last.into_iter().flatten().min()).unwrap_or(0)
}

/// Returns the member at which a path has to change to another sphere for the first time, because no single sphere leads further. It is
/// none if one sphere leads all the way.
pub fn sphere_switch(view: &View<'_>, path: &Path) -> Option<MemberIx> {
    let mut leading = Sphere::ALL.to_vec();
    for step in path.members.windows(2) {
        let here: Vec<Sphere> = view
            .edges_between(step[0], step[1])
            .iter()
            .map(|(kind, _)| view.graph().kind(*kind).attrs.sphere)
            .collect();
        leading.retain(|sphere| here.contains(sphere));
        if leading.is_empty() {
            return Some(step[0]);
        }
    }
    None
}
