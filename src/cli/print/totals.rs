//! Prints how much a store, an export or a backup holds.

use serde_json::{Value, json};

use super::count;
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

/// Returns how many records there are.
pub fn records(totals: &ContentTotals) -> u64 {
    let ContentTotals { kinds, members, statuses, edges, blocks, introducer_tallies, .. } = *totals;
    (kinds + members + statuses + edges + blocks + introducer_tallies).unsigned_abs()
}
