//! The columns of a table, and their names.

use std::fmt;
use std::str::FromStr;

/// The resource that a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Edge,
    Member,
    Status,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    From,
    To,
    Kind,
    Strength,
    Interactions,
    Time,
    Since,
    Visibility,
    Note,
    OriginStatus,
    Introducers,
    OriginNote,
    Id,
    DisplayName,
    Headline,
    Topics,
    Label(String),
    EdgesVisibility,
    HiddenFromSuggestions,
    DeclinesIntroducing,
    ProcessingRestricted,
    ObjectsToProfiling,
    Author,
    Text,
    Link,
    PostTime,
    ExpireTime,
    MaxHops,
    AudienceKinds,
    Ignored,
}

/// Each column's names; the first is the one that is shown.
const NAMES: [(Column, &[&str]); 28] = [
    (Column::From, &["from", "from_id"]),
    (Column::To, &["to", "to_id"]),
    (Column::Kind, &["kind"]),
    (Column::Strength, &["strength", "pinned_strength"]),
    (Column::Interactions, &["interactions"]),
    (Column::Time, &["time", "last_interaction_time"]),
    (Column::Since, &["since"]),
    (Column::Visibility, &["visibility"]),
    (Column::Note, &["note"]),
    (Column::OriginStatus, &["origin_status", "origin_status_id", "origin.status_id"]),
    (Column::Introducers, &["introducers", "introducer_ids", "origin.introducer_ids"]),
    (Column::OriginNote, &["origin_note", "origin.note"]),
    (Column::Id, &["id"]),
    (Column::DisplayName, &["display_name"]),
    (Column::Headline, &["headline"]),
    (Column::Topics, &["topics"]),
    (Column::EdgesVisibility, &["edges_visibility", "privacy.edges_visibility"]),
    (Column::HiddenFromSuggestions, &["hidden_from_suggestions", "privacy.hidden_from_suggestions"]),
    (Column::DeclinesIntroducing, &["declines_introducing", "privacy.declines_introducing"]),
    (Column::ProcessingRestricted, &["processing_restricted", "privacy.processing_restricted"]),
    (Column::ObjectsToProfiling, &["objects_to_profiling", "privacy.objects_to_profiling"]),
    (Column::Author, &["author", "author_id"]),
    (Column::Text, &["text"]),
    (Column::Link, &["link"]),
    (Column::PostTime, &["post_time"]),
    (Column::ExpireTime, &["expire_time"]),
    (Column::MaxHops, &["max_hops"]),
    (Column::AudienceKinds, &["audience_kinds"]),
];

const KNOWN: &str = "edges have from, to, kind, strength, interactions, time, since, visibility, note, \
                     origin_status, introducers, origin_note; \
                     members have id, display_name, headline, topics, label:KEY, edges_visibility, hidden_from_suggestions, \
                     declines_introducing, processing_restricted, objects_to_profiling; statuses have id, author, text, link, topics, post_time, expire_time, max_hops, \
                     audience_kinds; - ignores a column";

impl Column {
    fn is_of(&self, sort: Sort) -> bool {
        use Column::*;
        match self {
            From | To | Kind | Strength | Interactions | Time | Since | Visibility | Note | OriginStatus
            | Introducers | OriginNote => sort == Sort::Edge,
            DisplayName
            | Headline
            | Label(_)
            | EdgesVisibility
            | HiddenFromSuggestions
            | DeclinesIntroducing
            | ProcessingRestricted
            | ObjectsToProfiling => sort == Sort::Member,
            Author | Text | Link | PostTime | ExpireTime | MaxHops | AudienceKinds => sort == Sort::Status,
            Id | Topics => sort != Sort::Edge,
            Ignored => true,
        }
    }
}

impl FromStr for Column {
    type Err = String;

    /// Parses a column's name, in large or small letters, and with spaces, hyphens or underscores; a label's key is taken as it is.
    fn from_str(name: &str) -> Result<Column, String> {
        let name = name.trim();
        if name == "-" {
            return Ok(Column::Ignored);
        }
        let plain = name.to_lowercase().replace([' ', '-'], "_");
        let known = NAMES.iter().find(|(_, names)| names.contains(&plain.as_str()));
        if let Some((column, _)) = known {
            return Ok(column.clone());
        }
        let label = name.get(..6).filter(|prefix| prefix.eq_ignore_ascii_case("label:") || *prefix == "labels");
        let key = label.and(name.split_once([':', '.'])).map(|(_, key)| key.trim()).filter(|key| !key.is_empty());
        match key {
            Some(key) => Ok(Column::Label(key.to_owned())),
            None if name.is_empty() => Err("a column has no name".to_owned()),
            None => Err(format!("unknown column `{name}`; {KNOWN}")),
        }
    }
}

/// The columns of a table of edges (`from` and `to`), of statuses (`author`) or of members (`id`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    columns: Vec<Column>,
    sort: Sort,
}

impl Columns {
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Columns, String> {
        Columns::new(names.into_iter().map(Column::from_str).collect::<Result<_, _>>()?)
    }

    pub fn new(columns: Vec<Column>) -> Result<Columns, String> {
        for (i, column) in columns.iter().enumerate() {
            if *column != Column::Ignored && columns[..i].contains(column) {
                return Err(format!("column {column} is given twice"));
            }
        }
        let has = |column| columns.contains(column);
        let sort = if has(&Column::From) && has(&Column::To) {
            Sort::Edge
        } else if has(&Column::Author) && has(&Column::Id) {
            Sort::Status
        } else if has(&Column::Id) {
            Sort::Member
        } else {
            return Err("edges need the columns from and to; members need id, statuses id and author".to_owned());
        };
        if let Some(column) = columns.iter().find(|column| !column.is_of(sort)) {
            return Err(format!("column {column} is of another sort of row than the others; {KNOWN}"));
        }
        Ok(Columns { columns, sort })
    }

    pub fn sort(&self) -> Sort {
        self.sort
    }

    pub fn iter(&self) -> impl Iterator<Item = &Column> + Clone {
        self.columns.iter()
    }

    pub fn count(&self) -> usize {
        self.columns.len()
    }
}

impl Default for Columns {
    fn default() -> Columns {
        Columns { columns: vec![Column::From, Column::To], sort: Sort::Edge }
    }
}

/// The columns that `--columns` gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedColumns {
    /// All columns, in their order.
    InOrder(Columns),
    /// The meanings of names of a header row: `NAME=COLUMN`, or a column's own name.
    ByName(Vec<(String, Column)>),
}

impl FromStr for AskedColumns {
    type Err = String;

    fn from_str(list: &str) -> Result<AskedColumns, String> {
        if !list.contains('=') {
            return Columns::of_names(list.split(',')).map(AskedColumns::InOrder);
        }
        let pair = |part: &str| {
            let (name, column) = part.split_once('=').unwrap_or((part, part));
            Ok((name.trim().to_owned(), column.parse()?))
        };
        let pairs = list.split(',').map(pair).collect::<Result<Vec<(String, Column)>, String>>()?;
        // The columns that the header row adds are known only with it; those given here must make sense by themselves.
        for (i, (name, column)) in pairs.iter().enumerate() {
            if pairs[..i].iter().any(|(other, meant)| other == name || (meant == column && *meant != Column::Ignored)) {
                return Err(format!("`{name}={column}` is said twice"));
            }
        }
        Ok(AskedColumns::ByName(pairs))
    }
}

/// Returns the columns of a header row under names that were given a meaning, and the names that have none.
pub fn by_name(pairs: &[(String, Column)], header: &[String]) -> Result<(Columns, Vec<String>), String> {
    let mut ignored = Vec::new();
    let same = |one: &str, other: &str| one.trim().eq_ignore_ascii_case(other.trim());
    if let Some((missing, _)) = pairs.iter().find(|(name, _)| !header.iter().any(|cell| same(cell, name))) {
        return Err(format!("the header row has no column `{missing}`; it has {}", header.join(", ")));
    }
    let mut columns = Vec::new();
    for name in header {
        let column = match pairs.iter().find(|(given, _)| same(given, name)) {
            Some((_, column)) => column.clone(),
            // A column that another name was given to loses its own.
            None => name.parse().ok().filter(|column| !pairs.iter().any(|(_, given)| given == column)).unwrap_or_else(
                || {
                    ignored.push(name.clone());
                    Column::Ignored
                },
            ),
        };
        columns.push(column);
    }
    Ok((Columns::new(columns)?, ignored))
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Column::Label(key) => write!(f, "label:{key}"),
            Column::Ignored => f.write_str("-"),
            column => {
                let known = NAMES.iter().find(|(known, _)| known == column);
                f.write_str(known.and_then(|(_, names)| names.first()).unwrap_or(&"-"))
            }
        }
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, column) in self.iter().enumerate() {
            write!(f, "{}{column}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_order(list: &str) -> Result<Columns, String> {
        match list.parse()? {
            AskedColumns::InOrder(columns) => Ok(columns),
            AskedColumns::ByName(_) => Err("by name".to_owned()),
        }
    }

    #[test]
    fn a_list_names_edges_members_or_statuses() {
        let edges = in_order("from, kind,to_id,-,-,time").unwrap();
        assert_eq!(edges.to_string(), "from,kind,to,-,-,time");
        assert_eq!(edges.sort(), Sort::Edge);
        assert_eq!(in_order("id,display_name,label:city,labels.team,-").unwrap().sort(), Sort::Member);
        assert_eq!(
            in_order("ID,Author ID,Text,topics,Post-Time").unwrap().to_string(),
            "id,author,text,topics,post_time"
        );
        assert_eq!(in_order("id,LABEL:City").unwrap().to_string(), "id,label:City");
    }

    #[test]
    fn a_list_that_makes_no_sense_is_refused() {
        for list in [
            "",
            "from",
            "from,too",
            "from,to,to",
            "from,to,id",
            "id,note",
            "label:",
            "headline",
            "id,label:",
            "id,text",
            "author,text",
            "source=from,source=to",
            "source=from,target=from",
            "a=b",
            "from=",
        ] {
            assert!(list.parse::<AskedColumns>().is_err(), "{list}");
        }
    }

    #[test]
    fn names_of_a_header_are_given_a_meaning() {
        let AskedColumns::ByName(pairs) = "source=from,Target=to,weight=strength".parse().unwrap() else { panic!() };
        let header = ["kind", "Source", "TARGET", "weight", "extra", "strength"].map(str::to_owned);
        let (columns, ignored) = by_name(&pairs, &header).unwrap();
        assert_eq!(columns.to_string(), "kind,from,to,strength,-,-");
        assert_eq!(ignored, ["extra", "strength"]);
        let error = by_name(&pairs, &["source".to_owned(), "weight".to_owned()]).unwrap_err();
        assert!(error.contains("no column `Target`"), "{error}");
    }
}
