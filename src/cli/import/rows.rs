//! The records of a file, whatever its format.

use std::path::Path;

use super::columns::Columns;
use super::ndjson::Ndjson;
use super::read::{Lines, ReadError};
use super::report::Refusal;
use super::table::{RowDefaults, Table};
use crate::proto::v1::ImportRecord;

/// How a file's rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One kith.v1.ImportRecord a line, in protobuf's JSON: {"member":{…}}, {"edge":{…}}, {"kind":{…}} or {"status":{…}}.
    Ndjson,
    /// Comma-separated with quotes (RFC 4180); the first row names the columns.
    Csv,
    /// Two ends a line, with commas or whitespace between; # and % begin comments.
    Edges,
}

impl Format {
    /// By the file's name, without its `.gz`.
    pub fn of(path: &Path) -> Format {
        let name = path.to_string_lossy().to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("ndjson" | "jsonl" | "json") => Format::Ndjson,
            Some("csv") => Format::Csv,
            _ => Format::Edges,
        }
    }
}

/// How to understand a file's rows.
#[derive(Debug, Clone)]
pub struct Layout {
    pub format: Format,
    pub columns: Option<Columns>,
    pub delimiter: Option<u8>,
    pub skip_rows: u64,
    pub defaults: RowDefaults,
}

enum Parser {
    Ndjson(Ndjson),
    Table(Table),
}

/// Makes records of rows.
pub struct Rows {
    parser: Parser,
}

impl Rows {
    /// Skips what is to be skipped, and reads a CSV file's header.
    pub fn begin(layout: Layout, lines: &mut Lines) -> Result<Rows, ReadError> {
        for _ in 0..layout.skip_rows {
            lines.advance()?;
        }
        let Layout { format, columns, delimiter, defaults, .. } = layout;
        let parser = match format {
            Format::Ndjson => Parser::Ndjson(Ndjson::new(defaults.id_prefix)),
            Format::Csv => Parser::Table(Table::csv(columns, delimiter, defaults, lines)?),
            Format::Edges => Parser::Table(Table::edge_list(columns, delimiter, defaults)),
        };
        Ok(Rows { parser })
    }

    /// The next record, with its line as position, or a row that holds none; None at the end.
    pub fn next(&mut self, lines: &mut Lines) -> Result<Option<Result<ImportRecord, Refusal>>, ReadError> {
        while lines.advance()? {
            let parsed = match &mut self.parser {
                Parser::Ndjson(ndjson) => lines.text().and_then(|text| ndjson.parse(lines.line(), text)),
                Parser::Table(table) => table.parse(lines)?,
            };
            if let Some(row) = parsed.transpose() {
                return Ok(Some(row.map(|record| ImportRecord { position: lines.line() as i64, ..record })));
            }
        }
        Ok(None)
    }
}
