//! All namespaces checked, and what they come to together.

use super::{Namespaces, Totals};
use crate::domain::{Codec, Error, Finding, NamespaceName};
use crate::engine::state::{Digest, State, Verified, Verifier, hash_of};

/// Counts over some namespaces, as a list of them would show each.
#[derive(Debug, Clone, Copy, Default)]
pub struct Content {
    pub kinds: u64,
    pub members: u64,
    pub edges: u64,
    pub statuses: u64,
    pub blocks: u64,
    pub tallies: u64,
    pub digest: u128,
}

impl Content {
    pub fn of(state: &State) -> Content {
        Content {
            kinds: state.graph().kinds().count() as u64,
            members: state.member_count(),
            edges: state.edge_count() + state.pending_count(),
            statuses: state.status_count(),
            blocks: state.block_count(),
            tallies: state.tally_count(),
            digest: state.digest(),
        }
    }
}

impl Namespaces {
    /// Returns what all namespaces hold, or one.
    pub fn content(&self, only: Option<&NamespaceName>) -> Content {
        let (mut sum, mut digests) = (Content::default(), Vec::new());
        for (name, state) in self.only(only) {
            let own = Content::of(state);
            sum.kinds += own.kinds;
            sum.members += own.members;
            sum.edges += own.edges;
            sum.statuses += own.statuses;
            sum.blocks += own.blocks;
            sum.tallies += own.tallies;
            digests.push((name, own.digest));
        }
        Content { digest: digest_of(&digests), ..sum }
    }

    /// Checks all of it. An error is the verifier's own.
    pub fn verify(&self, verifier: &mut dyn Verifier) -> Result<Verified, Error> {
        let (mut totals, mut findings, mut digests, mut wholes) = (Totals::default(), 0, Vec::new(), Vec::new());
        for (name, state) in self.iter() {
            let verified = state.verify(verifier)?;
            findings += verified.findings;
            digests.push((name, verified.digest));
            wholes.push((name, verified.whole));
            totals.add(state);
            let is_expiring = |expires| self.expiring.contains(&(expires, name.clone()));
            if !state.first_expiry().is_none_or(is_expiring) {
                findings += 1;
                find(verifier, name, "its first expiry is not in the order of expiries")?;
            }
        }
        if totals != self.totals || self.expiring.len() > self.states.len() {
            findings += 1;
            find(verifier, &NamespaceName::default(), "the totals of all namespaces are not what they hold")?;
        }
        Ok(Verified { findings, digest: digest_of(&digests), whole: digest_of(&wholes) })
    }
}

fn find(verifier: &mut dyn Verifier, name: &NamespaceName, message: &str) -> Result<(), Error> {
    verifier.found(Finding { part: "namespaces", subject: name.to_string(), message: message.to_owned() })
}

/// Returns one digest of those of some namespaces; of a single one it is its own.
fn digest_of(digests: &[(&NamespaceName, u128)]) -> u128 {
    if let [(_, digest)] = digests {
        return *digest;
    }
    let mut all = Digest::default();
    for (name, digest) in digests {
        all.add(hash_of(b'N', |to| {
            name.encode(to);
            digest.encode(to);
        }));
    }
    all.0
}
