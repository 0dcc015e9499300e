//! One row of a file: its record, its refusal, or why it is skipped.

use std::sync::Arc;

use prost_types::FieldMask;

use super::read::Lines;
use super::report::Refusal;
use super::skip::Skip;
use crate::proto::v1::ImportRecord;
use crate::proto::v1::import_record::Record;

/// A resource, and the fields that the row names; no mask if the row replaces what is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedRecord {
    pub record: Record,
    pub mask: Option<Arc<FieldMask>>,
}

#[derive(Debug)]
pub enum Row {
    Record(Box<ImportRecord>, Option<Arc<FieldMask>>),
    Refused(Refusal),
    /// The reason, the line and the text of a skipped row.
    Skipped(Skip, u64, String),
}

pub fn skipped(skip: Skip, lines: &Lines) -> Row {
    Row::Skipped(skip, lines.line(), String::from_utf8_lossy(lines.bytes()).into_owned())
}
