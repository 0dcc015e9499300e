//! Draws many paths as one graph: each member once, in the column of its least distance from the start, so that what the paths share is
//! seen.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::{Chains, HEAD_HEIGHT, MARGIN, NAME_ROOM, RADIUS, STEP_WIDTH};
use super::sheet::{Anchor, LEGEND_LINE, Mark, Sheet, legend_height, number, spheres_of_lines};
use super::spheres::class;
use crate::cli::print::{count, percent};
use crate::proto::v1::{Path, PathStep, Sphere};

const MEMBER_HEIGHT: f64 = 72.0;
/// The number of times that the columns are put in the order of their neighbors: the order changes little after that.
const SWEEPS: usize = 6;

/// The members by column, each column in its order.
struct Columns<'a>(Vec<Vec<&'a str>>);

/// Draws the graph. There must be a path.
pub fn svg(chains: &Chains<'_>) -> String {
    let paths = &chains.response.paths;
    let steps = distinct_steps(paths);
    let columns = Columns::of(paths, &steps);
    let highest = columns.0.iter().map(Vec::len).max().unwrap_or(1) as f64;
    let width = (2.0 * (MARGIN + NAME_ROOM) + STEP_WIDTH * (columns.0.len().max(2) - 1) as f64).max(560.0);
    let room = width - 2.0 * MARGIN;
    let mut legend = spheres_of_lines();
    legend.push((Mark::Faint("unknown"), "fainter: not on the first path"));
    let (top, below) = (HEAD_HEIGHT + 20.0, HEAD_HEIGHT + 28.0 + MEMBER_HEIGHT * highest);
    let height = below + legend_height(room, &legend) + LEGEND_LINE / 2.0;
    let mut sheet = Sheet::default();
    sheet.fitted((MARGIN, 40.0), Anchor::Start, "title", &chains.title(), room);
    sheet.fitted((MARGIN, 62.0), Anchor::Start, "quiet", &summary(paths), room);
    let positions = columns.positions(top, MEMBER_HEIGHT * highest);
    let first: BTreeSet<Pair<'_>> = paths.iter().take(1).flat_map(|path| &path.steps).map(pair).collect();
    // The first path is drawn over the rest.
    for on_first in [false, true] {
        for step in steps.iter().filter(|step| first.contains(&pair(step)) == on_first) {
            line(&mut sheet, chains, &positions, step, on_first);
        }
    }
    for (id, at) in &positions {
        chains.member(&mut sheet, *at, id);
    }
    sheet.legend((MARGIN, below + LEGEND_LINE / 2.0), room, &legend);
    sheet.finish((width, height), &chains.title())
}

fn summary(paths: &[Path]) -> String {
    let hops = |of: fn(std::slice::Iter<'_, Path>) -> Option<&Path>| of(paths.iter()).map_or(0, |path| path.hops);
    let (least, most) =
        (hops(|paths| paths.min_by_key(|path| path.hops)), hops(|paths| paths.max_by_key(|path| path.hops)));
    let strongest = paths.iter().map(|path| path.strength).fold(0.0, f32::max);
    let length = if least == most { count(least, "hop") } else { format!("{least} to {}", count(most, "hop")) };
    format!("{} of {length}, the strongest {}", count(paths.len() as i64, "path"), percent(strongest.into()))
}

type Pair<'a> = (&'a str, &'a str);

fn pair(step: &PathStep) -> Pair<'_> {
    (&step.from_id, &step.to_id)
}

/// Returns each step once, in the order the paths have them.
fn distinct_steps(paths: &[Path]) -> Vec<&PathStep> {
    let mut known = BTreeSet::new();
    let steps = paths.iter().flat_map(|path| &path.steps);
    steps.filter(|step| known.insert(pair(step))).collect()
}

fn members(path: &Path) -> impl Iterator<Item = &str> {
    let first = path.steps.first().map(|step| step.from_id.as_str());
    first.into_iter().chain(path.steps.iter().map(|step| step.to_id.as_str()))
}

impl<'a> Columns<'a> {
    fn of(paths: &'a [Path], steps: &[&'a PathStep]) -> Columns<'a> {
        let mut column: BTreeMap<&str, usize> = BTreeMap::new();
        let mut known = Vec::new();
        for path in paths {
            for (i, id) in members(path).enumerate() {
                let at = column.entry(id).or_insert_with(|| {
                    known.push(id);
                    i
                });
                *at = (*at).min(i);
            }
        }
        // All paths end in the last column, however long they are.
        let last = paths.iter().map(|path| path.steps.len()).max().unwrap_or(0);
        if let Some(end) = paths.first().and_then(|path| members(path).last()) {
            column.insert(end, last);
        }
        let mut columns = vec![Vec::new(); last + 1];
        known.into_iter().for_each(|id| columns[column[id]].push(id));
        let mut columns = Columns(columns);
        for sweep in 0..SWEEPS {
            columns.sweep(steps, sweep % 2 == 0);
        }
        columns
    }

    /// Sorts each column by the middles of its members' neighbors, so that lines cross less.
    fn sweep(&mut self, steps: &[&'a PathStep], forward: bool) {
        let positions = self.positions(0.0, 1_000.0);
        let middle = |id: &str| {
            let neighbor = |step: &&&PathStep| if forward { step.to_id == id } else { step.from_id == id };
            let others = steps.iter().filter(neighbor).map(|step| if forward { &step.from_id } else { &step.to_id });
            let heights: Vec<f64> =
                others.filter_map(|other| positions.get(other.as_str())).map(|position| position.1).collect();
            let own = positions.get(id).map_or(0.0, |position| position.1);
            if heights.is_empty() { own } else { heights.iter().sum::<f64>() / heights.len() as f64 }
        };
        for column in &mut self.0 {
            let mut placed: Vec<(f64, &str)> = column.iter().map(|id| (middle(id), *id)).collect();
            // The sort is stable: of equals the one that a better path has comes first.
            placed.sort_by(|a, b| a.0.total_cmp(&b.0));
            *column = placed.into_iter().map(|(_, id)| id).collect();
        }
    }

    /// Returns the position of each member, with each column in the middle of the height.
    fn positions(&self, top: f64, height: f64) -> BTreeMap<&'a str, (f64, f64)> {
        let mut positions = BTreeMap::new();
        for (i, column) in self.0.iter().enumerate() {
            let apart = height / column.len().max(1) as f64;
            for (j, id) in column.iter().enumerate() {
                let at = (MARGIN + NAME_ROOM + STEP_WIDTH * i as f64, top + apart * (j as f64 + 0.5) - 12.0);
                positions.insert(*id, at);
            }
        }
        positions
    }
}

fn line(
    sheet: &mut Sheet,
    chains: &Chains<'_>,
    positions: &BTreeMap<&str, (f64, f64)>,
    step: &PathStep,
    on_first: bool,
) {
    let (Some(&from), Some(&to)) = (positions.get(step.from_id.as_str()), positions.get(step.to_id.as_str())) else {
        return;
    };
    let sphere = step.edges.first().map_or(Sphere::Unspecified, |edge| chains.directory.sphere(edge));
    let look = if on_first { class(sphere).to_owned() } else { format!("{} faint", class(sphere)) };
    let width = 1.5 + 3.0 * f64::from(step.strength);
    // A line within a column, or back, goes round on the right.
    let (start, end) = (from.0 + RADIUS + 2.0, if to.0 > from.0 { to.0 - RADIUS - 2.0 } else { to.0 + RADIUS + 2.0 });
    let bend = if to.0 > from.0 { (to.0 - from.0) / 2.0 } else { 50.0 };
    let (leaves, arrives) = (start + bend, if to.0 > from.0 { end - bend } else { end + bend });
    let [x0, y0, x1, y1, b0, b1] = [start, from.1, end, to.1, leaves, arrives].map(number);
    sheet.line(&format!("M{x0} {y0}C{b0} {y0} {b1} {y1} {x1} {y1}"), width, &look, &chains.step_in_words(step));
}
