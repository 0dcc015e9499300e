//! The request ids of the last 24 hours of writes, each with the answer it was given.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::domain::limits::REQUEST_ID_KEPT_MS;
use crate::domain::{RequestId, Sequence, TimeMs};

#[derive(Debug, Clone)]
pub struct Answered {
    pub fingerprint: u128,
    pub time: TimeMs,
    pub sequence: Sequence,
    pub answer: Arc<[u8]>,
}

#[derive(Debug, Clone, Default)]
pub struct Requests {
    by_id: OrdMap<RequestId, Answered>,
    by_time: OrdSet<(TimeMs, RequestId)>,
}

impl Requests {
    pub fn get(&self, id: RequestId) -> Option<&Answered> {
        self.by_id.get(&id)
    }

    pub fn insert(&mut self, id: RequestId, answered: Answered) {
        self.by_time.insert((answered.time, id));
        self.by_id.insert(id, answered);
    }

    /// Forgets what is older than a day at `now`. Part of every command, so that replaying the log forgets the same.
    pub fn expire(&mut self, now: TimeMs) {
        let first_kept = TimeMs(now.0.saturating_sub(REQUEST_ID_KEPT_MS as i64));
        while let Some(&(time, id)) = self.by_time.get_min().filter(|(time, _)| *time < first_kept) {
            self.by_time.remove(&(time, id));
            self.by_id.remove(&id);
        }
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
        Answered { fingerprint: 0, time: TimeMs(time), sequence: 1, answer: Arc::from([]) }
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
