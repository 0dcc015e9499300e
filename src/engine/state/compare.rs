//! What an index must hold against what it holds.

use std::cmp::Ordering;

use crate::domain::{Error, Inspector};

/// Finds what an index lacks and what it has too much. Both come in order.
pub fn compare<T: Ord>(
    part: &'static str,
    expected: impl IntoIterator<Item = T>,
    kept: impl IntoIterator<Item = T>,
    name: impl Fn(&T) -> String,
    check: &mut dyn Inspector,
) -> Result<(), Error> {
    let (mut expected, mut kept) = (expected.into_iter().peekable(), kept.into_iter().peekable());
    loop {
        let order = match (expected.peek(), kept.peek()) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(expected), Some(kept)) => expected.cmp(kept),
        };
        let lacking = if order.is_le() { expected.next() } else { None };
        let too_much = if order.is_ge() { kept.next() } else { None };
        match (lacking, too_much) {
            (Some(lacking), None) => check.find(part, name(&lacking), "the index lacks it")?,
            (None, Some(too_much)) => check.find(part, name(&too_much), "the index has it, and nothing else does")?,
            _ => {}
        }
    }
}
