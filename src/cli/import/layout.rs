//! How a file's rows are to be read, as the command's flags say.

use super::columns::AskedColumns;
use super::times::TimeUnit;

/// How a file's rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One kith.v1.ImportRecord a line, in protobuf's JSON: {"member":{…}}, {"edge":{…}}, {"kind":{…}} or {"status":{…}}.
    Ndjson,
    /// The records of NDJSON as the elements of one JSON array.
    Json,
    /// Cells with commas (or --delimiter) between them, quoted as in RFC 4180; the first row names the columns.
    Csv,
    /// Two ends a line, with commas or whitespace between; # and % begin comments.
    Edges,
}

/// Whether a table's first row names its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum HeaderRow {
    /// If its cells are names of columns.
    #[default]
    Auto,
    Yes,
    No,
}

/// What rows take from the command's flags.
#[derive(Debug, Clone)]
pub struct RowDefaults {
    pub kind: String,
    pub id_prefix: String,
    pub time_unit: Option<TimeUnit>,
    /// Whether rows replace what is stored, instead of changing the fields that they name.
    pub replace: bool,
}

/// How to understand a file's rows.
#[derive(Debug, Clone)]
pub struct Layout {
    pub format: Option<Format>,
    pub columns: Option<AskedColumns>,
    pub header: HeaderRow,
    pub delimiter: Option<u8>,
    /// The characters that begin comments, where they are not the format's own.
    pub comments: Option<Vec<u8>>,
    pub skip_rows: u64,
    pub defaults: RowDefaults,
}
