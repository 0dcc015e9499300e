//! Hashes of content: of one resource (for etags), and of a whole store (to compare two).
//!
//! A store's digest is the sum, modulo 2¹²⁸, of the XXH3-128 hashes of its resources, so that one write changes it in O(1)
//! and the order of writes does not matter. It covers what callers put, not the times the server made: the same import
//! gives the same digest on another day. It finds differences and damage; it is no defence against a forger.

use xxhash_rust::xxh3::xxh3_128;

use crate::domain::codec::{Codec, Encoder};
use crate::domain::{
    Block, Edge, EdgeFilter, Error, Inspector, IntroducerTally, Kind, Member, MemberId, Status, TimeMs,
};

/// The sum of the hashes of all resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest(pub u128);

impl Digest {
    pub fn add(&mut self, hash: u128) {
        self.0 = self.0.wrapping_add(hash);
    }

    pub fn remove(&mut self, hash: u128) {
        self.0 = self.0.wrapping_sub(hash);
    }
}

impl Digest {
    #[must_use]
    pub fn and(self, other: Digest) -> Digest {
        Digest(self.0.wrapping_add(other.0))
    }

    /// Finds whether this digest, computed anew of some resources, is not the one that is kept of them; returns it.
    pub fn verify(self, part: &'static str, kept: Digest, check: &mut dyn Inspector) -> Result<Digest, Error> {
        if self != kept {
            let message = format!("{:032x} is kept, and the records give {:032x}", kept.0, self.0);
            check.find("digest", part, message)?;
        }
        Ok(self)
    }
}

/// What has a hash of its content: that of its bytes, behind a byte that tells sorts of resources apart.
pub trait Hashed: Codec {
    const SORT: u8;

    fn content_hash(&self) -> u128 {
        hash_of(Self::SORT, |to| self.encode(to))
    }
}

impl Hashed for Kind {
    const SORT: u8 = b'k';
}

impl Hashed for Member {
    const SORT: u8 = b'm';
}

impl Hashed for Edge {
    const SORT: u8 = b'e';
}

impl Hashed for Status {
    const SORT: u8 = b's';
}

impl Hashed for Block {
    const SORT: u8 = b'b';
}

impl Hashed for EdgeFilter {
    const SORT: u8 = b'f';
}

pub fn tally_hash(introducer: &MemberId, tally: &IntroducerTally) -> u128 {
    hash_of(b'i', |to| {
        introducer.encode(to);
        tally.encode(to);
    })
}

/// Returns the hash of what is written, none of it as a difference to anything else.
pub fn hash_of(sort: u8, write: impl FnOnce(&mut Encoder)) -> u128 {
    let mut bytes = Vec::with_capacity(160);
    bytes.push(sort);
    let mut to = Encoder::plain(bytes);
    write(&mut to);
    xxh3_128(&to.bytes)
}

/// An etag: opaque to callers, different whenever the content or the time of its last change is.
pub fn etag(content_hash: u128, update_time: TimeMs) -> String {
    let hash = hash_of(b't', |to| {
        content_hash.encode(to);
        update_time.encode(to);
    });
    hex(hash as u64)
}

/// Sixteen digits. A page has an etag for each of its edges: `format!` was a twentieth of its instructions.
fn hex(number: u64) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digits: [u8; 16] = std::array::from_fn(|place| DIGITS[(number >> (60 - 4 * place)) as usize & 0xF]);
    std::str::from_utf8(&digits).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content_hash(member: &Member) -> u128 {
        member.content_hash()
    }

    fn member(id: &str, name: &str) -> Member {
        let mut member = Member::bare(MemberId::parse("id", id).unwrap());
        member.attrs.display_name = name.to_owned();
        member
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        assert_ne!(content_hash(&member("ab", "c")), content_hash(&member("a", "bc")));
    }

    #[test]
    fn a_digest_forgets_what_is_removed_in_any_order() {
        let (a, b) = (content_hash(&member("a", "")), content_hash(&member("b", "")));
        let mut digest = Digest::default();
        digest.add(a);
        digest.add(b);
        digest.remove(a);
        let mut only_b = Digest::default();
        only_b.add(b);
        assert_eq!(digest, only_b);
    }

    #[test]
    fn hex_is_as_formatted() {
        for number in [0, 1, 0xA0, 0x0123_4567_89AB_CDEF, u64::MAX] {
            assert_eq!(hex(number), format!("{number:016x}"));
        }
    }

    #[test]
    fn an_etag_changes_with_content_and_time() {
        let hash = content_hash(&member("a", ""));
        assert_ne!(etag(hash, TimeMs(1)), etag(hash, TimeMs(2)));
        assert_ne!(etag(hash, TimeMs(1)), etag(hash + 1, TimeMs(1)));
    }
}
