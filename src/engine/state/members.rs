//! What is kept of members beside the graph, which has their ids and their privacy.

use super::compare::compare;
use super::digest::{Digest, Hashed, hash_of};
use super::labels::LabelIndex;
use super::records::MemberRecord;
use super::topics::TopicIndex;
use crate::domain::{Codec, Error, Inspector, Member, MemberFilter, Times};
use crate::graph::{Graph, MemberIx, Pages};

/// The members' records by their index, which members have a label, and the digest of the members.
#[derive(Clone, Default)]
pub struct Members {
    records: Pages<MemberRecord>,
    labels: LabelIndex,
    digest: Digest,
}

impl Members {
    pub fn get(&self, ix: MemberIx) -> Option<&MemberRecord> {
        self.records.get(ix.0 as usize)
    }

    /// Returns how many indices there are, those of erased members among them.
    pub fn indices(&self) -> usize {
        self.records.len()
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the records and the digest, for a test to break.
    #[cfg(test)]
    pub fn parts(&mut self) -> (&mut Pages<MemberRecord>, &mut Digest) {
        (&mut self.records, &mut self.digest)
    }

    /// Returns whom a filter's labels leave, in index order, as `LabelIndex::narrow` does.
    pub fn narrow(&self, filter: &MemberFilter) -> Option<impl Iterator<Item = MemberIx>> {
        self.labels.narrow(filter, self.records.len())
    }

    /// Adds the record of a member that the graph has just given an index; returns whether that index is new.
    pub fn add(&mut self, ix: MemberIx, member: &Member, times: Times) -> bool {
        self.digest.add(member.content_hash());
        self.labels.add(ix, &member.attrs.labels);
        let (record, is_new) = (MemberRecord::new(member, times), ix.0 as usize == self.records.len());
        match self.records.get_mut(ix.0 as usize) {
            Some(free) => *free = record,
            None => self.records.push(record),
        }
        is_new
    }

    /// Replaces a member by what it is from `times.update` on.
    pub fn replace(&mut self, ix: MemberIx, before: &Member, after: &Member, times: Times) {
        self.digest.remove(before.content_hash());
        self.digest.add(after.content_hash());
        if before.attrs.labels != after.attrs.labels {
            self.labels.remove(ix, &before.attrs.labels);
            self.labels.add(ix, &after.attrs.labels);
        }
        self.set(ix, MemberRecord::new(after, times));
    }

    pub fn remove(&mut self, ix: MemberIx, before: &Member) {
        self.digest.remove(before.content_hash());
        self.labels.remove(ix, &before.attrs.labels);
        self.set(ix, MemberRecord::default());
    }

    fn set(&mut self, ix: MemberIx, record: MemberRecord) {
        *self.records.get_mut(ix.0 as usize).expect("every member of the graph has a record") = record;
    }

    /// Takes the next record of a checkpoint. Its digest comes with the namespace's row.
    pub fn load(&mut self, member: &Member, times: Times) {
        self.labels.add(MemberIx(self.records.len() as u32), &member.attrs.labels);
        self.records.push(MemberRecord::new(member, times));
    }

    pub fn load_digest(&mut self, digest: Digest) {
        self.digest = digest;
    }

    /// Adds when each member was made and changed. What is broken is left out.
    pub fn digest_times(&self, graph: &Graph, whole: &mut Digest) {
        for ix in graph.iter_members() {
            let Some(record) = self.get(ix) else { continue };
            whole.add(hash_of(b'M', |to| {
                graph.id(ix).encode(to);
                record.times.encode(to);
            }));
        }
    }

    /// Checks the records against the graph and the digest, and notes the interests that the index of topics must have.
    pub fn verify(&self, graph: &Graph, topics: &mut TopicIndex, check: &mut dyn Inspector) -> Result<Digest, Error> {
        let (mut digest, mut labels) = (Digest::default(), LabelIndex::default());
        for ix in graph.iter_members() {
            check.checked()?;
            let id = graph.id(ix);
            let Some(record) = self.get(ix) else {
                check.find("members", id.as_str(), "the member of the graph has no record")?;
                continue;
            };
            let member = record.member(id.clone(), graph.privacy(ix));
            digest.add(member.content_hash());
            topics.add_interests(ix, &member.attrs);
            labels.add(ix, &member.attrs.labels);
        }
        let member = |ix: MemberIx| graph.get_id(ix).map_or("?", |id| id.as_str());
        let name = |(_, ix): &(u128, MemberIx)| format!("a label of {}", member(*ix));
        compare("labels", labels.iter(), self.labels.iter(), name, check)?;
        digest.verify("members", self.digest, check)
    }
}
