//! Finds the format of a file's rows: by their content first, then by the file's name. What could be of two formats is refused with the
//! flag that decides.

use std::path::Path;

use super::columns::{AskedColumns, Column, Columns};
use super::layout::{Format, HeaderRow, Layout};
use super::quotes::{self, Cells};

/// The format of a table's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableForm {
    /// The character between cells; none for white space.
    pub delimiter: Option<u8>,
    pub quotes: bool,
    pub header: bool,
    pub comments: Vec<u8>,
    /// Whether the first row names the delimiter, as spreadsheets write it.
    pub says_delimiter: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    Ndjson,
    JsonArray,
    Table(TableForm),
}

/// The format that a file's name suggests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    Json,
    Csv,
    Tsv,
    Other,
}

impl Named {
    /// Reads the format from the file's name, without its `.gz`.
    pub fn of(path: &Path) -> Named {
        let name = path.to_string_lossy().to_ascii_lowercase();
        let name = [".gz", ".bgz", ".bgzf"].iter().find_map(|gzip| name.strip_suffix(gzip)).unwrap_or(&name);
        match name.rsplit_once('.').map(|(_, extension)| extension) {
            Some("ndjson" | "jsonl" | "json") => Named::Json,
            Some("csv") => Named::Csv,
            Some("tsv" | "tab") => Named::Tsv,
            _ => Named::Other,
        }
    }
}

const EDGE_LIST_COMMENTS: &[u8] = b"#%";
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Returns the first line that is neither blank nor a comment, and whether it is complete.
fn first_row<'a>(ahead: &'a [u8], comments: &[u8]) -> Option<(&'a [u8], bool)> {
    let mut rest = ahead;
    loop {
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let line = &rest[..end.unwrap_or(rest.len())];
        let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii_start();
        if !text.is_empty() && !comments.contains(&text[0]) {
            return Some((line, end.is_some()));
        }
        rest = &rest[end? + 1..];
    }
}

/// Returns whether so much of a file is enough to find its format.
pub fn is_enough(ahead: &[u8], layout: &Layout) -> bool {
    first_row(ahead, &comments(layout, Named::Other)).is_some_and(|(_, whole)| whole)
}

fn comments(layout: &Layout, named: Named) -> Vec<u8> {
    match &layout.comments {
        Some(comments) => comments.clone(),
        None if layout.format == Some(Format::Csv) || (layout.format.is_none() && named == Named::Csv) => Vec::new(),
        None => EDGE_LIST_COMMENTS.to_vec(),
    }
}

/// Returns the format of rows that begin so.
pub fn sniff(ahead: &[u8], named: Named, layout: &Layout) -> Result<Form, String> {
    let comments = comments(layout, named);
    let first = first_row(ahead, &comments).map_or(&b""[..], |(line, _)| line);
    let first = String::from_utf8_lossy(first);
    let form = match layout.format {
        Some(Format::Ndjson) => Form::Ndjson,
        Some(Format::Json) => Form::JsonArray,
        Some(Format::Csv | Format::Edges) => Form::Table(table(&first, named, layout, comments)?),
        None => match json(&first, ahead) {
            Some(form) => form,
            None if named == Named::Json && !is_header(&first, layout) => Form::Ndjson,
            None => Form::Table(table(&first, named, layout, comments)?),
        },
    };
    if !matches!(form, Form::Table(_)) && (layout.columns.is_some() || layout.delimiter.is_some()) {
        return Err("is JSON: --columns and --delimiter are for tables".to_owned());
    }
    Ok(form)
}

fn json(first: &str, ahead: &[u8]) -> Option<Form> {
    let text = String::from_utf8_lossy(ahead);
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let after = |bracket: char| Some(text.strip_prefix(bracket)?.trim_start().chars().next());
    match (first.trim_start_matches('\u{feff}').trim_start().chars().next(), after('{'), after('[')) {
        (Some('{'), Some(Some('"' | '}') | None), _) => Some(Form::Ndjson),
        (Some('['), _, Some(Some('{' | ']') | None)) => Some(Form::JsonArray),
        _ => None,
    }
}

/// Splits a table's row by a delimiter, and trims the cells.
fn cells(row: &str, delimiter: Option<u8>) -> Vec<String> {
    let row = row.trim_start_matches('\u{feff}');
    match delimiter {
        None => row.split_whitespace().map(str::to_owned).collect(),
        Some(delimiter) => match quotes::cells(row, delimiter) {
            Cells::Whole(cells) => cells.into_iter().map(|cell| quotes::trimmed(&cell).to_owned()).collect(),
            Cells::Open | Cells::Broken(_) => Vec::new(),
        },
    }
}

/// Returns the delimiters that a row may have; none stands for the white space of edge lists.
fn candidates(layout: &Layout) -> Vec<Option<u8>> {
    match layout.delimiter {
        Some(delimiter) => vec![Some(delimiter)],
        None => DELIMITERS.into_iter().map(Some).chain([None]).collect(),
    }
}

fn named_columns(cells: &[String]) -> usize {
    cells.iter().filter(|cell| matches!(cell.parse::<Column>(), Ok(column) if column != Column::Ignored)).count()
}

/// Returns whether cells are a header: names of columns that make a row, or those that `--columns` gives a meaning.
fn makes_header(cells: &[String], layout: &Layout) -> bool {
    match &layout.columns {
        None => Columns::of_names(cells.iter().map(String::as_str)).is_ok(),
        Some(AskedColumns::ByName(pairs)) => {
            pairs.iter().all(|(name, _)| cells.iter().any(|cell| cell.eq_ignore_ascii_case(name)))
        }
        Some(AskedColumns::InOrder(columns)) => {
            let known = |cell: &String| cell.is_empty() || cell.parse::<Column>().is_ok();
            cells.len() == columns.count() && cells.iter().all(known) && named_columns(cells) > 0
        }
    }
}

fn is_header(first: &str, layout: &Layout) -> bool {
    candidates(layout).into_iter().any(|delimiter| makes_header(&cells(first, delimiter), layout))
}

fn table(first: &str, named: Named, layout: &Layout, comments: Vec<u8>) -> Result<TableForm, String> {
    let csv = layout.format == Some(Format::Csv) || (layout.format.is_none() && named == Named::Csv);
    let form = |delimiter: Option<u8>, header: bool| TableForm {
        delimiter,
        quotes: delimiter.is_some(),
        header,
        comments: comments.clone(),
        says_delimiter: false,
    };
    if let Some(said) = first.trim_start_matches('\u{feff}').strip_prefix("sep=")
        && let [delimiter] = said.trim_end_matches(['\r', '\n']).as_bytes()
        && delimiter.is_ascii()
    {
        let header = layout.header != HeaderRow::No && !matches!(layout.columns, Some(AskedColumns::InOrder(_)));
        return Ok(TableForm { says_delimiter: true, ..form(Some(layout.delimiter.unwrap_or(*delimiter)), header) });
    }
    let header = candidates(layout).into_iter().find(|delimiter| makes_header(&cells(first, *delimiter), layout));
    let usual = layout.delimiter.or_else(|| usual_delimiter(first, csv, named));
    match layout.header {
        HeaderRow::Yes => return Ok(form(header.unwrap_or(usual), true)),
        HeaderRow::No => return Ok(form(usual, false)),
        HeaderRow::Auto => {}
    }
    if let Some(delimiter) = header {
        return Ok(form(delimiter, true));
    }
    match &layout.columns {
        // A header that lacks a name is reported when it is read.
        Some(AskedColumns::ByName(_)) => return Ok(form(usual, true)),
        None if csv && !first.is_empty() => return Ok(form(usual, true)),
        _ => {}
    }
    let row = cells(first, usual);
    let names = named_columns(&row);
    // A column's name beside other words may be the header of another program, or a row of members that are called so.
    if names > 0 && !matches!(layout.columns, Some(AskedColumns::InOrder(_))) {
        let row = row.join(",");
        return Err(format!(
            "the first row, `{}`, may be a header or the first of the rows: say --header yes or --header no, and --columns",
            quotes::shortened(&row)
        ));
    }
    Ok(form(usual, false))
}

/// Returns the delimiter of a row that is not a header.
fn usual_delimiter(first: &str, csv: bool, named: Named) -> Option<u8> {
    match (csv, named) {
        _ if first.contains(',') => Some(b','),
        (true, _) => DELIMITERS.into_iter().find(|delimiter| first.contains(char::from(*delimiter))).or(Some(b',')),
        (_, Named::Tsv) if first.contains('\t') => Some(b'\t'),
        _ if first.contains(';') => Some(b';'),
        _ => None,
    }
}
