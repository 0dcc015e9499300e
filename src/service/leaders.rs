//! `IntroductionService.ListLeaders`: whose sharing on a topic is followed.

use std::collections::HashMap;

use super::call::Call;
use super::decode::{AskedFilter, Decoded, Violations, all_or_return, member_filter, within_bounds};
use super::read_context::{ReadContext, find};
use super::services::Service;
use crate::domain::limits::{HOPS_MAX, LIMIT_DEFAULT, LIMIT_MAX, REACH_HOPS_DEFAULT};
use crate::domain::{Error, MemberId, StatusId, Topic};
use crate::engine::{State, StatusReader};
use crate::graph::{Budget, Extent, Leader, Limit, MemberIx, Sharer, View, distances, leaders};
use crate::proto::v1 as pb;

/// The most statuses, and the most readers, that are named of a leader.
const EVIDENCE_MAX: usize = 10;

/// Which members are near enough.
struct Near {
    member: MemberId,
    max_hops: u32,
}

impl Near {
    fn decode(message: pb::Near) -> Decoded<Near> {
        let mut wrong = Violations::default();
        let member = wrong.check(MemberId::parse("member_id", &message.member_id));
        let max_hops = wrong.check(within_bounds("max_hops", message.max_hops, REACH_HOPS_DEFAULT, HOPS_MAX));
        all_or_return!(wrong; member, max_hops);
        Ok(Near { member, max_hops })
    }
}

pub async fn list_leaders(
    service: &Service,
    call: Call<pb::ListLeadersRequest>,
) -> Result<pb::ListLeadersResponse, Error> {
    let Call { context, message } = call;
    let mut wrong = Violations::default();
    let topic = wrong.check(Topic::parse("topic", &message.topic));
    let near = wrong.check_in("near", message.near.map(Near::decode).transpose());
    let about = near.as_ref().and_then(Option::as_ref).map(|near| &near.member);
    let filter = wrong.check(AskedFilter::decode_about(message.filter.as_ref(), &[about]));
    let members = wrong.check(member_filter(message.member_filter.as_ref()));
    let limit = wrong.check(within_bounds("limit", message.limit, LIMIT_DEFAULT, LIMIT_MAX));
    let read = wrong.check(service.read_context(&context, message.read, None));
    service.note_unknown_kinds(&mut wrong, message.filter.as_ref());
    all_or_return!(wrong; topic, near, filter, members, limit, read);
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        let view = read.view_under(&filter, state)?;
        let from = near.as_ref().map(|near| find(&view, &near.member)).transpose()?;
        let from = from.zip(near.as_ref().map(|near| near.max_hops));
        let (leaders, extent) = match nearest(state, (&view, &read.status_reader(state)), &topic, from, budget) {
            Ok(leaders) => (leaders, Extent::complete(HOPS_MAX)),
            // The scores depend on all who read, so a part of them gives none.
            Err(limit) => (Vec::new(), Extent::ended(limit, 0)),
        };
        let info = read.info(state, extent, budget)?;
        let leaders = leaders.iter().filter(|found| state.passes(&members, found.leader.member));
        let leaders = leaders.take(limit as usize).map(|leader| leader.encoded(state));
        Ok(pb::ListLeadersResponse { leaders: leaders.collect(), info: Some(info) })
    };
    service.query_statuses(read, answer).await
}

/// A leader with what it has shared, and how far away it is if that was asked.
struct Found {
    leader: Leader,
    statuses: Vec<StatusId>,
    hops: Option<u32>,
}

/// Returns the leaders of a topic; only those within so many hops of a member, if one is given.
fn nearest(
    state: &State,
    (view, reader): (&View<'_>, &StatusReader),
    topic: &Topic,
    from: Option<(MemberIx, u32)>,
    budget: &mut Budget<'_>,
) -> Result<Vec<Found>, Limit> {
    let sharing = state.sharing_on(topic, view, reader, budget)?;
    let sharers: Vec<Sharer> = sharing.iter().map(|sharing| sharing.sharer).collect();
    let mut statuses: HashMap<MemberIx, Vec<StatusId>> =
        sharing.into_iter().map(|sharing| (sharing.sharer.member, sharing.statuses)).collect();
    let found = leaders(view, &sharers, budget)?;
    let hops = match from {
        None => vec![None; found.len()],
        Some((from, max_hops)) => {
            let members: Vec<MemberIx> = found.iter().map(|leader| leader.member).collect();
            let (hops, extent) = distances(view, from, &members, max_hops, budget);
            extent.limit.map_or(Ok(()), Err)?;
            hops
        }
    };
    let found = found.into_iter().zip(hops).filter(|(_, hops)| from.is_none() || hops.is_some());
    let found = found.map(|(leader, hops)| {
        let statuses = statuses.remove(&leader.member).unwrap_or_default();
        Found { leader, statuses, hops }
    });
    Ok(found.collect())
}

impl Found {
    fn encoded(&self, state: &State) -> pb::Leader {
        let Found { leader, statuses, hops } = self;
        let id = |ix: &MemberIx| state.graph().id(*ix).to_string();
        pb::Leader {
            member_id: id(&leader.member),
            score: leader.score,
            statuses: statuses.len() as i32,
            audience: leader.readers.len() as i32,
            status_ids: statuses.iter().take(EVIDENCE_MAX).map(ToString::to_string).collect(),
            reader_ids: leader.readers.iter().take(EVIDENCE_MAX).map(id).collect(),
            hops: hops.map(|hops| hops as i32),
        }
    }
}
