//! Who leads on the topics that suggestions are asked about, which is a reason to meet them.

use std::collections::HashMap;

use crate::domain::{Topic, TopicSet};
use crate::engine::{State, StatusReader};
use crate::graph::{Budget, Limit, MemberIx, Sharer, View, leaders};

/// How many of a topic's leaders count as leading.
const LEADERS_REPORTED_MAX: usize = 10;
/// The most members on a topic whose leaders are looked for: with more it would take longer than the suggestions do.
const ON_TOPIC_MAX: usize = 1_000;

/// The fact that a member leads on a topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Lead {
    pub topic: Topic,
    /// The member's rank among the topic's leaders, from 1.
    pub rank: usize,
    /// How many members on the topic pay attention to it; 1 at least.
    pub audience: usize,
}

/// What members lead on.
pub type Leads = HashMap<MemberIx, Vec<Lead>>;

/// Returns the first leaders of each topic, as `ListLeaders` has them of the same view.
pub fn leads(
    state: &State,
    (view, reader): (&View<'_>, &StatusReader),
    topics: &TopicSet,
    budget: &mut Budget<'_>,
) -> Result<Leads, Limit> {
    let mut found = Leads::new();
    for topic in topics.iter() {
        let sharing = state.sharing_on(topic, view, reader, budget)?;
        if sharing.len() > ON_TOPIC_MAX {
            continue;
        }
        let sharers: Vec<Sharer> = sharing.into_iter().map(|sharing| sharing.sharer).collect();
        for (leader, rank) in leaders(view, &sharers, budget)?.into_iter().take(LEADERS_REPORTED_MAX).zip(1..) {
            let audience = leader.readers.len();
            if audience > 0 {
                found.entry(leader.member).or_default().push(Lead { topic: topic.clone(), rank, audience });
            }
        }
    }
    Ok(found)
}
