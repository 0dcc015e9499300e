//! The part of `MemberService` that is about who wants nothing to do with whom.

use std::mem::take;

use super::call::Call;
use super::decode::{Violations, all_or_return, block_within, page_size};
use super::encode;
use super::page::page;
use super::read_context::charge_resources;
use super::request_id::request;
use super::services::Service;
use crate::domain::{Change, Error, MemberId, Resource};
use crate::engine::{QueryOptions, Report, Snapshot, State};
use crate::graph::Budget;
use crate::proto::v1 as pb;

pub async fn block_member(
    service: &Service,
    Call { context, mut message }: Call<pb::BlockMemberRequest>,
) -> Result<pb::BlockMemberResponse, Error> {
    let mut wrong = Violations::default();
    let request_id = take(&mut message.request_id);
    let request = wrong.check(request(&context, "BlockMember", &request_id, &message));
    let block = wrong.check(block_within(message.block));
    all_or_return!(wrong; request, block);
    let outcome =
        service.commit_one(&context, Change::BlockMember { block }, "block", request, Report::Resource).await?;
    let block = match outcome.resource.map(|resource| *resource) {
        Some(Snapshot::Block(block)) => Some(encode::block(&block)),
        _ => None,
    };
    Ok(pb::BlockMemberResponse { block, revision: outcome.revision.to_string() })
}

pub async fn unblock_member(
    service: &Service,
    Call { context, mut message }: Call<pb::UnblockMemberRequest>,
) -> Result<pb::UnblockMemberResponse, Error> {
    let mut wrong = Violations::default();
    let request_id = take(&mut message.request_id);
    let request = wrong.check(request(&context, "UnblockMember", &request_id, &message));
    let block = wrong.check(block_within(message.block));
    all_or_return!(wrong; request, block);
    let change = Change::UnblockMember { block, allow_missing: message.allow_missing };
    let outcome = service.commit_one(&context, change, "block", request, Report::Revision).await?;
    Ok(pb::UnblockMemberResponse { revision: outcome.revision.to_string() })
}

pub async fn list_blocks(
    service: &Service,
    Call { context, message }: Call<pb::ListBlocksRequest>,
) -> Result<pb::ListBlocksResponse, Error> {
    let same = pb::ListBlocksRequest { member_id: message.member_id.clone(), ..Default::default() };
    let listing = service.listing("ListBlocks", &same);
    let mut wrong = Violations::default();
    let member = wrong.check(MemberId::parse("member_id", &message.member_id));
    let size = wrong.check(page_size(message.page_size));
    let after = wrong.check(listing.parse(&message.page_token, 1));
    wrong.check(service.engine.check_revision("min_revision", &message.min_revision));
    all_or_return!(wrong; member, size, after);
    let after = after.map(|token| MemberId::parse("page_token", &token.cursor[0])).transpose()?;
    let caller = context.principal.share();
    let options = QueryOptions {
        min_revision: message.min_revision,
        caller,
        deadline: context.deadline,
        ..QueryOptions::default()
    };
    let now = service.engine.now();
    let answer = move |state: &State, budget: &mut Budget<'_>| {
        let ix =
            state.graph().find_shown(member.as_str()).ok_or_else(|| Error::not_found(Resource::Member, &member))?;
        // Each page sorts all blocks of the member.
        let blocked = state.graph().members_blocked_by(ix).filter(|of| !state.graph().is_withheld(*of));
        charge_resources(blocked.count(), budget)?;
        let mut blocks = state.blocks_by(ix);
        blocks.retain(|block| state.graph().find_shown(block.of.as_str()).is_some());
        let start = after.as_ref().map_or(0, |after| blocks.partition_point(|block| block.of <= *after));
        let (blocks, next_page_token) = page(&blocks[start..], size, |last| listing.token(now, &[last.of.as_str()]));
        let blocks = blocks.into_iter().map(encode::block).collect();
        Ok(pb::ListBlocksResponse { blocks, next_page_token, revision: state.revision().to_string() })
    };
    service.engine.query(options, answer).await
}
