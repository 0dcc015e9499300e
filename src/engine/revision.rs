use std::fmt;

use crate::domain::{Reason, Sequence, Violation};

/// A point in the sequence of writes of one store. Its text is the opaque token callers see:
/// 40 hex digits, of the store's id (upper half), the sequence, and a CRC-32 of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub struct Revision {
    store: u64,
    sequence: Sequence,
}

impl Revision {
    pub fn new(store_id: u128, sequence: Sequence) -> Revision {
        Revision { store: (store_id >> 64) as u64, sequence }
    }

    /// Reads a caller's token for the store at hand.
    pub fn parse(field: &str, token: &str, store_id: u128) -> Result<Revision, Violation> {
        let malformed = || Violation::new(field, Reason::Malformed, "is not a revision kith has given");
        let digits = |range: std::ops::Range<usize>| {
            let text = token.get(range).filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()))?;
            u64::from_str_radix(text, 16).ok()
        };
        if token.len() != 40 {
            return Err(malformed());
        }
        let parts = digits(0..16).zip(digits(16..32)).zip(digits(32..40));
        let ((store, sequence), crc) = parts.ok_or_else(malformed)?;
        let revision = Revision { store, sequence };
        if u64::from(revision.crc()) != crc {
            return Err(malformed());
        }
        if store != (store_id >> 64) as u64 {
            return Err(Violation::new(field, Reason::RevisionOfAnotherStore, "is a revision of another store"));
        }
        Ok(revision)
    }

    pub fn sequence(self) -> Sequence {
        self.sequence
    }

    fn crc(self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.store.to_be_bytes());
        hasher.update(&self.sequence.to_be_bytes());
        hasher.finalize()
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}{:08x}", self.store, self.sequence, self.crc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: u128 = 0x0123_4567_89ab_cdef_0000_0000_0000_0000;

    #[test]
    fn a_token_comes_back() {
        let revision = Revision::new(STORE, 42);
        assert_eq!(Revision::parse("r", &revision.to_string(), STORE), Ok(revision));
    }

    #[test]
    fn a_bad_token_is_refused_with_its_reason() {
        let token = Revision::new(STORE, 42).to_string();
        let reason = |token: &str, store| Revision::parse("r", token, store).unwrap_err().reason;
        assert_eq!(reason(&token, !STORE), Reason::RevisionOfAnotherStore);
        assert_eq!(reason(&token.replace('2', "3"), STORE), Reason::Malformed);
        assert_eq!(reason(&token[1..], STORE), Reason::Malformed);
        assert_eq!(reason("", STORE), Reason::Malformed);
        assert_eq!(reason(&"é".repeat(20), STORE), Reason::Malformed);
        assert_eq!(reason(&"+".repeat(40), STORE), Reason::Malformed);
    }
}
