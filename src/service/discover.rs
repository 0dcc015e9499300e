//! `ReachService.DiscoverStatuses`: what a member can see.

use std::cmp::Reverse;

use super::answer_bytes::page_that_fits;
use super::call::Call;
use super::decode::{Violations, all_or_return, member_filter, optional_time, page_size, within_bounds};
use super::encode::Shown;
use super::read_context::{ReadContext, find, read_on_every_page};
use super::services::Service;
use super::statuses::status_cursor;
use crate::domain::limits::{HOPS_MAX, REACH_HOPS_DEFAULT};
use crate::domain::{Error, MemberId, Reason, TopicSet, Violation};
use crate::engine::{DiscoverQuery, DiscoveredStatus, State, discover, discovered_chain};
use crate::graph::{Budget, Limit, MemberIx};
use crate::proto::v1 as pb;

pub async fn discover_statuses(
    service: &Service,
    call: Call<pb::DiscoverStatusesRequest>,
) -> Result<pb::DiscoverStatusesResponse, Error> {
    let Call { context, message } = call;
    let listing = service.listing("DiscoverStatuses", &same_on_every_page(&message));
    let viewer = context.principal.asked_for(&message.viewer_id)?;
    let mut wrong = Violations::default();
    let viewer = wrong.check(MemberId::parse("viewer_id", viewer));
    let topics = wrong.check(TopicSet::parse("topics", &message.topics));
    let authors = wrong.check(member_filter(message.member_filter.as_ref()));
    let max_hops = wrong.check(within_bounds("max_hops", message.max_hops, REACH_HOPS_DEFAULT, HOPS_MAX));
    let since = wrong.check(optional_time("since", message.since));
    let size = wrong.check(page_size(message.page_size));
    let after = wrong.check(listing.parse(&message.page_token, 2));
    let read = wrong.check(service.read_context(&context, message.read, after.as_ref().and_then(Option::as_ref)));
    wrong.check(same_viewer(viewer.as_ref(), read.as_ref()));
    all_or_return!(wrong; viewer, topics, authors, max_hops, since, size, after, read);
    let read = read.made_for(viewer.clone());
    let after = after.map(|token| status_cursor(&token.cursor)).transpose()?;
    let query = DiscoverQuery { topics, authors, max_hops, since };
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        let viewer = find(&read.view(state), &viewer)?;
        let found = discover(state, viewer, &query, &read.status_reader(state), budget);
        let start = after.as_ref().map_or(0, |(time, id)| {
            found.items.partition_point(|item| (Reverse(item.post_time), &item.status) <= (Reverse(*time), id))
        });
        let mut extent = found.extent;
        let encode = |item| {
            let (shown, limit) = discovered(read.shown(state), viewer, item, budget);
            extent.limit = extent.limit.or(limit);
            (shown, item)
        };
        let (items, next_page_token) = page_that_fits(&found.items[start..], size, encode, |last| {
            listing.token(read.as_of, &[&last.post_time.0.to_string(), last.status.as_str()])
        });
        let info = read.info(state, extent, budget)?;
        Ok(pb::DiscoverStatusesResponse { items, next_page_token, info: Some(info) })
    };
    service.query_statuses(read, answer).await
}

/// The viewer is named by the request, so its read options can only name the same one.
fn same_viewer(viewer: Option<&MemberId>, read: Option<&ReadContext>) -> Result<(), Violation> {
    match (viewer, read.and_then(ReadContext::viewer_id)) {
        (Some(viewer), Some(other)) if viewer != other => {
            Err(Violation::new("read.viewer_id", Reason::ViewerMismatch, "must be the request's `viewer_id`, or empty"))
        }
        _ => Ok(()),
    }
}

/// Encodes a status with the chain that carries it, which is missing if a limit ended the search for it.
fn discovered(
    shown: Shown<'_>,
    viewer: MemberIx,
    item: &DiscoveredStatus,
    budget: &mut Budget<'_>,
) -> (pb::DiscoveredStatus, Option<Limit>) {
    let (ways, chain, limit) = discovered_chain(shown.state, viewer, item, shown.as_of, budget);
    let item = pb::DiscoveredStatus {
        chain: chain.map(|chain| shown.path(ways.at(item.hop), &chain)),
        status: shown.state.status(item.status.as_str()).map(|stored| shown.status(stored)),
        hop: item.hop as i32,
    };
    (item, limit)
}

fn same_on_every_page(message: &pb::DiscoverStatusesRequest) -> pb::DiscoverStatusesRequest {
    // The viewer of the read options is the request's own, so a token need not depend on it.
    let read = message.read.clone().map(|read| pb::ReadOptions { viewer_id: String::new(), ..read });
    let read = read_on_every_page(read.as_ref());
    pb::DiscoverStatusesRequest { page_size: 0, page_token: String::new(), read, ..message.clone() }
}
