//! Numbers, times and lists of ids, within their bounds.

use super::violations::{Decoded, Violations, all_or_return, each};
use crate::domain::limits::{BATCH_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX};
use crate::domain::{MemberId, Reason, TimeMs, Times, Violation};

/// A count from 1 to `max`; 0 stands for `default`.
pub fn within_bounds(field: &str, value: i32, default: u32, max: u32) -> Result<u32, Violation> {
    match u32::try_from(value) {
        Ok(0) => Ok(default),
        Ok(value) if value <= max => Ok(value),
        _ => Err(Violation::new(field, Reason::OutOfRange, format!("must be from 1 to {max}"))),
    }
}

/// The size of a page: 0 stands for the default, more than the most for the most.
pub fn page_size(value: i32) -> Result<usize, Violation> {
    match u32::try_from(value) {
        Ok(0) => Ok(PAGE_SIZE_DEFAULT as usize),
        Ok(value) => Ok(value.min(PAGE_SIZE_MAX) as usize),
        Err(_) => Err(Violation::new("page_size", Reason::OutOfRange, "must not be negative")),
    }
}

pub fn time(field: &str, value: prost_types::Timestamp) -> Result<TimeMs, Violation> {
    TimeMs::from_parts(field, value.seconds, value.nanos)
}

pub fn optional_time(field: &str, value: Option<prost_types::Timestamp>) -> Result<Option<TimeMs>, Violation> {
    value.map(|value| time(field, value)).transpose()
}

/// The times that an imported resource has; none if it is to have those of its import.
pub fn times(
    create_time: Option<prost_types::Timestamp>,
    update_time: Option<prost_types::Timestamp>,
) -> Decoded<Option<Times>> {
    let mut wrong = Violations::default();
    let create = wrong.check(optional_time("create_time", create_time));
    let update = wrong.check(optional_time("update_time", update_time));
    all_or_return!(wrong; create, update);
    match (create, update) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Violation::required("create_time").into()),
        (Some(_), None) => Err(Violation::required("update_time").into()),
        (Some(create), Some(update)) if create > update => {
            let message = "must not be after update_time";
            Err(Violation::new("create_time", Reason::OutOfRange, message).into())
        }
        (Some(create), Some(update)) => Ok(Some(Times { create, update })),
    }
}

/// 1 to 1,000 messages of a repeated field, each decoded, in the order given.
pub fn batch<M, T>(field: &str, messages: Vec<M>, decode: impl Fn(M) -> Decoded<T>) -> Decoded<Vec<T>> {
    if messages.is_empty() {
        return Err(Violation::required(field).into());
    }
    if messages.len() > BATCH_MAX {
        return Err(Violation::too_many(field, BATCH_MAX, field).into());
    }
    each(messages, |i, message| decode(message).map_err(|wrong| wrong.within(&format!("{field}[{i}]"))))
}

/// 1 to 1,000 ids of members, in the order given.
pub fn member_ids(field: &str, texts: &[String]) -> Result<Vec<MemberId>, Violations> {
    if texts.is_empty() {
        return Err(Violation::required(field).into());
    }
    some_member_ids(field, texts, BATCH_MAX)
}

/// At most `max` ids of members, in the order given.
pub fn some_member_ids(field: &str, texts: &[String], max: usize) -> Result<Vec<MemberId>, Violations> {
    if texts.len() > max {
        return Err(Violation::too_many(field, max, "members").into());
    }
    each(texts, |i, text| MemberId::parse(&format!("{field}[{i}]"), text))
}
