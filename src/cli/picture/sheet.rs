//! A sheet to draw on: its style for light and dark pages, and the few shapes that pictures are made of.

use svg::Document;
use svg::node::Text;
use svg::node::element::Element;

use super::spheres::{SPHERES, class};
use crate::cli::print::clean;
use crate::proto::v1::Sphere;

/// The sheet brings its own ground, so that it can be read on a page that is not as light or dark as the reader's settings say.
const STYLE: &str = "\
.page{fill:#fff;stroke:#dee2e6}text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:13px;fill:#212529}\
.title{font-size:19px;font-weight:600}.quiet{fill:#5c636a;font-size:12px}.strong{font-weight:600}.small{font-size:11px}\
.disc{fill:#f1f3f5;stroke:#495057;stroke-width:2}.ring{fill:none;stroke:#ced4da}.card{fill:#f8f9fa;stroke:#dee2e6}.track{fill:#e9ecef}\
.line{fill:none;stroke-linecap:round}.halo{stroke:#fff;stroke-width:5;paint-order:stroke;stroke-linejoin:round}\
.personal{--c:#d55e00}.professional{--c:#1971c2}.public{--c:#0b7a55}.unknown{--c:#868e96}.crossing{--c:#9c36b5}\
.topic{--c:#b8860b}.post{--c:#c2255c}.mutual{--c:#495057}.walk{--c:#868e96}\
.fill{fill:var(--c)}.stroke{stroke:var(--c)}.ink{fill:var(--c)}.hollow{fill:none;stroke:var(--c);stroke-width:1.6;stroke-dasharray:2.4 1.6}\
@media (prefers-color-scheme:dark){.page{fill:#0d1117;stroke:#30363d}text{fill:#e6edf3}.quiet{fill:#9aa4af}\
.disc{fill:#21262d;stroke:#adb5bd}.ring{stroke:#3d444d}.card{fill:#161b22;stroke:#30363d}.track{fill:#30363d}.halo{stroke:#0d1117}\
.personal{--c:#ff922b}.professional{--c:#4dabf7}.public{--c:#38d9a9}.unknown{--c:#adb5bd}.crossing{--c:#e599f7}\
.topic{--c:#ffd43b}.post{--c:#faa2c1}.mutual{--c:#dee2e6}.walk{--c:#868e96}}";

/// Where a text stands from its point.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// What is drawn, in the order it is drawn in.
#[derive(Default)]
pub struct Sheet {
    shapes: Vec<Element>,
}

impl Sheet {
    /// A shape of any kind.
    pub fn add(&mut self, shape: Element) {
        self.shapes.push(shape);
    }

    /// A text, which may be anybody's.
    pub fn text(&mut self, at: (f64, f64), anchor: Anchor, class: &str, words: &str) {
        self.add(text(at, anchor, class, words));
    }

    /// A disc with its name to be read by who points at it.
    pub fn disc(&mut self, at: (f64, f64), radius: f64, class: &str, name: &str) {
        self.add(titled(circle(at, radius, class), name));
    }

    /// A curved or straight line.
    pub fn line(&mut self, path: &str, width: f64, class: &str) {
        let shape = shape("path", &format!("line stroke {class}"));
        self.add(with(shape, &[("d", path), ("stroke-width", &number(width))]));
    }

    /// The same, broken.
    pub fn dashed(&mut self, path: &str, width: f64, class: &str) {
        let shape = shape("path", &format!("line stroke {class}"));
        let dashes = [("d", path), ("stroke-width", &number(width)), ("stroke-dasharray", "7 6")];
        self.add(with(shape, &dashes));
    }

    /// A bar or card.
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

    /// What the colors stand for, from the left.
    pub fn legend(&mut self, (x, y): (f64, f64), with_crossing: bool) {
        let mut x = x + 5.0;
        let named = SPHERES.map(|sphere| (class(sphere), words(sphere)));
        for (class, words) in
            named.into_iter().chain(with_crossing.then_some(("crossing", "by crossing spheres alone")))
        {
            let look = if class == "crossing" { "hollow crossing" } else { &format!("fill {class}") };
            self.add(circle((x, y - 4.0), 5.0, look));
            self.text((x + 11.0, y), Anchor::Start, "quiet", words);
            x += 34.0 + 6.6 * width_of(words);
        }
    }

    /// The document: a ground, what it is called for those who hear it, and the shapes.
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
            .add(Element::new("title").add_text(&harmless(title, 300)))
            .add(Element::new("style").add_text(STYLE))
            .add(ground);
        for shape in self.shapes {
            document = document.add(shape);
        }
        format!("{document}\n")
    }
}

/// The svg crate escapes texts; what XML has no way to write is left out before.
trait AddText {
    fn add_text(self, words: &str) -> Element;
}

impl AddText for Element {
    fn add_text(mut self, words: &str) -> Element {
        svg::Node::append(&mut self, Text::new(words));
        self
    }
}

/// An element of a class of the style sheet.
pub fn shape(name: &str, class: &str) -> Element {
    with(Element::new(name), &[("class", class)])
}

/// With these attributes too.
pub fn with(mut element: Element, attributes: &[(&str, &str)]) -> Element {
    for (name, value) in attributes {
        svg::Node::assign(&mut element, *name, *value);
    }
    element
}

/// With a name to be read by who points at it.
pub fn titled(mut element: Element, name: &str) -> Element {
    svg::Node::append(&mut element, Element::new("title").add_text(&harmless(name, 300)));
    element
}

/// A circle.
pub fn circle((x, y): (f64, f64), radius: f64, class: &str) -> Element {
    with(shape("circle", class), &[("cx", &number(x)), ("cy", &number(y)), ("r", &number(radius))])
}

/// A text, which may be anybody's.
pub fn text((x, y): (f64, f64), anchor: Anchor, class: &str, words: &str) -> Element {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let element = with(shape("text", class), &[("x", &number(x)), ("y", &number(y)), ("text-anchor", anchor)]);
    element.add_text(&harmless(words, 300))
}

/// A coordinate: a tenth of a pixel is as fine as anybody sees, and the same on every machine.
pub fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A text that takes no more room than so many Latin letters.
pub fn fit(words: &str, room: usize) -> String {
    let words = harmless(words, 300);
    if width_of(&words) <= room as f64 {
        return words;
    }
    let mut fitting = String::new();
    for c in words.chars() {
        if width_of(&fitting) + width_of(&c.to_string()) + 1.0 > room as f64 {
            break;
        }
        fitting.push(c);
    }
    fitting.trim_end().to_owned() + "…"
}

/// In Latin letters, about: what is written in most other scripts may be twice as wide.
pub fn width_of(words: &str) -> f64 {
    words.chars().map(|c| if c < '\u{1100}' || ('\u{2000}'..'\u{2c00}').contains(&c) { 1.0 } else { 2.0 }).sum()
}

/// What stands in a member's disc. A digit would be taken for a count.
pub fn initial(name: &str) -> String {
    let first = name.chars().find(|c| c.is_alphanumeric()).filter(|c| !c.is_numeric());
    first.into_iter().flat_map(char::to_uppercase).collect()
}

/// What the sphere is called in a picture.
pub fn words(sphere: Sphere) -> &'static str {
    match sphere {
        Sphere::Personal => "personal",
        Sphere::Professional => "professional",
        Sphere::Public => "public",
        Sphere::Unspecified => "unknown",
    }
}

/// On one line, without what XML has no way to write.
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
        assert_eq!([fit("jeremy", 6), fit("jeremy", 5)], ["jeremy", "jere…"]);
        assert_eq!(fit("日本語の名前", 7), "日本語…");
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!([number(1.0), number(-0.04), number(2.25), number(100.0)], ["1", "0", "2.2", "100"]);
    }
}
