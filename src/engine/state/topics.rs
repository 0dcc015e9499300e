//! Who is on a topic: by interest, or by a status about it.

use imbl::OrdMap;

use crate::domain::{MemberAttrs, Topic, TopicSet};
use crate::graph::MemberIx;

/// The members on every topic, each with a count: one for the interest, and one for each stored status.
#[derive(Debug, Clone, Default)]
pub struct TopicIndex {
    mentions: OrdMap<(Topic, MemberIx), u32>,
    interested: OrdMap<Topic, u32>,
}

impl TopicIndex {
    /// Adds a member's interests, but not those of one whose processing is restricted: they count nowhere.
    pub fn add_interests(&mut self, member: MemberIx, attrs: &MemberAttrs) {
        let MemberAttrs { topics, processing_restricted: false, .. } = attrs else { return };
        for topic in topics.iter() {
            *self.interested.entry(topic.clone()).or_insert(0) += 1;
        }
        self.add_subjects(member, topics);
    }

    /// Takes back an `add_interests` of the same attributes.
    pub fn remove_interests(&mut self, member: MemberIx, attrs: &MemberAttrs) {
        let MemberAttrs { topics, processing_restricted: false, .. } = attrs else { return };
        for topic in topics.iter() {
            take_one(&mut self.interested, topic.clone());
        }
        self.remove_subjects(member, topics);
    }

    /// Adds what a status of a member is about.
    pub fn add_subjects(&mut self, author: MemberIx, topics: &TopicSet) {
        for topic in topics.iter() {
            *self.mentions.entry((topic.clone(), author)).or_insert(0) += 1;
        }
    }

    /// Takes back an `add_subjects` of the same topics.
    pub fn remove_subjects(&mut self, author: MemberIx, topics: &TopicSet) {
        for topic in topics.iter() {
            take_one(&mut self.mentions, (topic.clone(), author));
        }
    }

    /// Returns how many members have the topic among their interests. Statuses do not count, because not everybody may see those.
    pub fn interested(&self, topic: &Topic) -> u64 {
        self.interested.get(topic).copied().unwrap_or(0).into()
    }

    /// Returns the members on the topic, in index order.
    pub fn members(&self, topic: &Topic) -> impl Iterator<Item = MemberIx> {
        let range = (topic.clone(), MemberIx(0))..=(topic.clone(), MemberIx(u32::MAX));
        self.mentions.range(range).map(|((_, member), _)| *member)
    }

    /// Returns every topic with every member on it, and the member's count.
    pub fn mentions(&self) -> impl Iterator<Item = (&Topic, MemberIx, u32)> {
        self.mentions.iter().map(|((topic, member), times)| (topic, *member, *times))
    }

    /// Returns every topic, and how many members have it among their interests.
    pub fn counts(&self) -> impl Iterator<Item = (&Topic, u32)> {
        self.interested.iter().map(|(topic, members)| (topic, *members))
    }
}

/// Counts one less; a count of 0 is not kept.
fn take_one<K: Ord + Clone>(counts: &mut OrdMap<K, u32>, key: K) {
    match counts.get(&key) {
        Some(&count) if count > 1 => counts.insert(key, count - 1),
        _ => counts.remove(&key),
    };
}

/// Returns the inverse document frequency, `ln(1 + members / members interested)` (Spärck Jones 1972, smoothed).
pub fn idf(members: u64, interested: u64) -> f64 {
    libm::log1p(members as f64 / interested.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_counts_once_however_often_it_is_on_a_topic() {
        let topics = TopicSet::parse("topics", &["privacy", "dogs"]).unwrap();
        let privacy = topics.iter().nth(1).unwrap();
        let attrs = MemberAttrs { topics: topics.clone(), ..MemberAttrs::default() };
        let restricted = MemberAttrs { processing_restricted: true, ..attrs.clone() };
        let mut index = TopicIndex::default();
        index.add_interests(MemberIx(7), &attrs);
        index.add_interests(MemberIx(8), &restricted);
        index.add_subjects(MemberIx(7), &topics);
        index.add_subjects(MemberIx(3), &topics);
        assert_eq!(index.interested(privacy), 1);
        assert_eq!(index.members(privacy).collect::<Vec<_>>(), [MemberIx(3), MemberIx(7)]);
        index.remove_interests(MemberIx(8), &restricted);
        index.remove_interests(MemberIx(7), &attrs);
        assert_eq!(index.interested(privacy), 0);
        assert_eq!(index.members(privacy).collect::<Vec<_>>(), [MemberIx(3), MemberIx(7)]);
        index.remove_subjects(MemberIx(7), &topics);
        index.remove_subjects(MemberIx(3), &topics);
        assert_eq!(index.members(privacy).count(), 0);
        assert!(idf(10, 0) > idf(10, 2));
    }
}
