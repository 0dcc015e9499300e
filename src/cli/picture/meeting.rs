//! Draws suggested introductions: the asking member on the left, the introducers in the middle, and on the right whom to meet and why.

use std::collections::{BTreeMap, BTreeSet};

use super::Picture;
use super::dot::Digraph;
use super::sheet::{Anchor, LEGEND_LINE, Mark, Sheet, initial, legend_height, number, spheres_of_lines, width_of};
use super::spheres::{class, color};
use crate::cli::print::{Directory, count, percent, score};
use crate::proto::v1::reason::Reason as Why;
use crate::proto::v1::{Edge, Introducer, PathStep, Reason, SuggestIntroductionsResponse, Suggestion};

const MARGIN: f64 = 36.0;
const HEAD_HEIGHT: f64 = 86.0;
const INTRODUCERS_X: f64 = 290.0;
const CARDS_X: f64 = 470.0;
const CARD_WIDTH: f64 = 500.0;
const CARD_GAP: f64 = 16.0;
const CARD_HEAD: f64 = 62.0;
const REASON_HEIGHT: f64 = 17.0;
const REASONS_MAX: usize = 4;
const RADIUS: f64 = 14.0;
/// Up to so many suggestions are drawn with each introducer once. The lines of more would be a fan that nobody can follow: then each
/// suggestion has its own introducers beside it, on a line that comes down from the asking member.
const FAN_MAX: usize = 6;
/// The height of an introducer's disc with its name.
const INTRODUCER_HEIGHT: f64 = 50.0;
/// The room left and right of a name below a disc.
const NAME_ROOM: f64 = 130.0;
/// The line from the asking member down to the rows.
const TRUNK_X: f64 = MARGIN + 50.0;

/// The members that a member should meet.
pub struct Meetings<'a> {
    pub response: &'a SuggestIntroductionsResponse,
    pub directory: &'a Directory,
    pub member: &'a str,
    pub in_words: &'a dyn Fn(&Reason) -> String,
}

impl Picture for Meetings<'_> {
    fn svg(&self) -> String {
        let tops = self.tops();
        let below = self.response.suggestions.last().zip(tops.last());
        let below = below.map_or(0.0, |(last, top)| top + self.height_of(last)).max(HEAD_HEIGHT + 130.0);
        let width = CARDS_X + CARD_WIDTH + MARGIN;
        let room = width - 2.0 * MARGIN;
        let [lines, shares] = self.legends();
        let heights = [&lines, &shares].map(|entries| legend_height(room, entries));
        let height = below + heights.iter().sum::<f64>() + 2.0 * LEGEND_LINE;
        let mut sheet = Sheet::default();
        sheet.fitted((MARGIN, 40.0), Anchor::Start, "title", &self.title(), room);
        let heads =
            [(MARGIN, "who asks"), (INTRODUCERS_X - 40.0, "who can introduce"), (CARDS_X, "whom to meet, and why")];
        for (x, words) in heads {
            sheet.text((x, 68.0), Anchor::Start, "quiet", words);
        }
        if self.is_fan() {
            self.fan(&mut sheet, f64::midpoint(HEAD_HEIGHT, below), &tops);
        } else {
            self.rows(&mut sheet, &tops);
        }
        for (i, (suggestion, top)) in self.response.suggestions.iter().zip(&tops).enumerate() {
            self.card(&mut sheet, *top, i + 1, suggestion);
        }
        if self.response.suggestions.is_empty() {
            sheet.text((CARDS_X, HEAD_HEIGHT + 30.0), Anchor::Start, "", "Nobody to suggest.");
        }
        let at = below + 1.5 * LEGEND_LINE;
        sheet.legend((MARGIN, at), room, &lines);
        sheet.legend((MARGIN, at + heights[0]), room, &shares);
        sheet.finish((width, height), &self.title())
    }

    fn dot(&self) -> String {
        let mut graph = Digraph::new(&self.title());
        graph.node(self.member, &[("label", &self.directory.names.label(self.member)), ("shape", "doublecircle")]);
        let mut named: BTreeSet<&str> = BTreeSet::from([self.member]);
        for suggestion in &self.response.suggestions {
            let id = suggestion.member_id.as_str();
            let label = format!("{}, score {}", self.directory.names.label(id), score(suggestion.score));
            graph.node(id, &[("label", &label), ("shape", "box")]);
            named.insert(id);
        }
        let introducers = self.response.suggestions.iter().flat_map(|suggestion| &suggestion.introducers);
        let mut joined = BTreeSet::new();
        for step in introducers.filter_map(|introducer| introducer.path.as_ref()).flat_map(|path| &path.steps) {
            for id in [&step.from_id, &step.to_id] {
                if named.insert(id) {
                    graph.node(id, &[("label", &self.directory.names.label(id))]);
                }
            }
            if joined.insert((&step.from_id, &step.to_id)) {
                let kinds: Vec<&str> = step.edges.iter().map(|edge| edge.kind.as_str()).collect();
                let label = format!("{} {}", kinds.join(", "), percent(step.strength.into()));
                graph.edge(&step.from_id, &step.to_id, &[("label", &label), ("color", self.strongest_color(step))]);
            }
        }
        graph.finish()
    }
}

impl Meetings<'_> {
    fn title(&self) -> String {
        format!("Whom {} should meet", self.directory.names.name(self.member))
    }

    /// Returns the legends: of the lines, and of the parts of a score's bar.
    fn legends(&self) -> [Vec<(Mark, &'static str)>; 2] {
        let mut lines = spheres_of_lines();
        lines.push((Mark::Line("unknown"), "through several"));
        lines.push((Mark::Dashed("unknown"), "dashed: a chain of several hops; the thicker, the stronger"));
        let shares = [
            ("mutual", "both know the same member"),
            ("walk", "chains"),
            ("topic", "interests and leading on a topic"),
            ("post", "statuses: their parts of a score"),
        ];
        [lines, shares.map(|(class, words)| (Mark::Dot(class), words)).into()]
    }

    fn is_fan(&self) -> bool {
        self.response.suggestions.len() <= FAN_MAX
    }

    fn tops(&self) -> Vec<f64> {
        let mut top = HEAD_HEIGHT + if self.is_fan() { 0.0 } else { 56.0 };
        let mut tops = Vec::new();
        for suggestion in &self.response.suggestions {
            tops.push(top);
            top += self.height_of(suggestion) + CARD_GAP;
        }
        tops
    }

    /// Returns a card's height: that of its lines, or of the introducers where they are drawn beside it.
    fn height_of(&self, suggestion: &Suggestion) -> f64 {
        let beside = INTRODUCER_HEIGHT * suggestion.introducers.len() as f64;
        if self.is_fan() { height_of(suggestion) } else { height_of(suggestion).max(beside) }
    }

    /// Draws the asking member in the middle of the left, and each introducer once.
    fn fan(&self, sheet: &mut Sheet, middle: f64, tops: &[f64]) {
        let (asks, introducers) = ((TRUNK_X, middle), self.introducers(tops));
        self.lines(sheet, asks, &introducers, tops);
        self.person(sheet, asks, self.member);
        for (id, y) in &introducers {
            self.person(sheet, (INTRODUCERS_X, *y), id);
        }
    }

    /// Draws the asking member at the top of the left, and beside each card its introducers.
    fn rows(&self, sheet: &mut Sheet, tops: &[f64]) {
        let asks = (TRUNK_X, HEAD_HEIGHT + 20.0);
        let heights = |suggestion: &Suggestion, top: f64| {
            let first = top + self.height_of(suggestion) / 2.0
                - INTRODUCER_HEIGHT * (suggestion.introducers.len() as f64 - 1.0) / 2.0;
            (0..suggestion.introducers.len()).map(move |i| first + INTRODUCER_HEIGHT * i as f64 - 8.0)
        };
        let rows: Vec<(&Suggestion, f64)> = self.response.suggestions.iter().zip(tops.iter().copied()).collect();
        let lowest = rows.iter().flat_map(|(suggestion, top)| heights(suggestion, *top)).reduce(f64::max);
        if let Some(lowest) = lowest {
            let line = format!("M{} {}V{}", number(asks.0), number(asks.1 + RADIUS + 22.0), number(lowest));
            sheet.line(&line, 1.5, "unknown", "");
        }
        for (suggestion, top) in &rows {
            for (introducer, y) in suggestion.introducers.iter().zip(heights(suggestion, *top)) {
                let steps = introducer.path.as_ref().map(|path| path.steps.as_slice()).unwrap_or_default();
                let branch = format!("M{} {}H{}", number(asks.0), number(y), number(INTRODUCERS_X - RADIUS - 2.0));
                self.first_step(sheet, &branch, introducer, steps);
                let to = (CARDS_X - 4.0, top + self.height_of(suggestion) / 2.0);
                self.onward(sheet, (INTRODUCERS_X + RADIUS + 2.0, y), to, introducer, steps);
            }
        }
        for (suggestion, top) in &rows {
            for (introducer, y) in suggestion.introducers.iter().zip(heights(suggestion, *top)) {
                self.person(sheet, (INTRODUCERS_X, y), &introducer.member_id);
            }
        }
        self.person(sheet, asks, self.member);
    }

    /// Returns each introducer once, at the height of those it can introduce to, as far as the others leave room.
    fn introducers(&self, tops: &[f64]) -> BTreeMap<&str, f64> {
        let mut heights: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (suggestion, top) in self.response.suggestions.iter().zip(tops) {
            for introducer in &suggestion.introducers {
                let middle = top + self.height_of(suggestion) / 2.0;
                heights.entry(&introducer.member_id).or_default().push(middle);
            }
        }
        let mean = |heights: &Vec<f64>| heights.iter().sum::<f64>() / heights.len() as f64;
        let mut placed: Vec<(&str, f64)> = heights.iter().map(|(id, heights)| (*id, mean(heights))).collect();
        placed.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(b.0)));
        let apart = 62.0;
        for i in 1..placed.len() {
            placed[i].1 = placed[i].1.max(placed[i - 1].1 + apart);
        }
        // If they were only pushed down, they would hang below the cards that they lead to.
        let wanted: f64 = heights.values().map(mean).sum::<f64>();
        let shift = (placed.iter().map(|(_, y)| y).sum::<f64>() - wanted) / placed.len().max(1) as f64;
        let first = placed.first().map_or(0.0, |(_, y)| *y);
        let shift = shift.min(first - HEAD_HEIGHT - 24.0).max(0.0);
        placed.into_iter().map(|(id, y)| (id, y - shift)).collect()
    }

    fn lines(&self, sheet: &mut Sheet, asks: (f64, f64), introducers: &BTreeMap<&str, f64>, tops: &[f64]) {
        let mut joined = BTreeSet::new();
        for (suggestion, top) in self.response.suggestions.iter().zip(tops) {
            for introducer in &suggestion.introducers {
                let Some(y) = introducers.get(introducer.member_id.as_str()) else { continue };
                let steps = introducer.path.as_ref().map(|path| path.steps.as_slice()).unwrap_or_default();
                if joined.insert(&introducer.member_id) {
                    let line = curve((asks.0 + RADIUS + 2.0, asks.1), (INTRODUCERS_X - RADIUS - 2.0, *y));
                    self.first_step(sheet, &line, introducer, steps);
                }
                let to = (CARDS_X - 4.0, top + self.height_of(suggestion) / 2.0);
                self.onward(sheet, (INTRODUCERS_X + RADIUS + 2.0, *y), to, introducer, steps);
            }
        }
    }

    /// Draws the line from the asking member to the introducer.
    fn first_step(&self, sheet: &mut Sheet, line: &str, introducer: &Introducer, steps: &[PathStep]) {
        let look = steps.first().map_or("unknown", |step| self.strongest_class(step));
        let width = 1.0 + 4.0 * f64::from(introducer.strength_to_member);
        let names = [self.member, introducer.member_id.as_str()].map(|id| self.directory.names.name(id));
        let about = format!("{} to {}: {}", names[0], names[1], percent(introducer.strength_to_member.into()));
        sheet.line(line, width, look, &about);
    }

    /// Draws the line from the introducer to the member to meet: gray where the chain is of several spheres.
    fn onward(&self, sheet: &mut Sheet, from: (f64, f64), to: (f64, f64), introducer: &Introducer, steps: &[PathStep]) {
        let rest = steps.get(1..).unwrap_or_default();
        let spheres: BTreeSet<&str> = rest.iter().map(|step| self.strongest_class(step)).collect();
        let look = if spheres.len() == 1 { spheres.first().copied().unwrap_or("unknown") } else { "unknown" };
        let width = 1.0 + 4.0 * f64::from(introducer.strength_to_target);
        let path = curve(from, to);
        let names = std::iter::once(&introducer.member_id).chain(rest.iter().map(|step| &step.to_id));
        let names: Vec<String> = names.map(|id| self.directory.names.name(id)).collect();
        let about = format!("{}: {}", names.join(" to "), percent(introducer.strength_to_target.into()));
        if rest.len() == 1 {
            sheet.line(&path, width, look, &about);
        } else {
            sheet.dashed(&path, width, look, &about);
        }
    }

    fn person(&self, sheet: &mut Sheet, (x, y): (f64, f64), id: &str) {
        let name = self.directory.names.name(id);
        sheet.disc((x, y), RADIUS, "disc", &self.directory.names.label(id));
        let initial = initial(&name);
        sheet.text((x, y + 4.5), Anchor::Middle, "strong", &initial);
        sheet.fitted((x, y + RADIUS + 14.0), Anchor::Middle, "halo", &name, NAME_ROOM);
    }

    fn card(&self, sheet: &mut Sheet, top: f64, number: usize, suggestion: &Suggestion) {
        let (left, right) = (CARDS_X + 14.0, CARDS_X + CARD_WIDTH - 14.0);
        let label = self.directory.names.label(&suggestion.member_id);
        sheet.card((CARDS_X, top), (CARD_WIDTH, self.height_of(suggestion)), &label);
        let name = format!("{number}.  {}", self.directory.names.name(&suggestion.member_id));
        let score = format!("score {}", score(suggestion.score));
        let room = right - left - width_of(&score, "") - 12.0;
        sheet.fitted((left, top + 22.0), Anchor::Start, "strong", &name, room);
        sheet.text((right, top + 22.0), Anchor::End, "", &score);
        let mut about = format!("{}, {}", count(suggestion.hops, "hop"), count(suggestion.mutuals, "mutual"));
        if !suggestion.shared_topics.is_empty() {
            about += &format!(", on {}", suggestion.shared_topics.join(", "));
        }
        sheet.fitted((left, top + 40.0), Anchor::Start, "quiet", &about, right - left);
        sheet.bar((left, top + 49.0), (right - left, 5.0), 1.5, "track");
        let mut x = left;
        for reason in &suggestion.reasons {
            let width = (right - left) * reason.share;
            // The last part ends with the bar, whatever its share was rounded to.
            let shown = (width - 1.0).min(right - x);
            if shown >= 0.4 {
                sheet.bar((x, top + 49.0), (shown, 5.0), 1.5, &format!("fill {}", class_of(reason)));
            }
            x += width;
        }
        let shown = suggestion.reasons.iter().take(REASONS_MAX);
        for (i, reason) in shown.enumerate() {
            let y = top + CARD_HEAD + 10.0 + REASON_HEIGHT * i as f64;
            sheet.text((left, y), Anchor::Start, &format!("ink small {}", class_of(reason)), "●");
            let share = if reason.share > 0.0 { percent(reason.share) } else { String::new() };
            let room = right - left - 14.0 - width_of(&share, "small") - 10.0;
            sheet.fitted((left + 14.0, y), Anchor::Start, "small", &(self.in_words)(reason), room);
            if !share.is_empty() {
                sheet.text((right, y), Anchor::End, "small", &share);
            }
        }
        let more = suggestion.reasons.len().saturating_sub(REASONS_MAX);
        if more > 0 {
            let y = top + CARD_HEAD + 10.0 + REASON_HEIGHT * REASONS_MAX as f64;
            sheet.text((left + 14.0, y), Anchor::Start, "quiet small", &format!("and {more} more"));
        }
    }

    fn strongest(step: &PathStep) -> Option<&Edge> {
        step.edges.first()
    }

    fn strongest_class(&self, step: &PathStep) -> &'static str {
        Self::strongest(step).map_or("unknown", |edge| class(self.directory.sphere(edge)))
    }

    fn strongest_color(&self, step: &PathStep) -> &'static str {
        Self::strongest(step).map_or("#868e96", |edge| color(self.directory.sphere(edge)))
    }
}

fn height_of(suggestion: &Suggestion) -> f64 {
    let reasons = suggestion.reasons.len();
    let lines = reasons.min(REASONS_MAX) + usize::from(reasons > REASONS_MAX);
    CARD_HEAD + 4.0 + REASON_HEIGHT * lines as f64
}

fn class_of(reason: &Reason) -> &'static str {
    match &reason.reason {
        Some(Why::Mutual(_)) => "mutual",
        Some(Why::Chain(_) | Why::OtherChains(_)) => "walk",
        Some(Why::Topic(_) | Why::Leader(_)) => "topic",
        Some(Why::Status(_)) => "post",
        None => "unknown",
    }
}

/// Returns a curve that leaves and arrives level.
fn curve(from: (f64, f64), to: (f64, f64)) -> String {
    let bend = f64::midpoint(from.0, to.0);
    let [x0, y0, x1, y1, b] = [from.0, from.1, to.0, to.1, bend].map(number);
    format!("M{x0} {y0}C{b} {y0} {b} {y1} {x1} {y1}")
}
