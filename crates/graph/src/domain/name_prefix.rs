//! The beginning of a display name, as somebody types it who looks for a member.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use super::limits::DISPLAY_NAME_CHARS_MAX;
use super::member::text_violation;
use super::{Reason, Violation};

/// The beginning of a display name, whatever its case and accents: it is kept folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePrefix(String);

impl NamePrefix {
    pub fn parse(field: &str, text: &str) -> Result<NamePrefix, Violation> {
        if let Some(wrong) = text_violation(field, text, DISPLAY_NAME_CHARS_MAX) {
            return Err(wrong);
        }
        let prefix: String = folded(text).collect();
        if prefix.is_empty() {
            // Every name begins with nothing, which nobody means who gives an accent.
            let message = "must hold a character that is no accent";
            return Err(Violation::new(field, Reason::Malformed, message));
        }
        Ok(NamePrefix(prefix))
    }

    /// Returns whether a name begins so. It looks no further into the name than the first difference.
    pub fn begins(&self, name: &str) -> bool {
        let mut name = folded(name);
        self.0.chars().all(|c| name.next() == Some(c))
    }
}

/// Accents have Unicode's combining classes from this one on. Marks of lower classes make other letters, as the voicing marks of kana do.
const ACCENTS_FROM: u8 = 200;

/// Returns a text without what differs between ways to write it: compatibility forms, accents and case.
fn folded(text: &str) -> impl Iterator<Item = char> {
    let letters = text.nfkd().filter(|c| canonical_combining_class(*c) < ACCENTS_FROM);
    // A capital ẞ has a small form alone, and ß and ς are told apart until they are capitals.
    let small = letters.flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    small.flat_map(base_letters)
}

/// Returns what is typed for a letter that Unicode does not decompose, though its stroke or its ligature is left out as accents are.
fn base_letters(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        'æ' => ('a', Some('e')),
        'đ' => ('d', None),
        'ħ' => ('h', None),
        'ł' => ('l', None),
        'ø' => ('o', None),
        'œ' => ('o', Some('e')),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begins(prefix: &str, name: &str) -> bool {
        NamePrefix::parse("display_name_prefix", prefix).unwrap().begins(name)
    }

    #[test]
    fn case_and_accents_make_no_difference() {
        for (prefix, name) in [
            ("zurich", "Zürich AG"),
            ("Zürich", "ZURICH"),
            ("ZÜRICH a", "Zu\u{308}rich AG"),
            ("strasse", "Straße"),
            ("STRAẞE", "Strasse"),
            ("stras", "Straße"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("isik", "Işık"),
            ("istanbul", "İstanbul"),
            ("nguyen", "Nguyễn Văn A"),
            ("lodz", "Łódź"),
            ("soren", "Søren"),
            ("aeron", "Æron"),
            ("ёлка", "ЕЛКА"),
            ("fi", "ﬁn"),
            ("abc", "ＡＢＣ"),
            ("기", "김"),
        ] {
            assert!(begins(prefix, name), "{prefix} {name}");
        }
        for (prefix, name) in
            [("ag", "Zürich AG"), ("zurich ag.", "Zürich AG"), ("が", "か"), ("का", "की"), ("ana", "")]
        {
            assert!(!begins(prefix, name), "{prefix} {name}");
        }
    }

    #[test]
    fn what_is_folded_once_stays_as_it_is() {
        let fold = |text: &str| folded(text).collect::<String>();
        for c in ('\0'..='\u{1ffff}').map(String::from) {
            let once = fold(&c);
            assert_eq!(fold(&once), once, "{c}");
            assert_eq!(fold(&c.to_lowercase()), once, "{c}");
        }
    }

    #[test]
    fn an_accent_alone_begins_nothing() {
        let refused = |text: &str| NamePrefix::parse("p", text).unwrap_err().reason;
        assert_eq!(refused(""), Reason::Malformed);
        assert_eq!(refused("\u{301}"), Reason::Malformed);
        assert_eq!(refused("a\0"), Reason::Malformed);
        assert_eq!(refused(&"é".repeat(257)), Reason::TooLong);
        assert!(NamePrefix::parse("p", &"é".repeat(256)).is_ok());
    }
}
