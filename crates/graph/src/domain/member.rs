use std::collections::BTreeMap;

use super::limits::{
    DISPLAY_NAME_CHARS_MAX, HEADLINE_CHARS_MAX, LABEL_KEY_BYTES_MAX, LABEL_VALUE_BYTES_MAX, LABELS_MAX,
};
use super::{MemberId, Privacy, Reason, TopicSet, Violation};

/// A person or organisation, as its owner describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: MemberId,
    pub display_name: String,
    pub headline: String,
    /// Interests.
    pub topics: TopicSet,
    pub labels: BTreeMap<String, String>,
    pub privacy: Privacy,
}

impl Member {
    /// A member of whom only the id is known.
    pub fn bare(id: MemberId) -> Member {
        Member {
            id,
            display_name: String::new(),
            headline: String::new(),
            topics: TopicSet::default(),
            labels: BTreeMap::new(),
            privacy: Privacy::default(),
        }
    }

    /// Every rule the member breaks; none means it may be stored.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        found.extend(text_violation("display_name", &self.display_name, DISPLAY_NAME_CHARS_MAX));
        found.extend(text_violation("headline", &self.headline, HEADLINE_CHARS_MAX));
        if self.labels.len() > LABELS_MAX {
            let message = format!("must hold at most {LABELS_MAX} labels");
            found.push(Violation::new("labels", Reason::TooMany, message));
        }
        for (key, value) in &self.labels {
            found.extend(label_violation(key, value));
        }
        found
    }
}

fn label_violation(key: &str, value: &str) -> Option<Violation> {
    let field = || format!("labels[{key:?}]");
    if key.is_empty() {
        return Some(Violation::new("labels", Reason::Required, "a label must have a key"));
    }
    if key.len() > LABEL_KEY_BYTES_MAX {
        let message = format!("a label's key must be at most {LABEL_KEY_BYTES_MAX} bytes");
        return Some(Violation::new("labels", Reason::TooLong, message));
    }
    if key.chars().any(char::is_control) {
        return Some(Violation::new("labels", Reason::Malformed, "a label's key must not hold control characters"));
    }
    if value.len() > LABEL_VALUE_BYTES_MAX {
        let message = format!("a label's value must be at most {LABEL_VALUE_BYTES_MAX} bytes");
        return Some(Violation::new(field(), Reason::TooLong, message));
    }
    None
}

/// A text over its bound, or with a NUL in it, breaks a rule.
pub(super) fn text_violation(field: &str, text: &str, chars_max: usize) -> Option<Violation> {
    if text.chars().count() > chars_max {
        let message = format!("must be at most {chars_max} characters");
        return Some(Violation::new(field, Reason::TooLong, message));
    }
    if text.contains('\0') {
        return Some(Violation::new(field, Reason::Malformed, "must not contain NUL"));
    }
    None
}
