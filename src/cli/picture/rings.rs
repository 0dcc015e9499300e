//! Draws reach as rings: a dot for each member, a ring for each hop, the colors of the spheres that lead there alone. Where there is room
//! for names, lines show who leads to whom.

use std::collections::BTreeMap;
use std::f64::consts::{PI, TAU};

use super::Picture;
use super::dot::Digraph;
use super::sheet::{
    Anchor, LEGEND_LINE, Mark, Sheet, circle, fit, initial, legend_height, number, shape, spheres_of_dots, text,
    titled, with,
};
use super::spheres::{SPHERES, class, color};
use crate::cli::print::{Names, count, thousands};
use crate::proto::v1::{GetReachResponse, Sphere};

const BAND: f64 = 108.0;
const INNER: f64 = 34.0;
const MARGIN: f64 = 36.0;
const HEAD_HEIGHT: f64 = 74.0;
const TABLE_WIDTH: f64 = 430.0;
/// The room along a ring that a name needs.
const LABEL_PITCH: f64 = 15.0;
const NAME_ROOM: f64 = BAND - 24.0;
/// The gap at the top of each ring, kept free for the ring's name.
const GAP: f64 = 58.0;
const DOT_PITCH_MAX: f64 = 16.0;
const DOT_PITCH_MIN: f64 = 4.5;

/// The spheres that lead to a member, each alone: a bit for each of `SPHERES`. No bit is set for a member that only crossing leads to.
pub type Mask = u8;

/// The last step by which a member is in reach: from the member before it, or from the subject, which has no id here.
#[derive(Clone, Debug)]
pub struct Lead {
    /// The member before; none for the subject.
    pub by: Option<String>,
    /// The sphere of the strongest edge between the two.
    pub sphere: Sphere,
    pub words: String,
}

/// The members in reach of a member or a status.
pub struct Rings<'a> {
    pub response: &'a GetReachResponse,
    /// The members by hop, with the spheres that lead to them.
    pub hops: BTreeMap<i32, Vec<(String, Mask)>>,
    /// The last step to each member, where that was asked for.
    pub leads: BTreeMap<String, Lead>,
    pub names: &'a Names,
    /// The subject of the reach, in words.
    pub subject: &'a str,
}

impl Picture for Rings<'_> {
    fn svg(&self) -> String {
        let radius = self.outer(self.hops.len());
        let names_outside = if self.has_names() { 64.0 } else { 8.0 };
        let side = 2.0 * (radius + names_outside);
        let width = MARGIN + side + TABLE_WIDTH;
        let room = width - 2.0 * MARGIN;
        let legend = self.legend();
        let below = (HEAD_HEIGHT + side).max(300.0);
        let height = below + legend_height(room, &legend) + LEGEND_LINE;
        let center = (MARGIN + side / 2.0, HEAD_HEIGHT + side / 2.0);
        let mut sheet = Sheet::default();
        sheet.fitted((MARGIN, 40.0), Anchor::Start, "title", &self.title(), room);
        sheet.fitted((MARGIN, 62.0), Anchor::Start, "quiet", &self.summary(), room);
        let stands_for = self.members_per_dot();
        for ring in 0..self.hops.len() {
            sheet.add(circle(center, self.outer(ring + 1), "ring"));
        }
        if self.has_names() {
            self.named_rings(&mut sheet, center);
        } else {
            for (ring, members) in self.hops.values().enumerate() {
                self.crowd(&mut sheet, center, ring, &in_order(members), stands_for);
            }
        }
        for (ring, hop) in self.hops.keys().enumerate() {
            let at = (center.0, center.1 - self.outer(ring + 1) + 17.0);
            sheet.text(at, Anchor::Middle, "quiet halo", &count(*hop, "hop"));
        }
        sheet.disc(center, 20.0, "disc", self.subject);
        sheet.text((center.0, center.1 + 5.0), Anchor::Middle, "strong", &initial(self.subject));
        self.table(&mut sheet, (MARGIN + side + 20.0, HEAD_HEIGHT + 40.0), stands_for);
        sheet.legend((MARGIN, below + LEGEND_LINE / 2.0), room, &legend);
        sheet.finish((width, height), &self.title())
    }

    fn dot(&self) -> String {
        let mut graph = Digraph::new(&self.title());
        // Ids of members begin with a letter here, so that none is the subject's.
        graph.node("subject", &[("label", self.subject), ("shape", "doublecircle")]);
        let node = |by: &Option<String>| by.as_ref().map_or("subject".to_owned(), |id| format!("m:{id}"));
        let mut before = "subject".to_owned();
        for (hop, members) in &self.hops {
            let ids: Vec<String> = members.iter().map(|(id, _)| format!("m:{id}")).collect();
            for ((id, mask), node) in members.iter().zip(&ids) {
                let look = spheres(*mask).first().map_or("#9c36b5", |sphere| color(*sphere));
                let style = if *mask == 0 { "dashed" } else { "solid" };
                graph.node(node, &[("label", &self.names.label(id)), ("color", look), ("style", style)]);
            }
            graph.column(ids.iter().map(String::as_str));
            if !self.leads.is_empty() {
                for (id, at) in members.iter().map(|(id, _)| id).zip(&ids) {
                    if let Some(lead) = self.leads.get(id) {
                        graph.edge(&node(&lead.by), at, &[("color", color(lead.sphere)), ("arrowhead", "none")]);
                    }
                }
            } else if let Some(first) = ids.first() {
                // An invisible edge keeps the rings in order; who leads to whom was not asked.
                graph.edge(
                    &before,
                    first,
                    &[("style", "dotted"), ("arrowhead", "none"), ("label", &count(*hop, "hop"))],
                );
                before.clone_from(first);
            }
        }
        graph.finish()
    }
}

impl Rings<'_> {
    fn legend(&self) -> Vec<(Mark, &'static str)> {
        let mut legend = spheres_of_dots();
        legend.push((Mark::Hollow("crossing"), "by crossing spheres alone"));
        if !self.leads.is_empty() && self.has_names() {
            legend.push((Mark::Line("unknown"), "who leads to whom, in the color of the strongest edge"));
        }
        legend
    }

    fn title(&self) -> String {
        format!("In reach of {}", self.subject)
    }

    fn summary(&self) -> String {
        let crossing: i32 = self.response.hops.iter().filter_map(|hop| hop.crossing).sum();
        let last = self.response.hops.iter().map(|hop| hop.hop).max().unwrap_or(0);
        if self.response.members == 0 {
            return "Nobody is in reach.".to_owned();
        }
        let within = format!("{} within {}", count(self.response.members, "member"), count(last, "hop"));
        match crossing {
            0 => within,
            _ => {
                format!("{within}, {} of them only by crossing from one sphere to another", thousands(crossing.into()))
            }
        }
    }

    fn outer(&self, rings: usize) -> f64 {
        INNER + BAND * rings as f64
    }

    /// Returns whether there is room for each name on its ring.
    pub fn has_names(&self) -> bool {
        self.hops.values().enumerate().all(|(ring, members)| {
            let along = TAU * self.named(ring) - GAP;
            members.len() as f64 * LABEL_PITCH <= along
        })
    }

    /// Returns the radius of a ring's dots when they have names, which are written from there outwards.
    fn named(&self, ring: usize) -> f64 {
        INNER + BAND * (ring as f64 + 0.28)
    }

    /// Returns 1 where that leaves dots large enough to see, and a round number otherwise.
    fn members_per_dot(&self) -> usize {
        let mut steps = (0..7).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_usize.pow(power)));
        let fits = |per_dot: &usize| {
            let mut rings = self.hops.values().enumerate();
            rings.all(|(ring, members)| self.capacity(ring, DOT_PITCH_MIN) >= members.len() / per_dot + 8)
        };
        steps.find(fits).unwrap_or(usize::MAX)
    }

    fn capacity(&self, ring: usize, pitch: f64) -> usize {
        capacity_of(&self.rows(ring, pitch))
    }

    /// Returns the circles of dots within a ring's band: their radii, and how many dots each holds.
    fn rows(&self, ring: usize, pitch: f64) -> Vec<(f64, usize)> {
        let (from, to) = (self.outer(ring) + 12.0, self.outer(ring + 1) - 10.0);
        let rows = ((to - from) / pitch).floor() as usize + 1;
        let radius = |row: usize| from + pitch * row as f64;
        (0..rows).map(|row| (radius(row), ((TAU * radius(row) - GAP) / pitch).max(0.0) as usize)).collect()
    }

    /// Draws the rings whose members have names. Members that the same member leads to are neighbors.
    fn named_rings(&self, sheet: &mut Sheet, center: (f64, f64)) {
        let mut angles: BTreeMap<&str, f64> = BTreeMap::new();
        let mut placed = Vec::new();
        for (ring, members) in self.hops.values().enumerate() {
            let mut members = in_order(members);
            let by = |id: &str| self.leads.get(id).and_then(|lead| lead.by.as_deref()).and_then(|by| angles.get(by));
            // The sort is stable: beside the same member the order by spheres stays.
            members.sort_by(|a, b| {
                let [a, b] = [a, b].map(|member| by(&member.0).copied().unwrap_or_default());
                a.total_cmp(&b)
            });
            let (radius, all) = (self.named(ring), members.len() as f64);
            let gap = GAP / radius;
            for (i, (id, mask)) in members.into_iter().enumerate() {
                let angle = gap / 2.0 + (TAU - gap) * (i as f64 + 0.5) / all;
                placed.push((id.as_str(), *mask, radius, angle));
            }
            angles.extend(placed.iter().map(|(id, _, _, angle)| (*id, *angle)));
        }
        let at: BTreeMap<&str, (f64, f64)> =
            placed.iter().map(|(id, _, radius, angle)| (*id, polar(center, *radius, *angle))).collect();
        for (id, ..) in &placed {
            let Some((lead, to)) = self.leads.get(*id).zip(at.get(id)) else { continue };
            let from = lead.by.as_deref().map_or(Some(&center), |by| at.get(by));
            let Some(from) = from else { continue };
            let [x0, y0, x1, y1] = [from.0, from.1, to.0, to.1].map(number);
            sheet.line(&format!("M{x0} {y0}L{x1} {y1}"), 1.4, &format!("{} faint", class(lead.sphere)), &lead.words);
        }
        for (id, mask, radius, angle) in placed {
            self.named_dot(sheet, center, (radius, angle), id, mask);
        }
    }

    fn named_dot(&self, sheet: &mut Sheet, center: (f64, f64), (radius, angle): (f64, f64), id: &str, mask: Mask) {
        let at = polar(center, radius, angle);
        sheet.add(titled(dot(at, 5.5, mask), &self.names.label(id)));
        // Texts on the left half are turned, so that none is upside down.
        let (degrees, anchor) =
            if angle < PI { (angle - PI / 2.0, Anchor::Start) } else { (angle + PI / 2.0, Anchor::End) };
        let from = polar(center, radius + 10.0, angle);
        let label = text(from, anchor, "small halo", &fit(&self.names.name(id), "small", NAME_ROOM));
        let turned = format!("rotate({} {} {})", number(degrees.to_degrees()), number(from.0), number(from.1));
        let label = titled(label, &self.names.label(id));
        // The text is shifted, because not every program knows baselines.
        sheet.add(with(label, &[("transform", &turned), ("dy", "3.8")]));
    }

    /// Draws dots in rows, filled by angle, so that each set of spheres is a wedge.
    fn crowd(
        &self,
        sheet: &mut Sheet,
        center: (f64, f64),
        ring: usize,
        members: &[&(String, Mask)],
        stands_for: usize,
    ) {
        let masks = dots_of(members, stands_for);
        let mut pitch = DOT_PITCH_MAX;
        while pitch > DOT_PITCH_MIN && self.capacity(ring, pitch) < masks.len() {
            pitch -= 0.25;
        }
        let rows = self.rows(ring, pitch);
        let rows = fewest(&rows, masks.len());
        let room = capacity_of(rows);
        let mut positions: Vec<(f64, f64)> = Vec::new();
        let mut room_before = 0;
        for &(radius, dots) in rows {
            // Each row takes its part of the dots, all rows together all of them.
            let share = |room_so_far: usize| room_so_far * masks.len() / room.max(1);
            let dots_here = share(room_before + dots) - share(room_before);
            room_before += dots;
            let gap = GAP / radius;
            positions.extend(
                (0..dots_here).map(|i| (gap / 2.0 + (TAU - gap) * (i as f64 + 0.5) / dots_here as f64, radius)),
            );
        }
        positions.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        for (mask, (angle, radius)) in masks.iter().zip(&positions) {
            sheet.add(dot(polar(center, *radius, *angle), (pitch * 0.36).min(5.0), *mask));
        }
    }

    fn table(&self, sheet: &mut Sheet, (x, y): (f64, f64), stands_for: usize) {
        let heads = [
            ("hop", ""),
            ("members", ""),
            ("personal", "ink personal"),
            ("professional", "ink professional"),
            ("public", "ink public"),
            ("crossing", "ink crossing"),
        ];
        let ends = [30.0, 100.0, 174.0, 264.0, 316.0, 388.0];
        for ((words, class), end) in heads.iter().zip(ends) {
            sheet.text((x + end, y), Anchor::End, &format!("small {class}"), words);
        }
        for (row, hop) in self.response.hops.iter().enumerate() {
            let known = |number: Option<i32>| number.map_or("?".to_owned(), |number| thousands(number.into()));
            let cells = [
                hop.hop.to_string(),
                thousands(hop.members.into()),
                known(hop.personal),
                known(hop.professional),
                known(hop.public),
                known(hop.crossing),
            ];
            for (cell, end) in cells.iter().zip(ends) {
                sheet.text((x + end, y + 24.0 + 22.0 * row as f64), Anchor::End, "", cell);
            }
        }
        let below = y + 24.0 + 22.0 * self.response.hops.len() as f64 + 12.0;
        let mut notes = vec!["Each sphere counts whom it leads to by itself.".to_owned()];
        if !self.has_names() && stands_for > 1 {
            notes.push(format!("A dot is up to {} members.", thousands(stands_for as i64)));
        }
        for (i, note) in notes.iter().enumerate() {
            sheet.text((x + 5.0, below + 18.0 * i as f64), Anchor::Start, "quiet", note);
        }
    }
}

/// Orders members by the spheres that lead to them: personal first, crossing last.
fn in_order(members: &[(String, Mask)]) -> Vec<&(String, Mask)> {
    let mut members: Vec<&(String, Mask)> = members.iter().collect();
    members.sort_by_key(|(id, mask)| (order(*mask), id.as_str()));
    members
}

fn capacity_of(rows: &[(f64, usize)]) -> usize {
    rows.iter().map(|(_, dots)| dots).sum()
}

/// Returns the rows for so many dots, in the middle of all: few dots on few rows make a ring, on many they make a spray.
fn fewest(rows: &[(f64, usize)], dots: usize) -> &[(f64, usize)] {
    let fewer = if rows.len().is_multiple_of(2) { &rows[1.min(rows.len())..] } else { &rows[..rows.len() - 1] };
    if fewer.is_empty() || capacity_of(fewer) < dots { rows } else { fewest(fewer, dots) }
}

/// Returns one mask for each dot: a dot stands for so many members of one set of spheres, or for what is left of it.
fn dots_of(members: &[&(String, Mask)], stands_for: usize) -> Vec<Mask> {
    let mut masks = Vec::new();
    for same in members.chunk_by(|a, b| a.1 == b.1) {
        let dots = same.len().div_ceil(stands_for);
        masks.extend(same.iter().take(dots).map(|(_, mask)| *mask));
    }
    masks
}

/// Returns the order of a set of spheres: single spheres are next to what they share; crossing is last.
fn order(mask: Mask) -> u8 {
    match mask {
        0b001 => 0,
        0b011 => 1,
        0b010 => 2,
        0b110 => 3,
        0b100 => 4,
        0b101 => 5,
        0b111 => 6,
        _ => 7,
    }
}

fn spheres(mask: Mask) -> Vec<Sphere> {
    (0..).zip(SPHERES).filter(|(bit, _)| mask & (1 << bit) != 0).map(|(_, sphere)| sphere).collect()
}

/// Draws a dot with a slice for each sphere; it is hollow if there is none.
fn dot(at: (f64, f64), radius: f64, mask: Mask) -> svg::node::element::Element {
    let spheres = spheres(mask);
    match spheres.as_slice() {
        [] => circle(at, radius - 0.6, "hollow crossing"),
        [one] => circle(at, radius, &format!("fill {}", class(*one))),
        several => {
            let slice = TAU / several.len() as f64;
            let mut pie = shape("g", "pie");
            for (i, sphere) in several.iter().enumerate() {
                let (from, to) = (polar(at, radius, slice * i as f64), polar(at, radius, slice * (i + 1) as f64));
                let r = number(radius);
                let path = format!(
                    "M{} {}L{} {}A{r} {r} 0 0 1 {} {}Z",
                    number(at.0),
                    number(at.1),
                    number(from.0),
                    number(from.1),
                    number(to.0),
                    number(to.1)
                );
                let piece = shape("path", &format!("fill {}", class(*sphere)));
                svg::Node::append(&mut pie, with(piece, &[("d", &path)]));
            }
            pie
        }
    }
}

/// Returns the point at an angle from the top, clockwise. libm's sines are the same on every machine.
fn polar(center: (f64, f64), radius: f64, angle: f64) -> (f64, f64) {
    (center.0 + radius * libm::sin(angle), center.1 - radius * libm::cos(angle))
}
