//! The request ids of the last 24 hours of writes, each with the answer it was given.
//!
//! There may be millions of them, so they are packed: entries stand in the order of their commands, numbered, and two ordered sets
//! of numbers find them by their id and by the members that their requests named. A day is over by the log's time. What is older
//! is not found any more; its memory is given back a little with each command of any namespace, so that no command pays for a whole day.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::{OrdSet, Vector};
use xxhash_rust::xxh3::xxh3_64;

use super::compare::compare;
use super::digest::{Digest, hash_of};
use crate::domain::{Codec, Error, Inspector, RequestId, Scope, TimeMs};
use crate::engine::shares::Shares;

/// What an entry takes beside its answer and the members it names: itself, its entry in the index of ids, and the allocation of what
/// it keeps. Reckoned from their layout, not measured.
pub const REQUEST_BYTES: u64 = 144;
/// What a member takes that a request names: its hash in the entry and its entry in the index of members.
const NAMED_BYTES: u64 = 40;
/// Whether an entry still has its answer: the first byte of what it keeps.
const ANSWERED: u8 = 1;
const ERASED: u8 = 0;

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub scope: Scope,
    pub id: RequestId,
    pub fingerprint: u128,
    pub time: TimeMs,
    /// None once a member it named was erased.
    pub answer: Option<Vec<u8>>,
    /// Whom the request named, but for those who are erased: `named` of their ids.
    pub named: Vec<u64>,
}

impl Answered {
    fn hash(&self) -> u128 {
        let Answered { scope, id, fingerprint, time, answer, named } = self;
        hash_of(b'r', |to| {
            scope.encode(to);
            id.encode(to);
            fingerprint.encode(to);
            time.encode(to);
            answer.encode(to);
            named.encode(to);
        })
    }
}

/// What a member is known by among those that requests named: no name is kept that would have to be erased.
pub fn named(id: &str) -> u64 {
    xxh3_64(id.as_bytes())
}

#[derive(Debug, Clone)]
struct Entry {
    id: u128,
    fingerprint: u128,
    scope: u64,
    time: TimeMs,
    /// Whether the answer is there (1), how many members are named (2), their hashes (8 each), the answer.
    kept: Arc<[u8]>,
}

impl Entry {
    fn new(answered: &Answered) -> Entry {
        let Answered { scope, id, fingerprint, time, answer, named } = answered;
        let named = &named[..named.len().min(u16::MAX.into())];
        let mut kept = vec![if answer.is_some() { ANSWERED } else { ERASED }];
        kept.extend((named.len() as u16).to_le_bytes());
        kept.extend(named.iter().flat_map(|hash| hash.to_le_bytes()));
        kept.extend(answer.as_deref().unwrap_or_default());
        Entry { id: id.0, fingerprint: *fingerprint, scope: scope.0, time: *time, kept: kept.into() }
    }

    /// The hashes of whom it names, and the answer.
    fn parts(&self) -> (&[[u8; 8]], Option<&[u8]>) {
        let [flag, low, high, rest @ ..] = &*self.kept else { return (&[], None) };
        let count = usize::from(u16::from_le_bytes([*low, *high]));
        let (hashes, answer) = rest.split_at_checked(8 * count).unwrap_or((rest, &[]));
        (hashes.as_chunks().0, (*flag == ANSWERED).then_some(answer))
    }

    fn named(&self) -> impl Iterator<Item = u64> + '_ {
        self.parts().0.iter().map(|hash| u64::from_le_bytes(*hash))
    }

    fn answered(&self) -> Answered {
        Answered {
            scope: Scope(self.scope),
            id: RequestId(self.id),
            fingerprint: self.fingerprint,
            time: self.time,
            answer: self.parts().1.map(<[u8]>::to_vec),
            named: self.named().collect(),
        }
    }

    /// What it takes in memory, about.
    fn bytes(&self) -> u64 {
        let (named, answer) = self.parts();
        REQUEST_BYTES + NAMED_BYTES * named.len() as u64 + answer.map_or(0, <[u8]>::len) as u64
    }

    /// Where the index of ids has it.
    fn key(&self) -> u64 {
        key(self.id)
    }
}

fn key(id: u128) -> u64 {
    xxh3_64(&id.to_le_bytes())
}

/// An answer that is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub fingerprint: u128,
    /// None once a member that the request named was erased.
    pub answer: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Default)]
pub struct Requests {
    entries: Vector<Entry>,
    /// The number of the first entry.
    first: u64,
    /// By the hash of the id, then number.
    by_id: OrdSet<(u64, u64)>,
    /// By the hash of a member that is named, then number.
    by_member: OrdSet<(u64, u64)>,
    /// What the entries take, about, by whose they are.
    shares: Shares,
}

impl Requests {
    /// Returns the answer that a caller was given under an id from a time on.
    pub fn get(&self, scope: Scope, id: RequestId, from: TimeMs) -> Option<Found> {
        let numbers = self.by_id.range((key(id.0), 0)..=(key(id.0), u64::MAX));
        let entries = numbers.filter_map(|(_, number)| self.entry(*number));
        let own = |entry: &&Entry| entry.scope == scope.0;
        let mut kept = entries.filter(|entry| entry.id == id.0 && entry.time >= from).filter(own);
        // The newest of them, if one was forgotten and used again.
        let entry = kept.next_back()?;
        Some(Found { fingerprint: entry.fingerprint, answer: entry.parts().1.map(<[u8]>::to_vec) })
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    pub fn insert(&mut self, answered: &Answered) {
        let (entry, number) = (Entry::new(answered), self.first + self.entries.len() as u64);
        self.by_id.insert((entry.key(), number));
        for hash in entry.named() {
            self.by_member.insert((hash, number));
        }
        self.shares.add(Scope(entry.scope), entry.bytes());
        self.entries.push_back(entry);
    }

    /// Erases a member from what is kept of the requests that named it, and so their answers.
    pub fn erase(&mut self, member: &str) {
        let hash = named(member);
        let numbers: Vec<u64> = self.by_member.range((hash, 0)..=(hash, u64::MAX)).map(|(_, number)| *number).collect();
        for number in numbers {
            self.by_member.remove(&(hash, number));
            let Some(before) = self.entry(number).cloned() else { continue };
            let named = before.named().filter(|named| *named != hash).collect();
            let after = Entry::new(&Answered { answer: None, named, ..before.answered() });
            self.shares.subtract(Scope(before.scope), before.bytes());
            self.shares.add(Scope(after.scope), after.bytes());
            self.entries.set((number - self.first) as usize, after);
        }
    }

    /// Returns when the first of them was answered.
    pub fn first(&self) -> Option<TimeMs> {
        self.entries.front().map(|entry| entry.time)
    }

    /// Gives back the memory of some of what was answered before a time: of so many at most. Returns how many they were.
    pub fn forget(&mut self, from: TimeMs, at_most: usize) -> usize {
        for forgotten in 0..at_most {
            if self.first().is_none_or(|time| time >= from) {
                return forgotten;
            }
            let Some(entry) = self.entries.pop_front() else { return forgotten };
            self.by_id.remove(&(entry.key(), self.first));
            for hash in entry.named() {
                self.by_member.remove(&(hash, self.first));
            }
            self.shares.subtract(Scope(entry.scope), entry.bytes());
            self.first += 1;
        }
        at_most
    }

    /// Checks what is kept twice, and that nothing was answered after the last command.
    pub fn inspect(&self, last: TimeMs, inspector: &mut dyn Inspector) -> Result<(), Error> {
        let name = |number: u64| self.entry(number).map_or("?".to_owned(), |entry| format!("{:032x}", entry.id));
        let (mut by_id, mut by_member, mut bytes) = (BTreeSet::new(), BTreeSet::new(), 0);
        let mut before = TimeMs(i64::MIN);
        for (entry, number) in self.entries.iter().zip(self.first..) {
            by_id.insert((entry.key(), number));
            by_member.extend(entry.named().map(|hash| (hash, number)));
            bytes += entry.bytes();
            if entry.time > last {
                inspector.find("requests", name(number), "it was answered after the last command")?;
            }
            if entry.time < before {
                inspector.find("requests", name(number), "it is out of order")?;
            }
            before = entry.time;
        }
        compare("requests", &by_id, &self.by_id, |(_, number)| format!("{} by its id", name(*number)), inspector)?;
        let of_member = |(_, number): &&(u64, u64)| format!("{} by a member", name(*number));
        compare("requests", &by_member, &self.by_member, of_member, inspector)?;
        if bytes != self.shares.total() || !self.shares.is_sound() {
            inspector.find("requests", "bytes".to_owned(), "they are not what the entries take")?;
        }
        Ok(())
    }

    /// Returns the digest of those that were answered from a time on, whether the others have given back their memory or not.
    pub fn digest(&self, from: TimeMs) -> Digest {
        let mut digest = Digest::default();
        let kept = self.iter().filter(|answered| answered.time >= from);
        kept.for_each(|answered| digest.add(answered.hash()));
        digest
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns what they take in memory, about, by whose they are.
    pub fn shares(&self) -> &Shares {
        &self.shares
    }

    /// In the order of their commands.
    pub fn iter(&self) -> impl Iterator<Item = Answered> + '_ {
        self.entries.iter().map(Entry::answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(id: u128, time: i64, members: &[&str]) -> Answered {
        Answered {
            scope: Scope::SHARED,
            id: RequestId(id),
            fingerprint: 0,
            time: TimeMs(time),
            answer: Some(Vec::new()),
            named: members.iter().map(|id| named(id)).collect(),
        }
    }

    fn get(requests: &Requests, id: u128, from: i64) -> Option<bool> {
        requests.get(Scope::SHARED, RequestId(id), TimeMs(from)).map(|found| found.answer.is_some())
    }

    #[test]
    fn an_erased_member_takes_the_answers_that_named_it_along() {
        let mut requests = Requests::default();
        requests.insert(&answered(1, 0, &["ann", "bob"]));
        requests.insert(&answered(2, 0, &["bob"]));
        requests.insert(&answered(3, 0, &["cy"]));
        requests.erase("ann");
        assert_eq!([1, 2, 3].map(|id| get(&requests, id, 0)), [Some(false), Some(true), Some(true)]);
        assert_eq!(requests.iter().map(|left| left.named.len()).collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!(requests.forget(TimeMs(i64::MAX), 9), 3);
        assert_eq!((requests.len(), requests.by_member.len(), requests.by_id.len()), (0, 0, 0));
        assert_eq!(requests.shares, Shares::default());
    }

    #[test]
    fn what_was_answered_before_is_not_found_and_its_memory_is_given_back_a_little_at_a_time() {
        let mut requests = Requests::default();
        (0..1_000).for_each(|id| requests.insert(&answered(id, id as i64 / 500, &["ann"])));
        assert_eq!([0, 499, 500].map(|id| get(&requests, id, 1)), [None, None, Some(true)]);
        let (all, later) = (requests.digest(TimeMs(0)), requests.digest(TimeMs(1)));
        assert_eq!((requests.forget(TimeMs(1), 64), requests.len()), (64, 1_000 - 64));
        assert_ne!(all, later);
        assert_eq!(requests.digest(TimeMs(1)), later, "nobody can tell whether it was given back");
        requests.insert(&answered(7, 1, &[]));
        assert_eq!(get(&requests, 7, 1), Some(true), "an id that is over may be used again");
        assert_eq!((requests.forget(TimeMs(1), 10_000), requests.len()), (500 - 64, 501));
    }

    #[test]
    fn an_id_belongs_to_the_caller_that_used_it() {
        let mut requests = Requests::default();
        let (one, other) = (Scope(11), Scope(12));
        requests.insert(&Answered { scope: one, fingerprint: 1, ..answered(1, 0, &[]) });
        requests.insert(&Answered { scope: other, fingerprint: 2, ..answered(1, 0, &[]) });
        let fingerprint = |scope, id| requests.get(scope, RequestId(id), TimeMs(0)).map(|found| found.fingerprint);
        assert_eq!([one, other, Scope::SHARED].map(|scope| fingerprint(scope, 1)), [Some(1), Some(2), None]);
    }
}
