//! How often members were asked to introduce, and what they said.

use std::sync::Arc;

use imbl::OrdMap;

use super::digest::{Digest, tally_hash};
use crate::domain::{Error, Inspector, IntroducerTally, MemberId};
use crate::graph::{Graph, MemberIx};

/// The tallies of those who were ever asked to introduce, and their digest.
#[derive(Clone, Default)]
pub struct Tallies {
    tallies: OrdMap<MemberIx, Arc<IntroducerTally>>,
    digest: Digest,
}

impl Tallies {
    pub fn get(&self, introducer: MemberIx) -> Option<&IntroducerTally> {
        self.tallies.get(&introducer).map(Arc::as_ref)
    }

    pub fn len(&self) -> usize {
        self.tallies.len()
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Replaces a member's tally. An empty one is not kept.
    pub fn put(&mut self, introducer: MemberIx, id: &MemberId, tally: IntroducerTally) {
        self.remove(introducer, id);
        if tally != IntroducerTally::default() {
            self.digest.add(tally_hash(id, &tally));
            self.tallies.insert(introducer, Arc::new(tally));
        }
    }

    pub fn remove(&mut self, introducer: MemberIx, id: &MemberId) {
        if let Some(tally) = self.tallies.remove(&introducer) {
            self.digest.remove(tally_hash(id, &tally));
        }
    }

    /// Takes a row of a checkpoint. Its digest comes with the namespace's row.
    pub fn load(&mut self, introducer: MemberIx, tally: IntroducerTally) {
        self.tallies.insert(introducer, Arc::new(tally));
    }

    pub fn load_digest(&mut self, digest: Digest) {
        self.digest = digest;
    }

    pub fn verify(&self, graph: &Graph, check: &mut dyn Inspector) -> Result<Digest, Error> {
        let mut digest = Digest::default();
        for (introducer, tally) in &self.tallies {
            match graph.get_id(*introducer) {
                Some(id) if **tally != IntroducerTally::default() => digest.add(tally_hash(id, tally)),
                Some(id) => check.find("introducer tallies", id.as_str(), "nothing is counted")?,
                None => {
                    check.find("introducer tallies", format!("index {}", introducer.0), "the member is not there")?
                }
            }
        }
        digest.verify("introducer tallies", self.digest, check)
    }
}
