//! The index from members' ids to the graph's slots, and all ids in order.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::Bound;

use imbl::OrdMap;

use super::half_edge::MemberIx;
use crate::domain::MemberId;

/// The first sixteen bytes of an id. The id with the lesser prefix is the lesser id.
pub type Prefix = [u64; 2];

/// An id with its first sixteen bytes before it: most comparisons end there, without a look at the text elsewhere in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PrefixedId {
    prefix: Prefix,
    id: MemberId,
}

/// What a `PrefixedId` can be compared with, so that a lookup allocates nothing.
trait Prefixed {
    fn prefix(&self) -> Prefix;
    fn text(&self) -> &str;
}

impl Prefixed for PrefixedId {
    fn prefix(&self) -> Prefix {
        self.prefix
    }

    fn text(&self) -> &str {
        self.id.as_str()
    }
}

/// A text to look for, with its prefix.
struct Sought<'a>(Prefix, &'a str);

impl Prefixed for Sought<'_> {
    fn prefix(&self) -> Prefix {
        self.0
    }

    fn text(&self) -> &str {
        self.1
    }
}

impl<'a> Borrow<dyn Prefixed + 'a> for PrefixedId {
    fn borrow(&self) -> &(dyn Prefixed + 'a) {
        self
    }
}

// A shorter text is padded with zero bytes, which no id holds, so the order by prefix and then text is the order by text.
impl Ord for dyn Prefixed + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        self.prefix().cmp(&other.prefix()).then_with(|| self.text().cmp(other.text()))
    }
}

impl PartialOrd for dyn Prefixed + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Prefixed + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for dyn Prefixed + '_ {}

impl Ord for PrefixedId {
    fn cmp(&self, other: &Self) -> Ordering {
        (self as &dyn Prefixed).cmp(other as &dyn Prefixed)
    }
}

impl PartialOrd for PrefixedId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

pub fn prefix(text: &str) -> Prefix {
    let mut bytes = [0; 16];
    let len = text.len().min(16);
    bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
    let both = u128::from_be_bytes(bytes);
    [(both >> 64) as u64, both as u64]
}

/// Every member's id, in byte order. Clones share structure.
#[derive(Debug, Clone, Default)]
pub struct Ids(OrdMap<PrefixedId, MemberIx>);

impl Ids {
    /// Returns how many ids there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Indexes the ids of members in the order of their slots. They are inserted in byte order, so that each goes in near the one before
    /// it.
    pub fn of(names: &[MemberId]) -> Ids {
        let mut order: Vec<(Prefix, u32)> = names.iter().map(|id| prefix(id.as_str())).zip(0..).collect();
        order.sort_unstable();
        let mut ids = Ids::default();
        order.into_iter().for_each(|(_, index)| ids.insert(names[index as usize].clone(), MemberIx(index)));
        ids
    }

    pub fn find(&self, id: &str) -> Option<MemberIx> {
        self.0.get(&Sought(prefix(id), id) as &dyn Prefixed).copied()
    }

    /// Returns the indices of many ids. They are looked up in byte order, so that each lookup reads near what the one before it has just
    /// read.
    pub fn find_all(&self, ids: &[&MemberId]) -> Vec<Option<MemberIx>> {
        let mut order: Vec<(Prefix, usize)> = ids.iter().map(|id| prefix(id.as_str())).zip(0..).collect();
        order.sort_unstable();
        let mut found = vec![None; ids.len()];
        for (prefix, at) in order {
            found[at] = self.0.get(&Sought(prefix, ids[at].as_str()) as &dyn Prefixed).copied();
        }
        found
    }

    pub fn insert(&mut self, id: MemberId, ix: MemberIx) {
        self.0.insert(PrefixedId { prefix: prefix(id.as_str()), id }, ix);
    }

    pub fn remove(&mut self, id: &str) {
        self.0.remove(&Sought(prefix(id), id) as &dyn Prefixed);
    }

    /// Returns the ids in order, or those after `id` if it is given.
    pub fn after(&self, id: Option<&MemberId>) -> impl Iterator<Item = (&MemberId, MemberIx)> {
        let start = match id {
            Some(id) => Bound::Excluded(PrefixedId { prefix: prefix(id.as_str()), id: id.clone() }),
            None => Bound::Unbounded,
        };
        self.0.range((start, Bound::Unbounded)).map(|(key, ix)| (&key.id, *ix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_by_bytes_whatever_the_prefix() {
        let mut texts = [
            "b",
            "abcdefgh",
            "abcdefghi",
            "abcdefg",
            "ä",
            "a",
            "abcdefgha",
            "é€𝄞",
            "~",
            "abcdefghijklmnop",
            "abcdefghijklmnopq",
            "abcdefghijklmno",
            "abcdefghijklmnopa",
        ];
        let mut ids = Ids::default();
        for (i, text) in texts.iter().enumerate() {
            ids.insert(MemberId::parse("id", text).unwrap(), MemberIx(i as u32));
        }
        for (i, text) in texts.iter().enumerate() {
            assert_eq!(ids.find(text), Some(MemberIx(i as u32)));
        }
        assert_eq!(ids.find("abc"), None);
        let sought = ["é€𝄞", "abc", "abcdefghijklmnop", "abcdefghijklmnopa", "a", "a"];
        let sought = sought.map(|text| MemberId::parse("id", text).unwrap());
        let found: Vec<_> = sought.iter().map(|id| ids.find(id.as_str())).collect();
        assert_eq!(ids.find_all(&sought.iter().collect::<Vec<_>>()), found);
        texts.sort();
        assert!(ids.after(None).map(|(id, _)| id.as_str()).eq(texts));
        let third = MemberId::parse("id", texts[2]).unwrap();
        assert!(ids.after(Some(&third)).map(|(id, _)| id.as_str()).eq(texts[3..].iter().copied()));
        ids.remove("a");
        assert_eq!(ids.find("a"), None);
    }
}
