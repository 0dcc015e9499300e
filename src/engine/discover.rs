//! What a member can see: the live statuses whose audience it belongs to.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::digest::filter_hash;
use super::state::State;
use crate::domain::{EdgeFilter, Error, Status, StatusId, TimeMs, TopicSet};
use crate::graph::{
    Budget, Direction, Extent, Limit, MemberIx, Path, PathQuery, Ranking, View, Within, distances, find_paths,
    members_within,
};

/// What to look for.
#[derive(Debug, Clone)]
pub struct DiscoverQuery {
    /// On any of these; on anything when empty.
    pub topics: TopicSet,
    pub max_hops: u32,
    pub since: Option<TimeMs>,
}

/// A status the viewer can see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveredStatus {
    pub status: StatusId,
    pub post_time: TimeMs,
    /// Hops of the shortest path from the viewer to the author under the status's audience.
    pub hop: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Discovered {
    /// Newest first, then by id.
    pub items: Vec<DiscoveredStatus>,
    pub extent: Extent,
}

/// Every live status `viewer` can see, but for its own.
///
/// Authors are first looked for without any filter, which admits every audience's; then each audience's own distance decides.
pub fn discover(
    state: &State,
    viewer: MemberIx,
    query: &DiscoverQuery,
    as_of: TimeMs,
    budget: &mut Budget<'_>,
) -> Result<Discovered, Error> {
    let everything = View::unfiltered(&state.graph, as_of);
    let (near, mut extent) = members_within(&everything, viewer, Direction::Forward, query.max_hops, budget);
    let mut items = Vec::new();
    let (audiences, looked_at) = audiences(state, &near, query, as_of, budget);
    extent = extent.and(looked_at);
    for (filter, by_author) in audiences {
        if filter.excludes(state.graph.id(viewer)) {
            continue;
        }
        let view = View::new(&state.graph, filter, as_of)?;
        let authors: Vec<MemberIx> = by_author.keys().copied().collect();
        let (hops, within) = distances(&view, viewer, &authors, query.max_hops, budget);
        extent = extent.and(within);
        for (author, hop) in authors.iter().zip(hops) {
            let Some(hop) = hop else { continue };
            let visible = by_author[author].iter().filter(|status| hop <= status.audience.max_hops);
            items.extend(visible.map(|status| DiscoveredStatus {
                status: status.id.clone(),
                post_time: status.post_time,
                hop,
            }));
        }
    }
    // Beyond the hop that every audience was searched through, some would be missing.
    items.retain(|item| extent.is_complete() || item.hop <= extent.exact_through_hop);
    items.sort_by(|a, b| (Reverse(a.post_time), &a.status).cmp(&(Reverse(b.post_time), &b.status)));
    Ok(Discovered { items, extent })
}

type ByAuthor<'a> = BTreeMap<MemberIx, Vec<&'a Status>>;

/// The live statuses of the members near that are asked for, grouped by their audience's filter, so that members whose
/// statuses travel the same way are searched for together. Each status that is looked at is charged like an edge.
fn audiences<'a>(
    state: &'a State,
    near: &Within,
    query: &DiscoverQuery,
    as_of: TimeMs,
    budget: &mut Budget<'_>,
) -> (Vec<(&'a EdgeFilter, ByAuthor<'a>)>, Extent) {
    let asked = |status: &Status| {
        status.is_live(as_of)
            && query.since.is_none_or(|since| status.post_time >= since)
            && (query.topics.is_empty() || status.topics.iter().any(|topic| query.topics.contains(topic)))
    };
    // By hash: filters have no order of their own.
    let mut groups: BTreeMap<u128, (&EdgeFilter, ByAuthor)> = BTreeMap::new();
    let mut extent = Extent::complete(query.max_hops);
    'near: for (author, hop) in near.iter() {
        for id in state.statuses_of(author, None) {
            if let Err(limit) = budget.visit(1) {
                // Those near come hop by hop.
                extent = Extent::ended(limit, hop.saturating_sub(1));
                break 'near;
            }
            let status = &state.statuses.get(id).expect("an author's status is stored").status;
            if asked(status) {
                let filter = &status.audience.filter;
                let group = groups.entry(filter_hash(filter)).or_insert_with(|| (filter, BTreeMap::new()));
                group.1.entry(author).or_default().push(status);
            }
        }
    }
    (groups.into_values().collect(), extent)
}

/// The chain that carries a status to the viewer: the strongest of the shortest paths to its author under its audience.
/// None if a limit ended the search for it.
pub fn discovered_chain(
    state: &State,
    viewer: MemberIx,
    item: &DiscoveredStatus,
    as_of: TimeMs,
    budget: &mut Budget<'_>,
) -> Result<(Option<Path>, Option<Limit>), Error> {
    let record = state.statuses.get(&item.status).expect("a discovered status is stored");
    let view = View::new(&state.graph, &record.status.audience.filter, as_of)?;
    let query = PathQuery { k: 1, max_hops: item.hop, ranking: Ranking::Hops };
    let found = find_paths(&view, viewer, state.author_of(record), &query, budget);
    Ok((found.paths.into_iter().next(), found.extent.limit))
}
