//! `ReachService.DiscoverStatuses`: what a member can see.

use std::cmp::Reverse;

use tonic::Request;

use super::caller::asked_for;
use super::decode::{Violations, all_or_return, optional_time, page_size, within_bounds};
use super::page::{Listing, page};
use super::statuses::status_place;
use super::{Service, encode};
use crate::domain::limits::{HOPS_MAX, REACH_HOPS_DEFAULT};
use crate::domain::{Error, MemberId, Resource, TimeMs, TopicSet};
use crate::engine::{DiscoverQuery, DiscoveredStatus, State, discover, discovered_chain};
use crate::graph::{Budget, Limit, MemberIx, View};
use crate::proto::v1 as pb;

pub async fn discover_statuses(
    service: &Service,
    call: Request<pb::DiscoverStatusesRequest>,
) -> Result<pb::DiscoverStatusesResponse, Error> {
    let (metadata, _, message) = call.into_parts();
    let listing = Listing::new("DiscoverStatuses", &same_on_every_page(&message));
    let mut wrong = Violations::default();
    let viewer = wrong.check(MemberId::parse("viewer_id", &message.viewer_id));
    let topics = wrong.check(TopicSet::parse("topics", &message.topics));
    let max_hops = wrong.check(within_bounds("max_hops", message.max_hops, REACH_HOPS_DEFAULT, HOPS_MAX));
    let since = wrong.check(optional_time("since", message.since));
    let size = wrong.check(page_size(message.page_size));
    let after = wrong.check(listing.parse(&message.page_token, 2));
    let asked = wrong.check(service.asked(&metadata, message.read, after.as_ref().and_then(Option::as_ref)));
    all_or_return!(wrong; viewer, topics, max_hops, since, size, after, asked);
    asked_for(&viewer)?;
    let after = after.map(|token| status_place(&token.place)).transpose()?;
    let query = DiscoverQuery { topics, max_hops, since };
    let how = asked.clone();
    let answer = move |state: &State, budget: &mut Budget<'_>| {
        let viewer = state.graph().find(viewer.as_str()).ok_or_else(|| Error::not_found(Resource::Member, &viewer))?;
        let found = discover(state, viewer, &query, how.as_of, budget)?;
        let start = after.as_ref().map_or(0, |(time, id)| {
            found.items.partition_point(|item| (Reverse(item.post_time), &item.status) <= (Reverse(*time), id))
        });
        let (items, next_page_token) = page(&found.items[start..], size, |last| {
            listing.token(how.as_of, &[&last.post_time.0.to_string(), last.status.as_str()])
        });
        let mut extent = found.extent;
        let mut shown = Vec::with_capacity(items.len());
        for item in items {
            let (item, limit) = discovered(state, viewer, item, how.as_of, budget)?;
            shown.push(item);
            extent.limit = extent.limit.or(limit);
        }
        let info = how.info(state, extent, budget)?;
        Ok(pb::DiscoverStatusesResponse { items: shown, next_page_token, info: Some(info) })
    };
    service.query(&asked, answer).await
}

/// A status with the chain that carries it, which is missing if a limit ended the search for it.
fn discovered(
    state: &State,
    viewer: MemberIx,
    item: &DiscoveredStatus,
    as_of: TimeMs,
    budget: &mut Budget<'_>,
) -> Result<(pb::DiscoveredStatus, Option<Limit>), Error> {
    let (chain, limit) = discovered_chain(state, viewer, item, as_of, budget)?;
    let status = state.status(item.status.as_str());
    let filter = status.as_ref().map(|status| status.value.audience.filter.clone()).unwrap_or_default();
    let view = View::new(state.graph(), &filter, as_of)?;
    let item = pb::DiscoveredStatus {
        chain: chain.map(|chain| encode::path(state, &view, &chain)),
        status: status.map(encode::status),
        hop: item.hop as i32,
    };
    Ok((item, limit))
}

fn same_on_every_page(message: &pb::DiscoverStatusesRequest) -> pb::DiscoverStatusesRequest {
    let read = message.read.as_ref().and_then(|read| read.as_of);
    let read = read.map(|as_of| pb::ReadOptions { as_of: Some(as_of), ..Default::default() });
    pb::DiscoverStatusesRequest { page_size: 0, page_token: String::new(), read, ..message.clone() }
}
