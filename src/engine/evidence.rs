//! Who has something to do with a topic asked for, and how much.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::live::StatusReader;
use super::state::{State, idf};
use super::visibility::Posted;
use crate::domain::{Status, StatusId, Topic, TopicSet};
use crate::graph::{Budget, Limit, MemberIx, View};

/// How a member's topics match those asked for, and the evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicMatch {
    /// The cosine of the asked topics and the member's own (interests and live statuses), each weighted by its idf; in (0, 1].
    pub cosine: f64,
    /// The part of the cosine that each matching topic has, by topic; the parts sum to 1.
    pub parts: Vec<(Topic, f64)>,
    /// The matching interests.
    pub interests: Vec<Topic>,
    /// The live statuses on topics asked for, with those topics; newest first, then by id.
    pub statuses: Vec<(StatusId, Vec<Topic>)>,
}

/// The members on a topic that a viewer sees, each with those of its live statuses that the viewer sees.
pub(super) type OnTopics<'s> = BTreeMap<MemberIx, Vec<&'s Status>>;

impl State {
    /// Returns every member on one of the topics, by interest or by a live status, as far as a viewer may know.
    pub fn topic_evidence(
        &self,
        asked: &TopicSet,
        view: &View<'_>,
        reader: &StatusReader,
        budget: &mut Budget<'_>,
    ) -> Result<HashMap<MemberIx, TopicMatch>, Limit> {
        let on_topics = self.on_topics(asked.iter(), view, reader, budget)?;
        let rarity = Rarity::new(self, view, budget)?;
        let mut found = HashMap::new();
        budget.whole(|budget| {
            for (member, statuses) in on_topics {
                if let Some(matched) = self.topic_match(member, &statuses, asked, &rarity) {
                    budget.visit(1 + statuses.len() as u64)?;
                    found.insert(member, matched);
                }
            }
            Ok(found)
        })
    }

    /// Returns those who may be on one of the topics, with all of their statuses that the viewer sees. Some are there for statuses that it
    /// does not see, so nothing is charged yet.
    pub(super) fn on_topics<'s, 't>(
        &'s self,
        topics: impl Iterator<Item = &'t Topic>,
        view: &View<'_>,
        reader: &StatusReader,
        budget: &mut Budget<'_>,
    ) -> Result<OnTopics<'s>, Limit> {
        let mut found = OnTopics::new();
        let mut live: Vec<Posted<'_>> = Vec::new();
        reader.decide(budget, |budget| {
            for topic in topics {
                for member in self.members_on(topic) {
                    if !view.is_gone(member) {
                        budget.pass(1)?;
                        found.insert(member, Vec::new());
                    }
                }
            }
            for &member in found.keys() {
                live.extend(self.live_statuses(member, reader.live_at, budget)?);
            }
            Ok(())
        })?;
        let stand_in = reader.any_stand_in(self);
        for (author, status) in self.seen(reader, live, stand_in, budget)? {
            found.entry(author).or_default().push(status);
        }
        Ok(found)
    }

    fn topic_match(
        &self,
        member: MemberIx,
        statuses: &[&Status],
        asked: &TopicSet,
        rarity: &Rarity<'_>,
    ) -> Option<TopicMatch> {
        let mut own: BTreeSet<&Topic> = BTreeSet::new();
        let mut interests = Vec::new();
        if let Some(topics) = self.interests(member) {
            own.extend(topics.iter());
            interests.extend(topics.iter().filter(|topic| asked.contains(topic)).cloned());
        }
        let mut shared_on = Vec::new();
        for status in statuses {
            own.extend(status.attrs.topics.iter());
            let on: Vec<Topic> = status.attrs.topics.iter().filter(|topic| asked.contains(topic)).cloned().collect();
            if !on.is_empty() {
                shared_on.push((status.id.clone(), on));
            }
        }
        let squared = |topic: &Topic| rarity.of(topic).powi(2);
        let shared: Vec<(Topic, f64)> =
            own.iter().filter(|topic| asked.contains(topic)).map(|&topic| (topic.clone(), squared(topic))).collect();
        if shared.is_empty() {
            return None;
        }
        let dot: f64 = shared.iter().map(|(_, part)| part).sum();
        let norms = asked.iter().map(squared).sum::<f64>() * own.iter().map(|topic| squared(topic)).sum::<f64>();
        let parts = shared.into_iter().map(|(topic, part)| (topic, part / dot)).collect();
        // Rounding may carry equal vectors a hair past 1.
        Some(TopicMatch { cosine: (dot / norms.sqrt()).min(1.0), parts, interests, statuses: shared_on })
    }
}

/// How rare topics are among the members that a viewer sees.
struct Rarity<'s> {
    state: &'s State,
    /// How many members there are, and how many of those that are gone for the viewer are interested in each topic.
    members: u64,
    gone: HashMap<&'s Topic, u64>,
    known: RefCell<HashMap<Topic, f64>>,
}

/// How many members are looked at between two polls.
const GONE_AT_ONCE: usize = 256;

impl<'s> Rarity<'s> {
    fn new(state: &'s State, view: &View<'_>, budget: &mut Budget<'_>) -> Result<Rarity<'s>, Limit> {
        let all: Vec<MemberIx> = view.gone().collect();
        let (mut gone, mut polled) = (HashMap::new(), 0);
        for members in all.chunks(GONE_AT_ONCE) {
            budget.heed(&mut polled)?;
            for topic in members.iter().filter_map(|member| state.interests(*member)).flat_map(|topics| topics.iter()) {
                *gone.entry(topic).or_insert(0) += 1;
            }
        }
        let members = state.graph().shown_members() - all.len() as u64;
        Ok(Rarity { state, members, gone, known: RefCell::default() })
    }

    /// Returns a topic's inverse document frequency.
    fn of(&self, topic: &Topic) -> f64 {
        let known = self.known.borrow().get(topic).copied();
        known.unwrap_or_else(|| {
            let gone = self.gone.get(topic).copied().unwrap_or(0);
            let idf = idf(self.members, self.state.interested(topic) - gone);
            self.known.borrow_mut().insert(topic.clone(), idf);
            idf
        })
    }
}
