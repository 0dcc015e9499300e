//! `MemberService`.

use std::mem::take;

use super::answer_bytes::{Room, page_that_fits};
use super::call::Call;
use super::decode::{
    self, Mask, Violations, all_or_return, etag_precondition, member_filter, member_ids, member_update, name_prefix,
    page_size,
};
use super::encode;
use super::read_context::{RESOURCE_WORK, ReadContext, ReadFields, charge_resources, cut_short, find};
use super::request_id::request;
use super::services::Service;
use crate::domain::{Change, Error, MemberFilter, MemberId, NamePrefix, Violation};
use crate::engine::{Applied, Outcome, Report, Snapshot, State};
use crate::graph::{Budget, Limit, MemberIx, View};
use crate::proto::v1 as pb;

pub async fn put_member(
    service: &Service,
    Call { context, mut message }: Call<pb::PutMemberRequest>,
) -> Result<pb::PutMemberResponse, Error> {
    let mut wrong = Violations::default();
    let request_id = take(&mut message.request_id);
    let request = wrong.check(request(&context, "PutMember", &request_id, &message));
    let member = message.member.ok_or_else(|| Violation::required("member").into());
    let member = wrong
        .check(member.and_then(|member| decode::member(member, &Mask::ALL).map_err(|wrong| wrong.within("member"))));
    all_or_return!(wrong; request, member);
    let (member, precondition) = member;
    let change = Change::PutMember { member, precondition };
    let Outcome { resource, revision, .. } =
        service.commit_one(&context, change, "member", request, Report::Resource).await?;
    Ok(pb::PutMemberResponse { member: member_of(resource), revision: revision.to_string() })
}

pub async fn update_member(
    service: &Service,
    Call { context, mut message }: Call<pb::UpdateMemberRequest>,
) -> Result<pb::UpdateMemberResponse, Error> {
    let mut wrong = Violations::default();
    let request_id = take(&mut message.request_id);
    let request = wrong.check(request(&context, "UpdateMember", &request_id, &message));
    let change = wrong.check(member_update(message.member, message.update_mask));
    all_or_return!(wrong; request, change);
    let Outcome { resource, revision, .. } =
        service.commit_one(&context, change, "member", request, Report::Resource).await?;
    Ok(pb::UpdateMemberResponse { member: member_of(resource), revision: revision.to_string() })
}

fn member_of(resource: Option<Box<Snapshot>>) -> Option<pb::Member> {
    match *resource? {
        Snapshot::Member(member) => Some(encode::member(member)),
        _ => None,
    }
}

pub async fn get_member(service: &Service, call: Call<pb::GetMemberRequest>) -> Result<pb::GetMemberResponse, Error> {
    let Call { context, message } = call;
    let mut wrong = Violations::default();
    let id = wrong.check(MemberId::parse("id", &message.id));
    let fields = ReadFields { viewer_id: message.viewer_id, min_revision: message.min_revision, as_of: None };
    let read = wrong.check(service.read_context_of(&context, fields, None));
    all_or_return!(wrong; id, read);
    let answer = move |read: &ReadContext, state: &State, _: &mut Budget<'_>| {
        let stored = state.member_at(find(&read.view(state), &id)?);
        let member = Some(read.shown(state).member(stored));
        Ok(pb::GetMemberResponse { member, revision: state.revision().to_string() })
    };
    service.query(read, answer).await
}

pub async fn batch_get_members(
    service: &Service,
    call: Call<pb::BatchGetMembersRequest>,
) -> Result<pb::BatchGetMembersResponse, Error> {
    let Call { context, message } = call;
    let mut wrong = Violations::default();
    let ids = wrong.check(member_ids("ids", &message.ids));
    let fields = ReadFields { viewer_id: message.viewer_id, min_revision: message.min_revision, as_of: None };
    let read = wrong.check(service.read_context_of(&context, fields, None));
    all_or_return!(wrong; ids, read);
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        charge_resources(ids.len(), budget)?;
        let (view, shown) = (read.view(state), read.shown(state));
        let mut room = Room::default();
        let mut members = Vec::new();
        for (at, id) in ids.iter().enumerate() {
            let Some(ix) = view.find(id.as_str()) else { continue };
            let member = shown.member(state.member_at(ix));
            if !room.take(&member) {
                return Err(Error::AnswerTooLarge { fits: at, asked: ids.len() });
            }
            members.push(member);
        }
        Ok(pb::BatchGetMembersResponse { members, revision: state.revision().to_string() })
    };
    service.query(read, answer).await
}

pub async fn list_members(
    service: &Service,
    call: Call<pb::ListMembersRequest>,
) -> Result<pb::ListMembersResponse, Error> {
    let Call { context, message } = call;
    let same = pb::ListMembersRequest {
        viewer_id: message.viewer_id.clone(),
        member_filter: message.member_filter.clone(),
        display_name_prefix: message.display_name_prefix.clone(),
        ..Default::default()
    };
    let listing = service.listing("ListMembers", &same);
    let mut wrong = Violations::default();
    let filter = wrong.check(member_filter(message.member_filter.as_ref()));
    let name = wrong.check(name_prefix("display_name_prefix", &message.display_name_prefix));
    let size = wrong.check(page_size(message.page_size));
    let after = wrong.check(listing.parse(&message.page_token, 1));
    let fields = ReadFields { viewer_id: message.viewer_id, min_revision: message.min_revision, as_of: None };
    let read = wrong.check(service.read_context_of(&context, fields, None));
    all_or_return!(wrong; filter, name, size, after, read);
    let after = after.map(|token| MemberId::parse("page_token", &token.cursor[0])).transpose()?;
    let listed = Listed { filter, name, after, most: size + 1 };
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        let (view, shown) = (read.view(state), read.shown(state));
        let (members, looked_through) = listed.next(state, &view, budget).map_err(cut_short)?;
        let encode = |ix: MemberIx| (shown.member(state.member_at(ix)), ix);
        let token_after = |last| listing.token(read.as_of, &[state.graph().id(last).as_str()]);
        let (members, mut next_page_token) = page_that_fits(members, size, encode, token_after);
        if let (Some(last), true) = (looked_through, next_page_token.is_empty()) {
            next_page_token = token_after(last);
        }
        Ok(pb::ListMembersResponse { members, next_page_token, revision: state.revision().to_string() })
    };
    service.query(read, answer).await
}

/// How many members one page looks at.
const LOOKED_AT_MAX: usize = 100_000;
/// The bytes of a name that are as much work as a half-edge.
const NAME_BYTES_PER_WORK: usize = 4;

/// Who is listed.
struct Listed {
    filter: MemberFilter,
    name: Option<NamePrefix>,
    after: Option<MemberId>,
    most: usize,
}

impl Listed {
    /// Returns the next of them by id, and the last member looked at if there may be more behind it: where the page has looked at enough,
    /// or the query may go on no longer.
    fn next(
        &self,
        state: &State,
        view: &View<'_>,
        budget: &mut Budget<'_>,
    ) -> Result<(Vec<MemberIx>, Option<MemberIx>), Limit> {
        budget.foresee([RESOURCE_WORK * self.most as u64])?;
        let (mut found, mut last) = (Vec::new(), None);
        for (ix, looked_at) in self.candidates(state, view, budget)?.zip(1..) {
            match self.charge(state, ix, budget) {
                Ok(true) => found.push(ix),
                Ok(false) => {}
                Err(limit) if last.is_none() || limit == Limit::Cancelled => return Err(limit),
                Err(_) => return Ok((found, last)),
            }
            if found.len() == self.most {
                break;
            }
            last = Some(ix);
            if looked_at == LOOKED_AT_MAX {
                return Ok((found, last));
            }
        }
        Ok((found, None))
    }

    /// Returns those behind the page before who may be listed, by id.
    fn candidates<'s>(
        &'s self,
        state: &'s State,
        view: &'s View<'_>,
        budget: &mut Budget<'_>,
    ) -> Result<Box<dyn Iterator<Item = MemberIx> + 's>, Limit> {
        let id = |ix: &MemberIx| state.graph().id(*ix);
        let after = self.after.as_ref();
        let Some(mut few) = state.all_passing(&self.filter, view, budget)? else {
            return Ok(Box::new(state.graph().members_after(after).filter(|ix| !view.is_gone(*ix))));
        };
        few.retain(|ix| after.is_none_or(|after| id(ix) > after));
        few.sort_unstable_by_key(id);
        Ok(Box::new(few.into_iter()))
    }

    /// Charges the look at a member, and its part of the answer if it is listed. Returns whether it is.
    fn charge(&self, state: &State, ix: MemberIx, budget: &mut Budget<'_>) -> Result<bool, Limit> {
        let name = self.name.as_ref().map(|prefix| (prefix, state.display_name(ix)));
        budget.pass(1 + name.map_or(0, |(_, name)| name.len() / NAME_BYTES_PER_WORK) as u64)?;
        let is_listed = state.passes(&self.filter, ix) && name.is_none_or(|(prefix, name)| prefix.begins(name));
        if is_listed {
            budget.pass(RESOURCE_WORK)?;
        }
        Ok(is_listed)
    }
}

pub async fn delete_member(
    service: &Service,
    Call { context, mut message }: Call<pb::DeleteMemberRequest>,
) -> Result<pb::DeleteMemberResponse, Error> {
    let mut wrong = Violations::default();
    let request_id = take(&mut message.request_id);
    let request = wrong.check(request(&context, "DeleteMember", &request_id, &message));
    let id = wrong.check(MemberId::parse("id", &message.id));
    let precondition = wrong.check(etag_precondition(&message.etag));
    all_or_return!(wrong; request, id, precondition);
    let change = Change::DeleteMember { id, precondition, allow_missing: message.allow_missing };
    let outcome = service.commit_one(&context, change, "", request, Report::Results).await?;
    let erased = |count: fn(&Applied) -> u64| outcome.results.iter().map(|result| count(&result.applied) as i64).sum();
    Ok(pb::DeleteMemberResponse {
        revision: outcome.revision.to_string(),
        edges_deleted: erased(|applied| applied.edges_deleted),
        statuses_deleted: erased(|applied| applied.statuses_deleted),
    })
}
