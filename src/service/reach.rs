//! `ReachService`: who can see a member or a status. Whether some may is in `check_reach.rs`, what a member can see in `discover.rs`.

use super::answer_bytes::page_that_fits;
use super::call::Call;
use super::decode::{AskedFilter, Decoded, Violations, all_or_return, member_filter, page_size, within_bounds};
use super::encode::Shown;
use super::read_context::{ReadContext, find, read_on_every_page};
use super::services::Service;
use super::statuses::own_status;
use crate::domain::limits::{HOPS_MAX, REACH_HOPS_DEFAULT};
use crate::domain::{Error, MemberId, Reason, StatusId, Violation};
use crate::engine::State;
use crate::graph::{Budget, Extent, Limit, MemberIx, Passes, ReachHop, Ways, keep_passing, sphere_switch};
use crate::proto::v1 as pb;

/// Whose reach is asked for.
pub(super) enum Subject {
    Member(MemberId),
    Status(StatusId),
}

/// Whose reach is asked for, along which edges, and how far.
pub(super) struct ReachOf {
    pub subject: Subject,
    filter: AskedFilter,
    /// The bound on hops; 0 when not given.
    max_hops: u32,
}

impl ReachOf {
    pub(super) fn decode(
        subject: Decoded<Subject>,
        filter: Option<&pb::EdgeFilter>,
        max_hops: i32,
    ) -> Decoded<ReachOf> {
        let mut wrong = Violations::default();
        let subject = wrong.check(subject);
        let member = subject.as_ref().and_then(|subject| match subject {
            Subject::Member(id) => Some(id),
            Subject::Status(_) => None,
        });
        let filter = wrong.check(AskedFilter::decode_about(filter, &[member]));
        let max_hops = wrong.check(within_bounds("max_hops", max_hops, 0, HOPS_MAX));
        all_or_return!(wrong; subject, filter, max_hops);
        Ok(ReachOf { subject, filter, max_hops })
    }

    /// Returns the member, the ways it is reached by, and the hops. The audience of a status narrows both.
    pub(super) fn resolve<'s>(&self, state: &'s State, read: &ReadContext) -> Result<(Ways<'s>, MemberIx, u32), Error> {
        let view = read.view_under(&self.filter, state)?;
        let hops = |most: u32| if self.max_hops == 0 { most } else { self.max_hops };
        match &self.subject {
            Subject::Member(id) => {
                let member = find(&view, id)?;
                Ok((Ways::all(view), member, hops(REACH_HOPS_DEFAULT)))
            }
            Subject::Status(id) => {
                let status = own_status(state, read, id)?;
                self.filter.require_admitted(&status.author)?;
                let author = find(&view, &status.author)?;
                let most = status.attrs.audience.max_hops;
                Ok((state.ways(view, &status.attrs.audience.filter), author, hops(most).min(most)))
            }
        }
    }
}

/// Takes the subject out of a request, whose `oneof` is a type of its own in each message.
macro_rules! subject {
    ($message:ident, $request:ident) => {{
        use $crate::proto::v1::$request::Subject as ReadContext;
        match &$message.subject {
            None => Err(Violation::required("subject").into()),
            Some(ReadContext::MemberId(id)) => {
                MemberId::parse("member_id", id).map(Subject::Member).map_err(Into::into)
            }
            Some(ReadContext::StatusId(id)) => {
                StatusId::parse("status_id", id).map(Subject::Status).map_err(Into::into)
            }
        }
    }};
}

pub(super) use subject;

pub async fn get_reach(service: &Service, call: Call<pb::GetReachRequest>) -> Result<pb::GetReachResponse, Error> {
    let Call { context, message } = call;
    let mut wrong = Violations::default();
    let subject = subject!(message, get_reach_request);
    let of = wrong.check(ReachOf::decode(subject, message.filter.as_ref(), message.max_hops));
    let members = wrong.check(member_filter(message.member_filter.as_ref()));
    let read = wrong.check(service.read_context(&context, message.read, None));
    service.note_unknown_kinds(&mut wrong, message.filter.as_ref());
    all_or_return!(wrong; of, members, read);
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        let (ways, member, max_hops) = of.resolve(state, read)?;
        let passes = |ix| state.passes(&members, ix);
        let counted: Option<Passes<'_>> = if members.is_empty() { None } else { Some(&passes) };
        let found = ways.reach(member, max_hops, counted, budget);
        let info = read.info(state, found.extent, budget)?;
        let hops: Vec<pb::ReachHop> = found.hops.iter().map(reach_hop).collect();
        let members = hops.iter().map(|hop| hop.members).sum();
        Ok(pb::GetReachResponse { hops, members, info: Some(info) })
    };
    service.query(read, answer).await
}

fn reach_hop(hop: &ReachHop) -> pb::ReachHop {
    let split = hop.spheres;
    pb::ReachHop {
        hop: hop.hop as i32,
        members: hop.members as i32,
        personal: split.map(|split| split.personal as i32),
        professional: split.map(|split| split.professional as i32),
        public: split.map(|split| split.public as i32),
        crossing: split.map(|split| split.crossing as i32),
    }
}

pub async fn list_reach(service: &Service, call: Call<pb::ListReachRequest>) -> Result<pb::ListReachResponse, Error> {
    let Call { context, message } = call;
    let listing = service.listing("ListReach", &same_on_every_page(&message));
    let mut wrong = Violations::default();
    let subject = subject!(message, list_reach_request);
    let of = wrong.check(ReachOf::decode(subject, message.filter.as_ref(), message.max_hops));
    let members = wrong.check(member_filter(message.member_filter.as_ref()));
    let size = wrong.check(page_size(message.page_size));
    let after = wrong.check(listing.parse(&message.page_token, 2));
    let read = wrong.check(service.read_context(&context, message.read, after.as_ref().and_then(Option::as_ref)));
    service.note_unknown_kinds(&mut wrong, message.filter.as_ref());
    all_or_return!(wrong; of, members, size, after, read);
    let after = after.map(|token| reach_cursor(&token.cursor)).transpose()?;
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        let (ways, member, max_hops) = of.resolve(state, read)?;
        let search = if message.crossing_only { Ways::reach_crossing } else { Ways::reach_list };
        let (mut list, mut extent) = search(&ways, member, max_hops, budget);
        if !members.is_empty()
            && let Err(limit) = keep_passing(&mut list, |(_, ix)| *ix, &|ix| state.passes(&members, ix), budget)
        {
            (list, extent) = (Vec::new(), Extent::ended(limit, 0));
        }
        let id = |ix| state.graph().id(ix);
        let start = after.as_ref();
        let start = start.map_or(0, |(hop, last)| list.partition_point(|(h, ix)| (*h, id(*ix)) <= (*hop, last)));
        let encode = |cursor: &(u32, MemberIx)| {
            let (hop, ix) = cursor;
            let mut item = pb::ReachedMember { member_id: id(*ix).to_string(), hop: *hop as i32, ..Default::default() };
            if message.crossing_only {
                let witnessed = witness(read.shown(state), &ways, (*ix, member), *hop, &mut item, budget);
                extent.limit = extent.limit.or(witnessed.err());
            }
            (item, *cursor)
        };
        let (items, next_page_token) = page_that_fits(list[start..].iter(), size, encode, |(hop, ix)| {
            listing.token(read.as_of, &[&hop.to_string(), id(ix).as_str()])
        });
        let info = read.info(state, extent, budget)?;
        Ok(pb::ListReachResponse { items, next_page_token, info: Some(info) })
    };
    service.query(read, answer).await
}

/// Encodes by which chain a member is in reach, and where it changes to another part of life.
fn witness(
    shown: Shown<'_>,
    ways: &Ways<'_>,
    (from, to): (MemberIx, MemberIx),
    hops: u32,
    item: &mut pb::ReachedMember,
    budget: &mut Budget<'_>,
) -> Result<(), Limit> {
    let found = ways.chain(from, to, hops, budget);
    let view = ways.at(hops);
    if let Some(limit) = found.extent.limit {
        return Err(limit);
    }
    if let Some(chain) = found.paths.first() {
        item.chain = Some(shown.path(view, chain));
        let switch = sphere_switch(view, chain).map(|switch| shown.state.graph().id(switch).to_string());
        item.switch_member_id = switch.unwrap_or_default();
    }
    Ok(())
}

fn same_on_every_page(message: &pb::ListReachRequest) -> pb::ListReachRequest {
    let read = read_on_every_page(message.read.as_ref());
    pb::ListReachRequest { page_size: 0, page_token: String::new(), read, ..message.clone() }
}

fn reach_cursor(cursor: &[String]) -> Result<(u32, MemberId), Violation> {
    let malformed = |_| Violation::new("page_token", Reason::Malformed, "is not a token kith has given");
    Ok((cursor[0].parse().map_err(malformed)?, MemberId::parse("page_token", &cursor[1])?))
}
