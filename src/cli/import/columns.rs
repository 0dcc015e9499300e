//! What the columns of a table mean.

use std::fmt;
use std::str::FromStr;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    From,
    To,
    Kind,
    Strength,
    Interactions,
    Time,
    Since,
    Note,
    Id,
    DisplayName,
    Headline,
    Topics,
    Label(String),
    Ignored,
}

impl Column {
    fn is_of_members(&self) -> bool {
        use Column::*;
        matches!(self, Id | DisplayName | Headline | Topics | Label(_))
    }
}

impl FromStr for Column {
    type Err = String;

    fn from_str(name: &str) -> Result<Column, String> {
        Ok(match name {
            "from" | "from_id" => Column::From,
            "to" | "to_id" => Column::To,
            "kind" => Column::Kind,
            "strength" | "pinned_strength" => Column::Strength,
            "interactions" => Column::Interactions,
            "time" | "last_interaction_time" => Column::Time,
            "since" => Column::Since,
            "note" => Column::Note,
            "id" => Column::Id,
            "display_name" => Column::DisplayName,
            "headline" => Column::Headline,
            "topics" => Column::Topics,
            "-" => Column::Ignored,
            _ => match name.strip_prefix("label:") {
                Some(key) if !key.is_empty() => Column::Label(key.to_owned()),
                _ => return Err(format!("unknown column `{name}`; {KNOWN}")),
            },
        })
    }
}

const KNOWN: &str = "edges have from, to, kind, strength, interactions, time, since, note; \
                     members have id, display_name, headline, topics, label:KEY; - ignores a column";

/// The columns of a table of edges (`from` and `to`) or of members (`id`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns(Vec<Column>);

impl Columns {
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Columns, String> {
        let columns = names.into_iter().map(|name| name.trim().parse()).collect::<Result<Vec<Column>, _>>()?;
        for (i, column) in columns.iter().enumerate() {
            if *column != Column::Ignored && columns[..i].contains(column) {
                return Err(format!("column {} is given twice", i + 1));
            }
        }
        let of_members = columns.contains(&Column::Id);
        let of_edges = columns.contains(&Column::From) && columns.contains(&Column::To);
        if !of_members && !of_edges {
            return Err("edges need the columns from and to; members need id".to_owned());
        }
        if columns.iter().any(|column| *column != Column::Ignored && column.is_of_members() != of_members) {
            return Err(format!("columns of edges and of members are mixed; {KNOWN}"));
        }
        Ok(Columns(columns))
    }

    pub fn of_members(&self) -> bool {
        self.0.contains(&Column::Id)
    }

    pub fn has(&self, column: &Column) -> bool {
        self.0.contains(column)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Column> {
        self.0.iter()
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl Default for Columns {
    fn default() -> Columns {
        Columns(vec![Column::From, Column::To])
    }
}

impl FromStr for Columns {
    type Err = String;

    fn from_str(list: &str) -> Result<Columns, String> {
        Columns::of_names(list.split(','))
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Column::From => "from",
            Column::To => "to",
            Column::Kind => "kind",
            Column::Strength => "strength",
            Column::Interactions => "interactions",
            Column::Time => "time",
            Column::Since => "since",
            Column::Note => "note",
            Column::Id => "id",
            Column::DisplayName => "display_name",
            Column::Headline => "headline",
            Column::Topics => "topics",
            Column::Label(key) => return write!(f, "label:{key}"),
            Column::Ignored => "-",
        })
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, column) in self.0.iter().enumerate() {
            write!(f, "{}{column}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_edges_or_members() {
        let edges: Columns = "from, kind,to_id,-,-,time".parse().unwrap();
        assert_eq!(edges.to_string(), "from,kind,to,-,-,time");
        assert!(!edges.of_members());
        assert!("id,display_name,label:city,-".parse::<Columns>().unwrap().of_members());
    }

    #[test]
    fn a_list_that_makes_no_sense_is_refused() {
        for list in ["", "from", "from,too", "from,to,to", "from,to,id", "id,note", "label:", "headline", "id,label:"] {
            assert!(list.parse::<Columns>().is_err(), "{list}");
        }
    }
}
