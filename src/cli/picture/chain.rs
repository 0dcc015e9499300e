//! Draws paths as chains: a row for each, a line for each edge in the color of its sphere. Many paths are one graph: see `web.rs`.

use super::sheet::{Anchor, LEGEND_LINE, Mark, Sheet, initial, legend_height, spheres_of_lines};
use super::spheres::class;
use crate::cli::print::{Directory, count, percent, spheres_of};
use crate::proto::v1::{Edge, FindPathsResponse, Path, PathStep, Sphere};

pub(super) const MARGIN: f64 = 36.0;
pub(super) const STEP_WIDTH: f64 = 200.0;
/// The room from the margin to the first disc: half a name.
pub(super) const NAME_ROOM: f64 = 90.0;
const ROW_HEIGHT: f64 = 138.0;
pub(super) const HEAD_HEIGHT: f64 = 64.0;
pub(super) const RADIUS: f64 = 17.0;
/// More parallel lines than this do not fit between two discs.
const EDGES_DRAWN_MAX: usize = 5;
const EDGE_GAP: f64 = 5.0;

/// The chains by which one member could have found another.
pub struct Chains<'a> {
    pub response: &'a FindPathsResponse,
    pub directory: &'a Directory,
    /// Where the paths start, and where they end.
    pub ends: (&'a str, &'a str),
}

impl Chains<'_> {
    /// Draws a row for each path; there are few.
    pub(super) fn rows(&self) -> String {
        let paths = &self.response.paths;
        let steps = paths.iter().map(|path| path.steps.len()).max().unwrap_or(0);
        let width = (2.0 * (MARGIN + NAME_ROOM) + STEP_WIDTH * steps as f64).max(560.0);
        let mut legend = spheres_of_lines();
        let directed = paths.iter().flat_map(|path| &path.steps).flat_map(|step| &step.edges);
        if directed.into_iter().any(|edge| self.directory.sphere(edge) == Sphere::Unspecified) {
            legend.push((Mark::Line("unknown"), "of a kind that is not known"));
        }
        let below = HEAD_HEIGHT + ROW_HEIGHT * (paths.len().max(1) as f64);
        let height = below + legend_height(width - 2.0 * MARGIN, &legend) + LEGEND_LINE / 2.0;
        let mut sheet = Sheet::default();
        sheet.fitted((MARGIN, 40.0), Anchor::Start, "title", &self.title(), width - 2.0 * MARGIN);
        if paths.is_empty() {
            sheet.text((MARGIN, HEAD_HEIGHT + 30.0), Anchor::Start, "quiet", "No path was found.");
        }
        for (i, path) in paths.iter().enumerate() {
            self.row(&mut sheet, (HEAD_HEIGHT + ROW_HEIGHT * i as f64, width - 2.0 * MARGIN), i + 1, path);
        }
        sheet.legend((MARGIN, below + LEGEND_LINE / 2.0), width - 2.0 * MARGIN, &legend);
        sheet.finish((width, height), &self.title())
    }

    pub(super) fn title(&self) -> String {
        let (from, to) = (self.directory.names.name(self.ends.0), self.directory.names.name(self.ends.1));
        format!("How {from} could have found {to}")
    }

    fn row(&self, sheet: &mut Sheet, (top, room): (f64, f64), number: usize, path: &Path) {
        let strength = percent(path.strength.into());
        let spheres = spheres_of(path, self.directory).replace("PERSONAL", "personal");
        let spheres = spheres.replace("PROFESSIONAL", "professional").replace("PUBLIC", "public");
        let about = match path.steps.len() {
            0 => "The two are one and the same: 0 hops.".to_owned(),
            _ => format!("{number}.  {}, chain strength {strength}, {spheres}", count(path.hops, "hop")),
        };
        sheet.fitted((MARGIN, top + 18.0), Anchor::Start, "quiet", &about, room);
        let y = top + 72.0;
        let x = |i: usize| MARGIN + NAME_ROOM + STEP_WIDTH * i as f64;
        for (i, step) in path.steps.iter().enumerate() {
            self.step(sheet, (x(i), x(i + 1)), y, step);
        }
        let ids = path.steps.first().map(|step| &step.from_id).into_iter().chain(path.steps.iter().map(|s| &s.to_id));
        for (i, id) in ids.enumerate() {
            self.member(sheet, (x(i), y), id);
        }
    }

    /// Draws a disc with the member's name below it.
    pub(super) fn member(&self, sheet: &mut Sheet, (x, y): (f64, f64), id: &str) {
        let (name, label) = (self.directory.names.name(id), self.directory.names.label(id));
        sheet.disc((x, y), RADIUS, "disc", &label);
        sheet.text((x, y + 4.5), Anchor::Middle, "strong", &initial(&name));
        sheet.fitted((x, y + RADIUS + 19.0), Anchor::Middle, "strong halo", &name, STEP_WIDTH - 24.0);
    }

    /// Describes a step for a reader who points at it: both ends, its edges with their strengths, and the strength of the pair.
    pub(super) fn step_in_words(&self, step: &PathStep) -> String {
        let name = |id: &str| self.directory.names.name(id);
        let edge = |edge: &Edge| format!("{} {}", edge.kind, percent(edge.strength.into()));
        let edges: Vec<String> = step.edges.iter().map(edge).collect();
        let strength = percent(step.strength.into());
        format!("{} to {}: {}; together {strength}", name(&step.from_id), name(&step.to_id), edges.join(", "))
    }

    /// Draws the edges between two discs: side by side, with their kinds above and the strength of the pair below.
    fn step(&self, sheet: &mut Sheet, (from, to): (f64, f64), y: f64, step: &PathStep) {
        let drawn: Vec<&Edge> = step.edges.iter().take(EDGES_DRAWN_MAX).collect();
        let above = EDGE_GAP * (drawn.len().saturating_sub(1)) as f64 / 2.0;
        for (i, edge) in drawn.iter().enumerate() {
            let line_y = y - above + EDGE_GAP * i as f64;
            let width = 1.5 + 2.0 * f64::from(edge.strength);
            let class = class(self.directory.sphere(edge));
            let line = format!("M{:.1} {line_y:.1}H{:.1}", from + RADIUS + 4.0, to - RADIUS - 6.0);
            sheet.line(&line, width, class, &self.step_in_words(step));
            if self.directory.is_directed(edge) {
                let tip = to - RADIUS - 5.0;
                let head = format!(
                    "M{:.1} {:.1}L{tip:.1} {line_y:.1}L{:.1} {:.1}",
                    tip - 8.0,
                    line_y - 5.0,
                    tip - 8.0,
                    line_y + 5.0
                );
                sheet.line(&head, 2.0, class, "");
            }
        }
        let kinds: Vec<&str> = step.edges.iter().map(|edge| edge.kind.as_str()).collect();
        let of_one_sphere =
            drawn.windows(2).all(|pair| self.directory.sphere(pair[0]) == self.directory.sphere(pair[1]));
        let ink = drawn.first().filter(|_| of_one_sphere).map_or("unknown", |edge| class(self.directory.sphere(edge)));
        let middle = f64::midpoint(from, to);
        let room = to - from - 2.0 * RADIUS - 8.0;
        sheet.fitted((middle, y - above - 9.0), Anchor::Middle, &format!("ink {ink} halo"), &kinds.join(", "), room);
        sheet.text((middle, y + above + 17.0), Anchor::Middle, "quiet", &percent(step.strength.into()));
    }
}
