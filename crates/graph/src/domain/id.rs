use std::fmt;
use std::sync::Arc;

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::is_nfc;

use super::codec::{Codec, Decoder, Encoder, Malformed, Read, default_fields};
use super::limits::{
    ID_BYTES_MAX, KIND_NAME_BYTES_MAX, NAMESPACE_DEFAULT, NAMESPACE_NAME_BYTES_MAX, TOPIC_CHARS_MAX, TOPICS_MAX,
};
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
    /// A word of any language: lower-case letters, digits and dashes, of which the first is no dash, in Unicode's form NFC; so that what
    /// looks alike is the same topic.
    Topic
);

name_type!(
    /// A namespace's name, `[a-z0-9][a-z0-9_.-]{0,62}`.
    NamespaceName
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

impl KindName {
    pub fn parse(field: &str, text: &str) -> Result<KindName, Violation> {
        if text.is_empty() {
            return Err(Violation::required(field));
        }
        if text.len() > KIND_NAME_BYTES_MAX {
            return Err(Violation::new(field, Reason::TooLong, format!("must be at most {KIND_NAME_BYTES_MAX} bytes")));
        }
        let rest = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-');
        if !text.as_bytes()[0].is_ascii_lowercase() || !text.as_bytes().iter().all(rest) {
            return Err(Violation::new(field, Reason::Malformed, "must match [a-z][a-z0-9_.-]{0,62}"));
        }
        Ok(KindName(text.into()))
    }
}

impl NamespaceName {
    pub fn parse(field: &str, text: &str) -> Result<NamespaceName, Violation> {
        if text.is_empty() {
            return Err(Violation::required(field));
        }
        let first = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let is_name = text.bytes().all(|b| first(b) || matches!(b, b'_' | b'.' | b'-')) && first(text.as_bytes()[0]);
        if !is_name || text.len() > NAMESPACE_NAME_BYTES_MAX {
            return Err(Violation::new(field, Reason::Malformed, "must match [a-z0-9][a-z0-9_.-]{0,62}"));
        }
        Ok(NamespaceName(text.into()))
    }

    /// Returns whether it is the namespace that is always there, and meant where none is named.
    pub fn is_default(&self) -> bool {
        self.as_str() == NAMESPACE_DEFAULT
    }
}

impl Default for NamespaceName {
    fn default() -> NamespaceName {
        NamespaceName(NAMESPACE_DEFAULT.into())
    }
}

impl Topic {
    pub fn parse(field: &str, text: &str) -> Result<Topic, Violation> {
        if text.is_empty() {
            return Err(Violation::required(field));
        }
        if text.len() > TOPIC_CHARS_MAX && text.chars().count() > TOPIC_CHARS_MAX {
            let message = format!("must be at most {TOPIC_CHARS_MAX} characters");
            return Err(Violation::new(field, Reason::TooLong, message));
        }
        // Vowels and tones are marks of their own in many scripts.
        let goes_on = |c: char| c.is_alphanumeric() || c == '-' || is_combining_mark(c);
        let is_word = text.starts_with(char::is_alphanumeric) && text.chars().all(goes_on);
        if !is_word || !is_nfc(text) || text.to_lowercase() != text {
            let message = "must be letters in lower case, digits and dashes, no dash first, in Unicode's form NFC";
            return Err(Violation::new(field, Reason::Malformed, message));
        }
        Ok(Topic(text.into()))
    }
}

/// At most 64 topics, sorted, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicSet(Vec<Topic>);

impl TopicSet {
    /// Reads the topics of a repeated field, or names all of them that are none; a topic given twice counts once.
    pub fn parse<S: AsRef<str>>(field: &str, texts: &[S]) -> Result<TopicSet, Vec<Violation>> {
        if texts.len() > TOPICS_MAX {
            return Err(vec![Violation::too_many(field, TOPICS_MAX, "topics")]);
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

impl Codec for NamespaceName {
    /// The default namespace, which most commits are of, is an empty text.
    fn encode(&self, to: &mut Encoder) {
        to.blob(if self.is_default() { "" } else { self.as_str() }.as_bytes());
    }

    fn decode(from: &mut Decoder<'_>) -> Read<NamespaceName> {
        match from.text()? {
            "" => Ok(NamespaceName::default()),
            NAMESPACE_DEFAULT => Err(Malformed("the default namespace is written with its name")),
            name => NamespaceName::parse("namespace", name).map_err(|_| Malformed("a namespace's name is none")),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_a_word_of_any_language() {
        let reason = |text: &str| Topic::parse("topic", text).err().map(|violation| violation.reason);
        let words =
            ["a", "7", "large-dogs", "zürich", "ήλιος", "собаки", "ماشین", "कुत्ते", "犬", "สุนัข", "ßa", &"é".repeat(64)];
        for word in words {
            assert_eq!(reason(word), None, "{word}");
        }
        for (text, expected) in [
            ("", Reason::Required),
            (&"é".repeat(65)[..], Reason::TooLong),
            ("Zürich", Reason::Malformed),
            ("zu\u{308}rich", Reason::Malformed),
            ("ǅ", Reason::Malformed),
            ("-a", Reason::Malformed),
            ("\u{301}a", Reason::Malformed),
            ("a b", Reason::Malformed),
            ("a_b", Reason::Malformed),
            ("a\0", Reason::Malformed),
            ("🐕", Reason::Malformed),
            ("a\u{200d}b", Reason::Malformed),
        ] {
            assert_eq!(reason(text), Some(expected), "{text:?}");
        }
    }
}
