//! Makes records of a row's cells, and finds which fields the row names.

use std::sync::Arc;

use prost_types::{FieldMask, Timestamp};

use super::columns::{Column, Columns, Sort};
use super::layout::RowDefaults;
use super::quotes::shortened;
use super::row::NamedRecord;
use super::times::{self, time};
use crate::proto::v1::import_record::Record;
use crate::proto::v1::{Audience, Edge, EdgeFilter, ErrorReason, Member, Privacy, Status, Visibility};

/// The reason, field and message of a cell that is not what its column asks for.
pub type Failure = (ErrorReason, String, String);

pub struct RowReader {
    columns: Columns,
    defaults: RowDefaults,
    /// The mask of rows that leave no column out, which these rows share.
    mask: Arc<FieldMask>,
}

impl RowReader {
    pub fn new(columns: Columns, defaults: RowDefaults) -> RowReader {
        let paths = columns.iter().filter_map(path).collect();
        RowReader { columns, defaults, mask: Arc::new(FieldMask { paths }) }
    }

    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Returns the record of a row that has a cell for every column.
    pub fn record(&self, cells: &[&str]) -> Result<NamedRecord, Failure> {
        let cells = self.columns.iter().zip(cells.iter().copied());
        let record = match self.columns.sort() {
            Sort::Edge => Record::Edge(self.edge(cells.clone())?),
            Sort::Member => Record::Member(self.member(cells.clone())?),
            Sort::Status => Record::Status(self.status(cells.clone())?),
        };
        let mask = (!self.defaults.replace).then(|| self.mask(cells));
        Ok(NamedRecord { record, mask })
    }

    /// Returns the mask of a row. An empty cell clears what its column names, except a setting of privacy: a row opens something to
    /// everyone only if it says so.
    fn mask<'a>(&self, cells: impl Iterator<Item = (&'a Column, &'a str)>) -> Arc<FieldMask> {
        let left_out: Vec<String> = cells
            .filter(|(column, text)| text.is_empty() && is_of_privacy(column))
            .filter_map(|(column, _)| path(column))
            .collect();
        if left_out.is_empty() {
            return self.mask.clone();
        }
        let paths = self.mask.paths.iter().filter(|path| !left_out.contains(path)).cloned().collect();
        Arc::new(FieldMask { paths })
    }

    fn edge<'a>(&self, cells: impl Iterator<Item = (&'a Column, &'a str)>) -> Result<Edge, Failure> {
        let mut edge = Edge::default();
        let (mut counted, mut timed) = (false, false);
        for (column, text) in cells.filter(|(_, text)| !text.is_empty()) {
            match column {
                Column::From => edge.from_id = self.member_id(text),
                Column::To => edge.to_id = self.member_id(text),
                Column::Kind => edge.kind = text.to_owned(),
                Column::Strength => edge.pinned_strength = Some(number(text, "edge.pinned_strength")?),
                Column::Interactions => {
                    (edge.interactions, counted) = (whole_number(text, "edge.interactions")?, true);
                }
                Column::Time => {
                    edge.last_interaction_time = Some(self.time(text, "edge.last_interaction_time")?);
                    timed = true;
                }
                Column::Since => edge.since = Some(self.time(text, "edge.since")?),
                Column::Visibility => edge.visibility = visibility(text, "edge.visibility")?,
                Column::Note => edge.note = text.to_owned(),
                Column::OriginStatus => edge.origin.get_or_insert_default().status_id = text.to_owned(),
                Column::Introducers => {
                    let ids = list(text).iter().map(|id| self.member_id(id)).collect();
                    edge.origin.get_or_insert_default().introducer_ids = ids;
                }
                Column::OriginNote => edge.origin.get_or_insert_default().note = text.to_owned(),
                _ => {}
            }
        }
        if edge.kind.is_empty() {
            edge.kind.clone_from(&self.defaults.kind);
        }
        // A time alone is the time of one interaction.
        if timed && !counted {
            edge.interactions = 1;
        }
        required(&edge.from_id, "edge.from_id")?;
        required(&edge.to_id, "edge.to_id")?;
        Ok(edge)
    }

    fn member<'a>(&self, cells: impl Iterator<Item = (&'a Column, &'a str)>) -> Result<Member, Failure> {
        let mut member = Member::default();
        let mut privacy = Privacy::default();
        for (column, text) in cells.filter(|(_, text)| !text.is_empty()) {
            match column {
                Column::Id => member.id = self.member_id(text),
                Column::DisplayName => member.display_name = text.to_owned(),
                Column::Headline => member.headline = text.to_owned(),
                Column::Topics => member.topics = list(text),
                Column::Label(key) => drop(member.labels.insert(key.clone(), text.to_owned())),
                Column::EdgesVisibility => {
                    privacy.edges_visibility = visibility(text, "member.privacy.edges_visibility")?;
                }
                Column::HiddenFromSuggestions => {
                    privacy.hidden_from_suggestions = flag(text, "member.privacy.hidden_from_suggestions")?;
                }
                Column::DeclinesIntroducing => {
                    privacy.declines_introducing = flag(text, "member.privacy.declines_introducing")?;
                }
                Column::ProcessingRestricted => {
                    privacy.processing_restricted = flag(text, "member.privacy.processing_restricted")?;
                }
                Column::ObjectsToProfiling => {
                    privacy.objects_to_profiling = flag(text, "member.privacy.objects_to_profiling")?;
                }
                _ => {}
            }
        }
        member.privacy = (privacy != Privacy::default()).then_some(privacy);
        required(&member.id, "member.id")?;
        Ok(member)
    }

    fn status<'a>(&self, cells: impl Iterator<Item = (&'a Column, &'a str)>) -> Result<Status, Failure> {
        let mut status = Status::default();
        let (mut max_hops, mut kinds) = (0, Vec::new());
        for (column, text) in cells.filter(|(_, text)| !text.is_empty()) {
            match column {
                Column::Id => status.id = text.to_owned(),
                Column::Author => status.author_id = self.member_id(text),
                Column::Text => status.text = text.to_owned(),
                Column::Link => status.link = text.to_owned(),
                Column::Topics => status.topics = list(text),
                Column::PostTime => status.post_time = Some(self.time(text, "status.post_time")?),
                Column::ExpireTime => status.expire_time = Some(self.time(text, "status.expire_time")?),
                Column::MaxHops => {
                    let field = "status.audience.max_hops";
                    max_hops = i32::try_from(whole_number(text, field)?).map_err(|_| no_number(text, field))?;
                }
                Column::AudienceKinds => kinds = list(text),
                _ => {}
            }
        }
        if max_hops != 0 || !kinds.is_empty() {
            let filter = (!kinds.is_empty()).then(|| EdgeFilter { kinds, ..EdgeFilter::default() });
            status.audience = Some(Audience { filter, max_hops });
        }
        required(&status.id, "status.id")?;
        required(&status.author_id, "status.author_id")?;
        Ok(status)
    }

    fn member_id(&self, text: &str) -> String {
        [self.defaults.id_prefix.as_str(), text].concat()
    }

    fn time(&self, text: &str, field: &str) -> Result<Timestamp, Failure> {
        let no_time = || format!("`{}` is no time; one is {}", shortened(text), times::ACCEPTED);
        time(text, self.defaults.time_unit).ok_or_else(|| (ErrorReason::Malformed, field.to_owned(), no_time()))
    }
}

/// Returns the path of what a column changes; none for a column of a key.
fn path(column: &Column) -> Option<String> {
    let path = match column {
        Column::From | Column::To | Column::Kind | Column::Id | Column::Author | Column::Ignored => return None,
        Column::Strength => "pinned_strength",
        Column::Interactions => "interactions",
        Column::Time => "last_interaction_time",
        Column::Since => "since",
        Column::Visibility => "visibility",
        Column::Note => "note",
        Column::OriginStatus | Column::Introducers | Column::OriginNote => "origin",
        Column::DisplayName => "display_name",
        Column::Headline => "headline",
        Column::Topics => "topics",
        Column::Label(key) => return Some(format!("labels.`{key}`")),
        Column::EdgesVisibility => "privacy.edges_visibility",
        Column::HiddenFromSuggestions => "privacy.hidden_from_suggestions",
        Column::DeclinesIntroducing => "privacy.declines_introducing",
        Column::ProcessingRestricted => "privacy.processing_restricted",
        Column::ObjectsToProfiling => "privacy.objects_to_profiling",
        Column::Text => "text",
        Column::Link => "link",
        Column::PostTime => "post_time",
        Column::ExpireTime => "expire_time",
        Column::MaxHops | Column::AudienceKinds => "audience",
    };
    Some(path.to_owned())
}

fn is_of_privacy(column: &Column) -> bool {
    use Column::{DeclinesIntroducing, EdgesVisibility, HiddenFromSuggestions, Visibility};
    use Column::{ObjectsToProfiling, ProcessingRestricted};
    let is_duty = matches!(column, ProcessingRestricted | ObjectsToProfiling);
    is_duty || matches!(column, Visibility | EdgesVisibility | HiddenFromSuggestions | DeclinesIntroducing)
}

fn list(text: &str) -> Vec<String> {
    text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn required(id: &str, field: &str) -> Result<(), Failure> {
    if id.is_empty() {
        return Err((ErrorReason::Required, field.to_owned(), "must be given".to_owned()));
    }
    Ok(())
}

fn no_number(text: &str, field: &str) -> Failure {
    (ErrorReason::Malformed, field.to_owned(), format!("`{}` is no such number", shortened(text)))
}

fn number(text: &str, field: &str) -> Result<f32, Failure> {
    text.parse().ok().filter(|number: &f32| number.is_finite()).ok_or_else(|| no_number(text, field))
}

/// Reads a whole number, which data frames write with a fraction of zero where others of its column are missing.
fn whole_number(text: &str, field: &str) -> Result<i64, Failure> {
    const EXACT_MAX: f64 = (1_u64 << 53) as f64;
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let number: f64 = text.parse().map_err(|_| no_number(text, field))?;
    if number.fract() != 0.0 || number.abs() > EXACT_MAX {
        return Err(no_number(text, field));
    }
    Ok(number as i64)
}

fn flag(text: &str, field: &str) -> Result<bool, Failure> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" | "1.0" => Ok(true),
        "false" | "f" | "no" | "n" | "0" | "0.0" => Ok(false),
        _ => {
            let message = format!("`{}` is neither true nor false", shortened(text));
            Err((ErrorReason::Malformed, field.to_owned(), message))
        }
    }
}

fn visibility(text: &str, field: &str) -> Result<i32, Failure> {
    let plain = text.to_ascii_uppercase();
    let visibility = match plain.strip_prefix("VISIBILITY_").unwrap_or(&plain) {
        "EVERYONE" => Visibility::Everyone,
        "CONNECTIONS" => Visibility::Connections,
        "PARTIES" => Visibility::Parties,
        _ => {
            let message = format!("`{}` is none of everyone, connections and parties", shortened(text));
            return Err((ErrorReason::Malformed, field.to_owned(), message));
        }
    };
    Ok(visibility.into())
}
