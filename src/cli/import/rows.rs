//! Makes the records of a file, whatever its format.

use std::collections::VecDeque;

use super::bounds;
use super::json_array::{Element, Elements};
use super::layout::Layout;
use super::ndjson::Ndjson;
use super::read::{Lines, ReadError, too_long};
use super::report::Refusal;
use super::row::{NamedRecord, Row, skipped};
use super::skip::Skip;
use super::sniff::{self, Form, Named};
use super::table::{Header, Table};
use crate::proto::v1::{ErrorReason, ImportRecord};

enum Parser {
    Ndjson(Ndjson),
    Array(Ndjson, Elements),
    Table(Table),
}

pub struct Rows {
    parser: Parser,
    /// The rows that were skipped before the first record's.
    passed: VecDeque<Row>,
    /// The columns of the header row that nobody asked for.
    pub ignored_columns: Vec<String>,
}

impl Rows {
    /// Skips the first rows as asked, finds the format of the others, and reads a header.
    pub fn begin(layout: Layout, named: Named, lines: &mut Lines) -> Result<Rows, ReadError> {
        let mut passed = VecDeque::new();
        for _ in 0..layout.skip_rows {
            if lines.advance()? {
                passed.push_back(skipped(Skip::Asked, lines));
            }
        }
        let ahead = lines.ahead(|ahead| sniff::is_enough(ahead, &layout))?;
        let form = sniff::sniff(ahead, named, &layout).map_err(ReadError::Header)?;
        let ndjson = Ndjson::new(layout.defaults.id_prefix.clone(), layout.defaults.replace);
        let mut ignored_columns = Vec::new();
        let parser = match form {
            Form::Ndjson => Parser::Ndjson(ndjson),
            Form::JsonArray => Parser::Array(ndjson, Elements::default()),
            Form::Table(form) => {
                let header = Header::read(&form, layout.columns.as_ref(), lines, &mut passed)?;
                ignored_columns = header.ignored;
                Parser::Table(Table::new(header.columns, header.names, form, layout.defaults))
            }
        };
        Ok(Rows { parser, passed, ignored_columns })
    }

    /// Returns whether a record's position counts the elements of an array, not lines.
    pub fn counts_records(&self) -> bool {
        matches!(self.parser, Parser::Array(..))
    }

    /// Returns the next row; none at the end.
    pub fn next(&mut self, lines: &mut Lines) -> Result<Option<Row>, ReadError> {
        if let Some(row) = self.passed.pop_front() {
            return Ok(Some(row));
        }
        if let Parser::Array(ndjson, elements) = &mut self.parser {
            let element = elements.next(lines)?;
            return Ok(element.map(|element| of_element(ndjson, element, elements.number)));
        }
        if !lines.advance()? {
            return Ok(None);
        }
        let parsed = match &mut self.parser {
            Parser::Table(table) => table.parse(lines)?,
            Parser::Ndjson(ndjson) | Parser::Array(ndjson, _) => {
                lines.text().and_then(|text| ndjson.parse(lines.line(), text)).map(|record| record.ok_or(Skip::Blank))
            }
        };
        Ok(Some(match parsed {
            Ok(Ok(named)) => row(named, lines.line()),
            Ok(Err(skip)) => skipped(skip, lines),
            Err(refusal) => Row::Refused(refusal),
        }))
    }
}

fn row(named: NamedRecord, position: u64) -> Row {
    let paths = named.mask.as_ref().map_or(0, |mask| mask.paths.len());
    if let Some(refusal) = bounds::refusal(&named.record, paths, position) {
        return Row::Refused(refusal);
    }
    let record = ImportRecord { record: Some(named.record), position: position as i64, ..Default::default() };
    Row::Record(Box::new(record), named.mask)
}

fn of_element(ndjson: &Ndjson, element: Element, number: u64) -> Row {
    let refused = |reason, message: String| Row::Refused(Refusal::new(number, reason, "", message));
    let text = match element {
        Element::Text(text) => text,
        Element::TooLong => return refused(ErrorReason::TooLong, too_long()),
        Element::Missing => return refused(ErrorReason::Malformed, "a comma without a record".to_owned()),
        Element::After => return refused(ErrorReason::Malformed, "something follows the array".to_owned()),
    };
    let text = match std::str::from_utf8(&text) {
        Ok(text) => text,
        Err(error) => {
            return refused(ErrorReason::Malformed, format!("is not UTF-8 at byte {}", error.valid_up_to() + 1));
        }
    };
    match ndjson.parse(number, text) {
        Ok(Some(named)) => row(named, number),
        Ok(None) => refused(ErrorReason::Malformed, "holds no record".to_owned()),
        Err(refusal) => Row::Refused(refusal),
    }
}
