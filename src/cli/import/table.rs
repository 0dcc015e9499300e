//! Tables: CSV (RFC 4180) and edge lists, a row an edge or a member.

use prost_types::Timestamp;

use super::columns::{Column, Columns};
use super::read::{Lines, ReadError};
use super::report::Refusal;
use crate::cli::print::count as number_of;
use crate::proto::v1::import_record::Record;
use crate::proto::v1::{Edge, ErrorReason, ImportRecord, Member};

/// How a row's fields are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
    Whitespace,
    /// Without quotes: what an edge list has.
    Character(char),
    /// With quotes, inside which fields may hold the delimiter and line breaks.
    Csv(u8),
}

/// What rows say besides their columns.
#[derive(Debug, Clone)]
pub struct RowDefaults {
    pub kind: String,
    pub id_prefix: String,
}

pub struct Table {
    columns: Columns,
    /// None until the first row of an edge list tells.
    separator: Option<Separator>,
    defaults: RowDefaults,
}

type FieldError = (ErrorReason, &'static str, String);

impl Table {
    pub fn edge_list(columns: Option<Columns>, delimiter: Option<u8>, defaults: RowDefaults) -> Table {
        let separator = delimiter.map(|byte| Separator::Character(char::from(byte)));
        Table { columns: columns.unwrap_or_default(), separator, defaults }
    }

    /// Takes the columns' names from the first row unless they are given.
    pub fn csv(
        columns: Option<Columns>,
        delimiter: Option<u8>,
        defaults: RowDefaults,
        lines: &mut Lines,
    ) -> Result<Table, ReadError> {
        let delimiter = delimiter.unwrap_or(b',');
        let columns = match columns {
            Some(columns) => columns,
            None => header(lines, delimiter)?,
        };
        Ok(Table { columns, separator: Some(Separator::Csv(delimiter)), defaults })
    }

    /// The record of the row `lines` is at; none of an empty line or a comment.
    pub fn parse(&mut self, lines: &mut Lines) -> Result<Result<Option<ImportRecord>, Refusal>, ReadError> {
        if let Some(Separator::Csv(delimiter)) = self.separator {
            join_quoted(lines, delimiter)?;
        }
        let line = lines.line();
        Ok(lines.text().and_then(|text| {
            self.parse_row(text).map_err(|(reason, field, message)| Refusal::new(line, reason, field, message))
        }))
    }

    fn parse_row(&mut self, text: &str) -> Result<Option<ImportRecord>, FieldError> {
        let trimmed = text.trim();
        let of_csv = matches!(self.separator, Some(Separator::Csv(_)));
        if trimmed.is_empty() || (!of_csv && trimmed.starts_with(['#', '%'])) {
            return Ok(None);
        }
        let separator = *self.separator.get_or_insert_with(|| match trimmed.contains(',') {
            true => Separator::Character(','),
            false => Separator::Whitespace,
        });
        let record = match separator {
            Separator::Whitespace => self.record(trimmed.split_whitespace()),
            Separator::Character(delimiter) => self.record(text.split(delimiter).map(str::trim)),
            Separator::Csv(delimiter) if text.contains('"') => {
                let row = unquoted(text, delimiter).map_err(|message| (ErrorReason::Malformed, "", message))?;
                self.record(row.iter())
            }
            Separator::Csv(delimiter) => self.record(text.split(char::from(delimiter))),
        }?;
        Ok(Some(ImportRecord { record: Some(record), position: 0 }))
    }

    fn record<'a>(&'a self, fields: impl Iterator<Item = &'a str> + Clone) -> Result<Record, FieldError> {
        let count = fields.clone().count();
        if count != self.columns.count() {
            let (columns, want, has) = (&self.columns, self.columns.count(), number_of(count as i64, "column"));
            let message =
                format!("has {has}, not the {want} of {columns}; name them with --columns, with - for those to ignore");
            return Err((ErrorReason::Malformed, "", message));
        }
        let fields = self.columns.iter().zip(fields).filter(|(_, text)| !text.is_empty());
        match self.columns.of_members() {
            true => self.member(fields).map(Record::Member),
            false => self.edge(fields).map(Record::Edge),
        }
    }

    fn edge<'a>(&self, fields: impl Iterator<Item = (&'a Column, &'a str)>) -> Result<Edge, FieldError> {
        let mut edge = Edge::default();
        for (column, text) in fields {
            match column {
                Column::From => edge.from_id = self.member_id(text),
                Column::To => edge.to_id = self.member_id(text),
                Column::Kind => edge.kind = text.to_owned(),
                Column::Strength => edge.pinned_strength = Some(number(text, "edge.pinned_strength")?),
                Column::Interactions => edge.interactions = number(text, "edge.interactions")?,
                Column::Time => edge.last_interaction_time = Some(time(text, "edge.last_interaction_time")?),
                Column::Since => edge.since = Some(time(text, "edge.since")?),
                Column::Note => edge.note = text.to_owned(),
                _ => {}
            }
        }
        if edge.kind.is_empty() {
            edge.kind.clone_from(&self.defaults.kind);
        }
        // A time alone is the time of one interaction.
        if edge.last_interaction_time.is_some() && !self.columns.has(&Column::Interactions) {
            edge.interactions = 1;
        }
        required(&edge.from_id, "edge.from_id")?;
        required(&edge.to_id, "edge.to_id")?;
        Ok(edge)
    }

    fn member<'a>(&self, fields: impl Iterator<Item = (&'a Column, &'a str)>) -> Result<Member, FieldError> {
        let mut member = Member::default();
        for (column, text) in fields {
            match column {
                Column::Id => member.id = self.member_id(text),
                Column::DisplayName => member.display_name = text.to_owned(),
                Column::Headline => member.headline = text.to_owned(),
                Column::Topics => {
                    let topics = text.split(';').map(str::trim).filter(|topic| !topic.is_empty());
                    member.topics = topics.map(str::to_owned).collect();
                }
                Column::Label(key) => {
                    member.labels.insert(key.clone(), text.to_owned());
                }
                _ => {}
            }
        }
        required(&member.id, "member.id")?;
        Ok(member)
    }

    fn member_id(&self, text: &str) -> String {
        [self.defaults.id_prefix.as_str(), text].concat()
    }
}

fn header(lines: &mut Lines, delimiter: u8) -> Result<Columns, ReadError> {
    while lines.advance()? {
        join_quoted(lines, delimiter)?;
        let text = lines.text().map_err(|refusal| ReadError::Header(format!("the header row {}", refusal.message)))?;
        if text.trim().is_empty() {
            continue;
        }
        let names = unquoted(text, delimiter).map_err(ReadError::Header)?;
        return Columns::of_names(names.iter()).map_err(|message| {
            ReadError::Header(format!(
                "the header row does not do: {message}; --columns LIST --skip-rows 1 names them anew"
            ))
        });
    }
    // Of an empty file there is no row to read.
    Ok(Columns::default())
}

/// Joins lines to the row until its quotes are closed.
fn join_quoted(lines: &mut Lines, delimiter: u8) -> Result<(), ReadError> {
    let mut quotes = Quotes::default();
    quotes.scan(lines.bytes(), delimiter);
    while quotes.open() {
        match lines.join_next()? {
            Some(more) => quotes.scan(more, delimiter),
            None => break,
        }
    }
    Ok(())
}

/// Whether a field's quotes are open after what was scanned so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    #[default]
    FieldStart,
    Plain,
    Quoted,
    /// After a quote inside a quoted field: its end, or half of a doubled one.
    Closing,
}

impl Quotes {
    fn scan(&mut self, bytes: &[u8], delimiter: u8) {
        if *self == Quotes::FieldStart && !bytes.contains(&b'"') {
            return;
        }
        for &byte in bytes {
            *self = match (*self, byte) {
                (Quotes::FieldStart, b'"') | (Quotes::Closing, b'"') => Quotes::Quoted,
                (Quotes::Quoted, b'"') => Quotes::Closing,
                (Quotes::Quoted, _) => Quotes::Quoted,
                (_, byte) if byte == delimiter => Quotes::FieldStart,
                _ => Quotes::Plain,
            };
        }
    }

    fn open(self) -> bool {
        self == Quotes::Quoted
    }
}

fn unquoted(text: &str, delimiter: u8) -> Result<csv::StringRecord, String> {
    let mut quotes = Quotes::default();
    quotes.scan(text.as_bytes(), delimiter);
    if quotes.open() {
        return Err(format!(
            "a quote is opened and not closed within {}",
            number_of(text.lines().count() as i64, "line")
        ));
    }
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.has_headers(false).flexible(true).delimiter(delimiter).from_reader(text.as_bytes());
    let mut row = csv::StringRecord::new();
    reader.read_record(&mut row).map_err(|error| error.to_string())?;
    Ok(row)
}

fn required(id: &str, field: &'static str) -> Result<(), FieldError> {
    if id.is_empty() {
        return Err((ErrorReason::Required, field, "must be given".to_owned()));
    }
    Ok(())
}

fn number<N: std::str::FromStr>(text: &str, field: &'static str) -> Result<N, FieldError> {
    text.trim().parse().map_err(|_| (ErrorReason::Malformed, field, format!("`{}` is no such number", shortened(text))))
}

/// RFC 3339, or seconds since 1970, which may have a fraction.
fn time(text: &str, field: &'static str) -> Result<Timestamp, FieldError> {
    let text = text.trim();
    let malformed = || {
        let message = format!("`{}` is neither an RFC 3339 time nor seconds since 1970", shortened(text));
        (ErrorReason::Malformed, field, message)
    };
    if let Ok(seconds) = text.parse() {
        return Ok(Timestamp { seconds, nanos: 0 });
    }
    if let Ok(seconds) = text.parse::<f64>() {
        // NaN is not within either.
        if !(-1e12..1e12).contains(&seconds) {
            return Err(malformed());
        }
        let nanos = ((seconds - seconds.floor()) * 1e9) as i32;
        return Ok(Timestamp { seconds: seconds.floor() as i64, nanos });
    }
    // Without its zone, or without its time of day, a text is not RFC 3339.
    let zoned =
        text.ends_with(['Z', 'z']) || text.len() > 19 && text.as_bytes()[19..].iter().any(|b| b"+-".contains(b));
    if !zoned || !text.is_ascii() {
        return Err(malformed());
    }
    text.parse().map_err(|_| malformed())
}

/// Enough of a field to know it again.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn defaults() -> RowDefaults {
        RowDefaults { kind: "friend".to_owned(), id_prefix: String::new() }
    }

    fn columns(list: &str) -> Option<Columns> {
        (!list.is_empty()).then(|| list.parse().unwrap())
    }

    /// Every row's line, and its record or refusal.
    fn rows(mut table: Table, mut lines: Lines) -> Vec<(u64, Result<Record, Refusal>)> {
        let mut rows = Vec::new();
        while lines.advance().unwrap() {
            if let Some(row) = table.parse(&mut lines).unwrap().transpose() {
                rows.push((lines.line(), row.map(|row| row.record.unwrap())));
            }
        }
        rows
    }

    fn edge_list(list: &str, delimiter: Option<u8>, text: &str) -> Vec<(u64, Result<Record, Refusal>)> {
        let lines = Lines::of(Cursor::new(text.to_owned())).unwrap();
        rows(Table::edge_list(columns(list), delimiter, defaults()), lines)
    }

    fn csv(list: &str, text: impl Into<Vec<u8>>) -> Vec<(u64, Result<Record, Refusal>)> {
        let mut lines = Lines::of(Cursor::new(text.into())).unwrap();
        let table = Table::csv(columns(list), None, defaults(), &mut lines).unwrap();
        rows(table, lines)
    }

    /// Rows as `line: from kind to`, or `line: field REASON`.
    fn brief(rows: Vec<(u64, Result<Record, Refusal>)>) -> Vec<String> {
        let brief = |(line, row): (u64, Result<Record, Refusal>)| match row {
            Ok(Record::Edge(edge)) => format!("{line}: {} {} {}", edge.from_id, edge.kind, edge.to_id),
            Ok(Record::Member(member)) => format!("{line}: {}", member.id),
            Ok(other) => format!("{line}: {other:?}"),
            Err(refusal) => format!("{}: {:?} {}", refusal.line, refusal.reason, refusal.field),
        };
        rows.into_iter().map(brief).collect()
    }

    fn edge(rows: Vec<(u64, Result<Record, Refusal>)>) -> Edge {
        match rows.into_iter().next() {
            Some((_, Ok(Record::Edge(edge)))) => edge,
            other => panic!("an edge, not {other:?}"),
        }
    }

    #[test]
    fn edge_lists_have_whitespace_tabs_or_commas() {
        assert_eq!(
            brief(edge_list("", None, "# from to\n 1\t2\t\r\n\n% more\n3 4\n3 4")),
            ["2: 1 friend 2", "5: 3 friend 4", "6: 3 friend 4"]
        );
        assert_eq!(
            brief(edge_list("from,kind,to", None, "a b, spouse ,c\nd,,e\n")),
            ["1: a b spouse c", "2: d friend e"]
        );
        assert_eq!(brief(edge_list("from,to,-", None, "1 189 1.0\n")), ["1: 1 friend 189"]);
        assert_eq!(brief(edge_list("", Some(b'|'), "a,b|c d\n")), ["1: a,b friend c d"]);
    }

    #[test]
    fn a_row_of_another_width_or_without_an_end_is_refused_and_the_next_goes_in() {
        assert_eq!(brief(edge_list("", None, "a\nb c d\ne f\n")), ["1: Malformed ", "2: Malformed ", "3: e friend f"]);
        assert_eq!(
            brief(edge_list("", None, "a,\n,b\nc,d\n")),
            ["1: Required edge.to_id", "2: Required edge.from_id", "3: c friend d"]
        );
    }

    #[test]
    fn numbers_and_times_are_read_or_refused() {
        let all = "from,to,strength,interactions,time,since";
        let whole = edge(edge_list(all, None, "a,b,0.25,7,1289241911.5,2020-02-29T12:00:00+01:00"));
        assert_eq!((whole.pinned_strength, whole.interactions), (Some(0.25), 7));
        assert_eq!(whole.last_interaction_time, Some(Timestamp { seconds: 1_289_241_911, nanos: 500_000_000 }));
        assert_eq!(whole.since, Some(Timestamp { seconds: 1_582_974_000, nanos: 0 }));
        assert_eq!(edge(edge_list(all, None, "a,b,,,,")), edge(edge_list("", None, "a b")));
        assert_eq!(edge(edge_list("from,to,time", None, "a b 12")).interactions, 1);
        for (row, field) in [
            ("a,b,strong,,,", "edge.pinned_strength"),
            ("a,b,,1.5,,", "edge.interactions"),
            ("a,b,,99999999999999999999,,", "edge.interactions"),
            ("a,b,,,yesterday,", "edge.last_interaction_time"),
            ("a,b,,,nan,", "edge.last_interaction_time"),
            ("a,b,,,1e300,", "edge.last_interaction_time"),
            ("a,b,,,2020-01-01,", "edge.last_interaction_time"),
            ("a,b,,,,2020-01-01T00:00:00", "edge.since"),
            ("a,b,,,,2020-02-30T00:00:00Z", "edge.since"),
            ("a,b,,,,2020-01-01T00:00:00+99999999999999999999:00", "edge.since"),
        ] {
            assert_eq!(brief(edge_list(all, None, row)), [format!("1: Malformed {field}")], "{row}");
        }
    }

    #[test]
    fn a_csv_header_names_edges_or_members() {
        assert_eq!(
            brief(csv("", "\u{feff}from,to,kind\r\na,b,spouse\r\nc,d,\r\n")),
            ["2: a spouse b", "3: c friend d"]
        );
        let text = "id,display_name,headline,topics,label:city\nx,\"Doe, Jo\",\"says \"\"hi\"\"\",go; rust;,Rome\n";
        let Some((2, Ok(Record::Member(member)))) = csv("", text).pop() else { panic!("a member") };
        assert_eq!((member.display_name.as_str(), member.headline.as_str()), ("Doe, Jo", "says \"hi\""));
        assert_eq!((member.topics, member.labels["city"].as_str()), (vec!["go".to_owned(), "rust".to_owned()], "Rome"));
        assert_eq!(brief(csv("from,to", "a,b\n")), ["1: a friend b"]);
        assert_eq!(csv("", ""), []);
    }

    #[test]
    fn quotes_may_hold_line_breaks_and_the_lines_count_on() {
        let text = "from,to,note\na,b,\"one\r\ntwo\"\nc,d,5\" long\ne,f,\n";
        let rows = csv("", text);
        let Ok(Record::Edge(first)) = &rows[0].1 else { panic!("an edge") };
        assert_eq!(first.note, "one\ntwo");
        assert_eq!(brief(rows), ["2: a friend b", "4: c friend d", "5: e friend f"]);
    }

    #[test]
    fn a_quote_never_closed_is_refused_once() {
        assert_eq!(brief(csv("", "from,to\na,b\nc,\"d\ne,f\n")), ["2: a friend b", "3: Malformed "]);
        let long = format!("from,to\na,\"{}\nc,d\n", "x\n".repeat(super::super::read::LINE_BYTES_MAX));
        let rows = brief(csv("", long));
        assert_eq!(rows[0], "2: TooLong ");
        assert_eq!(rows.last().unwrap(), "1048579: c friend d");
    }

    #[test]
    fn a_header_that_does_not_do_ends_the_file() {
        for text in ["node_1,node_2\n0,1\n", "from\na\n", "from,to,to\n", "from,\"to\n", "from,to,id\n"] {
            let mut lines = Lines::of(Cursor::new(text)).unwrap();
            assert!(matches!(Table::csv(None, None, defaults(), &mut lines), Err(ReadError::Header(_))), "{text}");
        }
        let mut lines = Lines::of(Cursor::new(b"from,t\xff\n")).unwrap();
        assert!(Table::csv(None, None, defaults(), &mut lines).is_err());
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        assert_eq!(brief(csv("", b"from,to\na,b\xff\nc,d\n")), ["2: Malformed ", "3: c friend d"]);
    }

    #[test]
    fn the_prefix_goes_before_ids_and_leaves_missing_ones_missing() {
        let table =
            |list| Table::edge_list(columns(list), None, RowDefaults { id_prefix: "p:".to_owned(), ..defaults() });
        let read = |list, text: &'static str| brief(rows(table(list), Lines::of(Cursor::new(text)).unwrap()));
        assert_eq!(read("", "a,b\n,c\n"), ["1: p:a friend p:b", "2: Required edge.from_id"]);
        assert_eq!(read("id,-", "a 1\n"), ["1: p:a"]);
    }
}
