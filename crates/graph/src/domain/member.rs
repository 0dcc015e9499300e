use std::collections::BTreeMap;

use super::codec::{Fields, record, sequence};
use super::limits::{
    DISPLAY_NAME_CHARS_MAX, HEADLINE_CHARS_MAX, LABEL_KEY_BYTES_MAX, LABEL_VALUE_BYTES_MAX, LABELS_MAX,
};
use super::{MemberId, Privacy, Reason, TopicSet, Violation, Visibility};

/// A person or organisation, as its owner describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub id: MemberId,
    pub attrs: MemberAttrs,
}

sequence!(Member { id, attrs } || "a member is out of bounds");

record! {
    /// A member's profile, and what it shows of itself.
    pub struct MemberAttrs {
        0 DISPLAY_NAME display_name: String,
        1 HEADLINE headline: String,
        /// Interests.
        2 TOPICS topics: TopicSet,
        3 LABELS labels: BTreeMap<String, String>,
        /// To whom all its edges are shown; an edge's own visibility and the other end's count as well, and the strictest decides.
        4 EDGES_VISIBILITY edges_visibility: Visibility,
        /// It is suggested to nobody.
        5 HIDDEN_FROM_SUGGESTIONS hidden_from_suggestions: bool,
        /// It introduces nobody.
        6 DECLINES_INTRODUCING declines_introducing: bool,
        /// It is kept, and left out of every answer (GDPR, Article 18).
        7 PROCESSING_RESTRICTED processing_restricted: bool,
        /// It is neither suggested nor an introducer nor a leader (GDPR, Article 21).
        8 OBJECTS_TO_PROFILING objects_to_profiling: bool,
    }
}

impl MemberAttrs {
    /// The fields that make up a privacy.
    pub const PRIVACY: Fields = MemberAttrs::EDGES_SHOWN
        .and(MemberAttrs::HIDDEN_FROM_SUGGESTIONS)
        .and(MemberAttrs::DECLINES_INTRODUCING)
        .and(MemberAttrs::OBJECTS_TO_PROFILING);
    /// The fields that say to whom a member's edges are shown.
    pub const EDGES_SHOWN: Fields = MemberAttrs::EDGES_VISIBILITY.and(MemberAttrs::PROCESSING_RESTRICTED);

    /// What of the attributes traversals ask for.
    pub fn privacy(&self) -> Privacy {
        Privacy {
            edges_visibility: self.edges_visibility,
            hidden_from_suggestions: self.hidden_from_suggestions,
            declines_introducing: self.declines_introducing,
            processing_restricted: self.processing_restricted,
            objects_to_profiling: self.objects_to_profiling,
        }
    }

    pub fn set_privacy(&mut self, privacy: Privacy) {
        let Privacy {
            edges_visibility,
            hidden_from_suggestions,
            declines_introducing,
            processing_restricted,
            objects_to_profiling,
        } = privacy;
        self.edges_visibility = edges_visibility;
        self.hidden_from_suggestions = hidden_from_suggestions;
        self.declines_introducing = declines_introducing;
        self.processing_restricted = processing_restricted;
        self.objects_to_profiling = objects_to_profiling;
    }

    /// Every rule the attributes break; none means that they may be stored.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        found.extend(text_violation("display_name", &self.display_name, DISPLAY_NAME_CHARS_MAX));
        found.extend(text_violation("headline", &self.headline, HEADLINE_CHARS_MAX));
        found.extend(labels_violations(&self.labels, LABELS_MAX));
        found
    }
}

impl Member {
    /// A member of whom only the id is known.
    pub fn bare(id: MemberId) -> Member {
        Member { id, attrs: MemberAttrs::default() }
    }

    pub fn violations(&self) -> Vec<Violation> {
        self.attrs.violations()
    }
}

/// The fields of a member to replace; the others stay.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemberPatch {
    /// Which of `attrs` replace what there is.
    pub set: Fields,
    pub attrs: MemberAttrs,
    /// Single labels to set, or to remove; each is applied after `attrs`.
    pub label_changes: BTreeMap<String, Option<String>>,
}

sequence!(MemberPatch { set, attrs, label_changes } || "a member's patch is out of bounds");

impl MemberPatch {
    /// The member that the patch leaves behind. Its labels may be too many: only that can be wrong with it.
    pub fn member(&self, before: &Member) -> Member {
        let mut after = before.clone();
        after.attrs.copy_fields(self.set, &self.attrs);
        for (key, value) in &self.label_changes {
            match value {
                Some(value) => drop(after.attrs.labels.insert(key.clone(), value.clone())),
                None => drop(after.attrs.labels.remove(key)),
            }
        }
        after
    }

    /// Every rule that the patch by itself breaks. A label that is removed may have any key.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = self.attrs.violations();
        let set = self.label_changes.iter().filter_map(|(key, value)| label_violation(key, value.as_ref()?));
        found.extend(set);
        found.extend(self.set.unknown_violation("set", MemberAttrs::ALL));
        found
    }

    /// The privacy that the patch leaves behind.
    pub fn privacy(&self, before: Privacy) -> Privacy {
        let mut after = MemberAttrs::default();
        after.set_privacy(before);
        after.copy_fields(self.set, &self.attrs);
        after.privacy()
    }
}

/// Returns every rule that the labels of a resource break.
pub(super) fn labels_violations(labels: &BTreeMap<String, String>, max: usize) -> Vec<Violation> {
    let too_many = (labels.len() > max).then(|| Violation::too_many("labels", max, "labels"));
    too_many.into_iter().chain(labels.iter().filter_map(|(key, value)| label_violation(key, value))).collect()
}

fn label_violation(key: &str, value: &str) -> Option<Violation> {
    label_key_violation("labels", key).or_else(|| label_value_violation(|| format!("labels[{key:?}]"), value))
}

/// Returns the rule that a label's key breaks.
pub(super) fn label_key_violation(field: &str, key: &str) -> Option<Violation> {
    if key.is_empty() {
        return Some(Violation::new(field, Reason::Required, "a label must have a key"));
    }
    if key.len() > LABEL_KEY_BYTES_MAX {
        let message = format!("a label's key must be at most {LABEL_KEY_BYTES_MAX} bytes");
        return Some(Violation::new(field, Reason::TooLong, message));
    }
    let has_controls = key.chars().any(char::is_control);
    has_controls.then(|| Violation::new(field, Reason::Malformed, "a label's key must not hold control characters"))
}

/// Returns the rule that a label's value breaks.
pub(super) fn label_value_violation(field: impl FnOnce() -> String, value: &str) -> Option<Violation> {
    let message = || format!("a label's value must be at most {LABEL_VALUE_BYTES_MAX} bytes");
    (value.len() > LABEL_VALUE_BYTES_MAX).then(|| Violation::new(field(), Reason::TooLong, message()))
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
