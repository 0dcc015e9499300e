use super::codec::{default_fields, record, sequence};
use super::limits::{HOPS_MAX, LINK_BYTES_MAX, STATUS_TEXT_CHARS_MAX};
use super::member::text_violation;
use super::{EdgeFilter, MemberId, Reason, StatusId, TimeMs, TopicSet, Violation};

/// A member's post.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub id: StatusId,
    pub author: MemberId,
    pub attrs: StatusAttrs,
}

record! {
    /// What a status says, to whom and when.
    pub struct StatusAttrs {
        0 TEXT text: String,
        /// A URL, or empty.
        1 LINK link: String,
        2 TOPICS topics: TopicSet,
        3 AUDIENCE audience: Audience,
        4 POST_TIME post_time: TimeMs,
        /// From here on the status is no longer shown.
        5 EXPIRE_TIME expire_time: Option<TimeMs>,
    }
}

sequence! {
    Status { id, author, attrs } || "a status is out of bounds"
    Audience { filter, max_hops }
}

default_fields!(Audience);

/// Whom a status is for: the members whose shortest path to the author under `filter` has at most `max_hops` hops.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Audience {
    pub filter: EdgeFilter,
    /// 1–6.
    pub max_hops: u32,
}

impl Status {
    /// Posted, and not yet expired. Which time it is judged at is decided in one place: `engine::LiveAt`.
    pub fn is_live(&self, at: TimeMs) -> bool {
        self.attrs.post_time <= at && self.attrs.expire_time.is_none_or(|end| at < end)
    }

    /// Every rule that a status's text and link break.
    pub fn text_violations(text: &str, link: &str) -> Vec<Violation> {
        let missing = text.is_empty().then(|| Violation::required("text"));
        let wrong = missing.into_iter().chain(text_violation("text", text, STATUS_TEXT_CHARS_MAX));
        wrong.chain(link_violation(link)).collect()
    }

    /// Every rule the status breaks; none means it may be stored.
    pub fn violations(&self) -> Vec<Violation> {
        let StatusAttrs { text, link, audience, post_time, expire_time, .. } = &self.attrs;
        let mut found = Status::text_violations(text, link);
        if expire_time.is_some_and(|end| end <= *post_time) {
            found.push(Violation::new("expire_time", Reason::OutOfRange, "must be after post_time"));
        }
        if !(1..=HOPS_MAX).contains(&audience.max_hops) {
            let message = format!("must be from 1 to {HOPS_MAX}");
            found.push(Violation::new("audience.max_hops", Reason::OutOfRange, message));
        }
        if audience.filter.excludes(&self.author) {
            let message = "must not hold the author";
            found.push(Violation::new("audience.filter.exclude_member_ids", Reason::ContradictoryFilter, message));
        }
        found
    }
}

/// A link is empty or an absolute http(s) URL without white space or control characters.
fn link_violation(link: &str) -> Option<Violation> {
    if link.is_empty() {
        return None;
    }
    if link.len() > LINK_BYTES_MAX {
        return Some(Violation::new("link", Reason::TooLong, format!("must be at most {LINK_BYTES_MAX} bytes")));
    }
    let host = link.strip_prefix("https://").or_else(|| link.strip_prefix("http://"));
    let well_formed = host.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    if !well_formed || link.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Some(Violation::new("link", Reason::Malformed, "must be an absolute http or https URL"));
    }
    None
}
