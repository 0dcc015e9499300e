//! The request ids of the last 24 hours of writes, each with the answer it was given.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::verify::compare;
use crate::domain::limits::REQUEST_ID_KEPT_MS;
use crate::domain::{Error, Inspector, MemberId, RequestId, Sequence, TimeMs};

#[derive(Debug, Clone)]
pub struct Answered {
    pub fingerprint: u128,
    pub time: TimeMs,
    pub sequence: Sequence,
    /// None once a member it named was erased.
    pub answer: Option<Arc<[u8]>>,
    /// Whom the request named, but for those who are erased.
    pub members: Arc<[MemberId]>,
}

#[derive(Debug, Clone, Default)]
pub struct Requests {
    by_id: OrdMap<RequestId, Answered>,
    by_time: OrdSet<(TimeMs, RequestId)>,
    by_member: OrdSet<(MemberId, RequestId)>,
}

impl Requests {
    pub fn get(&self, id: RequestId) -> Option<&Answered> {
        self.by_id.get(&id)
    }

    pub fn insert(&mut self, id: RequestId, answered: Answered) {
        self.by_time.insert((answered.time, id));
        for member in answered.members.iter() {
            self.by_member.insert((member.clone(), id));
        }
        self.by_id.insert(id, answered);
    }

    /// Erases a member from what is kept of the requests that named it, and so their answers.
    pub fn erase(&mut self, member: &MemberId) {
        let from = self.by_member.range((member.clone(), RequestId(0))..);
        let ids: Vec<RequestId> = from.take_while(|(named, _)| named == member).map(|(_, id)| *id).collect();
        for id in ids {
            self.by_member.remove(&(member.clone(), id));
            if let Some(answered) = self.by_id.get_mut(&id) {
                answered.answer = None;
                answered.members = answered.members.iter().filter(|named| *named != member).cloned().collect();
            }
        }
    }

    /// Forgets what is older than a day at `now`. Part of every command, so that replaying the log forgets the same.
    pub fn expire(&mut self, now: TimeMs) {
        let first_kept = TimeMs(now.0.saturating_sub(REQUEST_ID_KEPT_MS as i64));
        while let Some(&(time, id)) = self.by_time.get_min().filter(|(time, _)| *time < first_kept) {
            self.by_time.remove(&(time, id));
            if let Some(forgotten) = self.by_id.remove(&id) {
                for member in forgotten.members.iter() {
                    self.by_member.remove(&(member.clone(), id));
                }
            }
        }
    }

    /// Checks the maps against each other. The callers of the two closures know who there is, and which commands.
    pub fn inspect(
        &self,
        is_member: impl Fn(&MemberId) -> bool,
        has_been: impl Fn(Sequence, TimeMs) -> bool,
        inspector: &mut dyn Inspector,
    ) -> Result<(), Error> {
        let name = |id: RequestId| format!("{:032x}", id.0);
        let mut by_time = BTreeSet::new();
        let mut by_member = BTreeSet::new();
        for (id, answered) in &self.by_id {
            by_time.insert((answered.time, *id));
            by_member.extend(answered.members.iter().map(|member| (member.clone(), *id)));
            if !has_been(answered.sequence, answered.time) {
                inspector.find("requests", name(*id), "it was answered after the last command")?;
            }
            if !answered.members.iter().all(&is_member) {
                inspector.find("requests", name(*id), "it names a member that is not there")?;
            }
        }
        compare("requests", &by_time, &self.by_time, |(_, id)| format!("{} by its time", name(*id)), inspector)?;
        let name = |(member, id): &&(MemberId, RequestId)| format!("{} by {member}", name(*id));
        compare("requests", &by_member, &self.by_member, name, inspector)
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// In the order of their time, then id.
    pub fn iter(&self) -> impl Iterator<Item = (RequestId, &Answered)> {
        self.by_time.iter().map(|(_, id)| (*id, self.by_id.get(id).expect("both maps hold the same ids")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(time: i64) -> Answered {
        Answered {
            fingerprint: 0,
            time: TimeMs(time),
            sequence: 1,
            answer: Some(Arc::from([])),
            members: Arc::from([]),
        }
    }

    #[test]
    fn an_erased_member_takes_the_answers_that_named_it_along() {
        let id = |text: &str| MemberId::parse("id", text).unwrap();
        let of = |members: &[&str]| Answered { members: members.iter().map(|text| id(text)).collect(), ..answered(0) };
        let mut requests = Requests::default();
        requests.insert(RequestId(1), of(&["ann", "bob"]));
        requests.insert(RequestId(2), of(&["bob"]));
        requests.insert(RequestId(3), of(&["cy"]));
        requests.erase(&id("ann"));
        let left = |n| requests.get(RequestId(n)).map(|left| (left.answer.is_some(), left.members.to_vec()));
        assert_eq!(left(1), Some((false, vec![id("bob")])));
        assert_eq!(left(2), Some((true, vec![id("bob")])));
        assert_eq!(left(3), Some((true, vec![id("cy")])));
        requests.expire(TimeMs(i64::MAX));
        assert_eq!((requests.len(), requests.by_member.len()), (0, 0));
    }

    #[test]
    fn a_day_later_a_request_is_forgotten_and_not_before() {
        let day = REQUEST_ID_KEPT_MS as i64;
        let mut requests = Requests::default();
        requests.insert(RequestId(1), answered(0));
        requests.insert(RequestId(2), answered(5));
        requests.expire(TimeMs(day));
        assert_eq!(requests.len(), 2);
        requests.expire(TimeMs(day + 1));
        assert_eq!(requests.iter().map(|(id, _)| id).collect::<Vec<_>>(), [RequestId(2)]);
    }
}
