//! The digest over everything that a state holds, what callers cannot read too: two states of one history have the same one, however
//! either came about. It finds where a replay of the log differs from what was live.

use super::digest::{Digest, Hashed, hash_of};
use super::state::{Mention, State};
use crate::domain::{Codec, EdgeKey};

impl State {
    /// Equal for the states that a server had, and has again after it was killed. It goes through all there is.
    pub fn state_digest(&self) -> u128 {
        let mut whole = self.requests.digest();
        self.erasures.digest(&mut whole);
        self.digest_times(&mut whole);
        for (member, mention) in &self.mentions {
            whole.add(hash_of(b'N', |to| {
                member.encode(to);
                match mention {
                    Mention::Introducer(key) => key.encode(to),
                    Mention::Excluded(status) => status.encode(to),
                }
            }));
        }
        for (status, key) in &self.outcomes {
            whole.add(hash_of(b'O', |to| {
                status.encode(to);
                key.encode(to);
            }));
        }
        for (.., pending) in self.pending() {
            whole.add(hash_of(b'P', |to| {
                pending.edge.content_hash().encode(to);
                pending.times.encode(to);
            }));
        }
        whole.add(hash_of(b'A', |to| {
            self.secret().encode(to);
            self.sequence.encode(to);
            self.erased.encode(to);
            self.time.encode(to);
            self.digest.0.encode(to);
        }));
        whole.0
    }

    /// Adds when each member, edge and status was made and changed. What is broken is left out: a check of a broken state goes
    /// through it.
    fn digest_times(&self, whole: &mut Digest) {
        for ix in self.graph.iter_members() {
            let id = self.graph.id(ix);
            if let Some(record) = self.members.get(ix.0 as usize) {
                whole.add(hash_of(b'M', |to| {
                    id.encode(to);
                    record.times.encode(to);
                }));
            }
            for record in self.edges.get(ix.0 as usize).into_iter().flat_map(|list| list.iter()) {
                let ends = self.graph.get_id(record.to).zip(self.graph.get_kind(record.kind));
                let Some((to, kind)) = ends else { continue };
                let key = EdgeKey { from: id.clone(), kind: kind.name.clone(), to: to.clone() };
                whole.add(hash_of(b'E', |to| {
                    key.encode(to);
                    record.times.encode(to);
                }));
            }
        }
        for (id, record) in &self.statuses {
            whole.add(hash_of(b'S', |to| {
                id.encode(to);
                record.times.encode(to);
            }));
        }
    }
}
