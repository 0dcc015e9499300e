//! `IntroductionService.RecordIntroductions`: what introducers were asked for, and what they said.

use std::mem::take;

use super::Service;
use super::decode::{Violations, all_or_return, introductions};
use super::request_id::request;
use crate::domain::{Change, Error};
use crate::engine::State;
use crate::proto::v1 as pb;

pub async fn record_introductions(
    service: &Service,
    mut message: pb::RecordIntroductionsRequest,
) -> Result<pb::RecordIntroductionsResponse, Error> {
    let mut wrong = Violations::default();
    let request_id = take(&mut message.request_id);
    let request = wrong.check(request("RecordIntroductions", &request_id, &message));
    let introductions = wrong.check(introductions(message.introductions, service.engine.now()));
    all_or_return!(wrong; request, introductions);
    let changes = introductions.into_iter().map(|introduction| Change::RecordIntroduction { introduction }).collect();
    let recorded = |state: &State, _: &[_]| pb::RecordIntroductionsResponse { revision: state.revision().to_string() };
    service.commit(changes, request, recorded).await.map_err(|refusal| match refusal.change {
        Some(index) => refusal.error.within(&format!("introductions[{index}]")),
        None => refusal.error,
    })
}
