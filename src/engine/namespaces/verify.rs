//! All namespaces checked, and what they come to together.

use super::indexes::Indexes;
use super::totals::Counted;
use super::{Namespaces, Totals};
use crate::domain::{Codec, Error, Finding, NamespaceName};
use crate::engine::state::{Digest, State, Verified, Verifier, hash_of};
use crate::store::RowCounts;

/// What some namespaces hold together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Content {
    pub rows: RowCounts,
    pub digest: u128,
}

impl Content {
    pub fn of(state: &State) -> Content {
        Content { rows: state.row_counts(), digest: state.digest() }
    }
}

impl Namespaces {
    /// Returns the namespaces in which anything was ever carried out: the default one is there in a backup of another, too.
    pub fn begun(&self) -> impl Iterator<Item = (&NamespaceName, &State)> {
        self.only(None).filter(|(_, state)| state.sequence() > 0)
    }

    /// Returns what all namespaces hold, or one.
    pub fn content(&self, only: Option<&NamespaceName>) -> Content {
        let begun = self.begun().filter(|(name, _)| only.is_none_or(|only| only == *name));
        let digests: Vec<_> = begun.map(|(name, state)| (name, state.digest())).collect();
        Content { rows: self.head(only).rows, digest: digest_of(&digests) }
    }

    /// Checks all of it. An error is the verifier's own.
    pub fn verify(&self, verifier: &mut dyn Verifier) -> Result<Verified, Error> {
        let (mut totals, mut findings, mut digests, mut wholes) = (Totals::default(), 0, Vec::new(), Vec::new());
        let mut indexes = Indexes::default();
        let kept = self.kept_at(self.time);
        for (name, state) in self.iter() {
            let verified = state.verify(&kept, verifier)?;
            findings += verified.findings;
            if state.sequence() > 0 {
                digests.push((name, verified.digest));
                wholes.push((name, verified.whole));
            }
            totals.add(state);
            totals.recount(&Counted::default(), &Counted::of(state));
            indexes.add(name, state);
            if state.is_half_restored(name) {
                findings += 1;
                find(verifier, name, "its restore was cut short; a start deletes it")?;
            }
        }
        if indexes != self.indexes {
            findings += 1;
            find(verifier, &NamespaceName::default(), "the orders of all namespaces are not theirs")?;
        }
        if totals != self.totals {
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
