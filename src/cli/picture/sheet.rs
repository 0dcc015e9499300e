//! A sheet to draw on: its style for light and dark pages, and the few shapes that pictures are made of.

use svg::Document;
use svg::node::Text;
use svg::node::element::Element;

use unicode_width::UnicodeWidthChar;

use super::spheres::{SPHERES, class};
use crate::cli::print::clean;
use crate::proto::v1::Sphere;

/// The colors by meaning, on a light page and on a dark one.
const COLORS: [(&str, &str, &str); 9] = [
    ("personal", "#d55e00", "#ff922b"),
    ("professional", "#1971c2", "#4dabf7"),
    ("public", "#0b7a55", "#38d9a9"),
    ("unknown", "#868e96", "#adb5bd"),
    ("crossing", "#9c36b5", "#e599f7"),
    ("topic", "#b8860b", "#ffd43b"),
    ("post", "#c2255c", "#faa2c1"),
    ("mutual", "#495057", "#dee2e6"),
    ("walk", "#868e96", "#868e96"),
];
const INK: &str = "#212529";
const FONTS: &str = "system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif";
/// The rules that differ on a dark page. The sheet brings its own ground, so that it can be read on a page that is not as light or dark as
/// the reader's settings say.
const DARK: &str = "\
.page{fill:#0d1117;stroke:#30363d}text{fill:#e6edf3}.quiet{fill:#9aa4af}.disc{fill:#21262d;stroke:#adb5bd}.ring{stroke:#3d444d}\
.card{fill:#161b22;stroke:#30363d}.track{fill:#30363d}.halo{stroke:#0d1117}";

/// Returns the style sheet, which holds only what a dark page overrides. A light page is drawn by attributes alone, which programs without
/// style sheets know, too.
fn style() -> String {
    let color = |(name, _, dark): &(&str, &str, &str)| {
        format!(".fill.{name},.ink.{name}{{fill:{dark}}}.stroke.{name},.hollow.{name}{{stroke:{dark}}}")
    };
    format!("@media (prefers-color-scheme:dark){{{DARK}{}}}", COLORS.iter().map(color).collect::<String>())
}

/// Returns a class's attributes on a light page.
fn look(class: &str) -> &'static [(&'static str, &'static str)] {
    match class {
        "page" => &[("fill", "#fff"), ("stroke", "#dee2e6")],
        "title" => &[("font-size", "19"), ("font-weight", "600")],
        "quiet" => &[("fill", "#5c636a"), ("font-size", "12")],
        "strong" => &[("font-weight", "600")],
        "small" => &[("font-size", "11")],
        "disc" => &[("fill", "#f1f3f5"), ("stroke", "#495057"), ("stroke-width", "2")],
        "ring" => &[("fill", "none"), ("stroke", "#ced4da")],
        "card" => &[("fill", "#f8f9fa"), ("stroke", "#dee2e6")],
        "track" => &[("fill", "#e9ecef")],
        "line" => &[("fill", "none"), ("stroke-linecap", "round")],
        "faint" => &[("opacity", "0.4")],
        "halo" => &[("stroke", "#fff"), ("stroke-width", "4"), ("paint-order", "stroke"), ("stroke-linejoin", "round")],
        "hollow" => &[("fill", "none"), ("stroke-width", "1.6"), ("stroke-dasharray", "2.4 1.6")],
        _ => &[],
    }
}

/// Returns the attributes of an element's classes.
fn looks(classes: &str) -> Vec<(&'static str, &'static str)> {
    let all = || classes.split_whitespace();
    let mut looks: Vec<_> = all().flat_map(look).copied().collect();
    for (name, light, _) in COLORS.iter().filter(|(name, ..)| all().any(|class| class == *name)) {
        let role = |class: &str| match class {
            "fill" | "ink" => Some("fill"),
            "stroke" | "hollow" => Some("stroke"),
            _ => None,
        };
        debug_assert!(all().any(|class| role(class).is_some()), "{name} is of nothing");
        looks.extend(all().filter_map(role).map(|attribute| (attribute, *light)));
    }
    looks
}

/// Returns the size of a class's letters, and whether they are bold.
fn font(classes: &str) -> (f64, bool) {
    let has = |class: &str| classes.split_whitespace().any(|other| other == class);
    let size = match () {
        () if has("title") => 19.0,
        () if has("small") => 11.0,
        () if has("quiet") => 12.0,
        () => 13.0,
    };
    (size, has("title") || has("strong"))
}

/// The side of its point on which a text stands.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// The text begins at the point.
    Start,
    /// The text's middle is at the point.
    Middle,
    /// The text ends at the point.
    End,
}

/// The mark before its meaning in a legend, of a color.
#[derive(Clone, Copy)]
pub enum Mark {
    Dot(&'static str),
    /// A dot that is not filled.
    Hollow(&'static str),
    Line(&'static str),
    Dashed(&'static str),
    /// A line of less weight.
    Faint(&'static str),
}

const MARK_WIDTH: f64 = 22.0;
/// The distance from one line of a legend to the next.
pub const LEGEND_LINE: f64 = 20.0;
/// The longest text of a caller that is drawn.
const WORDS_MAX: usize = 300;

pub fn legend_height(room: f64, entries: &[(Mark, &str)]) -> f64 {
    Sheet::default().legend((0.0, 0.0), room, entries)
}

/// Returns the legend of the spheres as dots.
pub fn spheres_of_dots() -> Vec<(Mark, &'static str)> {
    SPHERES.map(|sphere| (Mark::Dot(class(sphere)), words(sphere))).into()
}

/// Returns the legend of the spheres as lines.
pub fn spheres_of_lines() -> Vec<(Mark, &'static str)> {
    SPHERES.map(|sphere| (Mark::Line(class(sphere)), words(sphere))).into()
}

/// The shapes, in the order they are drawn in.
#[derive(Default)]
pub struct Sheet {
    shapes: Vec<Element>,
}

impl Sheet {
    pub fn add(&mut self, shape: Element) {
        self.shapes.push(shape);
    }

    /// Adds a text, which a caller of the server may have written.
    pub fn text(&mut self, at: (f64, f64), anchor: Anchor, class: &str, words: &str) {
        self.add(text(at, anchor, class, words));
    }

    /// Adds a disc, whose name is shown to a reader who points at it.
    pub fn disc(&mut self, at: (f64, f64), radius: f64, class: &str, name: &str) {
        self.add(titled(circle(at, radius, class), name));
    }

    /// Adds a curved or straight line, whose name is shown to a reader who points at it.
    pub fn line(&mut self, path: &str, width: f64, class: &str, name: &str) {
        let shape = shape("path", &format!("line stroke {class}"));
        let shape = with(shape, &[("d", path), ("stroke-width", &number(width))]);
        self.add(if name.is_empty() { shape } else { titled(shape, name) });
    }

    pub fn dashed(&mut self, path: &str, width: f64, class: &str, name: &str) {
        let shape = shape("path", &format!("line stroke {class}"));
        let dashes = [("d", path), ("stroke-width", &number(width)), ("stroke-dasharray", "7 6")];
        let shape = with(shape, &dashes);
        self.add(if name.is_empty() { shape } else { titled(shape, name) });
    }

    pub fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), round: f64, class: &str) {
        self.add(with(
            shape("rect", class),
            &[
                ("x", &number(x)),
                ("y", &number(y)),
                ("width", &number(width)),
                ("height", &number(height)),
                ("rx", &number(round)),
            ],
        ));
    }

    /// Adds a text that is cut to its room; a reader who points at it sees all of it.
    pub fn fitted(&mut self, at: (f64, f64), anchor: Anchor, class: &str, words: &str, room: f64) {
        let fitting = fit(words, class, room);
        let is_whole = fitting == harmless(words, WORDS_MAX);
        let shape = text(at, anchor, class, &fitting);
        self.add(if is_whole { shape } else { titled(shape, words) });
    }

    /// Adds a card, whose name is shown to a reader who points at it.
    pub fn card(&mut self, at: (f64, f64), size: (f64, f64), name: &str) {
        self.bar(at, size, 8.0, "card");
        if let Some(card) = self.shapes.pop() {
            self.add(titled(card, name));
        }
    }

    /// Adds a legend in lines from the left; returns how high they are.
    pub fn legend(&mut self, (left, top): (f64, f64), room: f64, entries: &[(Mark, &str)]) -> f64 {
        let (mut x, mut y) = (left, top);
        for (mark, words) in entries {
            let width = MARK_WIDTH + width_of(words, "quiet") + 16.0;
            if x > left && x + width > left + room {
                (x, y) = (left, y + LEGEND_LINE);
            }
            self.mark((x, y), *mark);
            self.text((x + MARK_WIDTH, y), Anchor::Start, "quiet", words);
            x += width;
        }
        y - top + LEGEND_LINE
    }

    fn mark(&mut self, (x, y): (f64, f64), mark: Mark) {
        let line = format!("M{} {}H{}", number(x), number(y - 4.0), number(x + MARK_WIDTH - 6.0));
        match mark {
            Mark::Dot(class) => self.add(circle((x + 5.0, y - 4.0), 5.0, &format!("fill {class}"))),
            Mark::Hollow(class) => self.add(circle((x + 5.0, y - 4.0), 4.4, &format!("hollow {class}"))),
            Mark::Line(class) => self.line(&line, 3.0, class, ""),
            Mark::Dashed(class) => self.dashed(&line, 3.0, class, ""),
            Mark::Faint(class) => self.line(&line, 3.0, &format!("{class} faint"), ""),
        }
    }

    /// Returns the document: a ground, its title for screen readers, and the shapes.
    pub fn finish(self, (width, height): (f64, f64), title: &str) -> String {
        let (w, h) = (number(width), number(height));
        let ground = with(
            shape("rect", "page"),
            &[
                ("x", "0.5"),
                ("y", "0.5"),
                ("width", &number(width - 1.0)),
                ("height", &number(height - 1.0)),
                ("rx", "10"),
            ],
        );
        let mut document = Document::new()
            .set("viewBox", format!("0 0 {w} {h}"))
            .set("width", w)
            .set("height", h)
            .set("role", "img")
            .set("font-family", FONTS)
            .set("font-size", "13")
            .add(Element::new("title").add_text(&harmless(title, WORDS_MAX)))
            .add(Element::new("style").add_text(&style()))
            .add(ground);
        for shape in self.shapes {
            document = document.add(shape);
        }
        format!("{document}\n")
    }
}

/// Adds texts to elements. The svg crate escapes them; characters that XML cannot hold are left out before.
trait AddText {
    fn add_text(self, words: &str) -> Element;
}

impl AddText for Element {
    fn add_text(mut self, words: &str) -> Element {
        svg::Node::append(&mut self, Text::new(words));
        self
    }
}

/// Returns an element of these classes, with all of their attributes.
pub fn shape(name: &str, class: &str) -> Element {
    with(with(Element::new(name), &[("class", class)]), &looks(class))
}

pub fn with(mut element: Element, attributes: &[(&str, &str)]) -> Element {
    for (name, value) in attributes {
        svg::Node::assign(&mut element, *name, *value);
    }
    element
}

/// Adds a name that is shown to a reader who points at the element.
pub fn titled(mut element: Element, name: &str) -> Element {
    svg::Node::append(&mut element, Element::new("title").add_text(&harmless(name, WORDS_MAX)));
    element
}

pub fn circle((x, y): (f64, f64), radius: f64, class: &str) -> Element {
    with(shape("circle", class), &[("cx", &number(x)), ("cy", &number(y)), ("r", &number(radius))])
}

/// Returns a text, which a caller of the server may have written.
pub fn text((x, y): (f64, f64), anchor: Anchor, class: &str, words: &str) -> Element {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let element = with(Element::new("text"), &[("class", class), ("fill", INK)]);
    let element = with(element, &looks(class));
    let element = with(element, &[("x", &number(x)), ("y", &number(y)), ("text-anchor", anchor)]);
    element.add_text(&harmless(words, WORDS_MAX))
}

/// Returns a coordinate to a tenth of a pixel: that is as fine as anybody sees, and the same on every machine.
pub fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Returns a text cut to so many pixels in the letters of a class.
pub fn fit(words: &str, class: &str, room: f64) -> String {
    let words = harmless(words, WORDS_MAX);
    if width_of(&words, class) <= room {
        return words;
    }
    let (mut fitting, mut used) = (String::new(), width_of("…", class));
    for c in words.chars() {
        used += width_of(c.encode_utf8(&mut [0; 4]), class);
        if used > room {
            break;
        }
        fitting.push(c);
    }
    fitting.trim_end().to_owned() + "…"
}

/// Returns the pixels that a text takes in the letters of a class: about those of DejaVu Sans, which are wider than those of most screens.
pub fn width_of(words: &str, class: &str) -> f64 {
    let (size, heavy) = font(class);
    let em = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 0.34,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' | '"' | '-' => 0.42,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '…' | '—' => 0.98,
        'A'..='Z' => 0.74,
        '!'..='~' => 0.64,
        other => match other.width().unwrap_or(0) {
            0 => 0.0,
            1 => 0.74,
            _ => 1.02,
        },
    };
    words.chars().map(em).sum::<f64>() * size * if heavy { 1.1 } else { 1.0 }
}

/// Returns the letter in a member's disc. A digit would be taken for a count.
pub fn initial(name: &str) -> String {
    let first = name.chars().find(|c| c.is_alphanumeric()).filter(|c| !c.is_numeric());
    first.into_iter().flat_map(char::to_uppercase).collect()
}

/// Returns what the sphere is called in a picture.
pub fn words(sphere: Sphere) -> &'static str {
    match sphere {
        Sphere::Personal => "personal",
        Sphere::Professional => "professional",
        Sphere::Public => "public",
        Sphere::Unspecified => "unknown",
    }
}

/// Returns a text on one line, without characters that XML cannot hold.
fn harmless(words: &str, chars_max: usize) -> String {
    clean(words, chars_max).chars().filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_member_is_called_cannot_break_out_of_its_text() {
        let mut sheet = Sheet::default();
        let hostile = "</text><script>alert('x')</script>\u{0}\u{1b}\u{202e}\u{ffff}\"&";
        sheet.text((1.0, 2.0), Anchor::Middle, "title", hostile);
        sheet.disc((1.0, 2.0), 3.0, "disc", hostile);
        let document = sheet.finish((10.0, 10.0), hostile);
        assert!(!document.contains("<script") && !document.contains(['\u{0}', '\u{1b}', '\u{ffff}']));
        let texts = svg::read(&document).unwrap().filter(|event| matches!(event, svg::parser::Event::Error(_)));
        assert_eq!(texts.count(), 0);
    }

    #[test]
    fn texts_are_cut_to_their_room() {
        assert_eq!([fit("jeremy", "", 60.0), fit("jeremy", "", 45.0)], ["jeremy", "jere…"]);
        assert_eq!(fit("日本語の名前", "", 60.0), "日本語…");
        assert!(width_of("jeremy", "strong") > width_of("jeremy", ""));
        assert!(width_of("jeremy", "quiet small") < width_of("jeremy", "quiet"));
        assert!(width_of("e\u{301}", "") < width_of("ee", ""));
    }

    #[test]
    fn what_is_drawn_has_its_colors_in_its_attributes() {
        let mut sheet = Sheet::default();
        sheet.line("M0 0H9", 2.0, "personal", "");
        sheet.disc((1.0, 2.0), 3.0, "disc", "x");
        sheet.legend((0.0, 0.0), 90.0, &[(Mark::Hollow("crossing"), "by crossing"), (Mark::Dot("topic"), "topics")]);
        let document = sheet.finish((10.0, 10.0), "x");
        assert!(!document.contains("var("), "{document}");
        for wanted in ["stroke=\"#d55e00\"", "stroke=\"#9c36b5\"", "fill=\"#b8860b\"", "fill=\"#f1f3f5\""] {
            assert!(document.contains(wanted), "no {wanted} in {document}");
        }
        let (style, shapes) = document.split_once("</style>").unwrap();
        assert!(style.contains("@media (prefers-color-scheme:dark){") && style.contains(".stroke.personal"));
        let painted = |shape: &str| shape.contains("fill=") || shape.contains("stroke=") || shape.starts_with("title");
        assert!(shapes.split('<').skip(1).filter(|shape| !shape.starts_with('/')).all(painted), "{shapes}");
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!([number(1.0), number(-0.04), number(2.25), number(100.0)], ["1", "0", "2.2", "100"]);
    }
}
