//! The statuses that members post, and what finds them.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::compare::compare;
use super::digest::{Digest, Hashed, hash_of};
use super::records::StatusRecord;
use super::topics::TopicIndex;
use crate::domain::{Codec, Error, Inspector, KindName, MemberId, StatusId, TimeMs};
use crate::graph::{Graph, MemberIx};

/// A status's rank in its author's list: newest first, then by id.
type AuthorRank = (MemberIx, Reverse<TimeMs>, StatusId);

type Records = OrdMap<StatusId, Arc<StatusRecord>>;

/// The statuses by id, with their indexes and their digest.
#[derive(Clone, Default)]
pub struct Statuses {
    records: Records,
    by_author: OrdSet<AuthorRank>,
    /// Statuses that expire, by when.
    expiring: OrdSet<(TimeMs, StatusId)>,
    /// Members that an audience leaves out, with the status it is of.
    excluding: OrdSet<(MemberId, StatusId)>,
    digest: Digest,
}

impl Statuses {
    pub fn get(&self, id: &str) -> Option<&Arc<StatusRecord>> {
        self.records.get(id)
    }

    pub fn contains(&self, id: &StatusId) -> bool {
        self.records.contains_key(id)
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns all of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &StatusRecord> {
        self.records.values().map(Arc::as_ref)
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the records, authors and members left out, for a test to break.
    #[cfg(test)]
    pub fn parts(&mut self) -> (&mut Records, &mut OrdSet<AuthorRank>, &mut OrdSet<(MemberId, StatusId)>) {
        (&mut self.records, &mut self.by_author, &mut self.excluding)
    }

    /// Adds a status whose id is free.
    pub fn insert(&mut self, author: MemberIx, record: StatusRecord) {
        let status = &record.status;
        let (id, attrs) = (&status.id, &status.attrs);
        self.by_author.insert((author, Reverse(attrs.post_time), id.clone()));
        self.excluding.extend(attrs.audience.filter.exclude.iter().map(|excluded| (excluded.clone(), id.clone())));
        self.expiring.extend(attrs.expire_time.map(|time| (time, id.clone())));
        self.digest.add(status.content_hash());
        self.records.insert(id.clone(), Arc::new(record));
    }

    /// Removes a status that there is.
    pub fn remove(&mut self, author: MemberIx, id: &StatusId) -> Arc<StatusRecord> {
        let record = self.records.remove(id).expect("the status exists");
        let attrs = &record.status.attrs;
        self.by_author.remove(&(author, Reverse(attrs.post_time), id.clone()));
        for excluded in &attrs.audience.filter.exclude {
            self.excluding.remove(&(excluded.clone(), id.clone()));
        }
        if let Some(time) = attrs.expire_time {
            self.expiring.remove(&(time, id.clone()));
        }
        self.digest.remove(record.status.content_hash());
        record
    }

    /// Sets the digest that a namespace's row in a checkpoint has.
    pub fn load_digest(&mut self, digest: Digest) {
        self.digest = digest;
    }

    /// Returns the ids of an author's statuses, newest first, then by id; those after `after` if it is given.
    pub fn of_author(&self, author: MemberIx, after: Option<(TimeMs, StatusId)>) -> impl Iterator<Item = &StatusId> {
        let start = match after {
            Some((time, id)) => Bound::Excluded((author, Reverse(time), id)),
            // No id is empty, so no rank is before this one but those of newer statuses.
            None => Bound::Included((author, Reverse(TimeMs(i64::MAX)), StatusId::least())),
        };
        let ranks = self.by_author.range((start, Bound::Unbounded));
        ranks.take_while(move |rank| rank.0 == author).map(|(_, _, id)| id)
    }

    /// Returns the statuses whose audience leaves out a member.
    pub fn excluding(&self, member: &MemberId) -> impl Iterator<Item = &StatusId> {
        let from_here = self.excluding.range((member.clone(), StatusId::least())..);
        from_here.take_while(move |(excluded, _)| excluded == member).map(|(_, id)| id)
    }

    /// Returns when the first one expires that does.
    pub fn first_expiry(&self) -> Option<TimeMs> {
        self.expiring.get_min().map(|(expires, _)| *expires)
    }

    /// Returns the statuses that had expired at a time, in the order that they did.
    pub fn expired_through(&self, time: TimeMs) -> impl Iterator<Item = &StatusId> {
        self.expiring.iter().take_while(move |(expired, _)| *expired <= time).map(|(_, id)| id)
    }

    /// Returns whether an audience names a kind.
    pub fn name_kind(&self, name: &KindName) -> bool {
        self.iter().any(|record| record.status.attrs.audience.filter.kinds.binary_search(name).is_ok())
    }

    /// Adds what the digest of the content does not have: when each was made and changed, and the members left out.
    pub fn digest_times(&self, whole: &mut Digest) {
        for (id, record) in &self.records {
            whole.add(hash_of(b'S', |to| {
                id.encode(to);
                record.times.encode(to);
            }));
        }
        for (member, status) in &self.excluding {
            whole.add(hash_of(b'N', |to| {
                member.encode(to);
                status.encode(to);
            }));
        }
    }

    /// Checks the statuses against the graph, the indexes and the digest against the statuses, and notes the subjects that the index of
    /// topics must have.
    pub fn verify(&self, graph: &Graph, topics: &mut TopicIndex, check: &mut dyn Inspector) -> Result<Digest, Error> {
        let (mut digest, mut by_author, mut expiring) = (Digest::default(), BTreeSet::new(), BTreeSet::new());
        let mut excluding = BTreeSet::new();
        for (id, record) in &self.records {
            check.checked()?;
            let status = &record.status;
            if status.id != *id {
                check.find("statuses", id.as_str(), format!("the status under this id is {}", status.id))?;
            }
            digest.add(status.content_hash());
            let filter = &status.attrs.audience.filter;
            if filter.kinds.iter().any(|kind| graph.find_kind(kind.as_str()).is_none()) {
                check.find("statuses", id.as_str(), "its audience names a kind that is not registered")?;
            }
            excluding.extend(filter.exclude.iter().map(|excluded| (excluded.clone(), id.clone())));
            expiring.extend(status.attrs.expire_time.map(|time| (time, id.clone())));
            let Some(author) = graph.find(status.author.as_str()) else {
                check.find("statuses", id.as_str(), "its author is not there")?;
                continue;
            };
            topics.add_subjects(author, &status.attrs.topics);
            by_author.insert((author, Reverse(status.attrs.post_time), id.clone()));
        }
        let name =
            |(author, _, id): &&AuthorRank| format!("{} {id}", graph.get_id(*author).map_or("?", |id| id.as_str()));
        compare("authors", &by_author, &self.by_author, name, check)?;
        let name = |(time, id): &&(TimeMs, StatusId)| format!("{id} at {}", time.0);
        compare("expiring statuses", &expiring, &self.expiring, name, check)?;
        let name = |(member, status): &&(MemberId, StatusId)| format!("{member} is left out of {status}");
        compare("mentions", &excluding, &self.excluding, name, check)?;
        digest.verify("statuses", self.digest, check)
    }
}
