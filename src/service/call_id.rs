//! What the logs call a call: its caller's name for it, and its position in the caller's trace.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use tonic::codegen::http::{HeaderMap, HeaderValue};

/// How many calls there were. A call has its number in the logs when its caller has no name for it.
static CALLS: AtomicU64 = AtomicU64::new(0);
const NAME_BYTES_MAX: usize = 128;

/// The headers of a call, from which nothing is read until something is logged.
#[derive(Debug, Clone)]
pub struct CallId {
    number: u64,
    name: Option<HeaderValue>,
    trace: Option<HeaderValue>,
}

/// The position of a call in a trace (W3C Trace Context).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace<'a> {
    pub trace_id: &'a str,
    pub parent_id: &'a str,
}

impl CallId {
    /// Takes the headers `x-request-id` and `traceparent`.
    pub fn of(headers: &HeaderMap) -> CallId {
        let number = 1 + CALLS.fetch_add(1, Ordering::Relaxed);
        CallId { number, name: headers.get("x-request-id").cloned(), trace: headers.get("traceparent").cloned() }
    }

    pub fn trace(&self) -> Option<Trace<'_>> {
        Trace::parse(self.trace.as_ref()?.to_str().ok()?)
    }

    pub fn trace_id(&self) -> Option<&str> {
        self.trace().map(|trace| trace.trace_id)
    }

    pub fn parent_id(&self) -> Option<&str> {
        self.trace().map(|trace| trace.parent_id)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is not plain text could be mistaken for more of the log.
        let is_plain =
            |name: &&str| (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
        match self.name.as_ref().and_then(|name| name.to_str().ok()).filter(is_plain) {
            Some(name) => f.write_str(name),
            None => write!(f, "#{}", self.number),
        }
    }
}

impl<'a> Trace<'a> {
    /// Parses `VERSION-TRACE-PARENT-FLAGS`; later versions may add to the end.
    pub(super) fn parse(text: &'a str) -> Option<Trace<'a>> {
        let mut parts = text.split('-');
        let mut hex = |digits: usize| {
            let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            parts.next().filter(|part| part.len() == digits && part.bytes().all(is_hex))
        };
        let (version, trace_id, parent_id, _flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        let has_more = parts.next().is_some();
        let is_zero = |id: &str| id.bytes().all(|b| b == b'0');
        if version == "ff" || (version == "00" && has_more) || is_zero(trace_id) || is_zero(parent_id) {
            return None;
        }
        Some(Trace { trace_id, parent_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn a_trace_is_read_as_w3c_writes_it() {
        let expected = Some(Trace { trace_id: TRACE, parent_id: PARENT });
        assert_eq!(Trace::parse(&format!("00-{TRACE}-{PARENT}-01")), expected);
        assert_eq!(Trace::parse(&format!("cc-{TRACE}-{PARENT}-01-what-comes")), expected);
        for wrong in [
            String::new(),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{}-{PARENT}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}0-{PARENT}-01"),
        ] {
            assert_eq!(Trace::parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_name_that_is_not_plain_is_not_repeated() {
        let named = |name: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", name.parse().unwrap());
            CallId::of(&headers).to_string()
        };
        assert_eq!(named("order-17/retry"), "order-17/retry");
        for wrong in ["", "two words", &"x".repeat(NAME_BYTES_MAX + 1)] {
            assert!(named(wrong).starts_with('#'), "{wrong:?}");
        }
    }
}
