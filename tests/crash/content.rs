//! What a store must hold: an independent fold of the changes that were asked for.

use std::collections::BTreeMap;

use kith::proto::v1::change::Change;
use kith::proto::v1::{Edge, Interaction, Member, Status};

pub type EdgeKey = (String, String, String);

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    pub members: BTreeMap<String, MemberValue>,
    pub edges: BTreeMap<EdgeKey, EdgeValue>,
    pub statuses: BTreeMap<String, StatusValue>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemberValue {
    pub display_name: String,
    pub headline: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct EdgeValue {
    pub note: String,
    pub interactions: i64,
    /// Seconds since 1970; 0 without interactions.
    pub last_s: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StatusValue {
    pub author_id: String,
    pub text: String,
}

impl From<Member> for MemberValue {
    fn from(member: Member) -> MemberValue {
        MemberValue { display_name: member.display_name, headline: member.headline }
    }
}

impl Content {
    /// Carries out a change that is valid here.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::PutMember(member) => drop(self.members.insert(member.id.clone(), member.clone().into())),
            Change::UpdateMember(update) => {
                let patch = update.member.as_ref().unwrap();
                self.members.get_mut(&patch.id).unwrap().headline.clone_from(&patch.headline);
            }
            Change::DeleteMember(delete) => self.erase(&delete.id),
            Change::PutEdge(put) => self.put_edge(put.edge.as_ref().unwrap()),
            Change::DeleteEdge(delete) => {
                let key = (delete.from_id.clone(), delete.kind.clone(), delete.to_id.clone());
                self.edges.remove(&key).unwrap();
            }
            Change::RecordInteraction(record) => self.record(record),
            Change::PostStatus(status) => drop(self.statuses.insert(status.id.clone(), status.clone().into())),
            Change::DeleteStatus(delete) => drop(self.statuses.remove(&delete.id).unwrap()),
            other => unreachable!("no test makes the change {other:?}"),
        }
    }

    fn erase(&mut self, id: &str) {
        self.members.remove(id).unwrap();
        self.edges.retain(|(from, _, to), _| from != id && to != id);
        self.statuses.retain(|_, status| status.author_id != id);
    }

    /// A put keeps the history, and makes the ends that are missing.
    fn put_edge(&mut self, edge: &Edge) {
        for id in [&edge.from_id, &edge.to_id] {
            self.members.entry(id.clone()).or_default();
        }
        let key = (edge.from_id.clone(), edge.kind.clone(), edge.to_id.clone());
        let new = || EdgeValue { note: String::new(), interactions: 0, last_s: 0 };
        self.edges.entry(key).or_insert_with(new).note.clone_from(&edge.note);
    }

    fn record(&mut self, record: &Interaction) {
        let key = (record.from_id.clone(), record.kind.clone(), record.to_id.clone());
        let edge = self.edges.get_mut(&key).unwrap();
        edge.interactions += record.count;
        edge.last_s = edge.last_s.max(record.time.unwrap().seconds);
    }

    /// What differs, in words short enough to be read.
    pub fn difference(&self, found: &Content) -> String {
        let mut words = Vec::new();
        differences(&self.members, &found.members, &mut words);
        differences(&self.edges, &found.edges, &mut words);
        differences(&self.statuses, &found.statuses, &mut words);
        let more = words.len().saturating_sub(5);
        words.truncate(5);
        format!("{} (and {more} more)", words.join("; "))
    }
}

impl From<Status> for StatusValue {
    fn from(status: Status) -> StatusValue {
        StatusValue { author_id: status.author_id, text: status.text }
    }
}

fn differences<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    expected: &BTreeMap<K, V>,
    found: &BTreeMap<K, V>,
    words: &mut Vec<String>,
) {
    let short =
        |value: Option<&V>| value.map_or("nothing".to_owned(), |v| format!("{v:?}").chars().take(120).collect());
    let keys: std::collections::BTreeSet<&K> = expected.keys().chain(found.keys()).collect();
    for key in keys {
        let (expected, found) = (expected.get(key), found.get(key));
        if expected != found {
            words.push(format!("{key:?}: expected {}, found {}", short(expected), short(found)));
        }
    }
}
