//! Hashes of content: of one resource (for etags), and of a whole store (to compare two).
//!
//! A store's digest is the sum, modulo 2¹²⁸, of the XXH3-128 hashes of its resources, so that one write changes it in O(1)
//! and the order of writes does not matter. It covers what callers put, not the times the server made: the same import
//! gives the same digest on another day. It finds differences and damage; it is no defence against a forger.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_128;

use super::records::Times;
use super::requests::Answered;

use crate::domain::{
    Block, Edge, EdgeFilter, EdgeKey, IntroducerTally, Kind, Member, MemberId, Sphere, Status, TimeMs,
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

/// What has a hash of its content.
pub trait Hashed {
    fn content_hash(&self) -> u128;
}

impl Hashed for Kind {
    fn content_hash(&self) -> u128 {
        kind_hash(self)
    }
}

impl Hashed for Member {
    fn content_hash(&self) -> u128 {
        member_hash(self)
    }
}

impl Hashed for Edge {
    fn content_hash(&self) -> u128 {
        edge_hash(self)
    }
}

impl Hashed for Status {
    fn content_hash(&self) -> u128 {
        status_hash(self)
    }
}

pub fn kind_hash(kind: &Kind) -> u128 {
    let mut bytes = Bytes::of(b'k');
    bytes.text(kind.name.as_str());
    bytes.sphere(kind.sphere);
    bytes.number(u64::from(kind.symmetric));
    bytes.number(kind.prior.to_bits());
    bytes.number(kind.half_life_ms);
    bytes.unless_default(u8::from(kind.carries_statuses != Kind::carries_unless_said(&kind.name, kind.symmetric)));
    bytes.hash()
}

pub fn member_hash(member: &Member) -> u128 {
    let mut bytes = Bytes::of(b'm');
    bytes.text(member.id.as_str());
    bytes.text(&member.display_name);
    bytes.text(&member.headline);
    bytes.texts(member.topics.iter().map(|t| t.as_str()));
    bytes.labels(&member.labels);
    bytes.unless_default(member.privacy.bits());
    bytes.hash()
}

pub fn edge_hash(edge: &Edge) -> u128 {
    let mut bytes = Bytes::of(b'e');
    bytes.edge_key(&edge.key);
    bytes.optional(edge.pinned.map(|s| u64::from(s.get().to_bits())));
    bytes.number(edge.history.count);
    bytes.number(u64::from(edge.history.faded.to_bits()));
    bytes.number(u64::from(edge.history.last_s));
    bytes.time(edge.since);
    bytes.text(&edge.note);
    if let Some(origin) = &edge.origin {
        bytes.text(origin.status.as_ref().map_or("", |s| s.as_str()));
        bytes.texts(origin.introducers.iter().map(|m| m.as_str()));
        bytes.text(&origin.note);
    }
    bytes.unless_default(edge.visibility.number());
    // Above the numbers of visibilities.
    bytes.unless_default(edge.asked_by.as_ref().map_or(0, |id| if *id == edge.key.from { 16 } else { 17 }));
    bytes.hash()
}

pub fn status_hash(status: &Status) -> u128 {
    let mut bytes = Bytes::of(b's');
    bytes.text(status.id.as_str());
    bytes.text(status.author.as_str());
    bytes.text(&status.text);
    bytes.text(&status.link);
    bytes.texts(status.topics.iter().map(|t| t.as_str()));
    bytes.filter(&status.audience.filter);
    bytes.number(u64::from(status.audience.max_hops));
    bytes.time(Some(status.post_time));
    bytes.time(status.expire_time);
    bytes.hash()
}

pub fn block_hash(block: &Block) -> u128 {
    let mut bytes = Bytes::of(b'b');
    bytes.text(block.by.as_str());
    bytes.text(block.of.as_str());
    bytes.hash()
}

pub fn tally_hash(introducer: &MemberId, tally: &IntroducerTally) -> u128 {
    let mut bytes = Bytes::of(b'i');
    bytes.text(introducer.as_str());
    [tally.asked(), tally.accepted(), tally.declined()].into_iter().for_each(|count| bytes.number(count));
    for known in tally.recent() {
        bytes.number(u64::from(known.day.0));
        bytes.number(known.asks);
    }
    bytes.hash()
}

pub fn request_hash(answered: &Answered) -> u128 {
    let Answered { scope, id, fingerprint, time, answer, named } = answered;
    let mut bytes = Bytes::of(b'r');
    bytes.number(scope.0);
    bytes.wide(id.0);
    bytes.wide(*fingerprint);
    bytes.time(Some(*time));
    bytes.optional(answer.as_ref().map(|answer| answer.len() as u64));
    bytes.0.extend(answer.iter().flatten());
    named.iter().for_each(|hash| bytes.number(*hash));
    bytes.hash()
}

/// Tells filters apart.
pub fn filter_hash(filter: &EdgeFilter) -> u128 {
    let mut bytes = Bytes::of(b'f');
    bytes.filter(filter);
    bytes.hash()
}

/// An etag: opaque to callers, different whenever the content or the time of its last change is.
pub fn etag(content_hash: u128, update_time: TimeMs) -> String {
    let mut bytes = Bytes::of(b't');
    bytes.number((content_hash >> 64) as u64);
    bytes.number(content_hash as u64);
    bytes.time(Some(update_time));
    hex(bytes.hash() as u64)
}

/// Sixteen digits. A page has an etag for each of its edges: `format!` was a twentieth of its instructions.
fn hex(number: u64) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digits: [u8; 16] = std::array::from_fn(|place| DIGITS[(number >> (60 - 4 * place)) as usize & 0xF]);
    std::str::from_utf8(&digits).unwrap_or_default().to_owned()
}

/// Fields one after the other, each of a fixed size or with its length before it, so that no two contents look alike.
pub(super) struct Bytes(Vec<u8>);

impl Bytes {
    pub fn of(resource: u8) -> Bytes {
        let mut bytes = Vec::with_capacity(160);
        bytes.push(resource);
        Bytes(bytes)
    }

    pub fn number(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A byte at the end, where stores of format 1 have nothing: what is as it was keeps its hash.
    fn unless_default(&mut self, byte: u8) {
        if byte != 0 {
            self.0.push(byte);
        }
    }

    pub fn wide(&mut self, value: u128) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn edge_key(&mut self, key: &EdgeKey) {
        self.text(key.from.as_str());
        self.text(key.kind.as_str());
        self.text(key.to.as_str());
    }

    pub fn times(&mut self, times: Times) {
        self.time(Some(times.create));
        self.time(Some(times.update));
    }

    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn texts<'a>(&mut self, texts: impl ExactSizeIterator<Item = &'a str>) {
        self.number(texts.len() as u64);
        texts.for_each(|text| self.text(text));
    }

    fn optional(&mut self, value: Option<u64>) {
        self.0.push(u8::from(value.is_some()));
        self.number(value.unwrap_or_default());
    }

    pub fn time(&mut self, time: Option<TimeMs>) {
        self.optional(time.map(|t| t.0 as u64));
    }

    fn sphere(&mut self, sphere: Sphere) {
        self.0.push(match sphere {
            Sphere::Personal => 1,
            Sphere::Professional => 2,
            Sphere::Public => 3,
        });
    }

    fn labels(&mut self, labels: &BTreeMap<String, String>) {
        self.number(labels.len() as u64);
        for (key, value) in labels {
            self.text(key);
            self.text(value);
        }
    }

    fn filter(&mut self, filter: &EdgeFilter) {
        self.texts(filter.kinds.iter().map(|k| k.as_str()));
        self.number(filter.spheres.len() as u64);
        filter.spheres.iter().for_each(|&s| self.sphere(s));
        self.optional(filter.min_strength.map(|s| u64::from(s.get().to_bits())));
        self.texts(filter.exclude.iter().map(|m| m.as_str()));
    }

    pub fn hash(&self) -> u128 {
        xxh3_128(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn member(id: &str, name: &str) -> Member {
        let mut member = Member::bare(MemberId::parse("id", id).unwrap());
        member.display_name = name.to_owned();
        member
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        assert_ne!(member_hash(&member("ab", "c")), member_hash(&member("a", "bc")));
    }

    #[test]
    fn a_digest_forgets_what_is_removed_in_any_order() {
        let (a, b) = (member_hash(&member("a", "")), member_hash(&member("b", "")));
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
        let hash = member_hash(&member("a", ""));
        assert_ne!(etag(hash, TimeMs(1)), etag(hash, TimeMs(2)));
        assert_ne!(etag(hash, TimeMs(1)), etag(hash + 1, TimeMs(1)));
    }
}
