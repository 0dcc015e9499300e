//! Who has something to do with a topic asked for, and how much.

use std::collections::{BTreeSet, HashMap};

use super::state::State;
use crate::domain::{StatusId, TimeMs, Topic, TopicSet};
use crate::graph::{Budget, Limit, MemberIx};

/// How a member's topics match those asked for, and the evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicMatch {
    /// Cosine of the asked topics and the member's own (interests and live statuses), each weighted by its idf; in (0, 1].
    pub cosine: f64,
    /// Each matching topic's part of the cosine, summing to 1; by topic.
    pub parts: Vec<(Topic, f64)>,
    /// Matching interests.
    pub interests: Vec<Topic>,
    /// Live statuses on topics asked for, with those topics; newest first, then by id.
    pub statuses: Vec<(StatusId, Vec<Topic>)>,
}

impl State {
    /// Every member on one of the topics at `as_of`: by interest, or by a live status.
    pub fn topic_evidence(
        &self,
        asked: &TopicSet,
        as_of: TimeMs,
        budget: &mut Budget<'_>,
    ) -> Result<HashMap<MemberIx, TopicMatch>, Limit> {
        let mut found = HashMap::new();
        for topic in asked.iter() {
            for member in self.topics.members(topic) {
                budget.visit(1)?;
                if found.contains_key(&member) {
                    continue;
                }
                if let Some(matched) = self.topic_match(member, asked, as_of, budget)? {
                    found.insert(member, matched);
                }
            }
        }
        Ok(found)
    }

    /// Charges for each of the member's statuses.
    fn topic_match(
        &self,
        member: MemberIx,
        asked: &TopicSet,
        as_of: TimeMs,
        budget: &mut Budget<'_>,
    ) -> Result<Option<TopicMatch>, Limit> {
        let mut own: BTreeSet<&Topic> = BTreeSet::new();
        let mut interests = Vec::new();
        if let Some(topics) = self.member_record(member).topics() {
            own.extend(topics.iter());
            interests.extend(topics.iter().filter(|topic| asked.contains(topic)).cloned());
        }
        let mut statuses = Vec::new();
        for id in self.statuses_of(member, None) {
            budget.visit(1)?;
            let status = &self.statuses.get(id).expect("an author's status is stored").status;
            if !status.is_live(as_of) {
                continue;
            }
            own.extend(status.topics.iter());
            let on: Vec<Topic> = status.topics.iter().filter(|topic| asked.contains(topic)).cloned().collect();
            if !on.is_empty() {
                statuses.push((id.clone(), on));
            }
        }
        let squared = |topic: &Topic| self.topics.idf(topic, self.member_count()).powi(2);
        let shared: Vec<(Topic, f64)> =
            own.iter().filter(|topic| asked.contains(topic)).map(|&topic| (topic.clone(), squared(topic))).collect();
        if shared.is_empty() {
            return Ok(None);
        }
        let dot: f64 = shared.iter().map(|(_, part)| part).sum();
        let norms = asked.iter().map(squared).sum::<f64>() * own.iter().map(|topic| squared(topic)).sum::<f64>();
        let parts = shared.into_iter().map(|(topic, part)| (topic, part / dot)).collect();
        // Rounding may carry equal vectors a hair past 1.
        Ok(Some(TopicMatch { cosine: (dot / norms.sqrt()).min(1.0), parts, interests, statuses }))
    }
}
