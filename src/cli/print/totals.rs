//! Prints how much a store, an export or a backup holds.

use std::path::Path;

use serde_json::{Value, json};

use super::count;
use crate::domain::NamespaceName;
use crate::proto::v1::ContentTotals;

/// Returns "7 kinds, 45 members, 1 status and 77 edges", and what else there is.
pub fn held(totals: &ContentTotals) -> String {
    let ContentTotals { kinds, members, statuses, edges, blocks, introducer_tallies, .. } = *totals;
    let always = [(kinds, "kind"), (members, "member"), (statuses, "status"), (edges, "edge")];
    let where_any = [(blocks, "block"), (introducer_tallies, "introducer")].into_iter().filter(|(many, _)| *many > 0);
    let counts: Vec<String> = always.into_iter().chain(where_any).map(|(many, one)| count(many, one)).collect();
    let (others, last) = counts.split_at(counts.len() - 1);
    format!("{} and {}", others.join(", "), last.concat())
}

/// Returns the totals as JSON.
pub fn held_json(totals: &ContentTotals) -> Value {
    json!({
        "kinds": totals.kinds,
        "members": totals.members,
        "statuses": totals.statuses,
        "edges": totals.edges,
        "blocks": totals.blocks,
        "introducerTallies": totals.introducer_tallies,
        "contentDigest": totals.content_digest,
    })
}

/// What an export or a backup wrote.
pub struct Written {
    pub verb: &'static str,
    /// Whose records it has; those of all namespaces without.
    pub namespace: Option<NamespaceName>,
    pub revision: String,
    pub totals: ContentTotals,
    pub bytes: Option<u64>,
}

impl Written {
    pub fn in_words(&self) -> String {
        let Written { verb, namespace, revision, totals, bytes } = self;
        let bytes = bytes.map_or(String::new(), |bytes| format!(" in {bytes} bytes"));
        let of = namespace.as_ref().map_or("all namespaces".to_owned(), NamespaceName::to_string);
        // An export of one member has none.
        let digest = match totals.content_digest.as_str() {
            "" => String::new(),
            digest => format!("digest of {of} {digest}, "),
        };
        format!("{verb} {}{bytes}; {digest}revision {revision}", held(totals))
    }

    pub fn json(&self, file: &Path) -> String {
        let mut json = held_json(&self.totals);
        json["file"] = json!(file.display().to_string());
        json["namespace"] = json!(self.namespace.as_ref().map(NamespaceName::to_string));
        json["revision"] = json!(self.revision);
        if let Some(bytes) = self.bytes {
            json["bytes"] = json!(bytes);
        }
        format!("{json}\n")
    }
}

/// Returns how many records there are.
pub fn records(totals: &ContentTotals) -> u64 {
    let ContentTotals { kinds, members, statuses, edges, blocks, introducer_tallies, .. } = *totals;
    (kinds + members + statuses + edges + blocks + introducer_tallies).unsigned_abs()
}
