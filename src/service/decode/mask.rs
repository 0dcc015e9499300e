//! Which fields of a resource a write gives: the paths of its mask.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::limits::UPDATED_FIELDS_MAX;
use crate::domain::{EdgeAttrs, Fields, KindAttrs, MemberAttrs, Reason, StatusAttrs, Violation};

/// The paths that name fields of a resource.
pub struct Paths {
    /// Paths that differ from the name of their field, or name several or none.
    renamed: &'static [(&'static str, Fields)],
    names: &'static [(&'static str, Fields)],
    /// Its labels, each of which has a path of its own.
    labels: Fields,
}

pub const MEMBER: Paths = Paths {
    renamed: &[
        ("privacy", MemberAttrs::PRIVACY),
        ("privacy.edges_visibility", MemberAttrs::EDGES_VISIBILITY),
        ("privacy.hidden_from_suggestions", MemberAttrs::HIDDEN_FROM_SUGGESTIONS),
        ("privacy.declines_introducing", MemberAttrs::DECLINES_INTRODUCING),
        ("privacy.processing_restricted", MemberAttrs::PROCESSING_RESTRICTED),
        ("privacy.objects_to_profiling", MemberAttrs::OBJECTS_TO_PROFILING),
    ],
    names: MemberAttrs::NAMES,
    labels: MemberAttrs::LABELS,
};

pub const EDGE: Paths = Paths {
    renamed: &[
        ("pinned_strength", EdgeAttrs::PINNED),
        ("interactions", EdgeAttrs::HISTORY),
        ("last_interaction_time", EdgeAttrs::HISTORY),
        ("interaction_weight", EdgeAttrs::HISTORY),
        ("asked_by_id", EdgeAttrs::ASKED_BY),
    ],
    names: EdgeAttrs::NAMES,
    labels: Fields::NONE,
};

pub const KIND: Paths =
    Paths { renamed: &[("half_life", KindAttrs::HALF_LIFE)], names: KindAttrs::NAMES, labels: Fields::NONE };

pub const STATUS: Paths = Paths {
    // A status's author is part of every record of it.
    renamed: &[("author_id", Fields::NONE)],
    names: StatusAttrs::NAMES,
    labels: Fields::NONE,
};

impl Paths {
    fn all(&self) -> impl Iterator<Item = (&'static str, Fields)> {
        let renamed = self.renamed;
        let is_renamed = move |field: Fields| renamed.iter().any(|(_, fields)| fields.has(field));
        let names = self.names.iter().filter(move |(_, field)| !is_renamed(*field));
        renamed.iter().chain(names).copied()
    }

    fn unknown(&self) -> Violation {
        let mut known: Vec<&str> = self.all().map(|(path, _)| path).collect();
        if !self.labels.is_empty() {
            known.push("labels.KEY");
        }
        let message = format!("must name {}, or be *", known.join(", "));
        Violation::new("update_mask", Reason::UnknownField, message)
    }
}

/// What a mask names of a resource. What it does not name is not looked at.
#[derive(Debug, Clone)]
pub struct Mask {
    pub fields: Fields,
    /// Single labels, where not all are named.
    label_keys: BTreeSet<String>,
}

impl Mask {
    /// The mask of a write that has none: it names everything.
    pub const ALL: Mask = Mask { fields: Fields(u32::MAX), label_keys: BTreeSet::new() };

    pub fn of(paths: &[String], known: &Paths) -> Result<Mask, Violation> {
        if paths.len() > UPDATED_FIELDS_MAX {
            return Err(Violation::too_many("update_mask", UPDATED_FIELDS_MAX, "paths"));
        }
        let mut mask = Mask { fields: Fields::NONE, label_keys: BTreeSet::new() };
        for path in paths {
            if path == "*" {
                mask.fields = Mask::ALL.fields;
            } else if let Some((_, fields)) = known.all().find(|(known, _)| known == path) {
                mask.fields = mask.fields.and(fields);
            } else {
                let key = path.strip_prefix("labels.").filter(|_| !known.labels.is_empty());
                let key = key.ok_or_else(|| known.unknown())?;
                let quoted = key.strip_prefix('`').and_then(|key| key.strip_suffix('`'));
                mask.label_keys.insert(quoted.unwrap_or(key).to_owned());
            }
        }
        if mask.fields.has(known.labels) {
            mask.label_keys.clear();
        }
        if mask.label_keys.contains("") { Err(known.unknown()) } else { Ok(mask) }
    }

    pub fn names(&self, field: Fields) -> bool {
        self.fields.has(field)
    }

    /// Returns the value of a field if it is named.
    pub fn only<T: Default>(&self, field: Fields, value: T) -> T {
        if self.names(field) { value } else { T::default() }
    }

    /// Returns the labels that are named.
    pub fn labels(&self, field: Fields, mut labels: BTreeMap<String, String>) -> BTreeMap<String, String> {
        if !self.names(field) {
            labels.retain(|key, _| self.label_keys.contains(key));
        }
        labels
    }

    /// Takes out of the labels those that are named one by one, each with its new value, or none where it is to go.
    pub fn label_changes(self, labels: &mut BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
        self.label_keys.into_iter().map(|key| (key.clone(), labels.remove(&key))).collect()
    }
}
