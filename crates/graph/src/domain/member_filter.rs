//! Which members a query is about, by what everyone who sees a member is shown of it.

use super::limits::{CLAUSES_MAX, CONDITIONS_MAX, LABEL_VALUES_MAX};
use super::member::{label_key_violation, label_value_violation};
use super::{MemberAttrs, MemberId, Topic, Violation};

/// A filter of members in conjunctive normal form, in which every boolean function of conditions can be written: a member passes where each
/// clause has a condition that holds. Without clauses all members pass.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberFilter {
    clauses: Vec<Clause>,
}

/// Conditions of which one must hold.
pub type Clause = Vec<Condition>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub negated: bool,
    pub asked: Asked,
}

/// What is asked of a member. Whoever may see a member is shown all of this, so that a filter tells nobody anything new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The label has one of the values, or any value where none is named.
    Label {
        key: String,
        values: Vec<String>,
    },
    /// The topic is among the member's interests.
    Topic(Topic),
    IdPrefix(String),
}

impl MemberFilter {
    /// Makes a filter, whose conditions are valid each. A violation's field is in the filter.
    pub fn new(clauses: Vec<Clause>) -> Result<MemberFilter, Violation> {
        if clauses.len() > CLAUSES_MAX {
            return Err(Violation::too_many("all_of", CLAUSES_MAX, "clauses"));
        }
        for (i, clause) in clauses.iter().enumerate() {
            let field = format!("all_of[{i}].any_of");
            if clause.is_empty() {
                return Err(Violation::required(field));
            }
            if clause.len() > CONDITIONS_MAX {
                return Err(Violation::too_many(field, CONDITIONS_MAX, "conditions"));
            }
        }
        Ok(MemberFilter { clauses })
    }

    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// Returns whether all members pass.
    pub fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    /// Returns whether a member passes; one without any attributes has none.
    pub fn passes(&self, id: &MemberId, attrs: Option<&MemberAttrs>) -> bool {
        self.clauses.iter().all(|clause| clause.iter().any(|condition| condition.holds(id, attrs)))
    }
}

impl Condition {
    fn holds(&self, id: &MemberId, attrs: Option<&MemberAttrs>) -> bool {
        self.negated != self.asked.holds(id, attrs)
    }
}

impl Asked {
    pub fn label(key: String, values: Vec<String>) -> Result<Asked, Violation> {
        let too_many = || Violation::too_many("values", LABEL_VALUES_MAX, "values");
        let value = |(i, value): (usize, &String)| label_value_violation(|| format!("values[{i}]"), value);
        let wrong = label_key_violation("key", &key)
            .or_else(|| (values.len() > LABEL_VALUES_MAX).then(too_many))
            .or_else(|| values.iter().enumerate().find_map(value));
        wrong.map_or(Ok(Asked::Label { key, values }), Err)
    }

    /// Asks for the beginning of an id, which is bounded as an id is.
    pub fn id_prefix(prefix: String) -> Result<Asked, Violation> {
        MemberId::parse("id_prefix", &prefix)?;
        Ok(Asked::IdPrefix(prefix))
    }

    fn holds(&self, id: &MemberId, attrs: Option<&MemberAttrs>) -> bool {
        match self {
            Asked::Label { key, values } => attrs
                .and_then(|attrs| attrs.labels.get(key))
                .is_some_and(|value| values.is_empty() || values.contains(value)),
            Asked::Topic(topic) => attrs.is_some_and(|attrs| attrs.topics.contains(topic)),
            Asked::IdPrefix(prefix) => id.as_str().starts_with(prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TopicSet;

    fn label(key: &str, values: &[&str]) -> Asked {
        Asked::label(key.to_owned(), values.iter().map(|value| (*value).to_owned()).collect()).unwrap()
    }

    #[test]
    fn a_member_passes_where_each_clause_has_a_condition_that_holds() {
        let mut ana = MemberAttrs::default();
        ana.labels.insert("city".to_owned(), "Ulm".to_owned());
        ana.topics = TopicSet::parse("topics", &["dogs"]).unwrap();
        let topic = |name| Asked::Topic(Topic::parse("topic", name).unwrap());
        let prefix = |text: &str| Asked::id_prefix(text.to_owned()).unwrap();
        let id = MemberId::parse("id", "ana").unwrap();
        let holds = |asked: Asked| {
            let meets = |negated, attrs| {
                let filter = MemberFilter::new(vec![vec![Condition { negated, asked: asked.clone() }]]).unwrap();
                filter.passes(&id, attrs)
            };
            assert_ne!(meets(false, Some(&ana)), meets(true, Some(&ana)));
            (meets(false, Some(&ana)), meets(false, None))
        };
        assert_eq!(holds(label("city", &["Bern", "Ulm"])), (true, false));
        assert_eq!(holds(label("city", &[])), (true, false));
        assert_eq!(holds(label("city", &["ulm"])), (false, false));
        assert_eq!(holds(label("team", &[])), (false, false));
        assert_eq!((holds(topic("dogs")), holds(topic("cats"))), ((true, false), (false, false)));
        assert_eq!((holds(prefix("an")), holds(prefix("na"))), ((true, true), (false, false)));
        let is = |asked| Condition { negated: false, asked };
        let passes = |clauses| MemberFilter::new(clauses).unwrap().passes(&id, Some(&ana));
        assert!(passes(vec![]));
        assert!(passes(vec![vec![is(topic("cats")), is(prefix("a"))], vec![is(topic("dogs"))]]));
        assert!(!passes(vec![vec![is(topic("cats"))], vec![is(topic("dogs"))]]));
    }
}
