//! Which members a query is about.

use super::violations::{Decoded, Violations};
use crate::domain::{Asked, Clause, Condition, MemberFilter, Topic, Violation};
use crate::proto::v1 as pb;

/// Decodes a request's `member_filter`. All members pass where it is not given.
pub fn member_filter(message: Option<&pb::MemberFilter>) -> Decoded<MemberFilter> {
    let mut wrong = Violations::default();
    let clauses = message.into_iter().flat_map(|message| &message.all_of).enumerate();
    let clauses = clauses
        .filter_map(|(i, message)| wrong.check_in(&format!("member_filter.all_of[{i}]"), clause(message)))
        .collect();
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(MemberFilter::new(clauses).map_err(|wrong| wrong.within("member_filter"))?)
}

fn clause(message: &pb::MemberClause) -> Decoded<Clause> {
    let mut wrong = Violations::default();
    let conditions = message.any_of.iter().enumerate();
    let conditions = conditions.filter_map(|(i, message)| wrong.check_in(&format!("any_of[{i}]"), condition(message)));
    let conditions = conditions.collect();
    if wrong.is_empty() { Ok(conditions) } else { Err(wrong) }
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
