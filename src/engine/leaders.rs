//! How much members share on a topic.

use std::iter::once;

use super::evidence::OnTopics;
use super::live::StatusReader;
use super::state::State;
use crate::domain::{Status, StatusId, Topic};
use crate::graph::{Budget, Limit, Sharer, View};

/// The age at which a status counts half.
const SHARING_HALF_LIFE_MS: f64 = 30.0 * 24.0 * 3_600.0 * 1_000.0;

/// A member on a topic, and what it has shared there.
#[derive(Debug, Clone, PartialEq)]
pub struct Sharing {
    pub sharer: Sharer,
    /// The member's live statuses on the topic, newest first, then by id.
    pub statuses: Vec<StatusId>,
}

impl State {
    /// Returns every member on the topic, by interest or by a live status, as far as a viewer may know. Each of them, and each of their
    /// statuses, is charged.
    pub fn sharing_on(
        &self,
        topic: &Topic,
        view: &View<'_>,
        reader: &StatusReader,
        budget: &mut Budget<'_>,
    ) -> Result<Vec<Sharing>, Limit> {
        let on_topics = self.on_topics(once(topic), view, reader, budget)?;
        budget.whole(|budget| self.sharing_of(topic, view, on_topics, budget))
    }

    fn sharing_of(
        &self,
        topic: &Topic,
        view: &View<'_>,
        on_topics: OnTopics<'_>,
        budget: &mut Budget<'_>,
    ) -> Result<Vec<Sharing>, Limit> {
        let mut found = Vec::new();
        for (member, statuses) in on_topics {
            let is_interested = self.interests(member).is_some_and(|topics| topics.contains(topic));
            let shared: Vec<&Status> =
                statuses.iter().filter(|status| status.attrs.topics.contains(topic)).copied().collect();
            if !is_interested && shared.is_empty() {
                continue;
            }
            budget.visit(1 + statuses.len() as u64)?;
            let weight = |status: &&Status| {
                let age_ms = view.as_of().0.saturating_sub(status.attrs.post_time.0).max(0);
                libm::exp2(-(age_ms as f64) / SHARING_HALF_LIFE_MS)
            };
            let sharer = Sharer { member, sharing: shared.iter().map(weight).sum() };
            found.push(Sharing { sharer, statuses: shared.iter().map(|status| status.id.clone()).collect() });
        }
        Ok(found)
    }
}
