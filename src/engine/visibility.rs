//! Which statuses a viewer may see: its own, and those that are live and whose audience it belongs to, along edges it may see.

use std::collections::{BTreeMap, BTreeSet};

use super::live::{LiveAt, StatusReader};
use super::state::{Hashed, State, Stored};
use crate::domain::limits::{HOPS_MAX, REACH_HOPS_DEFAULT};
use crate::domain::{Edge, EdgeFilter, EdgeKey, MemberId, Status, StatusId, TimeMs};
use crate::graph::{Budget, Extent, Limit, MemberIx, View, Viewer, Ways, distances};

/// How many statuses' audiences are searched for together. A search for each status of a short page would be one for each that is hidden,
/// too.
const LOOKED_FOR_AT_ONCE: usize = 1_000;

/// A status and the member that posted it.
pub type Posted<'s> = (MemberIx, &'s Status);

impl State {
    /// Returns on whose behalf a read is made that names a viewer, or none.
    pub fn viewer(&self, id: Option<&MemberId>) -> Viewer {
        match id.map(|id| self.graph().find_shown(id.as_str())) {
            None => Viewer::Service,
            Some(None) => Viewer::Stranger,
            Some(Some(member)) => Viewer::Member(member),
        }
    }

    /// Returns the ways by which a status of this audience travels in a view. An audience that names no kinds means those that carry
    /// statuses.
    pub fn ways<'s>(&self, view: View<'s>, audience: &EdgeFilter) -> Ways<'s> {
        let view = view.narrowed(audience);
        Ways::of_statuses(match audience.kinds.is_empty() {
            true => view.of_kinds(|kind| kind.attrs.carries_statuses),
            false => view,
        })
    }

    /// Returns the ways by which a status of this audience travels to a viewer.
    pub(super) fn ways_to(&self, audience: &EdgeFilter, viewer: Viewer, as_of: TimeMs) -> Ways<'_> {
        self.ways(View::unfiltered(self.graph(), as_of).seen_by(viewer), audience)
    }

    /// Finds an edge by its key, if the viewer's graph has it. An edge of a symmetric kind is found in either order of its ends.
    pub fn edge_in(&self, view: &View<'_>, key: &EdgeKey) -> Option<Stored<Edge>> {
        let (from, kind, to) = self.locate(key)?;
        if view.shows_edge(from, kind, to) { self.edge_at(from, kind, to) } else { None }
    }

    /// Finds an edge as `edge_in` does, or a pending edge that the viewer is shown.
    pub fn edge_or_pending_in(&self, view: &View<'_>, viewer: Viewer, key: &EdgeKey) -> Option<Stored<Edge>> {
        self.edge_in(view, key).or_else(|| {
            let (from, kind, to) = self.locate(key)?;
            let pending = self.edge_at(from, kind, to).filter(|edge| edge.value.attrs.asked_by.is_some());
            pending.filter(|_| self.shows_pending(view, viewer, (from, to)))
        })
    }

    fn posted(&self, author: MemberIx, id: &StatusId) -> Posted<'_> {
        (author, self.status_record(id.as_str()).expect("an author's status is stored"))
    }

    /// Returns an author's live statuses, newest first, then by id. Looking at them is work, but none counts as visited, because the viewer
    /// may not see all of them.
    pub fn live_statuses(
        &self,
        author: MemberIx,
        live_at: LiveAt,
        budget: &mut Budget<'_>,
    ) -> Result<Vec<Posted<'_>>, Limit> {
        let mut live = Vec::new();
        for id in self.statuses_of(author, None) {
            budget.pass(1)?;
            let posted = self.posted(author, id);
            if live_at.admits(posted.1) {
                live.push(posted);
            }
        }
        Ok(live)
    }

    /// Returns those of the statuses that a viewer may see, in the order given. The service sees all. Whoever stands in is searched for where
    /// nobody else is.
    pub fn seen<'s>(
        &self,
        reader: &StatusReader,
        statuses: Vec<Posted<'s>>,
        stand_in: Option<MemberIx>,
        budget: &mut Budget<'_>,
    ) -> Result<Vec<Posted<'s>>, Limit> {
        match reader.viewer {
            Viewer::Service => Ok(statuses),
            Viewer::Stranger => Ok(Vec::new()),
            Viewer::Member(member) => {
                let hops = self.hops_to_statuses((member, stand_in), &statuses, HOPS_MAX, reader, budget)?;
                Ok(statuses.into_iter().zip(hops).filter_map(|(status, hop)| hop.map(|_| status)).collect())
            }
        }
    }

    /// Returns a status if a viewer may see it. As much is searched for where there is none.
    pub fn seen_status(
        &self,
        id: &StatusId,
        reader: &StatusReader,
        budget: &mut Budget<'_>,
    ) -> Result<Option<Stored<Status>>, Limit> {
        let stand_in = reader.stand_in(self, id.as_str());
        let stored = self.status(id.as_str());
        let posted = stored.as_ref().and_then(|stored| {
            let author = self.graph().find_shown(stored.value.author.as_str())?;
            Some((author, &stored.value))
        });
        let is_seen = !self.seen(reader, posted.into_iter().collect(), stand_in, budget)?.is_empty();
        Ok(stored.filter(|_| is_seen))
    }

    /// Returns at most `most` of an author's statuses that a viewer may see, newest first, then by id; those after a cursor if it is
    /// given. It returns none if there is no such member for the viewer. As much is searched for where there is none, or it has no statuses.
    pub fn seen_of(
        &self,
        author: &MemberId,
        reader: &StatusReader,
        mut after: Option<(TimeMs, StatusId)>,
        most: usize,
        budget: &mut Budget<'_>,
    ) -> Result<Option<Vec<&Status>>, Limit> {
        let stand_in = reader.stand_in(self, author.as_str());
        let found = reader.everything(self).find(author.as_str());
        let (mut seen, at_once) = (Vec::new(), most.max(LOOKED_FOR_AT_ONCE));
        let mut has_more = true;
        while has_more && seen.len() < most {
            let after_last = after.take();
            let posted = found
                .into_iter()
                .flat_map(|author| self.statuses_of(author, after_last.clone()).map(move |id| self.posted(author, id)));
            let next: Vec<Posted<'_>> = posted.take(at_once).collect();
            reader.decide(budget, |budget| budget.pass(next.len() as u64))?;
            has_more = next.len() == at_once;
            after = next.last().map(|(_, last)| (last.attrs.post_time, last.id.clone()));
            seen.extend(self.seen(reader, next, found.or(stand_in), budget)?.into_iter().map(|(_, status)| status));
        }
        seen.truncate(most);
        Ok(found.map(|_| seen))
    }

    /// Returns for each status that a viewer may see how far its author is under its audience, within `max_hops`; the viewer's own are at
    /// hop 0.
    ///
    /// A viewer may not know which statuses there are, so no limit of its own ends the search for them; what could not be found out is not
    /// seen. Where there are none that it could see by any search, whoever stands in is searched for as the author of one for the default
    /// audience would be. The search fails only when nobody waits for it any more.
    pub(super) fn hops_to_statuses(
        &self,
        (viewer, stand_in): (MemberIx, Option<MemberIx>),
        statuses: &[Posted<'_>],
        max_hops: u32,
        reader: &StatusReader,
        budget: &mut Budget<'_>,
    ) -> Result<Vec<Option<u32>>, Limit> {
        let mut found = vec![None; statuses.len()];
        let everything = View::unfiltered(self.graph(), reader.as_of).seen_by(Viewer::Member(viewer));
        let mut groups = by_audience(&everything, viewer, statuses, reader.live_at, &mut found);
        groups.retain(|(filter, _)| !filter.excludes(self.graph().id(viewer)));
        let default = EdgeFilter::default();
        if groups.is_empty() {
            groups.extend(stand_in.map(|author| (&default, ByAuthor::from([(author, Vec::new())]))));
        }
        budget.hidden(|budget| {
            if groups.len() > 1 {
                self.leave_out_the_far(&everything, viewer, statuses, max_hops, &mut groups, budget)?;
            }
            for (filter, by_author) in groups {
                let ways = self.ways(everything.clone(), filter);
                let authors: Vec<MemberIx> = by_author.keys().copied().collect();
                let most = hops_to_search(by_author.values(), statuses, max_hops);
                let (hops, within) = ways.distances(viewer, &authors, most, budget);
                cancelled(within)?;
                for (posted, hop) in by_author.values().zip(hops) {
                    for &at in posted {
                        found[at] = hop.filter(|hop| *hop <= statuses[at].1.attrs.audience.max_hops);
                    }
                }
            }
            Ok(found)
        })
    }

    /// Leaves out authors that no audience could bring near enough. This one search saves all the searches for them.
    fn leave_out_the_far(
        &self,
        everything: &View<'_>,
        viewer: MemberIx,
        statuses: &[Posted<'_>],
        max_hops: u32,
        groups: &mut Vec<(&EdgeFilter, ByAuthor)>,
        budget: &mut Budget<'_>,
    ) -> Result<(), Limit> {
        let authors: BTreeSet<MemberIx> = groups.iter().flat_map(|(_, by_author)| by_author.keys().copied()).collect();
        let authors: Vec<MemberIx> = authors.into_iter().collect();
        let most = hops_to_search(groups.iter().flat_map(|(_, by_author)| by_author.values()), statuses, max_hops);
        let (hops, within) = distances(everything, viewer, &authors, most, budget);
        cancelled(within)?;
        if !within.is_complete() {
            return Ok(());
        }
        let near: BTreeMap<MemberIx, u32> =
            authors.into_iter().zip(hops).filter_map(|(author, hops)| Some((author, hops?))).collect();
        for (_, by_author) in groups.iter_mut() {
            by_author.retain(|author, posted| {
                let reaches =
                    |at: &usize| near.get(author).is_some_and(|hops| *hops <= statuses[*at].1.attrs.audience.max_hops);
                posted.retain(reaches);
                !posted.is_empty()
            });
        }
        groups.retain(|(_, by_author)| !by_author.is_empty());
        Ok(())
    }
}

/// Returns an error if nobody waits any more.
fn cancelled(extent: Extent) -> Result<(), Limit> {
    extent.limit.filter(|limit| *limit == Limit::Cancelled).map_or(Ok(()), Err)
}

type ByAuthor = BTreeMap<MemberIx, Vec<usize>>;

/// Returns how far the authors of statuses are searched for. A narrow audience is searched for as far as the default one, because the search
/// would show it.
fn hops_to_search<'a>(posted: impl Iterator<Item = &'a Vec<usize>>, statuses: &[Posted<'_>], max_hops: u32) -> u32 {
    let of_audiences = posted.flatten().map(|&at| statuses[at].1.attrs.audience.max_hops).max();
    of_audiences.unwrap_or(0).max(REACH_HOPS_DEFAULT).min(max_hops)
}

/// Returns where in the list the live statuses of others are, grouped by their audience's filter, so that those that travel the same way
/// are searched for together. The viewer's own are found at once, and those of members that are gone for it not at all.
fn by_audience<'s>(
    everything: &View<'_>,
    viewer: MemberIx,
    statuses: &[Posted<'s>],
    live_at: LiveAt,
    found: &mut [Option<u32>],
) -> Vec<(&'s EdgeFilter, ByAuthor)> {
    // Groups are kept by hash, because filters have no order of their own.
    let mut groups: BTreeMap<u128, (&EdgeFilter, ByAuthor)> = BTreeMap::new();
    for (at, &(author, status)) in statuses.iter().enumerate() {
        if author == viewer {
            found[at] = Some(0);
        } else if live_at.admits(status) && !everything.is_gone(author) {
            let filter = &status.attrs.audience.filter;
            let (_, by_author) = groups.entry(filter.content_hash()).or_insert_with(|| (filter, BTreeMap::new()));
            by_author.entry(author).or_default().push(at);
        }
    }
    groups.into_values().collect()
}
