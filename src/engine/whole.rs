//! The digest over everything that a state holds, what callers cannot read too: two states of one history have the same one, however
//! either came about. It finds where a replay of the log differs from what was live.

use super::digest::{Bytes, Digest, edge_hash};
use super::state::{Mention, State};
use crate::domain::EdgeKey;

impl State {
    /// Equal for the states that a server had, and has again after it was killed. It goes through all there is.
    pub fn state_digest(&self) -> u128 {
        let mut whole = self.requests.digest();
        self.erasures.digest(&mut whole);
        self.digest_times(&mut whole);
        for (member, mention) in &self.mentions {
            let mut bytes = Bytes::of(b'N');
            bytes.text(member.as_str());
            match mention {
                Mention::Introducer(key) => bytes.edge_key(key),
                Mention::Excluded(status) => bytes.text(status.as_str()),
            }
            whole.add(bytes.hash());
        }
        for (status, key) in &self.outcomes {
            let mut bytes = Bytes::of(b'O');
            bytes.text(status.as_str());
            bytes.edge_key(key);
            whole.add(bytes.hash());
        }
        for (.., pending) in self.pending() {
            let mut bytes = Bytes::of(b'P');
            bytes.wide(edge_hash(&pending.edge));
            bytes.times(pending.times);
            whole.add(bytes.hash());
        }
        let mut bytes = Bytes::of(b'A');
        self.secret().iter().flat_map(|secret| secret.0).for_each(|byte| bytes.number(byte.into()));
        [self.sequence, self.erased].into_iter().for_each(|number| bytes.number(number));
        bytes.time(Some(self.time));
        bytes.wide(self.digest.0);
        whole.add(bytes.hash());
        whole.0
    }

    /// When each member, edge and status was made and changed. What is broken is left out: a check of a broken state goes through it.
    fn digest_times(&self, whole: &mut Digest) {
        for ix in self.graph.iter_members() {
            let id = self.graph.id(ix);
            if let Some(record) = self.members.get(ix.0 as usize) {
                let mut bytes = Bytes::of(b'M');
                bytes.text(id.as_str());
                bytes.times(record.times);
                whole.add(bytes.hash());
            }
            for record in self.edges.get(ix.0 as usize).into_iter().flat_map(|list| list.iter()) {
                let ends = self.graph.get_id(record.to).zip(self.graph.get_kind(record.kind));
                let Some((to, kind)) = ends else { continue };
                let mut bytes = Bytes::of(b'E');
                bytes.edge_key(&EdgeKey { from: id.clone(), kind: kind.name.clone(), to: to.clone() });
                bytes.times(record.times);
                whole.add(bytes.hash());
            }
        }
        for (id, record) in &self.statuses {
            let mut bytes = Bytes::of(b'S');
            bytes.text(id.as_str());
            bytes.times(record.times);
            whole.add(bytes.hash());
        }
    }
}
