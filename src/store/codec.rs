//! The bytes of numbers and texts, and of the domain's types. `docs/FORMAT.md` documents them.
//!
//! Reading never trusts a length: a text or list is at most as long as the bytes that are left.

use std::collections::{BTreeMap, HashMap};

use crate::domain::{
    Audience, Block, Day, DayOfAsks, EdgeFilter, EdgeKey, EdgePut, History, IntroducerTally, Introduction, KindName,
    Member, MemberId, Origin, Privacy, Sphere, Stage, Status, StatusId, Strength, TimeMs, Topic, TopicSet, Visibility,
};

/// Bytes that are not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// Which of an edge's optional parts follow.
const PINNED: u8 = 1;
const HISTORY: u8 = 2;
const SINCE: u8 = 4;
const NOTE: u8 = 8;
const ORIGIN: u8 = 16;
const VISIBILITY: u8 = 32;
const ASKED_BY: u8 = 64;

/// Writes values one after the other.
#[derive(Default)]
pub struct Encoder {
    pub bytes: Vec<u8>,
    /// Names written before, by their number.
    names: HashMap<String, u64>,
}

/// Reads what an `Encoder` wrote.
pub struct Decoder<'a> {
    bytes: &'a [u8],
    names: Vec<&'a str>,
}

impl Encoder {
    pub fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// LEB128: seven bits a byte, the lowest first; the high bit says that more follow.
    pub fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Zigzag: small numbers of either sign are short.
    pub fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)) as u64);
    }

    pub fn wide(&mut self, value: u128) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn single(&mut self, value: f32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn double(&mut self, value: f64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn blob(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    pub fn text(&mut self, text: &str) {
        self.blob(text.as_bytes());
    }

    /// A name that may come again: 0 and its text at first, its number (from 1, in order of appearance) from then on.
    pub fn name(&mut self, name: &str) {
        if let Some(&number) = self.names.get(name) {
            return self.number(number);
        }
        self.names.insert(name.to_owned(), self.names.len() as u64 + 1);
        self.number(0);
        self.text(name);
    }

    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Encoder, T)) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub fn list<T>(&mut self, items: impl ExactSizeIterator<Item = T>, mut write: impl FnMut(&mut Encoder, T)) {
        self.number(items.len() as u64);
        items.for_each(|item| write(self, item));
    }

    pub fn time(&mut self, time: TimeMs) {
        self.signed(time.0);
    }

    pub fn sphere(&mut self, sphere: Sphere) {
        self.byte(match sphere {
            Sphere::Personal => 1,
            Sphere::Professional => 2,
            Sphere::Public => 3,
        });
    }

    pub fn topics(&mut self, topics: &TopicSet) {
        self.list(topics.iter(), |to, topic: &Topic| to.name(topic.as_str()));
    }

    pub fn labels(&mut self, labels: &BTreeMap<String, String>) {
        self.list(labels.iter(), |to, (key, value)| {
            to.text(key);
            to.text(value);
        });
    }

    /// Without its privacy, which most have none of.
    pub fn member(&mut self, member: &Member) {
        self.name(member.id.as_str());
        self.text(&member.display_name);
        self.text(&member.headline);
        self.topics(&member.topics);
        self.labels(&member.labels);
    }

    pub fn privacy(&mut self, privacy: Privacy) {
        self.byte(privacy.bits());
    }

    pub fn visibility(&mut self, visibility: Visibility) {
        self.byte(visibility.number());
    }

    pub fn block(&mut self, block: &Block) {
        self.name(block.by.as_str());
        self.name(block.of.as_str());
    }

    pub fn introduction(&mut self, introduction: &Introduction) {
        self.name(introduction.introducer.as_str());
        self.byte(introduction.stage.number());
        self.number(u64::from(introduction.day.0));
    }

    pub fn tally(&mut self, tally: &IntroducerTally) {
        [tally.asked(), tally.accepted(), tally.declined()].into_iter().for_each(|count| self.number(count));
        self.list(tally.recent().iter(), |to, known| {
            to.number(u64::from(known.day.0));
            to.number(known.asks);
        });
    }

    pub fn edge_key(&mut self, key: &EdgeKey) {
        self.name(key.from.as_str());
        self.name(key.kind.as_str());
        self.name(key.to.as_str());
    }

    pub fn edge_put(&mut self, put: &EdgePut) {
        self.edge_key(&put.key);
        let part = |there: bool, flag: u8| if there { flag } else { 0 };
        self.byte(
            part(put.pinned.is_some(), PINNED)
                | part(put.history.is_some(), HISTORY)
                | part(put.since.is_some(), SINCE)
                | part(!put.note.is_empty(), NOTE)
                | part(put.origin.is_some(), ORIGIN)
                | part(put.visibility != Visibility::default(), VISIBILITY)
                | part(put.asked_by.is_some(), ASKED_BY),
        );
        if let Some(pinned) = put.pinned {
            self.single(pinned.get());
        }
        if let Some(history) = &put.history {
            self.history(history);
        }
        if let Some(since) = put.since {
            self.time(since);
        }
        if !put.note.is_empty() {
            self.text(&put.note);
        }
        if let Some(origin) = &put.origin {
            self.origin(origin);
        }
        if put.visibility != Visibility::default() {
            self.visibility(put.visibility);
        }
        if let Some(id) = &put.asked_by {
            self.byte(u8::from(*id == put.key.to));
        }
    }

    pub fn history(&mut self, history: &History) {
        self.number(history.count);
        self.single(history.faded);
        self.number(u64::from(history.last_s));
    }

    pub fn origin(&mut self, origin: &Origin) {
        self.option(origin.status.as_ref(), |to, status| to.text(status.as_str()));
        self.list(origin.introducers.iter(), |to, member| to.name(member.as_str()));
        self.text(&origin.note);
    }

    pub fn status(&mut self, status: &Status) {
        self.text(status.id.as_str());
        self.name(status.author.as_str());
        self.text(&status.text);
        self.text(&status.link);
        self.topics(&status.topics);
        self.filter(&status.audience.filter);
        self.number(u64::from(status.audience.max_hops));
        self.time(status.post_time);
        self.option(status.expire_time, |to, time| to.time(time));
    }

    fn filter(&mut self, filter: &EdgeFilter) {
        self.list(filter.kinds.iter(), |to, kind| to.name(kind.as_str()));
        self.list(filter.spheres.iter(), |to, &sphere| to.sphere(sphere));
        self.option(filter.min_strength, |to, strength| to.single(strength.get()));
        self.list(filter.exclude.iter(), |to, member| to.name(member.as_str()));
    }
}

pub(super) type Read<T> = Result<T, Malformed>;

impl<'a> Decoder<'a> {
    pub fn new(bytes: &'a [u8]) -> Decoder<'a> {
        Decoder { bytes, names: Vec::new() }
    }

    /// Nothing may follow what was read.
    pub fn end(self) -> Read<()> {
        if self.bytes.is_empty() { Ok(()) } else { Err(Malformed("bytes are left over")) }
    }

    pub fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }

    fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let (taken, left) = self.bytes.split_at_checked(len).ok_or(Malformed("bytes are missing"))?;
        self.bytes = left;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Malformed("bytes are missing"))
    }

    pub fn byte(&mut self) -> Read<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn flag(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("a flag is neither 0 nor 1")),
        }
    }

    pub fn number(&mut self) -> Read<u64> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed("a number is too long"))
    }

    pub fn small<T: TryFrom<u64>>(&mut self) -> Read<T> {
        T::try_from(self.number()?).map_err(|_| Malformed("a number is too large"))
    }

    pub fn signed(&mut self) -> Read<i64> {
        let value = self.number()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub fn wide(&mut self) -> Read<u128> {
        self.array().map(u128::from_le_bytes)
    }

    pub fn single(&mut self) -> Read<f32> {
        self.array().map(f32::from_le_bytes)
    }

    pub fn double(&mut self) -> Read<f64> {
        self.array().map(f64::from_le_bytes)
    }

    pub fn blob(&mut self) -> Read<&'a [u8]> {
        let len = self.small()?;
        self.take(len)
    }

    pub fn text(&mut self) -> Read<&'a str> {
        std::str::from_utf8(self.blob()?).map_err(|_| Malformed("a text is not UTF-8"))
    }

    pub fn name(&mut self) -> Read<&'a str> {
        match self.small::<usize>()? {
            0 => {
                let name = self.text()?;
                self.names.push(name);
                Ok(name)
            }
            number => self.names.get(number - 1).copied().ok_or(Malformed("a name's number is too large")),
        }
    }

    pub fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    pub fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let len: usize = self.small()?;
        // Every item takes a byte at least.
        if len > self.bytes.len() {
            return Err(Malformed("a list is longer than its bytes"));
        }
        (0..len).map(|_| read(self)).collect()
    }

    pub fn time(&mut self) -> Read<TimeMs> {
        self.signed().map(TimeMs)
    }

    pub fn member_id(&mut self) -> Read<MemberId> {
        MemberId::parse("id", self.name()?).map_err(|_| Malformed("a member's id is none"))
    }

    pub fn kind_name(&mut self) -> Read<KindName> {
        KindName::parse("kind", self.name()?).map_err(|_| Malformed("a kind's name is none"))
    }

    pub fn status_id(&mut self) -> Read<StatusId> {
        StatusId::parse("id", self.text()?).map_err(|_| Malformed("a status's id is none"))
    }

    pub fn strength(&mut self) -> Read<Strength> {
        Strength::parse("strength", self.single()?).map_err(|_| Malformed("a strength is out of range"))
    }

    pub fn sphere(&mut self) -> Read<Sphere> {
        match self.byte()? {
            1 => Ok(Sphere::Personal),
            2 => Ok(Sphere::Professional),
            3 => Ok(Sphere::Public),
            _ => Err(Malformed("a sphere is none")),
        }
    }

    pub fn topics(&mut self) -> Read<TopicSet> {
        let topics = self.list(Self::name)?;
        TopicSet::parse("topics", &topics).map_err(|_| Malformed("a topic is none"))
    }

    pub fn labels(&mut self) -> Read<BTreeMap<String, String>> {
        let pairs = self.list(|from| Ok((from.text()?.to_owned(), from.text()?.to_owned())))?;
        Ok(pairs.into_iter().collect())
    }

    pub fn member(&mut self) -> Read<Member> {
        Ok(Member {
            id: self.member_id()?,
            display_name: self.text()?.to_owned(),
            headline: self.text()?.to_owned(),
            topics: self.topics()?,
            labels: self.labels()?,
            privacy: Privacy::default(),
        })
    }

    pub fn privacy(&mut self) -> Read<Privacy> {
        Privacy::from_bits(self.byte()?).ok_or(Malformed("a privacy is none"))
    }

    pub fn visibility(&mut self) -> Read<Visibility> {
        Visibility::ALL.get(usize::from(self.byte()?)).copied().ok_or(Malformed("a visibility is none"))
    }

    pub fn block(&mut self) -> Read<Block> {
        let (by, of) = (self.member_id()?, self.member_id()?);
        if by == of { Err(Malformed("a member blocks itself")) } else { Ok(Block { by, of }) }
    }

    pub fn introduction(&mut self) -> Read<Introduction> {
        let introducer = self.member_id()?;
        let stage = Stage::ALL.get(usize::from(self.byte()?)).copied().ok_or(Malformed("a stage is none"))?;
        Ok(Introduction { introducer, stage, day: Day(self.small()?) })
    }

    pub fn tally(&mut self) -> Read<IntroducerTally> {
        let (asked, accepted, declined) = (self.number()?, self.number()?, self.number()?);
        let recent = self.list(|from| Ok(DayOfAsks { day: Day(from.small()?), asks: from.number()? }))?;
        IntroducerTally::new(asked, accepted, declined, recent).map_err(|_| Malformed("a tally does not add up"))
    }

    pub fn edge_key(&mut self) -> Read<EdgeKey> {
        let (from, kind, to) = (self.member_id()?, self.kind_name()?, self.member_id()?);
        EdgeKey::new(from, kind, to).map_err(|_| Malformed("an edge joins a member to itself"))
    }

    pub fn edge_put(&mut self) -> Read<EdgePut> {
        let mut put = EdgePut::bare(self.edge_key()?);
        let parts = self.byte()?;
        if parts & PINNED != 0 {
            put.pinned = Some(self.strength()?);
        }
        if parts & HISTORY != 0 {
            put.history = Some(self.history()?);
        }
        if parts & SINCE != 0 {
            put.since = Some(self.time()?);
        }
        if parts & NOTE != 0 {
            put.note = self.text()?.to_owned();
        }
        if parts & ORIGIN != 0 {
            put.origin = Some(self.origin()?);
        }
        if parts & VISIBILITY != 0 {
            put.visibility = self.visibility()?;
        }
        if parts & ASKED_BY != 0 {
            put.asked_by = Some(if self.flag()? { put.key.to.clone() } else { put.key.from.clone() });
        }
        Ok(put)
    }

    pub fn history(&mut self) -> Read<History> {
        Ok(History { count: self.number()?, faded: self.single()?, last_s: self.small()? })
    }

    pub fn origin(&mut self) -> Read<Origin> {
        Ok(Origin {
            status: self.option(Self::status_id)?,
            introducers: self.list(Self::member_id)?,
            note: self.text()?.to_owned(),
        })
    }

    pub fn status(&mut self) -> Read<Status> {
        Ok(Status {
            id: self.status_id()?,
            author: self.member_id()?,
            text: self.text()?.to_owned(),
            link: self.text()?.to_owned(),
            topics: self.topics()?,
            audience: Audience { filter: self.filter()?, max_hops: self.small()? },
            post_time: self.time()?,
            expire_time: self.option(Self::time)?,
        })
    }

    fn filter(&mut self) -> Read<EdgeFilter> {
        let (kinds, spheres) = (self.list(Self::kind_name)?, self.list(Self::sphere)?);
        let (min_strength, exclude) = (self.option(Self::strength)?, self.list(Self::member_id)?);
        EdgeFilter::new(kinds, spheres, min_strength, exclude).map_err(|_| Malformed("a filter is out of range"))
    }
}
