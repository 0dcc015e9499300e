//! Splits a JSON array into its elements, however they are broken into lines.

use super::read::{LINE_BYTES_MAX, Lines, ReadError};

/// An element's text, without what is around it.
#[derive(Debug, PartialEq, Eq)]
pub enum Element {
    Text(Vec<u8>),
    /// An element longer than a record may be.
    TooLong,
    /// A comma that follows no element.
    Missing,
    /// Something that follows the array.
    After,
}

/// The position of the scan.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    #[default]
    Start,
    /// The scan is after the array's bracket, or after a comma.
    Element,
    End,
}

#[derive(Default)]
pub struct Elements {
    at: At,
    /// The number of the last element, from 1.
    pub number: u64,
}

impl Elements {
    pub fn next(&mut self, lines: &mut Lines) -> Result<Option<Element>, ReadError> {
        loop {
            let Some(byte) = next_byte(lines)? else { return self.ended() };
            match (self.at, byte) {
                (At::Start, b'[') => self.at = At::Element,
                // A byte order mark.
                (At::Start, 0xef | 0xbb | 0xbf) => {}
                (At::Start, _) => return Err(ReadError::Header("is not a JSON array".to_owned())),
                (At::Element, b']') => {
                    let dangling = self.at == At::Element && self.number > 0;
                    self.at = At::End;
                    if dangling {
                        return Ok(Some(self.numbered(Element::Missing)));
                    }
                }
                (At::Element, b',') => return Ok(Some(self.numbered(Element::Missing))),
                (At::Element, first) => return self.element(first, lines).map(Some),
                (At::End, _) => {
                    // What follows the array has no elements to split, so it is skipped to the end.
                    while next_byte(lines)?.is_some() {}
                    self.at = At::End;
                    return Ok(Some(self.numbered(Element::After)));
                }
            }
        }
    }

    fn ended(&self) -> Result<Option<Element>, ReadError> {
        match self.at {
            At::End => Ok(None),
            _ => Err(ReadError::ArrayCutShort),
        }
    }

    fn numbered(&mut self, element: Element) -> Element {
        self.number += 1;
        element
    }

    /// Reads up to the comma or bracket that ends the element.
    fn element(&mut self, first: u8, lines: &mut Lines) -> Result<Element, ReadError> {
        let (mut text, mut too_long) = (Vec::new(), false);
        let (mut depth, mut in_string, mut escaped) = (0_u64, false, false);
        let mut byte = first;
        loop {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth > 0 => depth -= 1,
                b',' | b']' if depth == 0 => {
                    self.at = if byte == b',' { At::Element } else { At::End };
                    break;
                }
                _ => {}
            }
            if text.len() < LINE_BYTES_MAX {
                text.push(byte);
            } else {
                too_long = true;
            }
            byte = lines.byte()?.ok_or(ReadError::ArrayCutShort)?;
        }
        text.truncate(text.trim_ascii_end().len());
        Ok(self.numbered(if too_long { Element::TooLong } else { Element::Text(text) }))
    }
}

/// Returns the next byte that is no white space.
fn next_byte(lines: &mut Lines) -> Result<Option<u8>, ReadError> {
    loop {
        match lines.byte()? {
            Some(b' ' | b'\t' | b'\n' | b'\r') => continue,
            other => return Ok(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn elements(text: &str) -> (Vec<String>, bool) {
        let mut lines = Lines::of(Cursor::new(text.to_owned())).unwrap();
        let (mut scan, mut found) = (Elements::default(), Vec::new());
        loop {
            match scan.next(&mut lines) {
                Ok(Some(Element::Text(text))) => found.push(String::from_utf8(text).unwrap()),
                Ok(Some(other)) => found.push(format!("{other:?}")),
                Ok(None) => return (found, true),
                Err(_) => return (found, false),
            }
        }
    }

    fn whole<const N: usize>(wanted: [&str; N]) -> (Vec<String>, bool) {
        (wanted.map(str::to_owned).to_vec(), true)
    }

    #[test]
    fn elements_are_told_apart_by_what_is_outside_of_strings_and_objects() {
        assert_eq!(elements("[]"), whole([]));
        assert_eq!(
            elements("\u{feff}[{\"a\":[1,2]}, {\"b\":\"],{\\\"\"}\n]\n"),
            whole(["{\"a\":[1,2]}", "{\"b\":\"],{\\\"\"}"])
        );
        assert_eq!(elements("[1,,2,]"), whole(["1", "Missing", "2", "Missing"]));
        assert_eq!(elements("[1] 2"), whole(["1", "After"]));
    }

    #[test]
    fn an_array_that_does_not_end_is_cut_short() {
        assert_eq!(elements("[1,2"), (vec!["1".to_owned()], false));
        assert_eq!(elements("[{\"a\":1},"), (vec!["{\"a\":1}".to_owned()], false));
        assert_eq!(elements("["), (vec![], false));
    }

    #[test]
    fn an_element_over_the_bound_is_passed_over() {
        let text = format!("[\"{}\",1]", "x".repeat(LINE_BYTES_MAX));
        assert_eq!(elements(&text), whole(["TooLong", "1"]));
    }
}
