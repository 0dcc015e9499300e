//! `IntroductionService.SuggestIntroductions`: whom to meet, why, and through whom.

use std::collections::HashMap;

use tonic::Request;

use super::Service;
use super::decode::{AskedFilter, Violations, all_or_return, some_member_ids, within_bounds};
use super::introductions::{introducer, willingness};
use super::paths::find;
use crate::domain::limits::{EXCLUDED_MEMBERS_MAX, INTRODUCER_HOPS_DEFAULT, LIMIT_DEFAULT, LIMIT_MAX};
use crate::domain::{Error, MemberId, Reason, Topic, TopicSet, Violation};
use crate::engine::{State, TopicMatch};
use crate::graph::{
    Budget, Extent, Limit, MemberIx, SuggestQuery, Suggestion, Suggestions, TopicEvidence, View, introducers, suggest,
};
use crate::proto::v1 as pb;

/// Introducers shown with one suggestion.
const INTRODUCERS_SHOWN_MAX: usize = 3;
/// A member's statuses on the topics shown with one suggestion.
const STATUSES_SHOWN_MAX: usize = 10;

type Matches = HashMap<MemberIx, TopicMatch>;

pub async fn suggest_introductions(
    service: &Service,
    call: Request<pb::SuggestIntroductionsRequest>,
) -> Result<pb::SuggestIntroductionsResponse, Error> {
    let (metadata, _, message) = call.into_parts();
    let mut wrong = Violations::default();
    let member = wrong.check(MemberId::parse("member_id", &message.member_id));
    let topics = wrong.check(TopicSet::parse("topics", &message.topics));
    let filter = wrong.check(AskedFilter::decode_about(message.filter, &[member.as_ref()]));
    let exclude = wrong.check(some_member_ids("exclude_ids", &message.exclude_ids, EXCLUDED_MEMBERS_MAX));
    let limit = wrong.check(within_bounds("limit", message.limit, LIMIT_DEFAULT, LIMIT_MAX));
    let asked = wrong.check(service.asked(&metadata, message.read, None));
    let max_steps = wrong.check(max_steps(message.max_steps));
    all_or_return!(wrong; member, topics, filter, exclude, limit, asked, max_steps);
    let how = asked.clone();
    let answer = move |state: &State, budget: &mut Budget<'_>| {
        let view = filter.view(state, how.as_of)?;
        let member = find(state, &member)?;
        let exclude = exclude.iter().filter_map(|id| state.graph().find(id.as_str())).collect();
        let (matches, found) = match matches(state, &topics, &view, budget) {
            Ok(matches) => {
                let evidence: Option<TopicEvidence> = matches.as_ref().map(evidence);
                let (topics, limit) = (evidence.as_ref(), limit as usize);
                let query = SuggestQuery { topics, exclude: &exclude, limit, max_steps };
                (matches, suggest(&view, member, &query, budget))
            }
            Err(limit) => (None, Suggestions { suggestions: Vec::new(), extent: Extent::ended(limit, 1) }),
        };
        let mut extent = found.extent;
        let mut suggestions = Vec::with_capacity(found.suggestions.len());
        for suggestion in &found.suggestions {
            let matched = matches.as_ref().and_then(|matches| matches.get(&suggestion.member));
            let (shown, limit) = shown(state, &view, member, suggestion, matched, budget);
            suggestions.push(shown);
            if let Some(limit) = limit {
                extent = extent.and(Extent::ended(limit, INTRODUCER_HOPS_DEFAULT));
            }
        }
        let info = how.info(state, extent, budget)?;
        Ok(pb::SuggestIntroductionsResponse { suggestions, info: Some(info) })
    };
    service.query(&asked, answer).await
}

/// How long the walks are: 0 stands for 3.
fn max_steps(value: i32) -> Result<u32, Violation> {
    match value {
        0 | 3 => Ok(3),
        2 => Ok(2),
        _ => Err(Violation::new("max_steps", Reason::OutOfRange, "must be 2 or 3")),
    }
}

/// Who is on the topics asked for; none when none are.
fn matches(
    state: &State,
    topics: &TopicSet,
    view: &View<'_>,
    budget: &mut Budget<'_>,
) -> Result<Option<Matches>, Limit> {
    if topics.is_empty() {
        return Ok(None);
    }
    state.topic_evidence(topics, view.as_of(), budget).map(Some)
}

fn evidence(matches: &Matches) -> TopicEvidence {
    matches.iter().map(|(member, matched)| (*member, matched.cosine)).collect()
}

/// A suggestion with its evidence; the limit, if one ended the search for introducers.
fn shown(
    state: &State,
    view: &View<'_>,
    member: MemberIx,
    suggestion: &Suggestion,
    matched: Option<&TopicMatch>,
    budget: &mut Budget<'_>,
) -> (pb::Suggestion, Option<Limit>) {
    let hops = suggestion.hops.max(INTRODUCER_HOPS_DEFAULT);
    let (found, extent) = introducers(view, member, suggestion.member, hops, &willingness, budget);
    let id = |ix: MemberIx| state.graph().id(ix).to_string();
    let mut reasons: Vec<pb::Reason> = chain_reasons(suggestion, id);
    reasons.extend(matched.map(|matched| topic_reasons(suggestion, matched)).unwrap_or_default());
    let parts = matched.map(|matched| matched.parts.as_slice()).unwrap_or_default();
    let statuses = matched.map(|matched| matched.statuses.as_slice()).unwrap_or_default();
    let suggestion = pb::Suggestion {
        member_id: id(suggestion.member),
        score: suggestion.score,
        hops: suggestion.hops as i32,
        mutuals: suggestion.mutuals as i32,
        shared_topics: parts.iter().map(|(topic, _)| topic.to_string()).collect(),
        status_ids: statuses.iter().take(STATUSES_SHOWN_MAX).map(|(id, _)| id.to_string()).collect(),
        introducers: found.iter().take(INTRODUCERS_SHOWN_MAX).map(|found| introducer(state, view, found)).collect(),
        reasons,
        topic_match: suggestion.topic_match,
    };
    (suggestion, extent.limit)
}

/// The chains behind K, each with its part of the whole score: `K · (1 + match)` is K and as much again as the topics match.
fn chain_reasons(suggestion: &Suggestion, id: impl Fn(MemberIx) -> String) -> Vec<pb::Reason> {
    let of_score = 1.0 / (1.0 + suggestion.topic_match);
    let reasons = suggestion.because.iter().map(|because| {
        let mut through: Vec<String> = because.through.iter().map(|ix| id(*ix)).collect();
        let reason = match through.len() {
            1 => pb::reason::Reason::Mutual(pb::MutualReason { member_id: through.swap_remove(0) }),
            _ => pb::reason::Reason::Chain(pb::ChainReason { member_ids: through }),
        };
        pb::Reason { reason: Some(reason), share: because.share * of_score }
    });
    reasons.collect()
}

/// The topics and statuses behind the match, the greatest share first. A topic's part is shared evenly by the interest and
/// the statuses on it.
fn topic_reasons(suggestion: &Suggestion, matched: &TopicMatch) -> Vec<pb::Reason> {
    let of_score = if suggestion.k > 0.0 { suggestion.topic_match / (1.0 + suggestion.topic_match) } else { 0.0 };
    let statuses = &matched.statuses[..matched.statuses.len().min(STATUSES_SHOWN_MAX)];
    let share = |topic: &Topic| {
        let part = matched.parts.iter().find(|(other, _)| other == topic).map_or(0.0, |(_, part)| *part);
        let by_interest = usize::from(matched.interests.contains(topic));
        let holders = by_interest + statuses.iter().filter(|(_, topics)| topics.contains(topic)).count();
        of_score * part / holders.max(1) as f64
    };
    let of_interest = |topic: &Topic| pb::Reason {
        reason: Some(pb::reason::Reason::Topic(pb::TopicReason { topic: topic.to_string() })),
        share: share(topic),
    };
    let of_status = |(id, topics): &(crate::domain::StatusId, Vec<Topic>)| pb::Reason {
        share: topics.iter().map(share).sum(),
        reason: Some(pb::reason::Reason::Status(pb::StatusReason {
            status_id: id.to_string(),
            topics: topics.iter().map(ToString::to_string).collect(),
        })),
    };
    let interests = matched.interests.iter().map(of_interest);
    let mut reasons: Vec<pb::Reason> = interests.chain(statuses.iter().map(of_status)).collect();
    // Stable: interests by name, then statuses newest first, among equal shares.
    reasons.sort_by(|a, b| b.share.total_cmp(&a.share));
    reasons
}
