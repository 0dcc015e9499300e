//! `IntroductionService.FindIntroducers`; suggestions are in `suggest.rs`, leaders in `leaders.rs`, what came of
//! introductions in `record_introductions.rs`.

use super::answer_bytes::that_fit;
use super::call::Call;
use super::decode::{AskedFilter, Violations, all_or_return, member_filter, within_bounds};
use super::encode::Shown;
use super::paths::require_two;
use super::read_context::{ReadContext, find};
use super::services::Service;
use crate::domain::limits::{HOPS_MAX, INTRODUCER_HOPS_DEFAULT, LIMIT_DEFAULT, LIMIT_MAX};
use crate::domain::{Error, IntroducerTally, MemberId};
use crate::engine::State;
use crate::graph::{Budget, Introducer, View, introducers};
use crate::proto::v1 as pb;

pub async fn find_introducers(
    service: &Service,
    call: Call<pb::FindIntroducersRequest>,
) -> Result<pb::FindIntroducersResponse, Error> {
    let Call { context, message } = call;
    let member = context.principal.asked_for(&message.member_id)?;
    let mut wrong = Violations::default();
    let member = wrong.check(MemberId::parse("member_id", member));
    let target = wrong.check(MemberId::parse("target_id", &message.target_id));
    wrong.check(require_two(member.as_ref(), target.as_ref(), "target_id"));
    let filter = wrong.check(AskedFilter::decode_about(message.filter.as_ref(), &[member.as_ref(), target.as_ref()]));
    let members = wrong.check(member_filter(message.member_filter.as_ref()));
    let max_hops = wrong.check(within_bounds("max_hops", message.max_hops, INTRODUCER_HOPS_DEFAULT, HOPS_MAX));
    let limit = wrong.check(within_bounds("limit", message.limit, LIMIT_DEFAULT, LIMIT_MAX));
    let read = wrong.check(service.read_context(&context, message.read, None));
    service.note_unknown_kinds(&mut wrong, message.filter.as_ref());
    all_or_return!(wrong; member, target, filter, members, max_hops, limit, read);
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        let view = read.view_under(&filter, state)?;
        let (member, target) = (find(&view, &member)?, find(&view, &target)?);
        let readiness = |introducer| state.readiness(introducer, view.as_of());
        let (found, extent) = introducers(&view, member, target, max_hops, &readiness, budget);
        let mut info = read.info(state, extent, budget)?;
        let found = found.iter().filter(|found| state.passes(&members, found.member));
        let found = found.take(limit as usize).map(|found| introducer(read.shown(state), &view, found));
        let (introducers, all) = that_fit(found);
        if !all {
            read.ended_by_length(&mut info)?;
        }
        Ok(pb::FindIntroducersResponse { introducers, info: Some(info) })
    };
    service.query(read, answer).await
}

pub(super) fn introducer(shown: Shown<'_>, view: &View<'_>, found: &Introducer) -> pb::Introducer {
    let tally = shown.state.introducer_tally(found.member);
    pb::Introducer {
        member_id: shown.state.graph().id(found.member).to_string(),
        score: found.score,
        strength_to_member: found.strength_to_member as f32,
        strength_to_target: found.strength_to_target as f32,
        path: Some(shown.path(view, &found.path)),
        willingness: tally.map_or_else(|| IntroducerTally::default().willingness(), IntroducerTally::willingness),
        recent_asks: tally.map_or(0, |tally| tally.load(view.as_of())) as i64,
    }
}
