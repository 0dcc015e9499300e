//! `IntroductionService.RecordIntroductions`: what introducers were asked for, and what they said.

use std::mem::take;

use super::call::Call;
use super::commit::refused;
use super::decode::{Violations, all_or_return, batch, introduction};
use super::request_id::request;
use super::services::Service;
use crate::domain::{Change, Error};
use crate::engine::Report;
use crate::proto::v1 as pb;

pub async fn record_introductions(
    service: &Service,
    Call { context, mut message }: Call<pb::RecordIntroductionsRequest>,
) -> Result<pb::RecordIntroductionsResponse, Error> {
    let mut wrong = Violations::default();
    let request_id = take(&mut message.request_id);
    let request = wrong.check(request(&context, "RecordIntroductions", &request_id, &message));
    let now = service.engine.now();
    let introductions =
        wrong.check(batch("introductions", message.introductions, |message| introduction(message, now)));
    all_or_return!(wrong; request, introductions);
    let changes = introductions.into_iter().map(|introduction| Change::RecordIntroduction { introduction }).collect();
    let outcome = service.commit(&context, changes, request, Report::Revision).await;
    let outcome = outcome.map_err(|refusal| refused(refusal, |i| format!("introductions[{i}]")))?;
    Ok(pb::RecordIntroductionsResponse { revision: outcome.revision.to_string() })
}
