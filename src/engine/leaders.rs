//! How much members share on a topic.

use super::state::State;
use crate::domain::{StatusId, TimeMs, Topic};
use crate::graph::{Budget, Limit, MemberIx, Sharer};

/// After so long a status counts half.
const SHARING_HALF_LIFE_MS: f64 = 30.0 * 24.0 * 3_600.0 * 1_000.0;

/// A member on a topic, and what it has shared on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sharing {
    pub sharer: Sharer,
    /// Its live statuses on the topic, newest first, then by id.
    pub statuses: Vec<StatusId>,
}

impl State {
    /// Every member on the topic at `as_of`, by interest or by a live status. Charges for each, and for each of their statuses.
    pub fn sharing_on(&self, topic: &Topic, as_of: TimeMs, budget: &mut Budget<'_>) -> Result<Vec<Sharing>, Limit> {
        let mut found = Vec::new();
        for member in self.topics.members(topic) {
            budget.visit(1)?;
            let is_interested = self.member_record(member).topics().is_some_and(|topics| topics.contains(topic));
            let (sharing, statuses) = self.shared_by(member, topic, as_of, budget)?;
            if is_interested || !statuses.is_empty() {
                found.push(Sharing { sharer: Sharer { member, sharing }, statuses });
            }
        }
        Ok(found)
    }

    fn shared_by(
        &self,
        member: MemberIx,
        topic: &Topic,
        as_of: TimeMs,
        budget: &mut Budget<'_>,
    ) -> Result<(f64, Vec<StatusId>), Limit> {
        let (mut sharing, mut statuses) = (0.0, Vec::new());
        for id in self.statuses_of(member, None) {
            budget.visit(1)?;
            let status = &self.statuses.get(id).expect("an author's status is stored").status;
            if status.is_live(as_of) && status.topics.contains(topic) {
                let age_ms = as_of.0.saturating_sub(status.post_time.0).max(0);
                sharing += libm::exp2(-(age_ms as f64) / SHARING_HALF_LIFE_MS);
                statuses.push(id.clone());
            }
        }
        Ok((sharing, statuses))
    }
}
