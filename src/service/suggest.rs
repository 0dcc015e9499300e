//! `IntroductionService.SuggestIntroductions`: whom to meet, why, and through whom.

use std::collections::{BTreeSet, HashMap};

use super::answer_bytes::that_fit;
use super::call::Call;
use super::decode::{AskedFilter, Violations, all_or_return, member_filter, some_member_ids, within_bounds};
use super::encode::Shown;
use super::introductions::introducer;
use super::leads::{Lead, Leads, leads};
use super::read_context::{ReadContext, find};
use super::services::Service;
use crate::domain::limits::{EXCLUDED_MEMBERS_MAX, LIMIT_DEFAULT, LIMIT_MAX};
use crate::domain::{Error, MemberId, Reason, StatusId, Topic, TopicSet, Violation};
use crate::engine::{State, StatusReader, TopicMatch};
use crate::graph::{
    Asking, Breadth, Budget, Extent, Limit, MemberIx, Passing, SuggestQuery, Suggestion, Suggestions, TopicEvidence,
    View, suggest,
};
use crate::proto::v1 as pb;

/// The most introducers shown with one suggestion.
const INTRODUCERS_SHOWN_MAX: usize = 3;
/// The most statuses of a member that are shown with one suggestion, without those that alone explain a topic.
const STATUSES_SHOWN_MAX: usize = 10;

type Matches = HashMap<MemberIx, TopicMatch>;

pub async fn suggest_introductions(
    service: &Service,
    call: Call<pb::SuggestIntroductionsRequest>,
) -> Result<pb::SuggestIntroductionsResponse, Error> {
    let Call { context, message } = call;
    let member = context.principal.asked_for(&message.member_id)?;
    let mut wrong = Violations::default();
    let member = wrong.check(MemberId::parse("member_id", member));
    let topics = wrong.check(TopicSet::parse("topics", &message.topics));
    let filter = wrong.check(AskedFilter::decode_about(message.filter.as_ref(), &[member.as_ref()]));
    let exclude = wrong.check(some_member_ids("exclude_ids", &message.exclude_ids, EXCLUDED_MEMBERS_MAX));
    let members = wrong.check(member_filter(message.member_filter.as_ref()));
    let limit = wrong.check(within_bounds("limit", message.limit, LIMIT_DEFAULT, LIMIT_MAX));
    let read = wrong.check(service.read_context(&context, message.read, None));
    let max_steps = wrong.check(max_steps(message.max_steps));
    let per_introducer = wrong.check(within_bounds("max_per_introducer", message.max_per_introducer, 0, LIMIT_MAX));
    service.note_unknown_kinds(&mut wrong, message.filter.as_ref());
    all_or_return!(wrong; member, topics, filter, exclude, members, limit, read, max_steps, per_introducer);
    let about_statuses = !topics.is_empty();
    let breadth = if message.exact { Breadth::ALL } else { Breadth::STRONGEST };
    let per_introducer_max = (per_introducer > 0).then_some(per_introducer as usize);
    let answer = move |read: &ReadContext, state: &State, budget: &mut Budget<'_>| {
        let view = read.view_under(&filter, state)?;
        let member = find(&view, &member)?;
        let exclude = exclude.iter().filter_map(|id| state.graph().find(id.as_str())).collect();
        let reader = read.status_reader(state);
        let passes = |ix| state.passes(&members, ix);
        let evidence_of = |budget: &mut Budget<'_>| {
            let all = state.all_passing(&members, &view, budget)?;
            Ok((matches(state, &topics, &view, &reader, budget)?, all))
        };
        let (matches, mut found) = match evidence_of(budget) {
            Ok((matches, all)) => {
                let evidence: Option<TopicEvidence> = matches.as_ref().map(evidence);
                let (topics, limit) = (evidence.as_ref(), limit as usize);
                let readiness = |introducer| state.readiness(introducer, view.as_of());
                let introducers = Asking { most: INTRODUCERS_SHOWN_MAX, readiness: &readiness };
                let exclude = &exclude;
                let passing = (!members.is_empty()).then_some(Passing { passes: &passes, all: all.as_deref() });
                let query = SuggestQuery {
                    topics,
                    passing,
                    exclude,
                    limit,
                    max_steps,
                    breadth,
                    per_introducer_max,
                    introducers,
                };
                (matches, suggest(&view, member, &query, budget))
            }
            Err(limit) => (None, Suggestions { suggestions: Vec::new(), extent: Extent::ended(limit, 1) }),
        };
        let leads = match leads_among(state, &topics, &found, (&view, &reader), budget) {
            Ok(leads) => leads,
            Err(limit) => {
                // The suggestions stand, without this reason.
                found.extent = found.extent.and(Extent::ended(limit, 3));
                Leads::new()
            }
        };
        let suggestions = found.suggestions.iter().map(|suggestion| {
            let matched = matches.as_ref().and_then(|matches| matches.get(&suggestion.member));
            let leads = leads.get(&suggestion.member).map(Vec::as_slice).unwrap_or_default();
            encoded(read.shown(state), &view, suggestion, matched.map(|matched| (matched, leads)))
        });
        let (suggestions, all) = that_fit(suggestions);
        let mut info = read.info(state, found.extent, budget)?;
        if !all {
            read.ended_by_length(&mut info)?;
        }
        Ok(pb::SuggestIntroductionsResponse { suggestions, info: Some(info) })
    };
    if about_statuses { service.query_statuses(read, answer).await } else { service.query(read, answer).await }
}

/// Returns how long the walks are: 0 stands for 3.
fn max_steps(value: i32) -> Result<u32, Violation> {
    match value {
        0 | 3 => Ok(3),
        2 => Ok(2),
        _ => Err(Violation::new("max_steps", Reason::OutOfRange, "must be 2 or 3")),
    }
}

/// Returns who is on the topics asked for; none when none are asked for.
fn matches(
    state: &State,
    topics: &TopicSet,
    view: &View<'_>,
    reader: &StatusReader,
    budget: &mut Budget<'_>,
) -> Result<Option<Matches>, Limit> {
    if topics.is_empty() {
        return Ok(None);
    }
    state.topic_evidence(topics, view, reader, budget).map(Some)
}

/// Returns who leads on the topics asked for, if anybody suggested may.
fn leads_among(
    state: &State,
    topics: &TopicSet,
    found: &Suggestions,
    view: (&View<'_>, &StatusReader),
    budget: &mut Budget<'_>,
) -> Result<Leads, Limit> {
    if found.suggestions.is_empty() || !found.extent.is_complete() {
        return Ok(Leads::new());
    }
    leads(state, view, topics, budget)
}

fn evidence(matches: &Matches) -> TopicEvidence {
    matches.iter().map(|(member, matched)| (*member, matched.cosine)).collect()
}

/// Encodes a suggestion with its evidence.
fn encoded(
    shown: Shown<'_>,
    view: &View<'_>,
    suggestion: &Suggestion,
    on_topics: Option<(&TopicMatch, &[Lead])>,
) -> pb::Suggestion {
    let matched = on_topics.map(|(matched, _)| matched);
    let id = |ix: MemberIx| shown.state.graph().id(ix).to_string();
    let mut reasons: Vec<pb::Reason> = chain_reasons(suggestion, id);
    reasons.extend(on_topics.map(|(matched, leads)| topic_reasons(suggestion, matched, leads)).unwrap_or_default());
    let parts = matched.map(|matched| matched.parts.as_slice()).unwrap_or_default();
    let statuses = matched.map(|matched| matched.statuses.as_slice()).unwrap_or_default();
    let introducers = suggestion.introducers.iter().map(|found| introducer(shown, view, found));
    pb::Suggestion {
        member_id: id(suggestion.member),
        score: suggestion.score,
        hops: suggestion.hops as i32,
        mutuals: suggestion.mutuals as i32,
        shared_topics: parts.iter().map(|(topic, _)| topic.to_string()).collect(),
        status_ids: statuses.iter().take(STATUSES_SHOWN_MAX).map(|(id, _)| id.to_string()).collect(),
        introducers: introducers.collect(),
        reasons,
        topic_match: suggestion.topic_match,
    }
}

/// Returns the chains behind K, each with its part of the whole score. The score is `K · (1 + match)`: K for the chains, and K times the
/// match for the topics.
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
    let others = suggestion.others.iter().map(|others| {
        let chains = i32::try_from(others.chains).unwrap_or(i32::MAX);
        let reason = pb::reason::Reason::OtherChains(pb::OtherChainsReason { chains });
        pb::Reason { reason: Some(reason), share: others.share * of_score }
    });
    reasons.chain(others).collect()
}

/// Returns the topics and statuses behind the match, the greatest share first. A topic's part is shared evenly by the interest, the
/// statuses and the lead on it.
fn topic_reasons(suggestion: &Suggestion, matched: &TopicMatch, leads: &[Lead]) -> Vec<pb::Reason> {
    let of_score = if suggestion.k > 0.0 { suggestion.topic_match / (1.0 + suggestion.topic_match) } else { 0.0 };
    let statuses = explaining_statuses(matched);
    let share = |topic: &Topic| {
        let part = matched.parts.iter().find(|(other, _)| other == topic).map_or(0.0, |(_, part)| *part);
        let by_interest = usize::from(matched.interests.contains(topic));
        let by_lead = usize::from(leads.iter().any(|lead| lead.topic == *topic));
        let holders = by_interest + by_lead + statuses.iter().filter(|(_, topics)| topics.contains(topic)).count();
        of_score * part / holders.max(1) as f64
    };
    let of_interest = |topic: &Topic| pb::Reason {
        reason: Some(pb::reason::Reason::Topic(pb::TopicReason { topic: topic.to_string() })),
        share: share(topic),
    };
    let of_status = |(id, topics): &&(StatusId, Vec<Topic>)| pb::Reason {
        share: topics.iter().map(share).sum(),
        reason: Some(pb::reason::Reason::Status(pb::StatusReason {
            status_id: id.to_string(),
            topics: topics.iter().map(ToString::to_string).collect(),
        })),
    };
    let of_lead = |lead: &Lead| pb::Reason {
        share: share(&lead.topic),
        reason: Some(pb::reason::Reason::Leader(pb::LeaderReason {
            topic: lead.topic.to_string(),
            rank: lead.rank as i32,
            audience: lead.audience as i32,
        })),
    };
    let interests = matched.interests.iter().map(of_interest);
    let mut reasons: Vec<pb::Reason> =
        interests.chain(statuses.iter().map(of_status)).chain(leads.iter().map(of_lead)).collect();
    // The sort is stable: among equal shares come interests by name, then statuses newest first, then leads by topic.
    reasons.sort_by(|a, b| b.share.total_cmp(&a.share));
    reasons
}

/// Returns the newest statuses, and the newest one on each topic that neither they nor an interest are about, so that every topic's part of
/// the score has its reason.
fn explaining_statuses(matched: &TopicMatch) -> Vec<&(StatusId, Vec<Topic>)> {
    let mut covered: BTreeSet<&Topic> = matched.interests.iter().collect();
    let newest = matched.statuses.iter().enumerate();
    let explaining = newest.filter(|(at, (_, topics))| {
        let is_new = topics.iter().any(|topic| !covered.contains(topic));
        let is_reported = *at < STATUSES_SHOWN_MAX || is_new;
        if is_reported {
            covered.extend(topics);
        }
        is_reported
    });
    explaining.map(|(_, status)| status).collect()
}
