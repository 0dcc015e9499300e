//! Mutated files of any format: reading them must not panic.

use std::io::Cursor;

use super::layout::{Format, HeaderRow, Layout, RowDefaults};
use super::read::{Lines, ReadError};
use super::row::Row;
use super::rows::Rows;
use super::sniff::Named;
use crate::fuzz::fuzz;

const STORY: &str = include_str!("../../../examples/story.ndjson");
const CSV: &str = "from_id,kind,to_id,pinned_strength,interactions,last_interaction_time,note\n\
                   ann,friend,bob,0.5,,,\"a, \"\"note\"\"\"\nbob,colleague,cy,,3,2026-01-31T12:00:00Z,\n";
const EDGES: &str = "# from to\n1 2\n2\t3 0.5\n3,4\n";

fn read_all(format: Option<Format>, bytes: &[u8]) -> Result<usize, ReadError> {
    let mut lines = Lines::of(Cursor::new(bytes.to_vec()))?;
    let defaults = RowDefaults { kind: "friend".to_owned(), id_prefix: String::new(), time_unit: None, replace: false };
    let (header, skip_rows) = (HeaderRow::Auto, 0);
    let layout = Layout { format, columns: None, header, delimiter: None, comments: None, skip_rows, defaults };
    let mut rows = Rows::begin(layout, Named::Other, &mut lines)?;
    let mut records = 0;
    while let Some(row) = rows.next(&mut lines)? {
        records += usize::from(matches!(row, Row::Record(..)));
    }
    Ok(records)
}

#[test]
fn no_file_breaks_an_import() {
    let lines = STORY.lines().map(|line| line.as_bytes().to_vec());
    fuzz("ndjson", lines.clone(), |bytes| read_all(Some(Format::Ndjson), bytes));
    let array = format!("[{}]", STORY.lines().collect::<Vec<_>>().join(","));
    fuzz("json", [array.into_bytes()], |bytes| read_all(Some(Format::Json), bytes));
    fuzz("csv", [CSV.as_bytes().to_vec()], |bytes| read_all(Some(Format::Csv), bytes));
    fuzz("edge lists", [EDGES.as_bytes().to_vec()], |bytes| read_all(Some(Format::Edges), bytes));
    let any = lines.chain([CSV.as_bytes().to_vec(), EDGES.as_bytes().to_vec()]);
    fuzz("any format", any, |bytes| read_all(None, bytes));
}
