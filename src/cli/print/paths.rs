//! Paths: as a tree of steps, and on one line.

use std::collections::BTreeSet;

use super::{Directory, clean, percent, width};
use crate::proto::v1::{Path, PathStep};

const KIND_CHARS_MAX: usize = 63;

/// A line for the first member, then one for each step:
///
/// ```text
/// officer (The officer)
/// └─spouse── wife                      82.0 %  PERSONAL
///    └─family── cousin                 70.0 %  PERSONAL
/// ```
pub fn path_tree(path: &Path, directory: &Directory, margin: &str) -> String {
    let Some(first) = path.steps.first() else { return String::new() };
    let mut lines = vec![(directory.names.label(&first.from_id), String::new())];
    for (depth, step) in path.steps.iter().enumerate() {
        let arm = if is_directed(step, directory) { "─>" } else { "──" };
        let left =
            format!("{}└─{}{arm} {}", "   ".repeat(depth), kinds(step).join(", "), directory.names.label(&step.to_id));
        lines.push((left, format!("{:>7}  {}", percent(step.strength.into()), step_spheres(step, directory))));
    }
    let widest = lines.iter().map(|(left, _)| width(left)).max().unwrap_or(0);
    let line = |(left, right): &(String, String)| {
        let space = " ".repeat(widest - width(left));
        let line = format!("{margin}{left}{space}   {right}");
        format!("{}\n", line.trim_end())
    };
    lines.iter().map(line).collect()
}

/// Returns `officer -spouse- wife -family- cousin -neighbor,friend- jeremy`; a step that leads one way ends in `->`.
pub fn chain_line(path: &Path, directory: &Directory) -> String {
    let mut line = path.steps.first().map(|step| clean(&step.from_id, 128)).unwrap_or_default();
    for step in &path.steps {
        let arm = if is_directed(step, directory) { "->" } else { "-" };
        line += &format!(" -{}{arm} {}", kinds(step).join(","), clean(&step.to_id, 128));
    }
    line
}

/// Returns the spheres that a path walks through: `all PERSONAL`, or `PERSONAL and PUBLIC, crossing 1 time`.
pub fn spheres_of(path: &Path, directory: &Directory) -> String {
    let spheres = names_of_spheres(path.steps.iter(), directory);
    match (path.sphere_crossings, spheres.as_slice()) {
        (0, [sphere]) => format!("all {sphere}"),
        (0, _) => format!("{}, no change of sphere needed", spheres.join(" and ")),
        (1, _) => format!("{}, crossing once", spheres.join(" and ")),
        (times, _) => format!("{}, crossing {times} times", spheres.join(" and ")),
    }
}

fn step_spheres(step: &PathStep, directory: &Directory) -> String {
    names_of_spheres(std::iter::once(step), directory).join(", ")
}

fn names_of_spheres<'a>(steps: impl Iterator<Item = &'a PathStep>, directory: &Directory) -> Vec<&'static str> {
    let edges = steps.flat_map(|step| &step.edges);
    let spheres: BTreeSet<_> = edges.map(|edge| i32::from(directory.sphere(edge))).collect();
    let name = |sphere: i32| crate::proto::v1::Sphere::try_from(sphere).unwrap_or_default().as_str_name();
    spheres.into_iter().map(|sphere| name(sphere).trim_start_matches("SPHERE_")).collect()
}

fn kinds(step: &PathStep) -> Vec<String> {
    step.edges.iter().map(|edge| clean(&edge.kind, KIND_CHARS_MAX)).collect()
}

/// Returns whether a step leads one way: every edge of it does.
fn is_directed(step: &PathStep, directory: &Directory) -> bool {
    step.edges.iter().all(|edge| directory.is_directed(edge))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::{Edge, Sphere};

    fn directory() -> Directory {
        let kinds = [
            ("spouse", Sphere::Personal, true),
            ("friend", Sphere::Personal, true),
            ("follows", Sphere::Public, false),
        ];
        Directory::for_tests(&[("officer", "The officer"), ("wife", "Wife")], &kinds)
    }

    fn step(from: &str, kinds: &[&str], to: &str, strength: f32) -> PathStep {
        let edge =
            |kind: &&str| Edge { from_id: from.into(), kind: (*kind).into(), to_id: to.into(), ..Edge::default() };
        PathStep { from_id: from.into(), to_id: to.into(), edges: kinds.iter().map(edge).collect(), strength }
    }

    fn path() -> Path {
        let steps =
            vec![step("officer", &["spouse", "friend"], "wife", 0.82), step("wife", &["follows"], "jeremy", 0.3)];
        Path { steps, hops: 2, strength: 0.123, sphere_crossings: 1 }
    }

    #[test]
    fn a_tree_has_a_line_for_each_step() {
        assert_eq!(
            path_tree(&path(), &directory(), "  "),
            "  officer (The officer)\n  \
             └─spouse, friend── wife    82.0 %  PERSONAL\n  \
             \u{20}  └─follows─> jeremy      30.0 %  PUBLIC\n"
        );
    }

    #[test]
    fn a_chain_fits_on_a_line() {
        assert_eq!(chain_line(&path(), &directory()), "officer -spouse,friend- wife -follows-> jeremy");
    }

    #[test]
    fn spheres_are_named_once() {
        assert_eq!(spheres_of(&path(), &directory()), "PERSONAL and PUBLIC, crossing once");
        let one = Path { steps: vec![step("a", &["friend"], "b", 0.5)], ..Path::default() };
        assert_eq!(spheres_of(&one, &directory()), "all PERSONAL");
    }

    #[test]
    fn the_path_to_oneself_is_empty() {
        assert_eq!(path_tree(&Path::default(), &directory(), ""), "");
        assert_eq!(chain_line(&Path::default(), &directory()), "");
    }
}
