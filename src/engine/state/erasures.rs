//! Who was erased: keyed hashes of their ids, so that an import does not bring back whom somebody had erased, and nobody can read
//! from the store who they were. They are forgotten after a time that is put down with the key; what is over counts no more, and its memory
//! is given back later.

use std::collections::BTreeMap;
use std::fmt;

use imbl::{OrdMap, OrdSet, Vector};
use ring::hmac;

use super::digest::{Digest, hash_of};
use crate::domain::limits::BATCH_MAX;
use crate::domain::{
    ChangeError, Codec, ErasedId, ErasureKey, Error, Inspector, MemberId, Part, Reason, TimeMs, Times,
};

/// Keys at most: the store's own, and those of the stores whose exports it took.
const KEYS_MAX: usize = 16;
pub const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// A key, ready to be used.
#[derive(Clone)]
struct Key {
    bytes: ErasureKey,
    hmac: hmac::Key,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    fn new(bytes: ErasureKey) -> Key {
        Key { bytes, hmac: hmac::Key::new(hmac::HMAC_SHA256, &bytes.0) }
    }

    fn hash(&self, id: &str) -> u128 {
        let tag = hmac::sign(&self.hmac, id.as_bytes());
        tag.as_ref().iter().take(16).rev().fold(0, |hash, byte| hash << 8 | u128::from(*byte))
    }
}

/// When somebody was erased, and when that is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Remembered {
    time: TimeMs,
    until: TimeMs,
}

#[derive(Debug, Clone, Default)]
pub struct Erasures {
    /// The store's own is the first.
    keys: Vector<Key>,
    /// How long an erasure is remembered from now on.
    days: u32,
    /// By the key's number, then hash.
    ids: OrdMap<(u8, u128), Remembered>,
    by_until: OrdSet<(TimeMs, u8, u128)>,
}

impl Erasures {
    /// Whether this key and time are those in use.
    pub fn are_kept(&self, days: u32) -> bool {
        !self.keys.is_empty() && self.days == days
    }

    pub fn own_key(&self) -> Option<ErasureKey> {
        self.keys.front().map(|key| key.bytes)
    }

    pub fn days(&self) -> u32 {
        self.days
    }

    /// Takes a key as the store's own if it has none, and remembers for so long from now on.
    pub fn keep(&mut self, key: ErasureKey, days: u32) {
        if self.keys.is_empty() {
            self.keys.push_back(Key::new(key));
        }
        self.days = days;
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn contains(&self, id: &MemberId, now: TimeMs) -> bool {
        self.bars(id, now, None)
    }

    /// Returns whether an import may not put a member that is not there, given the times that it says the member has. Whoever was made
    /// after its erasure was brought back by then; a creation that is still to come proves nothing.
    pub fn bars(&self, id: &MemberId, now: TimeMs, restored: Option<Times>) -> bool {
        if self.ids.is_empty() {
            return false;
        }
        let mut found =
            (0u8..).zip(&self.keys).filter_map(|(number, key)| self.ids.get(&(number, key.hash(id.as_str()))));
        let is_from_before = |erased| restored.is_none_or(|times| times.create < erased || times.create > now);
        found.any(|remembered| remembered.until >= now && is_from_before(remembered.time))
    }

    /// Returns what remains of a member that is erased, and the key of its hash.
    pub fn erased(&self, id: &MemberId, time: TimeMs) -> Option<(ErasureKey, ErasedId)> {
        let key = self.keys.front()?;
        Some((key.bytes, ErasedId { hash: key.hash(id.as_str()), time }))
    }

    /// Remembers a member that is erased.
    pub fn add(&mut self, id: &MemberId, now: TimeMs) {
        if let Some((_, erased)) = self.erased(id, now) {
            self.remember(0, erased, now);
        }
    }

    /// Remembers an erasure under a key's number; returns whether that is new. Of two erasures of one member the later counts, in whatever
    /// order they are heard of; what is over at `now` is not remembered.
    fn remember(&mut self, key: u8, ErasedId { hash, time }: ErasedId, now: TimeMs) -> bool {
        // Nobody was erased in times to come, whatever an import says: it would outlast whoever is put again.
        let time = time.min(now);
        let until = time.later(i64::from(self.days) * DAY_MS).unwrap_or(TimeMs::LAST);
        let before = self.ids.get(&(key, hash)).copied().filter(|before| before.until >= now);
        let after = before.map_or(Remembered { time, until }, |before| Remembered {
            time: time.max(before.time),
            until: until.max(before.until),
        });
        if after.until < now {
            return false;
        }
        if let Some(kept) = self.ids.insert((key, hash), after) {
            self.by_until.remove(&(kept.until, key, hash));
        }
        self.by_until.insert((after.until, key, hash));
        before != Some(after)
    }

    /// Remembers whom another store erased. Gives whether any of them is new here.
    pub fn learn(&mut self, key: ErasureKey, erased: &[ErasedId], now: TimeMs) -> Result<bool, ChangeError> {
        let known = self.keys.iter().position(|known| known.bytes == key);
        if known.is_none() && self.keys.len() >= KEYS_MAX {
            let message = format!("erased ids of {KEYS_MAX} stores are kept already");
            return Err(ChangeError::precondition(Part::ErasureKey, Reason::TooMany, message));
        }
        let number = known.unwrap_or_else(|| {
            self.keys.push_back(Key::new(key));
            self.keys.len() - 1
        });
        let mut is_new = known.is_none();
        for erased in erased {
            is_new |= self.remember(number as u8, *erased, now);
        }
        Ok(is_new)
    }

    /// Forgets that a member was erased: it was put again.
    pub fn remove(&mut self, id: &MemberId) {
        if self.ids.is_empty() {
            return;
        }
        let ids: Vec<_> = (0u8..).zip(&self.keys).map(|(number, key)| (number, key.hash(id.as_str()))).collect();
        for (number, hash) in ids {
            if let Some(remembered) = self.ids.remove(&(number, hash)) {
                self.by_until.remove(&(remembered.until, number, hash));
            }
        }
    }

    /// Returns the time after which the first of them is forgotten.
    pub fn first_kept_until(&self) -> Option<TimeMs> {
        self.by_until.get_min().map(|(until, ..)| *until)
    }

    /// Gives back the memory of some of what is over: of so many at most. Returns how many they were.
    pub fn forget(&mut self, now: TimeMs, at_most: usize) -> usize {
        for forgotten in 0..at_most {
            let Some(&(until, number, hash)) = self.by_until.get_min().filter(|(until, ..)| *until < now) else {
                return forgotten;
            };
            self.by_until.remove(&(until, number, hash));
            self.ids.remove(&(number, hash));
        }
        at_most
    }

    /// Everyone, by key.
    pub fn all(&self) -> impl Iterator<Item = (ErasureKey, ErasedId)> + '_ {
        self.ids.iter().filter_map(|((number, hash), remembered)| {
            let key = self.keys.get(usize::from(*number))?.bytes;
            Some((key, ErasedId { hash: *hash, time: remembered.time }))
        })
    }

    /// Everyone who is remembered at a time by key, as many together as one record takes.
    pub fn together(&self, now: TimeMs) -> Vec<(ErasureKey, Vec<ErasedId>)> {
        let mut by_key: BTreeMap<ErasureKey, Vec<ErasedId>> = BTreeMap::new();
        for (number, erased, _) in self.rows().filter(|(.., until)| *until >= now) {
            let key = self.keys.get(usize::from(number)).map(|key| key.bytes);
            key.into_iter().for_each(|key| by_key.entry(key).or_default().push(erased));
        }
        let chunks = by_key.iter().flat_map(|(key, erased)| erased.chunks(BATCH_MAX).map(|some| (*key, some.to_vec())));
        chunks.collect()
    }

    pub fn keys(&self) -> impl Iterator<Item = ErasureKey> + '_ {
        self.keys.iter().map(|key| key.bytes)
    }

    /// Each as it is kept: the key's number, the hash, when it was erased and until when that is remembered.
    pub fn rows(&self) -> impl Iterator<Item = (u8, ErasedId, TimeMs)> + '_ {
        self.ids.iter().map(|((number, hash), remembered)| {
            (*number, ErasedId { hash: *hash, time: remembered.time }, remembered.until)
        })
    }

    pub fn row_count(&self) -> u64 {
        (self.keys.len() + self.ids.len()) as u64
    }

    /// Takes a key that a checkpoint holds, or says what is wrong with it.
    pub fn load_key(&mut self, key: ErasureKey, days: u32) -> Result<(), &'static str> {
        if self.keys.len() >= KEYS_MAX || self.keys().any(|known| known == key) {
            return Err("an erasure key is there twice, or one too many");
        }
        self.keys.push_back(Key::new(key));
        self.days = days;
        Ok(())
    }

    pub fn load(&mut self, number: u8, ErasedId { hash, time }: ErasedId, until: TimeMs) -> Result<(), &'static str> {
        let is_new = self.ids.insert((number, hash), Remembered { time, until }).is_none();
        if !is_new || usize::from(number) >= self.keys.len() {
            return Err("an erased id is there twice, or its key is not there");
        }
        self.by_until.insert((until, number, hash));
        Ok(())
    }

    /// Which of the members these are, by the hashes under a key.
    pub fn find<'m>(
        key: ErasureKey,
        ids: impl Iterator<Item = &'m MemberId>,
        is_one: impl Fn(u128) -> bool,
    ) -> Vec<(u128, MemberId)> {
        let key = Key::new(key);
        let hashed = ids.map(|id| (key.hash(id.as_str()), id));
        hashed.filter(|(hash, _)| is_one(*hash)).map(|(hash, id)| (hash, id.clone())).collect()
    }

    /// Adds the digest of what is remembered at a time.
    pub fn digest(&self, whole: &mut Digest, now: TimeMs) {
        whole.add(hash_of(b'X', |to| {
            self.days.encode(to);
            self.keys.iter().for_each(|key| key.bytes.encode(to));
        }));
        for (key, erased, until) in self.rows().filter(|(.., until)| *until >= now) {
            whole.add(hash_of(b'Y', |to| {
                key.encode(to);
                erased.encode(to);
                until.encode(to);
            }));
        }
    }

    pub fn inspect(&self, inspector: &mut dyn Inspector) -> Result<(), Error> {
        let by_until: OrdSet<_> = self.rows().map(|(number, erased, until)| (until, number, erased.hash)).collect();
        if by_until != self.by_until {
            inspector.find("erasures", "all".to_owned(), "the order of their ends is not theirs")?;
        }
        Ok(())
    }
}

/// The refusal of what would bring back who was erased.
pub fn member_erased(part: Part) -> ChangeError {
    let message = "was erased; only a PutMember brings it back";
    ChangeError::precondition(part, Reason::MemberErased, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_erasure_counts_and_a_creation_to_come_proves_nothing() {
        let (key, id) = (ErasureKey([7; 32]), MemberId::parse("id", "ann").unwrap());
        let mut erasures = Erasures::default();
        erasures.keep(key, 30);
        let erased_at = |erasures: &Erasures, time| erasures.erased(&id, TimeMs(time)).unwrap().1;
        let (early, late) = (erased_at(&erasures, 10), erased_at(&erasures, 30));
        assert_eq!(erasures.learn(key, &[late], TimeMs(50)), Ok(true));
        assert_eq!(erasures.learn(key, &[early, late], TimeMs(50)), Ok(false));
        let made_at = |time| Some(Times::new(TimeMs(time)));
        let bars = |restored| erasures.bars(&id, TimeMs(50), restored);
        assert_eq!(
            [None, made_at(20), made_at(30), made_at(50), made_at(51)].map(bars),
            [true, true, false, false, true]
        );
    }

    #[test]
    fn what_is_over_counts_no_more_whether_its_memory_was_given_back_or_not() {
        let (key, id) = (ErasureKey([7; 32]), MemberId::parse("id", "ann").unwrap());
        let mut begun = Erasures::default();
        begun.keep(key, 1);
        begun.add(&id, TimeMs(100));
        let now = TimeMs(101 + DAY_MS);
        let [mut held, mut given_back] = [begun.clone(), begun];
        assert_eq!((given_back.forget(now, 9), given_back.len(), held.len()), (1, 0, 1));
        let digest = |erasures: &Erasures| {
            let mut whole = Digest::default();
            erasures.digest(&mut whole, now);
            whole
        };
        for erasures in [&mut held, &mut given_back] {
            assert!(erasures.together(now).is_empty());
            erasures.keep(key, 2);
        }
        assert_eq!(digest(&held), digest(&given_back));
        let earlier = ErasedId { time: TimeMs(50 + DAY_MS), ..held.erased(&id, now).unwrap().1 };
        for erasures in [&mut held, &mut given_back] {
            assert_eq!(erasures.learn(key, &[earlier], now), Ok(true));
        }
        assert_eq!(digest(&held), digest(&given_back));
        assert_eq!(held.together(now), [(key, vec![earlier])]);
    }

    #[test]
    fn nothing_is_remembered_beyond_the_last_time_there_is() {
        let mut erasures = Erasures::default();
        erasures.keep(ErasureKey([7; 32]), u32::MAX);
        let last = ErasedId { hash: 1, time: TimeMs::LAST };
        assert_eq!(erasures.learn(ErasureKey([7; 32]), &[last], TimeMs(0)), Ok(true));
        assert_eq!(erasures.rows().map(|(_, _, until)| until).collect::<Vec<_>>(), [TimeMs::LAST]);
    }
}
