//! How the audit log writes the ids of members and statuses: as they are, or as hashes by a key that the operator has.

use std::fs;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use ring::hmac::{HMAC_SHA256, Key, sign};

use super::reload::{Newest, Source};
use crate::domain::NamespaceName;

/// Of a key that is shorter the ids could be found by trial; a longer file is no key.
const KEY_BYTES: RangeInclusive<usize> = 32..=1_024;
/// So many bytes of a hash are written: no two ids have the same by chance.
const HASH_BYTES: usize = 16;

/// The path of the key's file.
#[derive(Debug, Clone)]
pub struct AuditKeyFile(pub PathBuf);

impl Source for AuditKeyFile {
    type Value = Key;

    fn name(&self) -> String {
        format!("--audit-key {}", self.0.display())
    }

    fn read(&self) -> Result<Vec<Vec<u8>>, String> {
        Ok(vec![fs::read(&self.0).map_err(|error| error.to_string())?])
    }

    fn make(&self, files: &[Vec<u8>]) -> Result<Key, String> {
        // Editors and `openssl rand` end the file with a line break.
        let key = files.first().map_or(&[][..], |file| file.trim_ascii());
        if !KEY_BYTES.contains(&key.len()) {
            return Err(format!(
                "a key has {} to {} bytes, this has {}",
                KEY_BYTES.start(),
                KEY_BYTES.end(),
                key.len()
            ));
        }
        Ok(Key::new(HMAC_SHA256, key))
    }
}

/// How ids are written. Clones go by the same key.
#[derive(Debug, Clone, Default)]
pub struct AuditIds(pub Option<Newest<Key>>);

impl AuditIds {
    /// Returns an id of a namespace as it is written. The namespace is hashed with it, so that nobody finds out by the log that an id is
    /// in two namespaces; no name of one has a slash in it.
    pub fn written(&self, namespace: &NamespaceName, id: &str) -> String {
        match &self.0 {
            None => id.to_owned(),
            Some(key) => {
                let hash = sign(&key.borrow(), format!("{namespace}/{id}").as_bytes());
                hash.as_ref().iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::server::reload::fixed;

    fn written(ids: &AuditIds, namespace: &str, id: &str) -> String {
        ids.written(&NamespaceName::parse("name", namespace).unwrap(), id)
    }

    #[test]
    fn a_hash_depends_on_key_namespace_and_id() {
        let by = |key: &[u8]| AuditIds(Some(fixed(Key::new(HMAC_SHA256, key))));
        // By `printf acme/ana | openssl dgst -sha256 -mac hmac -macopt hexkey:0b0b…`.
        assert_eq!(written(&by(&[0x0b; 20]), "acme", "ana"), "fa2747cfc2b36091e0fa041344f7452d");
        let (one, other) = (by(&[1; 32]), by(&[2; 32]));
        assert_eq!(written(&one, "a", "ana"), written(&one.clone(), "a", "ana"));
        let all = [(&one, "a", "ana"), (&one, "a", "ben"), (&one, "b", "ana"), (&other, "a", "ana")];
        let all: BTreeSet<String> = all.into_iter().map(|(ids, namespace, id)| written(ids, namespace, id)).collect();
        assert_eq!(all.len(), 4);
        assert_eq!(written(&AuditIds::default(), "a", "ana"), "ana");
    }

    #[test]
    fn a_key_is_read_without_its_line_break_and_within_its_bounds() {
        let make = |bytes: &[u8]| AuditKeyFile("key".into()).make(&[bytes.to_vec()]);
        let written = |key: Key| written(&AuditIds(Some(fixed(key))), "a", "ana");
        let key = [b'k'; 32];
        assert_eq!(written(make(&key).unwrap()), written(make(&[&key[..], b"\r\n"].concat()).unwrap()));
        for wrong in [0, 31, 1_025] {
            assert_eq!(make(&vec![b'k'; wrong]).unwrap_err(), format!("a key has 32 to 1024 bytes, this has {wrong}"));
        }
    }
}
