//! Which members a query is about.

use super::violations::{Decoded, each};
use crate::domain::{Asked, Clause, Condition, MemberFilter, NamePrefix, Topic, Violation};
use crate::proto::v1 as pb;

/// Decodes a request's `member_filter`. All members pass where it is not given.
pub fn member_filter(message: Option<&pb::MemberFilter>) -> Decoded<MemberFilter> {
    let clauses = message.into_iter().flat_map(|message| &message.all_of);
    let clauses = each(clauses, |i, message| clause(message).map_err(|wrong| wrong.within(&format!("all_of[{i}]"))));
    let filter = clauses.and_then(|clauses| Ok(MemberFilter::new(clauses)?));
    filter.map_err(|wrong| wrong.within("member_filter"))
}

/// Decodes the beginning of a display name, if one is given.
pub fn name_prefix(field: &str, text: &str) -> Result<Option<NamePrefix>, Violation> {
    (!text.is_empty()).then(|| NamePrefix::parse(field, text)).transpose()
}

fn clause(message: &pb::MemberClause) -> Decoded<Clause> {
    each(&message.any_of, |i, message| condition(message).map_err(|wrong| wrong.within(&format!("any_of[{i}]"))))
}

fn condition(message: &pb::MemberCondition) -> Result<Condition, Violation> {
    use pb::member_condition::Condition as Given;
    let asked = match &message.condition {
        None => return Err(Violation::required("condition")),
        Some(Given::Label(label)) => {
            Asked::label(label.key.clone(), label.values.clone()).map_err(|wrong| wrong.within("label"))
        }
        Some(Given::Topic(topic)) => Topic::parse("topic", topic).map(Asked::Topic),
        Some(Given::IdPrefix(prefix)) => Asked::id_prefix(prefix.clone()),
    };
    Ok(Condition { negated: message.negated, asked: asked? })
}
