//! Reads tables: CSV (RFC 4180) and edge lists, whose rows are edges, members or statuses.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::cells::{Failure, RowReader};
use super::columns::{AskedColumns, Columns, by_name};
use super::layout::RowDefaults;
use super::quotes::{self, Cells, Scan, trimmed};
use super::read::{LINE_BYTES_MAX, Lines, ReadError};
use super::report::Refusal;
use super::row::{NamedRecord, Row, skipped};
use super::skip::Skip;
use super::sniff::TableForm;
use crate::cli::print::count as number_of;
use crate::proto::v1::ErrorReason;

/// What a table's first rows say of its columns.
pub struct Header {
    pub columns: Columns,
    /// The header row's cells, if there is one.
    pub names: Option<Vec<String>>,
    pub ignored: Vec<String>,
}

impl Header {
    /// Reads the header row, if there is one, and the rows before it.
    pub fn read(
        form: &TableForm,
        asked: Option<&AskedColumns>,
        lines: &mut Lines,
        passed: &mut VecDeque<Row>,
    ) -> Result<Header, ReadError> {
        let mut says_delimiter = form.says_delimiter;
        let names = loop {
            if !(form.header || says_delimiter) || !lines.advance()? {
                break None;
            }
            let text =
                lines.text().map_err(|refusal| ReadError::Header(format!("the header row {}", refusal.message)))?;
            if let Some(skip) = no_row(text, &form.comments) {
                passed.push_back(skipped(skip, lines));
            } else if std::mem::take(&mut says_delimiter) {
                passed.push_back(skipped(Skip::Header, lines));
            } else {
                let names = header_cells(form, lines)?;
                passed.push_back(skipped(Skip::Header, lines));
                break Some(names);
            }
        };
        let wrong = |message| {
            let remedy = "--columns LIST names them anew: in order, or by name (source=from,target=to)";
            ReadError::Header(format!("the header row does not do: {message}; {remedy}"))
        };
        let (columns, ignored) = match (asked, &names) {
            (Some(AskedColumns::InOrder(columns)), _) => (columns.clone(), Vec::new()),
            (Some(AskedColumns::ByName(pairs)), Some(names)) => by_name(pairs, names).map_err(wrong)?,
            (None, Some(names)) => (Columns::of_names(names.iter().map(String::as_str)).map_err(wrong)?, Vec::new()),
            // An empty file has no row that needs columns.
            (_, None) => (Columns::default(), Vec::new()),
        };
        Ok(Header { columns, names, ignored })
    }
}

fn header_cells(form: &TableForm, lines: &mut Lines) -> Result<Vec<String>, ReadError> {
    let broken = |message: String| ReadError::Header(format!("the header row {message}"));
    join_quoted(form, lines)?;
    let text = lines.text().map_err(|refusal| broken(refusal.message))?;
    match form.cells(text) {
        Cells::Whole(cells) => Ok(cells.iter().map(|cell| trimmed(cell).to_owned()).collect()),
        Cells::Open => Err(broken("has a quote that is never closed".to_owned())),
        Cells::Broken(message) => Err(broken(message)),
    }
}

/// Returns why a line is no row, if it is none.
fn no_row(text: &str, comments: &[u8]) -> Option<Skip> {
    let text = trimmed(text);
    match text.bytes().next() {
        None => Some(Skip::Blank),
        Some(first) => comments.contains(&first).then_some(Skip::Comment),
    }
}

impl TableForm {
    fn cells<'a>(&self, text: &'a str) -> Cells<'a> {
        match self.delimiter {
            None => Cells::Whole(text.split_whitespace().map(Cow::Borrowed).collect()),
            Some(delimiter) => quotes::cells(text, delimiter),
        }
    }
}

/// Joins lines to the row until its quotes are closed; returns false if they never are.
fn join_quoted(form: &TableForm, lines: &mut Lines) -> Result<bool, ReadError> {
    let Some(delimiter) = form.delimiter.filter(|_| form.quotes) else { return Ok(true) };
    if !lines.bytes().contains(&b'"') {
        return Ok(true);
    }
    let mut scan = Scan::default();
    scan.go_on(lines.bytes(), delimiter);
    while scan.is_open() {
        match lines.join_next()? {
            Some(added) => scan.go_on(added, delimiter),
            None => return Ok(false),
        }
    }
    Ok(true)
}

pub struct Table {
    reader: RowReader,
    /// The header row, which may come again where files were joined.
    names: Option<Vec<String>>,
    form: TableForm,
}

impl Table {
    pub fn new(columns: Columns, names: Option<Vec<String>>, form: TableForm, defaults: RowDefaults) -> Table {
        Table { reader: RowReader::new(columns, defaults), names, form }
    }

    /// Returns the record of the row that `lines` is at, or why it has none.
    pub fn parse(&mut self, lines: &mut Lines) -> Result<Result<Result<NamedRecord, Skip>, Refusal>, ReadError> {
        let line = lines.line();
        let first = match lines.text() {
            Ok(text) => no_row(text, &self.form.comments),
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(skip) = first {
            return Ok(Ok(Err(skip)));
        }
        let refused = |message: String| Ok(Err(Refusal::new(line, ErrorReason::Malformed, "", message)));
        if !join_quoted(&self.form, lines)? {
            let swallowed = swallowed(lines);
            lines.go_back();
            return refused(format!(
                "opens a quote that is not closed within {LINE_BYTES_MAX} bytes or the file{swallowed}"
            ));
        }
        let text = match lines.text() {
            Ok(text) => text,
            Err(refusal) => {
                lines.go_back();
                return Ok(Err(refusal));
            }
        };
        match self.form.cells(text) {
            Cells::Whole(cells) => {
                Ok(self.record(&cells).map_err(|(reason, field, message)| Refusal::new(line, reason, &field, message)))
            }
            Cells::Broken(message) => {
                let message = format!("{message}{}", swallowed(lines));
                lines.go_back();
                refused(message)
            }
            Cells::Open => refused("opens a quote that is not closed".to_owned()),
        }
    }

    fn record(&self, cells: &[Cow<'_, str>]) -> Result<Result<NamedRecord, Skip>, Failure> {
        let cells: Vec<&str> = cells.iter().map(|cell| trimmed(cell)).collect();
        if cells.iter().all(|cell| cell.is_empty()) {
            return Ok(Err(Skip::Blank));
        }
        if self.names.as_ref().is_some_and(|names| names.iter().eq(cells.iter())) {
            return Ok(Err(Skip::Header));
        }
        let columns = self.reader.columns();
        if cells.len() != columns.count() {
            let (want, has) = (columns.count(), number_of(cells.len() as i64, "column"));
            let message =
                format!("has {has}, not the {want} of {columns}; name them with --columns, with - for those to ignore");
            return Err((ErrorReason::Malformed, String::new(), message));
        }
        self.reader.record(&cells).map(Ok)
    }
}

/// Returns the words for the lines that a quote took into the row, which are read again by themselves.
fn swallowed(lines: &Lines) -> String {
    match (lines.line(), lines.last_line()) {
        (first, last) if first == last => String::new(),
        (first, last) if first + 1 == last => format!("; line {last}, which it swallowed, is read by itself"),
        (first, last) => format!("; lines {} to {last}, which it swallowed, are read by themselves", first + 1),
    }
}
