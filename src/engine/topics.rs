//! Who is on a topic: by interest, or by a status about it.

use imbl::OrdMap;

use crate::domain::{Topic, TopicSet};
use crate::graph::MemberIx;

/// For every topic its members, and for each how often: once for the interest, once for each stored status.
#[derive(Debug, Clone, Default)]
pub struct TopicIndex {
    mentions: OrdMap<(Topic, MemberIx), u32>,
    members_on: OrdMap<Topic, u32>,
}

impl TopicIndex {
    pub fn add(&mut self, member: MemberIx, topics: &TopicSet) {
        for topic in topics.iter() {
            let mentions = self.mentions.entry((topic.clone(), member)).or_insert(0);
            *mentions += 1;
            if *mentions == 1 {
                *self.members_on.entry(topic.clone()).or_insert(0) += 1;
            }
        }
    }

    /// Takes back an `add` of the same topics.
    pub fn remove(&mut self, member: MemberIx, topics: &TopicSet) {
        for topic in topics.iter() {
            let key = (topic.clone(), member);
            match self.mentions.get(&key) {
                Some(1) => {
                    self.mentions.remove(&key);
                    self.drop_member(topic);
                }
                Some(&mentions) => {
                    self.mentions.insert(key, mentions - 1);
                }
                None => {}
            }
        }
    }

    fn drop_member(&mut self, topic: &Topic) {
        match self.members_on.get(topic) {
            Some(&members) if members > 1 => self.members_on.insert(topic.clone(), members - 1),
            _ => self.members_on.remove(topic),
        };
    }

    /// How many members are on the topic.
    pub fn members_on(&self, topic: &Topic) -> u32 {
        self.members_on.get(topic).copied().unwrap_or(0)
    }

    /// The members on the topic, in index order.
    pub fn members(&self, topic: &Topic) -> impl Iterator<Item = MemberIx> {
        let range = (topic.clone(), MemberIx(0))..=(topic.clone(), MemberIx(u32::MAX));
        self.mentions.range(range).map(|((_, member), _)| *member)
    }

    /// Every topic with every member on it, and how often.
    pub fn mentions(&self) -> impl Iterator<Item = (&Topic, MemberIx, u32)> {
        self.mentions.iter().map(|((topic, member), times)| (topic, *member, *times))
    }

    /// Every topic, and how many members are on it.
    pub fn counts(&self) -> impl Iterator<Item = (&Topic, u32)> {
        self.members_on.iter().map(|(topic, members)| (topic, *members))
    }

    /// Inverse document frequency, `ln(1 + members / members on the topic)` (Spärck Jones 1972, smoothed).
    pub fn idf(&self, topic: &Topic, members: u64) -> f64 {
        libm::log1p(members as f64 / f64::from(self.members_on(topic).max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_counts_once_however_often_it_is_on_a_topic() {
        let topics = TopicSet::parse("topics", &["privacy", "dogs"]).unwrap();
        let privacy = topics.iter().nth(1).unwrap();
        let mut index = TopicIndex::default();
        index.add(MemberIx(7), &topics);
        index.add(MemberIx(7), &topics);
        index.add(MemberIx(3), &topics);
        assert_eq!(index.members_on(privacy), 2);
        assert_eq!(index.members(privacy).collect::<Vec<_>>(), [MemberIx(3), MemberIx(7)]);
        index.remove(MemberIx(7), &topics);
        assert_eq!(index.members_on(privacy), 2);
        index.remove(MemberIx(7), &topics);
        index.remove(MemberIx(3), &topics);
        assert_eq!(index.members_on(privacy), 0);
        assert!(index.idf(privacy, 10) > 0.0);
    }
}
