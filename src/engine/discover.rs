//! What a member can see: the live statuses of others that come to it along edges it may see.

use std::cmp::Reverse;

use super::live::StatusReader;
use super::state::State;
use super::visibility::Posted;
use crate::domain::{MemberFilter, Status, StatusId, TimeMs, TopicSet};
use crate::graph::{Budget, Direction, Extent, Limit, MemberIx, Path, View, Viewer, Ways, Within, members_within};

/// What to look for.
#[derive(Debug, Clone)]
pub struct DiscoverQuery {
    /// A status must be on any of these topics; on anything when there are none.
    pub topics: TopicSet,
    pub authors: MemberFilter,
    pub max_hops: u32,
    pub since: Option<TimeMs>,
}

/// A status that the viewer can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveredStatus {
    pub status: StatusId,
    pub post_time: TimeMs,
    /// The hops of the shortest path from the viewer to the author under the status's audience.
    pub hop: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Discovered {
    /// The statuses, newest first, then by id.
    pub items: Vec<DiscoveredStatus>,
    pub extent: Extent,
}

/// Returns every live status that `viewer` can see, except its own.
///
/// Authors are first looked for without any filter, which admits every audience's; then each audience's own distance decides.
pub fn discover(
    state: &State,
    viewer: MemberIx,
    query: &DiscoverQuery,
    reader: &StatusReader,
    budget: &mut Budget<'_>,
) -> Discovered {
    let everything = View::unfiltered(state.graph(), reader.as_of).seen_by(Viewer::Member(viewer));
    let (near, extent) = members_within(&everything, viewer, Direction::Forward, query.max_hops, budget);
    let (statuses, looked_at) = budget.hidden(|budget| asked_for(state, &near, query, reader, budget));
    let stand_in = reader.any_stand_in(state);
    let hops = match state.hops_to_statuses((viewer, stand_in), &statuses, query.max_hops, reader, budget) {
        Ok(hops) => hops,
        Err(limit) => return Discovered { items: Vec::new(), extent: Extent::ended(limit, 0) },
    };
    let mut extent = extent.and(looked_at);
    let mut items: Vec<DiscoveredStatus> = statuses
        .iter()
        .zip(hops)
        .filter_map(|(&(_, status), hop)| {
            Some(DiscoveredStatus { status: status.id.clone(), post_time: status.attrs.post_time, hop: hop? })
        })
        .collect();
    // Each status that is seen is charged like an edge, the nearest first.
    items.sort_by_key(|item| item.hop);
    if let Some((item, limit)) = items.iter().find_map(|item| Some((item, budget.visit(1).err()?))) {
        extent = extent.and(Extent::ended(limit, item.hop.saturating_sub(1)));
    }
    // Statuses beyond the hop that every audience was searched through are left out, because some of them would be missing.
    items.retain(|item| extent.is_complete() || item.hop <= extent.exact_through_hop);
    items.sort_by(|a, b| (Reverse(a.post_time), &a.status).cmp(&(Reverse(b.post_time), &b.status)));
    Discovered { items, extent }
}

/// Returns the live statuses on the topics, of the members within reach.
fn asked_for<'s>(
    state: &'s State,
    near: &Within,
    query: &DiscoverQuery,
    reader: &StatusReader,
    budget: &mut Budget<'_>,
) -> (Vec<Posted<'s>>, Extent) {
    let is_asked_for = |status: &Status| {
        query.since.is_none_or(|since| status.attrs.post_time >= since)
            && (query.topics.is_empty() || status.attrs.topics.iter().any(|topic| query.topics.contains(topic)))
    };
    let mut found = Vec::new();
    for (author, hop) in near.iter().filter(|(author, _)| state.passes(&query.authors, *author)) {
        match state.live_statuses(author, reader.live_at, budget) {
            Ok(live) => found.extend(live.into_iter().filter(|(_, status)| is_asked_for(status))),
            // Members come hop by hop, so all before this hop were looked at.
            Err(limit) => return (found, Extent::ended(limit, hop.saturating_sub(1))),
        }
    }
    (found, Extent::complete(query.max_hops))
}

/// Returns the chain that carries a status to the viewer: the strongest of the shortest paths to its author under its audience, with the
/// ways it was found among. There is no chain if a limit ended the search for it.
pub fn discovered_chain<'s>(
    state: &'s State,
    viewer: MemberIx,
    item: &DiscoveredStatus,
    as_of: TimeMs,
    budget: &mut Budget<'_>,
) -> (Ways<'s>, Option<Path>, Option<Limit>) {
    let record = state.status_record(item.status.as_str()).expect("a discovered status is stored");
    let ways = state.ways_to(&record.attrs.audience.filter, Viewer::Member(viewer), as_of);
    let found = ways.chain(viewer, state.author_of(record), item.hop, budget);
    (ways, found.paths.into_iter().next(), found.extent.limit)
}
