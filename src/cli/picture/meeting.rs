//! Suggested introductions: who asks on the left, who can introduce in the middle, whom to meet and why on the right.

use std::collections::{BTreeMap, BTreeSet};

use super::Picture;
use super::dot::Digraph;
use super::sheet::{Anchor, Sheet, fit, initial, number};
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

/// Whom a member should meet.
pub struct Meetings<'a> {
    /// The answer.
    pub response: &'a SuggestIntroductionsResponse,
    /// The names and kinds in it.
    pub directory: &'a Directory,
    /// Who asks.
    pub member: &'a str,
    /// What a reason is in words.
    pub in_words: &'a dyn Fn(&Reason) -> String,
}

impl Picture for Meetings<'_> {
    fn svg(&self) -> String {
        let tops = self.tops();
        let below = self.response.suggestions.last().zip(tops.last()).map_or(0.0, |(last, top)| top + height_of(last));
        let introducers = self.introducers(&tops);
        let (width, height) = (CARDS_X + CARD_WIDTH + MARGIN, f64::max(below, HEAD_HEIGHT + 130.0) + 48.0);
        let middle = (HEAD_HEIGHT + f64::max(below, HEAD_HEIGHT + 130.0)) / 2.0;
        let mut sheet = Sheet::default();
        sheet.text((MARGIN, 40.0), Anchor::Start, "title", &fit(&self.title(), 90));
        let heads =
            [(MARGIN, "who asks"), (INTRODUCERS_X - 40.0, "who can introduce"), (CARDS_X, "whom to meet, and why")];
        for (x, words) in heads {
            sheet.text((x, 68.0), Anchor::Start, "quiet", words);
        }
        let asks = (MARGIN + 50.0, middle);
        self.lines(&mut sheet, asks, &introducers, &tops);
        self.person(&mut sheet, asks, self.member);
        for (id, y) in &introducers {
            self.person(&mut sheet, (INTRODUCERS_X, *y), id);
        }
        for (i, (suggestion, top)) in self.response.suggestions.iter().zip(&tops).enumerate() {
            self.card(&mut sheet, *top, i + 1, suggestion);
        }
        if self.response.suggestions.is_empty() {
            sheet.text((CARDS_X, HEAD_HEIGHT + 30.0), Anchor::Start, "", "Nobody to suggest.");
        }
        sheet.legend((MARGIN, height - 20.0), false);
        sheet.text(
            (CARDS_X - 100.0, height - 20.0),
            Anchor::Start,
            "quiet",
            "dashed: a chain of several hops; the thicker, the stronger",
        );
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

    /// Where each card begins.
    fn tops(&self) -> Vec<f64> {
        let mut top = HEAD_HEIGHT;
        let mut tops = Vec::new();
        for suggestion in &self.response.suggestions {
            tops.push(top);
            top += height_of(suggestion) + CARD_GAP;
        }
        tops
    }

    /// Each once, at the height of those it can introduce to, as far as the others leave room.
    fn introducers(&self, tops: &[f64]) -> BTreeMap<&str, f64> {
        let mut heights: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (suggestion, top) in self.response.suggestions.iter().zip(tops) {
            for introducer in &suggestion.introducers {
                heights.entry(&introducer.member_id).or_default().push(top + height_of(suggestion) / 2.0);
            }
        }
        let mean = |heights: &Vec<f64>| heights.iter().sum::<f64>() / heights.len() as f64;
        let mut placed: Vec<(&str, f64)> = heights.iter().map(|(id, heights)| (*id, mean(heights))).collect();
        placed.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(b.0)));
        let apart = 62.0;
        for i in 1..placed.len() {
            placed[i].1 = placed[i].1.max(placed[i - 1].1 + apart);
        }
        // Pushed down only, they would hang below what they lead to.
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
                    let look = steps.first().map_or("unknown", |step| self.strongest_class(step));
                    let width = 1.0 + 4.0 * f64::from(introducer.strength_to_member);
                    sheet.line(
                        &curve((asks.0 + RADIUS + 2.0, asks.1), (INTRODUCERS_X - RADIUS - 2.0, *y)),
                        width,
                        look,
                    );
                }
                let to = (CARDS_X - 4.0, top + height_of(suggestion) / 2.0);
                self.onward(sheet, (INTRODUCERS_X + RADIUS + 2.0, *y), to, introducer, steps);
            }
        }
    }

    /// From the introducer to the one to meet: gray where the chain is of several spheres.
    fn onward(&self, sheet: &mut Sheet, from: (f64, f64), to: (f64, f64), introducer: &Introducer, steps: &[PathStep]) {
        let rest = steps.get(1..).unwrap_or_default();
        let spheres: BTreeSet<&str> = rest.iter().map(|step| self.strongest_class(step)).collect();
        let look = if spheres.len() == 1 { spheres.first().copied().unwrap_or("unknown") } else { "unknown" };
        let width = 1.0 + 4.0 * f64::from(introducer.strength_to_target);
        let path = curve(from, to);
        if rest.len() == 1 {
            sheet.line(&path, width, look);
        } else {
            sheet.dashed(&path, width, look);
        }
    }

    fn person(&self, sheet: &mut Sheet, (x, y): (f64, f64), id: &str) {
        let name = self.directory.names.name(id);
        sheet.disc((x, y), RADIUS, "disc", &self.directory.names.label(id));
        let initial = initial(&name);
        sheet.text((x, y + 4.5), Anchor::Middle, "strong", &initial);
        sheet.text((x, y + RADIUS + 16.0), Anchor::Middle, "halo", &fit(&name, 16));
    }

    fn card(&self, sheet: &mut Sheet, top: f64, number: usize, suggestion: &Suggestion) {
        let (left, right) = (CARDS_X + 14.0, CARDS_X + CARD_WIDTH - 14.0);
        sheet.bar((CARDS_X, top), (CARD_WIDTH, height_of(suggestion)), 8.0, "card");
        let name = format!("{number}.  {}", self.directory.names.label(&suggestion.member_id));
        sheet.text((left, top + 22.0), Anchor::Start, "strong", &fit(&name, 44));
        sheet.text((right, top + 22.0), Anchor::End, "", &format!("score {}", score(suggestion.score)));
        let mut about = format!("{}, {}", count(suggestion.hops, "hop"), count(suggestion.mutuals, "mutual"));
        if !suggestion.shared_topics.is_empty() {
            about += &format!(", on {}", suggestion.shared_topics.join(", "));
        }
        sheet.text((left, top + 40.0), Anchor::Start, "quiet", &fit(&about, 70));
        sheet.bar((left, top + 49.0), (right - left, 5.0), 1.5, "track");
        let mut x = left;
        for reason in &suggestion.reasons {
            let width = (right - left) * reason.share;
            if width >= 0.5 {
                sheet.bar((x, top + 49.0), (width - 1.0, 5.0), 1.5, &format!("fill {}", class_of(reason)));
            }
            x += width;
        }
        let shown = suggestion.reasons.iter().take(REASONS_MAX);
        for (i, reason) in shown.enumerate() {
            let y = top + CARD_HEAD + 10.0 + REASON_HEIGHT * i as f64;
            sheet.text((left, y), Anchor::Start, &format!("ink small {}", class_of(reason)), "●");
            sheet.text((left + 14.0, y), Anchor::Start, "small", &fit(&(self.in_words)(reason), 72));
            if reason.share > 0.0 {
                sheet.text((right, y), Anchor::End, "small", &percent(reason.share));
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

/// It leaves and arrives level.
fn curve(from: (f64, f64), to: (f64, f64)) -> String {
    let bend = f64::midpoint(from.0, to.0);
    let [x0, y0, x1, y1, b] = [from.0, from.1, to.0, to.1, bend].map(number);
    format!("M{x0} {y0}C{b} {y0} {b} {y1} {x1} {y1}")
}
