use std::fmt;
use std::sync::Arc;

use super::codec::{Codec, Decoder, Encoder, Malformed, Read, default_fields};
use super::limits::{ID_BYTES_MAX, KIND_NAME_BYTES_MAX, TOPIC_BYTES_MAX, TOPICS_MAX};
use super::{Reason, Violation};

/// A name that is cheap to clone and compares byte by byte.
macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        // Ordered maps keyed by the type can be searched by a plain string.
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type!(
    /// A member's id: the caller's own opaque string, 1–128 bytes of UTF-8 without control characters.
    MemberId
);
name_type!(
    /// A status's id: chosen by the caller or made by the server, with the bounds of a member's id.
    StatusId
);
name_type!(
    /// A kind's registered name, `[a-z][a-z0-9_.-]{0,62}`.
    KindName
);
name_type!(
    /// A lower-case slug, `[a-z0-9][a-z0-9-]{0,63}`.
    Topic
);

fn opaque_id(field: &str, text: &str) -> Result<Arc<str>, Violation> {
    if text.is_empty() {
        return Err(Violation::required(field));
    }
    if text.len() > ID_BYTES_MAX {
        return Err(Violation::new(field, Reason::TooLong, format!("must be at most {ID_BYTES_MAX} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(Violation::new(field, Reason::Malformed, "must not contain control characters"));
    }
    Ok(text.into())
}

impl MemberId {
    pub fn parse(field: &str, text: &str) -> Result<MemberId, Violation> {
        opaque_id(field, text).map(MemberId)
    }
}

impl StatusId {
    pub fn parse(field: &str, text: &str) -> Result<StatusId, Violation> {
        opaque_id(field, text).map(StatusId)
    }
}

/// Checks `first` on the first byte and `rest` on the others.
fn slug(
    field: &str,
    text: &str,
    bytes_max: usize,
    pattern: &str,
    first: fn(u8) -> bool,
    rest: fn(u8) -> bool,
) -> Result<Arc<str>, Violation> {
    if text.is_empty() {
        return Err(Violation::required(field));
    }
    if text.len() > bytes_max {
        return Err(Violation::new(field, Reason::TooLong, format!("must be at most {bytes_max} bytes")));
    }
    let bytes = text.as_bytes();
    if !first(bytes[0]) || !bytes[1..].iter().all(|&b| rest(b)) {
        return Err(Violation::new(field, Reason::Malformed, format!("must match {pattern}")));
    }
    Ok(text.into())
}

impl KindName {
    pub fn parse(field: &str, text: &str) -> Result<KindName, Violation> {
        let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-');
        let first = |b: u8| b.is_ascii_lowercase();
        slug(field, text, KIND_NAME_BYTES_MAX, "[a-z][a-z0-9_.-]{0,62}", first, rest).map(KindName)
    }
}

impl Topic {
    pub fn parse(field: &str, text: &str) -> Result<Topic, Violation> {
        let first = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        slug(field, text, TOPIC_BYTES_MAX, "[a-z0-9][a-z0-9-]{0,63}", first, rest).map(Topic)
    }
}

/// At most 64 topics, sorted, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicSet(Vec<Topic>);

impl TopicSet {
    /// Reads the topics of a repeated field, or names all of them that are none; a topic given twice counts once.
    pub fn parse<S: AsRef<str>>(field: &str, texts: &[S]) -> Result<TopicSet, Vec<Violation>> {
        if texts.len() > TOPICS_MAX {
            return Err(vec![Violation::new(field, Reason::TooMany, format!("must hold at most {TOPICS_MAX} topics"))]);
        }
        let mut wrong = Vec::new();
        let read = texts.iter().enumerate().map(|(i, text)| Topic::parse(&format!("{field}[{i}]"), text.as_ref()));
        let mut topics: Vec<Topic> = read.filter_map(|topic| topic.map_err(|why| wrong.push(why)).ok()).collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        topics.sort();
        topics.dedup();
        Ok(TopicSet(topics))
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Topic> {
        self.0.iter()
    }

    pub fn contains(&self, topic: &Topic) -> bool {
        self.0.binary_search(topic).is_ok()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl MemberId {
    /// Returns an id that no other one comes before: where ranges begin.
    pub fn least() -> MemberId {
        MemberId(" ".into())
    }
}

impl StatusId {
    /// Returns an id that no other one comes before: where ranges begin.
    pub fn least() -> StatusId {
        StatusId(" ".into())
    }
}

impl KindName {
    /// Returns a name that no other one comes before: where ranges begin.
    pub fn least() -> KindName {
        KindName("a".into())
    }
}

impl Codec for MemberId {
    fn encode(&self, to: &mut Encoder) {
        to.name(self.as_str());
    }

    fn decode(from: &mut Decoder<'_>) -> Read<MemberId> {
        MemberId::parse("id", from.name()?).map_err(|_| Malformed("a member's id is none"))
    }
}

impl Codec for KindName {
    fn encode(&self, to: &mut Encoder) {
        to.name(self.as_str());
    }

    fn decode(from: &mut Decoder<'_>) -> Read<KindName> {
        KindName::parse("kind", from.name()?).map_err(|_| Malformed("a kind's name is none"))
    }
}

impl Codec for StatusId {
    /// Statuses are seldom named twice, so their ids are texts.
    fn encode(&self, to: &mut Encoder) {
        to.blob(self.as_str().as_bytes());
    }

    fn decode(from: &mut Decoder<'_>) -> Read<StatusId> {
        StatusId::parse("id", from.text()?).map_err(|_| Malformed("a status's id is none"))
    }
}

impl Codec for TopicSet {
    fn encode(&self, to: &mut Encoder) {
        to.number(self.len() as u64);
        self.iter().for_each(|topic| to.name(topic.as_str()));
    }

    fn decode(from: &mut Decoder<'_>) -> Read<TopicSet> {
        let len = from.length_within(TOPICS_MAX)?;
        let topics = (0..len).map(|_| from.name()).collect::<Read<Vec<&str>>>()?;
        TopicSet::parse("topics", &topics).map_err(|_| Malformed("a topic is none"))
    }
}

default_fields!(TopicSet);
