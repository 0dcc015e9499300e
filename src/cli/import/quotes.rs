//! Splits rows into cells by their quotes (RFC 4180), strictly: what another reader would take for something else is refused.
//!
//! The `csv` crate is not used: it takes text after a closing quote for a part of the cell, and cannot say that a quote was never closed.

use std::borrow::Cow;

#[derive(Debug, PartialEq, Eq)]
pub enum Cells<'a> {
    Whole(Vec<Cow<'a, str>>),
    /// A quote is open at the end: the row goes on, on the next line.
    Open,
    /// The row is broken, for this reason.
    Broken(String),
}

/// Finds whether a quote is open after what was scanned so far. A scan can be continued, since rows may have very many lines.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    #[default]
    CellStart,
    Plain,
    Quoted,
    /// The scan is after a quote inside a quoted cell: its end, or half of a doubled one.
    Closing,
    /// The scan is behind a quoted cell.
    Closed,
    /// Text follows a closing quote, and nothing after it matters.
    Broken,
}

impl Scan {
    pub fn go_on(&mut self, bytes: &[u8], delimiter: u8) {
        if matches!(self, Scan::Quoted) && !bytes.contains(&b'"') {
            return;
        }
        for &byte in bytes {
            *self = match (*self, byte) {
                (Scan::Broken, _) => return,
                (Scan::CellStart | Scan::Closing, b'"') => Scan::Quoted,
                (Scan::Quoted, b'"') => Scan::Closing,
                (Scan::Quoted, _) => Scan::Quoted,
                (_, byte) if byte == delimiter => Scan::CellStart,
                (Scan::CellStart, b' ' | b'\t') => Scan::CellStart,
                (Scan::Closing | Scan::Closed, b' ' | b'\t') => Scan::Closed,
                (Scan::Closing | Scan::Closed, _) => Scan::Broken,
                (Scan::CellStart | Scan::Plain, _) => Scan::Plain,
            };
        }
    }

    pub fn is_open(self) -> bool {
        self == Scan::Quoted
    }
}

/// Splits a row. White space before an opening quote and after a closing one is ignored.
pub fn cells(row: &str, delimiter: u8) -> Cells<'_> {
    let delimiter = char::from(delimiter);
    if !row.contains('"') {
        return Cells::Whole(row.split(delimiter).map(Cow::Borrowed).collect());
    }
    let blank = |c: char| matches!(c, ' ' | '\t') && c != delimiter;
    let mut cells = Vec::new();
    let mut rest = row;
    loop {
        let begin = rest.trim_start_matches(blank);
        let Some(quoted) = begin.strip_prefix('"') else {
            match rest.split_once(delimiter) {
                Some((cell, after)) => {
                    cells.push(Cow::Borrowed(cell));
                    rest = after;
                    continue;
                }
                None => {
                    cells.push(Cow::Borrowed(rest));
                    return Cells::Whole(cells);
                }
            }
        };
        let Some(end) = closing(quoted) else { return Cells::Open };
        cells.push(unquoted(&quoted[..end]));
        let after = &quoted[end + 1..];
        let behind = after.trim_start_matches(blank);
        match behind.strip_prefix(delimiter) {
            Some(next) => rest = next,
            None if behind.is_empty() => return Cells::Whole(cells),
            None => {
                let what = behind.lines().next().unwrap_or_default();
                return Cells::Broken(format!("has `{}` after a closing quote", shortened(what)));
            }
        }
    }
}

/// Returns the position of the quote that is not doubled.
fn closing(quoted: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = quoted.get(from..)?.find('"') {
        let end = from + at;
        if !quoted[end + 1..].starts_with('"') {
            return Some(end);
        }
        from = end + 2;
    }
    None
}

/// Makes doubled quotes one, and every line break a line feed.
fn unquoted(cell: &str) -> Cow<'_, str> {
    if !cell.contains(['"', '\r']) {
        return Cow::Borrowed(cell);
    }
    Cow::Owned(cell.replace("\"\"", "\"").replace("\r\n", "\n").replace('\r', "\n"))
}

/// Returns a cell without the white space and the byte order marks around it. `\N`, which databases write for nothing, becomes empty.
pub fn trimmed(cell: &str) -> &str {
    match cell.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}') {
        "\\N" => "",
        text => text,
    }
}

/// Returns enough of a field to recognize it.
pub fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(row: &str) -> Vec<String> {
        match cells(row, b',') {
            Cells::Whole(cells) => cells.into_iter().map(Cow::into_owned).collect(),
            other => panic!("{row}: {other:?}"),
        }
    }

    #[test]
    fn quoted_cells_hold_delimiters_quotes_and_line_breaks() {
        assert_eq!(whole(r#"a,"b,c","say ""hi""",d"#), ["a", "b,c", r#"say "hi""#, "d"]);
        assert_eq!(whole("\"a\r\nb\rc\nd\",\"\""), ["a\nb\nc\nd", ""]);
        assert_eq!(whole(r#""""","""""""#), ["\"", "\"\""]);
        assert_eq!(whole(r#"5" long,a"b"c"#), [r#"5" long"#, r#"a"b"c"#]);
        assert_eq!(whole(" \"a\" ,\t\"b\"\t"), ["a", "b"]);
        assert_eq!(whole("\"a\","), ["a", ""]);
    }

    #[test]
    fn a_quote_that_is_open_or_followed_by_text_is_told() {
        for row in ["a,\"b", "\"", "\"a\"\"", "a,\"b\nc,d", "a, \"b"] {
            assert_eq!(cells(row, b','), Cells::Open, "{row}");
        }
        for row in ["\"a\"b", "\"a\" b,c", "\"a\\\"b\",c", "\"a\nb\"c\nd"] {
            assert!(matches!(cells(row, b','), Cells::Broken(_)), "{row}");
        }
    }

    #[test]
    fn a_scan_in_pieces_tells_what_the_whole_does() {
        let pieces = ["a", "\"", ",", " ", "\n", "é"];
        let random = &mut fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let row: String = (0..random.usize(0..12)).map(|_| pieces[random.usize(0..pieces.len())]).collect();
            // A line break outside of quotes ends the row.
            let mut scan = Scan::default();
            for piece in row.split_inclusive('\n') {
                scan.go_on(piece.as_bytes(), b',');
                if !scan.is_open() {
                    break;
                }
            }
            if row.matches('\n').count() == 0 {
                assert_eq!(scan.is_open(), cells(&row, b',') == Cells::Open, "{row:?}");
            }
        }
    }

    #[test]
    fn a_cell_has_no_white_space_around_it() {
        for cell in ["a", " a", "a\u{a0}", "\u{feff}a\u{2028}", "\u{85}\ta\u{3000}"] {
            assert_eq!(trimmed(cell), "a", "{cell:?}");
        }
        assert_eq!((trimmed("\\N"), trimmed(" "), trimmed("a b")), ("", "", "a b"));
    }
}
